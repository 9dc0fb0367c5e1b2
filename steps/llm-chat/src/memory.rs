//! What was said before, in a conversation that goes on from run to run.

use std::borrow::Cow;
use std::time::Duration;

use stepwell_ai::chat::{Message, Role};
use stepwell_sdk::state::{self, Entry, ErrorKind};
use stepwell_sdk::{StepError, warn};

use crate::config::Memory;

/// Others may answer in the same conversation at the same time, but not as often.
const TRIES: usize = 20;

/// A question and its answer.
const EXCHANGE: usize = 2;

/// One conversation that is remembered.
pub(crate) struct Conversation<'a> {
    key: String,
    memory: &'a Memory,
    seen: Option<Entry<Vec<Message>>>,
}

impl<'a> Conversation<'a> {
    /// Remembers what was said so far.
    pub(crate) fn open(id: &str, memory: &'a Memory) -> Result<Self, StepError> {
        let key = format!("{}{id}", memory.prefix);
        let seen = state::get(&key).map_err(refused)?;
        Ok(Self { key, memory, seen })
    }

    /// What was said so far, the oldest first.
    pub(crate) fn said(&self) -> &[Message] {
        self.seen.as_ref().map_or(&[], |entry| &entry.value)
    }

    /// Adds what was said now, behind what others may have said in the meantime.
    pub(crate) fn add(mut self, said: &[Message]) -> Result<(), StepError> {
        let ttl = Some(self.memory.ttl_seconds).filter(|seconds| *seconds > 0).map(Duration::from_secs);
        for _ in 0..TRIES {
            let all: Vec<&Message> = self.said().iter().chain(said).collect();
            let kept = latest(&all, self.memory);
            if state::replace(&self.key, self.seen.as_ref(), &kept, ttl).map_err(refused)?.is_some() {
                return Ok(());
            }
            self.seen = state::get(&self.key).map_err(refused)?;
        }
        let message =
            format!("`{}` changed {TRIES} times while an answer was to be remembered in it", self.key);
        Err(StepError::retryable(message))
    }
}

/// As many of the last messages as are kept: at least the last exchange, shortened if it must be.
fn latest<'a>(said: &[&'a Message], memory: &Memory) -> Vec<Cow<'a, Message>> {
    let kept = whole(said, memory);
    if !kept.is_empty() || memory.messages == 0 {
        return kept.into_iter().map(Cow::Borrowed).collect();
    }
    warn!(
        characters = memory.characters,
        "the last exchange is longer than what is remembered: it is shortened"
    );
    let asked = said.iter().rposition(|message| message.role == Role::User);
    shortened(&said[asked.unwrap_or_default()..], memory.characters)
}

/// Those that fit whole. What is kept begins with what somebody asked: an answer to a forgotten question says nothing.
fn whole<'a>(said: &[&'a Message], memory: &Memory) -> Vec<&'a Message> {
    let most = if memory.messages == 0 { 0 } else { memory.messages.max(EXCHANGE) };
    let mut characters = 0;
    let fits = |message: &&Message| {
        characters += message.content.chars().count();
        characters <= memory.characters
    };
    let mut kept: Vec<_> = said.iter().copied().rev().take(most).take_while(fits).collect();
    while kept.last().is_some_and(|message| message.role == Role::Assistant) {
        kept.pop();
    }
    kept.reverse();
    kept
}

/// The beginning of each. What one does not need of its share goes to those before it.
fn shortened<'a>(said: &[&'a Message], characters: usize) -> Vec<Cow<'a, Message>> {
    let mut left = characters;
    let mut kept = Vec::with_capacity(said.len());
    for (index, message) in said.iter().enumerate().rev() {
        let content = beginning(&message.content, left / (index + 1));
        left -= content.chars().count();
        // Providers refuse a message that says nothing.
        if !content.is_empty() {
            kept.push(Cow::Owned(Message::new(message.role, content)));
        }
    }
    kept.reverse();
    kept
}

/// So many characters at most; what is cut shows it.
fn beginning(text: &str, most: usize) -> String {
    match text.chars().count() <= most {
        true => text.to_owned(),
        false => text.chars().take(most.saturating_sub(1)).chain(['…']).take(most).collect(),
    }
}

/// The conversation's name comes with the input.
fn refused(error: state::Error) -> StepError {
    match error.kind {
        ErrorKind::InvalidKey => StepError::invalid_input(format!("`conversation`: {}", error.message)),
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use stepwell_sdk::StepErrorKind;
    use stepwell_sdk::testing::FakeHost;

    use super::*;

    fn turn(n: usize) -> [Message; 2] {
        [Message::user(format!("q{n}")), Message::new(Role::Assistant, format!("a{n}"))]
    }

    fn remembered(memory: &Memory) -> Vec<String> {
        Conversation::open("7", memory).unwrap().said().iter().map(|said| said.content.clone()).collect()
    }

    #[test]
    fn what_others_said_in_the_meantime_is_kept() {
        let host = FakeHost::new();
        let memory = Memory::default();
        let mine = Conversation::open("7", &memory).unwrap();
        Conversation::open("7", &memory).unwrap().add(&turn(1)).unwrap();
        mine.add(&turn(2)).unwrap();
        assert_eq!(remembered(&memory), ["q1", "a1", "q2", "a2"]);
        assert!(host.kept("conversations/7").is_some());
    }

    #[test]
    fn the_oldest_is_forgotten_and_what_is_left_begins_with_a_question() {
        let _host = FakeHost::new();
        let few = Memory { messages: 3, ..Memory::default() };
        let short = Memory { characters: 7, prefix: "short/".into(), ..Memory::default() };
        for memory in [&few, &short] {
            for n in 1..=3 {
                Conversation::open("7", memory).unwrap().add(&turn(n)).unwrap();
            }
            assert_eq!(remembered(memory), ["q3", "a3"]);
        }
    }

    /// An answer alone that fills the memory, a question alone, one too many, and no memory.
    #[test]
    fn the_last_exchange_is_kept_in_any_case() {
        let said =
            |question: &str, answer: &str| [Message::user(question), Message::new(Role::Assistant, answer)];
        for (memory, last, expected) in [
            ((20, 10), said("why?", "0123456789"), &["why?", "0123…"][..]),
            ((20, 10), said("0123456789", "yes"), &["012345…", "yes"]),
            ((20, 10), said("0123456789", "0123456789"), &["0123…", "0123…"]),
            ((20, 10), said("01234", "56789"), &["01234", "56789"]),
            ((1, 10), said("why?", "no"), &["why?", "no"]),
            ((20, 1), said("why?", "no"), &["…"]),
            ((0, 10), said("why?", "no"), &[]),
            ((20, 0), said("why?", "no"), &[]),
        ] {
            let _host = FakeHost::new();
            let (messages, characters) = memory;
            let memory = Memory { messages, characters, ..Memory::default() };
            for exchange in [turn(1), last] {
                Conversation::open("7", &memory).unwrap().add(&exchange).unwrap();
            }
            assert_eq!(remembered(&memory), expected, "{messages}, {characters}");
        }
    }

    #[test]
    fn something_else_under_the_key_is_told() {
        let _host = FakeHost::new();
        state::set("conversations/7", "text", None).unwrap();
        let error = Conversation::open("7", &Memory::default()).err().unwrap();
        assert_eq!(error.kind, StepErrorKind::Permanent);
        assert!(error.message.contains("under `conversations/7`"), "{error}");
    }
}
