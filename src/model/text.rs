//! Small things about text that more than one room needs.

use std::borrow::Cow;

/// Returns `text` cut to at most `max_bytes`, on a character boundary, with `…` where something was cut.
pub fn bounded(text: &str, max_bytes: usize) -> Cow<'_, str> {
    if text.len() <= max_bytes {
        return Cow::Borrowed(text);
    }
    let mut end = max_bytes.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let (kept, _) = text.split_at(end);
    Cow::Owned(format!("{kept}…"))
}

/// Returns `text` with control characters, and those that turn the reading direction, escaped as `\u{…}`.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unprintable) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match is_unprintable(letter) {
            true => safe.extend(letter.escape_default()),
            false => safe.push(letter),
        }
    }
    Cow::Owned(safe)
}

/// Returns `json` with the same characters escaped the JSON way; its line breaks stay.
pub fn printable_json(json: String) -> String {
    let acts = |letter: char| letter != '\n' && is_unprintable(letter);
    if !json.contains(acts) {
        return json;
    }
    let mut safe = String::with_capacity(json.len() + 16);
    for letter in json.chars() {
        match acts(letter) {
            // JSON text holds such a letter only inside a string, where \u is the same letter; all of
            // them lie below U+10000, so that one escape is enough.
            true => safe.push_str(&format!("\\u{:04x}", u32::from(letter))),
            false => safe.push(letter),
        }
    }
    safe
}

/// Returns `text` as a cell that a spreadsheet shows and does not compute.
pub fn spreadsheet_cell(text: &str) -> String {
    let computed = text.starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']);
    let mark = if computed { "'" } else { "" };
    format!("{mark}{}", printable(text))
}

/// Returns whether a terminal would do something else with `letter` than show it.
pub fn is_unprintable(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_its_lines_and_loses_nothing() {
        let value = serde_json::json!({"a": "x\u{202e}y\u{7f}", "b": 1});
        let safe = printable_json(serde_json::to_string_pretty(&value).unwrap());
        assert!(safe.lines().count() == 4 && !safe.contains(['\u{202e}', '\u{7f}']), "{safe}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
    }

    #[test]
    fn cuts_between_characters() {
        assert_eq!(bounded("short", 10), "short");
        assert_eq!(bounded("äöüäöü", 8), "äö…");
    }
}
