//! One node, as it was written.

use std::time::Duration;

use semver::VersionReq;
use serde_json::Value;

use super::cursor::{Cursor, Fields, Mistakes};
use crate::expression::{Expression, Setting, Template};
use crate::failure::FailureKind;
use crate::grant::{Grants, HttpGrant};
use crate::id::{NodeId, SecretName, StepName};
use crate::limits::LimitKind;
use crate::mistake::code;
use crate::plan::{Join, RetryPolicy};

const FIELDS: &[&str] =
    &["step", "config", "input", "needs", "when", "join", "retry", "timeout", "limits", "grants"];

const STEP_FORM: &str = "write it as name@range, such as `llm-chat@^1` or `llm-chat@=1.2.0`";

/// The most attempts at one node.
const MAX_ATTEMPTS: u64 = 100;

/// The most by which a delay may grow from attempt to attempt.
const MAX_FACTOR: f64 = 100.0;

/// The failures that can end an attempt, and so be followed by another.
const RETRYABLE: &[FailureKind] = &[
    FailureKind::Retryable,
    FailureKind::Timeout,
    FailureKind::Permanent,
    FailureKind::InvalidInput,
    FailureKind::InvalidOutput,
    FailureKind::Limit,
    FailureKind::Trap,
    FailureKind::Replay,
    FailureKind::Internal,
];

/// A node, as far as it could be read.
pub(crate) struct NodeDraft<'a> {
    /// As written, good or not.
    pub(crate) name: &'a str,
    /// The name, if it is good.
    pub(crate) id: Option<NodeId>,
    /// The node's place.
    pub(crate) pointer: String,
    pub(crate) step: Option<(StepName, VersionReq)>,
    pub(crate) config: Value,
    pub(crate) input: Template,
    pub(crate) needs: Vec<Need<'a>>,
    pub(crate) when: Option<Expression>,
    pub(crate) join: Join,
    pub(crate) retry: RetryPolicy,
    pub(crate) limits: Vec<SetLimit>,
    pub(crate) grants: Option<Grants>,
}

/// A node that another one needs, as written.
pub(crate) struct Need<'a> {
    pub(crate) node: &'a str,
    pub(crate) pointer: String,
}

/// A limit that the node sets.
pub(crate) struct SetLimit {
    pub(crate) kind: LimitKind,
    pub(crate) value: u64,
    pub(crate) pointer: String,
}

/// Reads a node.
pub(super) fn read<'a>(name: &'a str, node: &Cursor<'a>, mistakes: &'a Mistakes) -> NodeDraft<'a> {
    let id = NodeId::new(name).map_err(|invalid| node.wrong(code::BAD_NAME, invalid.to_string())).ok();
    let fields = node.fields(FIELDS);
    let field = |name: &str| fields.as_ref().and_then(|fields| fields.get(name));
    NodeDraft {
        name,
        id,
        pointer: node.pointer.clone(),
        step: fields
            .as_ref()
            .and_then(|fields| fields.require("step", STEP_FORM))
            .and_then(|it| read_step(&it)),
        config: field("config").map_or_else(empty, |it| it.value.clone()),
        input: field("input").map_or_else(
            || Template::literal(empty()),
            |it| mistakes.note(Template::examine(it.value, &it.pointer, Setting::Run)),
        ),
        needs: field("needs").map(|it| read_needs(&it)).unwrap_or_default(),
        when: field("when")
            .and_then(|it| mistakes.note(Expression::examine(it.text()?, &it.pointer, Setting::Run))),
        join: field("join")
            .and_then(|it| it.word(&[("all", Join::All), ("any", Join::Any)]))
            .unwrap_or_default(),
        retry: field("retry").map_or_else(RetryPolicy::never, |it| read_retry(&it)),
        limits: field("timeout")
            .and_then(|it| read_timeout(&it))
            .into_iter()
            .chain(field("limits").map(|it| read_limits(&it)).unwrap_or_default())
            .collect(),
        grants: field("grants").map_or_else(|| Some(Grants::default()), |it| read_grants(&it)),
    }
}

fn empty() -> Value {
    Value::Object(serde_json::Map::new())
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

fn read_needs<'a>(needs: &Cursor<'a>) -> Vec<Need<'a>> {
    let mut known: Vec<Need<'a>> = Vec::new();
    for need in needs.items() {
        let Some(node) = need.text() else { continue };
        if known.iter().any(|other| other.node == node) {
            need.wrong(code::DUPLICATE, format!("`{node}` stands here twice"));
            continue;
        }
        known.push(Need { node, pointer: need.pointer });
    }
    known
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
    let fields = grants.fields(&["http", "secrets"])?;
    let http = fields.get("http").map(|it| it.items()).unwrap_or_default();
    let secrets = fields.get("secrets").map(|it| it.entries()).unwrap_or_default();
    let http: Vec<_> = http.iter().map(read_http_grant).collect();
    let secrets: Vec<_> = secrets.iter().map(|(name, hosts)| read_secret(name, hosts)).collect();
    Some(Grants {
        http: http.into_iter().collect::<Option<_>>()?,
        secrets: secrets.into_iter().collect::<Option<_>>()?,
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

fn read_texts(texts: &Cursor<'_>) -> Option<Vec<String>> {
    let texts: Vec<_> = texts.items().iter().map(Cursor::text).collect();
    texts.into_iter().map(|text| text.map(str::to_owned)).collect()
}
