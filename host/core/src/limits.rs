//! The limits of one attempt: their names, units and defaults, in one place.

use serde::{Deserialize, Serialize};

/// What one attempt may use at most. A node may lower or raise each, up to the operator's ceiling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Units of computation: about 10 million a millisecond of CPU.
    pub fuel: u64,
    /// Bytes of linear memory.
    pub memory_bytes: u64,
    /// Elements of all tables.
    pub table_elements: u64,
    /// Milliseconds of wall-clock time. A node's `timeout` sets it.
    pub time_ms: u64,
    /// Calls of host functions.
    pub host_calls: u64,
    /// Bytes sent through capabilities.
    pub sent_bytes: u64,
    /// Bytes received through capabilities.
    pub received_bytes: u64,
    /// Lines written to the run's log.
    pub log_lines: u64,
    /// Bytes of the JSON output.
    pub output_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            fuel: 10_000_000_000,
            memory_bytes: 128 << 20,
            table_elements: 100_000,
            time_ms: 60_000,
            host_calls: 10_000,
            sent_bytes: 16 << 20,
            received_bytes: 16 << 20,
            log_lines: 1_000,
            output_bytes: 1 << 20,
        }
    }
}

impl Limits {
    /// The most that an operator's configuration allows unless it says otherwise.
    #[must_use]
    pub fn default_ceiling() -> Self {
        Self {
            fuel: 1_000_000_000_000,
            memory_bytes: 512 << 20,
            table_elements: 1_000_000,
            time_ms: 3_600_000,
            host_calls: 1_000_000,
            sent_bytes: 256 << 20,
            received_bytes: 256 << 20,
            log_lines: 100_000,
            output_bytes: 16 << 20,
        }
    }

    /// Each limit with its kind, for code that treats all alike.
    #[must_use]
    pub fn each(&self) -> [(LimitKind, u64); 9] {
        [
            (LimitKind::Fuel, self.fuel),
            (LimitKind::MemoryBytes, self.memory_bytes),
            (LimitKind::TableElements, self.table_elements),
            (LimitKind::TimeMs, self.time_ms),
            (LimitKind::HostCalls, self.host_calls),
            (LimitKind::SentBytes, self.sent_bytes),
            (LimitKind::ReceivedBytes, self.received_bytes),
            (LimitKind::LogLines, self.log_lines),
            (LimitKind::OutputBytes, self.output_bytes),
        ]
    }
}

/// One of the limits, named as its field is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKind {
    /// See [`Limits::fuel`].
    Fuel,
    /// See [`Limits::memory_bytes`].
    MemoryBytes,
    /// See [`Limits::table_elements`].
    TableElements,
    /// See [`Limits::time_ms`].
    TimeMs,
    /// See [`Limits::host_calls`].
    HostCalls,
    /// See [`Limits::sent_bytes`].
    SentBytes,
    /// See [`Limits::received_bytes`].
    ReceivedBytes,
    /// See [`Limits::log_lines`].
    LogLines,
    /// See [`Limits::output_bytes`].
    OutputBytes,
}

impl LimitKind {
    /// As written in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fuel => "fuel",
            Self::MemoryBytes => "memory_bytes",
            Self::TableElements => "table_elements",
            Self::TimeMs => "time_ms",
            Self::HostCalls => "host_calls",
            Self::SentBytes => "sent_bytes",
            Self::ReceivedBytes => "received_bytes",
            Self::LogLines => "log_lines",
            Self::OutputBytes => "output_bytes",
        }
    }
}
