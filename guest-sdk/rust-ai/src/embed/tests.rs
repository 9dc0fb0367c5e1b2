use serde_json::{Value, json};
use stepwell_sdk::StepErrorKind;
use stepwell_sdk::testing::{Answer, FakeHost};

use super::*;
use crate::ProviderConfig;

const OPENAI: &str = "https://api.openai.com/v1/embeddings";
const GEMINI: &str =
    "https://generativelanguage.googleapis.com/v1beta/models/gemini-embedding-001:batchEmbedContents";
const COHERE: &str = "https://api.cohere.com/v2/embed";
const VOYAGE: &str = "https://api.voyageai.com/v1/embeddings";

fn embed(config: Value, texts: &[&str], change: impl Fn(&mut Embedder<'_>)) -> Result<Embeddings, StepError> {
    let config: ProviderConfig<Provider> = serde_json::from_value(config).unwrap();
    let endpoint = config.endpoint().unwrap();
    let mut embedder = Embedder {
        provider: config.provider,
        endpoint: &endpoint,
        dimensions: None,
        purpose: None,
        at_once: None,
    };
    change(&mut embedder);
    embedder.embed(texts)
}

fn body(host: &FakeHost, index: usize) -> Value {
    serde_json::from_slice(&host.requests()[index].body).unwrap()
}

fn openai(vectors: &[(usize, Value)], tokens: u64) -> Answer {
    let item = |(index, vector): &(usize, Value)| json!({"object": "embedding", "index": index, "embedding": vector});
    let data: Vec<Value> = vectors.iter().map(item).collect();
    Answer::json(
        200,
        &json!({
            "object": "list", "data": data, "model": "text-embedding-3-small",
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }),
    )
}

#[test]
fn openais_vectors_come_as_base64_and_stand_in_the_order_of_the_texts() {
    let host = FakeHost::new();
    // 1.0 and -2.0; 0.5 and 0.25.
    host.answer("POST", OPENAI, openai(&[(1, json!("AAAAPwAAgD4=")), (0, json!("AACAPwAAAMA="))], 8));
    let made = embed(json!({}), &["a", "b"], |embedder| embedder.dimensions = Some(2)).unwrap();
    assert_eq!(made.vectors, [[1.0, -2.0], [0.5, 0.25]]);
    assert_eq!(made.model, "text-embedding-3-small");
    let expected = json!({"model": "text-embedding-3-small", "input": ["a", "b"], "encoding_format": "base64", "dimensions": 2});
    assert_eq!(body(&host, 0), expected);
    assert_eq!(host.requests()[0].header_value("authorization"), Some("Bearer {{secret.OPENAI_API_KEY}}"));
    let usage = &host.usage()[0];
    assert_eq!((usage.provider.as_str(), usage.input_tokens), ("openai", 8));
}

#[test]
fn many_texts_go_in_batches_that_are_each_paid_for() {
    let host = FakeHost::new();
    for n in [1.0, 3.0] {
        host.answer("POST", OPENAI, openai(&[(0, json!([n, 0.0])), (1, json!([n + 1.0, 0.0]))], 100_000));
    }
    host.answer("POST", OPENAI, openai(&[(0, json!([5.0, 0.0]))], 50_000));
    let made = embed(json!({}), &["a", "b", "c", "d", "e"], |embedder| embedder.at_once = Some(2)).unwrap();
    assert_eq!(made.vectors.iter().map(|vector| vector[0]).collect::<Vec<_>>(), [1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(body(&host, 2)["input"], json!(["e"]));
    let costs: Vec<_> = host.usage().iter().map(|call| call.cost_micro_usd).collect();
    assert_eq!(costs, [Some(2000), Some(2000), Some(1000)]);
}

/// Each token has a byte at least, so that no request has more tokens than its provider takes.
#[test]
fn a_batch_has_no_more_text_than_its_provider_takes_at_once() {
    let text = |bytes: usize| "ä".repeat(bytes / 2);
    for (provider, url, most) in [("openai", OPENAI, 300_000), ("voyage", VOYAGE, 120_000)] {
        let host = FakeHost::new();
        let texts =
            [text(most - 2), "b".into(), "c".into(), text(most), text(most + 2), "d".into(), "e".into()];
        let sizes = [3, 1, 1, 2];
        for size in sizes {
            let vectors: Vec<_> = (0..size).map(|index| (index, json!([1.0]))).collect();
            host.answer("POST", url, openai(&vectors, 1));
        }
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        assert_eq!(embed(json!({"provider": provider}), &texts, |_| {}).unwrap().vectors.len(), 7);
        let sent = (0..sizes.len()).map(|index| body(&host, index)["input"].as_array().unwrap().len());
        assert_eq!(sent.collect::<Vec<_>>(), sizes, "{provider}");
    }
}

#[test]
fn a_batch_that_fails_does_not_hide_what_the_others_cost() {
    let host = FakeHost::new();
    host.answer("POST", OPENAI, Answer::json(429, &json!({"error": {"message": "Rate limit reached", "type": "tokens", "code": "rate_limit_exceeded"}})).header("retry-after", "7"));
    host.answer("POST", OPENAI, openai(&[(0, json!([1.0]))], 9));
    let error = embed(json!({}), &["a", "b"], |embedder| embedder.at_once = Some(1)).unwrap_err();
    assert_eq!(error.kind, StepErrorKind::Retryable);
    assert_eq!(error.retry_after, Some(std::time::Duration::from_secs(7)));
    assert_eq!(host.usage().len(), 1);
}

#[test]
fn a_compatible_server_is_asked_for_plain_numbers() {
    let host = FakeHost::new();
    let answer = json!({"data": [{"embedding": [0.5, 1]}], "model": "nomic"});
    host.answer("POST", "http://localhost:11434/v1/embeddings", Answer::json(200, &answer));
    let config =
        json!({"provider": "openai-compatible", "base_url": "http://localhost:11434/v1", "model": "nomic"});
    assert_eq!(embed(config, &["a"], |_| {}).unwrap().vectors, [[0.5, 1.0]]);
    assert_eq!(body(&host, 0), json!({"model": "nomic", "input": ["a"]}));
    let [call] = host.usage().try_into().unwrap();
    assert_eq!((call.model.as_str(), call.input_tokens, call.cost_micro_usd), ("nomic", 0, None));
    assert!(host.logs()[0].message.contains("does not tell"));
}

#[test]
fn gemini_is_told_the_purpose_with_each_text() {
    let host = FakeHost::new();
    host.answer(
        "POST",
        GEMINI,
        Answer::json(200, &json!({"embeddings": [{"values": [0.1, 0.2]}, {"values": [0.3, 0.4]}]})),
    );
    let config = json!({"provider": "gemini", "extra": {"title": "T"}});
    let made = embed(config, &["a", "b"], |embedder| {
        embedder.purpose = Some(Purpose::Query);
        embedder.dimensions = Some(2);
    });
    assert_eq!(made.unwrap().vectors[1], [0.3, 0.4]);
    let expected = json!({
        "model": "models/gemini-embedding-001", "content": {"parts": [{"text": "b"}]},
        "taskType": "RETRIEVAL_QUERY", "outputDimensionality": 2, "title": "T",
    });
    assert_eq!(body(&host, 0)["requests"][1], expected);
    assert_eq!(host.requests()[0].header_value("x-goog-api-key"), Some("{{secret.GEMINI_API_KEY}}"));
}

#[test]
fn cohere_and_voyage_have_words_of_their_own() {
    let host = FakeHost::new();
    let cohere = json!({
        "id": "54910170-852f-4322-9767-63d36e55c3bf", "embeddings": {"float": [[0.016, -0.008]]}, "texts": ["hello"],
        "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 2}}, "response_type": "embeddings_by_type",
    });
    host.answer("POST", COHERE, Answer::json(200, &cohere));
    let voyage = json!({
        "object": "list", "data": [{"object": "embedding", "embedding": [0.1, 0.2], "index": 0}],
        "model": "voyage-3.5", "usage": {"total_tokens": 10},
    });
    host.answer("POST", VOYAGE, Answer::json(200, &voyage));
    for provider in ["cohere", "voyage"] {
        let made = embed(json!({"provider": provider}), &["hello"], |embedder| {
            embedder.purpose = Some(Purpose::Document)
        });
        assert_eq!(made.unwrap().vectors[0].len(), 2);
    }
    let expected = json!({"model": "embed-v4.0", "texts": ["hello"], "input_type": "search_document", "embedding_types": ["float"]});
    assert_eq!(body(&host, 0), expected);
    assert_eq!(body(&host, 1), json!({"model": "voyage-3.5", "input": ["hello"], "input_type": "document"}));
    assert_eq!(host.usage().iter().map(|call| call.input_tokens).collect::<Vec<_>>(), [2, 10]);
}

#[test]
fn what_is_no_vector_for_each_text_is_an_error_that_says_so() {
    let cases = [
        (openai(&[(0, json!([1.0]))], 1), "gave 1 vectors for 2 texts"),
        (openai(&[(0, json!([1.0])), (1, json!([1.0, 2.0]))], 1), "of different lengths"),
        (openai(&[(0, json!([])), (1, json!([]))], 1), "are empty"),
        (openai(&[(0, json!([1.0])), (7, json!([1.0]))], 1), "the text 7"),
        (openai(&[(0, json!("###")), (1, json!([1.0]))], 1), "no base64"),
        (openai(&[(0, json!("AAAA")), (1, json!([1.0]))], 1), "of 3 bytes"),
        (
            Answer::json(
                200,
                &json!({"error": {"message": "The server had an error", "type": "server_error", "code": null}}),
            ),
            "The server had an error",
        ),
        (Answer::text(200, "<html>Bad gateway</html>").header("content-type", "text/html"), "text/html"),
        (Answer::json(200, &json!({"pong": true})), "not what this API answers"),
    ];
    for (answer, words) in cases {
        let host = FakeHost::new();
        host.answer("POST", OPENAI, answer);
        let error = embed(json!({}), &["a", "b"], |_| {}).unwrap_err();
        assert_eq!(host.usage().len(), 1, "it was answered, and paid for");
        assert_eq!(error.kind, StepErrorKind::Retryable, "{error}");
        assert!(error.message.starts_with("openai") && error.message.contains(words), "{error}");
    }
}

#[test]
fn dimensions_that_a_model_does_not_have_are_final() {
    let host = FakeHost::new();
    host.answer("POST", OPENAI, openai(&[(0, json!([1.0, 2.0]))], 1));
    let error = embed(json!({}), &["a"], |embedder| embedder.dimensions = Some(3)).unwrap_err();
    assert_eq!(error.kind, StepErrorKind::Permanent);
    assert!(error.message.contains("asks for 3 numbers and the vectors have 2"), "{error}");
    assert_eq!(host.usage().len(), 1);
}

#[test]
fn each_providers_refusal_is_told_in_its_own_words() {
    let cases = [
        (
            "cohere",
            COHERE,
            401,
            json!({"id": "1", "message": "invalid api token"}),
            "invalid api token",
            "bad_key",
        ),
        (
            "cohere",
            COHERE,
            404,
            json!({"message": "model 'nope' not found, make sure the correct model ID was used"}),
            "model 'nope' not found",
            "unknown_model",
        ),
        (
            "voyage",
            VOYAGE,
            400,
            json!({"detail": "Model nope is not supported."}),
            "Model nope",
            "bad_request",
        ),
        (
            "gemini",
            GEMINI,
            400,
            json!({"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT", "details": [{"reason": "API_KEY_INVALID"}]}}),
            "API key not valid.",
            "bad_key",
        ),
    ];
    for (provider, url, status, answer, words, cause) in cases {
        let host = FakeHost::new();
        host.answer("POST", url, Answer::json(status, &answer));
        let error = embed(json!({"provider": provider}), &["a"], |_| {}).unwrap_err();
        assert_eq!(error.kind, StepErrorKind::Permanent, "{error}");
        assert!(error.message.starts_with(provider) && error.message.contains(words), "{error}");
        assert_eq!(error.detail.unwrap()["cause"], cause);
    }
}

#[test]
fn likeness_is_of_direction_and_never_more_than_one() {
    assert!((cosine(&[1.0, 2.0], &[2.0, 4.0]) - 1.0).abs() < 1e-12);
    assert!((cosine(&[1.0, 0.0], &[-3.0, 0.0]) + 1.0).abs() < 1e-12);
    assert_eq!(cosine(&[1.0, 0.0], &[0.0, 1.0]), 0.0);
    assert_eq!(cosine(&[0.0, 0.0], &[1.0, 1.0]), 0.0);
}
