//! `stepwell bench`: what this machine does with a server of its own, over real HTTP and a real store.
//!
//! A figure counts only if it is true: every answer is checked, and at the end the server is killed (SIGKILL) under load, started
//! again, and asked for every run that it had acknowledged.

mod ai;
mod echo;
mod fleet;
mod history;
mod load;
mod map;
mod process;
mod report;
mod scenario;
mod slow;
mod waiting;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};

use self::load::{Load, Sample};
use self::report::{Latency, Report};
use self::scenario::Scenario;
use super::local_server::LocalServer;
use super::{CliError, Screen, standard_steps};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    mode: Option<Mode>,
    /// Let each of the three steps make one HTTP request to a loopback echo, journalled.
    #[arg(long)]
    effects: bool,
    /// Seconds for each measurement.
    #[arg(long, default_value_t = 5, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Serve the echo that everything is compared with, until standard input is closed.
    #[arg(long, hide = true)]
    serve_echo: bool,
}

/// What else can be measured.
#[derive(Debug, Subcommand)]
enum Mode {
    /// What runs cost that wait: memory, a start with them, bringing all of them to their end.
    Waiting {
        /// How many.
        #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(100..=10_000_000))]
        runs: u64,
    },
    /// What runs cost that wait for a slow answer over HTTP, and what short runs notice of them.
    Slow {
        /// How many, all at the same time.
        #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
        runs: u64,
        /// Seconds until each is answered.
        #[arg(long, default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(5..=600))]
        seconds: u64,
    },
    /// What very many runs that have ended cost: a start with them, runs beside them, their removal.
    History {
        /// How many.
        #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
        runs: u64,
    },
    /// What a model's call costs, how soon its words are seen, what a large document takes, and very many slow calls at once.
    Ai(ai::AiArgs),
    /// Maps over longer and longer lists, and a run of a thousand nodes.
    Map,
}

pub(crate) async fn bench(args: BenchArgs, screen: &Screen) -> Result<ExitCode, CliError> {
    if args.serve_echo {
        return echo::serve(screen).await;
    }
    match args.mode {
        Some(Mode::Waiting { runs }) => {
            let waiting = waiting::measure(runs, screen).await?;
            screen.data(&waiting.to_json(), || waiting.to_table())?;
            return Ok(ExitCode::SUCCESS);
        }
        Some(Mode::Slow { runs, seconds }) => {
            let slow = slow::measure(runs, seconds, screen).await?;
            screen.data(&slow.to_json(), || slow.to_table())?;
            return Ok(ExitCode::SUCCESS);
        }
        Some(Mode::History { runs }) => {
            let history = history::measure(runs, screen).await?;
            screen.data(&history.to_json(), || history.to_table())?;
            return Ok(ExitCode::SUCCESS);
        }
        Some(Mode::Ai(args)) => {
            let ai = ai::measure(&args, screen).await?;
            screen.data(&ai.to_json(), || ai.to_table())?;
            return Ok(ExitCode::SUCCESS);
        }
        Some(Mode::Map) => {
            let maps = map::measure(screen).await?;
            screen.data(&maps.to_json(), || maps.to_table())?;
            return Ok(ExitCode::SUCCESS);
        }
        None => {}
    }
    let report = measure(&args, screen).await?;
    screen.data(&report.to_json(), || report.to_table())?;
    Ok(ExitCode::SUCCESS)
}

async fn measure(args: &BenchArgs, screen: &Screen) -> Result<Report, CliError> {
    let time = Duration::from_secs(args.seconds);
    let steps = if args.effects { &["http-request"][..] } else { &["transform"] };
    let components = standard_steps::build_all(steps, screen).await?;
    let echo = echo::Echo::start().await?;
    let task = screen.task("Measuring the bare echo");
    let echoed = load::drive(&Load::echo(echo.address()), 64, time).await?;
    task.done(format_args!("{:.0} answers/s", echoed.per_second()));

    let mut server = LocalServer::start().await?;
    let client = server.client()?;
    standard_steps::publish_all(&client, &components).await?;
    let scenario = if args.effects { Scenario::effects(echo.address()) } else { Scenario::transforms() };
    client.put(&format!("/v1/workflows/{}", scenario.name()), scenario.definition()).await?;
    let load = scenario.load(server.connection())?;

    let alone = phase("Measuring one run at a time", &load, 1, time, &server, screen).await?;
    let c64 = phase("Measuring 64 in flight", &load, 64, time, &server, screen).await?;
    let c256 = phase("Measuring 256 in flight", &load, 256, time, &server, screen).await?;
    let peak_rss = process::peak_memory(server.pid())?;

    let acknowledged =
        survive_kill(&mut server, &scenario, &load, [&alone.sample, &c64.sample, &c256.sample], screen)
            .await?;
    server.stop().await?;
    Ok(Report {
        effects: args.effects,
        echo_per_s: echoed.per_second(),
        runs_per_s: c64.sample.per_second(),
        alone: Latency::of(&alone.sample),
        c64: Latency::of(&c64.sample),
        c256: Latency::of(&c256.sample),
        cpu_s_per_1000: c64.cpu.as_secs_f64() / c64.sample.count() as f64 * 1000.0,
        peak_rss_mb: peak_rss as f64 / f64::from(1 << 20),
        verified_after_kill: acknowledged,
    })
}

/// One measurement, and the CPU time that the server spent on it.
struct Phase {
    sample: Sample,
    cpu: Duration,
}

async fn phase(
    title: &str,
    load: &Load,
    in_flight: usize,
    time: Duration,
    server: &LocalServer,
    screen: &Screen,
) -> Result<Phase, CliError> {
    let task = screen.task(title);
    // Warm-up: connections, caches, pools.
    load::drive(load, in_flight, time.min(Duration::from_secs(1))).await?;
    let before = process::cpu_time(server.pid())?;
    let sample = load::drive(load, in_flight, time).await?;
    let cpu = process::cpu_time(server.pid())?.saturating_sub(before);
    task.done(format_args!("{:.0} runs/s", sample.per_second()));
    Ok(Phase { sample, cpu })
}

/// Kills the server in the middle of a last load, starts it again, and looks for every run it ever acknowledged.
async fn survive_kill(
    server: &mut LocalServer,
    scenario: &Scenario,
    load: &Load,
    measured: [&Sample; 3],
    screen: &Screen,
) -> Result<usize, CliError> {
    let task = screen.task("Killing the server under load and starting it again");
    let last = load::drive_until_broken(load, 64, async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        server.kill().await
    })
    .await?;
    server.restart().await?;
    let kept = scenario.ended_runs(&server.client()?).await?;
    let acknowledged: Vec<_> = measured.into_iter().chain([&last]).flat_map(Sample::runs).collect();
    let lost = acknowledged.iter().filter(|run| !kept.contains(**run)).count();
    if lost > 0 {
        let verdict = format!("{lost} of {} acknowledged runs are not in the store", acknowledged.len());
        return Err(CliError::failed("the durability check failed", verdict));
    }
    task.done(format_args!("all {} acknowledged runs are there", acknowledged.len()));
    Ok(acknowledged.len())
}
