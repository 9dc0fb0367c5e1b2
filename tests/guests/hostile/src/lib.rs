//! A guest that misbehaves in the way that its input names. Tests show that the host ends it, with a typed error, and that
//! no neighbour notices.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwell_sdk::{StepError, info, step};

/// What to do.
#[derive(Debug, Deserialize, JsonSchema)]
struct Input {
    mode: Mode,
}

/// Each way to misbehave, and one way to behave.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Mode {
    /// Answers as it should.
    Behave,
    /// Computes for ever.
    EndlessLoop,
    /// Asks for memory for ever.
    EndlessAllocation,
    /// Calls itself for ever.
    DeepRecursion,
    /// Executes `unreachable`.
    Trap,
    /// Panics.
    Panic,
    /// Answers with 64 MiB.
    GiantOutput,
    /// Writes log lines for ever.
    EndlessLog,
}

/// What it says when it behaves.
#[derive(Debug, Serialize, JsonSchema)]
struct Output {
    text: String,
}

#[step]
fn hostile(input: Input) -> Result<Output, StepError> {
    match input.mode {
        Mode::Behave => Ok(Output { text: "well".to_owned() }),
        Mode::EndlessLoop => endless_loop(),
        Mode::EndlessAllocation => endless_allocation(),
        Mode::DeepRecursion => Ok(Output { text: descend(1).to_string() }),
        Mode::Trap => trap(),
        Mode::Panic => panic!("this guest panics on purpose"),
        Mode::GiantOutput => Ok(Output { text: "x".repeat(64 << 20) }),
        Mode::EndlessLog => endless_log(),
    }
}

fn endless_loop() -> ! {
    let mut number = 0_u64;
    loop {
        number = std::hint::black_box(number.wrapping_mul(3).wrapping_add(1));
    }
}

fn endless_allocation() -> ! {
    let mut hoard = Vec::new();
    loop {
        hoard.push(std::hint::black_box(vec![1_u8; 1 << 20]));
    }
}

fn descend(depth: u64) -> u64 {
    let ballast = std::hint::black_box([depth; 64]);
    if ballast[0] == 0 {
        return 0;
    }
    descend(std::hint::black_box(depth + 1)) + ballast[(depth % 64) as usize]
}

fn endless_log() -> ! {
    loop {
        info!("again");
    }
}

fn trap() -> ! {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    std::process::abort();
}
