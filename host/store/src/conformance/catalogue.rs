//! The catalogue's suite.

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use stepwell_core::digest::Digest;
use stepwell_core::id::TenantId;
use stepwell_core::plan::Lock;

use super::samples;
use crate::{Catalogue, Reason, Release, StoreError, WorkflowSummary, WorkflowVersion};

const APPLIED: Release = Release::Current(Reason::Applied);

/// A step that runs were started with never becomes another.
pub async fn a_step_is_kept_once(catalogue: Arc<dyn Catalogue>) {
    let tenant = TenantId::default();
    let step = samples::published("llm-chat", "1.2.0", b"component");
    assert!(catalogue.put_step(&tenant, &step, b"component").await.unwrap());
    assert!(!catalogue.put_step(&tenant, &step, b"component").await.unwrap());
    let another = samples::published("llm-chat", "1.2.0", b"another");
    let refused = catalogue.put_step(&tenant, &another, b"another").await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");

    let (name, version) = (samples::step("llm-chat"), samples::version("1.2.0"));
    assert_eq!(catalogue.step(&tenant, &name, &version).await.unwrap(), Some(step.clone()));
    assert_eq!(catalogue.component(&step.digest).await.unwrap().unwrap(), b"component");
    assert_eq!(catalogue.step(&tenant, &name, &samples::version("1.2.1")).await.unwrap(), None);
    assert_eq!(catalogue.component(&Digest::of(b"unknown")).await.unwrap(), None);
}

/// Versions are ordered as versions are, not as text is.
pub async fn steps_are_listed_by_name_then_version(catalogue: Arc<dyn Catalogue>) {
    let tenant = TenantId::default();
    let sorted = [
        ("a", "1.0.0"),
        ("a", "1.9.0"),
        ("a", "1.10.0-rc.1"),
        ("a", "1.10.0"),
        ("a-b", "0.1.0"),
        ("b", "1.0.0"),
    ];
    for (name, version) in sorted.iter().rev() {
        let component = format!("{name}@{version}");
        let step = samples::published(name, version, component.as_bytes());
        catalogue.put_step(&tenant, &step, component.as_bytes()).await.unwrap();
    }
    let named = |steps: Vec<stepwell_core::manifest::PublishedStep>| -> Vec<String> {
        steps.into_iter().map(|step| format!("{}@{}", step.manifest.name, step.manifest.version)).collect()
    };
    let expected: Vec<String> = sorted.iter().map(|(name, version)| format!("{name}@{version}")).collect();
    assert_eq!(named(catalogue.steps(&tenant).await.unwrap()), expected);
    assert_eq!(named(catalogue.step_versions(&tenant, &samples::step("a")).await.unwrap()), expected[..4]);
    assert!(catalogue.step_versions(&tenant, &samples::step("c")).await.unwrap().is_empty());
}

/// New runs get what was applied last, even if that is an older version.
pub async fn the_version_applied_last_is_current(catalogue: Arc<dyn Catalogue>) {
    let (tenant, name) = (TenantId::default(), samples::workflow("triage"));
    let first = samples::applied("triage", "1.0.0", json!({"n": 1}), 1);
    let second = samples::applied("triage", "1.10.0", json!({"n": 2}), 2);
    let third = samples::applied("triage", "1.9.0", json!({"n": 3}), 3);
    for version in [&first, &second, &third] {
        assert!(catalogue.put_workflow(&tenant, version, APPLIED).await.unwrap());
        assert_eq!(catalogue.workflow(&tenant, &name, None).await.unwrap().as_ref(), Some(version));
    }
    let again = WorkflowVersion { applied_at: samples::at(4), ..first.clone() };
    assert!(!catalogue.put_workflow(&tenant, &again, APPLIED).await.unwrap());
    assert_eq!(catalogue.workflow(&tenant, &name, None).await.unwrap(), Some(first.clone()));

    let [line] = &catalogue.workflows(&tenant).await.unwrap()[..] else { panic!("one workflow, one line") };
    assert_eq!((&line.name, &line.current, line.applied_at), (&name, &first.version, samples::at(4)));
    assert_eq!(line.versions, ["1.0.0", "1.9.0", "1.10.0"].map(samples::version));
    assert_eq!(catalogue.workflow(&tenant, &name, Some(&second.version)).await.unwrap(), Some(second));
    assert_eq!(catalogue.workflow(&tenant, &samples::workflow("unknown"), None).await.unwrap(), None);
}

/// A run's version means the same as on the day when it started, its lock included.
pub async fn a_version_never_changes(catalogue: Arc<dyn Catalogue>) {
    let (tenant, name) = (TenantId::default(), samples::workflow("triage"));
    let kept = samples::applied("triage", "1.0.0", json!({"n": 1}), 1);
    catalogue.put_workflow(&tenant, &kept, APPLIED).await.unwrap();
    let relocked = WorkflowVersion { lock: Lock::default(), ..kept.clone() };
    assert!(!catalogue.put_workflow(&tenant, &relocked, APPLIED).await.unwrap());
    let refused = catalogue
        .put_workflow(&tenant, &samples::applied("triage", "1.0.0", json!({"n": 2}), 2), APPLIED)
        .await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    assert_eq!(catalogue.workflow(&tenant, &name, Some(&kept.version)).await.unwrap(), Some(kept));
}

/// Going back needs to know what was there.
pub async fn what_was_current_when_is_remembered(catalogue: Arc<dyn Catalogue>) {
    let (tenant, name) = (TenantId::default(), samples::workflow("triage"));
    let first = samples::applied("triage", "1.0.0", json!({"n": 1}), 1);
    let second = samples::applied("triage", "1.1.0", json!({"n": 2}), 2);
    assert_eq!(catalogue.workflow_summary(&tenant, &name).await.unwrap(), None);
    catalogue.put_workflow(&tenant, &first, APPLIED).await.unwrap();
    assert_eq!(line(&*catalogue, &tenant).await.previous(), None);
    catalogue.put_workflow(&tenant, &second, APPLIED).await.unwrap();
    assert_eq!(line(&*catalogue, &tenant).await.previous(), Some(&first.version));

    let relocked = WorkflowVersion { applied_at: samples::at(3), lock: Lock::default(), ..first.clone() };
    let back = Release::Current(Reason::RolledBack);
    for _ in 0..2 {
        // The second time changes nothing.
        assert!(!catalogue.put_workflow(&tenant, &relocked, back).await.unwrap());
    }
    assert_eq!(catalogue.workflow(&tenant, &name, None).await.unwrap(), Some(first.clone()), "with its lock");
    let summary = line(&*catalogue, &tenant).await;
    let history: Vec<_> =
        summary.history.iter().map(|then| (then.version.to_string(), then.at, then.reason)).collect();
    let expected = [
        ("1.0.0".to_owned(), samples::at(1), Reason::Applied),
        ("1.1.0".to_owned(), samples::at(2), Reason::Applied),
        ("1.0.0".to_owned(), samples::at(3), Reason::RolledBack),
    ];
    assert_eq!(history, expected);
    assert_eq!((summary.current.clone(), summary.applied_at), (first.version, samples::at(3)));
    assert_eq!(summary.previous(), Some(&second.version));
}

/// A pipeline that applies and rolls back for years must not make its workflow's line grow.
pub async fn the_memory_of_what_was_current_is_bounded(catalogue: Arc<dyn Catalogue>) {
    let tenant = TenantId::default();
    let both =
        [("1.0.0", 1), ("1.1.0", 2)].map(|(version, n)| samples::applied("triage", version, json!(n), n));
    for version in both.iter().cycle().take(120) {
        catalogue.put_workflow(&tenant, version, APPLIED).await.unwrap();
    }
    let summary = line(&*catalogue, &tenant).await;
    assert!((2..=100).contains(&summary.history.len()), "{}", summary.history.len());
    assert_eq!(summary.history.last().unwrap().version, summary.current);
    assert_eq!(summary.previous(), Some(&both[0].version));
}

/// A canary is beside the current version, until that becomes another one.
pub async fn a_canary_is_beside_the_current_version(catalogue: Arc<dyn Catalogue>) {
    let (tenant, name) = (TenantId::default(), samples::workflow("triage"));
    let (ten, twenty) = (samples::percent(10), samples::percent(20));
    let [first, second, third] = [("1.0.0", 1), ("1.1.0", 2), ("1.2.0", 3)]
        .map(|(version, n)| samples::applied("triage", version, json!(n), n));
    let alone = catalogue.put_workflow(&tenant, &second, Release::Canary(ten)).await;
    assert!(matches!(alone, Err(StoreError::Conflict(_))), "{alone:?}");
    assert_eq!(
        catalogue.workflow(&tenant, &name, Some(&second.version)).await.unwrap(),
        None,
        "nothing was kept"
    );

    catalogue.put_workflow(&tenant, &first, APPLIED).await.unwrap();
    let itself = catalogue.put_workflow(&tenant, &first, Release::Canary(ten)).await;
    assert!(matches!(itself, Err(StoreError::Conflict(_))), "{itself:?}");
    assert!(catalogue.put_workflow(&tenant, &second, Release::Canary(ten)).await.unwrap());
    assert!(!catalogue.put_workflow(&tenant, &second, Release::Canary(twenty)).await.unwrap());
    let summary = line(&*catalogue, &tenant).await;
    let canary = summary.canary.as_ref().map(|canary| (&canary.version, canary.percent));
    assert_eq!((&summary.current, canary), (&first.version, Some((&second.version, twenty))));
    assert_eq!(summary.versions, [first.version.clone(), second.version.clone()]);
    assert_eq!(summary.history.len(), 1, "a canary is no current version");
    assert_eq!(catalogue.workflow(&tenant, &name, None).await.unwrap().as_ref(), Some(&first));

    catalogue.put_workflow(&tenant, &first, APPLIED).await.unwrap();
    assert!(
        line(&*catalogue, &tenant).await.canary.is_some(),
        "the current version was applied again: nothing changes"
    );
    catalogue.put_workflow(&tenant, &third, APPLIED).await.unwrap();
    assert_eq!(line(&*catalogue, &tenant).await.canary, None, "it was beside another version");

    catalogue.put_workflow(&tenant, &second, Release::Canary(ten)).await.unwrap();
    catalogue.put_workflow(&tenant, &second, Release::Current(Reason::Promoted)).await.unwrap();
    let summary = line(&*catalogue, &tenant).await;
    assert_eq!((&summary.current, &summary.canary), (&second.version, &None));
    assert_eq!(summary.history.last().unwrap().reason, Reason::Promoted);
}

/// Whoever ends a canary is told which it was.
pub async fn a_canary_ends_once(catalogue: Arc<dyn Catalogue>) {
    let (tenant, name) = (TenantId::default(), samples::workflow("triage"));
    assert_eq!(catalogue.end_canary(&tenant, &name).await.unwrap(), None);
    let [first, second] =
        [("1.0.0", 1), ("1.1.0", 2)].map(|(version, n)| samples::applied("triage", version, json!(n), n));
    catalogue.put_workflow(&tenant, &first, APPLIED).await.unwrap();
    catalogue.put_workflow(&tenant, &second, Release::Canary(samples::percent(10))).await.unwrap();
    assert_eq!(
        catalogue.end_canary(&tenant, &name).await.unwrap().map(|canary| canary.version),
        Some(second.version)
    );
    assert_eq!(catalogue.end_canary(&tenant, &name).await.unwrap(), None);
    let summary = line(&*catalogue, &tenant).await;
    assert_eq!((summary.canary, summary.current, summary.versions.len()), (None, first.version, 2));
}

async fn line(catalogue: &dyn Catalogue, tenant: &TenantId) -> WorkflowSummary {
    let name = samples::workflow("triage");
    let line = catalogue.workflow_summary(tenant, &name).await.unwrap().unwrap();
    assert_eq!(catalogue.workflows(tenant).await.unwrap(), std::slice::from_ref(&line));
    line
}

/// A definition may be larger than what a store keeps in one place.
pub async fn a_large_definition_is_kept(catalogue: Arc<dyn Catalogue>) {
    let (tenant, name) = (TenantId::default(), samples::workflow("large"));
    let large = samples::applied("large", "1.0.0", json!({"text": "x".repeat(1 << 20)}), 1);
    catalogue.put_workflow(&tenant, &large, APPLIED).await.unwrap();
    assert_eq!(catalogue.workflow(&tenant, &name, None).await.unwrap(), Some(large));
}

/// The newest value is the one that is used.
pub async fn a_secret_is_replaced_and_listed_by_name(catalogue: Arc<dyn Catalogue>) {
    let (tenant, name) = (TenantId::default(), samples::secret("OPENAI_API_KEY"));
    assert!(catalogue.secret(&tenant, &name).await.unwrap().is_none());
    for value in ["first", "", "second"] {
        catalogue.put_secret(&tenant, &name, &SecretString::from(value)).await.unwrap();
        assert_eq!(catalogue.secret(&tenant, &name).await.unwrap().unwrap().expose_secret(), value);
    }
    catalogue.put_secret(&tenant, &samples::secret("A"), &SecretString::from("a")).await.unwrap();
    let names: Vec<_> = catalogue.secrets(&tenant).await.unwrap().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, [samples::secret("A"), name]);
}

/// A key that is revoked is so for everybody.
pub async fn a_key_is_replaced_and_listed_by_age(catalogue: Arc<dyn Catalogue>) {
    let tenant = TenantId::default();
    let (mut older, newer) = (samples::api_key("z", 1), samples::api_key("a", 2));
    catalogue.put_key(&tenant, &newer).await.unwrap();
    catalogue.put_key(&tenant, &older).await.unwrap();
    older.revoked_at = Some(samples::at(3));
    catalogue.put_key(&tenant, &older).await.unwrap();
    assert_eq!(catalogue.key(&tenant, "z").await.unwrap(), Some(older.clone()));
    assert_eq!(catalogue.key(&tenant, "unknown").await.unwrap(), None);
    assert_eq!(catalogue.keys(&tenant).await.unwrap(), [older, newer]);
}

/// A tenant sees its own alone.
pub async fn tenants_are_apart(catalogue: Arc<dyn Catalogue>) {
    // One's name is the beginning of the other's: a prefix that is not closed would mix them.
    let (tenant, other) = (samples::tenant("a"), samples::tenant("ab"));
    catalogue.put_step(&other, &samples::published("llm-chat", "1.0.0", b"c"), b"c").await.unwrap();
    let applied = samples::applied("triage", "1.0.0", json!({}), 1);
    catalogue.put_workflow(&other, &applied, APPLIED).await.unwrap();
    catalogue.put_secret(&other, &samples::secret("KEY"), &SecretString::from("value")).await.unwrap();
    catalogue.put_key(&other, &samples::api_key("z", 1)).await.unwrap();

    assert!(catalogue.steps(&tenant).await.unwrap().is_empty());
    assert!(catalogue.workflows(&tenant).await.unwrap().is_empty());
    assert_eq!(catalogue.workflow(&tenant, &samples::workflow("triage"), None).await.unwrap(), None);
    assert!(catalogue.secret(&tenant, &samples::secret("KEY")).await.unwrap().is_none());
    assert!(catalogue.secrets(&tenant).await.unwrap().is_empty());
    assert!(catalogue.keys(&tenant).await.unwrap().is_empty());
    assert_eq!(catalogue.steps(&other).await.unwrap().len(), 1);
}
