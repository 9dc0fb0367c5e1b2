//! Running other programs: their lines are heard while they run, and they may not hang for ever.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crate::progress::Progress;

/// How much of a failed program's output an error repeats: compilers put the cause near the end.
const KEPT_LINES: usize = 60;

/// Why a program did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It could not be started.
    #[error("cannot run `{program}`: {source}")]
    Start {
        /// Which program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// It ended without success.
    #[error("`{program}` ended with {status}:\n{output}")]
    Failed {
        /// Which program, with its arguments.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it wrote.
        output: String,
    },
    /// It was stopped.
    #[error("`{program}` was stopped: it took longer than {seconds} s")]
    Timeout {
        /// Which program, with its arguments.
        program: String,
        /// The time that it had.
        seconds: u64,
    },
}

/// Runs a program to its end; every line that it writes is handed on.
pub(crate) fn run(
    command: &mut Command,
    timeout: Option<Duration>,
    progress: &mut dyn Progress,
) -> Result<(), CommandError> {
    let program = words(command);
    let failed_start = |source| CommandError::Start { program: program.clone(), source };
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed_start)?;

    let (sender, lines) = mpsc::channel();
    let readers = [forward(child.stdout.take(), &sender), forward(child.stderr.take(), &sender)];
    drop(sender);

    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    let mut kept = Vec::new();
    loop {
        match next_line(&lines, deadline) {
            Ok(line) => {
                progress.output(&line);
                kept.push(line);
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                stop(&mut child).map_err(failed_start)?;
                let seconds = timeout.unwrap_or_default().as_secs();
                return Err(CommandError::Timeout { program, seconds });
            }
        }
    }
    // Both streams are at their end, so the readers are too.
    readers.into_iter().flatten().for_each(|reader| drop(reader.join()));

    let status = child.wait().map_err(failed_start)?;
    if status.success() {
        return Ok(());
    }
    let output = kept[kept.len().saturating_sub(KEPT_LINES)..].join("\n");
    Err(CommandError::Failed { program, status, output })
}

/// Runs a program for what it writes to stdout.
pub(crate) fn ask(command: &mut Command) -> Result<String, CommandError> {
    let program = words(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|source| CommandError::Start { program: program.clone(), source })?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr).trim().to_string();
        return Err(CommandError::Failed { program, status: output.status, output: stderr });
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_string())
}

/// Whether a program of that name is to be found.
pub(crate) fn exists(program: &str) -> bool {
    let found = |folder: &Path| folder.join(program).is_file();
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|folder| found(&folder)))
}

fn forward(
    stream: Option<impl Read + Send + 'static>,
    sender: &Sender<String>,
) -> Option<thread::JoinHandle<()>> {
    let sender = sender.clone();
    let mut stream = BufReader::new(stream?);
    Some(thread::spawn(move || {
        let mut line = Vec::new();
        while stream.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_string();
            line.clear();
            if sender.send(text).is_err() {
                return;
            }
        }
    }))
}

fn next_line(lines: &mpsc::Receiver<String>, deadline: Option<Instant>) -> Result<String, RecvTimeoutError> {
    match deadline {
        Some(deadline) => lines.recv_timeout(deadline.saturating_duration_since(Instant::now())),
        None => lines.recv().map_err(|_| RecvTimeoutError::Disconnected),
    }
}

fn stop(child: &mut Child) -> io::Result<()> {
    child.kill()?;
    child.wait().map(drop)
}

fn words(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Quiet;

    struct Heard(Vec<String>);

    impl Progress for Heard {
        fn doing(&mut self, _what: &str) {}

        fn output(&mut self, line: &str) {
            self.0.push(line.into());
        }
    }

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn lines_of_both_streams_are_heard() {
        let mut heard = Heard(Vec::new());
        run(&mut shell("echo out; echo err >&2"), None, &mut heard).unwrap();
        heard.0.sort();
        assert_eq!(heard.0, ["err", "out"]);
    }

    #[test]
    fn a_failure_repeats_the_end_of_what_was_written() {
        let error = run(&mut shell("seq 1000; exit 3"), None, &mut Quiet).unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.ends_with("\n1000"), "{error}");
        assert!(!error.contains("\n900\n"), "{error}");
    }

    #[test]
    fn what_hangs_is_stopped() {
        let error =
            run(&mut shell("exec sleep 600"), Some(Duration::from_millis(50)), &mut Quiet).unwrap_err();
        assert!(matches!(error, CommandError::Timeout { .. }), "{error}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = ask(&mut Command::new("no-such-program")).unwrap_err().to_string();
        assert!(error.contains("no-such-program"), "{error}");
        assert!(exists("sh") && !exists("no-such-program"));
    }
}
