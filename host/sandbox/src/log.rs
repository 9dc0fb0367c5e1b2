//! The log of one attempt: lines that the guest writes through `log`, or to its standard output and error.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};
use stepwell_core::attempt::{LogLevel, LogLine};
use stepwell_core::failure::Failure;

use crate::attempt::AttemptHost;
use crate::meter::Meter;

/// A line of a stream that grows to this many bytes is cut into several.
const MAX_LINE_BYTES: usize = 64 << 10;

/// Keeps an attempt's lines within their limit and hands each to the host, but those that it has heard.
pub(crate) struct Log {
    host: Arc<dyn AttemptHost>,
    meter: Arc<Meter>,
    /// So many lines an earlier life of the attempt wrote.
    heard: usize,
    lines: Mutex<Vec<LogLine>>,
}

impl Log {
    pub(crate) fn new(host: Arc<dyn AttemptHost>, meter: Arc<Meter>, heard: usize) -> Self {
        Self { host, meter, heard, lines: Mutex::new(Vec::new()) }
    }

    /// Writes one line.
    pub(crate) fn write(&self, line: LogLine) -> Result<(), Failure> {
        self.meter.log_lines.take(1)?;
        let mut lines = self.lines();
        if lines.len() >= self.heard {
            self.host.logged(&line);
        }
        lines.push(line);
        Ok(())
    }

    /// How many lines were written.
    pub(crate) fn len(&self) -> usize {
        self.lines().len()
    }

    /// The message of the last panic that the guest's panic hook told of: an error with the field `panic`.
    pub(crate) fn panic_message(&self) -> Option<String> {
        let lines = self.lines();
        let panic =
            lines.iter().rev().find(|line| line.level == LogLevel::Error && is_panic(&line.fields))?;
        Some(panic.message.clone())
    }

    /// All lines, leaving none.
    pub(crate) fn take(&self) -> Vec<LogLine> {
        mem::take(&mut *self.lines())
    }

    fn lines(&self) -> MutexGuard<'_, Vec<LogLine>> {
        // A vector that a panic left behind is still whole.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_panic(fields: &Map<String, Value>) -> bool {
    fields.get("panic").is_some_and(|panic| panic == &Value::Bool(true))
}

/// Cuts a stream of bytes into lines of a log.
pub(crate) struct LineWriter {
    log: Arc<Log>,
    level: LogLevel,
    stream: &'static str,
    pending: Vec<u8>,
}

impl LineWriter {
    pub(crate) fn new(log: Arc<Log>, level: LogLevel, stream: &'static str) -> Self {
        Self { log, level, stream, pending: Vec::new() }
    }

    /// Takes bytes in; every line that is now whole goes to the log.
    pub(crate) fn write(&mut self, mut bytes: &[u8]) -> Result<(), Failure> {
        self.log.meter.sent.take(bytes.len() as u64)?;
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.pending.extend_from_slice(&bytes[..end]);
            self.end_line()?;
            bytes = &bytes[end + 1..];
        }
        self.pending.extend_from_slice(bytes);
        if self.pending.len() >= MAX_LINE_BYTES {
            self.end_line()?;
        }
        Ok(())
    }

    /// Nothing more will come: a line that was begun ends here.
    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        if self.pending.is_empty() { Ok(()) } else { self.end_line() }
    }

    fn end_line(&mut self) -> Result<(), Failure> {
        let message = String::from_utf8_lossy(&self.pending).trim_end_matches('\r').to_owned();
        self.pending.clear();
        let fields = Map::from_iter([("stream".to_owned(), Value::from(self.stream))]);
        self.log.write(LogLine { level: self.level, message, fields })
    }
}
