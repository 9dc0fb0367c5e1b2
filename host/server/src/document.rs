//! Reads a JSON or YAML text into a JSON value: a workflow's definition, wherever it comes from.
//!
//! YAML is read as the JSON that it means, so that a JSON pointer into the one is a pointer into the other. It is
//! bounded in depth, size and aliases: a small text cannot become a large value.

use serde_json::Value;

/// A text that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not {format}: {message} (line {line}, column {column})")]
pub struct SyntaxError {
    /// What it was read as.
    pub format: &'static str,
    /// What is wrong.
    pub message: String,
    /// Where, from 1; 0 if it is not known.
    pub line: usize,
    /// Where, from 1; 0 if it is not known.
    pub column: usize,
}

/// What a document is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// RFC 8259.
    Json,
    /// YAML 1.2; one document.
    Yaml,
}

/// Reads a document.
pub fn read(format: Format, text: &[u8]) -> Result<Value, SyntaxError> {
    match format {
        Format::Json => serde_json::from_slice(text).map_err(|error| json_error(&error)),
        Format::Yaml => read_yaml(text),
    }
}

/// The place and the words of an error of serde_json, without the place in the words.
pub(crate) fn json_error(error: &serde_json::Error) -> SyntaxError {
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or_default().to_owned();
    SyntaxError { format: "JSON", message, line: error.line(), column: error.column() }
}

fn read_yaml(text: &[u8]) -> Result<Value, SyntaxError> {
    const DEEPEST: usize = 128;
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: DEEPEST, max_documents: 1 },
        // `n` and `on` are texts, as in YAML 1.2.
        strict_booleans: true,
        // `0755` and `1_000` mean different numbers to different readers of YAML: they stay the text that they are.
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        with_snippet: false,
    };
    serde_saphyr::from_slice_with_options(text, options).map_err(|error| {
        let (line, column) = error
            .location()
            .map(|place| (usize_of(place.line()), usize_of(place.column())))
            .unwrap_or_default();
        let message = error.to_string();
        // The words begin with the place, which is told by itself.
        let message =
            message.strip_prefix(&format!("error: line {line} column {column}: ")).unwrap_or(&message);
        SyntaxError { format: "YAML", message: message.to_owned(), line, column }
    })
}

fn usize_of(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn yaml_is_read_as_the_json_that_it_means() {
        let yaml =
            b"name: triage # a comment\nnodes:\n  a: {step: x@^1, needs: [b]}\nversion: \"1.0\"\non: 3\n";
        let json = json!({"name": "triage", "nodes": {"a": {"step": "x@^1", "needs": ["b"]}}, "version": "1.0", "on": 3});
        assert_eq!(read(Format::Yaml, yaml), Ok(json));
    }

    #[test]
    fn what_looks_like_a_number_or_a_truth_to_some_stays_a_text() {
        let yaml = b"[n, y, no, on, 0755, 1_000, 1e3, true, ~]";
        let json = json!(["n", "y", "no", "on", "0755", "1_000", 1000.0, true, null]);
        assert_eq!(read(Format::Yaml, yaml), Ok(json));
    }

    #[test]
    fn a_syntax_error_says_where() {
        let error = read(Format::Json, b"{\n  \"a\": ,\n}").unwrap_err();
        assert_eq!((error.line, error.column, error.message.as_str()), (2, 8, "expected value"));
        let error = read(Format::Yaml, b"a: 1\nb: [1,\n").unwrap_err();
        assert!(error.line >= 2, "{error}");
        let error = read(Format::Yaml, b"a: 1\na: 2\n").unwrap_err();
        assert_eq!(error.line, 2, "a key that stands twice is an error: {error}");
    }

    #[test]
    fn a_small_text_cannot_become_a_large_value() {
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for i in 1..12 {
            let before = format!("*a{}", i - 1);
            bomb.push_str(&format!("a{i}: &a{i} [{}]\n", vec![before; 10].join(",")));
        }
        assert!(read(Format::Yaml, bomb.as_bytes()).is_err());
        let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(read(Format::Yaml, deep.as_bytes()).is_err());
        assert!(read(Format::Json, deep.as_bytes()).is_err());
    }
}
