//! One ticket: sent over the workflow's trigger, shown with everything that its run left behind.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::{CliError, Client, Screen, run, screen};

/// How long the start itself waits for the end; what takes longer is followed by its events.
const PATIENCE: Duration = Duration::from_secs(30);

/// A ticket and the run that triaged it.
pub(super) struct Triaged {
    subject: String,
    url: String,
    run: Value,
}

/// Sends a ticket and waits for its run to end.
pub(super) async fn triage(client: &Client, ticket: &Value, screen: &Screen) -> Result<Triaged, CliError> {
    let subject = screen::cell(&ticket["subject"]);
    let task = screen.task(format!("Sending the ticket “{subject}”"));
    let started = client.start_run("/hooks/tickets", ticket, Some(PATIENCE), None).await?;
    let id = screen::cell(&started["run_id"]);
    if started["status"] == "running" {
        run::follow_to_end(client, &id, |_| Ok(())).await?;
    }
    let path = format!("/v1/runs/{id}");
    let run = client.get(&path).await?;
    task.done(screen::cell(&run["status"]));
    Ok(Triaged { subject, url: format!("{}{path}", client.url()), run })
}

impl Triaged {
    /// For a person.
    pub(super) fn describe(&self) -> String {
        let output = &self.run["output"];
        let answer = if output.is_null() {
            format!("  failure      {}\n", screen::cell(&self.run["failure"]["message"]))
        } else {
            let lines = ["label", "confidence", "explanation"];
            let lines: String =
                lines.iter().map(|name| format!("  {name:<12} {}\n", screen::cell(&output[name]))).collect();
            let (department, ticket) = (screen::cell(&output["department"]), screen::cell(&output["ticket"]));
            format!("{lines}  received by  {department} (stand-in), as {ticket}\n")
        };
        let nodes: String =
            run::describe_nodes(&self.run).lines().map(|line| format!("  {line}\n")).collect();
        format!("\n“{}”\n{answer}{nodes}  look further: {}\n", self.subject, self.url)
    }

    /// For a program.
    pub(super) fn to_json(&self) -> Value {
        json!({"subject": self.subject, "url": self.url, "run": self.run})
    }
}
