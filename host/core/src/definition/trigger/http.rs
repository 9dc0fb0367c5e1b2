//! An HTTP trigger, as it was written.

use std::time::Duration;

use serde_json::Value;

use crate::definition::cursor::{Cursor, Fields, Mistakes};
use crate::expression::{Setting, Template};
use crate::mistake::code;
use crate::plan::{HttpTrigger, Respond, TriggerBody};
use crate::route::{InvalidRoute, Route};

const METHODS: &[&str] = &["POST", "GET", "PUT", "PATCH", "DELETE"];

const PATH_FORM: &str = "write it like `/tickets` or `/tickets/{id}/route`: parts of a-z, A-Z, 0-9, `-`, `_` and `.`, or parameters in braces, each \
                         after a `/`";

/// How long a request waits for its run, where the trigger says that it waits and not how long.
const DEFAULT_WAIT: Duration = Duration::from_secs(30);

/// What strangers may send where the trigger does not say: as much as a step receives by default.
const OPEN_MAX_BYTES: u64 = 16 << 20;

/// All of it is read, also behind a mistake.
pub(super) fn read(http: &Cursor<'_>, mistakes: &Mistakes) -> Option<HttpTrigger> {
    let http = http.fields(&["path", "method", "open", "body", "max_bytes", "input", "respond"])?;
    let path = http.require("path", PATH_FORM).and_then(|path| read_path(&path));
    let method = match http.get("method") {
        Some(method) => read_method(&method),
        None => Some("POST".to_owned()),
    };
    let open = match http.get("open") {
        Some(open) => open.boolean(),
        None => Some(false),
    };
    let input =
        http.get("input").map(|it| mistakes.note(Template::examine(it.value, &it.pointer, Setting::Request)));
    let respond = match http.get("respond") {
        Some(respond) => read_respond(&respond, mistakes).map(Some),
        None => Some(None),
    };
    let body = read_body(&http, open == Some(true));
    Some(HttpTrigger { path: path?, method: method?, open: open?, body: body?, input, respond: respond? })
}

fn read_path(path: &Cursor<'_>) -> Option<Route> {
    let wrong =
        |invalid: InvalidRoute| path.wrong_with_help(code::BAD_TRIGGER, invalid.to_string(), PATH_FORM);
    path.text()?.parse().map_err(wrong).ok()
}

fn read_method(method: &Cursor<'_>) -> Option<String> {
    let text = method.text()?;
    if METHODS.contains(&text) {
        return Some(text.to_owned());
    }
    method.wrong(code::BAD_TRIGGER, format!("`{text}` is none of the methods {}", METHODS.join(", ")));
    None
}

fn read_respond(respond: &Cursor<'_>, mistakes: &Mistakes) -> Option<Respond> {
    let fields = respond.fields(&["wait", "status", "body"])?;
    let template = |it: Cursor<'_>| mistakes.note(Template::examine(it.value, &it.pointer, Setting::Answer));
    let wait = fields.get("wait").map_or(Some(DEFAULT_WAIT), |it| it.duration());
    let status = fields.get("status").map_or(Some(None), |it| is_status(&it).then(|| Some(template(it))));
    let body = fields.get("body").map(template);
    Some(Respond { wait: wait?, status: status?, body })
}

/// What is no expression must be a status that an answer may have.
fn is_status(status: &Cursor<'_>) -> bool {
    let good = match status.value {
        Value::String(text) => text.contains("{{"),
        number => number.as_u64().is_some_and(|status| (200..600).contains(&status)),
    };
    if !good {
        let message = "an HTTP status is wanted here, 200 to 599, or an expression that gives one";
        status.wrong(code::BAD_VALUE, message);
    }
    good
}

fn read_body(http: &Fields<'_>, is_open: bool) -> Option<TriggerBody> {
    let is_blob = http.get("body").map_or(Some(false), |body| is_blob(&body))?;
    let max_bytes = http.get("max_bytes");
    if !is_blob {
        if let Some(max_bytes) = max_bytes {
            let message = "`max_bytes` is for a `body` that is `blob`; JSON is bounded by the server's `http.max_json_bytes`";
            max_bytes.wrong(code::BAD_TRIGGER, message);
            return None;
        }
        return Some(TriggerBody::Json);
    }
    let max_bytes = match max_bytes {
        Some(size) => Some(size.size()?),
        None => is_open.then_some(OPEN_MAX_BYTES),
    };
    Some(TriggerBody::Blob { max_bytes })
}

fn is_blob(body: &Cursor<'_>) -> Option<bool> {
    match body.text()? {
        "json" => Some(false),
        "blob" => Some(true),
        other => {
            let help = "`json`: it is the run's input; `blob`: it is kept as a blob, and the reference to it is the input";
            body.wrong_with_help(code::BAD_TRIGGER, format!("`{other}` is neither `json` nor `blob`"), help);
            None
        }
    }
}
