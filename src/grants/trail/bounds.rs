//! Policies that allow something for a time, and policies that end sessions.
//!
//! A broker may give access by writing a policy whose statements hold between two moments (`aws:CurrentTime`,
//! `aws:EpochTime`). IAM User Guide, "date condition operators" and "global condition keys".
//!
//! Invariant: what is read of a statement is never wider than the statement. What the scope of a grant cannot say (other
//! conditions, `NotAction`, variables) is noted as unclear, and what is unclear covers nothing. The text is somebody's:
//! nothing here panics, and every list is bounded.

use serde_json::Map;
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use crate::model::Seconds;
use crate::model::Span;

/// How many statements of a policy are looked at; its size allows hardly more.
const MAX_STATEMENTS: usize = 32;
/// How many actions, resources or networks of a statement are kept. One with more is unclear.
const MAX_LISTED: usize = 256;
const MAX_TEXT_BYTES: usize = 2_048;

/// A statement that allows something until a moment.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Bounded {
    /// Its `Sid`, or a digest of what it allows: what stays the same when its dates are moved.
    pub name: Box<str>,
    pub actions: Vec<Box<str>>,
    /// `None` is all.
    pub resources: Option<Vec<Box<str>>>,
    /// Networks that it may be used from.
    pub networks: Option<Vec<Box<str>>>,
    /// Of a trust policy: who may take the role, by ARN.
    pub principals: Vec<Box<str>>,
    /// The first moment, if it says.
    pub from: Option<Seconds>,
    /// The first moment behind it.
    pub until: Seconds,
    /// Why it is not known what it allows.
    pub unclear: Option<Box<str>>,
}

/// What sort of policy a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// It says what its holder may do.
    Identity,
    /// It says who may take a role.
    Trust,
}

/// Returns the statements of a policy that allow something until a moment; none if it is no policy.
pub(super) fn bounded(document: &str, sort: Sort) -> Vec<Bounded> {
    let Some(policy) = parsed(document) else { return Vec::new() };
    let mut found: Vec<Bounded> = Vec::new();
    for statement in statements(&policy) {
        let Some(mut bounded) = read(statement, sort) else { continue };
        let stem = bounded.name.clone();
        let mut number = 2;
        while found.iter().any(|other| other.name == bounded.name) {
            bounded.name = format!("{stem}-{number}").into();
            number += 1;
        }
        found.push(bounded);
    }
    found
}

/// Returns before which moment sessions must have been issued to be refused everything: the latest that `document` says.
pub(super) fn revokes_before(document: &str) -> Option<Seconds> {
    let policy = parsed(document)?;
    statements(&policy).filter_map(refused_before).max()
}

fn parsed(document: &str) -> Option<Map<String, Value>> {
    // IAM logs the text as it was sent; what it answers is percent-encoded.
    let value = serde_json::from_str(document).or_else(|_| {
        let decoded = percent_encoding::percent_decode_str(document).decode_utf8_lossy();
        serde_json::from_str(&decoded)
    });
    match value {
        Ok(Value::Object(policy)) => Some(policy),
        _ => None,
    }
}

fn statements(policy: &Map<String, Value>) -> impl Iterator<Item = &Map<String, Value>> {
    let all: &[Value] = match policy.get("Statement") {
        Some(Value::Array(all)) => all,
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    all.iter().filter_map(Value::as_object).take(MAX_STATEMENTS)
}

fn read(statement: &Map<String, Value>, sort: Sort) -> Option<Bounded> {
    (statement.get("Effect")?.as_str()? == "Allow").then_some(())?;
    let mut conditions = Conditions::default();
    for (operator, keys) in statement.get("Condition")?.as_object()? {
        for (key, values) in keys.as_object()? {
            conditions.read(operator, key, values);
        }
    }
    let until = conditions.until?;
    let mut unclear = conditions.unclear;
    let mut listed = |name: &str, not: &str| match (statement.get(name), statement.get(not)) {
        (Some(list), None) => texts(list).unwrap_or_else(|| {
            unclear.get_or_insert_with(|| format!("its {name} cannot be read"));
            Vec::new()
        }),
        _ => {
            unclear.get_or_insert_with(|| format!("it has no {name}"));
            Vec::new()
        }
    };
    let actions = listed("Action", "NotAction");
    let (resources, principals) = match sort {
        Sort::Identity => (listed("Resource", "NotResource"), Vec::new()),
        Sort::Trust => (Vec::new(), Vec::new()),
    };
    let principals = match sort {
        Sort::Identity => principals,
        Sort::Trust => trusted(statement).unwrap_or_else(|| {
            unclear.get_or_insert_with(|| "its Principal is not a list of users and roles".into());
            Vec::new()
        }),
    };
    if resources.iter().any(|resource| resource.contains("${")) {
        unclear.get_or_insert_with(|| "its Resource has a variable".into());
    }
    let resources = match sort {
        Sort::Identity if !resources.iter().any(|resource| &**resource == "*") => Some(resources),
        _ => None,
    };
    let name = match statement.get("Sid").and_then(Value::as_str) {
        Some(sid) if is_sid(sid) => sid.into(),
        _ => digest(&actions, resources.as_deref(), &principals),
    };
    let (from, networks) = (conditions.from, conditions.networks);
    let unclear = unclear.map(String::into_boxed_str);
    Some(Bounded { name, actions, resources, networks, principals, from, until, unclear })
}

/// A `Sid` as IAM allows it.
fn is_sid(sid: &str) -> bool {
    (1..=100).contains(&sid.len()) && sid.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn digest(actions: &[Box<str>], resources: Option<&[Box<str>]>, who: &[Box<str>]) -> Box<str> {
    let sorted = |list: &[Box<str>]| {
        let mut list = list.to_vec();
        list.sort_unstable();
        list.join("\n")
    };
    let resources = resources.map_or_else(|| "*".to_owned(), sorted);
    let whole = format!("{}\n\n{resources}\n\n{}", sorted(actions), sorted(who));
    format!("{:016x}", xxh3_64(whole.as_bytes())).into()
}

/// Reads one text or a list of them; `None` if it is anything else, or too much.
fn texts(value: &Value) -> Option<Vec<Box<str>>> {
    let one = |value: &Value| {
        let text = value.as_str().filter(|text| text.len() <= MAX_TEXT_BYTES)?;
        Some(text.into())
    };
    match value {
        Value::Array(all) if all.len() <= MAX_LISTED && !all.is_empty() => {
            all.iter().map(one).collect()
        }
        Value::String(_) => Some(vec![one(value)?]),
        _ => None,
    }
}

/// The users, roles and sessions that a trust policy names; whole accounts and everybody are nobody in particular.
fn trusted(statement: &Map<String, Value>) -> Option<Vec<Box<str>>> {
    let principal = statement.get("Principal")?.as_object()?;
    (principal.len() == 1).then_some(())?;
    let who = texts(principal.get("AWS")?)?;
    let is_somebody = |arn: &str| {
        let resource = arn.splitn(6, ':').nth(5).unwrap_or_default();
        let is_kind =
            ["user/", "role/", "assumed-role/"].iter().any(|kind| resource.starts_with(kind));
        is_kind && arn.starts_with("arn:") && !arn.contains(['*', '?'])
    };
    who.iter().all(|arn| is_somebody(arn)).then_some(who)
}

/// What the conditions of a statement come to; all of them have to hold.
#[derive(Debug, Default)]
struct Conditions {
    from: Option<Seconds>,
    until: Option<Seconds>,
    networks: Option<Vec<Box<str>>>,
    unclear: Option<String>,
}

impl Conditions {
    fn read(&mut self, operator: &str, key: &str, values: &Value) {
        let lower = key.to_ascii_lowercase();
        let is_read = match &*lower {
            // They are there with every request, so that IfExists changes nothing.
            "aws:currenttime" | "aws:epochtime" => self.time(operator, &lower, values),
            "aws:sourceip" => self.network(operator, values),
            _ => false,
        };
        if !is_read {
            let key: String = key.chars().take(100).collect();
            self.unclear.get_or_insert_with(|| format!("it also asks for {key}"));
        }
    }

    /// Narrows the time; returns whether it could be read.
    fn time(&mut self, operator: &str, key: &str, values: &Value) -> bool {
        let operator = operator.strip_suffix("IfExists").unwrap_or(operator);
        let (kind, relation) = match operator.split_at_checked(4) {
            Some(("Date", relation)) => (Kind::Date, relation),
            _ => match operator.strip_prefix("Numeric") {
                Some(relation) if key == "aws:epochtime" => (Kind::Number, relation),
                _ => return false,
            },
        };
        let Some(moments) = moments(values, kind) else { return false };
        // Any of several values may hold: the widest counts.
        let (Some(first), Some(last)) = (moments.iter().min(), moments.iter().max()) else {
            return false;
        };
        let (first, last) = (*first, *last);
        match relation {
            "LessThan" => self.ends(last.floor),
            "LessThanEquals" => self.ends(last.floor.plus(Span(1))),
            "GreaterThan" => self.begins(first.floor.plus(Span(1))),
            "GreaterThanEquals" => self.begins(first.ceiling()),
            "Equals" if moments.len() == 1 && !first.has_fraction => {
                self.begins(first.floor);
                self.ends(first.floor.plus(Span(1)));
            }
            _ => return false,
        }
        true
    }

    fn begins(&mut self, from: Seconds) {
        self.from = Some(self.from.map_or(from, |known| known.max(from)));
    }

    fn ends(&mut self, until: Seconds) {
        self.until = Some(self.until.map_or(until, |known| known.min(until)));
    }

    /// Narrows the networks; returns whether that could be said.
    fn network(&mut self, operator: &str, values: &Value) -> bool {
        let is_first = self.networks.is_none();
        if operator != "IpAddress" || !is_first {
            return false;
        }
        self.networks = texts(values);
        self.networks.is_some()
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Date,
    Number,
}

/// A moment, to the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Moment {
    floor: Seconds,
    has_fraction: bool,
}

impl Moment {
    fn ceiling(self) -> Seconds {
        if self.has_fraction { self.floor.plus(Span(1)) } else { self.floor }
    }
}

fn moments(values: &Value, kind: Kind) -> Option<Vec<Moment>> {
    match values {
        Value::Array(all) if all.len() <= MAX_LISTED => {
            all.iter().map(|value| moment(value, kind)).collect()
        }
        Value::Array(_) => None,
        one => Some(vec![moment(one, kind)?]),
    }
}

/// Reads ISO 8601 or seconds since 1970, as a text or a number.
fn moment(value: &Value, kind: Kind) -> Option<Moment> {
    let whole = |seconds: i64| Moment { floor: Seconds(seconds), has_fraction: false };
    let text = match value {
        Value::Number(number) => return number.as_i64().map(whole),
        Value::String(text) if text.len() <= 64 => text.trim(),
        _ => return None,
    };
    if let Ok(seconds) = text.parse::<i64>() {
        return Some(whole(seconds));
    }
    match kind {
        Kind::Number => None,
        Kind::Date => {
            let is_day = text.len() == 10 && !text.contains('T');
            let text = if is_day { format!("{text}T00:00:00Z") } else { text.to_owned() };
            let floor = Seconds::parse(&text)?;
            Some(Moment { floor, has_fraction: text.contains(['.', ',']) })
        }
    }
}

/// Returns before which moment a statement refuses sessions everything: Deny, all of it, and nothing else asked.
fn refused_before(statement: &Map<String, Value>) -> Option<Seconds> {
    (statement.get("Effect")?.as_str()? == "Deny").then_some(())?;
    for part in ["Action", "Resource"] {
        let all = texts(statement.get(part)?)?;
        all.iter().any(|text| &**text == "*" || &**text == "*:*").then_some(())?;
    }
    let conditions = statement.get("Condition")?.as_object()?;
    let (operator, keys) = only(conditions)?;
    let (key, values) = only(keys.as_object()?)?;
    key.eq_ignore_ascii_case("aws:TokenIssueTime").then_some(())?;
    let last = *moments(values, Kind::Date)?.iter().max()?;
    match operator.strip_suffix("IfExists").unwrap_or(operator) {
        "DateLessThan" => Some(last.floor),
        "DateLessThanEquals" => Some(last.floor.plus(Span(1))),
        _ => None,
    }
}

fn only(map: &Map<String, Value>) -> Option<(&String, &Value)> {
    (map.len() == 1).then(|| map.iter().next())?
}
