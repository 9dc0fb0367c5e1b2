use std::time::Duration;

use serde_json::json;
use stepwell_sdk::StepErrorKind;
use stepwell_sdk::testing::{Answer, FakeHost, call};

use super::*;

/// A model that is of no provider here.
const LOCAL: &str = "http://localhost:8899/v1/chat/completions";
const URL: &str = "https://api.openai.com/v1/chat/completions";

fn ask(config: Value) -> Result<Value, StepError> {
    let mut whole = json!({"model": "gpt-4o"});
    whole.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
    call(llm_chat, &json!({"prompt": "Where is my money?"}), &whole)
}

fn completion(content: &str) -> Answer {
    finished(content, "stop")
}

fn finished(content: &str, reason: &str) -> Answer {
    Answer::json(
        200,
        &json!({
            "model": "gpt-4o-2024-08-06",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": content, "refusal": null}, "finish_reason": reason}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
        }),
    )
}

fn answering(answers: impl IntoIterator<Item = Answer>) -> FakeHost {
    let host = FakeHost::new();
    answers.into_iter().for_each(|answer| host.answer("POST", URL, answer));
    host
}

fn body(host: &FakeHost, index: usize) -> Value {
    serde_json::from_slice(&host.requests()[index].body).unwrap()
}

fn label_schema() -> Value {
    json!({
        "type": "object",
        "required": ["label", "confidence", "explanation"],
        "properties": {
            "label": {"type": "string", "enum": ["Billing", "General"]},
            "confidence": {"type": "number"},
            "explanation": {"type": "string"},
        },
        "additionalProperties": false,
    })
}

const BILLING: &str = r#"{"label": "Billing", "confidence": 0.9, "explanation": "It is about money."}"#;

#[test]
fn a_prompt_is_answered_with_text() {
    let host = answering([completion("In the bank.")]);
    let output = ask(json!({"system": "Be brief.", "temperature": 0, "max_tokens": 50})).unwrap();
    assert_eq!(output, json!({"text": "In the bank.", "model": "gpt-4o-2024-08-06"}));
    let expected = json!({
        "model": "gpt-4o", "temperature": 0.0, "max_completion_tokens": 50,
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where is my money?"}],
    });
    assert_eq!(body(&host, 0), expected);
    assert_eq!(host.requests()[0].header_value("authorization"), Some("Bearer {{secret.OPENAI_API_KEY}}"));
    assert!(host.decisions().is_empty());
}

#[test]
fn another_server_is_asked_as_configured() {
    let host = FakeHost::new();
    let config = json!({"base_url": "http://localhost:8899/v1/", "timeout_ms": 2000, "max_tokens": 9});
    for provider in [json!({"provider": "openai-compatible"}), json!({"api_key_secret": null})] {
        host.answer("POST", LOCAL, completion("hi"));
        let mut whole = config.clone();
        whole.as_object_mut().unwrap().extend(provider.as_object().unwrap().clone());
        ask(whole).unwrap();
    }
    for request in host.requests() {
        assert_eq!(request.header_value("authorization"), None);
        assert_eq!(request.timeout, Some(Duration::from_secs(2)));
    }
    assert_eq!(body(&host, 0)["max_tokens"], 9);
    assert_eq!(host.usage()[0].provider, "openai-compatible");
}

#[test]
fn a_server_gets_the_schema_where_it_takes_one() {
    let asked = |format: Value| {
        let host = answering([completion(BILLING)]);
        ask(json!({"system": "Sort.", "schema": label_schema(), "response_format": format})).unwrap();
        let body = body(&host, 0);
        (body["response_format"].clone(), body["messages"][0]["content"].as_str().unwrap().to_owned())
    };
    let (format, system) = asked(json!("json_schema"));
    assert_eq!((&format["type"], &format["json_schema"]["schema"]), (&json!("json_schema"), &label_schema()));
    assert_eq!(system, "Sort.");
    let (format, system) = asked(json!("json_object"));
    assert_eq!(format, json!({"type": "json_object", "schema": label_schema()}));
    assert_eq!(system, "Sort.");
    let (format, system) = asked(json!("prompt"));
    assert_eq!(format, Value::Null);
    assert!(
        system.starts_with("Sort.\n\nAnswer with one JSON document") && system.contains("Billing"),
        "{system}"
    );
}

#[test]
fn what_this_step_does_not_know_of_a_provider_can_be_said_all_the_same() {
    let host = answering([completion("ok")]);
    ask(json!({"temperature": 1, "extra": {"seed": 7, "temperature": 0.5}})).unwrap();
    assert_eq!((&body(&host, 0)["seed"], &body(&host, 0)["temperature"]), (&json!(7), &json!(0.5)));
}

#[test]
fn a_conversation_is_passed_on_in_order() {
    let host = answering([completion("ok")]);
    let messages = json!([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]);
    call(llm_chat, &json!({"messages": messages}), &json!({"model": "m"})).unwrap();
    assert_eq!(body(&host, 0)["messages"], messages);
}

#[test]
fn what_is_asked_must_be_clear() {
    for input in [json!({}), json!({"prompt": "a", "messages": []}), json!({"messages": []})] {
        let error = call(llm_chat, &input, &json!({"model": "m"})).unwrap_err();
        assert_eq!(error.kind, StepErrorKind::InvalidInput, "{input}");
    }
}

#[test]
fn an_answer_that_fits_the_schema_is_the_output_and_a_decision() {
    let host = answering([completion(BILLING)]);
    let output = ask(json!({"schema": label_schema()})).unwrap();
    assert_eq!(output, serde_json::from_str::<Value>(BILLING).unwrap());

    let format = &body(&host, 0)["response_format"];
    assert_eq!(format["json_schema"]["schema"], label_schema());
    assert_eq!(format["json_schema"]["strict"], true);
    let decision = &host.decisions()[0];
    assert_eq!((&decision.decided, decision.confidence), (&json!("Billing"), Some(0.9)));
    assert_eq!(decision.explanation.as_deref(), Some("It is about money."));
    assert_eq!(decision.model_version, "openai/gpt-4o-2024-08-06");
}

#[test]
fn a_decision_is_read_where_the_config_says() {
    let answer = r#"{"verdict": {"go": true}, "sure": 80, "why": "because"}"#;
    let host = answering([completion(answer), completion(answer), completion(BILLING)]);
    let rule = json!({"label": "/verdict/go", "confidence": "/sure", "explanation": "/why"});
    ask(json!({"schema": {"type": "object"}, "decision": rule})).unwrap();
    let decision = &host.decisions()[0];
    assert_eq!((&decision.decided, decision.explanation.as_deref()), (&json!(true), Some("because")));
    assert_eq!(decision.confidence, None, "80 is no confidence: the host would end the attempt");
    assert!(host.logs().iter().any(|line| line.message.contains("confidence")));

    ask(json!({"schema": {"type": "object"}})).unwrap();
    ask(json!({"schema": label_schema(), "decision": null})).unwrap();
    assert_eq!(host.decisions().len(), 1, "nothing at /label, or no rule: no record");
}

#[test]
fn an_answer_that_misses_the_schema_is_asked_for_once_more() {
    let wrong = r#"{"label": "Spam", "confidence": 0.9, "explanation": ""}"#;
    let host = answering([completion(wrong), completion(BILLING)]);
    assert_eq!(ask(json!({"schema": label_schema()})).unwrap()["label"], "Billing");

    let messages = body(&host, 1)["messages"].clone();
    assert_eq!(messages[1], json!({"role": "assistant", "content": wrong}));
    let correction = messages[2]["content"].as_str().unwrap();
    assert!(correction.contains("/label is \"Spam\", which is none of"), "{correction}");
    assert_eq!(host.usage().len(), 2, "both calls are paid for");
}

#[test]
fn an_answer_that_misses_twice_is_an_error_with_both_reasons() {
    let host = answering([completion("Billing, I think"), completion("{}")]);
    let error = ask(json!({"schema": label_schema()})).unwrap_err();
    assert_eq!(error.kind, StepErrorKind::Retryable);
    assert!(
        error.message.contains("gpt-4o-2024-08-06 gave twice") && error.message.contains("lacks `label`"),
        "{error}"
    );
    let detail = error.detail.unwrap();
    assert_eq!(detail["answers"], json!(["Billing, I think", "{}"]));
    assert_eq!(detail["violations"][1][0], "the answer lacks `label`");
    assert_eq!(host.usage().len(), 2, "both calls are paid for");
}

#[test]
fn json_in_a_markdown_fence_is_json() {
    let _host = answering([completion(&format!("```json\n{BILLING}\n```"))]);
    assert_eq!(ask(json!({"schema": label_schema()})).unwrap()["label"], "Billing");
}

#[test]
fn what_a_call_cost_is_recorded() {
    let host = answering([completion("a"), completion("b"), completion("c")]);
    ask(json!({"price": {"input_per_million_usd": 1, "output_per_million_usd": 10}})).unwrap();
    ask(json!({})).unwrap();
    host.answer("POST", LOCAL, completion("c"));
    ask(json!({"provider": "openai-compatible", "base_url": "http://localhost:8899/v1"})).unwrap();
    let [told, known, unknown] = host.usage().try_into().unwrap();
    assert_eq!((told.input_tokens, told.output_tokens, told.cost_micro_usd), (100, 10, Some(200)));
    assert_eq!((told.provider.as_str(), told.model.as_str()), ("openai", "gpt-4o-2024-08-06"));
    assert_eq!(known.cost_micro_usd, Some(350));
    assert_eq!(unknown.cost_micro_usd, None);
    assert!(host.logs().iter().any(|line| line.message.contains("price is not known")));
}

#[test]
fn a_call_of_which_no_tokens_are_told_counts_without_a_price_and_leaves_a_line_in_the_log() {
    let host = answering([Answer::json(200, &json!({"choices": [{"message": {"content": "a"}}]}))]);
    assert_eq!(ask(json!({})).unwrap()["model"], "gpt-4o");
    let [call] = host.usage().try_into().unwrap();
    assert_eq!((call.model.as_str(), call.input_tokens, call.cost_micro_usd), ("gpt-4o", 0, None));
    assert!(host.logs()[0].message.contains("does not tell what the call used up"));
}

#[test]
fn overload_is_retried_and_a_refusal_is_not() {
    let reason = json!({"error": {"message": "Rate limit reached", "type": "requests"}});
    for (status, kind) in [
        (429, StepErrorKind::Retryable),
        (500, StepErrorKind::Retryable),
        (503, StepErrorKind::Retryable),
        (400, StepErrorKind::Permanent),
        (401, StepErrorKind::Permanent),
        (403, StepErrorKind::Permanent),
    ] {
        let _host = answering([Answer::json(status, &reason).header("retry-after", "20")]);
        let error = ask(json!({})).unwrap_err();
        assert_eq!(error.kind, kind, "{status}");
        assert!(error.message.starts_with(&format!("openai answered {status}")), "{error}");
        assert!(error.message.ends_with(": Rate limit reached"), "{error}");
        let is_retryable = kind == StepErrorKind::Retryable;
        assert_eq!(error.retry_after, is_retryable.then_some(Duration::from_secs(20)));
    }
}

#[test]
fn a_page_or_a_cut_document_is_a_typed_error() {
    for answer in [
        Answer::text(200, "<html>Bad gateway</html>").header("content-type", "text/html"),
        Answer::bytes(200, r#"{"choices": [{"mess"#).header("content-type", "application/json"),
        Answer::json(200, &json!({"choices": []})),
        completion(" "),
    ] {
        let _host = answering([answer]);
        assert_eq!(ask(json!({})).unwrap_err().kind, StepErrorKind::Retryable);
    }
}

#[test]
fn an_answer_that_was_cut_or_withheld_is_final() {
    let refusal = json!({"choices": [{"message": {"content": null, "refusal": "I will not."}, "finish_reason": "stop"}]});
    for (answer, words) in [
        (finished("{\"label\": \"Bil", "length"), "raise `max_tokens`"),
        (finished("", "content_filter"), "content_filter"),
        (Answer::json(200, &refusal), "refused to answer: gpt-4o: I will not."),
    ] {
        let _host = answering([answer]);
        let error = ask(json!({"schema": label_schema()})).unwrap_err();
        assert_eq!(error.kind, StepErrorKind::Permanent);
        assert!(error.message.contains(words), "{error}");
    }
}

#[test]
fn a_schema_that_cannot_be_checked_is_refused_before_anything_is_paid() {
    let host = answering([]);
    let error = ask(json!({"schema": {"type": "string", "pattern": "^a"}})).unwrap_err();
    assert_eq!(error.kind, StepErrorKind::Permanent);
    assert!(host.requests().is_empty());
}

const STREAM: &str = concat!(
    "data: {\"model\":\"gpt-4o-2024-08-06\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n",
    "data: {\"model\":\"gpt-4o-2024-08-06\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"In the \"},\"finish_reason\":null}]}\n\n",
    "data: {\"model\":\"gpt-4o-2024-08-06\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"bank ä.\"},\"finish_reason\":null}]}\n\n",
    "data: {\"model\":\"gpt-4o-2024-08-06\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    "data: {\"model\":\"gpt-4o-2024-08-06\",\"choices\":[],\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":10}}\n\n",
    "data: [DONE]\n\n"
);

#[test]
fn a_streamed_answer_is_shown_while_it_comes_and_is_the_same_in_the_end() {
    let pieces = STREAM.as_bytes().chunks(5).map(<[u8]>::to_vec);
    let host = answering([
        Answer::pieces(200, pieces).header("content-type", "text/event-stream"),
        completion("In the bank ä."),
    ]);
    let streamed = ask(json!({"stream": true})).unwrap();
    assert_eq!(host.progress(), [json!({"text": "In the "}), json!({"text": "bank ä."})]);
    assert_eq!(streamed, ask(json!({})).unwrap());
    assert_eq!(host.usage()[0], host.usage()[1]);
}

#[test]
fn examples_come_before_the_conversation() {
    let host = answering([completion(BILLING)]);
    let examples =
        json!([{"input": "Refund?", "output": {"label": "Billing"}}, {"input": "Hi", "output": "General"}]);
    ask(json!({"system": "Sort.", "examples": examples})).unwrap();
    let said: Vec<_> =
        body(&host, 0)["messages"].as_array().unwrap().iter().map(|m| m["content"].clone()).collect();
    assert_eq!(said, ["Sort.", "Refund?", "{\"label\":\"Billing\"}", "Hi", "General", "Where is my money?"]);
}

#[test]
fn images_are_shown_with_the_last_that_the_user_says() {
    let host = answering([completion("a cat")]);
    let image = host.put_blob("image/png", b"\x89PNG\r\n\x1a\n...");
    let input = json!({"messages": [{"role": "user", "content": "Look:"}, {"role": "user", "content": "what is it?"}], "images": [image]});
    call(llm_chat, &input, &json!({})).unwrap();
    let messages = body(&host, 0)["messages"].clone();
    assert_eq!(messages[0]["content"], "Look:");
    assert_eq!(messages[1]["content"][1]["image_url"]["url"], "data:image/png;base64,iVBORw0KGgouLi4=");

    let fake = host.put_blob("image/png", "no image");
    let error = call(llm_chat, &json!({"prompt": "?", "images": [fake]}), &json!({})).unwrap_err();
    assert_eq!(error.kind, StepErrorKind::InvalidInput);
    let nobody = json!({"messages": [{"role": "assistant", "content": "?"}], "images": [image]});
    assert_eq!(call(llm_chat, &nobody, &json!({})).unwrap_err().kind, StepErrorKind::InvalidInput);
    assert_eq!(host.requests().len(), 1, "nothing was paid for either");
}

#[test]
fn a_conversation_goes_on_where_it_ended_and_others_stay_apart() {
    let host = answering([completion("Hello Ada"), completion("Ada"), completion("No idea")]);
    let say = |prompt: &str, conversation: &str| {
        call(llm_chat, &json!({"prompt": prompt, "conversation": conversation}), &json!({"model": "gpt-4o"}))
            .unwrap();
    };
    say("I am Ada", "1");
    say("Who am I?", "1");
    say("Who am I?", "2");
    let said = |index| body(&host, index)["messages"].as_array().unwrap().len();
    assert_eq!((said(0), said(1), said(2)), (1, 3, 1));
    assert_eq!(body(&host, 1)["messages"][1], json!({"role": "assistant", "content": "Hello Ada"}));
    assert_eq!(host.kept("conversations/1").unwrap()[3]["content"], "Ada");
}

#[test]
fn a_long_text_that_was_asked_about_is_remembered_by_its_beginning() {
    let host = answering([completion("It is a lease."), completion("Until May.")]);
    let config = json!({"model": "gpt-4o", "memory": {"characters": 100}});
    let lease = format!("What is this? {}", "x".repeat(1000));
    call(llm_chat, &json!({"prompt": lease, "conversation": "1"}), &config).unwrap();
    call(llm_chat, &json!({"prompt": "How long?", "conversation": "1"}), &config).unwrap();
    let messages = &body(&host, 1)["messages"];
    let asked = messages[0]["content"].as_str().unwrap();
    assert!(asked.starts_with("What is this? xxx") && asked.ends_with("x…"), "{asked}");
    assert_eq!((asked.chars().count(), &messages[1]["content"]), (86, &json!("It is a lease.")));
    assert!(host.logs().iter().any(|line| line.message.contains("it is shortened")));
}

#[test]
fn a_failed_answer_is_not_remembered() {
    let host = answering([Answer::text(500, "")]);
    call(llm_chat, &json!({"prompt": "Hi", "conversation": "1"}), &json!({"model": "gpt-4o"})).unwrap_err();
    assert_eq!(host.kept("conversations/1"), None);
}

#[test]
fn changing_the_provider_is_changing_one_line() {
    let host = FakeHost::new();
    let answer = json!({"model": "claude-haiku-4-5", "content": [{"type": "text", "text": "In the bank."}], "stop_reason": "end_turn", "usage": {"input_tokens": 100, "output_tokens": 10}});
    host.answer("POST", "https://api.anthropic.com/v1/messages", Answer::json(200, &answer));
    let output =
        call(llm_chat, &json!({"prompt": "Where is my money?"}), &json!({"provider": "anthropic"})).unwrap();
    assert_eq!(output, json!({"text": "In the bank.", "model": "claude-haiku-4-5"}));
    assert_eq!(host.usage()[0].cost_micro_usd, Some(150));
}
