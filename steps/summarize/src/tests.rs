use stepwell_sdk::StepErrorKind;
use stepwell_sdk::testing::{Answer, FakeHost, call};

use super::*;

const URL: &str = "https://api.openai.com/v1/chat/completions";

fn said(text: &str) -> Answer {
    let body = json!({
        "model": "gpt-5.6-luna", "usage": {"prompt_tokens": 100, "completion_tokens": 10},
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
    });
    Answer::json(200, &body)
}

fn answering(answers: impl IntoIterator<Item = Answer>) -> FakeHost {
    let host = FakeHost::new();
    answers.into_iter().for_each(|answer| host.answer("POST", URL, answer));
    host
}

fn message(host: &FakeHost, request: usize, index: usize) -> String {
    let body: Value = serde_json::from_slice(&host.requests()[request].body).unwrap();
    body["messages"][index]["content"].as_str().unwrap().to_owned()
}

fn paragraphs(count: usize) -> String {
    (0..count).map(|n| format!("{n}: {}", "word ".repeat(170).trim())).collect::<Vec<_>>().join("\n\n")
}

#[test]
fn a_short_text_is_summarised_at_once() {
    let host = answering([said(" In short. \n")]);
    let config = json!({"words": 30, "style": "for a lawyer", "instructions": "Keep all dates."});
    let output = call(summarize, &json!({"text": "A long story."}), &config).unwrap();
    assert_eq!(output, json!({"summary": "In short.", "bullets": [], "parts": 1, "model": "gpt-5.6-luna"}));
    let system = message(&host, 0, 0);
    for words in ["about 30 words", "for a lawyer", "Keep all dates.", "running text"] {
        assert!(system.contains(words), "{system}");
    }
    assert_eq!(message(&host, 0, 1), "A long story.");
}

#[test]
fn points_are_a_list() {
    let host = answering([said(r#"{"points": []}"#), said(r#"{"points": ["One ", "Two"]}"#)]);
    let output = call(summarize, &json!({"text": "A story."}), &json!({"bullets": true})).unwrap();
    assert_eq!((&output["summary"], &output["bullets"]), (&json!("- One\n- Two"), &json!(["One", "Two"])));
    assert_eq!(host.usage().len(), 2, "no points are no summary: it was asked once more");
}

#[test]
fn a_long_text_is_summarised_in_parts_and_put_together_in_order() {
    let host = answering((0..10).map(|n| said(&format!("part {n}"))).chain([said("All.")]));
    let output =
        call(summarize, &json!({"text": paragraphs(10)}), &json!({"part_characters": 1000})).unwrap();
    assert_eq!((&output["summary"], &output["parts"]), (&json!("All."), &json!(10)));
    assert!((0..10).all(|n| message(&host, n, 1).starts_with(&format!("{n}: word"))));
    let together: Vec<String> = (0..10).map(|n| format!("part {n}")).collect();
    assert_eq!(message(&host, 10, 1), together.join("\n\n"));
    assert!(message(&host, 10, 0).contains("summaries of the parts"));
    assert_eq!(host.usage().len(), 11);
}

#[test]
fn summaries_that_are_too_long_are_summarised_again() {
    let long = "fact ".repeat(100);
    let answers = (0..4).map(|_| said(&long)).chain((0..2).map(|_| said("short"))).chain([said("All.")]);
    let _host = answering(answers);
    let output = call(summarize, &json!({"text": paragraphs(4)}), &json!({"part_characters": 1000})).unwrap();
    assert_eq!((&output["summary"], &output["parts"]), (&json!("All."), &json!(4)));
}

#[test]
fn a_model_that_does_not_shorten_comes_to_an_end() {
    let longer = "fact ".repeat(400);
    let host = answering((0..2).map(|_| said(&longer)));
    let error =
        call(summarize, &json!({"text": paragraphs(2)}), &json!({"part_characters": 1000})).unwrap_err();
    assert_eq!(error.kind, StepErrorKind::Permanent);
    assert!(error.message.contains("raise `config.part_characters` (1000)"), "{error}");
    assert_eq!(host.usage().len(), 2);
}

#[test]
fn a_part_that_fails_fails_the_step_and_what_was_paid_is_recorded() {
    let busy = Answer::json(429, &json!({"error": {"message": "slow down"}})).header("retry-after", "3");
    let host = answering([said("one"), busy]);
    let error =
        call(summarize, &json!({"text": paragraphs(2)}), &json!({"part_characters": 1000})).unwrap_err();
    assert_eq!(error.kind, StepErrorKind::Retryable);
    assert_eq!(host.usage().len(), 1);
    let blank = call(summarize, &json!({"text": "\n"}), &json!({})).unwrap_err();
    assert_eq!(blank.kind, StepErrorKind::InvalidInput);
}
