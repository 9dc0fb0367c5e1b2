//! Lines for the run's log.
//!
//! ```
//! use stepwell_sdk::{info, warn};
//!
//! # let tickets = 3;
//! info!("read {tickets} tickets");
//! warn!(tickets, host = "a.example", "no answer yet, {} to go", tickets - 1);
//! ```
//!
//! Fields come first: a name alone, or `name = value`; any value that serde can serialise.

use serde::Serialize;

use crate::host;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// For whoever debugs the step itself.
    Trace,
    /// For whoever debugs a run.
    Debug,
    /// What happened.
    Info,
    /// What somebody should look at.
    Warn,
    /// What failed.
    Error,
}

/// Writes one line. The macros [`info!`](crate::info) and its siblings read better.
pub fn write(level: Level, message: &str, fields: &[(&str, String)]) {
    host::write_log(level, message, fields);
}

/// A field's value as JSON text. What cannot be JSON is told as text: a log line is no place to fail.
#[doc(hidden)]
pub fn value(value: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_string(value)
        .unwrap_or_else(|error| serde_json::Value::String(error.to_string()).to_string())
}

/// Writes one line of a given level: `log!(Level::Info, field = value, "text {}", argument)`.
#[macro_export]
macro_rules! log {
    (@write $level:expr, [$($name:ident = $value:expr),*], $text:literal $($rest:tt)*) => {
        $crate::log::write($level, &::std::format!($text $($rest)*), &[$((::std::stringify!($name), $crate::log::value(&$value))),*])
    };
    (@write $level:expr, [$($done:tt)*], $name:ident = $value:expr, $($rest:tt)+) => {
        $crate::log!(@more $level, [$($done)*], [$name = $value], $($rest)+)
    };
    (@write $level:expr, [$($done:tt)*], $name:ident, $($rest:tt)+) => {
        $crate::log!(@more $level, [$($done)*], [$name = $name], $($rest)+)
    };
    (@more $level:expr, [], [$($new:tt)*], $($rest:tt)+) => {
        $crate::log!(@write $level, [$($new)*], $($rest)+)
    };
    (@more $level:expr, [$($done:tt)+], [$($new:tt)*], $($rest:tt)+) => {
        $crate::log!(@write $level, [$($done)+, $($new)*], $($rest)+)
    };
    ($level:expr, $($arguments:tt)+) => {
        $crate::log!(@write $level, [], $($arguments)+)
    };
}

/// Writes a line for whoever debugs the step itself. See [`log`](mod@crate::log).
#[macro_export]
macro_rules! trace {
    ($($arguments:tt)+) => { $crate::log!($crate::log::Level::Trace, $($arguments)+) };
}

/// Writes a line for whoever debugs a run. See [`log`](mod@crate::log).
#[macro_export]
macro_rules! debug {
    ($($arguments:tt)+) => { $crate::log!($crate::log::Level::Debug, $($arguments)+) };
}

/// Writes a line about what happened. See [`log`](mod@crate::log).
#[macro_export]
macro_rules! info {
    ($($arguments:tt)+) => { $crate::log!($crate::log::Level::Info, $($arguments)+) };
}

/// Writes a line about what somebody should look at. See [`log`](mod@crate::log).
#[macro_export]
macro_rules! warn {
    ($($arguments:tt)+) => { $crate::log!($crate::log::Level::Warn, $($arguments)+) };
}

/// Writes a line about what failed. See [`log`](mod@crate::log).
#[macro_export]
macro_rules! error {
    ($($arguments:tt)+) => { $crate::log!($crate::log::Level::Error, $($arguments)+) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::FakeHost;

    #[test]
    fn fields_and_text_arrive_as_written() {
        let host = FakeHost::new();
        let label = "Billing";
        crate::info!("plain");
        crate::warn!(label, tries = 1 + 1, "{} of {n}", 1, n = 3);

        let lines = host.logs();
        assert_eq!(
            (lines[0].level, lines[0].message.as_str(), lines[0].fields.len()),
            (Level::Info, "plain", 0)
        );
        assert_eq!(lines[1].message, "1 of 3");
        assert_eq!(
            lines[1].fields,
            [("label".to_string(), "Billing".into()), ("tries".to_string(), 2.into())]
        );
    }
}
