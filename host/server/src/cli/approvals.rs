//! `stepwell approvals`: what people are asked. They answer with `stepwell run approve` and `reject`.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use super::{CliError, Client, Connection, Screen, screen};

#[derive(Debug, Args)]
pub(crate) struct ApprovalsArgs {
    /// Those that your key may decide alone.
    #[arg(long)]
    mine: bool,
    /// At most so many.
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// Go on where an earlier page ended.
    #[arg(long)]
    cursor: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) async fn approvals(args: ApprovalsArgs, screen: &Screen) -> Result<ExitCode, CliError> {
    let mut query = vec![("limit", args.limit.to_string()), ("mine", args.mine.to_string())];
    query.extend(args.cursor.map(|cursor| ("cursor", cursor)));
    let page = Client::new(&args.connection)?.get_with("/v1/approvals", &query).await?;
    screen.data(&page, || {
        let rows = page["approvals"].as_array().into_iter().flatten().map(row);
        screen::table(["RUN", "NODE", "WORKFLOW", "WHO", "SINCE", "UNTIL", "SHOWN"], rows)
    })?;
    if let (Some(cursor), false) = (page["next_cursor"].as_str(), screen.is_json()) {
        screen.note(format_args!("More: --cursor {cursor}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn row(approval: &Value) -> [String; 7] {
    let [run, node, workflow, since, until] =
        ["run", "node", "workflow", "asked_at", "expires_at"].map(|field| screen::cell(&approval[field]));
    let who: Vec<&str> = approval["who"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let who = if who.is_empty() { "anybody".to_owned() } else { who.join(", ") };
    [run, node, workflow, who, since, until, screen::cell(&approval["show"])]
}
