//! Both implementations pass the suite, and find whole pages after any history.

use std::sync::Arc;

use proptest::prelude::*;
use stepwell_core::run::RunStatus;
use tempfile::TempDir;

use super::fresh;
use crate::conformance::journal::{Past, pages_are_complete_after};
use crate::memory::{MemoryCatalogue, MemoryJournal};
use crate::{Catalogue, Journal};

fn fresh_journal() -> (Arc<dyn Journal>, TempDir) {
    let (store, folder) = fresh();
    (store.journal(), folder)
}

fn fresh_catalogue() -> (Arc<dyn Catalogue>, TempDir) {
    let (store, folder) = fresh();
    (store.catalogue(), folder)
}

mod embedded_journal {
    crate::journal_conformance!(super::fresh_journal());
}

mod embedded_catalogue {
    crate::catalogue_conformance!(super::fresh_catalogue());
}

mod memory_journal {
    crate::journal_conformance!((std::sync::Arc::new(super::MemoryJournal::default()), ()));
}

mod memory_catalogue {
    crate::catalogue_conformance!((std::sync::Arc::new(super::MemoryCatalogue::default()), ()));
}

fn past() -> impl Strategy<Value = Past> {
    let statuses = [RunStatus::Running, RunStatus::Succeeded, RunStatus::Failed, RunStatus::Cancelled];
    (0..4_u8, prop::sample::select(statuses.to_vec()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn pages_are_complete_after_any_history(history in prop::collection::vec(past(), 0..60), limit in 1..20_usize) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (journal, _folder) = fresh_journal();
        runtime.block_on(pages_are_complete_after(journal, &history, limit));
        runtime.block_on(pages_are_complete_after(Arc::new(MemoryJournal::default()), &history, limit));
    }
}
