//! The story and the response steps: templates over a record and its facts.
//!
//! A template names raw fields (`userIdentity.arn`, `requestParameters.name`) and facts
//! (`gw.identity.name`) as a rule does; what is not there is empty. Names resolve when they are read, so
//! a record is never turned into a tree for the sake of two names.
//!
//! Invariant: a template cannot loop for long (fuel), include another or read anything but its event, and
//! every text of the event passes `clean` before the template sees it.

use std::fmt;
use std::sync::Arc;

use minijinja::AutoEscape;
use minijinja::Environment;
use minijinja::UndefinedBehavior;
use minijinja::value::Enumerator;
use minijinja::value::Object;
use minijinja::value::ObjectRepr;
use minijinja::value::Value;

use crate::alert::clean;
use crate::model::Detector;
use crate::model::Event;
use crate::model::Fact;
use crate::model::Record;
use crate::model::Span;
use crate::model::json;

/// Instructions one template may take; a story needs a few dozen.
const FUEL: u64 = 20_000;
/// The longest text of an event inside a story or step.
const MAX_VALUE_BYTES: usize = 256;
/// The longest story or step.
const MAX_LINE_BYTES: usize = 1_024;
/// The facts that are whole commands.
const COMMANDS: [&str; 2] = ["gw.grant.undo", "gw.policy.undo"];
/// How long a command may be to have room in a line.
const MAX_COMMAND_BYTES: usize = 800;

/// A template of a detector that cannot be rendered.
#[derive(Debug, thiserror::Error)]
#[error("could not render `{part}` of detector `{detector}`")]
pub struct BadTemplate {
    /// The detector's name.
    pub detector: String,
    /// `story`, or `respond[0]` for the first response step.
    pub part: String,
    /// What is wrong with it, and where.
    pub source: minijinja::Error,
}

/// Checks the story and the response steps of `detector`, as `detectors lint` does.
///
/// # Errors
/// Lists every template that does not parse, or that fails on an event without any field.
pub fn validate_templates(detector: &Detector) -> Result<(), Vec<BadTemplate>> {
    let stories = Stories::new();
    let parts = detector.story.iter().map(|story| ("story".to_owned(), story)).chain(
        detector
            .respond
            .iter()
            .enumerate()
            .map(|(place, step)| (format!("respond[{place}]"), step)),
    );
    let nothing = Arc::new(Source::default());
    let bad: Vec<BadTemplate> = parts
        .filter_map(|(part, template)| {
            let source = stories.render(template, &nothing, Purpose::Story).err()?;
            Some(BadTemplate { detector: detector.name.clone(), part, source })
        })
        .collect();
    if bad.is_empty() { Ok(()) } else { Err(bad) }
}

/// What a rendered line is for; it decides how foreign text is cleaned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A sentence for people.
    Story,
    /// A step that may hold a command to paste.
    Step,
}

impl Purpose {
    fn clean(self, text: &str) -> String {
        match self {
            Self::Story => clean::one_line(text, MAX_VALUE_BYTES),
            Self::Step => clean::for_shell(text, MAX_VALUE_BYTES),
        }
    }
}

/// Renders templates.
#[derive(Debug)]
pub struct Stories {
    environment: Environment<'static>,
}

impl Stories {
    /// Prepares the engine.
    pub fn new() -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Chainable);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_fuel(Some(FUEL));
        environment.add_filter("duration", duration);
        Self { environment }
    }

    /// Renders `template` over `source`: one line, bounded.
    ///
    /// # Errors
    /// When the template is broken, uses an unknown filter, or runs too long.
    pub fn render(
        &self,
        template: &str,
        source: &Arc<Source>,
        purpose: Purpose,
    ) -> Result<String, minijinja::Error> {
        let template = self.environment.template_from_str(template)?;
        let root = Value::from_object(Root { source: Arc::clone(source), purpose });
        let text = template.render(root)?;
        Ok(clean::one_line(text.trim(), MAX_LINE_BYTES))
    }
}

/// Turns seconds into what people say: `{{ gw.session.age_seconds | duration }}` gives `6m`.
fn duration(value: &Value) -> String {
    let whole = value.as_i64().or_else(|| value.as_str()?.trim().parse().ok());
    match whole {
        Some(seconds) => Span(seconds).to_string(),
        None => value.to_string(),
    }
}

/// What templates read: one event's record and facts, owned.
#[derive(Debug, Default)]
pub struct Source {
    fields: Fields,
    facts: Vec<(&'static str, Fact)>,
}

#[derive(Debug, Default)]
enum Fields {
    #[default]
    None,
    Trail(String),
    /// Columns of a flow log line; templates write `_` for `-`.
    Flow(Vec<(String, String)>),
}

impl Source {
    /// Takes what templates may read from `event`.
    pub fn of(event: &Event<'_>) -> Self {
        let fields = match event.record {
            Record::Trail(record) => Fields::Trail(record.raw().to_owned()),
            Record::Flow(record) => {
                let names = record.columns().names().iter();
                let column =
                    |name: &String| Some((name.replace('-', "_"), record.get(name)?.to_owned()));
                Fields::Flow(names.filter_map(column).collect())
            }
        };
        // The event's own facts come last and win, as in `Event::fact`.
        let facts = event.all_facts().map(|(name, fact)| (name, fact.clone())).collect();
        Self { fields, facts }
    }

    fn field(&self, name: &str, purpose: Purpose) -> Option<Value> {
        match &self.fields {
            Fields::None => None,
            Fields::Trail(raw) => value_of(json::member(raw, name)?, purpose),
            Fields::Flow(columns) => {
                let (_, text) = columns.iter().find(|(column, _)| column == name)?;
                Some(match text.parse::<i64>() {
                    // An account id may begin with a zero, and is then no number.
                    Ok(number) if number.to_string() == *text => Value::from(number),
                    Ok(_) | Err(_) => Value::from(purpose.clean(text)),
                })
            }
        }
    }
}

/// The names a template sees: raw fields, and facts below `gw`.
#[derive(Debug)]
struct Root {
    source: Arc<Source>,
    purpose: Purpose,
}

impl Object for Root {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        if name != "gw" {
            return self.source.field(name, self.purpose);
        }
        let (source, purpose) = (Arc::clone(&self.source), self.purpose);
        Some(Value::from_object(Below { source, purpose, path: "gw".to_owned() }))
    }
}

/// The facts below a path such as `gw.identity`.
#[derive(Debug)]
struct Below {
    source: Arc<Source>,
    purpose: Purpose,
    path: String,
}

impl Object for Below {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let path = format!("{}.{}", self.path, key.as_str()?);
        let facts = || self.source.facts.iter().rev();
        if let Some((_, fact)) = facts().find(|(name, _)| *name == path) {
            return Some(match fact {
                Fact::Text(text) if COMMANDS.contains(&&*path) => command(text, &path),
                fact => fact_value(fact, self.purpose),
            });
        }
        let inside =
            |name: &str| name.strip_prefix(path.as_str()).is_some_and(|rest| rest.starts_with('.'));
        facts().any(|(name, _)| inside(name)).then(|| {
            let (source, purpose) = (Arc::clone(&self.source), self.purpose);
            Value::from_object(Self { source, purpose, path })
        })
    }

    fn render(self: &Arc<Self>, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

/// Returns a command of ours: what comes from records is quoted in it, and a part of it would do something else.
fn command(text: &str, fact: &str) -> Value {
    match text.len() <= MAX_COMMAND_BYTES {
        true => Value::from(clean::one_line(text, MAX_COMMAND_BYTES)),
        false => Value::from(format!("too long for a line: see {fact}")),
    }
}

fn fact_value(fact: &Fact, purpose: Purpose) -> Value {
    match fact {
        Fact::Text(text) => Value::from(purpose.clean(text)),
        Fact::Whole(number) => Value::from(*number),
        Fact::Flag(truth) => Value::from(*truth),
        Fact::Texts(texts) => {
            let items = texts.iter().map(|text| Value::from(purpose.clean(text))).collect();
            Value::from_object(List { items })
        }
    }
}

/// The value of a raw JSON token; null is absent.
fn value_of(raw: &str, purpose: Purpose) -> Option<Value> {
    Some(match json::kind(raw)? {
        json::Kind::Null => return None,
        json::Kind::Truth => Value::from(raw == "true"),
        json::Kind::Text => Value::from(purpose.clean(&json::string(raw)?)),
        json::Kind::Number => match raw.parse::<i64>() {
            Ok(number) => Value::from(number),
            Err(_) => Value::from(purpose.clean(raw)),
        },
        json::Kind::Object => Value::from_object(Members { raw: raw.to_owned(), purpose }),
        json::Kind::Array => {
            let items = json::elements(raw).filter_map(|item| value_of(item, purpose)).collect();
            Value::from_object(List { items })
        }
    })
}

/// A JSON object, read when it is asked.
#[derive(Debug)]
struct Members {
    raw: String,
    purpose: Purpose,
}

impl Object for Members {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        let value = value_of(json::member(&self.raw, name)?, self.purpose)?;
        Some(if clean::is_secret(name) { Value::from(clean::REMOVED) } else { value })
    }

    /// An object as a whole has no place in a sentence; what it holds may be secret.
    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{…}")
    }
}

/// Several values: `a, b`. A name below it means that name in each, as in rules.
#[derive(Debug)]
struct List {
    items: Vec<Value>,
}

impl Object for List {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        if let Some(place) = key.as_usize() {
            return self.items.get(place).cloned();
        }
        let found = |item: &Value| item.get_item(key).ok().filter(|value| !value.is_undefined());
        let mut items: Vec<Value> = self.items.iter().filter_map(found).collect();
        match items.len() {
            0 => None,
            1 => items.pop(),
            _ => Some(Value::from_object(Self { items })),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.items.len())
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, item) in self.items.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            write!(f, "{comma}{item}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::testing::detector;
    use crate::alert::testing::record;
    use crate::model::Facts;
    use crate::model::FlowColumns;
    use crate::model::FlowRecord;
    use crate::model::Seconds;

    const RECORD: &str = r#"{"eventTime":"2026-03-01T08:12:30Z","eventName":"Stop\nLogging","errorCode":null,
        "userIdentity":{"arn":"arn:a","sessionContext":{"attributes":{"mfaAuthenticated":"false"}}},
        "requestParameters":{"name":"$(id) `x`","port":22,"items":[{"cidr":"0.0.0.0/0"},{"cidr":"::/0"}],
        "password":"hunter2","on":true}}"#;

    fn render(template: &str, purpose: Purpose) -> String {
        let kept = record(RECORD)
            .with("gw.identity.name", "person:alice@example.com")
            .with("gw.session.age_seconds", 366)
            .with("gw.session.chain", vec!["a".to_owned(), "b\u{1b}".to_owned()])
            .with("gw.novel", true);
        Stories::new().render(template, &Arc::new(Source::of(&kept.event())), purpose).unwrap()
    }

    #[test]
    fn names_resolve_to_raw_fields_and_facts() {
        for (template, expected) in [
            ("{{ gw.identity.name }}", "person:alice@example.com"),
            ("{{ userIdentity.sessionContext.attributes.mfaAuthenticated }}", "false"),
            ("{{ gw.session.age_seconds | duration }}", "6m6s"),
            ("{{ gw.session.chain | join(' > ') }}", "a > b\u{fffd}"),
            ("{{ gw.session.chain }}", "a, b\u{fffd}"),
            ("{{ requestParameters.items.cidr }}", "0.0.0.0/0, ::/0"),
            ("{{ requestParameters.items[1].cidr }}", "::/0"),
            ("{{ requestParameters.port + 1 }}", "23"),
            ("{% if gw.novel and requestParameters.on %}yes{% endif %}", "yes"),
            ("{{ requestParameters }}", "{…}"),
            ("{{ requestParameters.password }}", "[removed]"),
            ("{{ requestParameters['name'] | upper }}", "$(ID) `X`"),
        ] {
            assert_eq!(render(template, Purpose::Story), expected, "{template}");
        }
    }

    #[test]
    fn what_is_not_there_is_empty() {
        for template in [
            "{{ nothing }}",
            "{{ gw.nothing.at.all }}",
            "{{ errorCode }}",
            "{{ errorCode.deeper | duration }}",
            "{{ requestParameters.name.below }}",
            "{{ nothing | join(', ') }}",
            "{% for item in nothing %}x{% endfor %}",
        ] {
            assert_eq!(render(template, Purpose::Story), "", "{template}");
        }
    }

    #[test]
    fn a_name_in_a_record_cannot_act() {
        assert_eq!(render("{{ eventName }}", Purpose::Story), "Stop Logging");
        assert_eq!(
            render("`aws x --name '{{ requestParameters.name }}'`", Purpose::Step),
            "`aws x --name '__id___x_'`"
        );
        // A template inside a value is text.
        let kept = record(r#"{"eventTime":"2026-03-01T08:12:30Z","userAgent":"{{ eventTime }}"}"#);
        let source = Arc::new(Source::of(&kept.event()));
        let line = Stories::new().render("{{ userAgent }}", &source, Purpose::Story).unwrap();
        assert_eq!(line, "{{ eventTime }}");
    }

    #[test]
    fn a_command_of_ours_stays_whole_or_is_not_shown() {
        for fact in COMMANDS {
            let render = |text: String| {
                let facts = vec![(fact, Fact::Text(text))];
                let source = Arc::new(Source { fields: Fields::None, facts });
                let template = format!("`{{{{ {fact} }}}}`");
                Stories::new().render(&template, &source, Purpose::Step).unwrap()
            };
            let whole = r"aws iam detach-role-policy --role-name 'a; b'\''c' --policy-arn x";
            assert_eq!(render(whole.to_owned()), format!("`{whole}`"));
            let told = format!("`too long for a line: see {fact}`");
            assert_eq!(render("x ".repeat(500)), told);
        }
    }

    #[test]
    fn a_record_that_says_what_a_command_is_called_has_no_command() {
        let text = r#"{"eventTime":"2026-03-01T08:12:30Z","requestParameters":{"undo":"a; b"},
            "gw":{"grant":{"undo":"a; b"}},"gw.grant.undo":"a; b"}"#;
        let source = Arc::new(Source::of(&record(text).event()));
        let render = |template: &str| Stories::new().render(template, &source, Purpose::Step);
        assert_eq!(render("`{{ gw.grant.undo }}`").unwrap(), "``");
        assert_eq!(render("`{{ requestParameters.undo }}`").unwrap(), "`a__b`");
    }

    #[test]
    fn lines_and_work_are_bounded() {
        let long = format!(
            r#"{{"eventTime":"2026-03-01T08:12:30Z","userAgent":"{}"}}"#,
            "ä".repeat(90_000)
        );
        let source = Arc::new(Source::of(&record(&long).event()));
        let stories = Stories::new();
        let line = stories.render("{{ userAgent }}", &source, Purpose::Story).unwrap();
        assert!(line.len() <= MAX_VALUE_BYTES && line.ends_with('…'));
        let loops = "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}";
        assert!(stories.render(loops, &source, Purpose::Story).is_err());
        let many = "{{ userAgent }}".repeat(20);
        assert!(stories.render(&many, &source, Purpose::Story).unwrap().len() <= MAX_LINE_BYTES);
    }

    #[test]
    fn a_flow_line_has_names_too() {
        let columns = FlowColumns::parse("account-id srcaddr dstport action");
        let event = Event {
            time: Seconds(0),
            record: Record::Flow(FlowRecord::new("111122223333 198.51.100.9 22 -", &columns)),
            session: None,
            facts: Facts::default(),
        };
        let source = Arc::new(Source::of(&event));
        let template = "{{ srcaddr }} to port {{ dstport }} in {{ account_id }}{{ action }}";
        let line = Stories::new().render(template, &source, Purpose::Story).unwrap();
        assert_eq!(line, "198.51.100.9 to port 22 in 111122223333");
    }

    #[test]
    fn every_bad_template_is_told() {
        assert!(validate_templates(&detector()).is_ok());
        let mut bad = detector();
        bad.story = Some("{{ open".to_owned());
        bad.respond = vec!["fine".to_owned(), "{{ a | no_such_filter }}".to_owned()];
        let told = validate_templates(&bad).unwrap_err();
        let parts: Vec<&str> = told.iter().map(|bad| bad.part.as_str()).collect();
        assert_eq!(parts, ["story", "respond[1]"]);
        assert_eq!(told[0].to_string(), "could not render `story` of detector `trail_stopped`");
    }
}
