//! Each kind of mistake with its place, all of them at once, and what a good definition becomes.

mod futile;
mod mistakes;
mod plans;

use std::sync::Arc;

use semver::{Version, VersionReq};
use serde_json::{Value, json};

use super::{
    LockSlot, LockedWorkflow, Plan, PublishedWorkflow, Resolution, Surroundings, WorkflowResolution, compile,
};
use crate::digest::Digest;
use crate::grant::Grants;
use crate::id::{StepName, WorkflowName};
use crate::limits::Limits;
use crate::manifest::{Capability, Manifest, PublishedStep};
use crate::mistake::Mistake;
use crate::schema::Schema;

/// A catalogue of three steps: `echo` takes anything, `chat` is picky and sends requests, `old` has old versions only.
struct Catalogue;

impl Surroundings for Catalogue {
    fn resolve(&self, _: &LockSlot, name: &StepName, range: &VersionReq) -> Resolution {
        let versions: Vec<PublishedStep> =
            steps().into_iter().filter(|step| step.manifest.name == *name).collect();
        let newest = versions
            .iter()
            .filter(|step| range.matches(&step.manifest.version))
            .max_by_key(|step| step.manifest.version.clone());
        match newest {
            Some(step) => Resolution::Found(Arc::new(step.clone())),
            None => Resolution::Missing(versions.into_iter().map(|step| step.manifest.version).collect()),
        }
    }

    /// One workflow is there: `ring`, which comes back to `test` by two others.
    fn resolve_workflow(&self, _: &LockSlot, named: &WorkflowName, _: &VersionReq) -> WorkflowResolution {
        if named.as_str() != "ring" {
            return WorkflowResolution::Missing(Vec::new());
        }
        let name = |name: &str| WorkflowName::new(name).unwrap();
        let ways = [("one", "ring"), ("two", "one"), ("test", "two")];
        WorkflowResolution::Found(Box::new(PublishedWorkflow {
            locked: LockedWorkflow {
                workflow: named.clone(),
                version: Version::new(1, 0, 0),
                digest: Digest::of(b"ring"),
            },
            input: Schema::any(),
            reaches: ways.map(|(runs, by)| (name(runs), name(by))).into(),
        }))
    }

    fn check_grants(&self, grants: &Grants) -> Vec<Mistake> {
        let bad = grants.http.iter().position(|grant| grant.host.contains(' '));
        bad.map(|at| Mistake::new(format!("/http/{at}/host"), "bad-host", "no host")).into_iter().collect()
    }

    fn ceiling(&self) -> Limits {
        Limits::default_ceiling()
    }
}

fn steps() -> Vec<PublishedStep> {
    let chat_input = json!({
        "type": "object",
        "required": ["prompt"],
        "properties": {"prompt": {"type": "string"}, "temperature": {"type": "number", "maximum": 2}},
        "additionalProperties": false,
    });
    let chat_config =
        json!({"type": "object", "required": ["model"], "properties": {"model": {"type": "string"}}});
    vec![
        step("echo", "1.0.0", json!(true), json!(true), &[]),
        step("echo", "1.4.0", json!(true), json!(true), &[]),
        step("chat", "1.2.0", chat_input, chat_config, &[Capability::Http]),
        step("old", "0.1.0", json!(true), json!(true), &[]),
    ]
}

fn step(name: &str, version: &str, input: Value, config: Value, effects: &[Capability]) -> PublishedStep {
    PublishedStep {
        manifest: Manifest {
            name: StepName::new(name).unwrap(),
            version: Version::parse(version).unwrap(),
            summary: String::new(),
            input_schema: input,
            config_schema: config,
            output_schema: json!(true),
            capabilities: Vec::new(),
        },
        digest: Digest::of(format!("{name}@{version}").as_bytes()),
        imports: Default::default(),
        effects: effects.iter().copied().collect(),
        size: 1,
    }
}

/// A workflow with these nodes and no mistake beside theirs.
fn workflow(nodes: &Value) -> Value {
    json!({"name": "test", "version": "1.0.0", "nodes": nodes})
}

fn plan(definition: &Value) -> Plan {
    compile(definition, &Catalogue).unwrap()
}

/// Code and pointer of every mistake.
fn mistakes(definition: &Value) -> Vec<(String, String)> {
    let mistakes = compile(definition, &Catalogue).err().unwrap_or_default();
    mistakes.into_iter().map(|mistake| (mistake.code, mistake.pointer)).collect()
}
