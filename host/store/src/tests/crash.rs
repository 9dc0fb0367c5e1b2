//! What was acknowledged is there after a `kill -9`: a child process writes and says what was acknowledged, until it is killed.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use stepwell_core::id::{RunId, TenantId};
use stepwell_core::run::RunStatus;

use super::open;
use crate::Accepted;
use crate::conformance::samples;

/// Tells the child where to write, and which runs.
const FOLDER: &str = "STEPWELL_TEST_CRASH_FOLDER";
const ROUND: &str = "STEPWELL_TEST_CRASH_ROUND";
const WRITERS: u32 = 16;

#[test]
fn every_acknowledged_append_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    for (round, lines) in [(0, 50), (1, 200), (2, 500)] {
        let acknowledged = write_until_killed(folder.path(), round, lines);
        check(folder.path(), &acknowledged);
    }
}

/// Runs the child, kills it after some lines, and gives all it managed to say: runs and how many entries of each are on disk.
fn write_until_killed(folder: &Path, round: u32, lines: usize) -> Vec<(RunId, u64)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tests::crash::child_writes_until_killed", "--nocapture"])
        .env(FOLDER, folder)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut acknowledged: Vec<_> = said.by_ref().filter_map(|line| parse(&line)).take(lines).collect();
    child.kill().unwrap();
    acknowledged.extend(said.filter_map(|line| parse(&line)));
    child.wait().unwrap();
    assert!(acknowledged.len() >= lines, "the child ended by itself");
    acknowledged
}

/// `acknowledged <run> <entries>`; the last line may be cut.
fn parse(line: &str) -> Option<(RunId, u64)> {
    let mut words = line.strip_prefix("acknowledged ")?.strip_suffix(" .")?.split(' ');
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

fn check(folder: &Path, acknowledged: &[(RunId, u64)]) {
    let store = open(folder).unwrap();
    let (journal, tenant) = (store.journal(), TenantId::default());
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let unfinished = journal.unfinished(None, usize::MAX).await.unwrap();
        for (run, entries) in acknowledged {
            let found = journal.read(&tenant, *run, 0, usize::MAX).await.unwrap();
            assert!(
                found.len() as u64 >= *entries,
                "run {run}: {entries} were acknowledged, {} are there",
                found.len()
            );
            let line = journal.summary(&tenant, *run).await.unwrap().unwrap();
            assert_eq!(line.status == RunStatus::Running, unfinished.contains(&(tenant.clone(), *run)));
        }
    });
}

/// Not a test of its own: does nothing unless it is told where to write.
#[test]
fn child_writes_until_killed() {
    let (Some(folder), Ok(round)) = (std::env::var_os(FOLDER), std::env::var(ROUND)) else { return };
    let (folder, round) = (PathBuf::from(folder), round.parse::<u32>().unwrap());
    let store = open(&folder).unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..WRITERS {
            let journal = store.journal();
            writers.spawn(async move {
                for n in 0.. {
                    let id = (round * WRITERS + writer) * 10_000 + n;
                    live_one_run(&*journal, id).await;
                }
            });
        }
        writers.join_all().await;
    });
}

async fn live_one_run(journal: &dyn crate::Journal, id: u32) {
    let (tenant, run, workflow) = (TenantId::default(), samples::run(id), samples::workflow("triage"));
    let claim = samples::claim(&workflow, &format!("key {id}"), "request");
    let accepted = journal.accept(samples::first_batch(&tenant, run, &workflow), claim).await.unwrap();
    assert_eq!(accepted, Accepted::New);
    println!("acknowledged {run} 1 .");
    journal.append(samples::middle_batch(&tenant, run, 1..4)).durable().await.unwrap();
    println!("acknowledged {run} 4 .");
    journal
        .append(samples::last_batch(&tenant, run, &workflow, 4, RunStatus::Succeeded))
        .durable()
        .await
        .unwrap();
    println!("acknowledged {run} 5 .");
}
