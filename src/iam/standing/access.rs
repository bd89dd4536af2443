//! Which protected actions the policies of one holder give, each policy by itself.
//!
//! An action counts if some resource is left to take it on. Where a policy allows on one pattern and another denies on a part
//! of it, the action counts; `policies allowed` answers for one resource.
//!
//! Invariant: what any layer denies in any case on all that a statement allows does not count.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::rc::Rc;

use crate::iam::Document;
use crate::iam::escalation::Seat;
use crate::iam::escalation::is_about;
use crate::iam::evaluate::WITH_RCP;
use crate::iam::force;
use crate::iam::force::Facts;
use crate::iam::holding::Holder;
use crate::iam::holding::account_of;
use crate::iam::pattern::arn_covers;
use crate::iam::pattern::arn_overlap;
use crate::iam::policy::Effect;
use crate::iam::policy::Listed;
use crate::iam::policy::Statement;
use crate::iam::standing::bits::Bits;
use crate::iam::standing::resources;
use crate::iam::standing::resources::Opened;

/// Documents whose sets are kept: managed policies, which many have, come again and again.
const MAX_KEPT: usize = 2_048;

/// The sets of documents' statements, in their order.
#[derive(Default)]
pub struct Sets {
    kept: RefCell<HashMap<usize, Rc<[Bits]>>>,
}

/// What one policy gives.
pub struct Given<'a> {
    /// The policy.
    pub policy: &'a str,
    /// The group by which the holder has it.
    pub group: Option<&'a str>,
    /// The protected actions.
    pub bits: Bits,
    /// The keys on which all of it rests.
    pub conditions: BTreeSet<Box<str>>,
}

impl<'a> Given<'a> {
    fn by(policy: &'a str, group: Option<&'a str>) -> Self {
        Self { policy, group, bits: Bits::none(), conditions: BTreeSet::new() }
    }

    /// Adds actions that rest on some keys; returns whether any of them rests on none.
    fn add(&mut self, bits: Bits, keys: BTreeSet<Box<str>>) -> bool {
        if bits.is_empty() {
            return false;
        }
        let is_sure = keys.is_empty();
        self.conditions.extend(keys);
        self.bits = std::mem::replace(&mut self.bits, Bits::none()).or(&bits);
        is_sure
    }

    /// Returns it if it gives anything; where some of it is sure, it rests on nothing.
    fn whole(mut self, is_sure: bool) -> Option<Self> {
        if is_sure {
            self.conditions.clear();
        }
        (!self.bits.is_empty()).then_some(self)
    }
}

/// A statement that denies, and the actions that it does.
#[derive(Clone)]
struct Denied<'a> {
    statement: &'a Statement,
    bits: Bits,
    by: By,
}

/// Whose statement it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// It bears on who acts, whatever he acts on.
    Identity,
    /// A resource control policy: it bears on what the account has.
    Guard,
}

/// Whether a boundary holds a holder back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    Held,
    Free,
}

impl Sets {
    fn of(&self, document: &Document) -> Rc<[Bits]> {
        // The state is borrowed as long as the sets are: an address is one document's.
        let address = std::ptr::from_ref(document).addr();
        if let Some(sets) = self.kept.borrow().get(&address) {
            return Rc::clone(sets);
        }
        let sets: Rc<[Bits]> =
            document.statements.iter().map(|it| Bits::listed(&it.actions)).collect();
        let mut kept = self.kept.borrow_mut();
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(address, Rc::clone(&sets));
        sets
    }

    /// Returns what each policy of a holder gives of `protected`.
    pub fn given<'a>(&self, seat: &Seat<'_, 'a>, protected: &Bits) -> Vec<Given<'a>> {
        let denies = self.denies(seat);
        let mut all = Vec::new();
        for held in &seat.holding.held {
            let mut given = Given::by(held.policy, held.group);
            let mut is_sure = false;
            for (statement, bits) in self.statements(held.document, Effect::Allow) {
                let bits = bits.and(protected);
                let Some(keys) = standing(statement, &seat.facts).filter(|_| !bits.is_empty())
                else {
                    continue;
                };
                let (bits, more) = self.left(statement, bits, &denies, seat, Bound::Held);
                let (bits, of_resources) = resources::left(seat, statement, bits);
                let keys = keys.into_iter().chain(more).chain(of_resources).collect();
                is_sure |= given.add(bits, keys);
            }
            all.extend(given.whole(is_sure));
        }
        all.extend(self.opened(seat, protected, &denies));
        all
    }

    /// Returns what policies of resources of the holder's account give by naming it.
    fn opened<'a>(
        &self,
        seat: &Seat<'_, 'a>,
        protected: &Bits,
        denies: &[Denied<'_>],
    ) -> Vec<Given<'a>> {
        // Of a user a boundary holds back nothing that a resource's policy gives by name; of a role it does.
        let bound = match seat.holder {
            Holder::User(_) => Bound::Free,
            Holder::Role(_) => Bound::Held,
        };
        let mut all: Vec<Given<'a>> = Vec::new();
        for Opened { arn, document, statement } in resources::opened(seat) {
            let bits = Bits::listed(&statement.actions).and(protected);
            let service = arn.split(':').nth(2).unwrap_or_default();
            let bits = bits.those(|action| action.lower.split(':').next() == Some(service));
            let Some(keys) = standing(&statement, &seat.facts).filter(|_| !bits.is_empty()) else {
                continue;
            };
            let own = self.statements(document, Effect::Deny).into_iter();
            let own = own.filter(|(deny, _)| is_about(deny, seat.arn()));
            let own = own.map(|(statement, bits)| Denied { statement, bits, by: By::Identity });
            let denies: Vec<Denied<'_>> = own.chain(denies.iter().cloned()).collect();
            let (bits, more) = self.left(&statement, bits, &denies, seat, bound);
            let mut given = Given::by(arn, None);
            let is_sure = given.add(bits, keys.into_iter().chain(more).collect());
            all.extend(given.whole(is_sure));
        }
        all
    }

    /// Returns every statement that may deny something to a holder, whatever it is done on.
    fn denies<'a>(&self, seat: &Seat<'_, 'a>) -> Vec<Denied<'a>> {
        let held = seat.holding.held.iter().map(|held| held.document);
        let limits = self.limits(seat);
        let mut all = Vec::new();
        for document in held.chain(limits) {
            for (statement, bits) in self.statements(document, Effect::Deny) {
                all.push(Denied { statement, bits, by: By::Identity });
            }
        }
        for document in seat.all.guarding(seat.account_id()) {
            for (statement, bits) in self.statements(document, Effect::Deny) {
                let bits = bits.those(|action| {
                    action.lower.split(':').next().is_some_and(|it| WITH_RCP.contains(&it))
                });
                all.push(Denied { statement, bits, by: By::Guard });
            }
        }
        all
    }

    /// Returns what limits leave of a statement's actions, and on which keys.
    fn left(
        &self,
        statement: &Statement,
        mut bits: Bits,
        denies: &[Denied<'_>],
        seat: &Seat<'_, '_>,
        bound: Bound,
    ) -> (Bits, BTreeSet<Box<str>>) {
        let mut keys = BTreeSet::new();
        for deny in denies {
            let is_beyond = deny.by == By::Guard && !is_within(statement, seat.account_id());
            if is_beyond || !deny.bits.meets(&bits) || !reaches_all(deny.statement, statement) {
                continue;
            }
            match denies_now(deny.statement, &seat.facts) {
                Some(of_deny) if of_deny.is_empty() => bits = bits.less(&deny.bits),
                Some(of_deny) => keys.extend(of_deny),
                None => {}
            }
        }
        for level in self.levels(seat, bound) {
            let mut allowed = Bits::none();
            for document in level {
                for (allow, of_allow) in self.statements(document, Effect::Allow) {
                    let is_in_force = standing(allow, &seat.facts);
                    if let Some(of_level) = is_in_force.filter(|_| overlaps(allow, statement)) {
                        allowed = allowed.or(&of_allow);
                        keys.extend(of_level);
                    }
                }
            }
            bits = bits.and(&allowed);
        }
        (bits, keys)
    }

    /// Returns the documents that have to allow, of each level that is known whole.
    fn levels<'a>(&self, seat: &Seat<'_, 'a>, bound: Bound) -> Vec<Vec<&'a Document>> {
        let boundary = seat.holding.boundary.filter(|_| bound == Bound::Held);
        let mut levels: Vec<Vec<&Document>> = boundary.into_iter().map(|it| vec![it]).collect();
        let control = seat.control().into_iter().flat_map(|it| &it.levels);
        levels.extend(control.filter(|it| it.is_whole).map(|it| it.documents.clone()));
        levels
    }

    fn limits<'a>(&self, seat: &Seat<'_, 'a>) -> Vec<&'a Document> {
        let control = seat.control().into_iter().flat_map(|it| &it.levels);
        let control = control.flat_map(|it| it.documents.iter().copied());
        seat.holding.boundary.into_iter().chain(control).collect()
    }

    fn statements<'a>(&self, document: &'a Document, effect: Effect) -> Vec<(&'a Statement, Bits)> {
        let sets = self.of(document);
        let all = document.statements.iter().zip(sets.iter());
        all.filter(|(it, _)| it.effect == effect).map(|(it, bits)| (it, bits.clone())).collect()
    }
}

/// Returns the keys on which an allowing statement rests if it is in force and goes on for ever.
pub(super) fn standing(statement: &Statement, facts: &Facts<'_>) -> Option<BTreeSet<Box<str>>> {
    let force = force::of(&statement.conditions, facts)?;
    let has_begun = force.from.is_none_or(|from| facts.now.is_none_or(|now| from <= now));
    (has_begun && force.until.is_none()).then_some(force.keys)
}

/// Returns the keys on which a denying statement rests if it denies now or will: what ends is no standing access.
pub(super) fn denies_now(statement: &Statement, facts: &Facts<'_>) -> Option<BTreeSet<Box<str>>> {
    let force = force::of(&statement.conditions, facts)?;
    let is_over = force.until.is_some_and(|until| facts.now.is_some_and(|now| until <= now));
    (!is_over).then_some(force.keys)
}

/// Returns whether a statement names nothing of another account than `account`.
fn is_within(statement: &Statement, account: &str) -> bool {
    let is_other = |pattern: &str| {
        let of = account_of(pattern);
        of.len() == 12 && of != account && of.bytes().all(|byte| byte.is_ascii_digit())
    };
    match &statement.resources {
        Some(Listed::Only(all)) => !all.iter().any(|it| is_other(it)),
        _ => true,
    }
}

/// Returns whether a denying statement is about every resource of an allowing one.
fn reaches_all(deny: &Statement, allow: &Statement) -> bool {
    match (&deny.resources, &allow.resources) {
        (None, _) => true,
        (Some(Listed::Only(wide)), Some(Listed::Only(narrow))) => {
            narrow.iter().all(|it| wide.iter().any(|wide| arn_covers(wide, it)))
        }
        (Some(Listed::Only(wide)), _) => wide.iter().any(|wide| arn_covers(wide, "*")),
        (Some(Listed::AllBut(but)), Some(Listed::Only(narrow))) => {
            narrow.iter().all(|it| !but.iter().any(|but| arn_overlap(but, it)))
        }
        (Some(Listed::AllBut(_)), _) => false,
    }
}

/// Returns whether two statements have a resource in common.
fn overlaps(one: &Statement, other: &Statement) -> bool {
    match (&one.resources, &other.resources) {
        (None, _) | (_, None) => true,
        (Some(Listed::Only(some)), Some(Listed::Only(others))) => {
            some.iter().any(|it| others.iter().any(|other| arn_overlap(it, other)))
        }
        (Some(Listed::AllBut(but)), Some(Listed::Only(some)))
        | (Some(Listed::Only(some)), Some(Listed::AllBut(but))) => {
            some.iter().any(|it| !but.iter().any(|but| arn_covers(but, it)))
        }
        (Some(Listed::AllBut(_)), Some(Listed::AllBut(_))) => true,
    }
}
