//! The command line: what a person or a script types. Data goes to standard output, everything else to standard error.
//!
//! Nothing below this module is known to the server; every command but `serve`, `demo`, `bench`, `toolchain`, the
//! building of steps and what runs them offline (`run replay`, `workflow test`) is a client of the HTTP API and nothing more.

mod ai;
mod approvals;
mod bench;
mod blob;
mod client;
mod control;
mod dead_letters;
mod demo;
mod destinations;
mod difference;
mod error;
mod key;
mod lint;
mod local_server;
mod offline;
mod replay;
mod run;
mod screen;
mod secret;
mod serve;
mod standard_steps;
mod step;
mod toolchain;
mod workflow;
mod workflow_test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::client::{Client, Connection};
use self::error::CliError;
use self::screen::Screen;
#[cfg(test)]
pub(crate) use self::workflow_test::ONE_CLOCK;

/// Durable, sandboxed workflow automation: publish steps, apply workflows, run them.
#[derive(Debug, Parser)]
#[command(name = "stepwell", version, max_term_width = 100)]
struct Cli {
    /// Print JSON on standard output, for programs.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the main job: start everything, send three support tickets, watch them being triaged.
    Demo(demo::DemoArgs),
    /// Run the server.
    Serve(serve::ServeArgs),
    /// Write, build, test and publish steps.
    #[command(subcommand)]
    Step(step::StepCommand),
    /// Check, apply and look at workflows.
    #[command(subcommand)]
    Workflow(workflow::WorkflowCommand),
    /// Start, watch and cancel runs.
    #[command(subcommand)]
    Run(run::RunCommand),
    /// See what runs did with AI: tokens and money by model and node, decisions, quality, fallbacks.
    Ai(ai::AiArgs),
    /// See what people are asked.
    Approvals(approvals::ApprovalsArgs),
    /// See what failed for good, try it again, or let it be.
    #[command(subcommand)]
    DeadLetters(dead_letters::DeadLettersCommand),
    /// Upload and download values that are not JSON: images, sound, documents.
    #[command(subcommand)]
    Blob(blob::BlobCommand),
    /// Set secrets, and list their names.
    #[command(subcommand)]
    Secret(secret::SecretCommand),
    /// See where steps send requests, and how that goes.
    #[command(subcommand)]
    Destinations(destinations::DestinationsCommand),
    /// Create, list and revoke API keys.
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Find what compiles Rust steps, and install it where it is missing.
    Toolchain(toolchain::ToolchainArgs),
    /// Measure this machine: runs a second, latency, CPU and memory of a server of its own.
    Bench(bench::BenchArgs),
}

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let screen = Screen::new(cli.json);
    // One cryptography for all TLS of this process; an error means that it is there already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(source) => return screen.fail(&CliError::failed("starting the asynchronous runtime", source)),
    };
    let result = runtime.block_on(dispatch(cli.command, &screen));
    // A blocking read of standard input must not keep an ended command alive.
    runtime.shutdown_background();
    match result {
        Ok(code) => code,
        Err(error) => screen.fail(&error),
    }
}

async fn dispatch(command: Command, screen: &Screen) -> Result<ExitCode, CliError> {
    match command {
        Command::Demo(args) => demo::demo(args, screen).await,
        Command::Serve(args) => serve::serve(args, screen).await,
        Command::Step(command) => step::step(command, screen).await,
        Command::Workflow(command) => workflow::workflow(command, screen).await,
        Command::Run(command) => run::run(command, screen).await,
        Command::Ai(args) => ai::ai(args, screen).await,
        Command::Approvals(args) => approvals::approvals(args, screen).await,
        Command::DeadLetters(command) => dead_letters::dead_letters(command, screen).await,
        Command::Blob(command) => blob::blob(command, screen).await,
        Command::Secret(command) => secret::secret(command, screen).await,
        Command::Destinations(command) => destinations::destinations(command, screen).await,
        Command::Key(command) => key::key(command, screen).await,
        Command::Toolchain(args) => toolchain::toolchain(&args, screen).await,
        Command::Bench(args) => bench::bench(args, screen).await,
    }
}
