//! The configuration file with every key at its default, written from the schema and the doc comments.
//!
//! A line `# …` explains. A line `#key = …` is a key that has no default, or an entry of a list that is empty
//! by default: taking the `#` away sets it.

use std::fmt::Write as _;

use serde_json::Value;

use crate::config::SECTIONS;
use crate::config::schema;
use crate::config::walk::choices;
use crate::config::walk::is_duration;
use crate::config::walk::kind;
use crate::config::walk::resolve;

const WIDTH: usize = 100;

const HEAD: &str = "\
# grantwatch configuration: every key, each at its default.
#
# A line that starts with `# ` explains. Take the `#` from a line like `#key = …` to set it: these keys have
# no default. Durations are written like 500ms, 30s, 5m, 24h, 7d or 1h30m. Nothing is taken from the
# environment, and secrets never stand here: the keys called `…_file` name the files that hold them.
#
# This file is written by `grantwatch config example`; `grantwatch config check` tells every mistake in yours.
";

/// Returns the text of the example.
pub fn example() -> String {
    let schema = schema();
    let mut out = HEAD.to_owned();
    for section in SECTIONS {
        table(&mut out, &schema, Place { path: section, mark: "" }, &schema["properties"][section]);
    }
    out
}

/// Where a table stands: its path in the file, and what stands before its lines.
#[derive(Clone, Copy)]
struct Place<'a> {
    path: &'a str,
    mark: &'a str,
}

/// Writes a table: its own keys first, then the tables within it, then an entry of each list of tables.
fn table(out: &mut String, schema: &Value, at: Place<'_>, property: &Value) {
    let is_list = is_list_of_tables(schema, property);
    let Place { path, mark } = if is_list { Place { mark: "#", ..at } } else { at };
    let inner = resolve(schema, property);
    let inner = if is_list { resolve(schema, &inner["items"]) } else { inner };
    out.push('\n');
    comment(out, property["description"].as_str().unwrap_or_default());
    let header = if is_list { format!("[[{path}]]") } else { format!("[{path}]") };
    writeln!(out, "{mark}{header}").expect("writing to a string cannot fail");

    let (lists, others): (Vec<_>, Vec<_>) =
        in_order(inner).into_iter().partition(|(_, within)| is_list_of_tables(schema, within));
    let (tables, keys): (Vec<_>, Vec<_>) = others
        .into_iter()
        .partition(|(_, within)| resolve(schema, within)["properties"].is_object());
    for key in keys {
        line(out, schema, key, mark);
    }
    for (key, within) in tables.into_iter().chain(lists) {
        // A table that may be left out and has no default is not there until it is asked for.
        let is_absent = within.get("default").is_some_and(Value::is_null);
        let mark = if is_absent { "#" } else { mark };
        table(out, schema, Place { path: &format!("{path}.{key}"), mark }, within);
    }
}

/// Returns the properties of a table: those that must be given first, in their order, then the others by name.
fn in_order(table: &Value) -> Vec<(&str, &Value)> {
    let properties = table["properties"].as_object().into_iter().flatten();
    let required: Vec<&str> =
        table["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let place = |key: &str| required.iter().position(|name| *name == key).unwrap_or(usize::MAX);
    let mut all: Vec<(&str, &Value)> =
        properties.map(|(key, inner)| (key.as_str(), inner)).collect();
    all.sort_by_key(|(key, _)| (place(key), *key));
    all
}

fn is_list_of_tables(schema: &Value, property: &Value) -> bool {
    let property = resolve(schema, property);
    kind(property) == "array" && kind(resolve(schema, &property["items"])) == "object"
}

/// Writes a key with its explanation; with a `#` before it where it has no default.
fn line(out: &mut String, schema: &Value, (key, property): (&str, &Value), mark: &str) {
    let inner = resolve(schema, property);
    out.push('\n');
    comment(out, property["description"].as_str().unwrap_or_default());
    let choices = choices(inner);
    if !choices.is_empty() {
        comment(out, &format!("One of: {}.", choices.join(", ")));
    }
    let (value, mark) = match property.get("default").and_then(toml_value) {
        Some(value) => (value, mark),
        None => (placeholder(schema, property, inner), "#"),
    };
    writeln!(out, "{mark}{key} = {value}").expect("writing to a string cannot fail");
}

/// Writes `text` as comment lines. A paragraph's line breaks are the source's and mean nothing.
fn comment(out: &mut String, text: &str) {
    let text = text.replace("\n\n", "\u{0}").replace('\n', " ").replace('\u{0}', "\n");
    for paragraph in text.lines() {
        let mut line = "#".to_owned();
        for word in paragraph.split_whitespace() {
            if line.chars().count() + 1 + word.chars().count() > WIDTH {
                out.push_str(&line);
                out.push('\n');
                line = "#".to_owned();
            }
            line.push(' ');
            line.push_str(word);
        }
        out.push_str(&line);
        out.push('\n');
    }
}

/// Returns `value` as TOML writes it on one line; nothing for `null`, which TOML does not have.
fn toml_value(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(toml::Value::String(text.clone()).to_string()),
        Value::Array(items) => {
            let items: Option<Vec<String>> = items.iter().map(toml_value).collect();
            Some(format!("[{}]", items?.join(", ")))
        }
        Value::Object(pairs) if pairs.is_empty() => Some("{}".to_owned()),
        Value::Object(pairs) => {
            let quoted = |key: &str| toml::Value::String(key.to_owned()).to_string();
            let pairs = pairs.iter().filter_map(|(key, value)| {
                toml_value(value).map(|value| format!("{} = {value}", quoted(key)))
            });
            Some(format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", ")))
        }
    }
}

/// Returns a value of the right type for a key without default: the room's own example where it gives one.
fn placeholder(schema: &Value, property: &Value, inner: &Value) -> String {
    let own = property["examples"].get(0).or_else(|| inner["examples"].get(0));
    if let Some(value) = own.and_then(toml_value) {
        return value;
    }
    if let Some(choice) = choices(inner).first() {
        return format!("\"{choice}\"");
    }
    match kind(inner) {
        "string" if is_duration(schema, inner) => "\"5m\"",
        "string" if inner["format"] == "uri" => "\"https://example.com/\"",
        "integer" | "number" => return inner["minimum"].as_i64().unwrap_or_default().to_string(),
        "boolean" => "false",
        "array" => "[]",
        "object" => "{}",
        _ => "\"…\"",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::Config;
    use crate::config::ConfigError;
    use crate::config::parse;

    use super::*;

    /// Returns the mistakes in `text`.
    fn mistakes(text: &str) -> Vec<String> {
        match parse(text, Path::new("e.toml")) {
            Err(ConfigError::Wrong { mistakes, .. }) => {
                mistakes.into_iter().map(|it| format!("{}: {}", it.key, it.what)).collect()
            }
            other => panic!("the example names no source and no sink, and still: {other:?}"),
        }
    }

    #[test]
    fn the_example_is_the_defaults_and_lacks_only_a_source_and_a_sink() {
        let read: Config = toml::from_str(&example()).unwrap();
        assert_eq!(read, Config::default());
        let found = mistakes(&example());
        assert_eq!(found.len(), 2, "{found:#?}");
        assert!(found.iter().all(|what| what.contains("is configured, so")), "{found:#?}");
    }

    #[test]
    fn every_commented_key_is_known_and_of_its_type() {
        let all: Vec<String> = example()
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(rest) if !rest.is_empty() && !rest.starts_with(' ') => rest.to_owned(),
                _ => line.to_owned(),
            })
            .collect();
        if let Err(ConfigError::Wrong { mistakes, .. }) =
            parse(&all.join("\n"), Path::new("e.toml"))
        {
            let misfits: Vec<_> = mistakes
                .iter()
                .filter(|it| it.what.contains("unknown key") || it.what.contains("expected"))
                .collect();
            assert!(misfits.is_empty(), "{misfits:#?}");
        }
    }
}
