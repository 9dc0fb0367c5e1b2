//! What is new and not decided: ids of runs, and the URLs at which nodes are called back.

use std::sync::Arc;

use stepwell_core::id::RunId;
use stepwell_core::run::Mint;
use uuid::Uuid;

/// Where callbacks are taken, below the server's own URL.
const CALLBACKS: &str = "/v1/callbacks/";

/// Makes ids and tokens of the system's random numbers.
pub(crate) struct Random {
    /// Of the server, as others reach it.
    pub(crate) public_url: Arc<str>,
}

impl Mint for Random {
    fn run_id(&mut self) -> RunId {
        RunId(Uuid::now_v7())
    }

    /// A token of 256 random bits.
    fn callback(&mut self) -> (String, String) {
        let token = format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>());
        let url = format!("{}{CALLBACKS}{token}", self.public_url.trim_end_matches('/'));
        (token, url)
    }
}
