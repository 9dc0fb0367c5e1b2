//! `stepwell bench ai`: what a model's call costs beside a bare exchange, how soon its words are seen, what a large document takes, and very many
//! slow calls at once.

mod calls;
mod document;
mod many;
pub(super) mod model;
mod tokens;

use clap::Args;
use serde_json::{Value, json};

use self::calls::Calls;
use self::document::Document;
use self::many::Many;
use self::tokens::Tokens;
use super::echo;
use crate::cli::local_server::LocalServer;
use crate::cli::{CliError, Screen, screen, standard_steps};

/// What is measured, and how large.
#[derive(Debug, Args)]
pub(super) struct AiArgs {
    /// Slow calls at the same time.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    calls: u64,
    /// Seconds that each of them takes.
    #[arg(long, default_value_t = 20, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Answers that are watched as they come, one after the other.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    answers: u64,
    /// Megabytes of the document.
    #[arg(long, default_value_t = 50, value_name = "MEGABYTES", value_parser = clap::value_parser!(u64).range(1..=200))]
    document: u64,
    /// Seconds for each measurement of a call's CPU time.
    #[arg(long, default_value_t = 5, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=600))]
    measure: u64,
}

/// Everything that was measured in one run.
pub(super) struct Ai {
    calls: Calls,
    tokens: Tokens,
    document: Document,
    many: Many,
}

pub(super) async fn measure(args: &AiArgs, screen: &Screen) -> Result<Ai, CliError> {
    let components = standard_steps::build_all(&["http-request", "llm-chat"], screen).await?;
    let echo = echo::Echo::start().await?;
    // Each on a server of its own: one's memory is none of the other's.
    let start = async || {
        let server = LocalServer::start().await?;
        standard_steps::publish_all(&server.client()?, &components).await?;
        Ok::<_, CliError>(server)
    };
    let document = document::measure(start().await?, echo.address(), args.document, screen).await?;
    let tokens = tokens::measure(start().await?, echo.address(), args.answers, screen).await?;
    let calls = calls::measure(start().await?, echo.address(), args.measure, screen).await?;
    let many = many::measure(start().await?, echo.address(), args.calls, args.seconds, screen).await?;
    Ok(Ai { calls, tokens, document, many })
}

impl Ai {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "calls": self.calls.to_json(),
            "tokens": self.tokens.to_json(),
            "document": self.document.to_json(),
            "many": self.many.to_json(),
        })
    }

    pub(super) fn to_table(&self) -> String {
        let parts = [self.calls.rows(), self.tokens.rows(), self.document.rows(), self.many.rows()];
        screen::table(["", ""], parts.into_iter().flatten())
    }
}
