//! One ticket: sent over the workflow's trigger, shown with everything that its run left behind.

use serde_json::{Value, json};

use crate::cli::{CliError, Client, Screen, run, screen};

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
    let answer = client.post("/hooks/tickets", ticket).await?;
    // The ticket's id is its run's; a run that takes longer than the answer waits is named alone.
    let id = screen::cell(answer.get("id").unwrap_or(&answer["run_id"]));
    run::follow_to_end(client, &id, |_| Ok(())).await?;
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
            let [department, reference] = ["department", "reference"].map(|name| screen::cell(&output[name]));
            format!("{lines}  received by  {department} (stand-in), as {reference}\n")
        };
        let nodes: String =
            run::describe_nodes(&self.run).lines().map(|line| format!("  {line}\n")).collect();
        format!("\n“{}”\n{answer}{nodes}  look further: {}\n", self.subject, self.url)
    }

    /// For a program.
    pub(super) fn to_json(&self) -> Value {
        json!({"subject": self.subject, "url": self.url, "ticket": self.run["output"], "run": self.run})
    }
}
