//! The ways in which what a detector tells of is undone, as its file declares them: `grantwatch.alert.undone_by`.
//!
//! Each becomes a rule that raises no alert; what it finds is linked to matches by `undone.rs`.
//!
//! Invariant: a field that is missing tells nothing, so it links nothing.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use rsigma_eval::EventValue;
use rsigma_parser::parse_sigma_yaml;
use serde::Deserialize;

use crate::model::Event;
use crate::model::Field;
use crate::rules::Config;
use crate::rules::Problem;
use crate::rules::Rule;
use crate::rules::Rules;
use crate::rules::Service;
use crate::rules::Weight;
use crate::rules::block::Block;
use crate::rules::gates::Gate;
use crate::rules::gates::is_about_certain_calls;
use crate::rules::load::Place;
use crate::rules::logic::Condition;
use crate::rules::logic::Known;
use crate::rules::logic::Truth;
use crate::rules::placeholders;
use crate::rules::shape;
use crate::rules::view::FieldName;
use crate::rules::view::View;

/// One way to undo what a detector tells of, as its file says.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UndoneBy {
    /// Which of the detector's matches are undone, as a Sigma selection; all, if it is not said.
    #[serde(default)]
    what: Option<yaml_serde::Value>,
    /// The calls that undo them, as a Sigma selection. Refused ones undo nothing.
    when: yaml_serde::Value,
    /// Fields that are the same in both, or `of what is undone = of what undoes it`.
    same: Vec<String>,
}

/// What tells a way from a detector's others, also from those that it had before its file was changed.
pub(super) type WayId = u64;

/// One way, ready to be asked.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) id: WayId,
    /// What of its matches is undone so; `None` if all.
    what: Option<Condition>,
    /// Fields of the match, each with the field of what undoes it.
    same: Vec<(FieldName, FieldName)>,
}

impl UndoneBy {
    /// Returns the way, and the condition by which its calls are found.
    pub(super) fn read(
        &self,
        placeholders: &BTreeMap<String, Vec<String>>,
        fields: &[Field],
    ) -> Result<(Way, Condition), String> {
        let of = |name: &str| FieldName::parse(name.trim(), fields);
        let pair = |text: &String| match text.split_once('=') {
            Some((one, other)) => (of(one), of(other)),
            None => (of(text), of(text)),
        };
        let same: Vec<(FieldName, FieldName)> = self.same.iter().map(pair).collect();
        if same.is_empty() {
            return Err("`same` names the fields that tell what is undone".to_owned());
        }
        let read = |selection| condition(selection, placeholders, fields);
        let what = self.what.as_ref().map(read).transpose()?;
        let when = read(&self.when)?;
        let is_fact = |name: &&FieldName| matches!(name, FieldName::Fact(..));
        if when.fields().iter().any(is_fact) || !is_about_certain_calls(&when) {
            return Err("`when` names the calls that undo it, and no facts".to_owned());
        }
        let written = serde_json::to_string(&(&self.what, &self.when, &self.same));
        let written = written.map_err(|error| error.to_string())?;
        let id = xxhash_rust::xxh3::xxh3_64(written.as_bytes());
        Ok((Way { id, what, same }, when))
    }
}

/// Reads a selection, of calls that were not refused.
fn condition(
    selection: &yaml_serde::Value,
    placeholders: &BTreeMap<String, Vec<String>>,
    fields: &[Field],
) -> Result<Condition, String> {
    let rule = serde_json::json!({
        "title": "selection", "logsource": {"product": "aws", "service": "cloudtrail"},
        "detection": {
            "selection": selection, "refused": {"errorCode|exists": true},
            "condition": "selection and not refused",
        },
    });
    // JSON is YAML.
    let mut read = parse_sigma_yaml(&rule.to_string()).map_err(|error| error.to_string())?;
    if let Some(error) = read.errors.pop() {
        return Err(error);
    }
    let rule = read.rules.pop().ok_or("it is no selection")?;
    let mut engine = placeholders::engine(placeholders);
    engine.add_rule(&rule).map_err(|error| error.to_string())?;
    let compiled = engine.rules().first().ok_or("it is no selection")?;
    Ok(shape::condition(compiled, fields))
}

/// How much of a call's values is kept. A call that names more undoes nothing and is not undone.
const MAX_VALUES_BYTES: usize = 16 * 1_024;

/// The values of the fields of one way.
pub(super) type Values = Vec<BTreeSet<String>>;

impl Way {
    pub(super) fn of_match(&self, event: &Event<'_>) -> Values {
        let is_meant = |what: &Condition| what.truth(event, Known::All) == Truth::True;
        match self.what.as_ref().is_none_or(is_meant) {
            true => self.same.iter().map(|(name, _)| values(event, name)).collect(),
            false => Values::new(),
        }
    }

    pub(super) fn of_undoing(&self, event: &Event<'_>) -> Values {
        self.same.iter().map(|(_, name)| values(event, name)).collect()
    }

    /// Returns whether `undoing` undoes `matched`.
    pub(super) fn links(&self, matched: &Event<'_>, undoing: &Event<'_>) -> bool {
        let (matched, undoing) = (self.of_match(matched), self.of_undoing(undoing));
        can_fit(&matched) && can_fit(&undoing) && fits(&matched, &undoing)
    }
}

/// Returns whether values may fit any others: a field that is missing tells nothing, and what is too long is not kept.
pub(super) fn can_fit(values: &Values) -> bool {
    let texts = || values.iter().flatten().map(String::len);
    let is_known = !values.is_empty() && !values.iter().any(BTreeSet::is_empty);
    is_known && texts().sum::<usize>() <= MAX_VALUES_BYTES
}

/// Returns whether all that was done is undone: a field that is missing tells nothing.
pub(super) fn fits(matched: &Values, undoing: &Values) -> bool {
    let is_same = |(one, other): (&BTreeSet<String>, &BTreeSet<String>)| {
        !one.is_empty() && one.is_subset(other)
    };
    matched.len() == undoing.len() && matched.iter().zip(undoing).all(is_same)
}

/// Returns a field's values, in lower case; of an ARN the name at its end, since calls take both.
fn values(event: &Event<'_>, name: &FieldName) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    if let Some(value) = View(event).value(name) {
        gather(&value, &mut all);
    }
    all
}

fn gather(value: &EventValue<'_>, all: &mut BTreeSet<String>) {
    match value {
        EventValue::Array(values) => values.iter().for_each(|value| gather(value, all)),
        EventValue::Str(text) => {
            let end = match text.starts_with("arn:") {
                true => text.rsplit(['/', ':']).next().unwrap_or(text),
                false => text,
            };
            all.insert(end.to_lowercase());
        }
        EventValue::Int(number) => drop(all.insert(number.to_string())),
        EventValue::Bool(truth) => drop(all.insert(truth.to_string())),
        _ => {}
    }
}

/// Adds the rules that find what undoes matches, of rules by their numbers; returns what is wrong.
pub(super) fn add_all<'b>(
    config: &Config,
    rules: &mut Rules,
    told: impl Iterator<Item = (u32, &'b Place, &'b Block)>,
) -> Vec<Problem> {
    let mut wrong = Vec::new();
    for (of, place, block) in told {
        for undone in &block.alert.undone_by {
            let added = add(config, rules, of, undone);
            wrong.extend(added.err().map(|what| problem(place, what)));
        }
    }
    wrong
}

/// Returns what is wrong with a correlation that says what undoes it.
pub(super) fn of_correlation(place: &Place, block: &Block) -> Option<Problem> {
    let what = "undone_by: a correlation tells of several events, which nothing undoes";
    (!block.alert.undone_by.is_empty()).then(|| problem(place, what.to_owned()))
}

fn problem(place: &Place, what: String) -> Problem {
    Problem { path: place.path.clone(), line: place.line, what, weight: Weight::Error }
}

/// Adds the rule that finds what undoes matches of rule `of` by one of its ways.
fn add(config: &Config, rules: &mut Rules, of: u32, undone: &UndoneBy) -> Result<(), String> {
    let rule = &rules.rules[of as usize];
    if !matches!(rule.gate, Gate::Open | Gate::Session) {
        return Err(
            "undone_by: changes of policies, and acts that want a grant, are linked by themselves"
                .to_owned(),
        );
    }
    if !Service::all_for(&rule.logsource).contains(&Service::CloudTrail) {
        return Err(
            "undone_by: it names calls, so its log source has to be CloudTrail's".to_owned()
        );
    }
    let read = undone.read(&config.placeholders, &rules.fields);
    let (way, condition) = read.map_err(|what| format!("undone_by: {what}"))?;
    let (place, detector) = (rule.place.clone(), Arc::clone(&rule.detector));
    let logsource = rule.logsource.clone();
    let undoes = Some((of, rule.undone_by.len()));
    rules.rules[of as usize].undone_by.push(way);
    let (gate, undone_by) = (Gate::Open, Vec::new());
    let (alerts, feeds) = (false, false);
    rules.rules.push(Rule {
        condition,
        place,
        detector,
        logsource,
        alerts,
        feeds,
        gate,
        undone_by,
        undoes,
    });
    Ok(())
}
