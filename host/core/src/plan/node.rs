//! One node: does what was written fit its step, its grants and its limits?

use std::sync::Arc;

use semver::{Version, VersionReq};
use serde_json::Value;

use super::graph::Graph;
use super::references::{self, Reader};
use super::{LockedStep, PlannedNode, Resolution, Surroundings, fit};
use crate::definition::{Mistakes, NodeDraft};
use crate::grant::Grants;
use crate::id::{NodeId, StepName};
use crate::limits::Limits;
use crate::manifest::{Capability, PublishedStep};
use crate::mistake::{Mistake, code};
use crate::pointer;
use crate::schema::{InvalidSchema, Schema, SchemaViolation};

/// What a node is planned in.
pub(super) struct Site<'a> {
    pub(super) graph: &'a Graph<'a>,
    /// The ids of the nodes by their index in the graph; none where the name is bad.
    pub(super) ids: &'a [Option<NodeId>],
    pub(super) surroundings: &'a dyn Surroundings,
    pub(super) mistakes: &'a Mistakes,
}

/// Notes what does not fit; the planned node, unless something is missing for it.
pub(super) fn plan(draft: NodeDraft<'_>, at: usize, site: &Site<'_>) -> Option<PlannedNode> {
    check_references(&draft, at, site);
    check_grants(&draft, site);
    let limits = limits(&draft, site);
    let step = resolve(&draft, site);
    let (input_schema, output_schema) = match &step {
        Some(step) => check_against(&draft, step, site)?,
        None => return None,
    };
    let step = step?;
    Some(PlannedNode {
        id: draft.id?,
        needs: ids(site.graph.needs(at), site)?,
        dependents: ids(site.graph.dependents(at), site)?,
        join: draft.join,
        when: draft.when,
        effect_free: step.is_effect_free(),
        step: lock(&step),
        config: Arc::from(draft.config.to_string()),
        input: draft.input,
        input_schema,
        output_schema,
        grants: Arc::new(draft.grants?),
        retry: draft.retry,
        limits,
    })
}

fn ids(nodes: &[usize], site: &Site<'_>) -> Option<Vec<NodeId>> {
    nodes.iter().map(|node| site.ids[*node].clone()).collect()
}

fn lock(step: &PublishedStep) -> LockedStep {
    LockedStep {
        name: step.manifest.name.clone(),
        version: step.manifest.version.clone(),
        digest: step.digest,
    }
}

fn check_references(draft: &NodeDraft<'_>, at: usize, site: &Site<'_>) {
    if let Some(when) = &draft.when {
        references::check_nodes(when.references(), Reader::Node(at), site.graph, site.mistakes);
        references::refuse_secrets(when.references(), site.mistakes);
    }
    let input = draft.input.references();
    references::check_nodes(input, Reader::Node(at), site.graph, site.mistakes);
    if let Some(grants) = &draft.grants {
        references::check_secrets(input, grants, site.mistakes);
    }
}

fn check_grants(draft: &NodeDraft<'_>, site: &Site<'_>) {
    let Some(grants) = &draft.grants else { return };
    let place = pointer::field(&draft.pointer, "grants");
    let wrong = site.surroundings.check_grants(grants);
    site.mistakes.add_all(
        wrong.into_iter().map(|mistake| Mistake { pointer: place.clone() + &mistake.pointer, ..mistake }),
    );
}

fn limits(draft: &NodeDraft<'_>, site: &Site<'_>) -> Limits {
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

fn resolve(draft: &NodeDraft<'_>, site: &Site<'_>) -> Option<Arc<PublishedStep>> {
    let (name, range) = draft.step.as_ref()?;
    let id = draft.id.as_ref()?;
    match site.surroundings.resolve(id, name, range) {
        Resolution::Found(step) => Some(step),
        Resolution::Missing(published) => {
            let place = pointer::field(&draft.pointer, "step");
            site.mistakes.add(missing_step(place, name, range, &published));
            None
        }
        Resolution::Offline => None,
    }
}

fn missing_step(place: String, name: &StepName, range: &VersionReq, published: &[Version]) -> Mistake {
    if published.is_empty() {
        return Mistake::new(place, code::UNKNOWN_STEP, format!("no step `{name}` is published"))
            .with_help("publish it first: `stepwell step publish`");
    }
    let versions: Vec<String> = published.iter().map(Version::to_string).collect();
    Mistake::new(
        place,
        code::NO_MATCHING_VERSION,
        format!("no published version of `{name}` is in the range `{range}`"),
    )
    .with_help(format!("published: {}", versions.join(", ")))
}

/// Checks what the step's manifest and imports say; gives the schemas of its input and output.
fn check_against(draft: &NodeDraft<'_>, step: &PublishedStep, site: &Site<'_>) -> Option<(Schema, Schema)> {
    check_capabilities(draft, step, site);
    let manifest = &step.manifest;
    let schema = |what: &str, schema| compile_schema(what, schema, draft, site);
    let config = schema("config", &manifest.config_schema);
    let input = schema("input", &manifest.input_schema);
    let output = schema("output", &manifest.output_schema);
    if let Some(Err(violations)) = config.map(|schema| schema.check(&draft.config)) {
        note(violations, draft, "config", code::CONFIG_MISMATCH, site);
    }
    if let Some(schema) = &input {
        note(fit::misfits(draft.input.root(), schema), draft, "input", code::INPUT_MISMATCH, site);
    }
    input.zip(output)
}

fn compile_schema(what: &str, schema: &Value, draft: &NodeDraft<'_>, site: &Site<'_>) -> Option<Schema> {
    let note = |invalid: InvalidSchema| {
        let message = format!("the step's {what} schema is broken at `{}`: {invalid}", invalid.pointer);
        site.mistakes.add(Mistake::new(pointer::field(&draft.pointer, "step"), code::BAD_SCHEMA, message));
    };
    Schema::compile(schema).map_err(note).ok()
}

fn note(violations: Vec<SchemaViolation>, draft: &NodeDraft<'_>, field: &str, code: &str, site: &Site<'_>) {
    let place = pointer::field(&draft.pointer, field);
    site.mistakes.add_all(
        violations
            .into_iter()
            .map(|violation| Mistake::new(place.clone() + &violation.pointer, code, violation.message)),
    );
}

/// A step that can send requests wants to be told where; one that cannot has no use for it.
fn check_capabilities(draft: &NodeDraft<'_>, step: &PublishedStep, site: &Site<'_>) {
    let Some(grants) = &draft.grants else { return };
    let name = &step.manifest.name;
    let can_send = step.effects.contains(&Capability::Http);
    if can_send && grants.http.is_empty() {
        let message = format!("the step `{name}` can send HTTP requests, and nothing is granted to it");
        let help = r#"say where it may send: "grants": {"http": [{"host": "api.example.com", "methods": ["POST"]}]}"#;
        site.mistakes.add(
            Mistake::new(pointer::field(&draft.pointer, "grants"), code::GRANT_MISSING, message)
                .with_help(help),
        );
    }
    if !can_send && *grants != Grants::default() {
        let message = format!("the step `{name}` does not import `http`, so it has no use for grants");
        site.mistakes.add(
            Mistake::new(pointer::field(&draft.pointer, "grants"), code::GRANT_UNUSED, message)
                .with_help("remove `grants`"),
        );
    }
}
