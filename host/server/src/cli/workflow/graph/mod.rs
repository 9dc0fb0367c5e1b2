//! `stepwell workflow graph`: a definition as a picture, or as a list of what follows on what.

mod layout;
mod model;
mod svg;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use self::model::{Box, Graph};
use crate::cli::lint::{self, Source};
use crate::cli::{CliError, Screen, screen};

#[derive(Debug, Args)]
pub(crate) struct GraphArgs {
    /// A definition in JSON or YAML.
    file: PathBuf,
    /// Draw it, as SVG.
    #[arg(long)]
    svg: bool,
    /// Write to this file instead of standard output.
    #[arg(short, long, value_name = "FILE", requires = "svg")]
    output: Option<PathBuf>,
}

pub(crate) fn graph(args: &GraphArgs, screen: &Screen) -> Result<ExitCode, CliError> {
    let source = Source::read(&args.file)?;
    let mistakes = lint::check_offline(source.definition());
    if !mistakes.is_empty() {
        screen.note(source.point_at(&mistakes));
        return Err(CliError::Mistakes { count: mistakes.len(), path: args.file.clone() });
    }
    let graph = Graph::of(source.definition());
    match (args.svg, &args.output) {
        (false, _) => screen.data(&graph.to_json(), || list(&graph))?,
        (true, None) => screen.line(svg::draw(&graph).trim_end())?,
        (true, Some(path)) => write(path, &svg::draw(&graph))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn write(path: &Path, picture: &str) -> Result<(), CliError> {
    std::fs::write(path, picture).map_err(|source| CliError::file("write", path, source))
}

fn list(graph: &Graph) -> String {
    let row = |it: &Box| {
        let before = graph.arrows.iter().filter(|arrow| graph.boxes[arrow.to].id == it.id);
        let before: Vec<&str> = before.map(|arrow| graph.boxes[arrow.from].id.as_str()).collect();
        [it.id.clone(), it.kind.as_str().to_owned(), it.does.clone(), before.join(", "), it.notes.join("; ")]
    };
    screen::table(["NODE", "KIND", "DOES", "AFTER", "NOTES"], graph.boxes.iter().map(row))
}
