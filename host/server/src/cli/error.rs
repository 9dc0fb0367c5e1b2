//! What a command can fail with, and how that is told: cause first, then the mend.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// What was typed does not fit.
    #[error("{0}")]
    Usage(String),
    /// A file or folder cannot be read or written.
    #[error("cannot {doing} `{}`: {source}", path.display())]
    File {
        /// `read`, `write`, ...
        doing: &'static str,
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The server did not answer.
    #[error("no answer from the server at {url}: {source}")]
    Unreachable {
        /// Where it was sought.
        url: String,
        /// What went wrong.
        source: reqwest::Error,
    },
    /// The server refused.
    #[error("{}", describe_problem(.0))]
    Problem(Box<Value>),
    /// A definition has mistakes, which were already shown.
    #[error("{count} mistake{} in `{}`", if *count == 1 { "" } else { "s" }, path.display())]
    Mistakes {
        /// How many.
        count: usize,
        /// In which file.
        path: PathBuf,
    },
    /// Something else went wrong.
    #[error("{doing}: {source}")]
    Failed {
        /// What was being done.
        doing: String,
        /// What went wrong.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl CliError {
    pub(crate) fn failed(doing: impl Into<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Failed { doing: doing.into(), source: source.into() }
    }

    pub(crate) fn file(doing: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::File { doing, path: path.to_owned(), source }
    }

    /// What to try next, where the error does not say it itself.
    pub(crate) fn help(&self) -> Option<String> {
        match self {
            Self::Unreachable { .. } => Some(
                "start a server with `stepwell serve`, or say where it is with --url or STEPWELL_URL".to_owned(),
            ),
            Self::Problem(problem) if problem["status"] == 401 => Some(
                "give an API key with --key or STEPWELL_KEY; `stepwell serve` shows the first one when it first starts"
                    .to_owned(),
            ),
            _ => None,
        }
    }

    /// 2 for what was typed wrongly, 1 for what failed.
    pub(crate) fn exit_code(&self) -> u8 {
        if matches!(self, Self::Usage(_)) { 2 } else { 1 }
    }

    /// For programs.
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Problem(problem) => json!({"error": problem}),
            _ => json!({"error": {"detail": self.to_string(), "help": self.help()}}),
        }
    }
}

/// A problem document (RFC 9457) in a few lines: what, then each mistake or violation with its place.
fn describe_problem(problem: &Value) -> String {
    let text = |key: &str| problem[key].as_str().unwrap_or_default();
    let mut lines = match (text("title"), text("detail")) {
        ("", "") => format!("the server answered with status {}", problem["status"]),
        (title, "") => title.to_owned(),
        ("", detail) => detail.to_owned(),
        (title, detail) => format!("{title}: {detail}"),
    };
    for list in ["mistakes", "violations"] {
        for item in problem[list].as_array().into_iter().flatten() {
            let place = item["pointer"].as_str().filter(|pointer| !pointer.is_empty()).unwrap_or("(whole)");
            let message = item["message"].as_str().unwrap_or_default();
            // Writing to a String cannot fail.
            let _ = write!(lines, "\n  {place}: {message}");
            if let Some(help) = item["help"].as_str() {
                let _ = write!(lines, "\n      {help}");
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_shows_each_mistake_with_its_place_and_mend() {
        let problem = json!({
            "title": "The definition has mistakes", "status": 422, "detail": "2 mistakes",
            "mistakes": [
                {"pointer": "/nodes/a/needs/0", "message": "no node `b`", "help": "nodes: a"},
                {"pointer": "", "message": "no nodes"},
            ],
        });
        let error = CliError::Problem(Box::new(problem));
        assert_eq!(
            error.to_string(),
            "The definition has mistakes: 2 mistakes\n  /nodes/a/needs/0: no node `b`\n      nodes: a\n  (whole): no nodes"
        );
    }
}
