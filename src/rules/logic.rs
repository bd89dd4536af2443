//! A rule's condition as a tree, evaluated in three-valued logic.
//!
//! A rule is looked at several times, each time knowing more: with the few fields that events share (which rules can
//! match such an event at all?), with the record (on a worker), with the facts (on the core thread). What is not
//! known yet makes a leaf *unknown*; a rule that is false whatever the unknown turns out to be is dropped, and what is
//! known for all events of a kind is not asked of each. No rule is analysed for this, so every shape of a condition is
//! right by construction.
//!
//! Matching a value is rsigma's work; this file only joins its verdicts. Read on in `shape` for where trees come from.

use std::collections::HashMap;
use std::sync::Arc;

use rsigma_eval::CompiledDetection;
use rsigma_eval::CompiledDetectionItem;
use rsigma_eval::CompiledMatcher;
use rsigma_eval::JsonEvent;
use rsigma_eval::compiler::eval_condition;
use rsigma_parser::ConditionExpr;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::model::Event;
use crate::model::Scope;
use crate::model::Slot;
use crate::model::place_of;
use crate::rules::view::FieldName;
use crate::rules::view::View;
use crate::rules::view::tree;

/// What is known of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Truth {
    False,
    Unknown,
    True,
}

impl From<bool> for Truth {
    fn from(truth: bool) -> Self {
        if truth { Self::True } else { Self::False }
    }
}

/// How much of an event is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// So many of the fields of [`SHARED`], from the first.
    Shared(usize),
    /// The record, but no facts.
    Record,
    /// The facts of the session, but not the record.
    Session,
    /// What the grants say, and nothing else.
    Grant,
    /// What changed of policies, and nothing else.
    Policy,
    /// The record and the facts of its session, but none of its own.
    RecordAndSession,
    /// Everything.
    All,
}

/// Fields with few values in common: events that agree in them have the same candidates. The first two leave a handful
/// of rules.
pub(super) const SHARED: [Slot; 14] = [
    Slot::EventSource,
    Slot::EventName,
    Slot::ErrorCode,
    Slot::UserType,
    Slot::EventType,
    Slot::UserInvokedBy,
    Slot::UserInvokedByDelegate,
    Slot::SessionAssumedRoot,
    Slot::SessionCredentialFromConsole,
    Slot::SessionEc2RoleDelivery,
    Slot::TlsVersion,
    Slot::ReadOnly,
    Slot::EventCategory,
    Slot::ManagementEvent,
];

/// How many of [`SHARED`] name the call.
pub(super) const NAMES: usize = 2;

/// Fields that have the same values over and over, in events of every kind.
const REPEATED: [Slot; 5] = [
    Slot::UserAgent,
    Slot::SessionIssuer,
    Slot::SourceIpAddress,
    Slot::AwsRegion,
    Slot::RecipientAccountId,
];

impl Known {
    fn covers(self, field: &FieldName) -> bool {
        match (field, self) {
            (FieldName::Slot(slot) | FieldName::Below(slot, _), Self::Shared(count)) => {
                SHARED.iter().take(count).any(|shared| shared == slot)
            }
            (FieldName::Slot(_) | FieldName::Below(..) | FieldName::Path(_), _) => {
                self.has_record()
            }
            (FieldName::Fact(_, Scope::Session), _) => {
                matches!(self, Self::Session | Self::RecordAndSession | Self::All)
            }
            (FieldName::Fact(_, Scope::Event), _) => self == Self::All,
            (FieldName::Fact(_, Scope::Grant), _) => matches!(self, Self::Grant | Self::All),
            (FieldName::Fact(_, Scope::Policy), _) => matches!(self, Self::Policy | Self::All),
        }
    }

    fn has_record(self) -> bool {
        matches!(self, Self::Record | Self::RecordAndSession | Self::All)
    }
}

/// A rule's condition, or what is still open of it.
#[derive(Debug, Clone)]
pub(super) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    AtLeast(usize, Vec<Condition>),
    Leaf(Arc<Leaf>),
    /// What only a tree can answer: array matching, keywords, positional paths. rsigma evaluates it whole.
    Opaque(Arc<Opaque>),
}

/// One field and what it must match.
#[derive(Debug)]
pub(super) struct Leaf {
    pub item: CompiledDetectionItem,
    pub field: FieldName,
    /// Other fields that the matcher reads (`fieldref`, `expand`).
    pub others: Vec<FieldName>,
}

/// A detection that is left to rsigma.
#[derive(Debug)]
pub(super) struct Opaque {
    detections: HashMap<String, CompiledDetection>,
    fields: Vec<FieldName>,
}

/// A condition, now that more is known.
#[derive(Debug, Clone)]
pub(super) enum Rest {
    /// It is decided.
    Decided(Truth),
    /// This is left of it.
    Open(Condition),
}

/// The name under which an opaque detection stands in its map.
const WHOLE: &str = "whole";

impl Condition {
    /// Returns what is known of the condition for `event`.
    pub(super) fn truth(&self, event: &Event<'_>, known: Known) -> Truth {
        self.of_view(View(event), known)
    }

    fn of_view(&self, view: View<'_, '_>, known: Known) -> Truth {
        match self {
            Self::All(parts) => all(parts, |part| part.of_view(view, known)),
            Self::Any(parts) => any(parts, |part| part.of_view(view, known)),
            Self::Not(part) => not(part.of_view(view, known)),
            Self::AtLeast(least, parts) => {
                let truths = parts.iter().map(|part| part.of_view(view, known));
                at_least(*least, truths)
            }
            Self::Leaf(leaf) => leaf.truth(view, known),
            Self::Opaque(opaque) => opaque.truth(view, known),
        }
    }

    /// Returns what is left of the condition for all events that agree with `event` in what is known. Its truth is
    /// the condition's for each of them.
    pub(super) fn rest(&self, event: &Event<'_>, known: Known) -> Rest {
        let rests = |parts: &[Self]| -> (Vec<Truth>, Vec<Self>) {
            let (mut decided, mut open) = (Vec::new(), Vec::new());
            for part in parts {
                match part.rest(event, known) {
                    Rest::Decided(truth) => decided.push(truth),
                    Rest::Open(part) => open.push(part),
                }
            }
            (decided, open)
        };
        match self {
            Self::All(parts) => match rests(parts) {
                (decided, _) if decided.contains(&Truth::False) => Rest::Decided(Truth::False),
                (_, open) if open.is_empty() => Rest::Decided(Truth::True),
                (_, open) => Rest::Open(Self::All(open)),
            },
            Self::Any(parts) => match rests(parts) {
                (decided, _) if decided.contains(&Truth::True) => Rest::Decided(Truth::True),
                (_, open) if open.is_empty() => Rest::Decided(Truth::False),
                (_, open) => Rest::Open(Self::Any(open)),
            },
            Self::Not(part) => match part.rest(event, known) {
                Rest::Decided(truth) => Rest::Decided(not(truth)),
                Rest::Open(part) => Rest::Open(Self::Not(Box::new(part))),
            },
            Self::AtLeast(least, parts) => {
                let (decided, open) = rests(parts);
                let sure = decided.iter().filter(|truth| **truth == Truth::True).count();
                match least.saturating_sub(sure) {
                    0 => Rest::Decided(Truth::True),
                    wanted if wanted > open.len() => Rest::Decided(Truth::False),
                    wanted => Rest::Open(Self::AtLeast(wanted, open)),
                }
            }
            Self::Leaf(_) | Self::Opaque(_) => match self.truth(event, known) {
                Truth::Unknown => Rest::Open(self.clone()),
                decided => Rest::Decided(decided),
            },
        }
    }

    /// Returns whether the record can say anything about the condition.
    pub(super) fn asks_record(&self) -> bool {
        self.fields().into_iter().any(|field| !matches!(field, FieldName::Fact(..)))
            || self.has_opaque()
    }

    /// Returns the one field of [`REPEATED`] that decides all that the record can say about the condition, if so.
    pub(super) fn repeated(&self) -> Option<Slot> {
        let mut only = None;
        for field in self.fields() {
            let (FieldName::Slot(slot) | FieldName::Below(slot, _)) = field else {
                return None;
            };
            if only.is_some_and(|only| only != *slot) {
                return None;
            }
            only = Some(*slot);
        }
        only.filter(|slot| REPEATED.contains(slot) && !self.has_opaque())
    }

    /// Returns a number that conditions made of the same leaves in the same way have in common, and no others.
    pub(super) fn shape(&self) -> u64 {
        let of_all = |seed: u64, parts: &[Self]| {
            parts.iter().fold(seed, |sum, part| mixed(sum, part.shape()))
        };
        match self {
            Self::All(parts) => of_all(1, parts),
            Self::Any(parts) => of_all(2, parts),
            Self::Not(part) => mixed(3, part.shape()),
            Self::AtLeast(least, parts) => mixed(of_all(4, parts), *least as u64),
            // What stands behind an Arc stays where it is while the condition is there.
            Self::Leaf(leaf) => mixed(5, place_of(leaf)),
            Self::Opaque(opaque) => mixed(6, place_of(opaque)),
        }
    }

    fn has_opaque(&self) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) | Self::AtLeast(_, parts) => {
                parts.iter().any(Self::has_opaque)
            }
            Self::Not(part) => part.has_opaque(),
            Self::Leaf(_) => false,
            Self::Opaque(_) => true,
        }
    }

    /// Returns the names of all fields that the condition reads.
    pub(super) fn fields(&self) -> Vec<&FieldName> {
        match self {
            Self::All(parts) | Self::Any(parts) | Self::AtLeast(_, parts) => {
                parts.iter().flat_map(Self::fields).collect()
            }
            Self::Not(part) => part.fields(),
            Self::Leaf(leaf) => [&leaf.field].into_iter().chain(&leaf.others).collect(),
            Self::Opaque(opaque) => opaque.fields.iter().collect(),
        }
    }
}

fn mixed(one: u64, other: u64) -> u64 {
    xxh3_64_with_seed(&other.to_le_bytes(), one)
}

fn not(truth: Truth) -> Truth {
    match truth {
        Truth::False => Truth::True,
        Truth::Unknown => Truth::Unknown,
        Truth::True => Truth::False,
    }
}

fn all<T>(parts: &[T], truth: impl Fn(&T) -> Truth) -> Truth {
    let mut least = Truth::True;
    for part in parts {
        least = least.min(truth(part));
        if least == Truth::False {
            break;
        }
    }
    least
}

fn any<T>(parts: &[T], truth: impl Fn(&T) -> Truth) -> Truth {
    let mut most = Truth::False;
    for part in parts {
        most = most.max(truth(part));
        if most == Truth::True {
            break;
        }
    }
    most
}

fn at_least(least: usize, truths: impl Iterator<Item = Truth>) -> Truth {
    let (mut sure, mut possible) = (0, 0);
    for truth in truths {
        sure += usize::from(truth == Truth::True);
        possible += usize::from(truth != Truth::False);
    }
    match () {
        () if sure >= least => Truth::True,
        () if possible >= least => Truth::Unknown,
        () => Truth::False,
    }
}

impl Opaque {
    pub(super) fn new(compiled: CompiledDetection, fields: Vec<FieldName>) -> Self {
        Self { detections: HashMap::from([(WHOLE.to_owned(), compiled)]), fields }
    }

    fn truth(&self, view: View<'_, '_>, known: Known) -> Truth {
        let is_known = known.has_record() && self.fields.iter().all(|field| known.covers(field));
        if !is_known {
            return Truth::Unknown;
        }
        let tree = tree(view.0);
        let whole = ConditionExpr::Identifier(WHOLE.to_owned());
        eval_condition(&whole, &self.detections, &JsonEvent::borrow(&tree), &mut Vec::new()).into()
    }
}

impl Leaf {
    fn truth(&self, view: View<'_, '_>, known: Known) -> Truth {
        let is_known =
            known.covers(&self.field) && self.others.iter().all(|field| known.covers(field));
        if !is_known {
            return Truth::Unknown;
        }
        let value = view.value(&self.field);
        let matches = match (self.item.exists, value) {
            (Some(exists), value) => value.is_some_and(|value| !value.is_null()) == exists,
            (None, Some(value)) => self.item.matcher.matches(&value, &view),
            // CloudTrail leaves fields out where others write null: absent is null.
            (None, None) => matches!(self.item.matcher, CompiledMatcher::Null),
        };
        matches.into()
    }
}
