//! A power cut: what was acknowledged is on the disk that it leaves, whatever the disk did with what it was not told to keep.
//!
//! A child process uses a store, and each of its writes, syncs and acknowledgements is recorded. From the recording the disks are
//! made that a cut at some moment may leave; each is opened and checked.
//!
//! - `STEPWELL_TEST_POWER_CUTS=10000`: so many disks; `STEPWELL_TEST_POWER_CUT_SCALE=10`: so much more work is recorded.
//! - A failure says with which `STEPWELL_TEST_POWER_CUT_RECORDING` and `STEPWELL_TEST_POWER_CUT_SEED` it comes again.

mod check;
mod disk;
mod recording;
mod trace;
mod workload;

use std::env;
use std::fs::File;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;

use self::check::Expected;
use self::disk::{Disk, Luck};
use self::recording::{Recorded, said};
use self::workload::{Amount, live};

/// Tells the child where to write, and how much.
const FOLDER: &str = "STEPWELL_TEST_POWER_CUT_FOLDER";
const SCALE: &str = "STEPWELL_TEST_POWER_CUT_SCALE";
const CUTS: &str = "STEPWELL_TEST_POWER_CUTS";
const RECORDING: &str = "STEPWELL_TEST_POWER_CUT_RECORDING";
const SEED: &str = "STEPWELL_TEST_POWER_CUT_SEED";
/// The store's folder, in the one that is recorded.
const DATA: &str = "data";

#[test]
fn what_was_acknowledged_survives_a_power_cut() {
    let events = match env::var_os(RECORDING) {
        Some(kept) => serde_json::from_reader(File::open(kept).unwrap()).unwrap(),
        None => match record() {
            Some(events) => events,
            None => {
                eprintln!("not tried: this system lets nobody trace a child process");
                return;
            }
        },
    };
    let seeds = match number(SEED) {
        Some(seed) => seed..seed + 1,
        None => 0..number(CUTS).unwrap_or(300),
    };
    let failures = try_all(&events, seeds.clone());
    if !failures.is_empty() {
        eprintln!("to see one again: {RECORDING}={} {SEED}={}", keep(&events).display(), failures[0]);
    }
    assert!(failures.is_empty(), "{} of {} cuts lost something: {failures:?}", failures.len(), seeds.count());
}

/// Gives the cuts that lost something.
fn try_all(events: &[Recorded], seeds: Range<u64>) -> Vec<u64> {
    let next = AtomicU64::new(seeds.start);
    let try_some = || {
        let seeds = std::iter::from_fn(|| {
            Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| seeds.contains(seed))
        });
        seeds.filter(|seed| !survives(events, *seed)).collect::<Vec<u64>>()
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let trying: Vec<_> = (0..threads).map(|_| scope.spawn(try_some)).collect();
        let mut failures: Vec<u64> = trying.into_iter().flat_map(|trying| trying.join().unwrap()).collect();
        failures.sort_unstable();
        failures
    })
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|number| number.parse().unwrap())
}

fn record() -> Option<Vec<Recorded>> {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", "tests::power_cut::child_lives_and_is_recorded", "--nocapture"])
        .env(FOLDER, folder.path());
    trace::record(folder.path(), &mut command)
}

/// Not a test of its own: does nothing unless it is told where to write.
#[test]
fn child_lives_and_is_recorded() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let scale = u32::try_from(number(SCALE).unwrap_or(1)).unwrap();
    let amount = Amount { lives: 2, writers: 3, runs: 8 * scale, large_marks: 60 * scale };
    live(&PathBuf::from(folder).join(DATA), amount);
}

/// Cuts the power as a seed says, and checks what is left.
fn survives(events: &[Recorded], seed: u64) -> bool {
    let mut luck = Luck::of(seed);
    let moment = luck.moment(events);
    let image = in_memory();
    let tried = catch_unwind(AssertUnwindSafe(|| {
        Disk::after_a_cut(events, moment, &mut luck).write_to(image.path());
        let expected = Expected::after(said(events, moment));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(expected.check(&image.path().join(DATA)));
    }));
    if tried.is_err() {
        eprintln!("cut {seed}, after {moment} of {} events, lost something", events.len());
        if env::var_os(SEED).is_some() {
            eprintln!("what is left is in {}", image.keep().display());
        }
    }
    tried.is_ok()
}

/// A folder of files that no disk has to be waited for.
fn in_memory() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

fn keep(events: &[Recorded]) -> PathBuf {
    let (file, path) = tempfile::NamedTempFile::with_suffix(".json").unwrap().keep().unwrap();
    serde_json::to_writer(std::io::BufWriter::new(file), events).unwrap();
    path
}
