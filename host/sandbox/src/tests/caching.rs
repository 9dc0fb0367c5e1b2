//! Compiled code outlives the process, and a damaged file costs a compilation and nothing more.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;
use stepwell_core::digest::Digest;

use super::{Guest, Witness, attempt, config};
use crate::{Sandbox, SandboxConfig};

/// The files of a cache.
fn files(config: &SandboxConfig) -> Vec<PathBuf> {
    let entries = fs::read_dir(&config.cache_dir).expect("the cache");
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

#[tokio::test]
async fn a_step_that_was_compiled_once_is_loaded_by_the_next_process() {
    let (config, _cache) = config();
    let component = Guest::default().build();
    let digest = Digest::of(&component);

    let first = Sandbox::new(config.clone()).expect("a sandbox");
    assert!(first.load(&digest).await.expect("no error").is_none());
    first.compile(component).await.expect("a step");
    drop(first);

    let second = Sandbox::new(config).expect("a sandbox");
    let step = second.load(&digest).await.expect("no error").expect("the step");
    let report = second.run(&step, attempt("[7]"), Arc::<Witness>::default()).await;
    assert_eq!(report.result, Ok(json!([7])));
}

#[tokio::test]
async fn a_damaged_file_is_compiled_again() {
    let (config, _cache) = config();
    let component = Guest::default().build();
    let digest = Digest::of(&component);
    Sandbox::new(config.clone()).expect("a sandbox").compile(component.clone()).await.expect("a step");
    let [file] = &files(&config)[..] else { panic!("one file") };
    let whole = fs::read(file).expect("compiled code");

    for damaged in [&b""[..], b"garbage", &whole[..100], &whole[..whole.len() / 2]] {
        fs::write(file, damaged).expect("a damaged file");
        let sandbox = Sandbox::new(config.clone()).expect("a sandbox");
        assert!(sandbox.load(&digest).await.expect("no error").is_none(), "{} bytes", damaged.len());
        let step = sandbox.compile(component.clone()).await.expect("a step");
        assert!(sandbox.run(&step, attempt("1"), Arc::<Witness>::default()).await.result.is_ok());
    }
}

/// Who could write there could run code as the server.
#[tokio::test]
async fn only_the_server_may_enter_the_cache() {
    let (config, _cache) = config();
    Sandbox::new(config.clone()).expect("a sandbox");
    let mode = fs::metadata(&config.cache_dir).expect("the cache").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[tokio::test]
async fn memory_keeps_the_steps_that_were_used_last() {
    let (config, _cache) = config();
    let sandbox = Sandbox::new(SandboxConfig { max_loaded: 2, ..config }).expect("a sandbox");
    let mut digests = Vec::new();
    for answer in ["1", "2", "3"] {
        let items = format!(r#"(data (i32.const 2048) "{answer}")"#);
        let step =
            sandbox.compile(Guest { items: &items, ..Guest::default() }.build()).await.expect("a step");
        digests.push(*step.digest());
        // The first is in use all the time.
        sandbox.load(&digests[0]).await.expect("no error").expect("the step");
    }
    assert_eq!(sandbox.stats().loaded, 2);
    assert!(sandbox.load(&digests[1]).await.expect("no error").is_some(), "it is still on disk");
}
