//! What a valid OpenAPI document wants beside what the handlers say: names that no two operations share, and a word for each answer.

use http::StatusCode;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::{OpenApi, RefOr};

use crate::operation_id::operation_id;

pub(super) fn complete(mut document: OpenApi) -> OpenApi {
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            operation.operation_id = Some(operation_id(method, path));
            describe_answers(operation);
        }
    }
    document
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let PathItem { get, put, post, delete, patch, head, .. } = item;
    let all =
        [("get", get), ("put", put), ("post", post), ("delete", delete), ("patch", patch), ("head", head)];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// An answer of which its handler says nothing is called what its status is.
fn describe_answers(operation: &mut Operation) {
    for (status, answer) in &mut operation.responses.responses {
        let reason = status.parse().ok().and_then(|status: StatusCode| status.canonical_reason());
        if let (RefOr::T(answer), Some(reason)) = (answer, reason)
            && answer.description.is_empty()
        {
            reason.clone_into(&mut answer.description);
        }
    }
}
