use serde_json::{Value, json};
use stepwell_sdk::StepErrorKind;
use stepwell_sdk::testing::{Answer, FakeHost};

use super::*;
use crate::ProviderConfig;

const COHERE: &str = "https://api.cohere.com/v2/rerank";
const OPENAI: &str = "https://api.openai.com/v1/embeddings";

fn ranked(config: Value, top: Option<usize>) -> Result<Ranking, StepError> {
    let config: ProviderConfig<Provider> = serde_json::from_value(config).unwrap();
    rank(
        config.provider,
        &config.endpoint().unwrap(),
        "capital?",
        &["Carson City", "Washington", "Prison"],
        top,
    )
}

fn body(host: &FakeHost, index: usize) -> Value {
    serde_json::from_slice(&host.requests()[index].body).unwrap()
}

#[test]
fn cohere_ranks_and_is_paid_by_the_search() {
    let host = FakeHost::new();
    let answer = json!({
        "results": [{"index": 1, "relevance_score": 0.999071}, {"index": 0, "relevance_score": 0.32713068}],
        "id": "07734bd2-2473-4f07-94e1-0d9f0e6843cf",
        "meta": {"api_version": {"version": "2", "is_experimental": false}, "billed_units": {"search_units": 1}},
    });
    host.answer("POST", COHERE, Answer::json(200, &answer));
    let ranking = ranked(json!({}), Some(2)).unwrap();
    assert_eq!(ranking.ranked[0], Ranked { index: 1, score: 0.999071 });
    assert_eq!(ranking.model, "rerank-v3.5");
    let documents = json!(["Carson City", "Washington", "Prison"]);
    assert_eq!(
        body(&host, 0),
        json!({"model": "rerank-v3.5", "query": "capital?", "documents": documents, "top_n": 2})
    );
    assert_eq!(host.usage()[0].cost_micro_usd, Some(2000));
}

#[test]
fn jina_and_voyage_have_words_of_their_own() {
    let host = FakeHost::new();
    let jina = json!({
        "model": "jina-reranker-v2-base-multilingual", "object": "list", "usage": {"total_tokens": 815},
        "results": [{"index": 0, "relevance_score": 0.1}, {"index": 2, "relevance_score": 0.8}],
    });
    host.answer("POST", "https://api.jina.ai/v1/rerank", Answer::json(200, &jina));
    assert_eq!(ranked(json!({"provider": "jina"}), None).unwrap().ranked[0].index, 2);
    let voyage = json!({
        "object": "list", "data": [{"relevance_score": 0.4375, "index": 0}], "model": "rerank-2.5", "usage": {"total_tokens": 26},
    });
    host.answer("POST", "https://api.voyageai.com/v1/rerank", Answer::json(200, &voyage));
    assert_eq!(ranked(json!({"provider": "voyage"}), Some(1)).unwrap().ranked.len(), 1);
    assert_eq!(body(&host, 0)["return_documents"], false);
    assert_eq!((&body(&host, 1)["top_k"], body(&host, 1).get("top_n")), (&json!(1), None));
    assert_eq!(host.usage().iter().map(|call| call.input_tokens).collect::<Vec<_>>(), [815, 26]);
}

#[test]
fn without_a_model_that_ranks_the_cosine_of_embeddings_does() {
    let host = FakeHost::new();
    let vectors = |vectors: Value| {
        Answer::json(200, &json!({"data": vectors, "model": "m", "usage": {"prompt_tokens": 1}}))
    };
    host.answer("POST", OPENAI, vectors(json!([{"index": 0, "embedding": [1.0, 0.0]}])));
    let documents = json!([{"index": 0, "embedding": [0.0, 1.0]}, {"index": 1, "embedding": [2.0, 0.0]}, {"index": 2, "embedding": [1.0, 1.0]}]);
    host.answer("POST", OPENAI, vectors(documents));
    let ranking = ranked(json!({"provider": "openai"}), Some(2)).unwrap();
    assert_eq!(ranking.ranked.iter().map(|row| row.index).collect::<Vec<_>>(), [1, 2]);
    assert!((ranking.ranked[0].score - 1.0).abs() < 1e-9);
    assert_eq!(host.usage().len(), 2);
}

#[test]
fn a_document_that_nobody_sent_is_an_error() {
    let host = FakeHost::new();
    host.answer(
        "POST",
        COHERE,
        Answer::json(200, &json!({"results": [{"index": 3, "relevance_score": 0.9}]})),
    );
    let error = ranked(json!({}), None).unwrap_err();
    assert_eq!(error.kind, StepErrorKind::Retryable);
    assert!(error.message.contains("ranked the document 3, and was sent 3"), "{error}");
}
