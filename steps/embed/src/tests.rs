use serde_json::{Value, json};
use stepwell_sdk::StepErrorKind;
use stepwell_sdk::testing::{Answer, FakeHost, call};

use super::*;

const URL: &str = "https://api.openai.com/v1/embeddings";

fn made(input: Value, config: Value) -> Result<Value, StepError> {
    call(embed, &input, &config)
}

fn answering(vectors: Value) -> FakeHost {
    let host = FakeHost::new();
    let answer = json!({"data": vectors, "model": "text-embedding-3-small", "usage": {"prompt_tokens": 5, "total_tokens": 5}});
    host.answer("POST", URL, Answer::json(200, &answer));
    host
}

#[test]
fn texts_and_chunks_become_numbers_in_their_order() {
    let host = answering(json!([{"index": 1, "embedding": [0.1, 0.25]}, {"index": 0, "embedding": [1, -2]}]));
    let input = json!({"texts": ["a", {"text": "b", "page": 3}]});
    let output = made(input, json!({"dimensions": 2})).unwrap();
    let expected = json!({"model": "text-embedding-3-small", "dimensions": 2, "count": 2, "embeddings": [[1.0, -2.0], [0.1, 0.25]]});
    assert_eq!(output.to_string(), expected.to_string());
    let body: Value = serde_json::from_slice(&host.requests()[0].body).unwrap();
    assert_eq!(body["input"], json!(["a", "b"]));
}

#[test]
fn many_vectors_fit_into_a_blob() {
    let host = answering(json!([{"index": 0, "embedding": [1.0, -2.0]}]));
    let output = made(json!({"text": "a"}), json!({"store": "blob"})).unwrap();
    assert_eq!(output.get("embeddings"), None);
    let blob: Blob = serde_json::from_value(output["blob"].clone()).unwrap();
    assert_eq!(host.blob(&blob), [0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0]);
}

#[test]
fn no_texts_are_no_vectors_and_cost_nothing() {
    let host = FakeHost::new();
    let output = made(json!({"texts": []}), json!({})).unwrap();
    assert_eq!((&output["count"], &output["embeddings"]), (&json!(0), &json!([])));
    assert!(host.requests().is_empty() && host.usage().is_empty());
}

#[test]
fn what_has_no_vector_is_refused_before_anything_is_sent() {
    let host = FakeHost::new();
    for (input, words) in [
        (json!({}), "either `text` or `texts`"),
        (json!({"text": "a", "texts": []}), "either `text` or `texts`"),
        (json!({"texts": ["a", " "]}), "the text at 1 is empty"),
    ] {
        let error = made(input, json!({})).unwrap_err();
        assert_eq!(error.kind, StepErrorKind::InvalidInput);
        assert!(error.message.contains(words), "{error}");
    }
    assert!(host.requests().is_empty());
}
