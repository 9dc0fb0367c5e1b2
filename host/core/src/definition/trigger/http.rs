//! An HTTP trigger, as it was written.

use crate::definition::cursor::Cursor;
use crate::mistake::code;
use crate::plan::{HttpTrigger, TriggerBody};

const METHODS: &[&str] = &["POST", "GET", "PUT", "PATCH", "DELETE"];

const MAX_PATH_LENGTH: usize = 200;

const PATH_FORM: &str =
    "write it like `/tickets` or `/shop/orders`: parts of a-z, A-Z, 0-9, `-`, `_` and `.`, each after a `/`";

pub(super) fn read(http: &Cursor<'_>) -> Option<HttpTrigger> {
    let http = http.fields(&["path", "method", "open", "body"])?;
    let path = http.require("path", PATH_FORM).and_then(|path| read_path(&path));
    let method = match http.get("method") {
        Some(method) => read_method(&method),
        None => Some("POST".to_owned()),
    };
    let open = match http.get("open") {
        Some(open) => open.boolean(),
        None => Some(false),
    };
    let body = match http.get("body") {
        Some(body) => read_body(&body),
        None => Some(TriggerBody::Json),
    };
    Some(HttpTrigger { path: path?, method: method?, open: open?, body: body? })
}

fn read_path(path: &Cursor<'_>) -> Option<String> {
    let text = path.text()?;
    let good_part = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    let good = text.len() <= MAX_PATH_LENGTH
        && text.strip_prefix('/').is_some_and(|rest| rest.split('/').all(good_part));
    if !good {
        path.wrong_with_help(code::BAD_TRIGGER, "this is no path for a trigger", PATH_FORM);
    }
    good.then(|| text.to_owned())
}

fn read_method(method: &Cursor<'_>) -> Option<String> {
    let text = method.text()?;
    if METHODS.contains(&text) {
        return Some(text.to_owned());
    }
    method.wrong(code::BAD_TRIGGER, format!("`{text}` is none of the methods {}", METHODS.join(", ")));
    None
}

fn read_body(body: &Cursor<'_>) -> Option<TriggerBody> {
    match body.text()? {
        "json" => Some(TriggerBody::Json),
        "blob" => Some(TriggerBody::Blob),
        other => {
            let help = "`json`: it is the run's input; `blob`: it is kept as a blob, and the reference to it is the input";
            body.wrong_with_help(code::BAD_TRIGGER, format!("`{other}` is neither `json` nor `blob`"), help);
            None
        }
    }
}
