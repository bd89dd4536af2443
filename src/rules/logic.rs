//! A rule's condition as a tree, evaluated in three-valued logic.
//!
//! A rule is looked at three times, each time knowing more: with the few fields that events share (which rules can
//! match such an event at all?), with the record (on a worker), with the facts (on the core thread). What is not
//! known yet makes a leaf *unknown*; a rule that is false whatever the unknown turns out to be is dropped. No rule is
//! analysed for this, so every shape of a condition is right by construction.
//!
//! Matching a value is rsigma's work; this file only joins its verdicts.

use std::collections::HashMap;

use rsigma_eval::CompiledDetection;
use rsigma_eval::CompiledDetectionItem;
use rsigma_eval::CompiledMatcher;
use rsigma_eval::CompiledRule;
use rsigma_eval::JsonEvent;
use rsigma_eval::compiler::eval_condition;
use rsigma_eval::matcher::ExpandPart;
use rsigma_parser::ConditionExpr;
use rsigma_parser::Quantifier;

use crate::model::Event;
use crate::model::Field;
use crate::model::Scope;
use crate::model::Slot;
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
    /// The fields of [`SHARED`] alone.
    Shared,
    /// The record, but no facts.
    Record,
    /// The facts of the session, but not the record.
    Session,
    /// The record and the facts of its session, but none of its own.
    RecordAndSession,
    /// Everything.
    All,
}

/// Fields with few values in common: events that agree in them have the same candidates.
pub(super) const SHARED: [Slot; 10] = [
    Slot::EventSource,
    Slot::EventName,
    Slot::ErrorCode,
    Slot::UserType,
    Slot::EventType,
    Slot::UserInvokedBy,
    Slot::UserInvokedByDelegate,
    Slot::SessionAssumedRoot,
    Slot::SessionCredentialFromConsole,
    Slot::TlsVersion,
];

impl Known {
    fn covers(self, field: &FieldName) -> bool {
        match field {
            FieldName::Slot(slot) => {
                self.has_record() || (self == Self::Shared && SHARED.contains(slot))
            }
            FieldName::Path(_) => self.has_record(),
            FieldName::Fact(_, Scope::Session) => {
                matches!(self, Self::Session | Self::RecordAndSession | Self::All)
            }
            FieldName::Fact(_, Scope::Event) => self == Self::All,
        }
    }

    fn has_record(self) -> bool {
        matches!(self, Self::Record | Self::RecordAndSession | Self::All)
    }
}

/// A part of a condition.
#[derive(Debug)]
enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    AtLeast(usize, Vec<Node>),
    /// A detection, by its place in [`Condition::detections`].
    Named(usize),
}

/// A detection of a rule.
#[derive(Debug)]
enum Detection {
    All(Vec<Detection>),
    Any(Vec<Detection>),
    Leaf(Leaf),
    /// What only a tree can answer: array matching, keywords, positional paths. rsigma evaluates it whole.
    Opaque(HashMap<String, CompiledDetection>, Vec<FieldName>),
}

/// One field and what it must match.
#[derive(Debug)]
struct Leaf {
    item: CompiledDetectionItem,
    field: FieldName,
    /// Other fields that the matcher reads (`fieldref`, `expand`).
    others: Vec<FieldName>,
}

/// A rule's condition.
#[derive(Debug)]
pub(super) struct Condition {
    node: Node,
    detections: Vec<Detection>,
}

/// The name under which an opaque detection stands in its map.
const WHOLE: &str = "whole";

impl Condition {
    /// Takes the condition out of a compiled rule.
    pub(super) fn of(rule: &CompiledRule, fields: &[Field]) -> Self {
        let mut names: Vec<&String> = rule.detections.keys().collect();
        names.sort();
        let detections =
            names.iter().map(|name| detection(&rule.detections[*name], fields)).collect();
        let node =
            Node::Any(rule.conditions.iter().map(|condition| node(condition, &names)).collect());
        Self { node, detections }
    }

    /// Returns what is known of the condition for `event`.
    pub(super) fn truth(&self, event: &Event<'_>, known: Known) -> Truth {
        self.node_truth(&self.node, View(event), known)
    }

    /// Returns the names of all fields that the condition reads.
    pub(super) fn fields(&self) -> Vec<&FieldName> {
        let mut fields = Vec::new();
        self.detections.iter().for_each(|detection| detection.fields(&mut fields));
        fields
    }

    fn node_truth(&self, node: &Node, view: View<'_, '_>, known: Known) -> Truth {
        match node {
            Node::All(nodes) => all(nodes, |node| self.node_truth(node, view, known)),
            Node::Any(nodes) => any(nodes, |node| self.node_truth(node, view, known)),
            Node::Not(node) => match self.node_truth(node, view, known) {
                Truth::False => Truth::True,
                Truth::Unknown => Truth::Unknown,
                Truth::True => Truth::False,
            },
            Node::AtLeast(least, nodes) => {
                at_least(*least, nodes, |node| self.node_truth(node, view, known))
            }
            Node::Named(place) => self.detections[*place].truth(view, known),
        }
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

fn at_least(least: usize, nodes: &[Node], truth: impl Fn(&Node) -> Truth) -> Truth {
    let truths: Vec<Truth> = nodes.iter().map(truth).collect();
    let sure = truths.iter().filter(|truth| **truth == Truth::True).count();
    let possible = truths.iter().filter(|truth| **truth != Truth::False).count();
    match () {
        () if sure >= least => Truth::True,
        () if possible >= least => Truth::Unknown,
        () => Truth::False,
    }
}

fn node(expression: &ConditionExpr, names: &[&String]) -> Node {
    let parts = |parts: &[ConditionExpr]| parts.iter().map(|part| node(part, names)).collect();
    match expression {
        ConditionExpr::And(expressions) => Node::All(parts(expressions)),
        ConditionExpr::Or(expressions) => Node::Any(parts(expressions)),
        ConditionExpr::Not(expression) => Node::Not(Box::new(node(expression, names))),
        ConditionExpr::Identifier(name) => match names.iter().position(|known| *known == name) {
            Some(place) => Node::Named(place),
            // rsigma refuses such a rule; were one to come here, it never matches.
            None => Node::Any(Vec::new()),
        },
        ConditionExpr::Selector { quantifier, pattern } => {
            let chosen =
                names.iter().enumerate().filter(|(_, name)| pattern.matches_detection_name(name));
            let chosen: Vec<Node> = chosen.map(|(place, _)| Node::Named(place)).collect();
            match quantifier {
                Quantifier::Any => Node::Any(chosen),
                Quantifier::All => Node::All(chosen),
                Quantifier::Count(least) => {
                    Node::AtLeast(usize::try_from(*least).unwrap_or(usize::MAX), chosen)
                }
            }
        }
    }
}

fn detection(compiled: &CompiledDetection, fields: &[Field]) -> Detection {
    match compiled {
        CompiledDetection::AllOf(items) => {
            Detection::All(items.iter().map(|item| leaf(item, fields)).collect())
        }
        CompiledDetection::And(parts) => {
            Detection::All(parts.iter().map(|part| detection(part, fields)).collect())
        }
        CompiledDetection::AnyOf(parts) => {
            Detection::Any(parts.iter().map(|part| detection(part, fields)).collect())
        }
        CompiledDetection::Keywords(_)
        | CompiledDetection::ArrayMatch { .. }
        | CompiledDetection::Conditional { .. } => opaque(compiled.clone(), fields),
    }
}

fn leaf(item: &CompiledDetectionItem, fields: &[Field]) -> Detection {
    let plain = item.field.as_ref().filter(|name| !name.contains(['[', '\\']));
    match plain {
        Some(name) => {
            let mut others = Vec::new();
            matcher_fields(&item.matcher, fields, &mut others);
            Detection::Leaf(Leaf {
                field: FieldName::parse(name, fields),
                item: item.clone(),
                others,
            })
        }
        None => opaque(CompiledDetection::AllOf(vec![item.clone()]), fields),
    }
}

fn opaque(compiled: CompiledDetection, fields: &[Field]) -> Detection {
    let mut named = Vec::new();
    opaque_fields(&compiled, fields, &mut named);
    Detection::Opaque(HashMap::from([(WHOLE.to_owned(), compiled)]), named)
}

fn opaque_fields(compiled: &CompiledDetection, fields: &[Field], named: &mut Vec<FieldName>) {
    match compiled {
        CompiledDetection::AllOf(items) => {
            for item in items {
                named.extend(item.field.as_deref().map(|name| FieldName::parse(name, fields)));
                matcher_fields(&item.matcher, fields, named);
            }
        }
        CompiledDetection::And(parts) | CompiledDetection::AnyOf(parts) => {
            parts.iter().for_each(|part| opaque_fields(part, fields, named));
        }
        // Fields inside an array's members are not fields of the event.
        CompiledDetection::ArrayMatch { field, .. } => named.push(FieldName::parse(field, fields)),
        CompiledDetection::Conditional { named: parts, .. } => {
            parts.values().for_each(|part| opaque_fields(part, fields, named));
        }
        CompiledDetection::Keywords(_) => {}
    }
}

fn matcher_fields(matcher: &CompiledMatcher, fields: &[Field], named: &mut Vec<FieldName>) {
    match matcher {
        CompiledMatcher::FieldRef { field, .. } => named.push(FieldName::parse(field, fields)),
        CompiledMatcher::Expand { template, .. } => {
            for part in template {
                if let ExpandPart::Placeholder(name) = part {
                    named.push(FieldName::parse(name, fields));
                }
            }
        }
        CompiledMatcher::Not(inner) | CompiledMatcher::TimestampPart { inner, .. } => {
            matcher_fields(inner, fields, named);
        }
        CompiledMatcher::AnyOf(children)
        | CompiledMatcher::AllOf(children)
        | CompiledMatcher::CaseInsensitiveGroup { children, .. } => {
            children.iter().for_each(|child| matcher_fields(child, fields, named));
        }
        _ => {}
    }
}

impl Detection {
    fn truth(&self, view: View<'_, '_>, known: Known) -> Truth {
        match self {
            Self::All(parts) => all(parts, |part| part.truth(view, known)),
            Self::Any(parts) => any(parts, |part| part.truth(view, known)),
            Self::Leaf(leaf) => leaf.truth(view, known),
            Self::Opaque(detections, fields) => {
                let is_known = known.has_record() && fields.iter().all(|field| known.covers(field));
                if !is_known {
                    return Truth::Unknown;
                }
                let tree = tree(view.0);
                let whole = ConditionExpr::Identifier(WHOLE.to_owned());
                eval_condition(&whole, detections, &JsonEvent::borrow(&tree), &mut Vec::new())
                    .into()
            }
        }
    }

    fn fields<'a>(&'a self, fields: &mut Vec<&'a FieldName>) {
        match self {
            Self::All(parts) | Self::Any(parts) => {
                parts.iter().for_each(|part| part.fields(fields))
            }
            Self::Leaf(leaf) => fields.extend([&leaf.field].into_iter().chain(&leaf.others)),
            Self::Opaque(_, names) => fields.extend(names),
        }
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
