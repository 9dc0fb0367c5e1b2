//! What every implementation of [`Journal`](crate::Journal) and [`Catalogue`](crate::Catalogue) must do.
//!
//! Each case is a function over an empty store, named as what it protects. The macros make a test of each:
//!
//! ```ignore
//! mod journal {
//!     stepwell_store::journal_conformance!(fresh_journal());  // -> (Arc<impl Journal>, whatever keeps it alive)
//! }
//! ```
#![expect(clippy::unwrap_used, reason = "this is test code, and a panic is how a test fails")]

pub mod catalogue;
pub mod journal;
pub mod marks;
pub mod purge;
pub mod samples;

/// One test for each case of the journal's suite. The expression makes an empty journal and what must live as long as it.
#[macro_export]
macro_rules! journal_conformance {
    ($fresh:expr) => {
        $crate::conformance_cases!(
            journal,
            $fresh,
            entries_come_back_as_they_were,
            a_read_sees_what_was_handed_over,
            a_read_begins_and_ends_where_it_is_told,
            a_ticket_answers_whoever_asks,
            the_index_follows_a_run,
            a_run_that_goes_on_is_listed_as_running_again,
            a_run_that_waits_is_listed_and_not_taken_up,
            a_run_that_moves_is_told_once,
            pages_are_complete,
            unfinished_runs_are_paged_oldest_first,
            a_claim_is_for_one_run,
            simultaneous_claims_give_one_run,
            an_expired_claim_is_forgotten,
            claims_are_scoped_to_tenant_and_workflow,
            tenants_are_apart,
            a_closed_journal_refuses,
        );
        $crate::conformance_cases!(
            marks,
            $fresh,
            a_mark_is_found_by_its_key,
            a_mark_is_replaced_and_removed_with_its_time,
            marks_come_with_the_entries_that_they_follow_from,
            a_start_that_was_done_before_leaves_no_mark,
            the_later_change_holds,
            marks_are_due_soonest_first,
            marks_come_in_pages,
            a_key_that_is_too_long_is_refused,
        );
        $crate::conformance_cases!(
            purge,
            $fresh,
            old_runs_are_removed_whole,
            runs_that_go_on_and_open_dead_letters_are_kept,
            old_runs_are_removed_page_by_page,
            a_removed_run_does_not_go_on,
            a_run_that_is_taken_up_meanwhile_is_whole,
        );
    };
}

/// One test for each case of the catalogue's suite. The expression makes an empty catalogue and what must live as long as it.
#[macro_export]
macro_rules! catalogue_conformance {
    ($fresh:expr) => {
        $crate::conformance_cases!(
            catalogue,
            $fresh,
            a_step_is_kept_once,
            steps_are_listed_by_name_then_version,
            the_version_applied_last_is_current,
            a_version_never_changes,
            what_was_current_when_is_remembered,
            the_memory_of_what_was_current_is_bounded,
            a_canary_is_beside_the_current_version,
            a_canary_ends_once,
            a_large_definition_is_kept,
            a_secret_is_replaced_and_listed_by_name,
            a_key_is_replaced_and_listed_by_age,
            tenants_are_apart,
        );
    };
}

/// The tests behind the two macros above.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_cases {
    ($suite:ident, $fresh:expr, $($case:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let (store, _alive) = $fresh;
                $crate::conformance::$suite::$case(store).await;
            }
        )+
    };
}
