//! What a node does, as it was written: its kind, and the fields of that kind.

use std::time::Duration;

use semver::VersionReq;
use serde_json::Value;

use super::call::{self, CallDraft, Source, empty, read_template, read_texts};
use super::cursor::{Cursor, Fields, Mistakes};
use super::read_schema;
use crate::expression::{Expression, Setting, Template};
use crate::failure::FailureKind;
use crate::id::WorkflowName;
use crate::mistake::code;
use crate::plan::{
    ApprovalWork, EmitWork, Escalation, Gate, NodeKind, OnItemError, OnReject, OnTimeout, RetryPolicy, Until,
    WaitWork, WhenOpen,
};
use crate::schema::Schema;

/// The most items of a map that run at the same time.
const MAX_CONCURRENCY: u64 = 1_000;

/// The most fallbacks of one node.
const MAX_FALLBACKS: usize = 16;

/// The most attempts until something holds.
const MAX_POLLS: u64 = 10_000;

/// What a node does, as far as it could be read.
#[expect(clippy::large_enum_variant, reason = "it lives for moments")]
pub(crate) enum WorkDraft {
    Step(StepDraft),
    Map {
        over: Template,
        concurrency: u32,
        on_item_error: OnItemError,
        step: StepDraft,
    },
    Wait(WaitWork),
    Approval(ApprovalWork),
    Callback {
        submit: StepDraft,
        expires: Duration,
        schema: Schema,
    },
    Workflow {
        place: String,
        workflow: Option<(WorkflowName, VersionReq)>,
        input: Template,
        input_place: String,
    },
    Emit(EmitWork),
}

/// A step with what surrounds it.
pub(crate) struct StepDraft {
    /// The call, and then its fallbacks.
    pub(crate) calls: Vec<CallDraft>,
    pub(crate) gate: Option<Gate>,
    pub(crate) until: Option<Until>,
    /// Where `cache` stands, and how long an output may be used.
    pub(crate) cache: Option<(String, Duration)>,
    pub(crate) when_open: Option<WhenOpen>,
}

/// The fields that say which kind a node is, beside `step`.
const KINDS: [(&str, NodeKind); 6] = [
    ("map", NodeKind::Map),
    ("wait", NodeKind::Wait),
    ("approval", NodeKind::Approval),
    ("callback", NodeKind::Callback),
    ("workflow", NodeKind::Workflow),
    ("emit", NodeKind::Emit),
];

/// The kind that a node's fields say it is; of two, the first.
pub(super) fn kind_of(node: &Cursor<'_>) -> NodeKind {
    let mut named = kinds_named(node);
    let Some(first) = named.next() else { return NodeKind::Step };
    if let Some(second) = named.next() {
        let message = format!("a node is one thing: this one has `{first}` and `{second}`");
        node.wrong_with_help(code::BAD_VALUE, message, "make two nodes of it");
    }
    KINDS.iter().find(|(name, _)| *name == first).map_or(NodeKind::Step, |(_, kind)| *kind)
}

/// The fields of a node that each say which kind it is.
pub(super) fn kinds_named<'n>(node: &'n Cursor<'_>) -> impl Iterator<Item = &'static str> + use<'n> {
    let value = node.value.as_object();
    KINDS.iter().map(|(name, _)| *name).filter(move |name| value.is_some_and(|node| node.contains_key(*name)))
}

/// The fields of a kind.
pub(super) fn fields_of(kind: NodeKind) -> &'static [&'static str] {
    macro_rules! with_step {
        ($($field:literal),*) => {
            &["step", "config", "input", "retry", "timeout", "limits", "grants", "fallback", "gate", "when_open", "compensate", $($field),*]
        };
    }
    match kind {
        NodeKind::Step => with_step!("until", "cache"),
        NodeKind::Map => with_step!("map", "until", "cache"),
        NodeKind::Callback => with_step!("callback"),
        NodeKind::Wait => &["wait"],
        NodeKind::Approval => &["approval"],
        NodeKind::Workflow => &["workflow", "input", "compensate"],
        NodeKind::Emit => &["emit"],
    }
}

/// Reads what a node of this kind does.
pub(super) fn read(kind: NodeKind, fields: &Fields<'_>, mistakes: &Mistakes) -> Option<WorkDraft> {
    let field = |name: &str| fields.get(name);
    Some(match kind {
        NodeKind::Step => WorkDraft::Step(read_step(fields, mistakes)),
        NodeKind::Map => read_map(&field("map")?, read_step(fields, mistakes), mistakes)?,
        NodeKind::Callback => read_callback(&field("callback")?, read_step(fields, mistakes), mistakes)?,
        NodeKind::Wait => WorkDraft::Wait(read_wait(&field("wait")?, mistakes)?),
        NodeKind::Approval => WorkDraft::Approval(read_approval(&field("approval")?, mistakes)?),
        NodeKind::Workflow => {
            let workflow = field("workflow")?;
            WorkDraft::Workflow {
                place: workflow.pointer.clone(),
                workflow: read_workflow(&workflow),
                input: field("input")
                    .map_or_else(|| Template::literal(empty()), |it| read_template(&it, mistakes)),
                input_place: fields.place("input"),
            }
        }
        NodeKind::Emit => WorkDraft::Emit(read_emit(&field("emit")?, mistakes)?),
    })
}

fn read_step(fields: &Fields<'_>, mistakes: &Mistakes) -> StepDraft {
    let mut calls = vec![call::read(&Source { own: fields, inherited: None }, mistakes)];
    match (fields.get("fallback"), fields.get("when_open")) {
        (Some(fallback), _) => calls.extend(read_fallbacks(&fallback, fields, mistakes)),
        (None, Some(open)) if open.value == "fallback" => open.futile(
            "the node has no `fallback` to go on with",
            "add a `fallback`, or write `\"when_open\": \"wait\"`",
        ),
        (None, _) => {}
    }
    StepDraft {
        calls,
        gate: fields.get("gate").and_then(|it| read_gate(&it, mistakes)),
        until: fields.get("until").and_then(|it| read_until(&it, mistakes)),
        cache: fields.get("cache").and_then(|it| read_cache(&it)),
        when_open: fields
            .get("when_open")
            .and_then(|it| it.word(&[("wait", WhenOpen::Wait), ("fallback", WhenOpen::Fallback)])),
    }
}

fn read_fallbacks(fallback: &Cursor<'_>, node: &Fields<'_>, mistakes: &Mistakes) -> Vec<CallDraft> {
    let items = fallback.items();
    if items.len() > MAX_FALLBACKS {
        let message = format!("{} fallbacks are more than {MAX_FALLBACKS}", items.len());
        fallback.wrong(code::TOO_LARGE, message);
        return Vec::new();
    }
    let read = |item: &Cursor<'_>| {
        let own = item.fields(&call::FIELDS)?;
        Some(call::read(&Source { own: &own, inherited: Some(node) }, mistakes))
    };
    items.iter().filter_map(read).collect()
}

fn read_expression(expression: &Cursor<'_>, mistakes: &Mistakes) -> Option<Expression> {
    mistakes.note(Expression::examine(expression.text()?, &expression.pointer, Setting::Run))
}

/// What a `gate` and an `until` are.
const EXPRESSION_OR_OBJECT: &str = "an expression in quotes, such as \"output.score > 0.8\", or an object";

/// What a `wait` and a `cache` are.
const DURATION_OR_OBJECT: &str = "a duration in quotes, such as \"20s\", or an object";

/// `"output.score > 0.8"`, or that as `that` with a `reason`.
fn read_gate(gate: &Cursor<'_>, mistakes: &Mistakes) -> Option<Gate> {
    if gate.value.is_string() {
        return Some(Gate { that: read_expression(gate, mistakes)?, reason: None });
    }
    let fields = gate.fields_wanting(EXPRESSION_OR_OBJECT, &["that", "reason"])?;
    let reason = fields.get("reason").and_then(|it| it.text().map(|_| read_template(&it, mistakes)));
    let that = fields.require("that", "write an expression: `\"that\": \"output.score > 0.8\"`")?;
    Some(Gate { that: read_expression(&that, mistakes)?, reason })
}

fn read_until(until: &Cursor<'_>, mistakes: &Mistakes) -> Option<Until> {
    let defaults = RetryPolicy {
        attempts: 100,
        delay: Duration::from_secs(2),
        factor: 1.5,
        cap: Duration::from_secs(60),
        jitter: false,
        on: vec![FailureKind::Until],
    };
    if until.value.is_string() {
        return Some(Until { that: read_expression(until, mistakes)?, pace: defaults });
    }
    let known = ["that", "attempts", "delay", "factor", "cap"];
    let fields = until.fields_wanting(EXPRESSION_OR_OBJECT, &known)?;
    let field = |name: &str| fields.get(name);
    let pace = RetryPolicy {
        attempts: field("attempts")
            .and_then(|it| it.count(1, MAX_POLLS))
            .and_then(|attempts| u32::try_from(attempts).ok())
            .unwrap_or(defaults.attempts),
        delay: field("delay").and_then(|it| it.duration()).unwrap_or(defaults.delay),
        factor: field("factor").and_then(|it| it.number(1.0, call::MAX_FACTOR)).unwrap_or(defaults.factor),
        cap: field("cap").and_then(|it| it.duration()).unwrap_or(defaults.cap),
        ..defaults
    };
    let that = fields.require("that", "write an expression: `\"that\": \"output.state == 'done'\"`")?;
    Some(Until { that: read_expression(&that, mistakes)?, pace })
}

/// `"1h"`, or `{"ttl": "1h"}`.
fn read_cache(cache: &Cursor<'_>) -> Option<(String, Duration)> {
    let ttl = match cache.value {
        Value::String(_) => cache.duration()?,
        _ => {
            let fields = cache.fields_wanting(DURATION_OR_OBJECT, &["ttl"])?;
            fields.require("ttl", "write how long: `\"ttl\": \"1h\"`")?.duration()?
        }
    };
    Some((cache.pointer.clone(), ttl))
}

fn read_map(map: &Cursor<'_>, step: StepDraft, mistakes: &Mistakes) -> Option<WorkDraft> {
    let fields = map.fields(&["over", "concurrency", "on_item_error"])?;
    let over = fields.require("over", "say which list: `\"over\": \"{{ input.documents }}\"`")?;
    let concurrency = fields.get("concurrency").and_then(|it| it.count(1, MAX_CONCURRENCY)).unwrap_or(10);
    let words = [("fail", OnItemError::Fail), ("continue", OnItemError::Continue)];
    let template = read_template(&over, mistakes);
    if !matches!(over.value, Value::String(_) | Value::Array(_)) {
        over.wrong(code::WRONG_TYPE, "a list is wanted here, or an expression that gives one");
    } else if template.is_text() {
        let message = "a list is wanted here, and this is a text whatever comes";
        over.futile(
            message,
            "write one expression and nothing around it: `\"over\": \"{{ input.documents }}\"`",
        );
    }
    Some(WorkDraft::Map {
        over: template,
        concurrency: u32::try_from(concurrency).unwrap_or(u32::MAX),
        on_item_error: fields.get("on_item_error").and_then(|it| it.word(&words)).unwrap_or_default(),
        step,
    })
}

fn read_callback(callback: &Cursor<'_>, submit: StepDraft, mistakes: &Mistakes) -> Option<WorkDraft> {
    let fields = callback.fields(&["expires", "schema"])?;
    let expires = fields.require("expires", "say how long the URL is good: `\"expires\": \"1h\"`")?;
    let schema = fields.get("schema").and_then(|it| read_schema(&it, mistakes));
    Some(WorkDraft::Callback {
        submit,
        expires: expires.duration()?,
        schema: schema.unwrap_or_else(Schema::any),
    })
}

const WAIT_FORM: &str = "write a duration (`\"10m\"`), `{\"for\": \"10m\"}`, `{\"until\": \"2026-12-24T18:00:00Z\"}` or `{\"signal\": \"name\", \"timeout\": \"1h\"}`; `for` and `until` may be expressions";

fn read_wait(wait: &Cursor<'_>, mistakes: &Mistakes) -> Option<WaitWork> {
    if wait.value.is_string() {
        return Some(WaitWork::For(read_moment(wait, mistakes, |text| text.duration().is_some())));
    }
    let fields = wait.fields_wanting(DURATION_OR_OBJECT, &["for", "until", "signal", "timeout"])?;
    let (length, until, signal) = (fields.get("for"), fields.get("until"), fields.get("signal"));
    if let (Some(timeout), None) = (fields.get("timeout"), &signal) {
        timeout.wrong(code::BAD_VALUE, "only a wait for a signal has a timeout");
    }
    match (length, until, signal) {
        (Some(length), None, None) => {
            Some(WaitWork::For(read_moment(&length, mistakes, |text| text.duration().is_some())))
        }
        (None, Some(until), None) => Some(WaitWork::Until(read_moment(&until, mistakes, |text| {
            let form =
                |text: &str, error: jiff::Error| format!("`{text}` is no time in RFC 3339 form: {error}");
            text.parse::<jiff::Timestamp>(code::BAD_VALUE, form).is_some()
        }))),
        (None, None, Some(signal)) => Some(WaitWork::Signal {
            name: read_signal(&signal)?,
            timeout: fields.get("timeout").and_then(|it| it.duration()),
        }),
        _ => {
            wait.wrong_with_help(
                code::BAD_VALUE,
                "one of `for`, `until` and `signal` is wanted here",
                WAIT_FORM,
            );
            None
        }
    }
}

fn read_signal(signal: &Cursor<'_>) -> Option<String> {
    let name = signal.text()?;
    if name.is_empty() {
        signal.wrong(code::BAD_VALUE, "name the signal that is waited for: `\"signal\": \"paid\"`");
        return None;
    }
    if name.contains("{{") {
        signal.futile(
            format!("no expression is evaluated here: a signal would have to be called `{name}`"),
            "write the name as it is: a signal goes to one run, so what it is about need not stand in its name",
        );
    }
    Some(name.to_owned())
}

/// A time or duration, checked now unless it is an expression.
fn read_moment(moment: &Cursor<'_>, mistakes: &Mistakes, check: impl Fn(&Cursor<'_>) -> bool) -> Template {
    if !moment.value.as_str().is_some_and(|text| text.contains("{{")) {
        let _noted = check(moment);
    }
    read_template(moment, mistakes)
}

fn read_approval(approval: &Cursor<'_>, mistakes: &Mistakes) -> Option<ApprovalWork> {
    let fields =
        approval.fields(&["show", "who", "form", "timeout", "on_timeout", "escalate", "on_reject"])?;
    let field = |name: &str| fields.get(name);
    let timeout_words =
        [("fail", OnTimeout::Fail), ("approve", OnTimeout::Approve), ("reject", OnTimeout::Reject)];
    let on_timeout = field("on_timeout").and_then(|it| it.word(&timeout_words));
    let timeout = field("timeout").and_then(|it| it.duration());
    if on_timeout.is_some() && field("timeout").is_none() {
        approval.wrong(code::MISSING_FIELD, "`on_timeout` needs a `timeout`");
    }
    let escalate = field("escalate").and_then(|it| read_escalation(&it, timeout));
    Some(ApprovalWork {
        show: field("show").map_or_else(|| Template::literal(Value::Null), |it| read_template(&it, mistakes)),
        who: field("who").and_then(|it| read_people(&it)).unwrap_or_default(),
        form: field("form").and_then(|it| read_schema(&it, mistakes)).unwrap_or_else(Schema::any),
        form_json: field("form").map(|it| it.value.clone()),
        timeout: timeout.map(|after| (after, on_timeout.unwrap_or_default())),
        escalate,
        on_reject: field("on_reject")
            .and_then(|it| it.word(&[("fail", OnReject::Fail), ("continue", OnReject::Continue)]))
            .unwrap_or_default(),
    })
}

fn read_escalation(escalate: &Cursor<'_>, timeout: Option<Duration>) -> Option<Escalation> {
    let fields = escalate.fields(&["after", "who"])?;
    let after = fields.require("after", "say after how long: `\"after\": \"4h\"`");
    let who = fields.require("who", "say who may decide then: `\"who\": [\"bob\"]`");
    let (after, who) = (after?, who?);
    let (length, people) = (after.duration(), read_people(&who));
    if let (Some(length), Some(timeout)) = (length, timeout)
        && length >= timeout
    {
        let message = "nobody else is ever asked: the question expires before, or at the same time";
        after.futile(message, "write less than the approval's `timeout`");
    }
    if people.as_ref().is_some_and(Vec::is_empty) {
        who.futile(
            "nobody else is asked then",
            "name the API keys that may decide too: `\"who\": [\"bob\"]`",
        );
    }
    Some(Escalation { after: length?, who: people? })
}

/// Names of API keys.
fn read_people(who: &Cursor<'_>) -> Option<Vec<String>> {
    let people = read_texts(who)?;
    for nobody in who.items().iter().filter(|it| it.value == "") {
        nobody.futile("no API key has an empty name", "write the name of a key: GET /v1/keys lists them");
    }
    Some(people)
}

const WORKFLOW_FORM: &str =
    "write it as name@range, such as `resize-images@^1`, or as a name for its newest version";

fn read_workflow(workflow: &Cursor<'_>) -> Option<(WorkflowName, VersionReq)> {
    let text = workflow.text()?;
    let (name, range) = text.split_once('@').unwrap_or((text, "*"));
    let wrong = |problem: String| workflow.wrong_with_help(code::BAD_STEP, problem, WORKFLOW_FORM);
    let name = WorkflowName::new(name).map_err(|invalid| wrong(invalid.to_string())).ok();
    let range =
        range.parse().map_err(|invalid| wrong(format!("`{range}` is no range of versions: {invalid}"))).ok();
    name.zip(range)
}

fn read_emit(emit: &Cursor<'_>, mistakes: &Mistakes) -> Option<EmitWork> {
    let fields = emit.fields(&["type", "subject", "data"])?;
    let event_type = fields.require("type", "name the event: `\"type\": \"com.example.order.paid\"`")?;
    if event_type.text()?.is_empty() {
        event_type.futile(
            "an event without a type is none",
            "name the event: `\"type\": \"com.example.order.paid\"`",
        );
    }
    Some(EmitWork {
        event_type: read_template(&event_type, mistakes),
        subject: fields.get("subject").and_then(|it| it.text().map(|_| read_template(&it, mistakes))),
        data: fields
            .get("data")
            .map_or_else(|| Template::literal(empty()), |it| read_template(&it, mistakes)),
    })
}
