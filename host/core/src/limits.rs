//! The limits of one attempt: their names, units and defaults, in one place.

use serde::{Deserialize, Serialize};

/// What one attempt may use at most. A node may lower or raise each, up to the operator's ceiling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
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

    /// No bound at all: a ceiling for what was checked against the operator's before.
    #[must_use]
    pub fn unbounded() -> Self {
        Self {
            fuel: u64::MAX,
            memory_bytes: u64::MAX,
            table_elements: u64::MAX,
            time_ms: u64::MAX,
            host_calls: u64::MAX,
            sent_bytes: u64::MAX,
            received_bytes: u64::MAX,
            log_lines: u64::MAX,
            output_bytes: u64::MAX,
        }
    }

    /// These limits, each lowered to the ceiling's.
    #[must_use]
    pub fn at_most(self, ceiling: &Self) -> Self {
        Self {
            fuel: self.fuel.min(ceiling.fuel),
            memory_bytes: self.memory_bytes.min(ceiling.memory_bytes),
            table_elements: self.table_elements.min(ceiling.table_elements),
            time_ms: self.time_ms.min(ceiling.time_ms),
            host_calls: self.host_calls.min(ceiling.host_calls),
            sent_bytes: self.sent_bytes.min(ceiling.sent_bytes),
            received_bytes: self.received_bytes.min(ceiling.received_bytes),
            log_lines: self.log_lines.min(ceiling.log_lines),
            output_bytes: self.output_bytes.min(ceiling.output_bytes),
        }
    }

    /// One limit.
    #[must_use]
    pub fn get(&self, kind: LimitKind) -> u64 {
        match kind {
            LimitKind::Fuel => self.fuel,
            LimitKind::MemoryBytes => self.memory_bytes,
            LimitKind::TableElements => self.table_elements,
            LimitKind::TimeMs => self.time_ms,
            LimitKind::HostCalls => self.host_calls,
            LimitKind::SentBytes => self.sent_bytes,
            LimitKind::ReceivedBytes => self.received_bytes,
            LimitKind::LogLines => self.log_lines,
            LimitKind::OutputBytes => self.output_bytes,
        }
    }

    /// Sets one limit.
    pub fn set(&mut self, kind: LimitKind, value: u64) {
        let limit = match kind {
            LimitKind::Fuel => &mut self.fuel,
            LimitKind::MemoryBytes => &mut self.memory_bytes,
            LimitKind::TableElements => &mut self.table_elements,
            LimitKind::TimeMs => &mut self.time_ms,
            LimitKind::HostCalls => &mut self.host_calls,
            LimitKind::SentBytes => &mut self.sent_bytes,
            LimitKind::ReceivedBytes => &mut self.received_bytes,
            LimitKind::LogLines => &mut self.log_lines,
            LimitKind::OutputBytes => &mut self.output_bytes,
        };
        *limit = value;
    }

    /// Each limit with its kind, for code that treats all alike.
    #[must_use]
    pub fn each(&self) -> [(LimitKind, u64); 9] {
        LimitKind::ALL.map(|kind| (kind, self.get(kind)))
    }

    /// Each limit, but never more than that of the ceiling.
    #[must_use]
    pub fn below(mut self, ceiling: &Self) -> Self {
        for (kind, most) in ceiling.each() {
            self.set(kind, self.get(kind).min(most));
        }
        self
    }
}

/// One of the limits, named as its field is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
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
    /// Every limit, in the order of the documentation.
    pub const ALL: [Self; 9] = [
        Self::Fuel,
        Self::MemoryBytes,
        Self::TableElements,
        Self::TimeMs,
        Self::HostCalls,
        Self::SentBytes,
        Self::ReceivedBytes,
        Self::LogLines,
        Self::OutputBytes,
    ];

    /// Whether it counts bytes.
    #[must_use]
    pub fn is_bytes(self) -> bool {
        matches!(self, Self::MemoryBytes | Self::SentBytes | Self::ReceivedBytes | Self::OutputBytes)
    }

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
