//! The names of operations in OpenAPI documents.

/// A name that any language takes for a function, from what no two operations share: `post_tickets_id_route`.
pub(crate) fn operation_id(method: &str, path: &str) -> String {
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    std::iter::once(method).chain(words).collect::<Vec<_>>().join("_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_called_by_its_method_and_path() {
        assert_eq!(operation_id("get", "/v1/runs/{id}"), "get_v1_runs_id");
        assert_eq!(operation_id("post", "/a-b/{*rest}"), "post_a_b_rest");
    }
}
