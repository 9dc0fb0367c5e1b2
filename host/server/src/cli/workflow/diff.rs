//! `stepwell workflow diff`: what sets two definitions apart, wherever each of them is. What is newly allowed comes first.

use std::path::Path;
use std::process::ExitCode;

use serde::Deserialize as _;
use serde_json::{Value, json};
use stepwell_core::diff::{Change, Difference, GrantChange, LockChange, Side};
use stepwell_core::digest::Digest;
use stepwell_core::grant::{Grants, HttpGrant};
use stepwell_core::plan::{Lock, Locked, LockedStep, LockedWorkflow};

use super::escape;
use crate::cli::lint::{self, Source};
use crate::cli::{CliError, Client, Screen, screen};

/// As of diff(1), beside 0 for no difference and 1 for some.
const TROUBLE: u8 = 2;

/// A definition with what it is locked to, if it was applied.
struct Sample {
    title: String,
    definition: Value,
    lock: Option<Lock>,
}

/// Shows what changes from one to the other; the exit code says whether anything does.
pub(super) async fn diff(from: &str, to: &str, client: &Client, screen: &Screen) -> ExitCode {
    match compare(from, to, client, screen).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            screen.fail(&error);
            ExitCode::from(TROUBLE)
        }
    }
}

/// Whether they are the same.
async fn compare(from: &str, to: &str, client: &Client, screen: &Screen) -> Result<bool, CliError> {
    let (from, to) = (fetch(from, client, screen).await?, fetch(to, client, screen).await?);
    let difference = Difference::between(from.side(), to.side());
    let data = json!({"from": from.title, "to": to.title, "difference": difference});
    screen.data(&data, || format!("{} -> {}\n{}", from.title, to.title, describe(&difference)))?;
    Ok(difference.is_empty())
}

impl Sample {
    fn side(&self) -> Side<'_> {
        Side { definition: &self.definition, lock: self.lock.as_ref() }
    }
}

/// `name`, `name@version`, or a file.
async fn fetch(what: &str, client: &Client, screen: &Screen) -> Result<Sample, CliError> {
    if is_file(what) {
        return read(Path::new(what), screen);
    }
    let (name, version) = match what.split_once('@') {
        Some((name, version)) => (name, Some(version)),
        None => (what, None),
    };
    let query: Vec<_> = version.into_iter().map(|version| ("version", version.to_owned())).collect();
    let mut found = client.get_with(&format!("/v1/workflows/{}", escape(name)), &query).await?;
    let title = format!("{}@{}", screen::cell(&found["name"]), screen::cell(&found["version"]));
    let lock = Lock::deserialize(&found["lock"])
        .map_err(|source| CliError::failed(format!("reading what {title} is locked to"), source))?;
    Ok(Sample { title, definition: found["definition"].take(), lock: Some(lock) })
}

/// A name has neither a dot nor a slash in front of its version, and a definition's file has one of them.
fn is_file(what: &str) -> bool {
    let name = what.split_once('@').map_or(what, |(name, _)| name);
    name.contains(['.', '/', '\\'])
}

fn read(file: &Path, screen: &Screen) -> Result<Sample, CliError> {
    let source = Source::read(file)?;
    let mistakes = lint::check_offline(source.definition());
    if !mistakes.is_empty() {
        screen.note(source.point_at(&mistakes));
        return Err(CliError::Mistakes { count: mistakes.len(), path: file.to_owned() });
    }
    Ok(Sample { title: file.display().to_string(), definition: source.definition().clone(), lock: None })
}

/// A difference for a person.
pub(super) fn describe(difference: &Difference) -> String {
    if difference.is_empty() {
        return "no difference\n".to_owned();
    }
    let Difference { grants, nodes, locks, triggers, fields } = difference;
    let added = nodes.added.iter().map(|(id, node)| format!("+ {id} {}", step_of(node)));
    let removed = nodes.removed.iter().map(|(id, node)| format!("- {id} {}", step_of(node)));
    let changed = nodes.changed.iter().flat_map(|node| {
        std::iter::once(format!("~ {}", node.node))
            .chain(node.fields.iter().map(|field| format!("    {}", place(field))))
    });
    let new = triggers.added.iter().map(|trigger| format!("+ {trigger}"));
    let gone = triggers.removed.iter().map(|trigger| format!("- {trigger}"));
    [
        section("\x1b[1;31mGRANTS GAINED\x1b[0m", permissions(grants, '+', |change| &change.gained)),
        section("\x1b[1mGrants lost\x1b[0m", permissions(grants, '-', |change| &change.lost)),
        section("\x1b[1mNodes\x1b[0m", added.chain(removed).chain(changed)),
        section("\x1b[1mLocks\x1b[0m", locks.iter().map(relocked)),
        section("\x1b[1mTriggers\x1b[0m", new.chain(gone)),
        section("\x1b[1mWorkflow\x1b[0m", fields.iter().map(place)),
    ]
    .concat()
}

/// A heading with its lines; nothing without lines.
fn section(heading: &str, lines: impl Iterator<Item = String>) -> String {
    let lines: String = lines.map(|line| format!("  {}\n", line.trim_end())).collect();
    if lines.is_empty() { lines } else { format!("{heading}\n{lines}") }
}

/// What nodes may do, a line each.
fn permissions(
    changes: &[GrantChange],
    sign: char,
    which: impl Fn(&GrantChange) -> &Grants,
) -> impl Iterator<Item = String> {
    changes.iter().flat_map(move |change| {
        let Grants { http, secrets, state } = which(change);
        let requests = http.iter().map(request);
        let secrets = secrets.iter().map(|(name, hosts)| format!("secret {name} to {}", hosts.join(", ")));
        let keys = state.iter().map(|key| format!("state {key}"));
        let all = requests.chain(secrets).chain(keys);
        let lines: Vec<String> = all.map(|what| format!("{sign} {}: {what}", change.node)).collect();
        lines
    })
}

fn request(grant: &HttpGrant) -> String {
    let list = |texts: &[String], all: &str| if texts.is_empty() { all.to_owned() } else { texts.join(", ") };
    let (methods, paths) = (list(&grant.methods, "every method"), list(&grant.paths, "every path"));
    format!("HTTP to {}, {methods}, {paths}", grant.host)
}

fn step_of(node: &Value) -> String {
    let runs = node["step"].as_str().or_else(|| node["workflow"].as_str());
    runs.map(|range| format!("({range})")).unwrap_or_default()
}

fn place(change: &Change) -> String {
    let value =
        |value: &Option<Value>| value.as_ref().map_or_else(|| "(nothing)".to_owned(), Value::to_string);
    format!("{}: {} -> {}", change.pointer, value(&change.from), value(&change.to))
}

fn relocked(change: &LockChange) -> String {
    let short = |digest: &Digest| digest.to_hex().chars().take(12).collect::<String>();
    let locked = |locked: &Option<Locked>| match locked {
        Some(Locked::Step(LockedStep { name, version, digest })) => {
            format!("{name}@{version} ({})", short(digest))
        }
        Some(Locked::Workflow(LockedWorkflow { workflow, version, digest })) => {
            format!("workflow {workflow}@{version} ({})", short(digest))
        }
        None => "(nothing)".to_owned(),
    };
    format!("{}: {} -> {}", change.slot, locked(&change.from), locked(&change.to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_told_from_a_name() {
        for file in ["triage.json", "./triage", "a/b", "triage.yaml", "dir/x@1.json"] {
            assert!(is_file(file), "{file}");
        }
        for name in ["triage", "triage@1.0.0", "triage@1.0.0-rc.1"] {
            assert!(!is_file(name), "{name}");
        }
    }

    #[test]
    fn what_is_gained_is_read_first() {
        let side = |definition| Side { definition, lock: None };
        let from = json!({"nodes": {"a": {"step": "x@^1", "grants": {"http": [{"host": "a.example", "methods": ["GET"]}]}}}});
        let to = json!({
            "nodes": {
                "a": {"step": "x@^2", "grants": {"http": [{"host": "a.example"}], "secrets": {"KEY": ["a.example"]}, "state": ["seen/*"]}},
                "b": {"step": "y@^1"},
            },
            "budget": {"time": "1m"},
        });
        let text =
            anstream::adapter::strip_str(&describe(&Difference::between(side(&from), side(&to)))).to_string();
        assert_eq!(
            text,
            "GRANTS GAINED\n  + a: HTTP to a.example, every method, every path\n  + a: secret KEY to a.example\n  + a: state seen/*\n\
             Nodes\n  + b (y@^1)\n  ~ a\n      /nodes/a/step: \"x@^1\" -> \"x@^2\"\n\
             Workflow\n  /budget: (nothing) -> {\"time\":\"1m\"}\n"
        );
        assert_eq!(describe(&Difference::between(side(&to), side(&to))), "no difference\n");
    }
}
