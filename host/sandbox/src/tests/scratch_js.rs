//! Scratch.
use std::sync::Arc;
use std::time::Instant;

use super::{Witness, attempt, config};
use crate::{NetworkPolicy, Sandbox, SandboxConfig};

#[tokio::test]
#[ignore]
async fn scratch_js() {
    let (config, _cache) = config();
    let network: NetworkPolicy =
        serde_json::from_value(serde_json::json!({"allow_networks": ["127.0.0.0/8"]})).expect("p");
    let sandbox = Sandbox::new(SandboxConfig { network, ..config }).expect("a sandbox");
    for (file, inputs) in [
        ("/tmp/js/q.wasm", vec![r#"{"n": 21}"#, r#"{"n": 1, "fail": true}"#, "{"]),
        ("/tmp/js/o.wasm", vec![r#"{"n": 21}"#, r#"{"n": 1, "fail": true}"#, "{"]),
        (
            "/tmp/js/f.wasm",
            vec![
                r#"{"url": "http://127.0.0.1:8977/x"}"#,
                r#"{"url": "http://127.0.0.1:8977/x"}"#,
                r#"{"url": "http://example.org/"}"#,
            ],
        ),
    ] {
        let Ok(bytes) = std::fs::read(file) else {
            eprintln!("no {file}");
            continue;
        };
        let began = Instant::now();
        let published = sandbox.publish(bytes.clone().into()).await;
        eprintln!("== {file} published in {:?}: {published:#?}", began.elapsed());
        let Ok(p) = published else { continue };
        let began = Instant::now();
        let step = sandbox.load(&p.digest).await.expect("x").expect("y");
        eprintln!("loaded in {:?}", began.elapsed());
        for input in inputs {
            let mut a = attempt(input);
            a.grants =
                Arc::new(serde_json::from_str(r#"{"http": [{"host": "127.0.0.1:8977"}]}"#).expect("g"));
            let w = Arc::<Witness>::default();
            let report = sandbox.run(&step, a, w.clone()).await;
            eprintln!(
                "{input} -> {:?}\n   fuel {} us {} log {:?} effects {:?}",
                report.result,
                report.account.fuel,
                report.account.duration_us,
                report.account.log,
                w.answered.lock().expect("w")
            );
        }
        let began = Instant::now();
        for _ in 0..200 {
            let _ = sandbox.run(&step, attempt(r#"{"n": 21}"#), Arc::<Witness>::default()).await;
        }
        eprintln!("200 runs: {:?} each", began.elapsed() / 200);
    }
}
