//! One step of a change, with what its target comes to before and after.
//!
//! Invariant: what is not known of either is named.

use crate::iam::drift::difference;
use crate::iam::drift::difference::Difference;
use crate::iam::drift::difference::Measure;
use crate::iam::drift::effect;
use crate::iam::drift::effect::Piece;
use crate::iam::drift::effect::Target;
use crate::iam::drift::effect::Whole;
use crate::iam::drift::effect::pieces;
use crate::iam::drift::made::Made;
use crate::iam::drift::made::Of;
use crate::iam::drift::undo;
use crate::iam::drift::undo::Way;
use crate::iam::drift::words::kind_name;
use crate::iam::drift::words::lines;
use crate::iam::history::change::Change;
use crate::iam::network;
use crate::iam::network::Exposure;
use crate::iam::policy::Kind;
use crate::iam::policy::Text;
use crate::iam::state::State;
use crate::model::Facts;

/// What a record's change comes to.
#[derive(Debug)]
pub(super) struct Weighed<'s> {
    pub(super) step: &'s Change,
    pub(super) before: Whole,
    pub(super) after: Whole,
    pub(super) difference: Difference,
    pub(super) unknown: Vec<String>,
    /// Whether what it says now is known.
    pub(super) is_readable: bool,
}

/// Compares what a step's target comes to before and after.
pub(super) fn weigh<'s>(step: &'s Change, state: &State, measure: &Measure) -> Weighed<'s> {
    // Of a permission set the boundary is a limit, and the rest of it gives nothing beyond.
    let is_limit = matches!(step.target, Target::Set { .. }) && &*step.item == "boundary";
    let now = if is_limit { Vec::new() } else { pieces(state, &step.target) };
    let (old, new) = (read(step, step.before.as_ref()), read(step, step.after.as_ref()));
    let before = Whole::of(&with(&now, step, old.as_ref(), state));
    let after =
        Whole { is_gone: step.is_gone, ..Whole::of(&with(&now, step, new.as_ref(), state)) };
    let mut unknown = Vec::new();
    for (when, text) in [("before", &old), ("after", &new)] {
        if let Some(Text::Unknown(why)) = text
            && !step.item.starts_with("group/")
        {
            unknown.push(format!("{when}: {why}"));
        }
    }
    let is_group = step.item.starts_with("group/");
    let is_untold = matches!(step.target, Target::Block { .. }) && step.before.is_none();
    if is_untold {
        unknown.push("before: no snapshot and no event told which blocks stood".to_owned());
    }
    let is_readable = !is_untold && (is_group || !matches!(new, Some(Text::Unknown(_))));
    let kind = if is_limit { Kind::Boundary } else { step.target.kind() };
    let difference = match is_readable {
        true => measure.between(&before, &after, kind),
        false => Difference::default(),
    };
    if !difference.adds.is_empty() {
        let others = after.unknown.iter().filter(|it| before.unknown.contains(it));
        unknown.extend(others.cloned());
        let account = step.target.account();
        let is_whole = state.accounts.get(account).is_some_and(|account| account.is_whole);
        // What has no trust policy, or no version in force, was made by this very change.
        let is_new = matches!(step.target, Target::Trust { .. } | Target::Managed { .. });
        if !is_whole && !is_new && !account.is_empty() && step.before.is_none() {
            unknown.push(format!("before: no snapshot of account {account} was read"));
        }
    }
    if difference.is_coarse {
        unknown
            .push("before: too much to compare to the end, some of it may have stood".to_owned());
    }
    Weighed { step, before, after, difference, unknown, is_readable }
}

/// Returns what a piece says, where it is a policy of AWS's own that is known by heart.
fn read(step: &Change, text: Option<&Text>) -> Option<Text> {
    let known = match (text?, step.item.strip_prefix("attached/")) {
        (Text::Unknown(_), Some(arn)) => effect::of_aws(arn),
        _ => None,
    };
    known.or_else(|| text.cloned())
}

/// Returns `now` with the step's piece as `text` says.
fn with(now: &[Piece], step: &Change, text: Option<&Text>, state: &State) -> Vec<Piece> {
    let inside = format!("{}/", step.item);
    let is_its = |piece: &&Piece| piece.name == step.item || piece.name.starts_with(&inside);
    let mut all: Vec<Piece> = now.iter().filter(|piece| !is_its(piece)).cloned().collect();
    match (step.item.strip_prefix("group/"), text) {
        // What a group gives is the group's: the member's piece says only that it is there.
        (Some(group), Some(_)) => {
            let account = step.target.account().into();
            let holder = effect::Holder::Group;
            let group = Target::Identity { account, holder, name: group.into() };
            all.extend(pieces(state, &group).into_iter().map(|piece| Piece {
                name: format!("{inside}{}", piece.name).into(),
                text: piece.text,
            }));
        }
        (_, Some(text)) => all.push(Piece { name: step.item.clone(), text: text.clone() }),
        (_, None) => {}
    }
    all
}

impl Weighed<'_> {
    /// Returns what the gravest of several steps is found by.
    pub(super) fn weight(&self) -> (usize, usize, bool) {
        let gravest = self.difference.worst().map_or(0, difference::gravity);
        (gravest, self.difference.adds.len(), !self.difference.removes.is_empty())
    }

    pub(super) fn made(&self, by: &str) -> Made {
        let mut made = Made {
            classes: self.difference.classes.iter().map(|class| (*class).into()).collect(),
            worst: self.difference.worst().unwrap_or_default().into(),
            before: self.before.meant(self.step.target.kind()),
            unknown: self.after.unknown.iter().map(|it| it.as_str().into()).collect(),
            ..Made::new(Of::Policies(self.step.target.clone()), by)
        };
        if let Some(exposure) = self.exposed() {
            made.exposes(exposure);
        }
        made
    }

    /// Returns how much of a security group was opened to the world.
    fn exposed(&self) -> Option<Exposure> {
        let is_network = matches!(self.step.target, Target::Network { .. });
        let (before, after) = (&self.before.document, &self.after.document);
        is_network.then(|| network::exposed(before, after)).flatten()
    }

    pub(super) fn facts(&self, arn: &str, state: &State) -> Facts {
        let Self { step, before, after, difference, unknown, .. } = self;
        let mut facts = Facts::default();
        facts.set("gw.policy.target", arn);
        facts.set("gw.policy.item", &*step.item);
        facts.set("gw.policy.kind", kind_name(step.target.kind()));
        facts.set("gw.policy.change", self.change());
        difference.tell(&mut facts);
        if let Some(exposure) = self.exposed() {
            facts.set("gw.policy.exposes", exposure.name());
        }
        facts.set("gw.policy.before", before.digest());
        facts.set("gw.policy.after", after.digest());
        lines(&mut facts, "gw.policy.unknown", unknown);
        if let Target::Managed { arn, account } = &step.target {
            let holders = effect::holders(state, account, arn);
            facts.set("gw.policy.holders", i64::try_from(holders).unwrap_or(i64::MAX));
        }
        let way = Way {
            target: &step.target,
            item: &step.item,
            before: step.before.as_ref(),
            after: step.after.as_ref(),
            earlier: &step.earlier,
        };
        facts.set("gw.policy.undo", undo::command(&way));
        facts
    }

    fn change(&self) -> &'static str {
        let Self { difference, .. } = self;
        if !self.is_readable {
            return "not_known";
        }
        match (difference.adds.is_empty(), difference.removes.is_empty()) {
            (false, true) => "wider",
            (true, false) => "narrower",
            (false, false) => "both",
            (true, true) => "the_same",
        }
    }
}
