//! `http`: requests, through the grant gate.
//!
//! ```text
//! wit      what the guest calls                       link
//! session  requests as effects: replay, order         prepare
//! stream   an answer that comes piece by piece, which may outlive it too
//! incoming what the guest calls of such an answer
//! errand   what a guest waits for, which may outlive it
//! exchange one request: gates, redirects, limits
//!   client   the connections, and what the operator allows of them
//!   hop      a well-formed request, and where a redirect leads
//!   grant    what the node is granted (host, path)    check
//!   network  what the operator allows at all
//!   route    where the operator has requests sent instead
//!   body     bytes and blobs, on their way out
//!   placeholder the form of a secret's place
//!   secret   who may see a value: placeholders filled on the way out, taken out of what comes back
//!   redact   the values found in what comes back, in whatever form
//!   answer   what comes back, whole, as a blob or piece by piece
//!   dial     addresses checked, then connected to
//!   fault    what went wrong, in words
//!   stand_in what answers in the network's place
//! oauth2   access tokens, fetched for secrets that are clients
//! message  requests and answers as values; the journal's shape
//! reply    what an answer says about its destination
//! ```

mod answer;
mod body;
mod client;
mod dial;
mod errand;
mod exchange;
mod fault;
mod grant;
mod hop;
mod host;
mod incoming;
mod message;
mod network;
mod oauth2;
mod path;
mod placeholder;
mod redact;
mod reply;
mod route;
mod secret;
mod session;
mod stand_in;
mod stream;
#[cfg(test)]
pub(crate) mod tests;
mod wit;

pub(crate) use client::HttpClient;
pub(crate) use errand::{Errand, UnderWay};
pub(crate) use grant::check;
pub use host::{HostPattern, InvalidHost};
#[expect(unreachable_pub, reason = "the generated bindings name it as if it were public")]
pub use incoming::Incoming;
pub(crate) use message::HttpRequest;
pub use message::{Answer as HttpAnswer, HttpError, HttpKept, HttpResponse, HttpStream, StreamEnd};
pub use network::NetworkPolicy;
pub use route::{InvalidRoute, Route};
pub(crate) use session::{HttpSession, prepare};
pub use stand_in::{EffectStandIn, HttpAsked};
pub(crate) use wit::link;
