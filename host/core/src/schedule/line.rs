//! Cron lines: five fields, or six with seconds first, or a nickname such as `@daily`. Read by `croner`; which times a line
//! means where clocks change is not decided here.

use std::fmt;
use std::str::FromStr;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::{DateTime, date};

/// The longest line.
const MAX_LENGTH: usize = 200;

/// Lines that have names.
const NICKNAMES: &[(&str, &str)] = &[
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// What each field is and may be, in the order in which they stand.
const FIELDS: [(&str, &str); 6] = [
    ("second", "0-59"),
    ("minute", "0-59"),
    ("hour", "0-23"),
    ("day of the month", "1-31, `L` for the last, `15W` for the weekday nearest to the 15th"),
    ("month", "1-12 or JAN-DEC"),
    (
        "day of the week",
        "0-7 or SUN-SAT (0 and 7 are Sunday), `5#2` for the second Friday, `5L` for the last",
    ),
];

/// A cron line that fires some time.
#[derive(Clone, PartialEq, Eq)]
pub struct CronLine {
    source: String,
    cron: Cron,
    is_of_every_hour: bool,
}

/// A text that is no cron line, or one that never fires.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCronLine {
    /// It is longer than any line needs to be.
    #[error("a cron line has at most {MAX_LENGTH} characters")]
    TooLong,
    /// A nickname that is none.
    #[error("`{name}` is none of {}", nicknames())]
    UnknownNickname {
        /// As written.
        name: String,
    },
    /// It has too few or too many fields.
    #[error(
        "a cron line has 5 fields (minute, hour, day of the month, month, day of the week), or 6 with the second first; this one has {0}"
    )]
    FieldCount(usize),
    /// A field cannot be.
    #[error(
        "`{field}` is no {what}: it is {form}; also `*`, lists (`1,3`), ranges (`1-5`) and steps (`*/10`)"
    )]
    Field {
        /// Which one.
        what: &'static str,
        /// As written.
        field: String,
        /// What it may be.
        form: &'static str,
    },
    /// No day is ever like this.
    #[error("this line never fires: no date is as it says")]
    Never,
}

impl CronLine {
    /// As written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it leaves the hour open: then it is about a pace, not about times of day.
    pub(super) fn is_of_every_hour(&self) -> bool {
        self.is_of_every_hour
    }

    /// The first time on the wall behind this one that the line names.
    pub(super) fn after(&self, wall: DateTime) -> Option<DateTime> {
        self.cron.find_next_occurrence(&wall, false).ok()
    }

    /// This time on the wall, if the line names it, else the first behind it.
    pub(super) fn at_or_after(&self, wall: DateTime) -> Option<DateTime> {
        self.cron.find_next_occurrence(&wall, true).ok()
    }
}

impl FromStr for CronLine {
    type Err = BadCronLine;

    fn from_str(text: &str) -> Result<Self, BadCronLine> {
        if text.chars().count() > MAX_LENGTH {
            return Err(BadCronLine::TooLong);
        }
        let line = in_full(text.trim())?;
        let cron = parser().parse(line).map_err(|_| what_is_wrong(line))?;
        let is_of_every_hour = (0..24).all(|hour| cron.pattern.hour_match(hour).unwrap_or(false));
        let line = Self { source: text.trim().to_owned(), cron, is_of_every_hour };
        // Four hundred years are the whole calendar; the search goes on for longer than that.
        line.after(date(2000, 1, 1).at(0, 0, 0, 0)).ok_or(BadCronLine::Never)?;
        Ok(line)
    }
}

fn parser() -> CronParser {
    CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build()
}

/// The line that a nickname stands for, or the line itself.
fn in_full(text: &str) -> Result<&str, BadCronLine> {
    if text.starts_with('@') {
        let known = NICKNAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        return known
            .map(|(_, line)| *line)
            .ok_or_else(|| BadCronLine::UnknownNickname { name: text.to_owned() });
    }
    match text.split_whitespace().count() {
        5 | 6 => Ok(text),
        other => Err(BadCronLine::FieldCount(other)),
    }
}

/// The first field that is wrong on its own.
fn what_is_wrong(line: &str) -> BadCronLine {
    let written: Vec<&str> = line.split_whitespace().collect();
    let mut fields = FIELDS.iter().enumerate().skip(FIELDS.len() - written.len()).zip(&written);
    let is_wrong = |at: usize, field: &str| {
        let mut alone = ["*"; 6];
        alone[at] = field;
        parser().parse(&alone.join(" ")).is_err()
    };
    let wrong = fields.find(|((at, _), field)| is_wrong(*at, field));
    match wrong {
        Some(((_, (what, form)), field)) => BadCronLine::Field { what, field: (*field).to_owned(), form },
        None => BadCronLine::FieldCount(written.len()),
    }
}

fn nicknames() -> String {
    NICKNAMES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

impl fmt::Debug for CronLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CronLine").field(&self.source).finish()
    }
}
