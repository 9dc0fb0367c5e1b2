//! A step to call, as it was written: which one, with what, granted what, within which limits.
//!
//! The same fields stand in a node, in each of its fallbacks and in what compensates it.

use std::time::Duration;

use semver::VersionReq;
use serde_json::Value;

use super::cursor::{Cursor, Fields, Mistakes};
use crate::expression::{Setting, Template};
use crate::failure::FailureKind;
use crate::grant::{Grants, HttpGrant};
use crate::id::{SecretName, StepName};
use crate::limits::LimitKind;
use crate::mistake::code;
use crate::plan::RetryPolicy;

/// The fields of a call.
pub(super) const FIELDS: [&str; 7] = ["step", "config", "input", "retry", "timeout", "limits", "grants"];

const STEP_FORM: &str = "write it as name@range, such as `llm-chat@^1` or `llm-chat@=1.2.0`";

/// The most attempts at one node.
const MAX_ATTEMPTS: u64 = 100;

/// The most by which a delay may grow from attempt to attempt.
pub(super) const MAX_FACTOR: f64 = 100.0;

/// The failures that can end an attempt, and so be followed by another.
const RETRYABLE: &[FailureKind] = &[
    FailureKind::Retryable,
    FailureKind::Timeout,
    FailureKind::Permanent,
    FailureKind::InvalidInput,
    FailureKind::InvalidOutput,
    FailureKind::Limit,
    FailureKind::Trap,
    FailureKind::Gate,
    FailureKind::CircuitOpen,
    FailureKind::Replay,
    FailureKind::Internal,
];

/// A call, as far as it could be read.
pub(crate) struct CallDraft {
    pub(crate) places: Places,
    pub(crate) step: Option<(StepName, VersionReq)>,
    pub(crate) config: Value,
    pub(crate) input: Template,
    pub(crate) retry: RetryPolicy,
    pub(crate) limits: Vec<SetLimit>,
    pub(crate) grants: Option<Grants>,
    /// Whether the grants are those of the node whose fallback it is, which need not all be of use to it.
    pub(crate) grants_are_inherited: bool,
    /// Whether they say themselves that no request is to be sent: `"http": []`.
    pub(crate) sends_nothing: bool,
}

/// Where the parts of a call stand: a fallback has some of them from its node.
pub(crate) struct Places {
    pub(crate) step: String,
    pub(crate) config: String,
    pub(crate) input: String,
    pub(crate) grants: String,
}

/// A limit that the node sets.
pub(crate) struct SetLimit {
    pub(crate) kind: LimitKind,
    pub(crate) value: u64,
    pub(crate) pointer: String,
}

/// Where a call's fields stand: its own, and those of the node whose fallback it is.
pub(super) struct Source<'f, 'a> {
    pub(super) own: &'f Fields<'a>,
    pub(super) inherited: Option<&'f Fields<'a>>,
}

impl<'a> Source<'_, 'a> {
    fn get(&self, name: &str) -> Option<Cursor<'a>> {
        self.own.get(name).or_else(|| self.inherited?.get(name))
    }

    /// The config of another step would not fit this one.
    fn config(&self) -> Option<Cursor<'a>> {
        let has_own_step = self.own.get("step").is_some();
        self.own.get("config").or_else(|| self.inherited.filter(|_| !has_own_step)?.get("config"))
    }

    fn step(&self) -> Option<Cursor<'a>> {
        match self.inherited {
            None => self.own.require("step", STEP_FORM),
            Some(_) => self.get("step"),
        }
    }

    fn place(&self, name: &str, found: Option<&Cursor<'a>>) -> String {
        found.map_or_else(|| self.own.place(name), |field| field.pointer.clone())
    }
}

/// Reads a call.
pub(super) fn read(source: &Source<'_, '_>, mistakes: &Mistakes) -> CallDraft {
    let (step, config, input) = (source.step(), source.config(), source.get("input"));
    let grants = source.get("grants");
    let grants_are_inherited = grants.is_some() && source.own.get("grants").is_none();
    let sends_nothing = grants.as_ref().is_some_and(|it| it.value["http"] == Value::Array(Vec::new()));
    CallDraft {
        places: Places {
            step: source.place("step", step.as_ref()),
            config: source.place("config", config.as_ref()),
            input: source.place("input", input.as_ref()),
            grants: source.place("grants", grants.as_ref()),
        },
        step: step.and_then(|it| read_step(&it)),
        config: config.map_or_else(empty, |it| it.value.clone()),
        input: input.map_or_else(|| Template::literal(empty()), |it| read_template(&it, mistakes)),
        retry: source.get("retry").map_or_else(RetryPolicy::never, |it| read_retry(&it)),
        limits: source
            .get("timeout")
            .and_then(|it| read_timeout(&it))
            .into_iter()
            .chain(source.get("limits").map(|it| read_limits(&it)).unwrap_or_default())
            .collect(),
        grants: grants.map_or_else(|| Some(Grants::default()), |it| read_grants(&it)),
        grants_are_inherited,
        sends_nothing,
    }
}

/// What an input is that was not written.
pub(super) fn empty() -> Value {
    Value::Object(serde_json::Map::new())
}

/// Reads JSON with expressions in it.
pub(super) fn read_template(template: &Cursor<'_>, mistakes: &Mistakes) -> Template {
    mistakes.note(Template::examine(template.value, &template.pointer, Setting::Run))
}

fn read_step(step: &Cursor<'_>) -> Option<(StepName, VersionReq)> {
    let text = step.text()?;
    let Some((name, range)) = text.split_once('@') else {
        step.wrong_with_help(code::BAD_STEP, format!("`{text}` names no version"), STEP_FORM);
        return None;
    };
    let wrong = |problem: String| step.wrong_with_help(code::BAD_STEP, problem, STEP_FORM);
    let name = StepName::new(name).map_err(|invalid| wrong(invalid.to_string())).ok();
    let range =
        range.parse().map_err(|invalid| wrong(format!("`{range}` is no range of versions: {invalid}"))).ok();
    name.zip(range)
}

fn read_retry(retry: &Cursor<'_>) -> RetryPolicy {
    let defaults = RetryPolicy::default();
    let Some(fields) = retry.fields(&["attempts", "delay", "factor", "cap", "jitter", "on"]) else {
        return defaults;
    };
    let field = |name: &str| fields.get(name);
    RetryPolicy {
        attempts: field("attempts")
            .and_then(|it| it.count(1, MAX_ATTEMPTS))
            .and_then(|attempts| u32::try_from(attempts).ok())
            .unwrap_or(defaults.attempts),
        delay: field("delay").and_then(|it| it.duration()).unwrap_or(defaults.delay),
        factor: field("factor").and_then(|it| it.number(1.0, MAX_FACTOR)).unwrap_or(defaults.factor),
        cap: field("cap").and_then(|it| it.duration()).unwrap_or(defaults.cap),
        jitter: field("jitter").and_then(|it| it.boolean()).unwrap_or(defaults.jitter),
        on: field("on").map_or(defaults.on, |it| read_failure_kinds(&it)),
    }
}

fn read_failure_kinds(kinds: &Cursor<'_>) -> Vec<FailureKind> {
    let words: Vec<(&str, FailureKind)> = RETRYABLE.iter().map(|kind| (kind.as_str(), *kind)).collect();
    kinds.items().iter().filter_map(|kind| kind.word(&words)).collect()
}

fn read_timeout(timeout: &Cursor<'_>) -> Option<SetLimit> {
    let duration: Duration = timeout.duration()?;
    let value = u64::try_from(duration.as_millis()).ok()?;
    Some(SetLimit { kind: LimitKind::TimeMs, value, pointer: timeout.pointer.clone() })
}

fn read_limits(limits: &Cursor<'_>) -> Vec<SetLimit> {
    let kinds = LimitKind::ALL.iter().filter(|kind| **kind != LimitKind::TimeMs);
    let known: Vec<&str> = kinds.clone().map(|kind| kind.as_str()).collect();
    let Some(fields) = limits.fields(&known) else { return Vec::new() };
    kinds.filter_map(|kind| read_limit(*kind, &fields)).collect()
}

fn read_limit(kind: LimitKind, fields: &Fields<'_>) -> Option<SetLimit> {
    let limit = fields.get(kind.as_str())?;
    let value = if kind.is_bytes() { limit.size() } else { limit.count(1, u64::MAX) };
    Some(SetLimit { kind, value: value?, pointer: limit.pointer })
}

/// All of a node's grants, or none: pointers into them must not shift.
fn read_grants(grants: &Cursor<'_>) -> Option<Grants> {
    let fields = grants.fields(&["http", "secrets", "state"])?;
    let http = fields.get("http").map(|it| it.items()).unwrap_or_default();
    let secrets = fields.get("secrets").map(|it| it.entries()).unwrap_or_default();
    let http: Vec<_> = http.iter().map(read_http_grant).collect();
    let secrets: Vec<_> = secrets.iter().map(|(name, hosts)| read_secret(name, hosts)).collect();
    let state = fields.get("state").map_or_else(|| Some(Vec::new()), |it| read_texts(&it));
    Some(Grants {
        http: http.into_iter().collect::<Option<_>>()?,
        secrets: secrets.into_iter().collect::<Option<_>>()?,
        state: state?,
    })
}

fn read_http_grant(grant: &Cursor<'_>) -> Option<HttpGrant> {
    let fields = grant.fields(&["host", "methods", "paths"])?;
    let texts = |name: &str| fields.get(name).map_or_else(|| Some(Vec::new()), |it| read_texts(&it));
    let (methods, paths) = (texts("methods"), texts("paths"));
    let host = fields.require("host", "write it like `{\"host\": \"api.example.com\"}`")?.text()?.to_owned();
    Some(HttpGrant { host, methods: methods?, paths: paths? })
}

fn read_secret(name: &str, hosts: &Cursor<'_>) -> Option<(SecretName, Vec<String>)> {
    let name = SecretName::new(name).map_err(|invalid| hosts.wrong(code::BAD_NAME, invalid.to_string())).ok();
    let hosts = read_texts(hosts);
    Some((name?, hosts?))
}

pub(super) fn read_texts(texts: &Cursor<'_>) -> Option<Vec<String>> {
    let texts: Vec<_> = texts.items().iter().map(Cursor::text).collect();
    texts.into_iter().map(|text| text.map(str::to_owned)).collect()
}
