//! What a command shows: data on standard output, news and errors on standard error, colours only on a terminal.

use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::error::CliError;

/// Where a command writes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    json: bool,
    watched: bool,
}

impl Screen {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, watched: std::io::stderr().is_terminal() }
    }

    /// Whether a program reads the data.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Shows the command's result: `json` to a program, `text` to a person.
    pub(crate) fn data(self, json: &Value, text: impl FnOnce() -> String) -> Result<(), CliError> {
        if self.json {
            return self.line(&format!("{json:#}"));
        }
        self.line(text().trim_end_matches('\n'))
    }

    /// One line of data, at once.
    pub(crate) fn line(self, line: &str) -> Result<(), CliError> {
        let mut out = anstream::stdout().lock();
        let written = writeln!(out, "{line}").and_then(|()| out.flush());
        written.map_err(|source| CliError::failed("writing to standard output", source))
    }

    /// News for a person.
    pub(crate) fn note(self, news: impl Display) {
        // Nobody can be told that standard error is closed.
        let _ = writeln!(anstream::stderr(), "{news}");
    }

    /// Says why the command failed.
    pub(crate) fn fail(self, error: &CliError) -> ExitCode {
        if self.json {
            self.note(error.to_json());
        } else {
            self.note(format_args!("\x1b[1;31merror\x1b[0m: {error}"));
            if let Some(help) = error.help() {
                self.note(format_args!("\x1b[1;36mhelp\x1b[0m: {help}"));
            }
        }
        ExitCode::from(error.exit_code())
    }

    /// Begins a piece of work that takes time: a spinner where a person watches, plain lines where not.
    pub(crate) fn task(self, title: impl Into<String>) -> Task {
        let title = title.into();
        let spinner = self.watched.then(|| {
            let spinner = ProgressBar::new_spinner().with_message(title.clone());
            if let Ok(style) = ProgressStyle::with_template("{spinner:.cyan} {msg} {elapsed:.dim}") {
                spinner.set_style(style);
            }
            spinner.enable_steady_tick(Duration::from_millis(100));
            spinner
        });
        if spinner.is_none() {
            self.note(format_args!("- {title} ..."));
        }
        Task { screen: self, title, spinner, started: Instant::now() }
    }
}

/// A piece of work in progress.
pub(crate) struct Task {
    screen: Screen,
    title: String,
    spinner: Option<ProgressBar>,
    started: Instant,
}

impl Task {
    /// Says how far it is.
    pub(crate) fn news(&self, news: impl Display) {
        match &self.spinner {
            Some(spinner) => spinner.println(format!("    {news}")),
            None => self.screen.note(format_args!("    {news}")),
        }
    }

    /// A line that matters only while nothing better is known: it replaces the one before where a person watches.
    pub(crate) fn detail(&self, line: &str) {
        match &self.spinner {
            Some(spinner) => spinner.set_message(format!("{} \x1b[2m{}\x1b[0m", self.title, line.trim())),
            None => self.screen.note(format_args!("    {line}")),
        }
    }

    /// It is done, with this result.
    pub(crate) fn done(self, result: impl Display) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
        let seconds = self.started.elapsed().as_secs_f64();
        self.screen.note(format_args!("\x1b[32m✓\x1b[0m {}: {result} ({seconds:.1} s)", self.title));
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
    }
}

/// Rows in aligned columns under a heading.
pub(crate) fn table<const N: usize>(
    heading: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(heading);
    for row in rows {
        table.add_row(row);
    }
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// A JSON value as a cell: text without quotes, nothing for null.
pub(crate) fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
