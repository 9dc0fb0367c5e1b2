//! What a node may do, compared by what its grants mean.
//!
//! A node's grants are taken apart into single permissions (one host, one method or all, one path pattern or all). A permission
//! is gained if none of the other side covers it. Where that cannot be told from the texts alone it counts as gained: rather one
//! line too many than one too few.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize as _;
use serde_json::Value;

use super::GrantChange;
use crate::grant::{Grants, HttpGrant};
use crate::id::SecretName;
use crate::pointer;

/// What this node gained and lost, if anything.
pub(super) fn change(node: &str, from: Option<&Value>, to: Option<&Value>) -> Option<GrantChange> {
    let (from, to) = (Authority::of(from), Authority::of(to));
    let (gained, lost) = (to.beyond(&from), from.beyond(&to));
    let is_change = gained != Grants::default() || lost != Grants::default();
    is_change.then(|| GrantChange { node: node.to_owned(), gained, lost })
}

/// The places of a node's grants, as pointers into the definition.
pub(super) fn places(place: &str, node: &Value) -> impl Iterator<Item = String> {
    calls(place, node).into_iter().map(|(place, _)| pointer::field(&place, "grants"))
}

/// Every part of a node that calls a step, and so may have grants: itself, its fallbacks, what undoes it.
fn calls<'a>(place: &str, node: &'a Value) -> Vec<(String, &'a Value)> {
    let fallbacks = node.get("fallback").and_then(Value::as_array).into_iter().flatten().enumerate();
    let fallback_place = pointer::field(place, "fallback");
    let fallbacks = fallbacks.map(|(index, call)| (pointer::item(&fallback_place, index), call));
    let undoing = node.get("compensate").map(|call| (pointer::field(place, "compensate"), call));
    [(place.to_owned(), node)].into_iter().chain(fallbacks).chain(undoing).collect()
}

/// All that a node may do, in single permissions.
#[derive(Default)]
struct Authority {
    requests: BTreeSet<Request>,
    secrets: BTreeSet<(SecretName, String)>,
    /// Keys of the state, or how they begin.
    state: BTreeSet<String>,
}

/// Requests of one kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Request {
    host: String,
    /// None: every method.
    method: Option<String>,
    /// None: every path.
    path: Option<String>,
}

impl Authority {
    fn of(node: Option<&Value>) -> Self {
        let mut all = Self::default();
        for (_, call) in node.into_iter().flat_map(|node| calls("", node)) {
            // Grants that cannot be read allow nothing; that they are written is told as any other text.
            if let Some(Ok(grants)) = call.get("grants").map(Grants::deserialize) {
                all.add(grants);
            }
        }
        all
    }

    fn add(&mut self, grants: Grants) {
        self.requests.extend(grants.http.into_iter().flat_map(requests));
        self.state.extend(grants.state);
        for (name, hosts) in grants.secrets {
            self.secrets.extend(hosts.into_iter().map(|host| (name.clone(), host)));
        }
    }

    /// What is in here and nothing of the other covers.
    fn beyond(&self, other: &Self) -> Grants {
        let is_covered = |request: &&Request| other.requests.iter().any(|wide| wide.covers(request));
        let may_see = |(name, host): &&(SecretName, String)| {
            other.secrets.iter().any(|(known, wide)| known == name && host_covers(wide, host))
        };
        let mut secrets: BTreeMap<SecretName, Vec<String>> = BTreeMap::new();
        for (name, host) in self.secrets.iter().filter(|secret| !may_see(secret)) {
            secrets.entry(name.clone()).or_default().push(host.clone());
        }
        let may_use = |key: &&String| other.state.iter().any(|wide| begins(wide, key));
        Grants {
            http: together(self.requests.iter().filter(|request| !is_covered(request))),
            secrets,
            state: self.state.iter().filter(|key| !may_use(key)).cloned().collect(),
        }
    }
}

impl Request {
    fn covers(&self, narrow: &Self) -> bool {
        host_covers(&self.host, &narrow.host)
            && (self.method.is_none() || self.method == narrow.method)
            && (self.path.is_none()
                || self
                    .path
                    .as_ref()
                    .zip(narrow.path.as_ref())
                    .is_some_and(|(wide, narrow)| path_covers(wide, narrow)))
    }
}

fn requests(grant: HttpGrant) -> Vec<Request> {
    let HttpGrant { host, methods, paths } = grant;
    let is_every_path = paths.iter().any(|path| matches!(path.as_str(), "*" | "/*"));
    let methods = each_or_all(methods);
    let paths = if is_every_path { vec![None] } else { each_or_all(paths) };
    let pairs = methods.iter().flat_map(|method| paths.iter().map(move |path| (method, path)));
    pairs
        .map(|(method, path)| Request { host: host.clone(), method: method.clone(), path: path.clone() })
        .collect()
}

/// A list that says all by being empty.
fn each_or_all(texts: Vec<String>) -> Vec<Option<String>> {
    if texts.is_empty() { vec![None] } else { texts.into_iter().map(Some).collect() }
}

/// Permissions in as few grants as say them: methods of one path together, then paths of the same methods.
fn together<'a>(requests: impl Iterator<Item = &'a Request>) -> Vec<HttpGrant> {
    type Texts<'a> = BTreeSet<Option<&'a String>>;
    let mut methods: BTreeMap<(&String, Option<&String>), Texts<'_>> = BTreeMap::new();
    for request in requests {
        methods.entry((&request.host, request.path.as_ref())).or_default().insert(request.method.as_ref());
    }
    let mut paths: BTreeMap<(&String, Texts<'_>), Texts<'_>> = BTreeMap::new();
    for ((host, path), methods) in methods {
        paths.entry((host, methods)).or_default().insert(path);
    }
    let list = |texts: &Texts<'_>| match texts.contains(&None) {
        true => Vec::new(),
        false => texts.iter().copied().flatten().cloned().collect(),
    };
    let grants = paths.iter().map(|((host, methods), paths)| HttpGrant {
        host: (*host).clone(),
        methods: list(methods),
        paths: list(paths),
    });
    grants.collect()
}

/// `*.example.com` covers what is below it; a port must be the same.
fn host_covers(wide: &str, narrow: &str) -> bool {
    let (wide, narrow) = (wide.to_ascii_lowercase(), narrow.to_ascii_lowercase());
    let is_below = |parent: &str| {
        let name = narrow.strip_prefix("*.").unwrap_or(&narrow);
        name.strip_suffix(parent).is_some_and(|child| child.len() > 1 && child.ends_with('.'))
    };
    wide == narrow || wide.strip_prefix("*.").is_some_and(is_below)
}

/// `/v1/*` covers what begins so. What is percent-encoded is compared as a whole: it may mean something else than it seems to.
fn path_covers(wide: &str, narrow: &str) -> bool {
    if wide == narrow {
        return true;
    }
    let is_plain = !wide.contains('%') && !narrow.contains('%');
    is_plain && begins(wide, narrow)
}

/// `conversations/*` covers what begins so.
fn begins(wide: &str, narrow: &str) -> bool {
    wide == narrow || wide.strip_suffix('*').is_some_and(|beginning| narrow.starts_with(beginning))
}
