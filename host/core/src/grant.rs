//! The operator's consent, in the workflow, for a node to use a capability: its JSON shape.
//!
//! What a grant covers at run time is the sandbox's to judge; here is only what may be written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::SecretName;

/// All grants of one node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Grants {
    /// Where it may send HTTP requests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub http: Vec<HttpGrant>,
    /// Which secrets it may have put into headers, each with the hosts (as in [`HttpGrant::host`]) that may see it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<SecretName, Vec<String>>,
    /// Which keys of the workflow's state it may read and change, each exact or ending in `*` for all that begin so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub state: Vec<String>,
}

/// Requests that a node may send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpGrant {
    /// `api.openai.com`, `*.example.com` (any name below, not the name itself), an IP address, or one of
    /// them with a port (`127.0.0.1:8080`, `[::1]:8080`). Without a port: the scheme's own.
    pub host: String,
    /// Methods in upper case; empty for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// Paths, each exact or ending in `*` for all below; empty for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
}
