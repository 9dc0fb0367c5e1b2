//! Which workflow's HTTP trigger answers to which path: a table in memory, rebuilt when the engine opens.
//!
//! Paths are shared by all workflows: one path and method belongs to one workflow.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use stepwell_core::id::{TenantId, WorkflowName};
use stepwell_core::mistake::Mistake;
use stepwell_core::plan::{Plan, TriggerBody};

/// A workflow's HTTP trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Whose workflow.
    pub tenant: TenantId,
    /// The workflow.
    pub workflow: WorkflowName,
    /// The trigger's path, below `/hooks`.
    pub path: String,
    /// Whether a call needs no API key.
    pub open: bool,
    /// What becomes of a call's body.
    pub body: TriggerBody,
}

/// What became of a look for a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookLookup {
    /// This one answers.
    Found(Hook),
    /// The path is declared, for these methods.
    WrongMethod(Vec<String>),
    /// No workflow declares the path.
    Unknown,
}

/// Every hook of every workflow's current version: by path, then by method.
#[derive(Debug, Default)]
pub(crate) struct HookTable(HashMap<String, BTreeMap<String, Hook>>);

impl HookTable {
    pub(crate) fn find(&self, path: &str, method: &str) -> HookLookup {
        let Some(methods) = self.0.get(path) else { return HookLookup::Unknown };
        match methods.get(method) {
            Some(hook) => HookLookup::Found(hook.clone()),
            None => HookLookup::WrongMethod(methods.keys().cloned().collect()),
        }
    }

    /// Puts a workflow's hooks in place of those that it had.
    pub(crate) fn replace(&mut self, tenant: &TenantId, plan: &Plan) {
        self.0.retain(|_, methods| {
            methods.retain(|_, hook| !belongs(hook, tenant, plan.name.as_str()));
            !methods.is_empty()
        });
        for trigger in plan.http_triggers() {
            let hook = Hook {
                tenant: tenant.clone(),
                workflow: plan.name.clone(),
                path: trigger.path.clone(),
                open: trigger.open,
                body: trigger.body,
            };
            self.0.entry(trigger.path.clone()).or_default().insert(trigger.method.clone(), hook);
        }
    }

    /// The triggers of a definition, as it was written, that another workflow has taken.
    pub(crate) fn mistakes(
        &self,
        tenant: &TenantId,
        workflow: &WorkflowName,
        definition: &Value,
    ) -> Vec<Mistake> {
        declared(definition)
            .filter_map(|(index, path, method)| {
                let holder = self.0.get(path)?.get(&method)?;
                (!belongs(holder, tenant, workflow.as_str())).then(|| taken(index, path, &method, holder))
            })
            .collect()
    }
}

fn belongs(hook: &Hook, tenant: &TenantId, workflow: &str) -> bool {
    hook.tenant == *tenant && hook.workflow.as_str() == workflow
}

/// The HTTP triggers that can be read out of a definition which may have mistakes: index, path, method.
fn declared(definition: &Value) -> impl Iterator<Item = (usize, &str, String)> {
    let triggers = definition.get("triggers").and_then(Value::as_array).into_iter().flatten();
    triggers.enumerate().filter_map(|(index, trigger)| {
        let http = trigger.get("http")?;
        let method = http.get("method").and_then(Value::as_str).unwrap_or("POST").to_ascii_uppercase();
        Some((index, http.get("path")?.as_str()?, method))
    })
}

fn taken(index: usize, path: &str, method: &str, holder: &Hook) -> Mistake {
    Mistake {
        pointer: format!("/triggers/{index}/http/path"),
        code: "hook-taken".to_owned(),
        message: format!("{method} {path} is a trigger of the workflow `{}` already", holder.workflow),
        help: Some(
            "choose another path or method, or apply that workflow without the trigger first".to_owned(),
        ),
    }
}
