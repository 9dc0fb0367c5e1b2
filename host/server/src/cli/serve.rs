//! `stepwell serve`: the server, from configuration to its last request.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use tokio::io::AsyncReadExt as _;

use super::{CliError, Screen};
use crate::config::{Config, Overrides};
use crate::{open_files, serve, telemetry};

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    overrides: Overrides,
    /// Show the configuration that results from file, environment and flags, and end.
    #[arg(long)]
    print_config: bool,
    /// End when standard input is closed: for whoever starts a server as a child process.
    #[arg(long)]
    exit_with_stdin: bool,
}

pub(crate) async fn serve(args: ServeArgs, screen: &Screen) -> Result<ExitCode, CliError> {
    let config = Config::load(&args.overrides)
        .map_err(|source| CliError::failed("reading the configuration", source))?;
    if args.print_config {
        let shown = serde_json::to_value(&config)
            .map_err(|source| CliError::failed("showing the configuration", source))?;
        screen.data(&shown, || config.to_toml())?;
        return Ok(ExitCode::SUCCESS);
    }
    telemetry::start_logging(&config.log).map_err(|source| CliError::failed("starting the log", source))?;
    open_files::allow_most();
    let server = serve::start(config).await.map_err(|source| CliError::failed("cannot serve", source))?;
    let mut ready = json!({"listening": format!("http://{}", server.addr())});
    if let Some(key) = server.generated_admin_key() {
        ready["admin_key"] = json!(key);
        screen.note("The first API key was made. Keep it: it is shown once, in the line below.");
    }
    screen.line(&ready.to_string())?;
    server
        .run_until(ended(args.exit_with_stdin))
        .await
        .map_err(|source| CliError::failed("serving", source))?;
    Ok(ExitCode::SUCCESS)
}

/// Resolves when the server is asked to end: by SIGINT, by SIGTERM, or, if so wanted, by the end of standard input.
async fn ended(with_stdin: bool) {
    let input_closed = async {
        if !with_stdin {
            return std::future::pending().await;
        }
        // An input that cannot be read is closed as well.
        let _ = tokio::io::stdin().read_to_end(&mut Vec::new()).await;
    };
    tokio::select! {
        () = interrupted() => {}
        () = input_closed => {}
    }
}

/// Resolves at the first SIGINT or SIGTERM.
pub(super) async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        tracing::warn!("cannot listen for SIGTERM");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
