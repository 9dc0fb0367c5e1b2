//! `stepwell workflow test`: a workflow against a test file, in this process, with the real engine, the real sandbox and the
//! real components, over a store in memory and without a network; and, with `--chaos`, through crashes and faults.
//!
//! ```text
//! file         the test file: cases, each with stand_ins, acts (what others do) and expectations (expect); where steps come from
//!              (steps), which other workflows there are (definitions)
//! stage        steps published, workflows applied; once
//! scene        a case, for who plays it against a real server
//! take         one run: journal (cut where it is to crash), script (answers, and sees what is asked), cast (acts, each on its
//!              occasion), disruption (crash, fault)
//! verdict      what is wrong with a take; the report
//! ```

mod acts;
mod cast;
mod definitions;
mod disruption;
mod expect;
mod fault;
mod file;
mod files;
mod journal;
mod occasion;
pub(super) mod scene;
mod script;
mod stage;
pub(super) mod stand_in;
mod steps;
mod take;
#[cfg(test)]
mod tests;
mod verdict;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};
use stepwell_core::mistake::Mistake;

use self::definitions::Written;
use self::disruption::Disruption;
use self::fault::Fault;
use self::file::{Case, TestFile};
use self::stage::{NoStage, Stage};
#[cfg(test)]
pub(crate) use self::take::ONE_CLOCK;
use self::take::Take;
use self::verdict::Report;
use super::lint::{self, Source};
use super::{CliError, Connection, Screen};

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// The workflow's definition, in JSON or YAML.
    file: PathBuf,
    /// The test file; without it, the one beside the definition: `<name>.test.json` or `.yaml`.
    #[arg(long, value_name = "FILE")]
    tests: Option<PathBuf>,
    /// Also run each case with a crash after each entry of its journal, and with each of its effects failing in each way.
    #[arg(long)]
    chaos: bool,
    /// This case alone; or one crash or fault of it, as a report names it: `case/crash@7`.
    #[arg(long, value_name = "CASE[/DISRUPTION]")]
    only: Option<String>,
    /// Where the steps are that the test file takes from a server.
    #[command(flatten)]
    connection: Connection,
}

pub(crate) async fn test(args: TestArgs, screen: &Screen) -> Result<ExitCode, CliError> {
    let workflow = Written::read(args.file.clone())?;
    if let Some(refused) = check(&workflow, screen)? {
        return Ok(refused);
    }
    let tests = args.tests.clone().map_or_else(|| file::beside(&args.file), Ok)?;
    let source = Source::read(&tests)?;
    let beside = tests.parent().unwrap_or(Path::new(""));
    let resolved = files::resolve(source.definition(), beside);
    let test_file =
        resolved.and_then(|(document, files)| file::read(&document, files, workflow.definition(), beside));
    let test_file = match test_file {
        Ok(file) => file,
        Err(mistakes) => return refuse(&source, &tests, &mistakes, screen),
    };
    for other in &test_file.workflows {
        if let Some(refused) = check(other, screen)? {
            return Ok(refused);
        }
    }
    let plan = Plan::new(&args, test_file.cases.clone())?;

    let stage = match set_stage(&workflow, &test_file, beside, &args.connection, screen).await {
        Ok(stage) => stage,
        Err(NoStage::Mistakes(name, mistakes)) => {
            let found = test_file.workflows.iter().find(|other| other.name() == name);
            let Written { path, source } = found.unwrap_or(&workflow);
            return refuse(source, path, &mistakes, screen);
        }
        Err(NoStage::Error(error)) => return Err(error),
    };
    let task = screen.task(format!("Running {}", tests.display()));
    // Each take blocks: it drives runtimes of its own.
    let played = tokio::task::spawn_blocking(move || plan.play(&stage)).await;
    let report = played.map_err(|source| CliError::failed("running the test", source))??;
    task.done(format_args!("{} runs", report.takes()));
    let alone = alone(&args);
    screen.data(&report.to_json(&alone), || report.describe(&alone))?;
    Ok(if report.is_right() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The command that runs one take alone, up to the take's name.
fn alone(args: &TestArgs) -> String {
    let tests = args.tests.as_ref().map(|tests| format!(" --tests {}", tests.display())).unwrap_or_default();
    format!("stepwell workflow test {}{tests} --only", args.file.display())
}

/// Shows mistakes where they stand.
fn refuse(source: &Source, path: &Path, mistakes: &[Mistake], screen: &Screen) -> Result<ExitCode, CliError> {
    if screen.is_json() {
        screen.data(&json!({"file": path, "mistakes": mistakes}), String::new)?;
        return Ok(ExitCode::FAILURE);
    }
    screen.note(source.point_at(mistakes));
    Err(CliError::Mistakes { count: mistakes.len(), path: path.to_owned() })
}

/// Shows what is wrong with a definition by itself, if anything is.
fn check(written: &Written, screen: &Screen) -> Result<Option<ExitCode>, CliError> {
    let mistakes = lint::check_offline(written.definition());
    if mistakes.is_empty() {
        return Ok(None);
    }
    refuse(&written.source, &written.path, &mistakes, screen).map(Some)
}

async fn set_stage(
    workflow: &Written,
    test_file: &TestFile,
    beside: &Path,
    connection: &Connection,
    screen: &Screen,
) -> Result<Stage, NoStage> {
    let all = test_file.workflows.iter().chain([workflow]).map(Written::definition);
    let all: Vec<&Value> = all.collect();
    let used = all.iter().flat_map(|definition| steps::used(definition)).collect();
    let components = steps::gather(&used, &test_file.steps, beside, connection, screen).await?;
    let files = test_file.files.clone();
    Stage::set(workflow.name(), &definitions::in_order(&all), components, files).await
}

/// Which takes are to be played.
struct Plan {
    cases: Vec<Arc<Case>>,
    chaos: bool,
    /// Nothing but this.
    only: Option<Disruption>,
}

impl Plan {
    fn new(args: &TestArgs, cases: Vec<Case>) -> Result<Self, CliError> {
        let mut plan =
            Self { cases: cases.into_iter().map(Arc::new).collect(), chaos: args.chaos, only: None };
        let Some(only) = &args.only else { return Ok(plan) };
        let (name, disruption) = match only.split_once('/') {
            Some((name, disruption)) => (name, Some(disruption)),
            None => (only.as_str(), None),
        };
        let disruption = disruption.map(str::parse::<Disruption>).transpose();
        plan.only = disruption.map_err(|error| CliError::Usage(error.to_string()))?;
        let known: Vec<String> = plan.cases.iter().map(|case| case.name.clone()).collect();
        plan.cases.retain(|case| case.name == name);
        if plan.cases.is_empty() {
            return Err(CliError::Usage(format!(
                "there is no case `{name}`; there are: {}",
                known.join(", ")
            )));
        }
        Ok(plan)
    }

    fn play(&self, stage: &Stage) -> Result<Report, CliError> {
        let mut report = Report::default();
        for case in &self.cases {
            report.begin(case);
            if let Some(only) = &self.only {
                let take = take::play(stage, case, Some(only))?;
                if let Some(why) = take.is_without(only) {
                    let name = verdict::name_of(case, Some(only));
                    return Err(CliError::Usage(format!("`{name}` tries nothing: {why}")));
                }
                report.add(case, Some(only), &take);
                continue;
            }
            let undisturbed = take::play(stage, case, None)?;
            // What is wrong without a disruption would be wrong with each.
            if report.add(case, None, &undisturbed) && self.chaos {
                for disruption in disruptions(&undisturbed) {
                    report.add(case, Some(&disruption), &take::play(stage, case, Some(&disruption))?);
                }
            }
        }
        Ok(report)
    }
}

/// A crash after each entry of the journal, and each effect failing in each way.
fn disruptions(undisturbed: &Take) -> Vec<Disruption> {
    let crashes = (0..undisturbed.entries).map(Disruption::Crash);
    let faults = undisturbed
        .effects
        .asked
        .iter()
        .flat_map(|effect| Fault::ALL.into_iter().map(|fault| Disruption::Fault(fault, effect.clone())));
    crashes.chain(faults).collect()
}
