//! HTTP requests, within the node's grant.
//!
//! An effect: the host journals each answer, and does not ask for it again when the attempt is replayed after a crash.
//! The operator grants each node the hosts that it may reach; a request beyond the grant is an
//! [`Error`] of kind [`ErrorKind::Denied`] that shows the missing grant.
//!
//! ```
//! use stepwell_sdk::{http, testing::{Answer, FakeHost}, StepError};
//!
//! fn title(id: u32) -> Result<String, StepError> {
//!     let answer = http::get(format!("https://api.example.com/tickets/{id}"))
//!         .bearer_secret("TICKETS_KEY")
//!         .send()?
//!         .success()?;
//!     let ticket: serde_json::Value = answer.json()?;
//!     Ok(ticket["title"].to_string())
//! }
//!
//! let host = FakeHost::new();
//! host.answer("GET", "https://api.example.com/tickets/7", Answer::json(200, &serde_json::json!({"title": "Help"})));
//! assert_eq!(title(7).unwrap(), "\"Help\"");
//! assert_eq!(host.requests()[0].header_value("authorization"), Some("Bearer {{secret.TICKETS_KEY}}"));
//! ```

mod body;
mod error;
mod incoming;
mod request;
mod response;

pub use body::{Multipart, Part};
pub use error::{Error, ErrorKind};
pub use incoming::Incoming;
pub use request::{Request, delete, get, head, patch, post, put};
pub use response::{Kept, Response};

use crate::host;

/// Sends several requests at once and waits for all. The answers stand in the order of the requests.
pub fn send_all(requests: impl IntoIterator<Item = Request>) -> Vec<Result<Response, Error>> {
    let requests: Vec<_> = requests.into_iter().map(Request::checked_whole).collect();
    let sendable = requests.iter().filter_map(|request| request.as_ref().ok()).collect();
    let mut answers = host::send_all(sendable).into_iter();
    requests
        .into_iter()
        .map(|request| match request {
            Ok(_) => answers.next().unwrap_or_else(|| Err(lost_answer())),
            Err(fault) => Err(fault),
        })
        .collect()
}

fn lost_answer() -> Error {
    Error::new(ErrorKind::Protocol, "the host gave fewer answers than it was sent requests")
}
