//! Every kind of problem, once: its slug (the last part of its `type`), its title and its status.
//!
//! A slug is a promise to clients: it is never renamed, and has a page in `docs/errors/`.

use http::StatusCode;

/// A status that says that something went wrong: 4xx or 5xx, checked when this is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ErrorStatus(u16);

impl ErrorStatus {
    const fn new(code: u16) -> Self {
        assert!(code >= 400 && code < 600, "a problem has a status of 4xx or 5xx");
        Self(code)
    }

    /// As the HTTP library has it.
    pub(crate) fn code(self) -> StatusCode {
        StatusCode::from_u16(self.0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// A kind of problem.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    /// Its name in `type` and in `docs/errors/`.
    pub(crate) slug: &'static str,
    /// One short line, the same for every problem of the kind.
    pub(crate) title: &'static str,
    /// Its status.
    pub(crate) status: ErrorStatus,
}

impl Kind {
    /// Its `type`: a URI, and a page for people.
    pub(crate) fn uri(&self) -> String {
        format!("https://stepwell.dev/errors/{}", self.slug)
    }
}

macro_rules! kinds {
    ($($name:ident = $status:literal $slug:literal $title:literal;)*) => {
        impl Kind {
            $(pub(crate) const $name: Self = Self { slug: $slug, title: $title, status: ErrorStatus::new($status) };)*

            /// Every kind.
            #[cfg(test)]
            pub(crate) const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

kinds! {
    MALFORMED_BODY = 400 "malformed-body" "The body cannot be read";
    INVALID_REQUEST = 400 "invalid-request" "The request does not fit what is called";
    INVALID_EVENT = 400 "invalid-event" "The event is no CloudEvent";
    UNAUTHORIZED = 401 "unauthorized" "The call needs an API key";
    NOT_ALLOWED = 403 "not-allowed" "Somebody else has to decide this";
    UNKNOWN_ROUTE = 404 "unknown-route" "There is nothing at this path";
    UNKNOWN_STEP = 404 "unknown-step" "There is no such step";
    UNKNOWN_WORKFLOW = 404 "unknown-workflow" "There is no such workflow";
    UNKNOWN_RUN = 404 "unknown-run" "There is no such run";
    UNKNOWN_HOOK = 404 "unknown-hook" "No workflow listens at this path";
    UNKNOWN_KEY = 404 "unknown-key" "There is no such API key";
    UNKNOWN_APPROVAL = 404 "unknown-approval" "There is no such approval";
    UNKNOWN_BLOB = 404 "unknown-blob" "There is no such blob";
    UNKNOWN_CALLBACK = 404 "unknown-callback" "There is no such callback";
    UNKNOWN_DEAD_LETTER = 404 "unknown-dead-letter" "There is no such dead letter";
    UNKNOWN_DESTINATION = 404 "unknown-destination" "The destination is not known";
    UNKNOWN_SIGNAL = 404 "unknown-signal" "No node of the run waits for such a signal";
    UNKNOWN_STATE = 404 "unknown-state" "The workflow keeps nothing under this key";
    METHOD_NOT_ALLOWED = 405 "method-not-allowed" "The path does not take this method";
    CONFLICT = 409 "conflict" "Something of that name is there already, and is not the same";
    NO_EARLIER_VERSION = 409 "no-earlier-version" "There is no earlier version to go back to";
    NO_CANARY = 409 "no-canary" "The workflow has no canary";
    CANARY_IS_CURRENT = 409 "canary-is-current" "The current version cannot be the canary";
    RUN_ENDED = 409 "run-ended" "The run has ended";
    RUN_NOT_ENDED = 409 "run-not-ended" "The run has not ended";
    RUN_CANCELLING = 409 "run-cancelling" "The run is being cancelled";
    NOTHING_FAILED = 409 "nothing-failed" "Nothing in the run failed";
    NOT_UNDONE = 409 "not-undone" "What would be run again could not be undone";
    NOT_WAITING = 409 "not-waiting" "Nobody waits for this decision";
    CALLBACK_USED = 409 "callback-used" "The callback was used before";
    CONFIGURED_KEY = 409 "configured-key" "The key comes from the server's configuration";
    CALLBACK_GONE = 410 "callback-gone" "Nobody waits for this callback any more";
    TOO_LARGE = 413 "too-large" "The body is too large";
    UNSUPPORTED_MEDIA_TYPE = 415 "unsupported-media-type" "The body's content type is not taken here";
    RANGE_NOT_SATISFIABLE = 416 "range-not-satisfiable" "The blob has no such bytes";
    INVALID_COMPONENT = 422 "invalid-component" "The component cannot be published";
    INVALID_DEFINITION = 422 "invalid-definition" "The workflow's definition has mistakes";
    INVALID_INPUT = 422 "invalid-input" "The input does not match the workflow's schema";
    UNFIT_REQUEST = 422 "unfit-request" "The request cannot be made the input of a run";
    IDEMPOTENCY_MISMATCH = 422 "idempotency-mismatch" "The idempotency key was used for another request";
    SCHEMA_MISMATCH = 422 "schema-mismatch" "What was sent does not match its schema";
    STATE_TOO_LARGE = 422 "state-too-large" "That is more than a workflow may keep";
    TOO_MANY_SIGNALS = 429 "too-many-signals" "The run keeps too many signals already";
    WORKFLOW_FULL = 429 "workflow-full" "The workflow takes no more runs at the moment";
    INTERNAL = 500 "internal" "The server failed";
    RUN_FAILED = 500 "run-failed" "The run that was to answer did not succeed";
    NOT_READY = 503 "not-ready" "The server is not ready";
    RUN_UNAVAILABLE = 503 "run-unavailable" "The run is not being driven at the moment";
    BLOBS_UNAVAILABLE = 503 "blobs-unavailable" "The blob store does not answer as it should";
    SHUTTING_DOWN = 503 "shutting-down" "The server is stopping";
    DISK_FULL = 507 "disk-full" "The server's disk is full";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// A client that follows `type` must find a page, and a page must speak of something that exists.
    #[test]
    fn every_slug_has_its_page_and_every_page_its_slug() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors");
        let pages: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        let slugs: BTreeSet<String> = Kind::ALL.iter().map(|kind| kind.slug.to_owned()).collect();
        assert_eq!(pages, slugs);
        assert_eq!(slugs.len(), Kind::ALL.len(), "a slug is used once");
    }

    #[test]
    fn the_page_of_the_api_lists_every_slug() {
        let page = include_str!("../../../../docs/api.md");
        for kind in Kind::ALL {
            assert!(
                page.contains(&format!("(errors/{}.md)", kind.slug)),
                "docs/api.md lacks `{}`",
                kind.slug
            );
        }
    }

    #[test]
    fn every_page_says_the_title_the_status_and_the_mend() {
        for kind in Kind::ALL {
            let page = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../../docs/errors")
                .join(format!("{}.md", kind.slug));
            let text = std::fs::read_to_string(page).unwrap();
            for part in [
                kind.title,
                &kind.status.0.to_string(),
                "## What it means",
                "## Example",
                "## How to mend it",
            ] {
                assert!(text.contains(part), "docs/errors/{}.md lacks `{part}`", kind.slug);
            }
        }
    }
}
