//! Documents that something happened to: whatever it was, the step answers or says what is wrong.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::Config;

use super::{FakeHost, fixture, json, read, read_on};

const FIXTURES: [&str; 6] =
    ["lease.docx", "lease.pdf", "columns.pdf", "owner.pdf", "orders.xlsx", "mail.eml"];

proptest! {
    #![proptest_config(Config { cases: 64, failure_persistence: None, ..Config::default() })]

    #[test]
    fn a_document_that_ends_too_soon_does_no_harm(which in 0..FIXTURES.len(), end in any::<Index>()) {
        let mut bytes = fixture(FIXTURES[which]);
        bytes.truncate(end.index(bytes.len()));
        let _ = read(bytes);
    }

    #[test]
    fn a_document_with_wrong_bytes_does_no_harm(
        which in 0..FIXTURES.len(),
        wrong in vec((any::<Index>(), any::<u8>()), 1..40),
    ) {
        let mut bytes = fixture(FIXTURES[which]);
        for (place, byte) in wrong {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let _ = read(bytes);
    }

    #[test]
    fn a_document_with_a_part_twice_or_missing_does_no_harm(
        which in 0..FIXTURES.len(),
        (from, to, at) in any::<(Index, Index, Index)>(),
    ) {
        let bytes = fixture(FIXTURES[which]);
        let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
        let part = &bytes[from.min(to)..from.max(to)];
        let at = at.index(bytes.len());
        let _ = read([&bytes[..at], part, &bytes[at..]].concat());
        let _ = read([&bytes[..from.min(to)], &bytes[from.max(to)..]].concat());
    }

    #[test]
    fn any_bytes_of_any_name_do_no_harm(bytes in vec(any::<u8>(), 0..600), kind in 0..6_usize) {
        let name = ["a.pdf", "a.html", "a.csv", "a.eml", "a.md", "a"][kind];
        let start: &[u8] = if kind == 0 { b"%PDF-1.7\n" } else { b"" };
        let host = FakeHost::new();
        let blob = host.put_blob("application/octet-stream", [start, &bytes].concat());
        let _ = super::call(super::text_from, &json!({"document": blob, "name": name}), &json!({}));
    }

    #[test]
    fn text_is_cut_anywhere(chars in 0..400_usize, which in 0..FIXTURES.len()) {
        let read = read_on(&FakeHost::new(), fixture(FIXTURES[which]), json!({"max_chars": chars})).unwrap();
        prop_assert!(read["text"].as_str().unwrap().chars().count() <= chars + 3);
    }
}
