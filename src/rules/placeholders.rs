//! `%placeholders%` of rules that use `expand`: their values come from the configuration.

use std::collections::BTreeMap;

use rsigma_eval::CompiledDetection;
use rsigma_eval::CompiledMatcher;
use rsigma_eval::CompiledRule;
use rsigma_eval::Engine;
use rsigma_eval::Pipeline;
use rsigma_eval::matcher::ExpandPart;

/// Returns an engine that puts `values` in the place of placeholders while it compiles.
pub(super) fn engine(values: &BTreeMap<String, Vec<String>>) -> Engine {
    match pipeline(values) {
        Some(pipeline) => Engine::new_with_pipeline(pipeline),
        None => Engine::new(),
    }
}

fn pipeline(values: &BTreeMap<String, Vec<String>>) -> Option<Pipeline> {
    if values.is_empty() {
        return None;
    }
    let text = serde_json::json!({
        "name": "placeholders", "vars": values, "transformations": [{"type": "value_placeholders"}],
    });
    Some(
        rsigma_eval::parse_pipeline(&text.to_string())
            .expect("JSON is YAML, and this is a pipeline"),
    )
}

/// Returns the names of placeholders in `rule` that have no value.
pub(super) fn open(rule: &CompiledRule) -> Vec<String> {
    let mut names = Vec::new();
    rule.detections.values().for_each(|detection| in_detection(detection, &mut names));
    names.sort();
    names.dedup();
    names
}

fn in_detection(detection: &CompiledDetection, names: &mut Vec<String>) {
    match detection {
        CompiledDetection::AllOf(items) => {
            items.iter().for_each(|item| in_matcher(&item.matcher, names))
        }
        CompiledDetection::AnyOf(parts) | CompiledDetection::And(parts) => {
            parts.iter().for_each(|part| in_detection(part, names));
        }
        CompiledDetection::Keywords(matcher) => in_matcher(matcher, names),
        CompiledDetection::ArrayMatch { body, .. } => in_detection(body, names),
        CompiledDetection::Conditional { named, .. } => {
            named.values().for_each(|part| in_detection(part, names))
        }
    }
}

fn in_matcher(matcher: &CompiledMatcher, names: &mut Vec<String>) {
    match matcher {
        CompiledMatcher::Expand { template, .. } => {
            let parts = template.iter().filter_map(|part| match part {
                ExpandPart::Placeholder(name) => Some(name.clone()),
                ExpandPart::Literal(_) => None,
            });
            names.extend(parts);
        }
        CompiledMatcher::Not(inner) => in_matcher(inner, names),
        CompiledMatcher::AnyOf(children) | CompiledMatcher::AllOf(children) => {
            children.iter().for_each(|child| in_matcher(child, names));
        }
        _ => {}
    }
}
