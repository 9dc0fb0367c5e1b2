use serde_json::json;
use stepwell_sdk::StepErrorKind;
use stepwell_sdk::testing::{Answer, FakeHost, call};

use super::*;

fn ranked(input: Value, config: Value) -> Result<Value, StepError> {
    call(rerank, &input, &config)
}

#[test]
fn documents_come_back_as_they_are_and_poor_ones_do_not() {
    let host = FakeHost::new();
    let rows = json!({"results": [
        {"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.4}, {"index": 2, "relevance_score": 0.1},
    ], "meta": {"billed_units": {"search_units": 1}}});
    host.answer("POST", "https://api.cohere.com/v2/rerank", Answer::json(200, &rows));
    let documents = json!(["a", {"text": "b", "page": 2}, "c"]);
    let output = ranked(json!({"query": "?", "documents": documents}), json!({"min_score": 0.4})).unwrap();
    let expected = json!([
        {"index": 1, "score": 0.9, "document": {"text": "b", "page": 2}},
        {"index": 0, "score": 0.4, "document": "a"},
    ]);
    assert_eq!(output["ranked"], expected);
    assert_eq!(host.usage().len(), 1);
}

#[test]
fn nothing_to_rank_is_an_empty_ranking_and_costs_nothing() {
    let host = FakeHost::new();
    let output = ranked(json!({"query": "?", "documents": []}), json!({})).unwrap();
    assert_eq!(output, json!({"model": "rerank-v3.5", "ranked": []}));
    assert!(host.requests().is_empty());
}

#[test]
fn what_cannot_be_ranked_is_told_by_its_place() {
    let _host = FakeHost::new();
    for (input, words) in [
        (json!({"query": " ", "documents": ["a"]}), "`query` is empty"),
        (json!({"query": "?", "documents": ["a", {"title": "b"}]}), "/documents/1 has no text"),
        (json!({"query": "?", "documents": [""]}), "/documents/0 has no text"),
    ] {
        let error = ranked(input, json!({})).unwrap_err();
        assert_eq!(error.kind, StepErrorKind::InvalidInput);
        assert!(error.message.contains(words), "{error}");
    }
}
