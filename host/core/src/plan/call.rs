//! One call of a step: does what was written fit the step, its grants and its limits?

use std::fmt::Display;
use std::sync::Arc;

use semver::{Version, VersionReq};
use serde_json::Value;

use super::node::Site;
use super::references::{self, Reader};
use super::{Call, LockSlot, LockedStep, Resolution, fit};
use crate::definition::CallDraft;
use crate::limits::Limits;
use crate::manifest::{Capability, PublishedStep};
use crate::mistake::{Mistake, code};
use crate::pointer;
use crate::schema::{InvalidSchema, Schema, SchemaViolation};

/// What a call is to its node.
#[derive(Clone, Copy)]
pub(super) struct Role<'a> {
    /// The node.
    pub(super) at: usize,
    /// What its input may name beside what every expression sees.
    pub(super) locals: &'a [&'a str],
}

/// Notes what does not fit; the call, unless something is missing for it.
pub(super) fn plan(
    draft: CallDraft,
    slot: Option<&LockSlot>,
    role: Role<'_>,
    site: &Site<'_>,
) -> Option<Call> {
    check_input(&draft, role, site);
    check_grants(&draft, site);
    let limits = limits(&draft, site);
    let step = resolve(&draft, slot?, site)?;
    check_capabilities(&draft, &step, site);
    let [config_schema, input_schema, output_schema] = schemas(&draft, &step, site)?;
    if let Err(violations) = config_schema.check(&draft.config) {
        note(violations, &draft.places.config, code::CONFIG_MISMATCH, site);
    }
    note(fit::misfits(draft.input.root(), &input_schema), &draft.places.input, code::INPUT_MISMATCH, site);
    Some(Call {
        effect_free: step.is_effect_free(),
        step: lock(&step),
        config: Arc::from(draft.config.to_string()),
        config_schema,
        input: draft.input,
        input_schema,
        output_schema,
        grants: Arc::new(draft.grants?),
        retry: draft.retry,
        limits,
    })
}

fn lock(step: &PublishedStep) -> LockedStep {
    LockedStep {
        name: step.manifest.name.clone(),
        version: step.manifest.version.clone(),
        digest: step.digest,
    }
}

fn check_input(draft: &CallDraft, role: Role<'_>, site: &Site<'_>) {
    let input = draft.input.references();
    references::check_nodes(input, Reader::Node(role.at), site.graph, site.mistakes);
    references::check_locals(input, role.locals, site.mistakes);
    if let Some(grants) = &draft.grants {
        references::check_secrets(input, grants, site.mistakes);
    }
}

fn check_grants(draft: &CallDraft, site: &Site<'_>) {
    let Some(grants) = &draft.grants else { return };
    let place = &draft.places.grants;
    let wrong = site.surroundings.check_grants(grants);
    site.mistakes.add_all(
        wrong.into_iter().map(|mistake| Mistake { pointer: place.clone() + &mistake.pointer, ..mistake }),
    );
}

fn limits(draft: &CallDraft, site: &Site<'_>) -> Limits {
    let ceiling = site.surroundings.ceiling();
    let mut limits = Limits::default().below(&ceiling);
    for set in &draft.limits {
        let most = ceiling.get(set.kind);
        if set.value > most {
            let message =
                format!("`{}` of {} is above the operator's ceiling of {most}", set.kind.as_str(), set.value);
            site.mistakes.add(Mistake::new(&set.pointer, code::ABOVE_CEILING, message));
        }
        limits.set(set.kind, set.value);
    }
    limits
}

fn resolve(draft: &CallDraft, slot: &LockSlot, site: &Site<'_>) -> Option<Arc<PublishedStep>> {
    let (name, range) = draft.step.as_ref()?;
    match site.surroundings.resolve(slot, name, range) {
        Resolution::Found(step) => Some(step),
        Resolution::Missing(published) => {
            site.mistakes.add(missing("step", &draft.places.step, name, range, &published));
            None
        }
        Resolution::Offline => None,
    }
}

/// There is no step or workflow of this name, or no version in the range.
pub(super) fn missing(
    what: &str,
    place: &str,
    name: impl Display,
    range: &VersionReq,
    there: &[Version],
) -> Mistake {
    let (done, command, unknown) = match what {
        "step" => ("published", "stepwell step publish", code::UNKNOWN_STEP),
        _ => ("applied", "stepwell workflow apply", code::UNKNOWN_WORKFLOW),
    };
    if there.is_empty() {
        return Mistake::new(place, unknown, format!("no {what} `{name}` is {done}")).with_help(format!(
            "{} it first: `{command}`",
            if what == "step" { "publish" } else { "apply" }
        ));
    }
    let versions: Vec<String> = there.iter().map(Version::to_string).collect();
    let message = format!("no {done} version of `{name}` is in the range `{range}`");
    Mistake::new(place, code::NO_MATCHING_VERSION, message)
        .with_help(format!("{done}: {}", versions.join(", ")))
}

/// The schemas of config, input and output, if all of them are schemas.
fn schemas(draft: &CallDraft, step: &PublishedStep, site: &Site<'_>) -> Option<[Schema; 3]> {
    let manifest = &step.manifest;
    let config = compile_schema("config", &manifest.config_schema, draft, site);
    let input = compile_schema("input", &manifest.input_schema, draft, site);
    let output = compile_schema("output", &manifest.output_schema, draft, site);
    Some([config?, input?, output?])
}

fn compile_schema(what: &str, schema: &Value, draft: &CallDraft, site: &Site<'_>) -> Option<Schema> {
    let note = |invalid: InvalidSchema| {
        let message = format!("the step's {what} schema is broken at `{}`: {invalid}", invalid.pointer);
        site.mistakes.add(Mistake::new(&draft.places.step, code::BAD_SCHEMA, message));
    };
    Schema::compile(schema).map_err(note).ok()
}

pub(super) fn note(violations: Vec<SchemaViolation>, place: &str, code: &str, site: &Site<'_>) {
    site.mistakes.add_all(
        violations
            .into_iter()
            .map(|violation| Mistake::new(place.to_owned() + &violation.pointer, code, violation.message)),
    );
}

/// A step that can send requests wants to be told where; one that cannot has no use for it.
fn check_capabilities(draft: &CallDraft, step: &PublishedStep, site: &Site<'_>) {
    let Some(grants) = &draft.grants else { return };
    let name = &step.manifest.name;
    let can_send = step.effects.contains(&Capability::Http);
    if can_send && grants.http.is_empty() && !draft.sends_nothing {
        let message = format!("the step `{name}` can send HTTP requests, and nothing is granted to it");
        let help = r#"say where it may send: "grants": {"http": [{"host": "api.example.com", "methods": ["POST"]}]}; or that it sends none: "http": []"#;
        site.mistakes.add(Mistake::new(&draft.places.grants, code::GRANT_MISSING, message).with_help(help));
    }
    let unused = |place: &str, interface: &str, what: &str| {
        let message = format!("the step `{name}` does not import `{interface}`, so it has no use for {what}");
        let help = format!("remove `{}`", place.rsplit('/').next().unwrap_or(place));
        site.mistakes.add(Mistake::new(place, code::GRANT_UNUSED, message).with_help(help));
    };
    if draft.grants_are_inherited {
        return;
    }
    if !can_send && (!grants.http.is_empty() || !grants.secrets.is_empty()) {
        unused(&draft.places.grants, "http", "grants of requests and secrets");
    }
    if !step.effects.contains(&Capability::State) && !grants.state.is_empty() {
        unused(&pointer::field(&draft.places.grants, "state"), "state", "grants of its keys");
    }
}
