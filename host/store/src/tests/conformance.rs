//! Both implementations pass the suite, and find whole pages and all marks after any history.

use std::cell::Cell;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use stepwell_core::run::RunStatus;
use tempfile::TempDir;

use super::fresh;
use crate::conformance::journal::{Past, pages_are_complete_after};
use crate::conformance::marks::{MarkPast, marks_are_as_in_a_map};
use crate::conformance::samples;
use crate::memory::{MemoryCatalogue, MemoryJournal};
use crate::{Catalogue, Journal, MarkKind};

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
    (0..4_u8, prop::sample::select(RunStatus::ALL.to_vec()))
}

fn mark_past() -> impl Strategy<Value = MarkPast> {
    let kinds = [MarkKind::Timer, MarkKind::DeadLetter, MarkKind::Memo];
    let put = prop::option::weighted(0.7, (prop::option::of(-100..100_i16), any::<u16>()));
    (0..2_u8, prop::sample::select(kinds.to_vec()), 0..6_u8, put)
}

#[test]
fn marks_are_as_in_a_map_after_any_history() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (embedded, _folder) = fresh_journal();
    let memory = MemoryJournal::default();
    let case = Cell::new(0);
    let input = prop::collection::vec(prop::collection::vec(mark_past(), 0..8), 0..12);
    let outcome = TestRunner::default().run(&input, |history| {
        let case = case.replace(case.get() + 1);
        runtime.block_on(async {
            marks_are_as_in_a_map(&*embedded, case, &history).await;
            marks_are_as_in_a_map(&memory, case, &history).await;
        });
        Ok(())
    });
    outcome.unwrap();
}

/// Each history is that of a tenant of its own, so that all can be in one store.
#[test]
fn pages_are_complete_after_any_history() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (embedded, _folder) = fresh_journal();
    let memory = MemoryJournal::default();
    let case = Cell::new(0);
    let input = (prop::collection::vec(past(), 0..60), 1..20_usize);
    let outcome = TestRunner::default().run(&input, |(history, limit)| {
        let tenant = samples::tenant(&format!("case-{}", case.replace(case.get() + 1)));
        runtime.block_on(async {
            pages_are_complete_after(&*embedded, &tenant, &history, limit).await;
            pages_are_complete_after(&memory, &tenant, &history, limit).await;
        });
        Ok(())
    });
    outcome.unwrap();
}
