//! How records spell tags: as a list of pairs, as a list of keys, as a map, or wrapped in further objects.
//!
//! Invariant: nothing is followed deeper than [`MAX_DEPTH`].

use crate::model::json;
use crate::model::json::Kind;

/// How deep objects are followed to an id or a list of tags.
const MAX_DEPTH: usize = 8;

/// Returns whether a parameter, in lower case, is a list of tags or of their keys.
pub(super) fn is_list(key: &str) -> bool {
    matches!(
        key,
        "tags"
            | "tag"
            | "tagset"
            | "taglist"
            | "tagslist"
            | "tagging"
            | "newtags"
            | "tagkeys"
            | "tagkeylist"
    )
}

/// Returns the list of tags in the parameters `raw`, or in an object that stands in them.
pub(super) fn listed_in(raw: &str) -> Option<&str> {
    list_below(raw, MAX_DEPTH)
}

fn list_below(raw: &str, depth: usize) -> Option<&str> {
    let is_whole = |value: &&str| matches!(json::kind(value), Some(Kind::Array | Kind::Object));
    let own = json::members(raw).find_map(|(key, value)| {
        (is_list(&key.to_ascii_lowercase()) && is_whole(&value)).then_some(value)
    });
    let below = || {
        let depth = depth.checked_sub(1)?;
        let objects =
            json::members(raw).filter(|(_, value)| json::kind(value) == Some(Kind::Object));
        objects.filter_map(|(_, value)| list_below(value, depth)).next()
    };
    own.or_else(below)
}

/// Calls `found` with each key, and its value if there is one, of a list of tags in any spelling.
pub(super) fn each_tag(raw: &str, found: &mut dyn FnMut(&str, Option<&str>)) {
    tags_below(raw, MAX_DEPTH, found);
}

fn tags_below(raw: &str, depth: usize, found: &mut dyn FnMut(&str, Option<&str>)) {
    let Some(depth) = depth.checked_sub(1) else { return };
    match json::kind(raw) {
        Some(Kind::Array) => json::elements(raw).for_each(|tag| tags_below(tag, depth, found)),
        // A key alone, in the calls that take tags away.
        Some(Kind::Text) => {
            if let Some(key) = json::string(raw) {
                found(&key, None);
            }
        }
        Some(Kind::Object) => {
            let member = |wanted: [&str; 2]| {
                let is = |key: &str| wanted.iter().any(|it| key.eq_ignore_ascii_case(it));
                json::members(raw)
                    .find(|(key, _)| is(key))
                    .and_then(|(_, value)| json::string(value))
            };
            if let Some(key) = member(["key", "tagKey"]) {
                found(&key, member(["value", "tagValue"]).as_deref());
                return;
            }
            for (key, value) in json::members(raw) {
                match json::kind(value) {
                    Some(Kind::Array | Kind::Object) => tags_below(value, depth, found),
                    Some(Kind::Text) => {
                        let key = json::string(&format!("\"{key}\"")).map(|key| key.into_owned());
                        if let (Some(key), Some(value)) = (key, json::string(value)) {
                            found(&key, Some(&value));
                        }
                    }
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

/// Calls `found` with each text at `path` in `raw`.
pub(super) fn each_at(raw: &str, path: &str, found: &mut dyn FnMut(&str)) {
    json::walk(raw, path, &mut |value| {
        if let Some(text) = json::string(value) {
            found(&text);
        }
    });
}

/// Calls `found` with each text that a member called `name` holds, anywhere in `raw`.
pub(super) fn members_called(raw: &str, name: &str, found: &mut dyn FnMut(&str)) {
    members_below(raw, name, MAX_DEPTH, found);
}

fn members_below(raw: &str, name: &str, depth: usize, found: &mut dyn FnMut(&str)) {
    let Some(depth) = depth.checked_sub(1) else { return };
    json::elements(raw).for_each(|element| members_below(element, name, depth, found));
    for (key, value) in json::members(raw) {
        match json::kind(value) {
            Some(Kind::Array | Kind::Object) => members_below(value, name, depth, found),
            Some(Kind::Text) if json::key_is(key, name) => {
                if let Some(text) = json::string(value) {
                    found(&text);
                }
            }
            _ => {}
        }
    }
}
