//! A simulation of engine and store: the real engine and the real sandbox in virtual time, with a simulated disk, simulated people and
//! services, and crashes wherever there can be one.
//!
//! A world follows from its seed: who acts when, what is answered and after how long, what fails, what crashes where. Only the order of what
//! happens in the same millisecond is the engine's own. The seed of a world in which something goes wrong is printed with all its journals, and
//! `STEPWELL_SIMULATION=<seed>` (or `<first>..<last>`) lives through it again:
//!
//! ```text
//! STEPWELL_SIMULATION=17 cargo test --release --workspace --test simulation
//! ```

#![allow(clippy::expect_used, clippy::print_stderr, clippy::unwrap_used, reason = "these are tests")]

mod checks;
mod dice;
mod disk;
#[path = "../support/guests.rs"]
#[allow(dead_code, reason = "not all of the tests' guests are in the simulation")]
mod guests;
mod outside;
mod people;
mod workflows;
mod world;

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::dice::Seed;
use crate::disk::{Crash, Manners};
use crate::world::{Lived, Stage, live_through};

/// Which worlds the environment asks for; else these.
fn seeds(ordinary: Range<u64>) -> Range<u64> {
    let Ok(asked) = std::env::var("STEPWELL_SIMULATION") else { return ordinary };
    let number =
        |text: &str| text.parse().unwrap_or_else(|_| panic!("`{text}` in STEPWELL_SIMULATION is no seed"));
    match asked.split_once("..") {
        Some((first, last)) => number(first)..number(last),
        None => number(&asked)..number(&asked) + 1,
    }
}

/// One world at a time: the process has one clock.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A crash behind each batch: half of them before the engine hears of it, half a little later.
fn crash_after(seed: Seed, batches: usize) -> Crash {
    let mut dice = seed.dice(("crash", batches));
    let told_for = dice.percent(50).then(|| dice.between_ms(0, 60));
    Crash { after: batches, told_for }
}

fn report(seed: Seed, manners: Manners, crashes: &[Crash], lived: &Lived) -> String {
    let mut text = format!("seed {}, {manners:?}, {crashes:?}, {} lives:\n", seed.0, lived.lives);
    for wrong in &lived.wrongs {
        let _ = writeln!(text, "  {wrong}");
    }
    for (run, journal) in lived.disk.entries() {
        let _ = writeln!(text, "run {run}");
        for entry in journal {
            let _ = writeln!(text, "  {}", serde_json::to_string(&entry).unwrap());
        }
    }
    text
}

fn must_be_right(seed: Seed, manners: Manners, crashes: &[Crash], lived: &Lived) {
    assert!(lived.wrongs.is_empty(), "{}", report(seed, manners, crashes, lived));
}

#[test]
fn whatever_is_killed_after_whichever_batch_nothing_is_lost_or_repeated_and_everything_ends() {
    let _turn = alone();
    let stage = Stage::set();
    let mut crashes_lived = 0;
    for seed in seeds(0..2_000).map(Seed) {
        let undisturbed = live_through(&stage, seed, Manners::Honest, &[]);
        must_be_right(seed, Manners::Honest, &[], &undisturbed);
        for batches in 1..=undisturbed.batches {
            let crashes = [crash_after(seed, batches)];
            let lived = live_through(&stage, seed, Manners::Honest, &crashes);
            must_be_right(seed, Manners::Honest, &crashes, &lived);
            crashes_lived += lived.lives - 1;
        }
    }
    eprintln!("{crashes_lived} crashes were lived through");
}

#[test]
fn a_disk_that_fails_and_an_engine_that_is_killed_again_and_again_lose_nothing_that_was_acknowledged() {
    let _turn = alone();
    let stage = Stage::set();
    for seed in seeds(0..4_000).map(Seed) {
        let mut dice = seed.dice("crashes");
        let mut after = 0;
        let crashes: Vec<Crash> = (0..dice.below(4))
            .map(|_| {
                after += 1 + dice.below(6);
                crash_after(seed, after)
            })
            .collect();
        let lived = live_through(&stage, seed, Manners::Failing, &crashes);
        must_be_right(seed, Manners::Failing, &crashes, &lived);
    }
}

/// The simulation is worth something only if it finds what is wrong.
#[test]
fn a_disk_that_lies_is_found_out() {
    let _turn = alone();
    let stage = Stage::set();
    for manners in [Manners::TellsTooEarly, Manners::SkipsSyncs] {
        let found = (0..200).map(Seed).any(|seed| {
            let crashes = [Crash { after: 4, told_for: Some(Duration::from_millis(30)) }];
            !live_through(&stage, seed, manners, &crashes).wrongs.is_empty()
        });
        assert!(found, "{manners:?} was not found out");
    }
}
