//! A full disk: refused, told, recovered from; nothing that was acknowledged is lost, and no journal has a hole.
//!
//! The story runs in a child process on a small file system of its own, mounted in a mount namespace that ends with it.

use std::fs;
use std::path::Path;
use std::process::Command;

use stepwell_core::id::TenantId;
use stepwell_core::run::Event;

use crate::conformance::samples;
use crate::{Append, EmbeddedStore, Journal, OpenOptions, StoreError};

const FOLDER: &str = "STEPWELL_TEST_FULL_DISK";
/// Of the small file system.
const SIZE: u64 = 48 << 20;
const RESERVE: u64 = 16 << 20;

#[test]
fn a_full_disk_loses_nothing_that_was_acknowledged() {
    tell("tests::full_disk::child_fills_the_disk");
}

#[test]
fn a_full_disk_holds_no_writer_for_good() {
    tell("tests::full_disk::child_fills_the_disk_from_many_sides");
}

/// Runs one of the stories below on a small file system, if this system lets us mount one.
fn tell(story: &str) {
    let folder = tempfile::tempdir().unwrap();
    let may_mount = mounted(folder.path(), "true").status().is_ok_and(|status| status.success());
    if !may_mount {
        eprintln!("not tried: this system lets nobody but root mount a file system");
        return;
    }
    let test = std::env::current_exe().unwrap();
    let script = r#"exec "$0" --exact "$1" --nocapture"#;
    let output = mounted(folder.path(), script).arg(test).arg(story).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

/// Runs a script with a small file system mounted at a folder.
fn mounted(folder: &Path, script: &str) -> Command {
    let mut command = Command::new("unshare");
    let mount = format!("mount -t tmpfs -o size={SIZE} none \"${FOLDER}\" && {script}");
    command.args(["--map-root-user", "--mount", "sh", "-c", &mount]).env(FOLDER, folder);
    command
}

/// Not a test of its own: does nothing unless it is told where to write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_fills_the_disk() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let (data, ballast) = (Path::new(&folder).join("data"), Path::new(&folder).join("ballast"));
    let options = OpenOptions { reserve_bytes: RESERVE, ..OpenOptions::new(&data) };
    let store = EmbeddedStore::open(&options).unwrap();
    let journal = store.journal();
    let tenant = TenantId::default();
    let (filler, other) = (samples::run(0), samples::run(1));
    journal.admit().unwrap();
    journal.append(large(1, 0)).durable().await.unwrap();

    fill(&ballast, RESERVE / 2);
    wait_until_refused(&*journal).await;
    let (kept, why) = append_until_refused(&*journal, 0).await;
    assert!(matches!(why, StoreError::DiskFull { .. }), "{why}");
    assert!(kept > 0, "the reserve lets running work go on");

    fs::remove_file(&ballast).unwrap();
    // Stale state must not write over a hole; what is read back may go on.
    let stale = once_there_is_room(&*journal, kept + 5).await;
    assert!(matches!(stale, Err(StoreError::JournalGap { run }) if run == filler), "{stale:?}");
    let on_disk = journal.read(&tenant, filler, 0, usize::MAX).await.unwrap().len() as u64;
    assert!(on_disk >= kept, "{kept} were acknowledged, {on_disk} are there");
    journal.append(large(0, on_disk)).durable().await.unwrap();
    journal.append(large(0, on_disk + 1)).durable().await.unwrap();
    journal.append(large(1, 1)).durable().await.unwrap();

    drop((store, journal));
    let store = EmbeddedStore::open(&options).unwrap();
    let found = store.journal().read(&tenant, filler, 0, usize::MAX).await.unwrap().len() as u64;
    assert_eq!(found, on_disk + 2);
    assert_eq!(store.journal().read(&tenant, other, 0, usize::MAX).await.unwrap().len(), 2);
}

/// Not a test of its own. Here the log and the tables that it is moved into fill the disk, so that fjall's background work fails too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_fills_the_disk_from_many_sides() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let (data, ballast) = (Path::new(&folder).join("data"), Path::new(&folder).join("ballast"));
    let store =
        EmbeddedStore::open(&OpenOptions { reserve_bytes: RESERVE, ..OpenOptions::new(&data) }).unwrap();
    fs::write(&ballast, vec![1; 8 << 20]).unwrap();
    let mut writers = tokio::task::JoinSet::new();
    for run in 0..32 {
        let journal = store.journal();
        writers.spawn(async move { (run, append_until_refused(&*journal, run).await.0) });
    }
    let kept = writers.join_all().await;
    fs::remove_file(&ballast).unwrap();

    let journal = store.journal();
    for (run, kept) in kept {
        let found = read_once_there_is_room(&*journal, run).await;
        assert!(found >= kept, "run {run}: {kept} were acknowledged, {found} are there");
    }
}

/// An entry of about 64 KiB.
fn large(run: u32, seq: u64) -> Append {
    let mut entry = samples::middle(seq);
    // Not compressible: the log is.
    let noise: String = (0..1024_u64)
        .map(|n| stepwell_core::digest::Digest::of(&(seq * 1024 + n).to_be_bytes()).to_hex())
        .collect();
    entry.event = Event::CancelRequested { reason: Some(noise) };
    Append {
        tenant: TenantId::default(),
        run: samples::run(run),
        entries: vec![entry],
        summary: None,
        marks: Vec::new(),
    }
}

/// Leaves so many bytes free.
fn fill(ballast: &Path, leave: u64) {
    let free = fs4::available_space(ballast.parent().unwrap()).unwrap();
    fs::write(ballast, vec![1; usize::try_from(free - leave).unwrap()]).unwrap();
}

/// The free space is looked at now and then, not always.
async fn wait_until_refused(journal: &dyn Journal) {
    let looked_at = tokio::time::Instant::now();
    while journal.admit().is_ok() {
        assert!(looked_at.elapsed().as_secs() < 5, "the touched reserve is noticed");
        tokio::task::yield_now().await;
    }
}

/// What an append of the filler comes to as soon as the journal is tried again.
async fn once_there_is_room(journal: &dyn Journal, seq: u64) -> Result<(), StoreError> {
    let began_at = tokio::time::Instant::now();
    loop {
        match journal.append(large(0, seq)).durable().await {
            Err(StoreError::DiskFull { .. }) if began_at.elapsed().as_secs() < 5 => {}
            outcome => return outcome,
        }
    }
}

/// How many entries of a run there are, as soon as the journal can be read.
async fn read_once_there_is_room(journal: &dyn Journal, run: u32) -> u64 {
    let began_at = tokio::time::Instant::now();
    loop {
        match journal.read(&TenantId::default(), samples::run(run), 0, usize::MAX).await {
            Err(StoreError::DiskFull { .. }) if began_at.elapsed().as_secs() < 5 => {}
            entries => return entries.unwrap().len() as u64,
        }
    }
}

/// Goes on with a run until the disk is full: how many entries were acknowledged, and why no more were.
async fn append_until_refused(journal: &dyn Journal, run: u32) -> (u64, StoreError) {
    for seq in 0.. {
        if let Err(why) = journal.append(large(run, seq)).durable().await {
            return (seq, why);
        }
    }
    unreachable!("a small disk is full at some time")
}
