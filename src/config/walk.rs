//! Walks the parsed file along the JSON schema and names what does not fit: keys, types, ranges, choices.
//!
//! The schema is the one `config schema` prints, so that what an editor underlines and what we refuse is the
//! same. What a schema cannot say is left to the rooms' types (`read`) and to `whole`.
//!
//! Invariant: a mistake never repeats a value that might be a secret; numbers and choices only.

use std::collections::BTreeMap;

use serde_json::Value;
use toml::Spanned;
use toml::de::DeTable;
use toml::de::DeValue;
use url::Url;

use crate::config::Mistake;
use crate::model::Duration;

/// The line of each key in the file, by the key's whole path.
#[derive(Debug, Default)]
pub(super) struct Lines(BTreeMap<String, usize>);

impl Lines {
    /// Returns the line of `key`, or of the nearest table around it.
    pub(super) fn of(&self, key: &str) -> usize {
        let mut at = key;
        loop {
            if let Some(line) = self.0.get(at) {
                return *line;
            }
            let Some((outer, _)) = at.rsplit_once(['.', '[']) else { return 0 };
            at = outer;
        }
    }
}

/// Returns the line, from 1, of the byte at `offset`.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

/// Parses `text` as far as it can be and returns its table with what is wrong with its syntax.
pub(super) fn syntax(text: &str) -> (Spanned<DeTable<'_>>, Vec<Mistake>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mistakes = errors.into_iter().map(|error| Mistake {
        line: error.span().map_or(0, |span| line_of(text, span.start)),
        key: String::new(),
        what: error.message().replace('\n', "; "),
    });
    (table, mistakes.collect())
}

/// Walks `table` along `schema` and returns what does not fit, with the lines of all keys.
pub(super) fn walk(text: &str, schema: &Value, table: &DeTable<'_>) -> (Vec<Mistake>, Lines) {
    let mut walk = Walk { text, root: schema, mistakes: Vec::new(), lines: Lines::default() };
    walk.table(schema, table, "", 0);
    (walk.mistakes, walk.lines)
}

/// Returns the schema that `schema` refers to: through `$ref`, and through what stands for an `Option`.
pub(super) fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/")) {
        return resolve(root, &root["$defs"][name]);
    }
    let choices = schema["anyOf"].as_array().map_or(&[][..], Vec::as_slice);
    let mut present = choices.iter().filter(|choice| choice["type"] != "null");
    match (present.next(), present.next()) {
        (Some(only), None) => resolve(root, only),
        _ => schema,
    }
}

/// Returns whether a resolved schema is that of [`Duration`].
pub(super) fn is_duration(root: &Value, resolved: &Value) -> bool {
    std::ptr::eq(resolved, &root["$defs"]["Duration"])
}

/// Returns the type a schema asks for, other than `null`.
pub(super) fn kind(schema: &Value) -> &str {
    match &schema["type"] {
        Value::String(kind) => kind,
        Value::Array(kinds) => {
            kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or_default()
        }
        _ => "",
    }
}

/// Returns the texts a schema allows, or nothing where it allows any.
pub(super) fn choices(schema: &Value) -> Vec<&str> {
    let listed = schema["enum"].as_array().into_iter().flatten();
    let described = schema["oneOf"].as_array().into_iter().flatten().map(|choice| &choice["const"]);
    let of_one = schema["oneOf"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|choice| choice["enum"].as_array().into_iter().flatten());
    listed.chain(described).chain(of_one).filter_map(Value::as_str).collect()
}

struct Walk<'a> {
    text: &'a str,
    root: &'a Value,
    mistakes: Vec<Mistake>,
    lines: Lines,
}

impl Walk<'_> {
    fn wrong(&mut self, line: usize, key: &str, what: String) {
        self.mistakes.push(Mistake { line, key: key.to_owned(), what });
    }

    fn table(&mut self, schema: &Value, table: &DeTable<'_>, at: &str, line: usize) {
        let schema = resolve(self.root, schema);
        let empty = serde_json::Map::new();
        let known = schema["properties"].as_object().unwrap_or(&empty);
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let path = if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
            let line = line_of(self.text, key.span().start);
            self.lines.0.insert(path.clone(), line);
            let others = &schema["additionalProperties"];
            match known.get(name) {
                Some(inner) => self.value(inner, value, &path, line),
                None if others.is_object() => self.value(others, value, &path, line),
                None if others == &Value::Bool(false) => {
                    let what = unknown("key", name, known.keys().map(String::as_str));
                    self.wrong(line, &path, what);
                }
                None => {}
            }
        }
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !table.contains_key(name) {
                self.wrong(line, at, format!("the key `{name}` is missing"));
            }
        }
    }

    fn value(&mut self, schema: &Value, value: &Spanned<DeValue<'_>>, at: &str, line: usize) {
        let schema = resolve(self.root, schema);
        let is_duration = is_duration(self.root, schema);
        let wanted = kind(schema);
        match (wanted, value.get_ref()) {
            ("object", DeValue::Table(table)) => self.table(schema, table, at, line),
            ("array", DeValue::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    let path = format!("{at}[{index}]");
                    let line = line_of(self.text, item.span().start);
                    self.lines.0.insert(path.clone(), line);
                    self.value(&schema["items"], item, &path, line);
                }
            }
            ("string", DeValue::String(text)) => {
                let refused = refused_text(schema, text, is_duration);
                if let Some(what) = refused {
                    self.wrong(line, at, what);
                }
            }
            ("integer", DeValue::Integer(number)) => {
                let number = i128::from_str_radix(number.as_str(), number.radix());
                if let Some(what) = out_of_range(schema, number.unwrap_or(i128::MAX)) {
                    self.wrong(line, at, what);
                }
            }
            ("number", DeValue::Integer(_) | DeValue::Float(_)) => {}
            ("boolean", DeValue::Boolean(_)) => {}
            ("", DeValue::String(text)) if !choices(schema).is_empty() => {
                if let Some(what) = refused_text(schema, text, false) {
                    self.wrong(line, at, what);
                }
            }
            ("", _) if choices(schema).is_empty() => {}
            ("array", DeValue::Table(_))
                if kind(resolve(self.root, &schema["items"])) == "object" =>
            {
                self.wrong(line, at, format!("there may be several: write `[[{at}]]`"));
            }
            (wanted, found) => {
                let wanted = if is_duration { "duration" } else { wanted };
                let what = format!("expected {}, found {}", spoken(wanted), found_kind(found));
                self.wrong(line, at, what);
            }
        }
    }
}

fn refused_text(schema: &Value, text: &str, is_duration: bool) -> Option<String> {
    if is_duration {
        return text.parse::<Duration>().err().map(|error| error.to_string());
    }
    let choices = choices(schema);
    if !choices.is_empty() && !choices.contains(&text) {
        return Some(unknown("choice", text, choices.into_iter()));
    }
    let length = text.chars().count();
    let least = schema["minLength"].as_u64().and_then(|least| usize::try_from(least).ok());
    if least.is_some_and(|least| length < least) {
        return Some(match length {
            0 => "must not be empty".to_owned(),
            _ => format!("is shorter than {} characters", least.unwrap_or_default()),
        });
    }
    if schema["format"] == "uri" {
        return Url::parse(text).err().map(|error| format!("is no address: {error}"));
    }
    None
}

fn out_of_range(schema: &Value, number: i128) -> Option<String> {
    let whole = |bound: &Value| {
        bound
            .as_i64()
            .map(i128::from)
            .or_else(|| bound.as_u64().map(i128::from))
            .or_else(|| bound.as_f64().map(|bound| bound as i128))
    };
    let (least, most) = (whole(&schema["minimum"]), whole(&schema["maximum"]));
    if least.is_none_or(|least| number >= least) && most.is_none_or(|most| number <= most) {
        return None;
    }
    Some(match (least, most) {
        (Some(least), Some(most)) => format!("{number} is not between {least} and {most}"),
        (Some(least), None) => format!("{number} is less than {least}"),
        _ => format!("{number} is more than {}", most.unwrap_or_default()),
    })
}

/// Says that `name` is unknown, and which of `known` was meant, or which there are.
fn unknown<'k>(noun: &str, name: &str, known: impl Iterator<Item = &'k str>) -> String {
    let known: Vec<&str> = known.collect();
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    let distance = |other: &str| strsim::damerau_levenshtein(&plain(name), &plain(other));
    let near = known.iter().map(|other| (distance(other), *other)).min();
    let room_for_error = (name.chars().count() / 3).max(1);
    match near {
        Some((away, other)) if away <= room_for_error => {
            format!("unknown {noun}; did you mean `{other}`?")
        }
        Some(_) => format!("unknown {noun}; there are `{}`", known.join("`, `")),
        None => format!("unknown {noun}; none is known here"),
    }
}

fn spoken(kind: &str) -> &str {
    match kind {
        "object" => "a table",
        "array" => "a list",
        "string" => "text in quotes",
        "duration" => "a duration in quotes, such as \"5m\"",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        _ => "one of its choices, in quotes",
    }
}

fn found_kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use schemars::JsonSchema;

    use super::*;

    #[derive(JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Any {
        #[serde(default)]
        table: Option<Inner>,
        #[serde(default)]
        names: std::collections::BTreeMap<String, Vec<String>>,
        #[serde(default)]
        share: f64,
        #[serde(default)]
        path: Option<PathBuf>,
        #[serde(default)]
        small: u8,
        #[serde(default)]
        choice: Option<Choice>,
    }

    #[derive(JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Inner {
        #[schemars(length(min = 1))]
        name: String,
        wait: Option<Duration>,
    }

    #[derive(JsonSchema)]
    #[serde(rename_all = "snake_case")]
    #[expect(dead_code, reason = "only its schema is looked at")]
    enum Choice {
        /// The first.
        First,
        /// The second.
        Second,
    }

    /// Checks what the walk says of `text`.
    fn check(text: &str, expected: &[&str]) {
        let schema = schemars::schema_for!(Any).to_value();
        let (table, broken) = syntax(text);
        assert_eq!(broken, []);
        let (mistakes, _) = walk(text, &schema, table.get_ref());
        let found: Vec<String> =
            mistakes.iter().map(|it| format!("{} {}: {}", it.line, it.key, it.what)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn whatever_a_room_may_ask_for_is_understood() {
        check(
            "share = 1\npath = \"a\"\nsmall = 0xff\nchoice = \"first\"
            names = { a = [\"b\"], \"c d\" = [] }\ntable = { name = \"n\", wait = \"5m\" }",
            &[],
        );
        check(
            "share = \"1\"\npath = 1\nsmall = 256\nchoice = \"frist\"\nnames = { a = [1] }
            [table]\nname = \"\"\nwait = \"5 minutes\"\nwiat = 1",
            &[
                "4 choice: unknown choice; did you mean `first`?",
                "5 names.a[0]: expected text in quotes, found a whole number",
                "2 path: expected text in quotes, found a whole number",
                "1 share: expected a number, found text",
                "3 small: 256 is not between 0 and 255",
                "7 table.name: must not be empty",
                "8 table.wait: `5 minutes` is no duration; write it like 500ms, 30s, 5m, 24h, 7d or 1h30m",
                "9 table.wiat: unknown key; did you mean `wait`?",
            ],
        );
        check(
            "table = 3\nchoice = 4",
            &[
                "2 choice: expected one of its choices, in quotes, found a whole number",
                "1 table: expected a table, found a whole number",
            ],
        );
    }
}
