//! The command line, as a client of a test's server or on its own.

use std::process::Output;

use tokio::process::Command;
use tokio::time::timeout;

use super::server::{KEY, PATIENCE, Server, stepwell};

/// A client command against this server.
pub(crate) fn client(server: &Server, arguments: &[&str]) -> Command {
    let mut command = stepwell();
    command.args(arguments).env("STEPWELL_URL", &server.url).env("STEPWELL_KEY", KEY);
    command
}

/// What a command says, once it has ended.
pub(crate) async fn output(mut command: Command) -> Output {
    timeout(10 * PATIENCE, command.output()).await.expect("the command ends").unwrap()
}
