//! The standard steps, built from their sources as any other step and published as any other step.

use std::path::{Path, PathBuf};

use stepwell_toolchain::{BuildOptions, build, shared_target_dir};

pub(super) use stepwell_toolchain::Component;

use super::{CliError, Client, Screen, screen, step, toolchain};

/// Those that there are.
pub(super) const NAMES: [&str; 10] = [
    "transform",
    "llm-chat",
    "classify",
    "extract",
    "summarize",
    "http-request",
    "text-from",
    "ocr",
    "chunk",
    "report",
];

/// Builds these of the standard steps, the toolchain first where it is missing.
pub(super) async fn build_all(names: &[&'static str], screen: &Screen) -> Result<Vec<Component>, CliError> {
    let names = names.to_vec();
    let folder = folder()?;
    let toolchain = toolchain::ready(screen).await?;
    let task = screen.task("Building the standard steps");
    let (task, components) = toolchain::blocking(task, move |task| {
        let options = BuildOptions { target_dir: Some(shared_target_dir(&folder.join(".."))) };
        let one = |name: &str| {
            build(&toolchain, &folder.join(name), &options, task)
                .map_err(|source| CliError::failed(format!("building the step {name}"), source))
        };
        names.into_iter().map(one).collect::<Result<Vec<_>, _>>()
    })
    .await?;
    let sizes: Vec<String> =
        components.iter().map(|c| format!("{} ({} KB)", c.name, c.bytes.len() / 1000)).collect();
    task.done(sizes.join(", "));
    Ok(components)
}

/// Publishes them; gives their names with versions.
pub(super) async fn publish_all(client: &Client, components: &[Component]) -> Result<Vec<String>, CliError> {
    let mut published = Vec::new();
    for component in components {
        let step = step::publish_bytes(client, component.bytes.clone()).await?;
        published.push(format!("{}@{}", screen::cell(&step["name"]), screen::cell(&step["version"])));
    }
    Ok(published)
}

/// Where their sources are: in the checkout that this program was built from.
fn folder() -> Result<PathBuf, CliError> {
    let built_from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../steps");
    let here = PathBuf::from("steps");
    [built_from, here].into_iter().find(|folder| folder.join("Cargo.toml").is_file()).ok_or_else(|| {
        CliError::Usage(
            "the sources of the standard steps are not here: run this in a checkout of Stepwell".to_owned(),
        )
    })
}
