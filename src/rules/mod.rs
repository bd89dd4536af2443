//! Detectors: loading `detectors/`, evaluating them, running their tests.
//!
//! Every detection is a Sigma rule; rsigma parses, compiles and matches values, this room decides when which rule is
//! asked. [`Sieve`] runs on the workers and drops, before any fact is known, the rules that cannot match; what is left
//! is decided on the core thread, where [`Correlator`] also counts.
//!
//! Invariant: nothing here knows what a fact means. Read on in `logic` for the three-valued evaluation.

mod acts;
mod block;
mod check;
mod correlate;
mod fields;
mod files;
mod gates;
mod head;
mod kept;
mod load;
mod logic;
mod placeholders;
mod shape;
mod sieve;
pub mod table;
mod undone;
mod view;
mod ways;
mod windows;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use rsigma_parser::CorrelationRule;
use rsigma_parser::LogSource;
use rsigma_parser::SigmaRule;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

use crate::model::Detector;
use crate::model::DetectorId;
use crate::model::Duration;
use crate::model::Event;
use crate::model::Field;

pub use check::Tested;
pub use correlate::Correlator;
pub use fields::FIELDS;
pub use files::Source;
pub use files::read_files;
pub use gates::Gates;
pub use load::Problem;
pub use load::Weight;
pub use sieve::Candidate;
pub use sieve::Sieve;
pub use sieve::Verdict;
pub use undone::Spoken;
pub use undone::Undoing;
pub use undone::Undone;
pub use windows::Fired;

use block::TestCase;
use gates::Gate;
use load::Place;
use logic::Condition;
use logic::Known;
use logic::Truth;
use view::FieldName;
use ways::Way;

/// Which detectors are loaded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Your own detectors: files, or folders that are searched for `.yml` and `.yaml`. Sigma rules, correlations and
    /// filters; SigmaHQ's AWS CloudTrail rules load as they are.
    pub paths: Vec<PathBuf>,
    /// Whether the detectors that come with grantwatch are loaded.
    pub builtin: bool,
    /// Values for `%placeholders%` in rules that use Sigma's `expand`. A rule whose placeholder has no value is left
    /// out, and said so.
    pub placeholders: BTreeMap<String, Vec<String>>,
    /// How long matches of one group fold into one alert, for rules that do not say (published Sigma rules).
    pub suppress_for: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            paths: Vec::new(),
            builtin: true,
            placeholders: BTreeMap::new(),
            suppress_for: Duration::from_secs(3_600),
        }
    }
}

/// Where events come from, as Sigma's `logsource` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Service {
    /// `product: aws, service: cloudtrail`.
    CloudTrail,
    /// `product: aws, service: vpcflow`.
    VpcFlow,
    /// `product: grantwatch, service: intake`: signals about deliveries.
    Intake,
    /// `product: grantwatch, service: grants`: signals about access grants.
    Grants,
    /// `product: grantwatch, service: policies`: signals about policies.
    Policies,
    /// `product: grantwatch, service: matches`: signals about what became of what detectors told of.
    Matches,
}

impl Service {
    const ALL: [Self; 6] = [
        Self::CloudTrail,
        Self::VpcFlow,
        Self::Intake,
        Self::Grants,
        Self::Policies,
        Self::Matches,
    ];

    fn names(&self) -> (&'static str, &'static str) {
        match self {
            Self::CloudTrail => ("aws", "cloudtrail"),
            Self::VpcFlow => ("aws", "vpcflow"),
            Self::Intake => ("grantwatch", "intake"),
            Self::Grants => ("grantwatch", "grants"),
            Self::Policies => ("grantwatch", "policies"),
            Self::Matches => ("grantwatch", "matches"),
        }
    }

    /// Returns the services whose events a rule with this log source applies to: all that it names must agree.
    fn all_for(source: &LogSource) -> Vec<Self> {
        let agrees = |named: &Option<String>, ours: &str| {
            named.as_ref().is_none_or(|named| named.eq_ignore_ascii_case(ours))
        };
        let applies = |service: &Self| {
            let (product, name) = service.names();
            source.category.is_none()
                && agrees(&source.product, product)
                && agrees(&source.service, name)
        };
        Self::ALL.into_iter().filter(applies).collect()
    }
}

/// A loaded rule.
#[derive(Debug)]
pub(crate) struct Rule {
    condition: Condition,
    place: Place,
    detector: Arc<Detector>,
    logsource: LogSource,
    alerts: bool,
    feeds: bool,
    gate: Gate,
    /// The ways in which what it tells of is undone.
    undone_by: Vec<Way>,
    /// Of which rule what it finds undoes the matches, and by which of its ways.
    undoes: Option<(u32, usize)>,
}

/// A loaded correlation.
#[derive(Debug)]
pub(crate) struct Counting {
    place: Place,
    detector: Arc<Detector>,
    rule: CorrelationRule,
    alerts: bool,
}

impl Rule {
    fn matches(&self, event: &Event<'_>) -> bool {
        self.condition.truth(event, Known::All) == Truth::True
    }
}

/// All loaded detectors. Immutable: a reload makes another one.
#[derive(Debug, Default)]
pub struct Rules {
    rules: Vec<Rule>,
    routes: [Arc<[u32]>; 6],
    /// Rules about calls that are asked only about events that have a verdict.
    of_verdicts: Vec<u32>,
    /// Rules about calls that are asked only about changes of policies.
    of_policies: Vec<u32>,
    correlations: Vec<Counting>,
    bases: Vec<SigmaRule>,
    tests: Vec<(DetectorId, Place, TestCase)>,
    fields: Vec<Field>,
}

impl Rules {
    /// Puts detectors together. `fields` is the table of all facts; a rule that names another is an error.
    ///
    /// What is wrong is reported and left out; the rest is loaded.
    pub fn load(config: &Config, sources: &[Source], fields: &[Field]) -> (Self, Vec<Problem>) {
        load::load(config, sources, fields)
    }

    /// Returns all detectors that can raise alerts: rules first, then correlations, each in the order of files.
    pub fn detectors(&self) -> impl Iterator<Item = &Arc<Detector>> {
        let rules = self.rules.iter().filter(|rule| rule.alerts).map(|rule| &rule.detector);
        let correlations = self.correlations.iter().filter(|counting| counting.alerts);
        rules.chain(correlations.map(|counting| &counting.detector))
    }

    /// Returns all detectors with their places: the file and the line of the document.
    pub fn placed(&self) -> impl Iterator<Item = ((PathBuf, usize), &Arc<Detector>)> {
        let rules = self.own().map(|rule| (&rule.place, &rule.detector));
        let correlations =
            self.correlations.iter().map(|counting| (&counting.place, &counting.detector));
        rules
            .chain(correlations)
            .map(|(place, detector)| ((place.path.clone(), place.line), detector))
    }

    /// Returns how many rules are evaluated, those that only feed correlations included.
    pub fn len(&self) -> usize {
        self.own().count()
    }

    /// Returns the rules that stand in files as rules.
    fn own(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter(|rule| rule.undoes.is_none())
    }

    /// Returns whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Returns how many tests the detectors carry, by detector.
    pub fn test_count(&self, detector: &DetectorId) -> usize {
        self.tests.iter().filter(|(id, _, _)| id == detector).count()
    }

    /// Runs the tests that stand in the detectors' files.
    pub fn test(self: &Arc<Self>) -> Vec<Tested> {
        check::run(self)
    }

    /// Returns whether a gated rule may match `event`, of which the session's facts are known and its own are not.
    pub fn may_match(&self, rule: u32, event: &Event<'_>) -> bool {
        let condition = &self.rules[rule as usize].condition;
        condition.truth(event, Known::RecordAndSession) != Truth::False
    }

    /// Returns the rules that can only match an event with a verdict; the sieve and the gates leave them out.
    pub fn of_verdicts(&self) -> &[u32] {
        &self.of_verdicts
    }

    /// Returns the rules that can only match a change of a policy; the sieve and the gates leave them out.
    pub fn of_policies(&self) -> &[u32] {
        &self.of_policies
    }

    /// Returns whether a rule is about a change of a policy, or about a signal of ours about policies.
    pub fn is_about_policies(&self, rule: u32) -> bool {
        self.of_policies.contains(&rule) || self.of(&Service::Policies).contains(&rule)
    }

    /// Returns whether a rule speaks of changes of policies and of other things too.
    pub fn speaks_of_policies(&self, rule: u32) -> bool {
        let names = self.rules[rule as usize].condition.fields();
        let is_fact = |name: &&FieldName| matches!(name, FieldName::Fact(name, _) if name.starts_with("gw.policy."));
        names.iter().any(is_fact)
    }

    /// Returns whether a rule finds what undoes another's matches, and tells of nothing itself.
    pub fn is_undoing(&self, rule: u32) -> bool {
        self.rules[rule as usize].undoes.is_some()
    }

    /// Returns whether `back` undoes `matched`, an event that `rule` matches.
    fn undoes(&self, rule: &Rule, matched: &Event<'_>, back: &Event<'_>) -> bool {
        let is_of = |it: &&Rule| {
            it.undoes.is_some_and(|(of, _)| self.rules[of as usize].detector.id == rule.detector.id)
        };
        self.rules.iter().filter(is_of).any(|finds| {
            let way = finds.undoes.and_then(|(_, way)| rule.undone_by.get(way));
            finds.matches(back) && way.is_some_and(|way| way.links(matched, back))
        })
    }

    /// Decides a gated rule, now that `event` has all its facts.
    pub fn matches(&self, rule: u32, event: &Event<'_>) -> bool {
        self.rules[rule as usize].matches(event)
    }

    /// Decides a candidate, now that `event` has its facts.
    pub fn decide(&self, candidate: Candidate, event: &Event<'_>) -> bool {
        match candidate.verdict {
            Verdict::Matches => true,
            Verdict::AskFacts => self.rules[candidate.rule as usize].matches(event),
        }
    }

    /// Returns the rules that match a signal of ours.
    pub fn signal_matches(&self, service: &Service, event: &Event<'_>) -> Vec<u32> {
        let rules = self.of(service).iter();
        rules.copied().filter(|rule| self.rules[*rule as usize].matches(event)).collect()
    }

    /// Returns the detector of a rule.
    pub fn detector(&self, rule: u32) -> &Arc<Detector> {
        &self.rules[rule as usize].detector
    }

    /// Returns the detector of a rule that matched, if its matches are alerts.
    pub fn alerting(&self, rule: u32) -> Option<&Arc<Detector>> {
        let rule = &self.rules[rule as usize];
        rule.alerts.then_some(&rule.detector)
    }

    /// Returns whether a rule's matches are counted by a correlation.
    pub fn feeds(&self, rule: u32) -> bool {
        self.rules[rule as usize].feeds
    }

    fn of(&self, service: &Service) -> &Arc<[u32]> {
        let place = Service::ALL
            .iter()
            .position(|known| known == service)
            .expect("ALL holds every service");
        &self.routes[place]
    }

    fn route(&mut self) {
        let applicable: Vec<Vec<Service>> =
            self.rules.iter().map(|rule| Service::all_for(&rule.logsource)).collect();
        self.routes = Service::ALL.map(|service| {
            let places = (0u32..).zip(&applicable);
            places
                .filter(|(_, services)| services.contains(&service))
                .map(|(place, _)| place)
                .collect()
        });
        let behind = |gate: Gate| {
            let calls = self.of(&Service::CloudTrail).iter().copied();
            calls.filter(|rule| self.rules[*rule as usize].gate == gate).collect()
        };
        (self.of_verdicts, self.of_policies) = (behind(Gate::Grant), behind(Gate::Policy));
    }
}

#[cfg(test)]
mod tests;
