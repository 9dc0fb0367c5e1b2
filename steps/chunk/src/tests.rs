use proptest::prelude::*;
use serde_json::{Value, json};
use stepwell_sdk::StepErrorKind;
use stepwell_sdk::testing::call;

use super::*;

fn chunks(input: Value, config: Value) -> Vec<Value> {
    call(chunk, &input, &config).unwrap()["chunks"].as_array().unwrap().clone()
}

fn texts(text: &str, config: Value) -> Vec<String> {
    let text_of = |chunk: Value| chunk["text"].as_str().unwrap().to_string();
    chunks(json!({"text": text}), config).into_iter().map(text_of).collect()
}

#[test]
fn a_chunk_ends_at_the_best_place_in_its_second_half() {
    for (text, expected) in [
        ("aaaaaaaaaaaa\n\nbbb ccc. Ddd eee", vec!["aaaaaaaaaaaa\n\n", "bbb ccc. Ddd eee"]),
        ("aaaaaaaaaaaa\nbbb ccc. Ddd eee", vec!["aaaaaaaaaaaa\n", "bbb ccc. Ddd eee"]),
        ("Aaaaaaa aaaa. Bbb ccc ddd eee", vec!["Aaaaaaa aaaa. ", "Bbb ccc ddd eee"]),
        ("aaaaaaaa aaaa bbb ccc ddd eee", vec!["aaaaaaaa aaaa bbb ", "ccc ddd eee"]),
        ("aaaaaaaaaaaaaaaaaaaaaaaa", vec!["aaaaaaaaaaaaaaaaaaaa", "aaaa"]),
        ("aaaaaaaaaa\n\n# Bb\n\ncc dd ee", vec!["aaaaaaaaaa\n\n", "# Bb\n\ncc dd ee"]),
        ("", vec![]),
    ] {
        assert_eq!(texts(text, json!({"size": 20})), expected, "{text}");
    }
}

#[test]
fn a_heading_begins_a_chunk_if_it_should() {
    let text = "# A\n\none\n\n## B\n\ntwo\n\n# C\n\nthree";
    assert_eq!(texts(text, json!({})).len(), 1);
    assert_eq!(texts(text, json!({"split_headings": 1})), ["# A\n\none\n\n## B\n\ntwo\n\n", "# C\n\nthree"]);
    let chunks = chunks(json!({"text": text}), json!({"split_headings": 2}));
    assert_eq!(chunks[1]["headings"], json!(["A", "B"]));
    assert_eq!(chunks[2]["headings"], json!(["C"]));
}

#[test]
fn what_text_from_answers_fits_and_chunks_know_their_pages() {
    let document = json!({
        "kind": "pdf", "text": "Öne.\n\nTwo.", "truncated": false,
        "pages": [{"number": 1, "start": 0, "text": "Öne."}, {"number": 2, "start": 6, "text": "Two."}],
        "headings": [{"level": 1, "text": "Two", "start": 6}],
    });
    let chunks = chunks(document, json!({"size": 7}));
    assert_eq!(
        chunks[0],
        json!({"index": 0, "text": "Öne.\n\n", "start": 0, "end": 6, "tokens": 2, "page": 1, "last_page": 1, "headings": []})
    );
    assert_eq!((&chunks[1]["page"], &chunks[1]["headings"]), (&json!(2), &json!(["Two"])));
}

#[test]
fn tokens_are_estimated_by_script() {
    assert_eq!(texts("abcd abcd abcd", json!({"size": 2, "unit": "tokens"})), ["abcd ", "abcd ", "abcd"]);
    assert_eq!(texts("日本語", json!({"size": 2, "unit": "tokens"})), ["日本", "語"]);
}

#[test]
fn what_readers_take_for_one_character_is_never_parted() {
    let family = "👩‍👩‍👧";
    assert_eq!(texts(&family.repeat(2), json!({"size": 1})), [family, family]);
}

#[test]
fn chunks_overlap_by_whole_words() {
    let text = "one two three four five six seven eight";
    assert_eq!(
        texts(text, json!({"size": 16, "overlap": 6})),
        ["one two three ", "three four five ", "five six seven ", "seven eight"]
    );
}

#[test]
fn an_overlap_never_keeps_a_chunk_from_reaching_further() {
    let chunks = texts("aa ä\u{c55}\u{c55}aaaßa", json!({"size": 5, "overlap": 1}));
    assert_eq!(chunks, ["aa ", " ä\u{c55}\u{c55}a", "aaaßa"]);
}

#[test]
fn sizes_that_make_no_sense_and_too_many_chunks_are_errors() {
    for config in [json!({"size": 0}), json!({"size": 10, "overlap": 5})] {
        assert_eq!(call(chunk, &json!({"text": "a"}), &config).unwrap_err().kind, StepErrorKind::Permanent);
    }
    let many = call(chunk, &json!({"text": "aaa"}), &json!({"size": 1, "max_chunks": 2})).unwrap_err();
    assert!(many.message.contains("more than 2 chunks"), "{many}");
}

/// Texts with all that matters to where they are cut.
fn any_text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("👩‍👩‍👧".to_string()),
        Just("ä\u{c55}\u{c55}".to_string()),
        Just("\n\n".to_string()),
        Just("\n# H\n".to_string()),
        Just(". ".to_string()),
        "[a-zäß ]{1,8}",
        "\\PC{1,4}"
    ];
    proptest::collection::vec(part, 0..60).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn without_overlap_the_chunks_are_the_text(text in any_text(), size in 1..60_usize, split in 0..3_u8) {
        let chunks = texts(&text, json!({"size": size, "split_headings": split}));
        prop_assert_eq!(chunks.concat(), text);
    }

    #[test]
    fn with_overlap_nothing_is_missing_and_places_are_right(
        text in any_text(),
        size in 5..60_usize,
        part in 0..10_usize,
        tokens in any::<bool>(),
    ) {
        let config = json!({"size": size, "overlap": size * part / 21, "unit": if tokens { "tokens" } else { "chars" }});
        let mut reached = 0;
        for chunk in chunks(json!({"text": text}), config) {
            let place = |name: &str| chunk[name].as_u64().unwrap() as usize;
            let (start, end) = (place("start"), place("end"));
            prop_assert!(start <= reached && end > reached);
            let expected: String = text.chars().skip(start).take(end - start).collect();
            prop_assert_eq!(&chunk["text"], &expected);
            reached = end;
        }
        prop_assert_eq!(reached, text.chars().count());
    }
}
