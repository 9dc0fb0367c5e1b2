//! A sandbox of a command's own, from which nothing leaves the machine: a stand-in answers every effect.

use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use stepwell_core::limits::Limits;
use stepwell_sandbox::{EffectStandIn, NetworkPolicy, Sandbox, SandboxConfig};
use tempfile::TempDir;

use super::CliError;

/// Guests that live at the same time: those of one run.
const MAX_LIVE: u32 = 64;

/// The sandbox, with a folder of compiled code that goes when it goes.
pub(crate) struct OfflineSandbox {
    pub(crate) sandbox: Arc<Sandbox>,
    _code: TempDir,
}

impl OfflineSandbox {
    /// Sets one up for attempts that use no more than `ceiling`.
    pub(crate) fn new(stand_in: Arc<dyn EffectStandIn>, ceiling: Limits) -> Result<Self, CliError> {
        let code = tempfile::Builder::new()
            .prefix("stepwell-code-")
            .tempdir()
            .map_err(|source| CliError::failed("making a folder for compiled steps", source))?;
        let config = SandboxConfig {
            cache_dir: code.path().to_owned(),
            max_live: MAX_LIVE,
            ceiling,
            network: everywhere(),
            stand_in: Some(stand_in),
            ..SandboxConfig::default()
        };
        let sandbox =
            Sandbox::new(config).map_err(|source| CliError::failed("setting up a sandbox", source))?;
        Ok(Self { sandbox: Arc::new(sandbox), _code: code })
    }
}

/// Nothing is sent anywhere, so no address is out of bounds: what a node is granted is all that counts.
fn everywhere() -> NetworkPolicy {
    let allow_networks = vec![IpNet::from(Ipv4Net::default()), IpNet::from(Ipv6Net::default())];
    NetworkPolicy { allow_networks, ..NetworkPolicy::default() }
}
