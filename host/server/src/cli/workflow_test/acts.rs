//! What others do in a case: people who decide, services that call back, whoever sends signals. As the test file has it.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};
use stepwell_core::definition::{Cursor, Fields};
use stepwell_core::run::Verdict;
use stepwell_engine::ApprovalAnswer;

use super::definitions::Names;
use super::occasion::{Cue, Occasion};

const APPROVAL_FIELDS: &[&str] = &["workflow", "node", "after", "decide", "by", "comment", "form", "refused"];
const CALLBACK_FIELDS: &[&str] = &["workflow", "node", "after", "body", "refused"];
const SIGNAL_FIELDS: &[&str] = &["workflow", "when", "name", "after", "payload", "refused"];

/// Who decides where the test does not say: fit where everybody may.
const SOMEBODY: &str = "somebody";

/// One thing that somebody does.
#[derive(Debug, Clone)]
pub(super) struct Act {
    /// As reports name it: where it stands in its case.
    pub(super) name: String,
    workflow: String,
    cue: Cue,
    /// Which time the cue comes, from 0.
    turn: usize,
    /// So long after the cue.
    pub(super) after: Duration,
    pub(super) deed: Deed,
    /// Why it is to be refused, if it is.
    pub(super) refused: Option<Refusal>,
}

/// What is done.
#[derive(Debug, Clone)]
pub(super) enum Deed {
    /// A person decides.
    Decide(ApprovalAnswer),
    /// Somebody posts this to the URL that the node's step was given.
    CallBack(Value),
    /// Somebody sends a signal.
    Signal { name: String, payload: Value },
}

/// Why an act is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Somebody else is asked.
    NotAllowed,
    /// The fields do not match the form.
    Form,
    /// It was decided, or is not asked any more.
    NotWaiting,
    /// It was called before.
    Used,
    /// The URL has expired, or nobody waits any more.
    Gone,
    /// The body does not match the callback's schema.
    Body,
    /// The run has ended.
    Ended,
}

impl Refusal {
    const OF_APPROVALS: [Self; 3] = [Self::NotAllowed, Self::Form, Self::NotWaiting];
    const OF_CALLBACKS: [Self; 3] = [Self::Used, Self::Gone, Self::Body];
    const OF_SIGNALS: [Self; 1] = [Self::Ended];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::NotAllowed => "not-allowed",
            Self::Form => "form",
            Self::NotWaiting => "not-waiting",
            Self::Used => "used",
            Self::Gone => "gone",
            Self::Body => "body",
            Self::Ended => "ended",
        }
    }

    /// Whether it is what meets those who come when it is over.
    fn is_of_the_late(self) -> bool {
        matches!(self, Self::NotWaiting | Self::Used | Self::Gone | Self::Ended)
    }
}

impl Act {
    /// Reads all acts of a case.
    pub(super) fn read_all<'a>(case: &Fields<'a>, names: &Names<'a>) -> Vec<Self> {
        let mut acts = Vec::new();
        for (list, read) in [
            ("approvals", read_approval as Reader<'a>),
            ("callbacks", read_callback),
            ("signals", read_signal),
        ] {
            let items = case.get(list).map(|it| it.items()).unwrap_or_default();
            let named = items.iter().enumerate().map(|(index, it)| (format!("{list}/{index}"), it));
            acts.extend(named.filter_map(|(name, it)| read(it, name, names)));
        }
        take_turns(&mut acts);
        acts
    }

    /// What it waited for, if that has come.
    pub(super) fn occasion<'o>(&self, occasions: &'o [Occasion]) -> Option<&'o Occasion> {
        self.occasions(occasions).nth(self.turn)
    }

    /// How often its cue came.
    pub(super) fn cued(&self, occasions: &[Occasion]) -> usize {
        self.occasions(occasions).count()
    }

    fn occasions<'o>(&self, occasions: &'o [Occasion]) -> impl Iterator<Item = &'o Occasion> {
        occasions.iter().filter(|it| it.workflow.as_str() == self.workflow && it.cue == self.cue)
    }

    /// What it waits for, in words.
    pub(super) fn cue(&self) -> &Cue {
        &self.cue
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = self.cue.node().unwrap_or_default();
        write!(f, "`{}` (", self.name)?;
        match &self.deed {
            Deed::Decide(ApprovalAnswer { verdict: Verdict::Approve, by, .. }) => {
                write!(f, "{by} approves `{node}`)")
            }
            Deed::Decide(ApprovalAnswer { by, .. }) => write!(f, "{by} rejects `{node}`)"),
            Deed::CallBack(_) => write!(f, "the call to `{node}`)"),
            Deed::Signal { name, .. } => write!(f, "the signal `{name}`)"),
        }
    }
}

type Reader<'a> = fn(&Cursor<'a>, String, &Names<'a>) -> Option<Act>;

fn read_approval<'a>(act: &Cursor<'a>, name: String, names: &Names<'a>) -> Option<Act> {
    let fields = act.fields(APPROVAL_FIELDS)?;
    let workflow = workflow(&fields, names)?;
    let node = fields.require("node", "say which approval: `\"node\": \"review\"`");
    let decide = fields.require("decide", "write `\"decide\": \"approve\"` or `\"decide\": \"reject\"`");
    let decide = decide.and_then(|it| it.word(&[("approve", Verdict::Approve), ("reject", Verdict::Reject)]));
    let text = |field: &str| fields.get(field).and_then(|it| it.text().map(str::to_owned));
    let (by, comment) = (text("by"), text("comment"));
    let form = fields.get("form").map_or(Value::Null, |it| it.value.clone());
    let (after, refused) = (after(&fields), refused(&fields, &Refusal::OF_APPROVALS));
    let node = names.node_of_kind(&node?, workflow, "approval")?;
    let answer =
        ApprovalAnswer { verdict: decide?, by: by.unwrap_or_else(|| SOMEBODY.to_owned()), comment, form };
    let (cue, deed) = (Cue::Asks(node.to_owned()), Deed::Decide(answer));
    Some(Act { name, workflow: workflow.to_owned(), cue, turn: 0, after, deed, refused })
}

fn read_callback<'a>(act: &Cursor<'a>, name: String, names: &Names<'a>) -> Option<Act> {
    let fields = act.fields(CALLBACK_FIELDS)?;
    let workflow = workflow(&fields, names)?;
    let node = fields.require("node", "say which callback: `\"node\": \"render\"`");
    let body = fields.get("body").map_or_else(|| json!({}), |it| it.value.clone());
    let (after, refused) = (after(&fields), refused(&fields, &Refusal::OF_CALLBACKS));
    let node = names.node_of_kind(&node?, workflow, "callback")?;
    let (cue, deed) = (Cue::CanBeCalled(node.to_owned()), Deed::CallBack(body));
    Some(Act { name, workflow: workflow.to_owned(), cue, turn: 0, after, deed, refused })
}

fn read_signal<'a>(act: &Cursor<'a>, name: String, names: &Names<'a>) -> Option<Act> {
    let fields = act.fields(SIGNAL_FIELDS)?;
    let workflow = workflow(&fields, names)?;
    let signal = fields.require("name", "say which signal: `\"name\": \"paid\"`");
    let signal = signal.and_then(|it| it.text().map(str::to_owned));
    let payload = fields.get("payload").map_or(Value::Null, |it| it.value.clone());
    let (after, refused) = (after(&fields), refused(&fields, &Refusal::OF_SIGNALS));
    let cue = match fields.get("when") {
        None => Cue::Begins,
        Some(when) => {
            let node = when.fields(&["node"])?.require("node", "say which wait: `\"node\": \"hold\"`")?;
            Cue::Waits(names.node_of_kind(&node, workflow, "wait")?.to_owned())
        }
    };
    let deed = Deed::Signal { name: signal?, payload };
    Some(Act { name, workflow: workflow.to_owned(), cue, turn: 0, after, deed, refused })
}

/// Whose node is meant: the workflow under test, unless another is named.
fn workflow<'a>(fields: &Fields<'a>, names: &Names<'a>) -> Option<&'a str> {
    fields.get("workflow").map_or(Some(names.tried), |it| names.workflow(&it))
}

fn after(fields: &Fields<'_>) -> Duration {
    fields.get("after").and_then(|it| it.duration()).unwrap_or_default()
}

fn refused(fields: &Fields<'_>, words: &[Refusal]) -> Option<Refusal> {
    let words: Vec<_> = words.iter().map(|refusal| (refusal.word(), *refusal)).collect();
    fields.get("refused").and_then(|it| it.word(&words))
}

/// Says for which time each act is meant, where a node asks several times. One that is taken closes its time. One that is refused comes with
/// the next that is taken, or, where it is to find that all is over, with the one before.
fn take_turns(acts: &mut [Act]) {
    #[derive(Default)]
    struct Turn {
        number: usize,
        is_over: bool,
    }
    let mut turns: HashMap<(String, Cue), Turn> = HashMap::new();
    for act in acts.iter_mut().filter(|act| act.cue != Cue::Begins) {
        let turn = turns.entry((act.workflow.clone(), act.cue.clone())).or_default();
        if turn.is_over && !act.refused.is_some_and(Refusal::is_of_the_late) {
            *turn = Turn { number: turn.number + 1, is_over: false };
        }
        act.turn = turn.number;
        turn.is_over |= act.refused.is_none();
    }
}

#[cfg(test)]
mod tests {
    use stepwell_core::definition::Mistakes;

    use super::*;

    fn definition() -> Value {
        json!({"name": "flow", "nodes": {
            "review": {"approval": {}}, "render": {"callback": {"expires": "1h"}, "step": "a@1"},
            "hold": {"wait": {"signal": "paid"}}, "ask": {"step": "a@1"}
        }})
    }

    fn read(case: &Value) -> (Vec<Act>, Vec<String>) {
        let (definition, mistakes) = (definition(), Mistakes::default());
        let names = Names::new(&definition, []);
        let fields = Cursor::new(case, "", &mistakes).fields(&["approvals", "callbacks", "signals"]).unwrap();
        let acts = Act::read_all(&fields, &names);
        let places = mistakes.into_inner().into_iter().map(|mistake| mistake.pointer).collect();
        (acts, places)
    }

    #[test]
    fn each_act_knows_for_which_time_it_is_meant() {
        let approval = |refused: Option<&str>| match refused {
            None => json!({"node": "review", "decide": "approve"}),
            Some(refused) => json!({"node": "review", "decide": "approve", "refused": refused}),
        };
        let (acts, mistakes) = read(&json!({
            "approvals": [
                approval(Some("not-allowed")), approval(None), approval(Some("not-waiting")),
                approval(Some("form")), approval(None)
            ],
            "signals": [{"name": "paid"}, {"name": "paid", "after": "1h"}]
        }));
        assert_eq!(mistakes, Vec::<String>::new());
        let turns: Vec<usize> = acts.iter().map(|act| act.turn).collect();
        assert_eq!(turns, [0, 0, 0, 1, 1, 0, 0]);
        assert_eq!(acts[0].to_string(), "`approvals/0` (somebody approves `review`)");
    }

    #[test]
    fn each_mistake_is_noted_at_its_place() {
        let (_, mistakes) = read(&json!({
            "approvals": [{"node": "ask", "decide": "approve"}, {"node": "review", "decide": "maybe"}, {"decide": "approve"}],
            "callbacks": [{"node": "render", "after": "soon"}, {"node": "render", "refused": "form"}],
            "signals": [{}, {"name": "paid", "when": {"node": "ghost"}}, {"name": "paid", "workflow": "other"}]
        }));
        assert_eq!(
            mistakes,
            [
                "/approvals/0/node",
                "/approvals/1/decide",
                "/approvals/2",
                "/callbacks/0/after",
                "/callbacks/1/refused",
                "/signals/0",
                "/signals/1/when/node",
                "/signals/2/workflow",
            ]
        );
    }
}
