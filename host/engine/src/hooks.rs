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

/// Every hook of every workflow's current version.
#[derive(Debug, Default)]
pub(crate) struct HookTable {
    /// Those whose paths have no parameters: by path.
    literal: HashMap<String, Methods>,
    /// The others, by the shape of their paths.
    routes: BTreeMap<String, Methods>,
}

/// The hooks of one path, by method.
type Methods = BTreeMap<String, Hook>;

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

    /// The hooks whose paths fit this one.
    fn declared_for(&self, path: &str) -> Vec<&Methods> {
        let fits = |methods: &&Methods| {
            methods.values().next().is_some_and(|hook| hook.trigger.path.fit(path).is_some())
        };
        self.literal.get(path).into_iter().chain(self.routes.values().filter(fits)).collect()
    }

    fn of_shape(&self, route: &Route) -> Option<&Methods> {
        let shape = route.shape();
        if route.is_literal() { self.literal.get(&shape) } else { self.routes.get(&shape) }
    }

    /// Puts a workflow's hooks in place of those that it had.
    pub(crate) fn replace(&mut self, tenant: &TenantId, plan: &Plan) {
        let keep_others = |methods: &mut Methods| {
            methods.retain(|_, hook| !belongs(hook, tenant, plan.name.as_str()));
            !methods.is_empty()
        };
        self.literal.retain(|_, methods| keep_others(methods));
        self.routes.retain(|_, methods| keep_others(methods));
        for trigger in plan.http_triggers() {
            let hook =
                Hook { tenant: tenant.clone(), workflow: plan.name.clone(), trigger: Arc::clone(trigger) };
            let shape = trigger.path.shape();
            let methods = match trigger.path.is_literal() {
                true => self.literal.entry(shape).or_default(),
                false => self.routes.entry(shape).or_default(),
            };
            methods.insert(trigger.method.clone(), hook);
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
                let holder = self.of_shape(&route)?.get(&method)?;
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
