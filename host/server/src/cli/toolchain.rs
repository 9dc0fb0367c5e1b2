//! `stepwell toolchain`: what compiles Rust steps.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use stepwell_toolchain::{Progress, Toolchain, Verdict, install};

use super::screen::Task;
use super::{CliError, Screen};

#[derive(Debug, Args)]
pub(crate) struct ToolchainArgs {
    /// Only say what is there and what is missing: install nothing.
    #[arg(long)]
    check: bool,
}

pub(crate) async fn toolchain(args: &ToolchainArgs, screen: &Screen) -> Result<ExitCode, CliError> {
    if args.check {
        return check(screen);
    }
    let toolchain = ready(screen).await?;
    let found = toolchain.to_string();
    screen.data(&json!({"toolchain": found}), || format!("{found} is ready"))?;
    Ok(ExitCode::SUCCESS)
}

fn check(screen: &Screen) -> Result<ExitCode, CliError> {
    let (state, words, code) = match Toolchain::find() {
        Verdict::Found(toolchain) => ("found", toolchain.to_string(), ExitCode::SUCCESS),
        Verdict::Needs(plan) => ("missing", format!("`stepwell toolchain` would {plan}"), ExitCode::FAILURE),
        Verdict::Unavailable(reason) => ("unavailable", reason.to_string(), ExitCode::FAILURE),
    };
    screen.data(&json!({"state": state, "detail": words}), || format!("{state}: {words}"))?;
    Ok(code)
}

/// The toolchain, installed first where it is missing. Says what it is about to do.
pub(super) async fn ready(screen: &Screen) -> Result<Toolchain, CliError> {
    let task = screen.task("Looking for the guest toolchain");
    let (task, toolchain) = blocking(task, |task| match Toolchain::find() {
        Verdict::Found(toolchain) => Ok(toolchain),
        Verdict::Needs(plan) => {
            task.news(format_args!("none yet: will {plan}"));
            install(&plan, task).map_err(|source| CliError::failed("installing the guest toolchain", source))
        }
        Verdict::Unavailable(reason) => Err(CliError::failed("looking for the guest toolchain", reason)),
    })
    .await?;
    task.done(&toolchain);
    Ok(toolchain)
}

/// Does slow work off the asynchronous threads, with the task that tells of it.
pub(super) async fn blocking<T: Send + 'static>(
    mut task: Task,
    work: impl FnOnce(&mut Task) -> Result<T, CliError> + Send + 'static,
) -> Result<(Task, T), CliError> {
    let joined = tokio::task::spawn_blocking(move || work(&mut task).map(|result| (task, result))).await;
    joined.map_err(|source| CliError::failed("working", source))?
}

impl Progress for Task {
    fn doing(&mut self, what: &str) {
        self.news(what);
    }

    fn output(&mut self, line: &str) {
        self.detail(line);
    }
}
