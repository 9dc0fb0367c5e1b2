//! A cron trigger, as it was written.

use std::sync::Arc;
use std::time::Duration;

use crate::definition::cursor::Cursor;
use crate::mistake::code;
use crate::plan::{CronTrigger, Overlap, empty_input};
use crate::schedule::{BadCronLine, CronLine, Missed, Schedule, Timetable, UnknownZone, Zone};
use crate::spelling;

const FIELDS: &[&str] = &["schedule", "zone", "input", "missed", "overlap", "jitter"];

const SCHEDULE_FORM: &str =
    "write it like `0 9 * * 1-5` (minute, hour, day of the month, month, day of the week) or `@daily`";

const MISSED: &[(&str, Missed)] = &[("skip", Missed::Skip), ("once", Missed::Once), ("all", Missed::All)];

const OVERLAP: &[(&str, Overlap)] =
    &[("allow", Overlap::Allow), ("skip", Overlap::Skip), ("queue", Overlap::Queue)];

/// All of it is read, also behind a mistake.
pub(super) fn read(cron: &Cursor<'_>) -> Option<CronTrigger> {
    let fields = cron.fields(FIELDS)?;
    let line = fields.require("schedule", SCHEDULE_FORM).and_then(|it| read_line(&it));
    let zone = fields.get("zone").map_or(Some(Zone::UTC), |it| read_zone(&it));
    let missed = fields.get("missed").map_or(Some(Missed::default()), |it| it.word(MISSED));
    let overlap = fields.get("overlap").map_or(Some(Overlap::default()), |it| it.word(OVERLAP));
    let jitter = fields.get("jitter").map_or(Some(Duration::ZERO), |it| it.duration());
    let input = fields.get("input").map_or_else(empty_input, |it| it.value.clone());
    let schedule = Schedule { line: line?, zone: zone? };
    Some(CronTrigger {
        timetable: Timetable { schedule, missed: missed?, jitter: jitter? },
        overlap: overlap?,
        input: Arc::new(input),
    })
}

fn read_line(schedule: &Cursor<'_>) -> Option<CronLine> {
    let text = schedule.text()?;
    let wrong = |bad: BadCronLine| {
        let help = match bad {
            BadCronLine::Never => "choose days that there are: February has 29 at most, some months have 30",
            _ => SCHEDULE_FORM,
        };
        schedule.wrong_with_help(code::BAD_SCHEDULE, bad.to_string(), help);
    };
    text.parse().map_err(wrong).ok()
}

fn read_zone(zone: &Cursor<'_>) -> Option<Zone> {
    let text = zone.text()?;
    let wrong = |unknown: UnknownZone| {
        let names = Zone::names();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let help = match spelling::nearest(text, &names).or_else(|| ends_with(text, &names)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => {
                "write a name of the IANA time zone database, such as `Europe/Berlin` or `UTC`".to_owned()
            }
        };
        zone.wrong_with_help(code::BAD_ZONE, unknown.to_string(), help);
    };
    text.parse().map_err(wrong).ok()
}

/// The zone of a city that was named alone.
fn ends_with<'a>(city: &str, zones: &[&'a str]) -> Option<&'a str> {
    let city = city.trim().replace(' ', "_");
    let is_of_city =
        |zone: &&&str| zone.rsplit('/').next().is_some_and(|last| last.eq_ignore_ascii_case(&city));
    zones.iter().find(is_of_city).copied()
}
