//! `state`: small values that a workflow keeps.
//!
//! The attempt's host keeps them, and records each answer together with what it changes; here a call is judged, and put to it.

use serde_json::{Value, json};
use stepwell_core::digest::Digest;
use stepwell_core::failure::{Failure, FailureKind};
use stepwell_core::grant::Grants;
use stepwell_core::manifest::Capability;
use stepwell_core::mistake::Mistake;
use stepwell_core::state::{StateAnswer, StateCall, StateEntry, StateError, StateKey, check_size};
use stepwell_core::wildcard::Wildcard;
use wasmtime::component::{HasSelf, Linker};

use super::parse_json;
use crate::attempt::Exchange;
use crate::bindings::stepwell::step::state as wit;
use crate::effects::{Answered, Ask, Reply};
use crate::guest::GuestState;

pub(crate) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    wit::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
}

/// What is wrong with a node's grants of keys, with pointers into the grants.
pub(crate) fn check(grants: &Grants) -> Vec<Mistake> {
    let patterns = grants.state.iter().enumerate();
    let mistake = |(index, pattern): (usize, &String)| {
        let why = pattern.parse::<Wildcard>().err()?;
        Some(
            Mistake::new(
                format!("/state/{index}"),
                "invalid-grant-state",
                format!("`{pattern}` covers no key: {why}"),
            )
            .with_help("write a key such as `cursor`, or `conversations/*` for all that begin so"),
        )
    };
    patterns.filter_map(mistake).collect()
}

impl wit::Host for GuestState {
    async fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<wit::Entry>, wit::StateError>> {
        self.enter("state.get")?;
        let answer = self.state("get", &key, None, |key| StateCall::Get { key }).await?;
        Ok(match answer {
            StateAnswer::Entry(entry) => Ok(entry.as_ref().map(told)),
            other => Err(refusal(other)?),
        })
    }

    async fn set(
        &mut self,
        key: String,
        value: String,
        ttl_ms: Option<u64>,
    ) -> wasmtime::Result<Result<u64, wit::StateError>> {
        self.enter("state.set")?;
        let json = parse_json("a value of the state", &value)?;
        let call = |key| StateCall::Set { key, value: json, ttl_ms };
        Ok(match self.state("set", &key, Some(&value), call).await? {
            StateAnswer::Version(version) => Ok(version),
            other => Err(refusal(other)?),
        })
    }

    async fn compare_and_swap(
        &mut self,
        key: String,
        version: Option<u64>,
        value: String,
        ttl_ms: Option<u64>,
    ) -> wasmtime::Result<Result<wit::Swap, wit::StateError>> {
        self.enter("state.compare-and-swap")?;
        let json = parse_json("a value of the state", &value)?;
        let call = |key| StateCall::CompareAndSwap { key, version, value: json, ttl_ms };
        Ok(match self.state("compare-and-swap", &key, Some(&value), call).await? {
            StateAnswer::Swapped(version) => Ok(wit::Swap::Done(version)),
            StateAnswer::Lost(entry) => Ok(wit::Swap::Lost(entry.as_ref().map(told))),
            other => Err(refusal(other)?),
        })
    }

    async fn delete(&mut self, key: String) -> wasmtime::Result<Result<bool, wit::StateError>> {
        self.enter("state.delete")?;
        let answer = self.state("delete", &key, None, |key| StateCall::Delete { key }).await?;
        Ok(match answer {
            StateAnswer::Deleted(was_there) => Ok(was_there),
            other => Err(refusal(other)?),
        })
    }
}

impl GuestState {
    /// One call, as an effect.
    async fn state(
        &mut self,
        name: &'static str,
        key: &str,
        value: Option<&str>,
        call: impl FnOnce(StateKey) -> StateCall,
    ) -> Result<StateAnswer, Failure> {
        self.meter.sent.take((key.len() + value.map_or(0, str::len)) as u64)?;
        let slot = self.effects.reserve();
        let call = self.judge(key, value).map(call);
        let asked = call.as_ref().map_or_else(|_| json!([name, key, value]), |call| json!(call));
        let ask = Ask {
            capability: Capability::State,
            summary: format!("{name} {}", key.escape_debug().take(200).collect::<String>()),
            digest: Digest::of(asked.to_string().as_bytes()),
            destination: None,
        };
        let host = &self.host;
        let answer = slot
            .record(ask, |asked| async move {
                match call {
                    Ok(call) => host.state(call, asked).await.map(Answered::Recorded),
                    Err(error) => Ok(Answered::New(asked.answered(json!(StateAnswer::Error(error))))),
                }
            })
            .await?;
        self.meter.received.take(size_of(&answer))?;
        Ok(answer)
    }

    /// The key, if it is one that the node may use with a value that may be kept.
    fn judge(&self, text: &str, value: Option<&str>) -> Result<StateKey, StateError> {
        let key: StateKey = text.parse().map_err(|error: stepwell_core::state::InvalidStateKey| {
            StateError::InvalidKey(error.to_string())
        })?;
        if !self.granted_keys.iter().any(|granted| granted.matches(text)) {
            return Err(StateError::Denied(format!(
                "no grant of this node covers the key `{key}` of the state: to allow it, add to the node \"grants\": {{\"state\": \
                 [{}]}}",
                json!(key)
            )));
        }
        value.map_or(Ok(()), |value| check_size(value.len())).map(|()| key)
    }
}

/// The keys that a node is granted. A pattern that [`check`] finds fault with covers nothing.
pub(crate) fn granted(grants: &Grants) -> Vec<Wildcard> {
    grants.state.iter().filter_map(|pattern| pattern.parse().ok()).collect()
}

impl Reply for StateAnswer {
    /// Nothing left the machine.
    fn exchange(&self) -> Exchange {
        Exchange::Inconclusive
    }
}

fn size_of(answer: &StateAnswer) -> u64 {
    let value = |entry: &StateEntry| match &entry.value {
        Value::String(text) => text.len(),
        value => value.to_string().len(),
    };
    match answer {
        StateAnswer::Entry(Some(entry)) | StateAnswer::Lost(Some(entry)) => value(entry) as u64,
        _ => 0,
    }
}

fn told(entry: &StateEntry) -> wit::Entry {
    wit::Entry { value: entry.value.to_string(), version: entry.version }
}

/// Why it could not be done, if that is the answer; any other answers another call.
fn refusal(answer: StateAnswer) -> Result<wit::StateError, Failure> {
    match answer {
        StateAnswer::Error(StateError::Denied(message)) => Ok(wit::StateError::Denied(message)),
        StateAnswer::Error(StateError::InvalidKey(message)) => Ok(wit::StateError::InvalidKey(message)),
        StateAnswer::Error(StateError::TooLarge(message)) => Ok(wit::StateError::TooLarge(message)),
        other => Err(Failure::new(
            FailureKind::Internal,
            format!("a call of the state was answered with {other:?}"),
        )),
    }
}
