//! Answers that come piece by piece.

use super::*;

/// In pieces of several sizes: what comes of an answer must not depend on where it is cut.
fn in_pieces(bytes: &[u8]) -> impl Iterator<Item = (usize, Answer)> {
    let sizes = [1, 2, 3, 7, 64, 1000, bytes.len()];
    sizes.into_iter().map(|size| (size, sse(bytes.chunks(size).map(<[u8]>::to_vec).collect())))
}

#[test]
fn a_stream_says_the_same_however_it_is_cut() {
    for (provider, ..) in PROVIDERS {
        for (size, answer) in in_pieces(&recorded(provider, "stream.sse")) {
            let (host, completion, told) = streamed(provider, answer);
            let completion = completion.unwrap();
            assert_eq!(
                (completion.text.as_str(), told.concat().as_str()),
                (TEXT, TEXT),
                "{provider}, {size}"
            );
            assert_eq!(told, ["Grü", "ße aus", " Köln ", "🙂"], "{provider}, {size}");
            let [usage] = host.usage().try_into().unwrap();
            assert_eq!((usage.input_tokens, usage.output_tokens), (25, 9), "{provider}, {size}");
            assert_eq!(usage.model, completion.model, "{provider}");
        }
    }
}

#[test]
fn a_stream_is_asked_for_as_each_provider_wants_it() {
    for (provider, ..) in PROVIDERS {
        let (host, ..) = streamed(provider, sse(vec![recorded(provider, "stream.sse")]));
        let expected = if provider == "gemini" { Value::Null } else { true.into() };
        assert_eq!(sent(&host)["stream"], expected, "{provider}");
        let counts = sent(&host)["stream_options"]["include_usage"] == true;
        assert_eq!(counts, provider == "openai" || provider == "openai-compatible", "{provider}");
    }
}

#[test]
fn a_stream_that_holds_no_answer_fails_as_a_whole_one_does_however_it_is_cut() {
    let refusals = REFUSALS.map(|(provider, words)| (provider, "refusal.sse", "refused", words));
    let cuts = PROVIDERS.map(|(provider, ..)| (provider, "cut.sse", "length_limit", "raise `max_tokens`"));
    let tools =
        PROVIDERS.map(|(provider, ..)| (provider, "tool.sse", "empty", "calls the tool `get_weather`"));
    let withheld = [("gemini", "withheld.sse", "refused", "the answer is withheld (SAFETY)")];
    for (provider, file, expected, words) in [&refusals[..], &cuts, &tools, &withheld].concat() {
        for (size, answer) in in_pieces(&recorded(provider, file)) {
            let (host, completion, told) = streamed(provider, answer);
            let error = completion.unwrap_err();
            let kind = if expected == "empty" { StepErrorKind::Retryable } else { StepErrorKind::Permanent };
            assert_eq!((cause(&error), error.kind), (expected, kind), "{provider}, {file}, {size}: {error}");
            assert!(error.message.contains(words), "{provider}, {file}, {size}: {error}");
            let [call] = host.usage().try_into().unwrap();
            assert_eq!(call.input_tokens, 25, "{provider}, {file}, {size}");
            if file == "cut.sse" {
                assert_eq!(
                    (&error.detail.unwrap()["answer"], told.concat().as_str()),
                    (&json!("Grü"), "Grü")
                );
            }
        }
    }
}

/// What was said and paid for is not thrown away for what comes behind it.
#[test]
fn how_a_connection_ends_does_not_matter_once_the_answer_has_its_end() {
    for (provider, ..) in PROVIDERS {
        for kind in [http::ErrorKind::Connection, http::ErrorKind::Timeout, http::ErrorKind::TooLarge] {
            let whole = sse(vec![recorded(provider, "stream.sse")]);
            let (host, completion, _) = streamed(provider, whole.then_breaks(kind, "it broke"));
            assert_eq!(completion.unwrap().text, TEXT, "{provider}");
            let [call] = host.usage().try_into().unwrap();
            assert_eq!((call.input_tokens, call.output_tokens), (25, 9), "{provider}");
        }
    }
}

/// Gemini's does not say so.
#[test]
fn nothing_is_read_behind_the_last_event() {
    for (provider, ..) in PROVIDERS.into_iter().filter(|(provider, ..)| *provider != "gemini") {
        let behind = b"event: error\ndata: {\"error\": {\"message\": \"late\"}}\n\n".to_vec();
        for pieces in [
            vec![recorded(provider, "stream.sse"), behind.clone()],
            vec![[recorded(provider, "stream.sse"), behind].concat()],
        ] {
            assert_eq!(streamed(provider, sse(pieces)).1.unwrap().text, TEXT, "{provider}");
        }
    }
}

/// Servers that count leave the count to the end, behind the reason for it.
#[test]
fn a_stream_that_breaks_behind_its_end_and_before_its_cost_is_counted_without_one() {
    let whole = String::from_utf8(recorded("openai", "stream.sse")).unwrap();
    let end = whole.find("data: {\"id\":\"chatcmpl-CWhAq7N1dGxY\",\"object\":\"chat.completion.chunk\",\"created\":1762345678,\"model\":\"gpt-5.6-luna-2026-06-30\",\"choices\":[]");
    let uncounted = sse(vec![whole[..end.unwrap()].into()]);
    let broken = uncounted.clone().then_breaks(http::ErrorKind::Connection, "it broke");
    for answer in [uncounted, broken] {
        let (host, completion, _) = streamed("openai", answer);
        assert_eq!(completion.unwrap().text, TEXT);
        let [call] = host.usage().try_into().unwrap();
        assert_eq!(
            (call.model.as_str(), call.output_tokens, call.cost_micro_usd),
            ("gpt-5.6-luna-2026-06-30", 0, None)
        );
    }
}

#[test]
fn half_a_stream_is_an_error_and_is_counted_with_what_it_told_of_its_cost() {
    for (provider, ..) in PROVIDERS {
        let ends = sse(vec![recorded(provider, "half.sse")]);
        let breaks = ends.clone().then_breaks(http::ErrorKind::Connection, "connection reset by peer");
        for (answer, words) in [(ends, "half a stream"), (breaks, "connection reset by peer")] {
            let (host, completion, told) = streamed(provider, answer);
            let error = completion.unwrap_err();
            assert_eq!((cause(&error), error.kind), ("cut", StepErrorKind::Retryable), "{provider}");
            assert!(error.message.contains(words), "{error}");
            assert_eq!(told.concat(), "Grüße aus", "{provider}");
            let tells = provider == "anthropic" || provider == "gemini";
            let [call] = host.usage().try_into().unwrap();
            assert_eq!((call.input_tokens > 0, call.cost_micro_usd.is_some()), (tells, tells), "{provider}");
        }
    }
}

#[test]
fn an_error_inside_a_stream_is_an_error() {
    for (provider, ..) in PROVIDERS {
        let (_, completion, told) = streamed(provider, sse(vec![recorded(provider, "error_in_stream.sse")]));
        let error = completion.unwrap_err();
        assert_eq!(error.kind, StepErrorKind::Retryable, "{provider}");
        let expected =
            if matches!(provider, "anthropic" | "gemini") { "overloaded" } else { "provider_failed" };
        assert_eq!(cause(&error), expected, "{provider}: {error}");
        assert_eq!(told.concat(), "Grüße aus", "{provider}");
    }
}

#[test]
fn an_event_that_is_no_json_is_shown() {
    let broken = sse(vec![b"data: {\"choices\": [\n\n".to_vec()]);
    let error = streamed("openai", broken).1.unwrap_err();
    assert_eq!(cause(&error), "not_json");
    assert!(error.message.contains("`{\"choices\": [`"), "{error}");
    let words = sse(vec![b"event: error\ndata: out of memory\n\n".to_vec()]);
    let error = streamed("openai", words).1.unwrap_err();
    assert_eq!(
        (cause(&error), error.message.as_str()),
        ("provider_failed", "openai: it failed: out of memory")
    );
}

#[test]
fn a_server_that_does_not_stream_is_taken_at_its_word() {
    let (_, completion, told) =
        streamed("openai-compatible", json_answer(200, "openai-compatible", "success.json"));
    assert_eq!((completion.unwrap().text.as_str(), told), (TEXT, vec![TEXT.to_owned()]));
}

#[test]
fn a_whole_answer_to_a_stream_that_breaks_off_is_counted() {
    let broken = Answer::bytes(200, "{\"choices\":").header("content-type", "application/json");
    let (host, completion, _) =
        streamed("openai", broken.then_breaks(http::ErrorKind::Connection, "it broke"));
    assert_eq!(cause(&completion.unwrap_err()), "unreachable");
    assert_eq!(host.usage().len(), 1);
}
