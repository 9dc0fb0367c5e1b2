//! Every provider against exchanges in its own shapes, as recorded in `recorded/`.

mod streams;

use serde_json::{Value, json};
use stepwell_sdk::testing::{Answer, FakeHost};
use stepwell_sdk::{StepError, StepErrorKind};

use super::*;
use crate::schema::Schema;

const TEXT: &str = "Grüße aus Köln 🙂";

/// By the name of its folder, with where it is asked.
const PROVIDERS: [(&str, &str, &str); 5] = [
    ("openai", "https://api.openai.com/v1/chat/completions", ""),
    ("openai-responses", "https://api.openai.com/v1/responses", ""),
    ("anthropic", "https://api.anthropic.com/v1/messages", ""),
    (
        "gemini",
        "https://generativelanguage.googleapis.com/v1beta/models/gemini-3.5-flash-lite:generateContent",
        "https://generativelanguage.googleapis.com/v1beta/models/gemini-3.5-flash-lite:streamGenerateContent?alt=sse",
    ),
    ("openai-compatible", "http://localhost:8080/v1/chat/completions", ""),
];

/// How each refuses in `refusal.json` and `refusal.sse`.
const REFUSALS: [(&str, &str); 5] = [
    ("openai", "I'm sorry, I can't help with that."),
    ("openai-responses", "I'm sorry, I can't help with that."),
    ("anthropic", "This request was declined."),
    ("gemini", "PROHIBITED_CONTENT"),
    ("openai-compatible", "content_filter"),
];

fn config(provider: &str) -> ProviderConfig<Provider> {
    let mut config = json!({"provider": provider});
    if provider == "openai-compatible" {
        config["base_url"] = "http://localhost:8080/v1".into();
        config["model"] = "gemma".into();
    }
    serde_json::from_value(config).unwrap()
}

fn recorded(provider: &str, file: &str) -> Vec<u8> {
    let path = format!("{}/src/chat/recorded/{provider}/{file}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).expect(&path)
}

fn hello() -> Ask<'static> {
    Ask { system: Some("Greet.".into()), messages: vec![Message::user("Hello!")], ..Ask::default() }
}

/// Asks a provider that answers so, whole.
fn asked(provider: &str, answer: Answer) -> (FakeHost, Result<Completion, StepError>) {
    let host = FakeHost::new();
    let (_, url, _) = PROVIDERS.iter().find(|(name, _, _)| *name == provider).unwrap();
    host.answer("POST", url, answer);
    let config = config(provider);
    let completion = Chat::new(&config).unwrap().complete(&hello());
    (host, completion)
}

/// Asks a provider that answers so, piece by piece; with what was told of it.
fn streamed(provider: &str, answer: Answer) -> (FakeHost, Result<Completion, StepError>, Vec<String>) {
    let host = FakeHost::new();
    let (_, whole, stream) = PROVIDERS.iter().find(|(name, _, _)| *name == provider).unwrap();
    host.answer("POST", if stream.is_empty() { whole } else { stream }, answer);
    let config = config(provider);
    let mut told = Vec::new();
    let mut news = |news: News<'_>| {
        if let News::Text(text) = news {
            told.push(text.to_owned());
        }
    };
    let completion = Chat::new(&config).unwrap().stream(&hello(), &mut news);
    (host, completion, told)
}

fn json_answer(status: u16, provider: &str, file: &str) -> Answer {
    Answer::bytes(status, recorded(provider, file)).header("content-type", "application/json")
}

fn sse(pieces: Vec<Vec<u8>>) -> Answer {
    Answer::pieces(200, pieces).header("content-type", "text/event-stream; charset=utf-8")
}

fn cause(error: &StepError) -> &str {
    error.detail.as_ref().unwrap()["cause"].as_str().unwrap()
}

fn sent(host: &FakeHost) -> Value {
    serde_json::from_slice(&host.requests()[0].body).unwrap()
}

#[test]
fn each_provider_answers_and_tells_what_it_used_up() {
    for (provider, ..) in PROVIDERS {
        let (host, completion) = asked(provider, json_answer(200, provider, "success.json"));
        let completion = completion.unwrap();
        assert_eq!(completion.text, TEXT, "{provider}");
        let [usage] = host.usage().try_into().unwrap();
        assert_eq!((usage.input_tokens, usage.output_tokens), (25, 9), "{provider}");
        assert_eq!(usage.model, completion.model, "{provider}");
        let is_priced = provider != "openai-compatible";
        assert_eq!(usage.cost_micro_usd.is_some(), is_priced, "{provider}: {}", usage.model);
        assert!(!completion.finish.is_empty(), "{provider}");
    }
}

#[test]
fn keys_go_where_each_provider_wants_them_and_never_into_a_url() {
    let headers = [
        ("openai", "authorization", Some("Bearer {{secret.OPENAI_API_KEY}}")),
        ("openai-responses", "authorization", Some("Bearer {{secret.OPENAI_API_KEY}}")),
        ("anthropic", "x-api-key", Some("{{secret.ANTHROPIC_API_KEY}}")),
        ("anthropic", "anthropic-version", Some("2023-06-01")),
        ("gemini", "x-goog-api-key", Some("{{secret.GEMINI_API_KEY}}")),
        ("openai-compatible", "authorization", None),
    ];
    for (provider, header, value) in headers {
        let (host, _) = asked(provider, json_answer(200, provider, "success.json"));
        assert_eq!(host.requests()[0].header_value(header), value, "{provider}");
        assert!(!host.requests()[0].url.contains("secret"), "{provider}");
    }
}

#[test]
fn each_failure_is_understood_whole_and_streamed() {
    let cases = [
        ("rate_limited.json", 429, "rate_limited", StepErrorKind::Retryable),
        ("overloaded.json", 503, "overloaded", StepErrorKind::Retryable),
        ("bad_key.json", 401, "bad_key", StepErrorKind::Permanent),
        ("too_long.json", 400, "input_too_long", StepErrorKind::Permanent),
        ("unknown_model.json", 404, "unknown_model", StepErrorKind::Permanent),
        ("error_inside.json", 200, "provider_failed", StepErrorKind::Retryable),
    ];
    for (provider, ..) in PROVIDERS {
        for (file, status, expected, kind) in cases {
            let answer = json_answer(status, provider, file);
            let whole = asked(provider, answer.clone()).1.unwrap_err();
            let stream = streamed(provider, answer).1.unwrap_err();
            for error in [whole, stream] {
                assert_eq!((cause(&error), error.kind), (expected, kind), "{provider}, {file}: {error}");
                assert!(error.message.starts_with(config(provider).provider.api().provider), "{error}");
            }
        }
    }
}

#[test]
fn what_the_provider_will_not_answer_is_final_and_paid() {
    for (provider, words) in REFUSALS {
        let (host, completion) = asked(provider, json_answer(200, provider, "refusal.json"));
        let error = completion.unwrap_err();
        assert_eq!((cause(&error), error.kind), ("refused", StepErrorKind::Permanent), "{provider}");
        assert!(error.message.contains(words), "{error}");
        assert_eq!(host.usage().len(), 1, "{provider}");
    }
}

#[test]
fn an_answer_that_was_cut_at_its_length_is_final_and_shown() {
    for (provider, ..) in PROVIDERS {
        let (host, completion) = asked(provider, json_answer(200, provider, "cut.json"));
        let error = completion.unwrap_err();
        assert_eq!((cause(&error), error.kind), ("length_limit", StepErrorKind::Permanent), "{provider}");
        assert_eq!(error.detail.unwrap()["answer"], "Grü", "{provider}");
        assert_eq!(host.usage().len(), 1, "{provider}");
    }
}

#[test]
fn a_tool_that_nobody_offered_is_no_answer() {
    for (provider, ..) in PROVIDERS {
        let (host, completion) = asked(provider, json_answer(200, provider, "tool.json"));
        let error = completion.unwrap_err();
        assert_eq!((cause(&error), error.kind), ("empty", StepErrorKind::Retryable), "{provider}");
        assert!(error.message.contains("calls the tool `get_weather`"), "{error}");
        assert_eq!(host.usage().len(), 1, "{provider}");
    }
}

#[test]
fn what_a_model_thinks_is_no_part_of_its_answer() {
    let (_, completion) = asked("openai-responses", json_answer(200, "openai-responses", "reasoning.json"));
    assert_eq!(completion.unwrap().text, TEXT);
}

/// What was answered was paid for. Of a model that costs nothing that is known all the same.
#[test]
fn a_call_that_tells_no_usage_is_counted_without_a_cost() {
    let answers = [
        Answer::json(
            200,
            &json!({"model": "gpt-4o-2024-08-06", "choices": [{"message": {"content": "Hi"}}]}),
        ),
        Answer::json(200, &json!({"error": {"message": "The server had an error", "type": "server_error"}})),
        Answer::bytes(200, "{\"choices\": [{\"mess"),
    ];
    for answer in answers {
        for is_streamed in [false, true] {
            let host = match is_streamed {
                false => asked("openai", answer.clone()).0,
                true => streamed("openai", answer.clone()).0,
            };
            let [call] = host.usage().try_into().unwrap();
            assert_eq!((call.input_tokens, call.output_tokens, call.cost_micro_usd), (0, 0, None));
            assert!(host.logs()[0].message.contains("does not tell what the call used up"));
        }
    }
    let refused = json_answer(429, "openai", "rate_limited.json");
    assert!(asked("openai", refused).0.usage().is_empty(), "what was not answered costs nothing");

    let host = FakeHost::new();
    let answer = json!({"choices": [{"message": {"content": "Hi"}}]});
    host.answer("POST", PROVIDERS[4].1, Answer::json(200, &answer));
    let free: ProviderConfig<Provider> = serde_json::from_value(json!({
        "provider": "openai-compatible", "base_url": "http://localhost:8080/v1", "model": "gemma", "price": {}
    }))
    .unwrap();
    Chat::new(&free).unwrap().complete(&hello()).unwrap();
    assert_eq!((host.usage()[0].cost_micro_usd, host.logs()), (Some(0), vec![]));
}

/// Of OpenAI's responses, which have a status of their own and may have no error beside it.
#[test]
fn an_answer_that_was_given_up_is_none() {
    for status in ["failed", "cancelled", "queued", "in_progress"] {
        let answer = json!({
            "model": "gpt-4o-mini", "status": status, "error": null, "usage": {"input_tokens": 10, "output_tokens": 3},
            "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Half"}]}],
        });
        let error = asked("openai-responses", Answer::json(200, &answer)).1.unwrap_err();
        assert_eq!((error.kind, cause(&error)), (StepErrorKind::Retryable, "provider_failed"), "{status}");
        assert!(error.message.contains(&format!("`{status}`")), "{error}");
    }
}

/// Without a status there is only what it says.
#[test]
fn an_error_inside_that_blames_the_request_is_final() {
    for (error, expected) in [
        (json!({"type": "invalid_request_error", "message": "No."}), "bad_request"),
        (json!({"code": "invalid_prompt", "message": "No."}), "bad_request"),
        (json!({"code": "image_content_policy_violation", "message": "No."}), "refused"),
        (json!({"code": "server_error", "message": "Sorry."}), "provider_failed"),
    ] {
        let error = asked("openai", Answer::json(200, &json!({"error": error}))).1.unwrap_err();
        assert_eq!(cause(&error), expected, "{error}");
        assert_eq!(error.kind == StepErrorKind::Permanent, expected != "provider_failed", "{error}");
    }
}

#[test]
fn a_page_half_a_document_and_nothing_at_all_are_typed_errors() {
    let page = std::fs::read(format!("{}/src/chat/recorded/page.html", env!("CARGO_MANIFEST_DIR"))).unwrap();
    for (provider, ..) in PROVIDERS {
        let cases = [
            (Answer::bytes(200, page.clone()).header("content-type", "text/html"), "not_json"),
            (Answer::bytes(502, page.clone()).header("content-type", "text/html"), "provider_failed"),
            (Answer::bytes(200, recorded(provider, "success.json")[..60].to_vec()), "not_json"),
            (Answer::json(200, &json!({})), "empty"),
            (Answer::error(http::ErrorKind::Protocol, "wrong content length"), "unreachable"),
        ];
        for (answer, expected) in cases {
            let whole = asked(provider, answer.clone()).1.unwrap_err();
            let stream = streamed(provider, answer).1.unwrap_err();
            for error in [whole, stream] {
                assert_eq!(
                    (cause(&error), error.kind),
                    (expected, StepErrorKind::Retryable),
                    "{provider}: {error}"
                );
            }
        }
    }
}

#[test]
fn each_provider_is_asked_in_its_own_shape() {
    let schema = json!({"type": "object", "required": ["label"], "properties": {"label": {"type": "string"}}, "additionalProperties": false});
    let open = json!({"type": "object"});
    for (provider, url, _) in PROVIDERS {
        let ask = |schema: &Value, told: ResponseFormat| {
            let host = FakeHost::new();
            host.answer("POST", url, json_answer(200, provider, "success.json"));
            let image = host.put_blob("image/png", b"\x89PNG\r\n\x1a\nbits");
            let config = config(provider);
            let chat = Chat::new(&config).unwrap();
            let last = Message { images: chat.images(&[image]).unwrap(), ..Message::user("What is this?") };
            let messages = vec![
                Message::user("Hi"),
                Message::new(Role::Assistant, "Hello"),
                Message::new(Role::System, "Now be brief."),
                last,
            ];
            let ask = Ask {
                system: Some("Greet.".into()),
                messages,
                temperature: Some(0.5),
                max_tokens: Some(99),
                format: Some(Format { schema, told }),
            };
            chat.complete(&ask).unwrap();
            sent(&host)
        };
        let all = json!({
            "closed": ask(&schema, ResponseFormat::JsonSchema),
            "open": ask(&open, ResponseFormat::JsonSchema),
            "in_words": ask(&schema, ResponseFormat::Prompt),
        });
        insta::assert_json_snapshot!(provider, all);
    }
}

/// OpenAI takes no schema but an object's, whether it decodes strictly or not; others do.
#[test]
fn a_schema_that_openai_does_not_take_is_told_in_words() {
    let list = json!({"type": "array", "items": {"type": "string"}});
    let either = json!({"anyOf": [{"type": "string"}, {"type": "number"}]});
    for schema in [&list, &either] {
        for (provider, url, _) in PROVIDERS {
            let host = FakeHost::new();
            host.answer("POST", url, json_answer(200, provider, "success.json"));
            let format = Some(Format { schema, told: ResponseFormat::JsonSchema });
            let config = config(provider);
            Chat::new(&config).unwrap().complete(&Ask { format, ..hello() }).unwrap();
            let sent = sent(&host);
            let constrained = [
                "/response_format",
                "/text/format",
                "/output_config",
                "/generationConfig/responseJsonSchema",
            ];
            let is_constrained = constrained.iter().any(|place| sent.pointer(place).is_some());
            let in_words =
                sent.to_string().contains("Answer with one JSON document that fits this JSON Schema");
            let is_openai = provider == "openai" || provider == "openai-responses";
            assert_eq!((is_constrained, in_words), (!is_openai, is_openai), "{provider}: {sent}");
        }
    }
}

#[test]
fn room_for_a_long_answer_is_asked_for_where_the_provider_would_stop_early() {
    for (provider, ..) in PROVIDERS {
        let config = config(provider);
        let room = Chat::new(&config).unwrap().room(16_000);
        assert_eq!(room, (provider == "anthropic").then_some(16_000), "{provider}");
    }
}

#[test]
fn an_image_that_is_none_is_refused_before_anything_is_asked() {
    let host = FakeHost::new();
    let gif = host.put_blob("image/gif", b"GIF89a...");
    let fake = host.put_blob("image/png", b"<html>not an image</html>");
    let huge = host.put_blob("image/png", vec![0; 3_932_161]);
    let tiff = host.put_blob("image/png", b"II*\0");
    let refused = |provider: &str, blob| {
        let config = config(provider);
        Chat::new(&config).unwrap().images(std::slice::from_ref(blob)).unwrap_err()
    };
    for (error, words) in [
        (refused("openai", &fake), "is no image"),
        (refused("openai", &tiff), "is no image"),
        // As base64, 5 MiB and four bytes.
        (refused("anthropic", &huge), "has 3932161 bytes: anthropic takes 3932160 at most"),
        (refused("gemini", &gif), "is a GIF, which gemini does not take"),
    ] {
        assert_eq!(error.kind, StepErrorKind::InvalidInput);
        assert!(error.message.starts_with("`images/0`") && error.message.contains(words), "{error}");
    }
    let config = config("openai");
    let jpeg = host.put_blob("application/octet-stream", b"\xff\xd8\xff\xe0");
    let webp = host.put_blob("image/webp", b"RIFF\x01\0\0\0WEBPVP8 ");
    let images = Chat::new(&config).unwrap().images(&[gif, jpeg, webp]).unwrap();
    let kinds: Vec<_> = images.iter().map(|image| image.media_type).collect();
    assert_eq!(kinds, ["image/gif", "image/jpeg", "image/webp"]);
}

#[test]
fn an_answer_that_must_fit_is_asked_for_once_more_in_either_way() {
    let schema = json!({"type": "object", "required": ["label", "confidence"]});
    for (provider, url, _) in PROVIDERS {
        let host = FakeHost::new();
        host.answer("POST", url, json_answer(200, provider, "success.json"));
        host.answer("POST", url, json_answer(200, provider, "structured.json"));
        let config = config(provider);
        let fitting =
            Chat::new(&config).unwrap().fitting(&mut hello(), &Schema::new(&schema).unwrap(), None).unwrap();
        assert_eq!(fitting.answer["label"], "Billing", "{provider}");
        assert_eq!(host.usage().len(), 2, "{provider}");
    }
    let host = FakeHost::new();
    for _ in 0..2 {
        host.answer("POST", PROVIDERS[0].1, sse(vec![recorded("openai", "stream.sse")]));
    }
    let config = config("openai");
    let mut told = String::new();
    let mut news = |news: News<'_>| match news {
        News::Text(text) => told.push_str(text),
        News::Again => told.push_str(" | "),
    };
    let chat = Chat::new(&config).unwrap();
    let error = chat.fitting(&mut hello(), &Schema::new(&schema).unwrap(), Some(&mut news)).unwrap_err();
    assert_eq!((cause(&error), error.kind), ("misfit", StepErrorKind::Retryable));
    assert_eq!(error.detail.unwrap()["violations"].as_array().unwrap().len(), 2);
    assert_eq!(told, format!("{TEXT} | {TEXT}"));
    assert_eq!(host.usage().len(), 2);
}

#[test]
fn several_questions_are_asked_at_once_and_fail_alone() {
    let host = FakeHost::new();
    host.answer("POST", PROVIDERS[0].1, json_answer(200, "openai", "success.json"));
    host.answer("POST", PROVIDERS[0].1, json_answer(429, "openai", "rate_limited.json"));
    let config = config("openai");
    let answers = Chat::new(&config).unwrap().complete_all(&[hello(), hello()]);
    assert_eq!(answers[0].as_ref().unwrap().text, TEXT);
    assert_eq!(cause(answers[1].as_ref().unwrap_err()), "rate_limited");
    assert_eq!(host.usage().len(), 1);
}
