//! Budgets of time, money and fuel.

use super::*;
use crate::attempt::ModelCall;

fn succeed_at_a_cost(life: &mut Life, id: &str, fuel: u64, micro_usd: u64) {
    let (node, part, attempt) = life.attempt_of(id);
    let call = ModelCall {
        provider: "p".to_owned(),
        model: "m".to_owned(),
        input_tokens: 1,
        output_tokens: 1,
        cost_micro_usd: Some(micro_usd),
    };
    let account = Account { fuel, usage: vec![call], ..Account::default() };
    let output = json!("done").into();
    life.happens(Event::AttemptSucceeded { node, part, attempt, output, account, cached: false });
}

/// Two nodes in a row; `pay` has effects.
fn two(budget: &Value) -> Life {
    let grants = json!({"http": [{"host": "pay.example.com"}]});
    let pay = json!({"needs": ["a"], "step": "pay@^1", "grants": grants});
    Life::of(json!({"budget": budget, "nodes": {"a": {}, "b": pay}}), json!({}))
}

#[test]
fn once_the_money_is_spent_no_paid_effect_starts() {
    let mut life = two(&json!({"usd": 0.05}));
    succeed_at_a_cost(&mut life, "a", 0, 50_000);
    let (failure, _) = life.run_failure();
    assert_eq!(failure.kind, FailureKind::BudgetExceeded);
    assert!(failure.message.contains("budget.usd") && failure.message.contains("0.05"), "{failure}");
    let view = life.state.view();
    assert_eq!(view.partial.as_deref(), Some(&json!({"a": "done"})), "what was paid for is not lost");
    assert_eq!(view.totals.cost_micro_usd, 50_000);
}

#[test]
fn what_costs_nothing_goes_on_without_money() {
    let mut life =
        Life::of(json!({"budget": {"usd": 0.05}, "nodes": {"a": {}, "b": {"needs": ["a"]}}}), json!({}));
    succeed_at_a_cost(&mut life, "a", 0, 60_000);
    assert_eq!(life.in_flight(), ["b"]);
    assert!(life.state.may_spend(Part::Whole, 0).is_err(), "an effect that begins now is refused");
}

#[test]
fn an_attempt_in_flight_may_spend_what_is_left_and_no_more() {
    let life = two(&json!({"usd": 0.05}));
    assert!(life.state.may_spend(Part::Whole, 49_999).is_ok());
    assert_eq!(life.state.may_spend(Part::Whole, 50_000).unwrap_err().kind, FailureKind::BudgetExceeded);
}

#[test]
fn once_the_fuel_is_burnt_nothing_starts() {
    let mut life = two(&json!({"fuel": 1000}));
    succeed_at_a_cost(&mut life, "a", 1000, 0);
    assert!(life.run_failure().0.message.contains("budget.fuel"));
}

#[test]
fn waits_count_against_the_time_unless_the_workflow_says_otherwise() {
    let nodes = json!({"w": {"wait": "1h"}, "b": {"needs": ["w"]}});
    let mut life = Life::of(json!({"budget": {"time": "10m"}, "nodes": nodes.clone()}), json!({}));
    life.let_pass(Duration::from_secs(600));
    assert_eq!(life.run_failure().0.kind, FailureKind::BudgetExceeded);

    let mut life =
        Life::of(json!({"budget": {"time": "10m", "count_waits": false}, "nodes": nodes}), json!({}));
    assert_eq!(life.wakes_after(), Some(Duration::from_secs(3600)), "only the wait ends by itself");
    life.let_pass(Duration::from_secs(3600));
    assert_eq!(life.in_flight(), ["b"]);
    assert_eq!(life.wakes_after(), Some(Duration::from_secs(600)));
    life.let_pass(Duration::from_secs(600));
    assert_eq!(life.run_failure().0.kind, FailureKind::BudgetExceeded);
}

#[test]
fn a_run_that_runs_out_of_time_undoes_what_it_did() {
    let nodes = json!({"a": {"compensate": {"step": "work@^1"}}, "w": {"needs": ["a"], "wait": "1h"}});
    let mut life = Life::of(json!({"budget": {"time": "1m"}, "nodes": nodes}), json!({}));
    life.succeed("a", json!(1));
    life.let_pass(Duration::from_secs(60));
    assert_eq!(life.in_flight(), ["a~compensation"]);
    life.succeed("a~compensation", json!(null));
    assert_eq!(life.run_failure().0.kind, FailureKind::BudgetExceeded);
}

#[test]
fn a_run_that_spent_its_budget_undoes_what_it_did_whatever_that_costs() {
    for budget in [json!({"usd": 0.05}), json!({"fuel": 1000})] {
        let grants = json!({"http": [{"host": "pay.example.com"}]});
        let undo = json!({"step": "pay@^1", "grants": grants});
        let nodes = json!({
            "a": {"compensate": undo}, "b": {"needs": ["a"], "compensate": undo},
            "c": {"needs": ["b"], "step": "pay@^1", "grants": grants},
        });
        let mut life = Life::of(json!({"budget": budget, "nodes": nodes}), json!({}));
        life.succeed("a", json!(1));
        succeed_at_a_cost(&mut life, "b", 1_000, 50_000);
        assert_eq!(life.in_flight(), ["b~compensation"]);
        assert!(life.state.may_spend(Part::Compensation, 0).is_ok());
        succeed_at_a_cost(&mut life, "b~compensation", 1_000, 50_000);
        life.fail("a~compensation", Failure::new(FailureKind::Permanent, "no"));
        assert_eq!(life.run_failure().0.kind, FailureKind::BudgetExceeded);
        let from = ReopenFrom::Compensation(node("a"));
        life.happens(Event::RunReopened {
            from,
            edits: BTreeMap::new(),
            standing: BTreeSet::new(),
            by: None,
        });
        assert_eq!(life.in_flight(), ["a~compensation"], "nor does the budget hold up another try");
    }
}

fn child_costs(life: &mut Life, id: &str, spent: Spent) {
    let is_wanted = |child: &OpenChild<'_>| child.node.as_str() == id;
    let run = life.state.children().find(is_wanted).unwrap().run;
    let outcome = RunOutcome::Succeeded { output: json!(id).into() };
    life.happens(Event::ChildEnded { node: node(id), run, outcome, spent: Some(spent) });
}

#[test]
fn what_the_run_of_a_sub_workflow_spent_counts_for_the_run_that_it_belongs_to() {
    let nodes = json!({
        "a": {"workflow": "other@^1"},
        "b": {"workflow": "other@^1", "needs": ["a"]},
        "c": {"workflow": "other@^1", "needs": ["b"]},
    });
    let spent = Spent { cost_micro_usd: 20_000, fuel: 7, model_calls: 1, ..Spent::default() };
    let mut life = Life::of(json!({"budget": {"usd": 0.03}, "nodes": nodes}), json!({}));
    child_costs(&mut life, "a", spent);
    child_costs(&mut life, "b", spent);
    let (failure, _) = life.run_failure();
    assert_eq!(failure.kind, FailureKind::BudgetExceeded, "nobody knows what the third would cost");
    let totals = life.state.view().totals;
    assert_eq!((totals.cost_micro_usd, totals.fuel, totals.model_calls), (40_000, 14, 2));
}
