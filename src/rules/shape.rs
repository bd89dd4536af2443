//! From a rule as rsigma compiled it to the tree that `logic` evaluates.

use std::sync::Arc;

use rsigma_eval::CompiledDetection;
use rsigma_eval::CompiledDetectionItem;
use rsigma_eval::CompiledMatcher;
use rsigma_eval::CompiledRule;
use rsigma_eval::matcher::ExpandPart;
use rsigma_parser::ConditionExpr;
use rsigma_parser::Quantifier;

use crate::model::Field;
use crate::rules::logic::Condition;
use crate::rules::logic::Leaf;
use crate::rules::logic::Opaque;
use crate::rules::view::FieldName;

/// Takes the condition out of a compiled rule.
pub(super) fn condition(rule: &CompiledRule, fields: &[Field]) -> Condition {
    let mut names: Vec<&String> = rule.detections.keys().collect();
    names.sort();
    let detections: Vec<(&String, Condition)> =
        names.iter().map(|name| (*name, detection(&rule.detections[*name], fields))).collect();
    Condition::Any(rule.conditions.iter().map(|condition| node(condition, &detections)).collect())
}

fn node(expression: &ConditionExpr, detections: &[(&String, Condition)]) -> Condition {
    let parts = |parts: &[ConditionExpr]| parts.iter().map(|part| node(part, detections)).collect();
    match expression {
        ConditionExpr::And(expressions) => Condition::All(parts(expressions)),
        ConditionExpr::Or(expressions) => Condition::Any(parts(expressions)),
        ConditionExpr::Not(expression) => Condition::Not(Box::new(node(expression, detections))),
        ConditionExpr::Identifier(name) => {
            let named = detections.iter().find(|(known, _)| *known == name);
            // rsigma refuses a rule that names none; were one to come here, it never matches.
            named.map_or(Condition::Any(Vec::new()), |(_, detection)| detection.clone())
        }
        ConditionExpr::Selector { quantifier, pattern } => {
            let chosen = detections.iter().filter(|(name, _)| pattern.matches_detection_name(name));
            let chosen: Vec<Condition> = chosen.map(|(_, detection)| detection.clone()).collect();
            match quantifier {
                Quantifier::Any => Condition::Any(chosen),
                Quantifier::All => Condition::All(chosen),
                Quantifier::Count(least) => {
                    Condition::AtLeast(usize::try_from(*least).unwrap_or(usize::MAX), chosen)
                }
            }
        }
    }
}

fn detection(compiled: &CompiledDetection, fields: &[Field]) -> Condition {
    match compiled {
        CompiledDetection::AllOf(items) => {
            Condition::All(items.iter().map(|item| leaf(item, fields)).collect())
        }
        CompiledDetection::And(parts) => {
            Condition::All(parts.iter().map(|part| detection(part, fields)).collect())
        }
        CompiledDetection::AnyOf(parts) => {
            Condition::Any(parts.iter().map(|part| detection(part, fields)).collect())
        }
        CompiledDetection::Keywords(_)
        | CompiledDetection::ArrayMatch { .. }
        | CompiledDetection::Conditional { .. } => opaque(compiled.clone(), fields),
    }
}

fn leaf(item: &CompiledDetectionItem, fields: &[Field]) -> Condition {
    let plain = item.field.as_ref().filter(|name| !name.contains(['[', '\\']));
    match plain {
        Some(name) => {
            let mut others = Vec::new();
            matcher_fields(&item.matcher, fields, &mut others);
            Condition::Leaf(Arc::new(Leaf {
                field: FieldName::parse(name, fields),
                item: item.clone(),
                others,
            }))
        }
        None => opaque(CompiledDetection::AllOf(vec![item.clone()]), fields),
    }
}

fn opaque(compiled: CompiledDetection, fields: &[Field]) -> Condition {
    let mut named = Vec::new();
    opaque_fields(&compiled, fields, &mut named);
    Condition::Opaque(Arc::new(Opaque::new(compiled, named)))
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
