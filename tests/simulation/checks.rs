//! What must hold of a world that has come to rest, whatever happened in it.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use stepwell_core::id::RunId;
use stepwell_core::run::{Entry, Event, RunStatus, Trigger};

use crate::disk::Disk;
use crate::outside::Outside;
use crate::people::People;
use crate::workflows::LISTENER;

/// A timer fires so late at most.
const PROMPT: SignedDuration = SignedDuration::from_millis(1_500);

/// What a disk refuses is tried again after longer and longer pauses: there, a timer may be as late as the longest of them, and one before.
const PROMPT_ON_A_FAILING_DISK: SignedDuration = SignedDuration::from_secs(120);

type Journals = HashMap<RunId, Vec<Entry>>;

/// Notes all that is wrong.
pub(crate) fn check(disk: &Disk, people: &People, outside: &Outside) {
    let journals = disk.entries();
    let mut wrongs = Vec::new();
    acknowledged_means_kept(&journals, people, &mut wrongs);
    let prompt = if disk.fails() { PROMPT_ON_A_FAILING_DISK } else { PROMPT };
    for (run, journal) in &journals {
        let mut of_run = Vec::new();
        has_one_end(journal, &mut of_run);
        attempts_begin_and_end_once(journal, &mut of_run);
        answers_are_kept_once(journal, &mut of_run);
        timers_fire_once_and_in_time(journal, prompt, &mut of_run);
        wrongs.extend(of_run.into_iter().map(|wrong| format!("run {run}: {wrong}")));
    }
    children_and_parents_agree(&journals, &mut wrongs);
    each_event_is_heard_once(&journals, &mut wrongs);
    for wrong in wrongs {
        outside.accuse(wrong);
    }
}

fn acknowledged_means_kept(journals: &Journals, people: &People, wrongs: &mut Vec<String>) {
    people.with_acknowledged(|all| {
        if all.is_empty() {
            wrongs.push("nothing was ever acknowledged".to_owned());
        }
        for acknowledged in all {
            let journal = journals.get(&acknowledged.run).into_iter().flatten();
            if !journal.into_iter().any(|entry| (acknowledged.is_it)(&entry.event)) {
                wrongs.push(format!("`{}` was acknowledged and is lost", acknowledged.what));
            }
        }
    });
}

fn has_one_end(journal: &[Entry], wrongs: &mut Vec<String>) {
    if !journal.iter().enumerate().all(|(index, entry)| entry.seq == index as u64) {
        wrongs.push("its entries are not counted without gaps".to_owned());
    }
    let mut has_ended = false;
    for entry in journal {
        match &entry.event {
            Event::RunReopened { .. } if has_ended => has_ended = false,
            Event::DeadLetterDiscarded { .. } if has_ended => {}
            event if has_ended => wrongs.push(format!("{} follows its end", event.type_name())),
            Event::RunEnded { .. } => has_ended = true,
            _ => {}
        }
    }
    if !has_ended {
        wrongs.push("it has no end".to_owned());
    }
}

fn attempts_begin_and_end_once(journal: &[Entry], wrongs: &mut Vec<String>) {
    let (mut begun, mut ended) = (HashSet::new(), HashSet::new());
    for entry in journal {
        match &entry.event {
            Event::AttemptStarted { node, part, attempt, .. } if !begun.insert((node, part, attempt)) => {
                wrongs.push(format!("attempt {attempt} at {node}{part} starts twice"));
            }
            Event::AttemptSucceeded { node, part, attempt, .. }
            | Event::AttemptFailed { node, part, attempt, .. }
            | Event::AttemptAbandoned { node, part, attempt, .. }
                if !begun.contains(&(node, part, attempt)) || !ended.insert((node, part, attempt)) =>
            {
                wrongs.push(format!("attempt {attempt} at {node}{part} ends twice, or without a start"));
            }
            _ => {}
        }
    }
}

fn answers_are_kept_once(journal: &[Entry], wrongs: &mut Vec<String>) {
    let mut answered = HashSet::new();
    for entry in journal {
        if let Event::EffectAnswered { node, part, attempt, effect } = &entry.event
            && !answered.insert((node, part, attempt, effect.index))
        {
            wrongs.push(format!(
                "effect {} of attempt {attempt} at {node}{part} is answered twice",
                effect.index
            ));
        }
    }
}

fn timers_fire_once_and_in_time(journal: &[Entry], prompt: SignedDuration, wrongs: &mut Vec<String>) {
    let was_paused = journal.iter().any(|entry| matches!(entry.event, Event::RunPaused { .. }));
    // What waits when its run begins anew elsewhere goes on waiting.
    let mut due = BTreeMap::new();
    // Between a failure and the next try of what failed, nothing rings.
    let mut tried_again_at = Timestamp::MIN;
    for entry in journal {
        match &entry.event {
            Event::RunReopened { .. } => tried_again_at = entry.at,
            Event::WaitStarted { node, until } => _ = due.insert(node, *until),
            Event::ApprovalOpened { node, expires_at, .. } => _ = due.insert(node, *expires_at),
            Event::CallbackOpened { node, expires_at, .. } => _ = due.insert(node, Some(*expires_at)),
            Event::TimerFired { node } => match due.remove(node).flatten() {
                None => wrongs.push(format!("the timer of {node} fires without having been set")),
                Some(due) if entry.at < due => wrongs.push(format!("the timer of {node} fires too early")),
                Some(due) if !was_paused && entry.at.duration_since(due.max(tried_again_at)) > prompt => {
                    wrongs
                        .push(format!("the timer of {node} fires {} too late", entry.at.duration_since(due)));
                }
                Some(_) => {}
            },
            _ => {}
        }
    }
}

fn children_and_parents_agree(journals: &Journals, wrongs: &mut Vec<String>) {
    for (parent, journal) in journals {
        for entry in journal {
            match &entry.event {
                Event::ChildStarted { node, run, .. } if !journals.contains_key(run) => {
                    // One that was given up before it came to be never was, and counts as cancelled.
                    let heard = journal.iter().any(|entry| {
                        matches!(&entry.event, Event::ChildEnded { run: ended, outcome, .. }
                            if ended == run && outcome.status() != RunStatus::Cancelled)
                    });
                    if heard {
                        wrongs.push(format!(
                            "run {parent} heard of the end of {run} at {node}, which never was"
                        ));
                    }
                }
                Event::ChildEnded { node, run, outcome, .. } => {
                    let told = |entry: &Entry| matches!(&entry.event, Event::RunEnded { outcome: own } if own == outcome);
                    if journals.get(run).is_some_and(|child| !child.iter().any(told)) {
                        wrongs.push(format!("run {parent} heard of another end at {node} than {run} had"));
                    }
                }
                _ => {}
            }
        }
    }
}

/// Each event that was told starts one run of the workflow that wants it.
fn each_event_is_heard_once(journals: &Journals, wrongs: &mut Vec<String>) {
    let mut told: HashMap<&str, usize> = HashMap::new();
    for entry in journals.values().flatten() {
        if let Event::EventEmitted { event, .. } = &entry.event {
            told.entry(event["id"].as_str().unwrap_or_default()).or_default();
        }
    }
    for journal in journals.values() {
        if let Some(Event::RunAccepted { workflow, trigger: Trigger::Event { id, .. }, .. }) =
            journal.first().map(|entry| &entry.event)
            && workflow.as_str() == LISTENER
        {
            match told.get_mut(id.as_str()) {
                Some(times) => *times += 1,
                None => wrongs.push(format!("a run was started by event {id}, which nobody told")),
            }
        }
    }
    for (id, times) in told {
        if times != 1 {
            wrongs.push(format!("event {id} started {times} runs"));
        }
    }
}
