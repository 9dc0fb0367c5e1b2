//! What may be published, and what its author is told otherwise.

use bytes::Bytes;
use semver::Version;
use stepwell_core::manifest::Capability;

use super::guest::component;
use super::{Guest, HOUSE, config};
use crate::{PublishError, Sandbox, SandboxConfig};

async fn refusal(component: Bytes) -> String {
    HOUSE.sandbox.publish(component).await.expect_err("a refusal").to_string()
}

#[tokio::test]
async fn a_step_is_published_with_what_it_says_and_what_it_proves() {
    let bytes = Guest::default().build();
    let published = HOUSE.sandbox.publish(bytes.clone()).await.expect("a step");
    assert_eq!(published.manifest.name.as_str(), "test-step");
    assert_eq!(published.manifest.version, Version::new(1, 0, 0));
    assert_eq!(published.manifest.summary, "A step of the tests");
    assert_eq!(published.size, bytes.len() as u64);
    assert!(published.is_effect_free());
}

/// What it imports decides, not what it says.
#[tokio::test]
async fn a_step_that_imports_http_has_effects() {
    let imports = r#"(import "stepwell:step/http@1.0.0" "send-all" (func $send_all (param i32 i32 i32)))"#;
    let published =
        HOUSE.sandbox.publish(Guest { imports, ..Guest::default() }.build()).await.expect("a step");
    assert!(published.imports.contains("stepwell:step/http@1.0.0"));
    assert_eq!(published.effects, [Capability::Http].into());
}

#[tokio::test]
async fn a_forbidden_import_is_refused_by_its_name() {
    let guest = Guest {
        world: "test:guest/forbidden-step",
        imports: r#"(import "wasi:keyvalue/store@0.2.0" "open" (func $open))"#,
        ..Guest::default()
    };
    let refusal = refusal(guest.build()).await;
    assert!(refusal.contains("`wasi:keyvalue/store@0.2.0`"), "{refusal}");
    assert!(refusal.contains("log, context, http"), "{refusal}");
}

#[tokio::test]
async fn a_component_of_another_world_is_told_what_is_missing() {
    let component = component("test:guest/no-step", r#"(module (func (export "run")))"#);
    assert!(refusal(component).await.contains("does not export `describe`"));
}

#[tokio::test]
async fn exports_of_other_types_do_not_fit() {
    let module = r#"(module
        (memory (export "memory") 1)
        (func (export "describe") (result i32) (i32.const 0))
        (func (export "run")))"#;
    let refusal = refusal(component("test:guest/odd-step", module)).await;
    assert!(refusal.contains("does not fit the world `stepwell:step/step`"), "{refusal}");
}

#[tokio::test]
async fn a_core_module_is_told_how_to_become_a_component() {
    let module = wat::parse_str("(module)").expect("a module");
    assert!(refusal(module.into()).await.contains("`stepwell step build`"));
}

#[tokio::test]
async fn bytes_that_are_no_webassembly_are_told_so() {
    assert!(refusal(Bytes::from_static(b"#!/bin/sh")).await.contains("no WebAssembly"));
}

#[tokio::test]
async fn a_component_that_was_cut_off_is_not_valid() {
    let whole = Guest::default().build();
    for length in [9, whole.len() / 2, whole.len() - 1] {
        assert!(matches!(
            HOUSE.sandbox.publish(whole.slice(..length)).await,
            Err(PublishError::Invalid(_) | PublishError::MissingExports(_))
        ));
    }
}

#[tokio::test]
async fn a_component_may_have_so_many_bytes() {
    let (config, _cache) = config();
    let sandbox = Sandbox::new(SandboxConfig { max_component_bytes: 100, ..config }).expect("a sandbox");
    let refusal = sandbox.publish(Guest::default().build()).await.expect_err("too large").to_string();
    assert!(refusal.ends_with("may have 100 at most"), "{refusal}");
}

#[tokio::test]
async fn a_describe_that_traps_is_told() {
    let refusal = refusal(Guest { describe: "(unreachable)", ..Guest::default() }.build()).await;
    assert!(refusal.contains("`describe` failed: trap"), "{refusal}");
}

#[tokio::test]
async fn a_describe_that_does_not_end_hits_its_limit() {
    let refusal = refusal(Guest { describe: "(loop $again (br $again))", ..Guest::default() }.build()).await;
    assert!(refusal.contains("`fuel`"), "{refusal}");
}

/// A manifest that depends on the world would be another one tomorrow.
#[tokio::test]
async fn a_describe_that_looks_at_the_world_is_refused() {
    let guest = Guest {
        imports: r#"(import "stepwell:step/context@1.0.0" "current" (func $current (param i32)))"#,
        describe: "(call $current (i32.const 4096))",
        ..Guest::default()
    };
    let refusal = refusal(guest.build()).await;
    assert!(refusal.contains("`describe` called `context.current`"), "{refusal}");
}

#[tokio::test]
async fn a_wrong_manifest_is_told_where() {
    // The name is written over: `Test-step`.
    let guest = Guest { describe: "(i32.store8 (i32.const 512) (i32.const 84))", ..Guest::default() };
    let error = HOUSE.sandbox.publish(guest.build()).await.expect_err("a wrong name");
    let PublishError::Manifest(mistakes) = error else { panic!("{error}") };
    assert_eq!(mistakes.len(), 1);
    assert_eq!(mistakes[0].pointer, "/name");
}
