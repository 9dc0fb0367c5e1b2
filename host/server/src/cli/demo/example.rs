//! `demo EXAMPLE`: one of the examples, as it stands, on a real server; the services around it and its people are played as its test file
//! says.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{Either, select};
use serde_json::{Value, json};
use stepwell_core::blob::MediaType;
use stepwell_core::run::Verdict;
use stepwell_core::state::StateKey;
use stepwell_engine::ApprovalAnswer;
use tokio::time::sleep;

use super::peers::Services;
use crate::cli::local_server::LocalServer;
use crate::cli::workflow::escape;
use crate::cli::workflow_test::scene;
use crate::cli::{CliError, Client, Connection, Screen, run, screen, serve, standard_steps};

/// How often is looked whether a person is asked.
const GLANCE: Duration = Duration::from_millis(300);

/// Plays a case of an example: that which its test file shows, unless another is named.
pub(super) async fn play(
    name: &str,
    case: Option<&str>,
    is_to_stay: bool,
    screen: &Screen,
) -> Result<(), CliError> {
    let folder = folder()?.join(name);
    let file = folder.join("workflow.json");
    if !file.is_file() {
        return Err(unknown(name));
    }
    let scene = scene::read(&file, case)?;
    let components = standard_steps::build_all(&Vec::from_iter(scene.steps), screen).await?;

    let task = screen.task("Starting a server, and stand-ins for the services that the workflow calls");
    let services = Services::start(scene.peers).await?;
    let server = LocalServer::start_with(&routes(&scene.workflows, &services.url)).await?;
    task.done(format_args!("{} and {}", server.connection().url, services.url));
    let client = server.client()?;

    let task = screen.task(format!("Publishing the steps and applying the workflow of examples/{name}"));
    standard_steps::publish_all(&client, &components).await?;
    apply(&client, &scene.workflows).await?;
    task.done("as it stands: requests to other hosts go to the stand-ins");

    let task = screen.task(format!("Playing “{}”", scene.case));
    prepare(&client, &scene.workflow, scene.files, &scene.state).await?;
    let run = start(&client, &scene.workflow, &scene.input).await?;
    go_through(&client, &run, scene.decisions, &task).await?;
    let ended = client.get(&format!("/v1/runs/{run}")).await?;
    task.done(screen::cell(&ended["status"]));
    if screen.is_json() {
        screen.line(&json!({"url": client.url(), "case": scene.case, "run": ended}).to_string())?;
    } else {
        screen.line(&describe(&ended))?;
    }
    if is_to_stay {
        stay(&server, &services, &scene.workflow, &run, screen).await;
    }
    server.stop().await
}

async fn apply(client: &Client, workflows: &[Value]) -> Result<(), CliError> {
    for secret in workflows.iter().flat_map(secrets_of).collect::<BTreeSet<_>>() {
        client.put(&format!("/v1/secrets/{secret}"), &json!({"value": format!("stand-in/{secret}")})).await?;
    }
    for definition in workflows {
        let name = definition["name"].as_str().unwrap_or_default();
        client.put(&format!("/v1/workflows/{}", escape(name)), definition).await?;
    }
    Ok(())
}

/// Puts in place what is there when the run begins.
async fn prepare(
    client: &Client,
    workflow: &str,
    files: Vec<(Bytes, MediaType)>,
    state: &[(StateKey, Value)],
) -> Result<(), CliError> {
    for (bytes, media_type) in files {
        client.post_bytes("/v1/blobs", media_type.as_str(), bytes.into()).await?;
    }
    for (key, value) in state {
        let key = escape(&key.to_string());
        let path = format!("/v1/workflows/{}/state/{key}", escape(workflow));
        client.put(&path, &json!({"value": value})).await?;
    }
    Ok(())
}

async fn start(client: &Client, workflow: &str, input: &Value) -> Result<String, CliError> {
    let path = format!("/v1/workflows/{}/runs", escape(workflow));
    let started = client.start_run(&path, &json!({"input": input}), None, None).await?;
    Ok(screen::cell(&started["run_id"]))
}

/// Returns once the run has ended. Its people need not all be asked.
async fn go_through(
    client: &Client,
    run: &str,
    decisions: Vec<(String, ApprovalAnswer)>,
    task: &screen::Task,
) -> Result<(), CliError> {
    let people = pin!(decide(client, run, decisions, task));
    let end = pin!(run::follow_to_end(client, run, |_| Ok(())));
    match select(end, people).await {
        Either::Left((status, _)) => status.map(drop),
        Either::Right((decided, end)) => {
            decided?;
            end.await.map(drop)
        }
    }
}

/// Plays the people: each decides when they are asked, in their own name.
async fn decide(
    client: &Client,
    run: &str,
    decisions: Vec<(String, ApprovalAnswer)>,
    task: &screen::Task,
) -> Result<(), CliError> {
    for (node, ApprovalAnswer { verdict, by, comment, form }) in decisions {
        while !is_asked(client, run, &node).await? {
            sleep(GLANCE).await;
        }
        let key = client.post("/v1/keys", &json!({"name": by})).await?;
        let connection =
            Connection { url: client.url().to_owned(), key: key["key"].as_str().map(str::to_owned) };
        let (decision, words) = match verdict {
            Verdict::Approve => ("approve", "approves"),
            Verdict::Reject => ("reject", "rejects"),
        };
        let answer = json!({"decision": decision, "comment": comment, "form": form});
        Client::new(&connection)?
            .post(&format!("/v1/runs/{run}/approvals/{}", escape(&node)), &answer)
            .await?;
        task.news(format_args!("{by} {words} `{node}`"));
    }
    Ok(())
}

async fn is_asked(client: &Client, run: &str, node: &str) -> Result<bool, CliError> {
    let asked = client.get("/v1/approvals").await?;
    let mut asked = asked["approvals"].as_array().into_iter().flatten();
    Ok(asked.any(|approval| approval["run"] == run && approval["node"] == node))
}

/// Configuration by which all that the workflows may ask goes to the stand-ins.
fn routes(workflows: &[Value], url: &str) -> String {
    let mut grants = Vec::new();
    workflows.iter().for_each(|workflow| collect(workflow, "http", &mut grants));
    let hosts = grants.iter().filter_map(|grants| grants.as_array()).flatten();
    let hosts: BTreeSet<&str> = hosts.filter_map(|grant| grant["host"].as_str()).collect();
    let lines = hosts.iter().map(|host| format!("{} = {}\n", json!(host), json!(url)));
    format!("[network.routes]\n{}", lines.collect::<String>())
}

fn secrets_of(workflow: &Value) -> Vec<String> {
    let mut grants = Vec::new();
    collect(workflow, "secrets", &mut grants);
    grants.iter().filter_map(|grants| grants.as_object()).flat_map(|grants| grants.keys().cloned()).collect()
}

/// What all `grants` in a definition say of one capability.
fn collect<'a>(value: &'a Value, capability: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("grants").and_then(|grants| grants.get(capability)));
            fields.values().for_each(|value| collect(value, capability, found));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, capability, found)),
        _ => {}
    }
}

fn describe(run: &Value) -> String {
    let nodes: String = run::describe_nodes(run).lines().map(|line| format!("  {line}\n")).collect();
    let end = match &run["output"] {
        Value::Null => format!("  failure: {}\n", screen::cell(&run["failure"]["message"])),
        output => serde_json::to_string_pretty(output)
            .unwrap_or_default()
            .lines()
            .map(|line| format!("  {line}\n"))
            .collect(),
    };
    format!("\n{nodes}\n{end}")
}

async fn stay(server: &LocalServer, services: &Services, workflow: &str, run: &str, screen: &Screen) {
    let Connection { url, key } = server.connection();
    let (key, services) = (key.as_deref().unwrap_or_default(), &services.url);
    screen.note(format_args!(
        "\nIt stays up. Try, in another terminal:\n\n\
         \x20 export STEPWELL_URL={url} STEPWELL_KEY={key}\n\
         \x20 stepwell run show {run}\n\
         \x20 stepwell run watch {run}\n\
         \x20 stepwell ai --workflow {workflow}\n\
         \x20 curl -s $STEPWELL_URL/v1/runs/{run}/journal -H \"authorization: Bearer $STEPWELL_KEY\"\n\
         \x20 curl -s {services}/requests   # what the stand-ins were asked\n\n\
         Ctrl-C ends it and removes its data."
    ));
    serve::interrupted().await;
}

fn unknown(name: &str) -> CliError {
    CliError::Usage(format!("there is no example `{name}`; there are: {}", names().join(", ")))
}

/// The examples that can be played.
fn names() -> Vec<String> {
    let folders =
        folder().ok().and_then(|folder| std::fs::read_dir(folder).ok()).into_iter().flatten().flatten();
    let is_one = |folder: &Path| folder.join("workflow.test.json").is_file();
    let mut names: Vec<String> = folders
        .filter(|folder| is_one(&folder.path()))
        .map(|folder| folder.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Where the examples are: in the checkout that this program was built from.
fn folder() -> Result<PathBuf, CliError> {
    let built_from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let here = PathBuf::from("examples");
    [built_from, here].into_iter().find(|folder| folder.is_dir()).ok_or_else(|| {
        CliError::Usage("the examples are not here: run this in a checkout of Stepwell".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_workflow_needs_is_read_off_it_fallbacks_and_compensation_included() {
        let workflow = json!({"nodes": {
            "a": {
                "step": "notify@^1",
                "grants": {"http": [{"host": "a.example"}], "secrets": {"A": ["a.example"]}},
                "fallback": [{"step": "email-send@^1", "grants": {"http": [{"host": "*.b.example"}]}}],
                "compensate": {"step": "http-request@^1", "grants": {"secrets": {"B": ["c.example"]}}},
            },
            "m": {"map": {"over": "[]", "step": "chunk@^1"}},
        }});
        assert_eq!(secrets_of(&workflow), ["A", "B"]);
        let expected = "[network.routes]\n\"*.b.example\" = \"http://s\"\n\"a.example\" = \"http://s\"\n";
        assert_eq!(routes(&[workflow], "http://s"), expected);
    }
}
