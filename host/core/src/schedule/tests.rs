use jiff::civil::Weekday;
use jiff::{SignedDuration, ToSpan};
use proptest::prelude::*;

use super::*;

fn schedule(line: &str, zone: &str) -> Schedule {
    Schedule { line: line.parse().unwrap(), zone: zone.parse().unwrap() }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The next fires behind a moment, as that zone's clocks show them.
fn fires(line: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let schedule = schedule(line, zone);
    let next = |last: &Timestamp| schedule.next(*last);
    let fires = std::iter::successors(schedule.next(at(after)), next).take(count);
    fires
        .map(|fire| fire.to_zoned(schedule.zone.0.clone()).strftime("%m-%d %H:%M:%S%:z").to_string())
        .collect()
}

#[test]
fn a_line_is_read_with_names_steps_ranges_and_nicknames() {
    let after = "2026-11-24T10:00:00Z"; // a Tuesday
    for (line, expected) in [
        ("0 9 * * 1-5", "11-25 09:00:00+00:00"),
        ("0 9 * * MON,fri", "11-27 09:00:00+00:00"),
        ("*/20 * * * *", "11-24 10:20:00+00:00"),
        ("30 8 1 JAN *", "01-01 08:30:00+00:00"),
        ("0 0 1,15 * *", "12-01 00:00:00+00:00"),
        ("0 12 * * 7", "11-29 12:00:00+00:00"),
        ("15 30 10 * * *", "11-24 10:30:15+00:00"),
        ("@hourly", "11-24 11:00:00+00:00"),
        ("@Daily", "11-25 00:00:00+00:00"),
        ("@yearly", "01-01 00:00:00+00:00"),
        ("0 18 L * *", "11-30 18:00:00+00:00"),
        ("0 9 * * 5#1", "12-04 09:00:00+00:00"),
    ] {
        assert_eq!(fires(line, "UTC", after, 1), [expected], "{line}");
    }
    assert_eq!(fires("0 0 29 2 *", "UTC", after, 1), ["02-29 00:00:00+00:00"], "it waits for a leap year");
}

#[test]
fn a_line_that_cannot_be_is_told_by_its_field() {
    let wrong = |line: &str| line.parse::<CronLine>().unwrap_err().to_string();
    assert!(wrong("60 * * * *").starts_with("`60` is no minute: it is 0-59"), "{}", wrong("60 * * * *"));
    assert!(wrong("* 24 * * *").contains("no hour"));
    assert!(wrong("* * 0 * *").contains("no day of the month"));
    assert!(wrong("* * * FOO *").contains("`FOO` is no month"));
    assert!(wrong("* * * * 8").contains("no day of the week"));
    assert!(wrong("61 * * * * *").contains("no second"));
    assert!(wrong("*/0 * * * *").contains("no minute"));
    assert!(wrong("* * * *").contains("this one has 4"));
    assert!(wrong("").contains("this one has 0"));
    assert!(wrong("* * * * * * 2030").contains("this one has 7"));
    assert!(wrong("@reboot").contains("@daily"));
    assert_eq!("* ".repeat(200).parse::<CronLine>(), Err(BadCronLine::TooLong));
}

#[test]
fn a_line_that_never_fires_is_refused() {
    for line in ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "@yearly x"] {
        assert!(line.parse::<CronLine>().is_err(), "{line}");
    }
    assert_eq!("0 0 30 2 *".parse::<CronLine>(), Err(BadCronLine::Never));
}

#[test]
fn a_zone_is_one_of_the_database_in_the_program() {
    for known in ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"] {
        assert_eq!(known.parse::<Zone>().unwrap().name(), known);
    }
    for unknown in ["Berlin", "Europe/Berlin ", "+02:00", "../etc/passwd", ""] {
        assert!(unknown.parse::<Zone>().is_err(), "{unknown}");
    }
}

#[test]
fn a_time_that_the_change_of_clocks_leaves_out_fires_once_right_after_the_gap() {
    // In Berlin, 2026-03-29 02:00 is followed by 03:00.
    assert_eq!(
        fires("30 2 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z", 3),
        ["03-28 02:30:00+01:00", "03-29 03:00:00+02:00", "03-30 02:30:00+02:00"]
    );
    assert_eq!(
        fires("0,30 2,3 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 3),
        ["03-29 03:00:00+02:00", "03-29 03:30:00+02:00", "03-30 02:00:00+02:00"],
        "what falls on one moment fires once"
    );
    // Samoa went without the whole of 2011-12-30.
    assert_eq!(
        fires("0 9 * * *", "Pacific/Apia", "2011-12-29T00:00:00Z", 3),
        ["12-29 09:00:00-10:00", "12-31 00:00:00+14:00", "12-31 09:00:00+14:00"]
    );
}

#[test]
fn a_time_that_comes_twice_fires_at_the_first_of_the_two() {
    // In Berlin, 2026-10-25 02:59 +02:00 is followed by 02:00 +01:00.
    assert_eq!(
        fires("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2),
        ["10-25 02:30:00+02:00", "10-26 02:30:00+01:00"]
    );
    assert_eq!(
        fires("*/30 1-3 * * *", "Europe/Berlin", "2026-10-24T23:29:00Z", 5),
        [
            "10-25 01:30:00+02:00",
            "10-25 02:00:00+02:00",
            "10-25 02:30:00+02:00",
            "10-25 03:00:00+01:00",
            "10-25 03:30:00+01:00"
        ]
    );
    // Asked from within the second of the two.
    assert_eq!(fires("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", 1), ["10-26 02:30:00+01:00"]);
}

#[test]
fn a_line_of_every_hour_keeps_its_pace_when_clocks_change() {
    assert_eq!(
        fires("*/30 * * * *", "Europe/Berlin", "2026-10-24T23:45:00Z", 6),
        [
            "10-25 02:00:00+02:00",
            "10-25 02:30:00+02:00",
            "10-25 02:00:00+01:00",
            "10-25 02:30:00+01:00",
            "10-25 03:00:00+01:00",
            "10-25 03:30:00+01:00"
        ]
    );
    assert_eq!(
        fires("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:15:00Z", 3),
        ["03-29 01:30:00+01:00", "03-29 03:00:00+02:00", "03-29 03:30:00+02:00"]
    );
}

#[test]
fn the_calendar_has_an_end_and_no_schedule_falls_off_it() {
    assert_eq!(schedule("* * * * *", "UTC").next(Timestamp::MAX), None);
    assert_eq!(schedule("0 0 * * *", "Europe/Berlin").next(Timestamp::MAX), None);
    assert!(
        schedule("0 0 * * *", "Europe/Berlin").next(Timestamp::MIN).is_none_or(|next| next > Timestamp::MIN)
    );
}

fn zones() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "Asia/Kolkata",
        "Australia/Lord_Howe",
        "America/Sao_Paulo",
    ])
}

/// A field by its bounds: a value, a range, a step or all.
fn field(least: u8, most: u8) -> impl Strategy<Value = String> {
    prop_oneof![
        Just("*".to_owned()),
        (least..=most).prop_map(|value| value.to_string()),
        (least..=most, least..=most).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
        (1..=most).prop_map(|step| format!("*/{step}")),
    ]
}

/// Written anew, without the crate: whether a minute on the wall is one that the line names.
fn names(line: &str, wall: DateTime) -> bool {
    let fields: Vec<&str> = line.split(' ').collect();
    let holds = |field: &str, value: i8, least: i8| match field.split_once('/') {
        Some((_, step)) => (value - least) % step.parse::<i8>().unwrap() == 0,
        None if field == "*" => true,
        None => match field.split_once('-') {
            Some((from, to)) => (from.parse().unwrap()..=to.parse().unwrap()).contains(&value),
            None => field.parse() == Ok(value),
        },
    };
    let day = holds(fields[2], wall.day(), 1);
    let weekday = holds(fields[4], wall.weekday().to_sunday_zero_offset(), 0);
    let by_day = match (fields[2] == "*", fields[4] == "*") {
        (false, false) => day || weekday,
        _ => day && weekday,
    };
    holds(fields[0], wall.minute(), 0)
        && holds(fields[1], wall.hour(), 0)
        && holds(fields[3], wall.month(), 1)
        && by_day
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_text_breaks_the_reader(text in "[-0-9*/,#?+@LWa-zA-Z ]{0,30}") {
        if let Ok(line) = text.parse::<CronLine>() {
            let schedule = Schedule { line, zone: Zone::UTC };
            prop_assert!(schedule.next(at("2026-01-01T00:00:00Z")).is_some());
        }
    }

    /// The next fire lies behind, is named by the line, and no minute in between is.
    #[test]
    fn the_next_fire_is_the_first_minute_behind_that_the_line_names(
        line in (field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 6))
            .prop_map(|(minute, hour, day, month, weekday)| format!("{minute} {hour} {day} {month} {weekday}")),
        second in 0i64..100_000_000,
        zone in zones(),
    ) {
        let schedule = schedule(&line, zone);
        let after = at("2026-01-01T00:00:00Z") + SignedDuration::from_secs(second);
        let next = schedule.next(after).unwrap();
        prop_assert!(next > after);
        let shown = |at: Timestamp| schedule.zone.0.to_datetime(at);
        let is_first_after_gap = shown(next - 1.second()) + 1.second() != shown(next);
        prop_assert!(names(&line, shown(next)) || is_first_after_gap, "{line} at {}", shown(next));
        prop_assert_eq!(next.as_second() % 60, 0);

        let first = Timestamp::from_second(after.as_second() - after.as_second().rem_euclid(60) + 60).unwrap();
        let minutes = std::iter::successors(Some(first), |at| Some(*at + 1.minute()));
        for minute in minutes.take_while(|at| *at < next).take(100_000) {
            let again = schedule.zone.0.to_ambiguous_timestamp(shown(minute)).earlier().unwrap() != minute;
            let counts = !again || schedule.line.is_of_every_hour();
            prop_assert!(!(counts && names(&line, shown(minute))), "{line} passes over {}", shown(minute));
        }
    }
}

#[test]
fn days_of_the_week_count_from_sunday() {
    let next = schedule("0 0 * * 0", "UTC").next(at("2026-11-24T00:00:00Z")).unwrap();
    assert_eq!(TimeZone::UTC.to_datetime(next).weekday(), Weekday::Sunday);
}
