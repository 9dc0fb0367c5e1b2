//! Blobs: up and down, through steps, over a crash, and away again when nobody needs them.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use stepwell_core::digest::Digest;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::client::{client, output};
use crate::support::guests;
use crate::support::server::{KEY, PATIENCE, Server};

/// A run, and what it is told to copy.
fn copying() -> Value {
    json!({
        "name": "copying", "version": "1.0.0",
        "nodes": {"copy": {"step": "copyist@^1", "input": "{{ input }}"}},
        "output": "{{ nodes.copy.output }}"
    })
}

async fn upload(server: &Server, bytes: impl Into<reqwest::Body>, kind: &str) -> Value {
    let request = server.request(Method::POST, "/v1/blobs?name=a%20note.txt").header("content-type", kind);
    let (status, reference) = server.json(request.body(bytes)).await;
    assert_eq!(status, StatusCode::CREATED, "{reference}");
    reference
}

fn path_of(reference: &Value) -> String {
    format!("/v1/blobs/{}", reference["$blob"].as_str().expect("a digest"))
}

/// Files below the folder of blobs, but for the one that says whose they are.
fn kept(server: &Server) -> usize {
    fn count(folder: &std::path::Path) -> usize {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let blobs = entries.filter(|entry| entry.file_name() != ".owner");
        blobs.map(|entry| if entry.path().is_dir() { count(&entry.path()) } else { 1 }).sum()
    }
    count(&server.data().join("blobs"))
}

/// Waits until no file is there.
async fn none_is_left(server: &Server) {
    let is_gone = async {
        while kept(server) > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, is_gone).await.expect("nothing is left");
}

#[tokio::test]
async fn a_blob_goes_up_and_comes_down_whole_and_in_ranges() {
    let server = Server::start().await;
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n ^ (n >> 8)) as u8).collect();
    let reference = upload(&server, bytes.clone(), "Text/HTML; charset=utf-8").await;
    let digest = Digest::of(&bytes).to_string();
    assert_eq!(
        reference,
        json!({"$blob": digest, "size": 3_000_000, "media_type": "Text/HTML; charset=utf-8", "name": "a note.txt"})
    );

    let whole = server.request(Method::GET, &path_of(&reference)).send().await.unwrap();
    let header = |name: &str| whole.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "Text/HTML; charset=utf-8");
    assert_eq!(header("content-length"), "3000000");
    assert_eq!(
        (header("content-disposition"), header("x-content-type-options")),
        ("attachment".into(), "nosniff".into())
    );
    let etag = header("etag");
    assert_eq!(whole.bytes().await.unwrap(), bytes);

    for (range, from, to) in
        [("bytes=0-9", 0, 10), ("bytes=2999990-", 2_999_990, 3_000_000), ("bytes=-5", 2_999_995, 3_000_000)]
    {
        let part =
            server.request(Method::GET, &path_of(&reference)).header("range", range).send().await.unwrap();
        assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(part.headers()["content-range"], format!("bytes {from}-{}/3000000", to - 1));
        assert_eq!(part.bytes().await.unwrap(), bytes[from..to]);
    }
    let behind = server
        .request(Method::GET, &path_of(&reference))
        .header("range", "bytes=3000000-")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (behind.status().as_u16(), behind.headers()["content-range"].to_str().unwrap()),
        (416, "bytes */3000000")
    );

    let again =
        server.request(Method::GET, &path_of(&reference)).header("if-none-match", etag).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    // RFC 9110 section 14.2: a range is for GET alone.
    let head = server.request(Method::HEAD, &path_of(&reference)).header("range", "bytes=0-9");
    let head = head.send().await.unwrap();
    assert_eq!(
        (head.status(), &head.headers()["content-length"]),
        (StatusCode::OK, &"3000000".parse().unwrap())
    );
    assert!(head.bytes().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_is_no_blob_is_refused_and_says_why() {
    let server = Server::start_with("[blobs]\nmax_bytes = 1000\n").await;
    let (status, problem) = server.get("/v1/blobs/sha256:12").await;
    assert_eq!(
        (status.as_u16(), problem["type"].as_str()),
        (400, Some("https://stepwell.dev/errors/invalid-request"))
    );
    assert!(problem["detail"].as_str().unwrap().contains("64 hexadecimal digits"), "{problem}");
    let (status, problem) = server.get(&format!("/v1/blobs/{}", Digest::of(b"nobody's"))).await;
    assert_eq!(
        (status.as_u16(), problem["type"].as_str()),
        (404, Some("https://stepwell.dev/errors/unknown-blob"))
    );

    // Announced and not announced.
    let endless = futures::stream::iter((0..3).map(|_| Ok::<_, std::io::Error>(vec![1_u8; 500])));
    for body in [reqwest::Body::from(vec![0_u8; 1001]), reqwest::Body::wrap_stream(endless)] {
        let (status, problem) = server.json(server.request(Method::POST, "/v1/blobs").body(body)).await;
        assert_eq!(
            (status.as_u16(), problem["type"].as_str()),
            (413, Some("https://stepwell.dev/errors/too-large"))
        );
        assert_eq!(problem["limit"], 1000);
    }
    let odd = server.request(Method::POST, "/v1/blobs").header("content-type", "png").body("x");
    let (status, problem) = server.json(odd).await;
    assert_eq!((status.as_u16(), problem["header"].as_str()), (400, Some("Content-Type")));
    assert_eq!(kept(&server), 0);
}

#[tokio::test]
async fn an_upload_that_is_cut_leaves_nothing() {
    let server = Server::start().await;
    let address = server.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /v1/blobs HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {KEY}\r\ncontent-length: 5000000\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![7; 3_000_000]).await.unwrap();
    let is_under_way = async {
        while kept(&server) == 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, is_under_way).await.expect("a part of it is written");
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    none_is_left(&server).await;
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_kill() {
    let mut server = Server::start().await;
    let small = upload(&server, "small", "text/plain").await;
    let large = upload(&server, vec![b'x'; 2_500_000], "text/plain").await;
    server.kill().await;
    server.restart().await;
    for (reference, length) in [(small, 5), (large, 2_500_000)] {
        let whole = server.request(Method::GET, &path_of(&reference)).send().await.unwrap();
        assert_eq!(whole.bytes().await.unwrap().len(), length);
    }
}

#[tokio::test]
async fn a_step_reads_the_blob_that_it_was_given_and_writes_another() {
    let server = Server::start().await;
    let published = server.publish(&guests::test("copyist")).await;
    assert_eq!(published["effect_free"], true, "blobs are no effect: {published}");
    server.apply(&copying()).await;
    let text = "quiet, ".repeat(200_000);
    let reference = upload(&server, text.clone(), "text/plain").await;

    let run = server.run_to_end("copying", &json!({"blob": reference, "offset": 7})).await;
    assert_eq!(run["status"], "succeeded", "{run}");
    let copy = &run["output"]["copy"];
    assert_eq!((copy["size"].as_u64(), copy["name"].as_str()), (Some(1_399_993), Some("copy.txt")));
    let whole = server.request(Method::GET, &path_of(copy)).send().await.unwrap();
    assert_eq!(whole.text().await.unwrap(), text.to_uppercase()[7..]);

    // That another knows its digest is not enough.
    let run = server.run_to_end("copying", &json!({"digest": reference["$blob"]})).await;
    let refused = run["output"]["refused"].as_str().unwrap();
    assert!(refused.starts_with("Denied: ") && refused.contains("in the node's `input`"), "{refused}");

    // What it reads counts.
    let mut limited = copying();
    limited["version"] = "1.1.0".into();
    limited["nodes"]["copy"]["limits"] = json!({"received_bytes": 1000});
    server.apply(&limited).await;
    let run = server.run_to_end("copying", &json!({"blob": reference})).await;
    assert_eq!(run["failure"]["limit"]["name"], "received_bytes", "{run}");
}

#[tokio::test]
async fn a_run_is_not_started_with_a_blob_that_is_not_there() {
    let server = Server::start().await;
    server.publish(&guests::test("copyist")).await;
    server.apply(&copying()).await;
    let ghost = json!({"$blob": Digest::of(b"nobody's"), "size": 1, "media_type": "text/plain"});
    for (input, place) in [(json!({"blob": ghost}), "/blob"), (json!({"blob": {"$blob": "x"}}), "/blob")] {
        let (status, problem) = server.post("/v1/workflows/copying/runs", &json!({"input": input})).await;
        assert_eq!(status.as_u16(), 422, "{problem}");
        assert_eq!(problem["violations"][0]["pointer"], place, "{problem}");
    }
    // Schemas and conditions go by the size that a reference says.
    let mut smaller = upload(&server, "twelve bytes", "text/plain").await;
    smaller["size"] = 5.into();
    let (status, problem) =
        server.post("/v1/workflows/copying/runs", &json!({"input": {"blob": smaller}})).await;
    assert_eq!(status.as_u16(), 422, "{problem}");
    let told = problem["violations"][0]["message"].as_str().unwrap();
    assert!(told.contains("has 12 bytes, and not 5"), "{problem}");

    let mut definition = copying();
    definition["version"] = "2.0.0".into();
    definition["nodes"]["copy"]["input"] = json!({"blob": ghost});
    let (status, problem) = server.put("/v1/workflows/copying", &definition).await;
    assert_eq!(
        (status.as_u16(), problem["mistakes"][0]["pointer"].as_str()),
        (422, Some("/nodes/copy/input/blob")),
        "{problem}"
    );
}

#[tokio::test]
async fn a_trigger_keeps_a_body_as_a_blob() {
    let server = Server::start().await;
    let workflow = json!({
        "name": "documents", "version": "1.0.0",
        "triggers": [{"http": {"path": "/documents", "body": "blob"}}],
        "input": {"properties": {"media_type": {"const": "application/pdf"}}},
        "nodes": {"hold": {"wait": "1ms"}},
        "output": "{{ input }}"
    });
    server.apply(&workflow).await;
    let send = |kind: &str| {
        let request = server.request(Method::POST, "/hooks/documents").header("prefer", "wait=30");
        request
            .header("content-type", kind)
            .header("content-disposition", "attachment; filename=\"a.pdf\"")
            .body("%PDF-1.7")
    };
    let (status, run) = server.json(send("application/pdf")).await;
    assert_eq!(status, StatusCode::OK, "{run}");
    let expected = json!({
        "$blob": Digest::of(b"%PDF-1.7"), "size": 8, "media_type": "application/pdf", "name": "a.pdf"
    });
    assert_eq!(run["output"], expected);
    let (status, problem) = server.json(send("image/png")).await;
    assert_eq!((status.as_u16(), problem["violations"][0]["pointer"].as_str()), (422, Some("/media_type")));
}

/// Strangers cannot fill the disk with one request.
#[tokio::test]
async fn what_a_trigger_takes_is_bounded_by_its_own_limit() {
    let server = Server::start().await;
    let trigger = |path: &str, more: Value| {
        let mut http = json!({"path": path, "body": "blob", "open": true});
        http.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"http": http})
    };
    let triggers = [trigger("/small", json!({"max_bytes": "1 KiB"})), trigger("/usual", json!({}))];
    server.apply(&json!({"name": "open", "version": "1.0.0", "triggers": triggers, "nodes": {"hold": {"wait": "1ms"}}})).await;
    let endless = || futures::stream::iter((0..33).map(|_| Ok::<_, std::io::Error>(vec![1_u8; 1 << 19])));
    for (path, body, limit) in [
        ("/hooks/small", reqwest::Body::from(vec![0; 1025]), 1024),
        ("/hooks/small", reqwest::Body::wrap_stream(endless()), 1024),
        ("/hooks/usual", reqwest::Body::wrap_stream(endless()), 16 << 20),
    ] {
        let (status, problem) = server.json(server.request(Method::POST, path).body(body)).await;
        assert_eq!((status.as_u16(), &problem["limit"]), (413, &json!(limit)), "{problem}");
        assert!(
            problem["detail"].as_str().unwrap().contains("`max_bytes` of the workflow's trigger"),
            "{problem}"
        );
    }
    // What was refused is taken back behind the answer.
    none_is_left(&server).await;
    let fits = server.request(Method::POST, "/hooks/small").body(vec![0; 1024]);
    assert_eq!(server.json(fits).await.0, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_blob_goes_when_the_last_run_that_names_it_is_gone() {
    let config = "[blobs]\nkeep_unused = \"1s\"\n[engine]\nretention = \"forever\"\n";
    let mut server = Server::start_with(config).await;
    let unused = upload(&server, "unused", "text/plain").await;
    let used = upload(&server, "used", "text/plain").await;
    let workflow = json!({"name": "passing", "version": "1.0.0", "nodes": {"hold": {"wait": "1ms"}}, "output": "{{ input }}"});
    server.apply(&workflow).await;
    server.run_to_end("passing", &json!({"blob": used})).await;

    let is_there = async |server: &Server, reference: &Value| {
        server.request(Method::HEAD, &path_of(reference)).send().await.unwrap().status() == StatusCode::OK
    };
    let goes = async |server: &Server, reference: &Value| {
        let gone = async { while is_there(server, reference).await {} };
        timeout(PATIENCE, gone).await.expect("what nobody needs goes");
    };
    goes(&server, &unused).await;
    assert!(is_there(&server, &used).await, "a run names it");

    server.stop().await;
    server.configure(
        "[blobs]\nkeep_unused = \"1s\"\n[engine]\nretention = \"1ms\"\nidempotency_ttl = \"1ms\"\n",
    );
    server.restart().await;
    goes(&server, &used).await;
    none_is_left(&server).await;
}

#[tokio::test]
async fn the_command_line_puts_and_gets() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (photo, back) = (folder.path().join("photo.png"), folder.path().join("back"));
    std::fs::write(&photo, vec![9; 700_000]).unwrap();
    let put = output(client(&server, &["blob", "put", photo.to_str().unwrap()])).await;
    let reference: Value = serde_json::from_slice(&put.stdout).expect("a reference");
    assert_eq!(
        (reference["media_type"].as_str(), reference["name"].as_str()),
        (Some("image/png"), Some("photo.png"))
    );
    let digest = reference["$blob"].as_str().unwrap();
    let get = output(client(&server, &["blob", "get", digest, "-o", back.to_str().unwrap()])).await;
    assert!(get.status.success(), "{get:?}");
    assert_eq!(std::fs::read(&back).unwrap(), vec![9; 700_000]);
    let bare = output(client(&server, &["blob", "get", digest])).await;
    assert_eq!(bare.stdout.len(), 700_000);
}

#[tokio::test]
async fn a_start_with_a_wrong_place_for_blobs_says_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = crate::support::server::stepwell();
    let data = folder.path().join("data");
    command.args(["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()]);
    command.env("STEPWELL_BLOBS_URL", "ftp://host/blobs");
    let refused = output(command).await;
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && words.contains("`ftp:` is no store for blobs"), "{words}");
}

/// Each would remove what only the other knows to be needed.
#[tokio::test]
async fn two_data_folders_do_not_share_their_blobs() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}", folder.path().join("blobs").display());
    let one = Server::start_with(&format!("[blobs]\nurl = \"{url}\"\n")).await;
    upload(&one, "needed", "text/plain").await;

    let mut command = crate::support::server::stepwell();
    let data = folder.path().join("another");
    command.args(["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()]);
    command.env("STEPWELL_BLOBS_URL", &url);
    let refused = output(command).await;
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && words.contains("belong to another data folder"), "{words}");
}

#[tokio::test]
async fn a_test_of_a_workflow_has_files_for_blobs_and_goes_through_crashes_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    write("copyist.wasm", &guests::test("copyist"));
    write("note.txt", b"quiet");
    write("loud.txt", b"QUIET");
    let workflow = json!({
        "name": "copying", "version": "1.0.0",
        "nodes": {
            "copy": {"step": "copyist@^1", "input": "{{ input }}"},
            "again": {"needs": ["copy"], "step": "copyist@^1", "input": {"blob": "{{ nodes.copy.output.copy }}"}}
        },
        "output": "{{ nodes.again.output }}"
    });
    write("workflow.json", workflow.to_string().as_bytes());
    let expect = json!({"output_includes": {"copy": {"$file": "loud.txt"}, "read": 5}});
    let cases = json!({"loud": {"input": {"blob": {"$file": "note.txt"}}, "expect": expect}});
    let tests = json!({"steps": {"copyist": {"file": "copyist.wasm"}}, "cases": cases});
    write("workflow.test.json", tests.to_string().as_bytes());

    let mut command = crate::support::server::stepwell();
    command.args(["workflow", "test", "--chaos"]).arg(folder.path().join("workflow.json"));
    let tested = output(command).await;
    let words = String::from_utf8_lossy(&[tested.stdout, tested.stderr].concat()).into_owned();
    assert!(tested.status.success(), "{words}");

    write("workflow.test.json", tests.to_string().replace("note.txt", "gone.txt").as_bytes());
    let mut command = crate::support::server::stepwell();
    command.args(["workflow", "test"]).arg(folder.path().join("workflow.json"));
    let tested = output(command).await;
    let words = String::from_utf8_lossy(&tested.stderr).into_owned();
    assert!(!tested.status.success() && words.contains("gone.txt"), "{words}");
}

#[tokio::test]
async fn a_replay_reads_the_blobs_that_the_run_read() {
    let server = Server::start().await;
    server.publish(&guests::test("copyist")).await;
    server.apply(&copying()).await;
    let reference = upload(&server, "quiet ".repeat(100_000), "text/plain").await;
    let run = server.run_to_end("copying", &json!({"blob": reference, "offset": 300_000})).await;
    let replayed = output(client(&server, &["run", "replay", run["id"].as_str().unwrap()])).await;
    let words = String::from_utf8_lossy(&[replayed.stdout, replayed.stderr].concat()).into_owned();
    assert!(replayed.status.success() && words.contains("1 same"), "{words}");
}
