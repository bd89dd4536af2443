//! What a Sigma document says of itself, as a detector.

use rsigma_parser::CorrelationRule;
use rsigma_parser::SigmaRule;

use crate::model::Detector;
use crate::model::DetectorId;
use crate::model::Severity;
use crate::rules::Config;
use crate::rules::block::Block;
use crate::rules::load::Place;

/// What rules and correlations say of themselves alike.
pub(super) struct Head<'a> {
    id: &'a str,
    name: Option<&'a str>,
    title: &'a str,
    description: &'a str,
    level: Option<rsigma_parser::Level>,
    tags: &'a [String],
    references: &'a [String],
    falsepositives: &'a [String],
}

impl<'a> Head<'a> {
    pub(super) fn of_rule(rule: &'a SigmaRule) -> Self {
        Self {
            id: rule.id.as_deref().unwrap_or_default(),
            name: rule.name.as_deref(),
            title: &rule.title,
            description: rule.description.as_deref().unwrap_or_default(),
            level: rule.level,
            tags: &rule.tags,
            references: &rule.references,
            falsepositives: &rule.falsepositives,
        }
    }

    pub(super) fn of_correlation(rule: &'a CorrelationRule) -> Self {
        Self {
            id: rule.id.as_deref().unwrap_or_default(),
            name: rule.name.as_deref(),
            title: &rule.title,
            description: rule.description.as_deref().unwrap_or_default(),
            level: rule.level,
            tags: &rule.tags,
            references: &rule.references,
            falsepositives: &rule.falsepositives,
        }
    }
}

/// Makes a detector of what a document says of itself and its `grantwatch.alert` block.
pub(super) fn detector(config: &Config, place: &Place, head: Head<'_>, block: &Block) -> Detector {
    let stem =
        place.path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    Detector {
        id: DetectorId(head.id.to_owned()),
        name: head.name.map_or(stem, str::to_owned),
        title: head.title.to_owned(),
        description: head.description.trim().to_owned(),
        severity: severity(head.level),
        attack: head.tags.iter().filter_map(|tag| attack(tag)).collect(),
        references: head.references.to_vec(),
        falsepositives: head.falsepositives.to_vec(),
        group_by: block.alert.group_by.clone(),
        suppress_for: block.alert.suppress_for.unwrap_or(config.suppress_for).span(),
        story: block.alert.story.clone(),
        respond: block.alert.respond.clone(),
    }
}

fn severity(level: Option<rsigma_parser::Level>) -> Severity {
    match level {
        Some(rsigma_parser::Level::Informational) => Severity::Informational,
        Some(rsigma_parser::Level::Low) => Severity::Low,
        Some(rsigma_parser::Level::Medium) | None => Severity::Medium,
        Some(rsigma_parser::Level::High) => Severity::High,
        Some(rsigma_parser::Level::Critical) => Severity::Critical,
    }
}

/// `attack.t1078.004` becomes `T1078.004`; tactics keep their name. Never checked against a list: ATT&CK changes.
fn attack(tag: &str) -> Option<String> {
    let name = tag.strip_prefix("attack.")?;
    let is_technique = name
        .strip_prefix('t')
        .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()));
    Some(if is_technique { name.to_ascii_uppercase() } else { name.to_owned() })
}
