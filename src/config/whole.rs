//! What only the whole file can tell: names that are taken twice, a daemon that would read or tell nothing.
//!
//! Works on the document, not on the rooms' types: whatever entries a room lists under its section count.

use std::collections::BTreeMap;

use serde_json::Value;
use toml::de::DeTable;
use toml::de::DeValue;

use crate::config::Mistake;
use crate::config::walk;

/// Returns what is wrong between the sections of `table`.
pub(super) fn check(schema: &Value, table: &DeTable<'_>) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for (section, missing) in [
        ("source", "no source is configured, so nothing would be read; add a `[[source.…]]`"),
        ("sink", "no sink is configured, so nobody would be told; add a `[[sink.…]]`"),
    ] {
        let entries = entries(schema, table, section);
        if entries.is_empty() && !is_misshapen(table, section) {
            mistakes.push(Mistake::at(section, missing));
        }
        mistakes.extend(twice(&entries));
    }
    mistakes
}

/// Returns whether `section` is no table of lists: the walk has said so, and we need not say that it is empty.
fn is_misshapen(table: &DeTable<'_>, section: &str) -> bool {
    let Some(value) = table.get(section) else { return false };
    let lists = value.get_ref().as_table();
    lists.is_none_or(|lists| lists.values().any(|list| !list.get_ref().is_array()))
}

/// Returns the entries of all lists below `section`: where each stands, and its name if it has one.
fn entries(schema: &Value, table: &DeTable<'_>, section: &str) -> Vec<(String, Option<String>)> {
    let mut entries = Vec::new();
    let Some(lists) = table.get(section).and_then(|value| value.get_ref().as_table()) else {
        return entries;
    };
    let known = &walk::resolve(schema, &schema["properties"][section])["properties"];
    for (kind, list) in lists {
        let kind = kind.get_ref().as_ref();
        let DeValue::Array(items) = list.get_ref() else { continue };
        let entry = walk::resolve(schema, &known[kind]["items"]);
        let usual = entry["properties"]["name"]["default"].as_str();
        for (index, item) in items.iter().enumerate() {
            let given = item.get_ref().get("name").and_then(|name| name.get_ref().as_str());
            let name = given.or(usual).map(str::to_owned);
            entries.push((format!("{section}.{kind}[{index}]"), name));
        }
    }
    entries
}

fn twice(entries: &[(String, Option<String>)]) -> Vec<Mistake> {
    let mut first = BTreeMap::new();
    let mut mistakes = Vec::new();
    for (at, name) in entries {
        let Some(name) = name else { continue };
        match first.get(name) {
            Some(other) => mistakes.push(Mistake::at(
                format!("{at}.name"),
                format!("`{name}` is the name of `{other}` already; each needs its own"),
            )),
            None => {
                first.insert(name, at);
            }
        }
    }
    mistakes
}
