//! Doing what a [`Plan`] says.

use std::process::Command;
use std::time::Duration;

use crate::TARGET;
use crate::command::{self, CommandError};
use crate::machine::Machine;
use crate::progress::Progress;
use crate::toolchain::{Plan, Toolchain, Unavailable, Verdict, Way, oldest_rust, unavailable};

/// For about 30 MB; without a network rustup gives up by itself, and much sooner.
const RUSTUP_TIMEOUT: Duration = Duration::from_secs(300);

/// Why there is still no toolchain.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// Nothing can be installed by us.
    #[error(transparent)]
    Unavailable(Unavailable),
    /// Everything was tried.
    #[error("{advice}\nWhat was tried:\n{}", tried.join("\n"))]
    Failed {
        /// What to do by hand.
        advice: Unavailable,
        /// Each way, and why it failed.
        tried: Vec<String>,
    },
}

/// Installs what is missing, and proves that it is there.
///
/// # Errors
///
/// When no way of the plan leads to a toolchain, with why for each.
pub fn install(plan: &Plan, progress: &mut dyn Progress) -> Result<Toolchain, InstallError> {
    let mut tried = Vec::new();
    for way in &plan.ways {
        progress.doing(&way.to_string());
        let outcome = match way {
            Way::RustupTarget => add_rustup_target(progress),
            Way::DebianPackages { .. } => install_packages(&way.packages(), progress),
        };
        match (outcome, Toolchain::find()) {
            (_, Verdict::Found(toolchain)) => return Ok(toolchain),
            (Err(error), _) => tried.push(format!("- {way}: {error}")),
            (Ok(()), _) => {
                tried.push(format!("- {way}: done, but it gave no Rust of {} or newer", oldest_rust()))
            }
        }
    }
    Err(InstallError::Failed { advice: unavailable(&Machine::look()), tried })
}

fn add_rustup_target(progress: &mut dyn Progress) -> Result<(), CommandError> {
    command::run(Command::new("rustup").args(["target", "add", TARGET]), Some(RUSTUP_TIMEOUT), progress)
}

/// Without a timeout of ours, because a package manager must not be stopped in the middle; apt has its own for the network.
fn install_packages(packages: &[&str], progress: &mut dyn Progress) -> Result<(), CommandError> {
    let apt_get = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command.args(["-q", "-o", "Acquire::http::Timeout=30", "-o", "Acquire::Retries=2"]).args(arguments);
        command
    };
    command::run(&mut apt_get(&["update"]), None, progress)?;
    // `--no-remove`: the machine's own packages stay, whatever they conflict with.
    let install = ["install", "-y", "--no-install-recommends", "--no-remove"];
    command::run(apt_get(&install).args(packages), None, progress)
}
