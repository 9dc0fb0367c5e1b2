//! What the kernel says of a process: its CPU time and its memory (`proc(5)`).

use std::time::Duration;

use procfs::process::Process;

use crate::cli::CliError;

/// CPU time so far, in user and kernel mode.
pub(super) fn cpu_time(pid: Option<u32>) -> Result<Duration, CliError> {
    let stat = process(pid)?.stat().map_err(failed)?;
    let ticks = (stat.utime + stat.stime) as f64;
    Ok(Duration::from_secs_f64(ticks / procfs::ticks_per_second() as f64))
}

/// The most resident memory so far, in bytes.
pub(super) fn peak_memory(pid: Option<u32>) -> Result<u64, CliError> {
    let status = process(pid)?.status().map_err(failed)?;
    status
        .vmhwm
        .map(|kibibytes| kibibytes * 1024)
        .ok_or_else(|| CliError::failed("measuring memory", "no VmHWM"))
}

/// The resident memory now, in bytes.
pub(super) fn memory(pid: Option<u32>) -> Result<u64, CliError> {
    let status = process(pid)?.status().map_err(failed)?;
    status
        .vmrss
        .map(|kibibytes| kibibytes * 1024)
        .ok_or_else(|| CliError::failed("measuring memory", "no VmRSS"))
}

/// Lets the most resident memory so far count from now on.
pub(super) fn forget_peak(pid: Option<u32>) -> Result<(), CliError> {
    // `proc_pid_clear_refs(5)`: 5 resets the peak alone.
    let path = format!("/proc/{}/clear_refs", pid.unwrap_or_default());
    std::fs::write(&path, "5").map_err(|source| CliError::file("write", std::path::Path::new(&path), source))
}

/// Files that are open now.
pub(super) fn open_files(pid: Option<u32>) -> Result<usize, CliError> {
    process(pid)?.fd_count().map_err(failed)
}

fn process(pid: Option<u32>) -> Result<Process, CliError> {
    let pid = pid
        .and_then(|pid| i32::try_from(pid).ok())
        .ok_or_else(|| CliError::failed("measuring", "the server ended"))?;
    Process::new(pid).map_err(failed)
}

fn failed(source: procfs::ProcError) -> CliError {
    CliError::failed("measuring the server's process", source)
}
