//! Which workflow's HTTP trigger answers to which path: a table in memory, rebuilt when the engine opens.
//!
//! Paths are shared by all workflows: one path and method belongs to one workflow.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::Value;
use stepwell_core::id::{TenantId, WorkflowName};
use stepwell_core::mistake::Mistake;
use stepwell_core::plan::{HttpTrigger, Plan};
use stepwell_core::route::Route;

/// A workflow's HTTP trigger.
#[derive(Debug, Clone)]
pub struct Hook {
    /// Whose workflow.
    pub tenant: TenantId,
    /// The workflow.
    pub workflow: WorkflowName,
    /// The trigger.
    pub trigger: Arc<HttpTrigger>,
}

/// What became of a look for a hook.
#[derive(Debug, Clone)]
pub enum HookLookup {
    /// This one answers.
    Found {
        /// The hook.
        hook: Hook,
        /// The values of its path's parameters.
        params: BTreeMap<String, String>,
    },
    /// The path is declared, for these methods.
    WrongMethod(Vec<String>),
    /// No workflow declares the path.
    Unknown,
}

/// Every hook of every workflow's current version: by the shape of its path, then by method.
#[derive(Debug, Default)]
pub(crate) struct HookTable(HashMap<String, BTreeMap<String, Hook>>);

impl HookTable {
    /// A path without parameters goes before those with some; of these, the first by its shape.
    pub(crate) fn find(&self, path: &str, method: &str) -> HookLookup {
        let declared = self.declared_for(path);
        if let Some(hook) = declared.iter().find_map(|methods| methods.get(method)) {
            let params = hook.trigger.path.fit(path).unwrap_or_default();
            return HookLookup::Found { hook: hook.clone(), params };
        }
        let methods: BTreeSet<&String> = declared.iter().flat_map(|methods| methods.keys()).collect();
        match methods.is_empty() {
            true => HookLookup::Unknown,
            false => HookLookup::WrongMethod(methods.into_iter().cloned().collect()),
        }
    }

    /// The hooks whose paths fit this one, by method.
    fn declared_for(&self, path: &str) -> Vec<&BTreeMap<String, Hook>> {
        let fits = |methods: &BTreeMap<String, Hook>| {
            methods.values().next().is_some_and(|hook| hook.trigger.path.fit(path).is_some())
        };
        let mut fitting: Vec<_> = self.0.iter().filter(|(_, methods)| fits(methods)).collect();
        fitting.sort_by_key(|(shape, _)| (shape.contains('{'), *shape));
        fitting.into_iter().map(|(_, methods)| methods).collect()
    }

    /// Puts a workflow's hooks in place of those that it had.
    pub(crate) fn replace(&mut self, tenant: &TenantId, plan: &Plan) {
        self.0.retain(|_, methods| {
            methods.retain(|_, hook| !belongs(hook, tenant, plan.name.as_str()));
            !methods.is_empty()
        });
        for trigger in plan.http_triggers() {
            let hook =
                Hook { tenant: tenant.clone(), workflow: plan.name.clone(), trigger: Arc::clone(trigger) };
            self.0.entry(trigger.path.shape()).or_default().insert(trigger.method.clone(), hook);
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
                let route: Route = path.parse().ok()?;
                let holder = self.0.get(&route.shape())?.get(&method)?;
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
