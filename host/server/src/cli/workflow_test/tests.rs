//! What a test of a workflow finds: runs that go wrong because the engine, its journal or the test does.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::disruption::Disruption;
use super::file::{self, Case};
use super::files::Files;
use super::journal::CutJournal;
use super::stage::{NoStage, Stage};
use super::take::{self, Take};
use super::verdict::judge;

/// A person is asked, and then a day is waited for.
fn review() -> Value {
    json!({"name": "flow", "version": "1.0.0", "nodes": {
        "review": {"approval": {"who": ["ann", "bob"]}},
        "hold": {"wait": "24h", "needs": ["review"]}
    }})
}

fn stage(definition: &Value) -> Stage {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    match runtime.block_on(Stage::set("flow", &[definition], Vec::new(), Files::default())) {
        Ok(stage) => stage,
        Err(NoStage::Mistakes(_, mistakes)) => panic!("{mistakes:?}"),
        Err(NoStage::Error(error)) => panic!("{error}"),
    }
}

fn case(definition: &Value, case: &Value) -> Arc<Case> {
    let document = json!({"cases": {"one": case}});
    let read = file::read(&document, Files::default(), definition, Path::new(""))
        .unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    Arc::new(read.cases.into_iter().next().unwrap())
}

/// Everything that is wrong with a take, in words.
fn wrong(case: &Case, disruption: Option<&Disruption>, take: &Take) -> Vec<String> {
    judge(case, disruption, take)
        .iter()
        .map(|breach| format!("{}: {}", breach.word(), breach.message()))
        .collect()
}

/// At which entry of an undisturbed run's journal this stands.
fn entry(stage: &Stage, case: &Arc<Case>, kind: &str) -> u64 {
    let journal = CutJournal::new(None);
    let take = take::play_over(&journal, stage, case, None).unwrap();
    assert_eq!(wrong(case, None, &take), [""; 0]);
    let run = journal.run().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let entries = runtime.block_on(journal.entries_of(&super::stage::tenant(), run)).unwrap();
    entries.iter().find(|entry| entry.event.type_name() == kind).unwrap().seq
}

#[test]
fn days_of_a_run_with_people_pass_in_no_time_and_through_every_crash() {
    let began = std::time::Instant::now();
    let definition = review();
    let stage = stage(&definition);
    let case = case(
        &definition,
        &json!({
            "approvals": [
                {"node": "review", "after": "2h", "decide": "approve", "by": "eve", "refused": "not-allowed"},
                {"node": "review", "after": "3h", "decide": "approve", "by": "ann", "comment": "fine"},
                {"node": "review", "after": "4h", "decide": "reject", "by": "bob", "refused": "not-waiting"}
            ],
            "expect": {"nodes": {"review": {"output_includes": {"by": "ann", "comment": "fine"}}}}
        }),
    );
    let take = take::play(&stage, &case, None).unwrap();
    assert_eq!(wrong(&case, None, &take), [""; 0]);
    let view = take.run().unwrap();
    let took = view.ended_at.unwrap().duration_since(view.accepted_at);
    assert_eq!(took.as_hours(), 27, "three hours until somebody decided, and a day");
    for entry in 0..take.entries {
        let crash = Disruption::Crash(entry);
        let take = take::play(&stage, &case, Some(&crash)).unwrap();
        assert_eq!(wrong(&case, Some(&crash), &take), [""; 0], "{crash}");
    }
    assert!(began.elapsed() < take::PATIENCE, "nothing was waited for");
}

#[test]
fn a_run_that_waits_for_somebody_whom_the_test_does_not_have_is_told_with_what_it_waits_for() {
    let definition = review();
    let stage = stage(&definition);
    let case = case(&definition, &json!({"expect": {}}));
    let take = take::play(&stage, &case, None).unwrap();
    assert_eq!(
        wrong(&case, None, &take),
        [
            "hang: the run did not end: `review` of `flow` waits for a decision that nobody in this case makes: add it to `approvals`"
        ]
    );
}

#[test]
fn what_nobody_came_to_do_and_what_was_answered_otherwise_is_told() {
    let mut definition = review();
    definition["nodes"]["more"] = json!({"wait": {"signal": "early"}, "needs": ["hold"]});
    let stage = stage(&definition);
    let case = case(
        &definition,
        &json!({
            "approvals": [
                {"node": "review", "decide": "approve", "by": "eve"},
                {"node": "review", "decide": "approve", "by": "ann"}
            ],
            "signals": [
                {"name": "early", "after": "48h", "refused": "ended"},
                {"name": "never", "when": {"node": "hold"}}
            ],
            "expect": {}
        }),
    );
    let take = take::play(&stage, &case, None).unwrap();
    let all = wrong(&case, None, &take);
    assert!(all[0].starts_with("hang: "), "{all:#?}");
    let told = [
        "`approvals/0` (eve approves `review`) was refused as `not-allowed`, and was to be taken",
        "`approvals/1` (ann approves `review`) was never done: `review` asked once only",
        "`signals/0` (the signal `early`) was taken, and was to be refused as `ended`",
        "`signals/1` (the signal `never`) was never done: that `hold` waited did not come to be",
    ];
    assert_eq!(all.len(), 1 + told.len(), "{all:#?}");
    for (found, told) in all[1..].iter().zip(told) {
        assert!(found.contains(told), "{found}");
    }
}

#[test]
fn a_decision_that_a_journal_acknowledges_and_does_not_keep_is_found_by_a_crash() {
    let definition = review();
    let stage = stage(&definition);
    let case = case(
        &definition,
        &json!({"approvals": [{"node": "review", "decide": "approve", "by": "ann"}], "expect": {}}),
    );
    let at = entry(&stage, &case, "approval-decided");
    let crash = Disruption::Crash(at);
    let journal = CutJournal::losing(Some(at + 1), "approval-decided");
    let take = take::play_over(&journal, &stage, &case, Some(&crash)).unwrap();
    let all = wrong(&case, Some(&crash), &take);
    assert!(all[0].starts_with("hang: "), "it is asked again, and nobody answers twice: {all:?}");
    assert_eq!(
        all[1],
        "forgotten: `approvals/0` (ann approves `review`) was acknowledged, and is not known any more"
    );
}

#[test]
fn a_run_that_a_journal_acknowledges_and_does_not_keep_is_found_by_a_crash() {
    let definition = review();
    let stage = stage(&definition);
    let case = case(&definition, &json!({"expect": {}}));
    let crash = Disruption::Crash(0);
    let journal = CutJournal::losing(Some(1), "run-accepted");
    let take = take::play_over(&journal, &stage, &case, Some(&crash)).unwrap();
    assert_eq!(wrong(&case, Some(&crash), &take)[0], "lost: the run was accepted, and is not known any more");
}

#[test]
fn an_effect_that_is_sent_again_and_a_request_that_nothing_covers_fail_a_take_that_is_right_otherwise() {
    let definition = review();
    let stage = stage(&definition);
    let approve = json!({"approvals": [{"node": "review", "decide": "approve", "by": "ann"}], "expect": {}});
    let case = case(&definition, &approve);
    let mut take = take::play(&stage, &case, None).unwrap();
    assert_eq!(wrong(&case, None, &take), [""; 0]);
    take.effects.sent_again.push("effect ask.1.0".to_owned());
    take.effects.uncovered.push("`GET https://a.example/`".to_owned());
    let all = wrong(&case, None, &take);
    assert!(
        all[0].starts_with("not-covered: ") && all[1].starts_with("sent-again: effect ask.1.0"),
        "{all:?}"
    );
}
