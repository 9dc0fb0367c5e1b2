//! `log`: lines for the run's log.

use serde_json::Map;
use stepwell_core::attempt::{LogLevel, LogLine};
use wasmtime::component::{HasSelf, Linker};

use super::parse_json;
use crate::bindings::stepwell::step::log::{Host, Level, add_to_linker};
use crate::guest::GuestState;

pub(crate) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    add_to_linker::<_, HasSelf<_>>(linker, |state| state)
}

impl Host for GuestState {
    /// Allowed to `describe` too: it is how a panic says why.
    fn write(
        &mut self,
        level: Level,
        message: String,
        fields: Vec<(String, String)>,
    ) -> wasmtime::Result<()> {
        self.meter.host_calls.take(1)?;
        let text = message.len() + fields.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        self.meter.sent.take(text as u64)?;
        let mut values = Map::new();
        for (name, text) in fields {
            let value = parse_json(&format!("the log field `{name}`"), &text)?;
            values.insert(name, value);
        }
        self.log.write(LogLine { level: level.into(), message, fields: values })?;
        Ok(())
    }
}

impl From<Level> for LogLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Trace => Self::Trace,
            Level::Debug => Self::Debug,
            Level::Info => Self::Info,
            Level::Warn => Self::Warn,
            Level::Error => Self::Error,
        }
    }
}
