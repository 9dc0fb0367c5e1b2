//! The keys of the catalogue: what it is, whose it is, then its names, with a zero byte between, which is in no name.

use semver::Version;
use stepwell_core::id::{SecretName, StepName, TenantId, WorkflowName};

pub(super) const PROBE: &[u8] = b"probe";

pub(super) fn step(tenant: &TenantId, name: &StepName, version: &Version) -> Vec<u8> {
    key(&["step", tenant.as_str(), name.as_str(), &version.to_string()])
}

pub(super) fn steps(tenant: &TenantId) -> Vec<u8> {
    prefix(&["step", tenant.as_str()])
}

pub(super) fn step_versions(tenant: &TenantId, name: &StepName) -> Vec<u8> {
    prefix(&["step", tenant.as_str(), name.as_str()])
}

pub(super) fn workflow(tenant: &TenantId, name: &WorkflowName, version: &Version) -> Vec<u8> {
    key(&["workflow", tenant.as_str(), name.as_str(), &version.to_string()])
}

pub(super) fn summary(tenant: &TenantId, name: &WorkflowName) -> Vec<u8> {
    key(&["workflow-summary", tenant.as_str(), name.as_str()])
}

pub(super) fn summaries(tenant: &TenantId) -> Vec<u8> {
    prefix(&["workflow-summary", tenant.as_str()])
}

pub(super) fn secret(tenant: &TenantId, name: &SecretName) -> Vec<u8> {
    key(&["secret", tenant.as_str(), name.as_str()])
}

pub(super) fn secrets(tenant: &TenantId) -> Vec<u8> {
    prefix(&["secret", tenant.as_str()])
}

pub(super) fn api_key(tenant: &TenantId, id: &str) -> Vec<u8> {
    key(&["api-key", tenant.as_str(), id])
}

pub(super) fn api_keys(tenant: &TenantId) -> Vec<u8> {
    prefix(&["api-key", tenant.as_str()])
}

fn key(parts: &[&str]) -> Vec<u8> {
    parts.join("\0").into_bytes()
}

fn prefix(parts: &[&str]) -> Vec<u8> {
    let mut key = key(parts);
    key.push(0);
    key
}
