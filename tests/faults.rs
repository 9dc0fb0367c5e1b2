//! What goes wrong around the server: a damaged folder, a taken port, a full disk. Each is named with its mend, and nothing
//! that was acknowledged is lost.

use std::path::Path;
use std::process::Output;

use reqwest::StatusCode;
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::support::guests;
use crate::support::server::{KEY, PATIENCE, Server, stepwell};
use crate::support::workflows::workflow;

/// Runs `serve` where it cannot start; gives what it said.
async fn refused(data: &Path, listen: &str) -> (Output, String) {
    let run = stepwell()
        .args(["serve", "--listen", listen, "--data"])
        .arg(data)
        .env("STEPWELL_ADMIN_KEY", KEY)
        .output();
    let output = timeout(PATIENCE, run).await.expect("it gives up at once").unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{said}");
    assert!(output.stdout.is_empty(), "nothing on standard output");
    (output, said)
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = TempDir::new().unwrap();
    let (_, said) = refused(folder.path(), &address).await;
    assert!(said.contains(&address) && said.contains("--listen"), "{said}");
}

#[tokio::test]
async fn a_data_folder_is_for_one_server_at_a_time() {
    let server = Server::start().await;
    let (_, said) = refused(&server.data(), "127.0.0.1:0").await;
    assert!(said.contains("in use by another process"), "{said}");
    assert_eq!(server.get("/v1/runs").await.0, StatusCode::OK, "the first one goes on");
}

#[tokio::test]
async fn a_damaged_data_folder_is_named_and_left_as_it_is() {
    let mut server = Server::start().await;
    server.stop().await;
    let format = server.data().join("FORMAT");
    std::fs::write(&format, "{\"format\": \"?").unwrap();
    let (_, said) = refused(&server.data(), "127.0.0.1:0").await;
    assert!(said.contains("FORMAT") && said.contains("backup"), "{said}");
    std::fs::write(&format, "{\"format\": 999}").unwrap();
    let (_, said) = refused(&server.data(), "127.0.0.1:0").await;
    assert!(said.contains("999") && said.contains("newer"), "{said}");
    assert_eq!(std::fs::read_to_string(&format).unwrap(), "{\"format\": 999}");
}

#[tokio::test]
async fn a_file_where_the_data_folder_should_be_is_named() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("data");
    std::fs::write(&file, "").unwrap();
    let (_, said) = refused(&file, "127.0.0.1:0").await;
    assert!(said.contains("data"), "{said}");
}

#[tokio::test]
async fn an_unknown_key_of_the_configuration_is_named_with_its_line() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("stepwell.toml");
    std::fs::write(&file, "listen = \"127.0.0.1:0\"\n\n[network]\nallow_netwroks = []\n").unwrap();
    let run = stepwell()
        .arg("serve")
        .arg("--config")
        .arg(&file)
        .arg("--data")
        .arg(folder.path().join("data"))
        .output();
    let output = timeout(PATIENCE, run).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("allow_netwroks") && said.contains("line 4") && said.contains("allow_networks"),
        "{said}"
    );
}

/// With a reserve larger than the disk, the disk is full from the start: runs are refused, everything else is served.
#[tokio::test]
async fn on_a_full_disk_new_runs_are_refused_and_the_rest_is_served() {
    let mut server = Server::start().await;
    server.publish(&guests::standard("transform")).await;
    let node =
        json!({"step": "transform@^1", "config": {"template": {"n": "{{ input.n }}"}}, "input": {"n": 1}});
    server.apply(&workflow("tiny", json!({"tiny": node}))).await;
    let before = server.run_to_end("tiny", &json!({})).await;
    server.stop().await;
    server.configure("[store]\nreserve_bytes = 9000000000000000\n");
    server.restart().await;
    let (status, problem) = server.post("/v1/workflows/tiny/runs", &json!({"input": {}})).await;
    assert_eq!(status, StatusCode::INSUFFICIENT_STORAGE, "{problem:#}");
    assert!(problem["detail"].as_str().unwrap().contains("free some space"), "{problem:#}");
    assert_eq!(server.run(before["id"].as_str().unwrap()).await, before);
}
