//! Which fires of a schedule are due: a pure decision, from where the schedule stands, what the time is and what its policy says.
//!
//! A schedule stands at the last fire that was dealt with. Time only moves it forward, so that no fire is dealt with twice, whatever
//! the clock does.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Schedule;
use crate::digest::Digest;
use crate::id::WorkflowName;

/// A fire that is later than this was missed: nobody was there to start it.
const PUNCTUAL: SignedDuration = SignedDuration::from_secs(10);

/// The most fires that are caught up with: those before are passed over.
pub const MOST_MISSED: usize = 1_000;

/// A schedule that stands so far in the future was led there by a clock that was wrong.
const WRONG_CLOCK: SignedDuration = SignedDuration::from_hours(24);

/// What becomes of fires that were missed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Missed {
    /// Nothing.
    Skip,
    /// One run, for the latest of them.
    #[default]
    Once,
    /// A run for each.
    All,
}

/// A schedule, with how its fires are turned into starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timetable {
    /// When it fires.
    pub schedule: Schedule,
    /// What becomes of fires that were missed.
    pub missed: Missed,
    /// Each start comes later than its fire, by no more than this; how much is drawn, and is always the same for the same fire.
    pub jitter: Duration,
}

/// What a timetable asks for at some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The fires that are to start a run now, in order.
    pub fires: Vec<Timestamp>,
    /// So many of them, the first ones, were missed and are made up for.
    pub late: usize,
    /// Where the schedule stands then.
    pub position: Timestamp,
    /// Fires were missed that start nothing.
    pub passed_over: bool,
    /// The schedule stood in a future that the clock has taken back: it counts from now.
    pub set_back: bool,
}

impl Timetable {
    /// What is due now, for a schedule that stands at `position`.
    #[must_use]
    pub fn due(&self, workflow: &WorkflowName, position: Timestamp, now: Timestamp) -> Due {
        if position.duration_since(now) > WRONG_CLOCK {
            return Due { fires: Vec::new(), late: 0, position: now, passed_over: false, set_back: true };
        }
        let most = if self.missed == Missed::All { MOST_MISSED } else { 1 };
        let fires = self.recent(workflow, position, now, most);
        let Some(last) = fires.last().copied() else {
            return Due { fires, late: 0, position, passed_over: false, set_back: false };
        };
        let (fires, late) = self.choose(workflow, fires, now);
        let passed_over = fires.first() != self.schedule.next(position).as_ref();
        Due { fires, late, position: last, passed_over, set_back: false }
    }

    /// When there is something to do next, for a schedule that stands at `position`.
    #[must_use]
    pub fn next_start(&self, workflow: &WorkflowName, position: Timestamp) -> Option<Timestamp> {
        self.schedule.next(position).map(|fire| self.start_of(workflow, fire))
    }

    /// When a fire is to start its run.
    fn start_of(&self, workflow: &WorkflowName, fire: Timestamp) -> Timestamp {
        fire.saturating_add(self.delay(workflow, fire)).unwrap_or(Timestamp::MAX)
    }

    fn delay(&self, workflow: &WorkflowName, fire: Timestamp) -> SignedDuration {
        let most = u64::try_from(self.jitter.as_millis()).unwrap_or(u64::MAX);
        if most == 0 {
            return SignedDuration::ZERO;
        }
        let seed = Digest::of(format!("{workflow}\n{}\n{fire}", self.schedule.line.source()).as_bytes());
        let drawn = seed.as_bytes().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes)) % (most + 1);
        SignedDuration::from_millis(i64::try_from(drawn).unwrap_or(i64::MAX))
    }

    /// The latest fires whose time to start has come: `most` of them at least, if there are as many. Looks back step by step:
    /// a schedule may have stood still for long, and few of its fires count.
    fn recent(
        &self,
        workflow: &WorkflowName,
        position: Timestamp,
        now: Timestamp,
        most: usize,
    ) -> Vec<Timestamp> {
        let jitter = SignedDuration::try_from(self.jitter).unwrap_or(SignedDuration::MAX);
        let mut reach = PUNCTUAL.saturating_add(jitter);
        loop {
            let from = now.saturating_sub(reach).unwrap_or(Timestamp::MIN).max(position);
            let fires = std::iter::successors(self.schedule.next(from), |fire| self.schedule.next(*fire));
            // What is drawn to start later holds up those behind it: fires stay in order.
            let fires: Vec<_> = fires.take_while(|fire| self.start_of(workflow, *fire) <= now).collect();
            if fires.len() >= most || from == position {
                return fires;
            }
            reach = reach.checked_mul(4).unwrap_or(SignedDuration::MAX);
        }
    }

    /// Those that start a run, and how many of them were missed.
    fn choose(
        &self,
        workflow: &WorkflowName,
        mut fires: Vec<Timestamp>,
        now: Timestamp,
    ) -> (Vec<Timestamp>, usize) {
        let is_punctual = |fire: &Timestamp| now.duration_since(self.start_of(workflow, *fire)) <= PUNCTUAL;
        let missed = fires.iter().position(is_punctual).unwrap_or(fires.len());
        let dropped = match self.missed {
            Missed::Skip => missed,
            Missed::Once => missed.min(fires.len() - 1),
            Missed::All => fires.len().saturating_sub(MOST_MISSED),
        };
        (fires.split_off(dropped), missed.saturating_sub(dropped))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn timetable(line: &str, missed: Missed) -> Timetable {
        let schedule = Schedule { line: line.parse().unwrap(), zone: super::super::Zone::UTC };
        Timetable { schedule, missed, jitter: Duration::ZERO }
    }

    fn workflow() -> WorkflowName {
        WorkflowName::new("report").unwrap()
    }

    fn at(text: &str) -> Timestamp {
        format!("2026-11-24T{text}Z").parse().unwrap()
    }

    #[test]
    fn fires_that_are_made_up_for_are_told_from_those_on_time() {
        let late =
            |missed, now| timetable("0 * * * *", missed).due(&workflow(), at("06:00:00"), at(now)).late;
        assert_eq!((late(Missed::All, "09:30:00"), late(Missed::All, "09:00:05")), (3, 2));
        assert_eq!((late(Missed::Once, "09:30:00"), late(Missed::Once, "09:00:05")), (1, 0));
        assert_eq!(late(Missed::Skip, "09:30:00"), 0);
    }

    fn due(timetable: &Timetable, position: &str, now: &str) -> (Vec<Timestamp>, Timestamp, bool) {
        let due = timetable.due(&workflow(), at(position), at(now));
        assert!(!due.set_back);
        (due.fires, due.position, due.passed_over)
    }

    #[test]
    fn what_is_due_on_time_starts_whatever_the_policy_says_of_missed_fires() {
        for missed in [Missed::Skip, Missed::Once, Missed::All] {
            let hourly = timetable("0 * * * *", missed);
            assert_eq!(due(&hourly, "09:00:00", "09:59:59"), (vec![], at("09:00:00"), false));
            assert_eq!(due(&hourly, "09:00:00", "10:00:00"), (vec![at("10:00:00")], at("10:00:00"), false));
            assert_eq!(due(&hourly, "10:00:00", "10:00:01"), (vec![], at("10:00:00"), false));
            let often = timetable("* * * * * *", missed);
            let four = ["10:00:01", "10:00:02", "10:00:03", "10:00:04"].map(at);
            assert_eq!(
                due(&often, "10:00:00", "10:00:04.5"),
                (four.to_vec(), at("10:00:04"), false),
                "a slow disk drops nothing"
            );
        }
    }

    #[test]
    fn missed_fires_are_dealt_with_as_the_policy_says() {
        let hourly = |missed| due(&timetable("0 * * * *", missed), "06:00:00", "09:30:00");
        let last = at("09:00:00");
        assert_eq!(hourly(Missed::Skip), (vec![], last, true));
        assert_eq!(hourly(Missed::Once), (vec![last], last, true));
        assert_eq!(hourly(Missed::All), (vec![at("07:00:00"), at("08:00:00"), last], last, false));
    }

    #[test]
    fn a_fire_on_time_is_the_one_run_for_those_that_were_missed() {
        let once = timetable("0 * * * *", Missed::Once);
        assert_eq!(due(&once, "06:00:00", "09:00:05"), (vec![at("09:00:00")], at("09:00:00"), true));
        let skip = timetable("0 * * * *", Missed::Skip);
        assert_eq!(due(&skip, "06:00:00", "09:00:05"), (vec![at("09:00:00")], at("09:00:00"), true));
    }

    #[test]
    fn a_long_time_away_costs_little_and_starts_a_bounded_number_of_runs() {
        let all = timetable("* * * * * *", Missed::All);
        let years_ago = "2016-01-01T00:00:00Z".parse().unwrap();
        let due = all.due(&workflow(), years_ago, at("10:00:00"));
        assert_eq!((due.fires.len(), due.passed_over), (MOST_MISSED, true));
        assert_eq!((due.fires.last().copied(), due.position), (Some(at("10:00:00")), at("10:00:00")));
        let once = timetable("0 0 29 2 *", Missed::Once).due(&workflow(), years_ago, at("10:00:00"));
        assert_eq!(once.fires, ["2024-02-29T00:00:00Z".parse().unwrap()]);
    }

    #[test]
    fn a_clock_that_is_put_back_starts_nothing_again() {
        let hourly = timetable("0 * * * *", Missed::All);
        assert_eq!(due(&hourly, "10:00:00", "08:59:00"), (vec![], at("10:00:00"), false));
        assert_eq!(due(&hourly, "10:00:00", "10:00:00"), (vec![], at("10:00:00"), false));
        assert_eq!(hourly.next_start(&workflow(), at("10:00:00")), Some(at("11:00:00")));
    }

    #[test]
    fn a_schedule_that_a_wrong_clock_led_astray_counts_from_now() {
        let far: Timestamp = "2031-01-01T00:00:00Z".parse().unwrap();
        let due = timetable("0 * * * *", Missed::Once).due(&workflow(), far, at("10:00:00"));
        assert_eq!((due.fires, due.position, due.set_back), (vec![], at("10:00:00"), true));
    }

    #[test]
    fn jitter_is_drawn_once_for_each_fire_and_keeps_them_in_order() {
        let jitter = Duration::from_secs(120);
        let spread = Timetable { jitter, ..timetable("* * * * *", Missed::Once) };
        let starts: Vec<_> = ["10:00:00", "10:01:00", "10:02:00", "10:03:00"]
            .iter()
            .map(|fire| spread.start_of(&workflow(), at(fire)).duration_since(at(fire)))
            .collect();
        assert!(starts.iter().all(|late| *late <= SignedDuration::from_secs(120)), "{starts:?}");
        assert!(starts.iter().any(|late| *late != starts[0]), "{starts:?}");
        let other = WorkflowName::new("other").unwrap();
        assert_ne!(spread.start_of(&workflow(), at("10:00:00")), spread.start_of(&other, at("10:00:00")));
    }

    fn missed() -> impl Strategy<Value = Missed> {
        prop::sample::select(vec![Missed::Skip, Missed::Once, Missed::All])
    }

    proptest! {
        /// Whatever the clock does, in whatever steps it is looked at.
        #[test]
        fn no_fire_starts_twice_and_all_starts_are_fires(
            missed in missed(),
            jitter in 0u64..200,
            line in prop::sample::select(vec!["* * * * *", "*/7 * * * *", "*/10 * * * * *", "0 0 * * *"]),
            steps in prop::collection::vec(-200i64..1_000, 1..40),
        ) {
            let timetable = Timetable { jitter: Duration::from_secs(jitter), ..timetable(line, missed) };
            let (mut position, mut now) = (at("00:00:00"), at("00:00:00"));
            let mut started: Vec<Timestamp> = Vec::new();
            for step in steps {
                now += SignedDuration::from_secs(step);
                let due = timetable.due(&workflow(), position, now);
                prop_assert!(due.position >= position || due.set_back);
                position = due.position;
                started.extend(due.fires);
                prop_assert!(timetable.next_start(&workflow(), position).is_none_or(|next| next > now || due.set_back));
            }
            prop_assert!(started.is_sorted_by(|a, b| a < b), "{started:?}");
            for fire in started {
                prop_assert_eq!(timetable.schedule.next(fire - SignedDuration::from_secs(1)), Some(fire));
            }
        }

        #[test]
        fn looked_at_often_enough_every_fire_starts(
            missed in missed(),
            jitter in 0u64..100,
            steps in prop::collection::vec(1i64..10, 1..100),
        ) {
            let timetable = Timetable { jitter: Duration::from_secs(jitter), ..timetable("*/5 * * * * *", missed) };
            let (first, mut now) = (at("00:00:00"), at("00:00:00"));
            let (mut position, mut started) = (first, Vec::new());
            for step in steps {
                now += SignedDuration::from_secs(step);
                let due = timetable.due(&workflow(), position, now);
                position = due.position;
                started.extend(due.fires);
            }
            let all = std::iter::successors(timetable.schedule.next(first), |fire| timetable.schedule.next(*fire));
            let all: Vec<_> = all.take_while(|fire| timetable.start_of(&workflow(), *fire) <= now).collect();
            prop_assert_eq!(started, all);
        }
    }
}
