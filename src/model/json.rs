//! Reading JSON where it lies: tokens, paths and strings of a text that stays borrowed.
//!
//! A record keeps its open parts (`requestParameters` and its like) as raw JSON; a rule that names
//! a field below them walks there on demand, without a tree. `decode` has checked the text once, so
//! walking never fails: what is not there is `None`.
//!
//! Invariant: no recursion, and no allocation unless a string holds escapes.

use std::borrow::Cow;

use memchr::memchr2;

/// What a JSON value is, by its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `"…"`
    Text,
    /// `-1.5e3`
    Number,
    /// `true` or `false`
    Truth,
    /// `null`
    Null,
    /// `{…}`
    Object,
    /// `[…]`
    Array,
}

/// Returns the kind of the value `raw` begins with.
pub fn kind(raw: &str) -> Option<Kind> {
    Some(match raw.as_bytes().first()? {
        b'"' => Kind::Text,
        b'{' => Kind::Object,
        b'[' => Kind::Array,
        b't' | b'f' => Kind::Truth,
        b'n' => Kind::Null,
        b'-' | b'0'..=b'9' => Kind::Number,
        _ => return None,
    })
}

/// Returns the text of a JSON string with its escapes undone; `None` if `raw` is no string.
pub fn string(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Some(Cow::Borrowed(inner));
    }
    match serde_json::from_str::<String>(raw) {
        Ok(text) => Some(Cow::Owned(text)),
        // A lone surrogate or a stray escape: the text as it stands is worth more than nothing.
        Err(_) => Some(Cow::Borrowed(inner)),
    }
}

/// Returns a value as rules compare it: strings without quotes, everything else as its JSON text; null is `None`.
pub fn text(raw: &str) -> Option<Cow<'_, str>> {
    match kind(raw)? {
        Kind::Text => string(raw),
        Kind::Null => None,
        Kind::Number | Kind::Truth | Kind::Object | Kind::Array => Some(Cow::Borrowed(raw)),
    }
}

/// How much of a string is looked at in words before a search is set up; most strings are shorter.
const SHORT: usize = 64;

/// Returns the end of the JSON string that begins at `at` (a quote): the index behind its closing quote.
pub fn string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut from = at + 1;
    while let Some(word) = bytes.get(from..).and_then(<[u8]>::first_chunk) {
        let word = u64::from_le_bytes(*word);
        let found = bytes_of(word, b'"') | bytes_of(word, b'\\');
        if found == 0 {
            from += 8;
            if from - at > SHORT {
                break;
            }
            continue;
        }
        let place = from + found.trailing_zeros() as usize / 8;
        match bytes.get(place)? {
            b'"' => return Some(place + 1),
            _ => from = place + 2,
        }
    }
    long_string_end(bytes, from)
}

/// Marks the bytes of `word` that are `byte`, each with its highest bit. Above the lowest one there may be wrong marks.
fn bytes_of(word: u64, byte: u8) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let zeroed = word ^ (ONES * u64::from(byte));
    zeroed.wrapping_sub(ONES) & !zeroed & (ONES << 7)
}

/// Finds the closing quote at or behind `from`, which lies inside a string and behind no open escape.
fn long_string_end(bytes: &[u8], mut from: usize) -> Option<usize> {
    loop {
        let found = from + memchr2(b'"', b'\\', bytes.get(from..)?)?;
        match bytes.get(found)? {
            b'"' => return Some(found + 1),
            _ => from = found + 2,
        }
    }
}

/// Returns the index of the first byte at or after `at` that is not JSON white space.
pub fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(at) {
        at += 1;
    }
    at
}

/// Returns the index behind the value that begins at `at`, or `None` if it is broken or nested deeper than `max_depth`.
///
/// Checks that brackets pair and that members are separated; it does not check the inside of numbers and literals
/// beyond their alphabet.
pub fn value_end(bytes: &[u8], at: usize, max_depth: usize) -> Option<usize> {
    match bytes.get(at)? {
        b'"' => string_end(bytes, at),
        b'{' | b'[' => container_end(bytes, at, max_depth),
        b't' => literal_end(bytes, at, b"true"),
        b'f' => literal_end(bytes, at, b"false"),
        b'n' => literal_end(bytes, at, b"null"),
        b'-' | b'0'..=b'9' => Some(number_end(bytes, at)),
        _ => None,
    }
}

fn literal_end(bytes: &[u8], at: usize, literal: &[u8]) -> Option<usize> {
    bytes.get(at..at + literal.len()).filter(|found| *found == literal).map(|_| at + literal.len())
}

fn number_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E') = bytes.get(at) {
        at += 1;
    }
    at
}

/// The end of an object or array. The stack of open brackets is a bit set: one bit a level, set for objects.
fn container_end(bytes: &[u8], at: usize, max_depth: usize) -> Option<usize> {
    let mut open = Brackets::default();
    let mut at = at;
    let mut expect = Expect::Value;
    loop {
        at = skip_space(bytes, at);
        let byte = *bytes.get(at)?;
        match (expect, byte) {
            (Expect::Value | Expect::ValueOrClose, b'{') => {
                open.push(true, max_depth)?;
                (at, expect) = (at + 1, Expect::KeyOrClose);
            }
            (Expect::Value | Expect::ValueOrClose, b'[') => {
                open.push(false, max_depth)?;
                (at, expect) = (at + 1, Expect::ValueOrClose);
            }
            (Expect::KeyOrClose | Expect::Next, b'}') => {
                at += 1;
                if open.pop(true)? {
                    return Some(at);
                }
                expect = Expect::Next;
            }
            (Expect::ValueOrClose | Expect::Next, b']') => {
                at += 1;
                if open.pop(false)? {
                    return Some(at);
                }
                expect = Expect::Next;
            }
            (Expect::Next, b',') => {
                at += 1;
                expect = if open.in_object() { Expect::Key } else { Expect::Value };
            }
            (Expect::Key | Expect::KeyOrClose, b'"') => {
                at = skip_space(bytes, string_end(bytes, at)?);
                (*bytes.get(at)? == b':').then_some(())?;
                (at, expect) = (at + 1, Expect::Value);
            }
            (Expect::Value | Expect::ValueOrClose, _) => {
                at = value_end(bytes, at, 0)?;
                expect = Expect::Next;
            }
            _ => return None,
        }
    }
}

#[derive(Clone, Copy)]
enum Expect {
    Value,
    ValueOrClose,
    Key,
    KeyOrClose,
    Next,
}

/// The open brackets, innermost last: 128 levels, which is more than any configuration allows.
#[derive(Default)]
struct Brackets {
    objects: u128,
    depth: usize,
}

impl Brackets {
    fn push(&mut self, object: bool, max_depth: usize) -> Option<()> {
        (self.depth < max_depth.min(128)).then_some(())?;
        self.objects = (self.objects << 1) | u128::from(object);
        self.depth += 1;
        Some(())
    }

    /// Closes the innermost bracket, which must be of this kind; says whether it was the outermost.
    fn pop(&mut self, object: bool) -> Option<bool> {
        (self.depth > 0 && self.in_object() == object).then_some(())?;
        self.objects >>= 1;
        self.depth -= 1;
        Some(self.depth == 0)
    }

    fn in_object(&self) -> bool {
        self.objects & 1 == 1
    }
}

/// How deep a walk on demand follows; `decode` refuses records nested deeper than its own, lower, limit.
const WALK_DEPTH: usize = 128;

/// The members of an object, as raw key (between its quotes) and raw value.
pub struct Members<'a> {
    raw: &'a str,
    at: usize,
}

/// Returns the members of `raw`; none if it is no object.
pub fn members(raw: &str) -> Members<'_> {
    let at = if kind(raw) == Some(Kind::Object) { 1 } else { raw.len() };
    Members { raw, at }
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.raw.as_bytes();
        let mut at = skip_space(bytes, self.at);
        if bytes.get(at) == Some(&b',') {
            at = skip_space(bytes, at + 1);
        }
        let key_end = (*bytes.get(at)? == b'"').then(|| string_end(bytes, at))??;
        let key = self.raw.get(at + 1..key_end - 1)?;
        at = skip_space(bytes, key_end);
        (*bytes.get(at)? == b':').then_some(())?;
        at = skip_space(bytes, at + 1);
        let end = value_end(bytes, at, WALK_DEPTH)?;
        self.at = end;
        Some((key, self.raw.get(at..end)?))
    }
}

/// The elements of an array, raw.
pub struct Elements<'a> {
    raw: &'a str,
    at: usize,
}

/// Returns the elements of `raw`; none if it is no array.
pub fn elements(raw: &str) -> Elements<'_> {
    let at = if kind(raw) == Some(Kind::Array) { 1 } else { raw.len() };
    Elements { raw, at }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.raw.as_bytes();
        let mut at = skip_space(bytes, self.at);
        if bytes.get(at) == Some(&b',') {
            at = skip_space(bytes, at + 1);
        }
        let end = value_end(bytes, at, WALK_DEPTH)?;
        self.at = end;
        self.raw.get(at..end)
    }
}

/// Returns the raw value of member `key` of the object `raw`. Of a repeated key the last counts, as `serde_json` has it.
pub fn member<'a>(raw: &'a str, key: &str) -> Option<&'a str> {
    members(raw).filter(|(found, _)| key_is(found, key)).map(|(_, value)| value).last()
}

/// Returns whether the raw key `found` spells `key`.
pub fn key_is(found: &str, key: &str) -> bool {
    found == key
        || (found.contains('\\') && string(&format!("\"{found}\"")).is_some_and(|text| text == key))
}

/// Visits the raw values that `path` (segments split at dots) leads to below `raw`, through arrays into each element.
///
/// A whole remaining path that is itself a key wins over walking it, since AWS has keys with dots (tag maps).
pub fn walk<'a>(raw: &'a str, path: &str, found: &mut dyn FnMut(&'a str)) {
    match kind(raw) {
        Some(Kind::Object) => {
            if let Some(value) = member(raw, path) {
                found(value);
                return;
            }
            let Some((head, rest)) = path.split_once('.') else { return };
            if let Some(value) = member(raw, head) {
                walk(value, rest, found);
            }
        }
        Some(Kind::Array) => elements(raw).for_each(|element| walk(element, path, found)),
        _ => {}
    }
}

/// Calls `visit` with every string anywhere in `raw`, keys excepted.
pub fn strings(raw: &str, visit: &mut dyn FnMut(&str)) {
    match kind(raw) {
        Some(Kind::Text) => {
            if let Some(text) = string(raw) {
                visit(&text);
            }
        }
        Some(Kind::Object) => members(raw).for_each(|(_, value)| strings(value, visit)),
        Some(Kind::Array) => elements(raw).for_each(|element| strings(element, visit)),
        _ => {}
    }
}

/// Returns `raw` without white space between its tokens, borrowed where there is none.
pub fn compact(raw: &str) -> Cow<'_, str> {
    let bytes = raw.as_bytes();
    let mut kept = String::new();
    let (mut from, mut at) = (0, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = string_end(bytes, at).unwrap_or(bytes.len()),
            b' ' | b'\n' | b'\r' | b'\t' => {
                kept.push_str(raw.get(from..at).unwrap_or_default());
                at = skip_space(bytes, at);
                from = at;
            }
            _ => at += 1,
        }
    }
    if from == 0 {
        return Cow::Borrowed(raw);
    }
    kept.push_str(raw.get(from..).unwrap_or_default());
    Cow::Owned(kept)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::hash_map("[a-z.\"\\\\]{0,4}", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn finds_the_end_of_whatever_serde_writes(value in any_json(), pretty: bool, tail in "[,}\\]]?") {
            let raw = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
            let text = format!("{raw}{tail}");
            prop_assert_eq!(value_end(text.as_bytes(), 0, 64), Some(raw.len()));
            prop_assert_eq!(compact(&raw).into_owned(), serde_json::to_string(&value).unwrap());
        }

        #[test]
        fn walks_members_as_serde_does(value in any_json()) {
            let raw = serde_json::to_string(&value).unwrap();
            if let Value::Object(map) = &value {
                for (key, expected) in map {
                    let found: Value = serde_json::from_str(member(&raw, key).unwrap()).unwrap();
                    prop_assert_eq!(&found, expected);
                }
                prop_assert_eq!(members(&raw).count(), map.len());
            }
            let mut count = 0;
            strings(&raw, &mut |_| count += 1);
            prop_assert_eq!(count, strings_of(&value));
        }

        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let end = value_end(&bytes, 0, 64);
            prop_assert!(end.is_none_or(|end| end <= bytes.len()));
        }
    }

    fn strings_of(value: &Value) -> usize {
        match value {
            Value::String(_) => 1,
            Value::Array(items) => items.iter().map(strings_of).sum(),
            Value::Object(map) => map.values().map(strings_of).sum(),
            _ => 0,
        }
    }

    #[test]
    fn refuses_what_is_broken_or_too_deep() {
        for broken in [
            "{",
            "[1,]",
            "{\"a\":}",
            "{\"a\" 1}",
            "{\"a\":1,}",
            "[1 2]",
            "{]",
            "\"open",
            "tru",
            "[{]}",
            "{1:2}",
        ] {
            assert_eq!(value_end(broken.as_bytes(), 0, 64), None, "{broken}");
        }
        let deep = "[".repeat(65) + &"]".repeat(65);
        assert_eq!(value_end(deep.as_bytes(), 0, 64), None);
        assert_eq!(value_end(deep.as_bytes(), 0, 65), Some(130));
    }

    #[test]
    fn walks_through_arrays_and_dotted_keys() {
        let raw = r#"{"items":[{"k":1},{"k":"b"}],"tags":{"a.b":"c"}}"#;
        let mut found = Vec::new();
        walk(raw, "items.k", &mut |value| found.push(value));
        walk(raw, "tags.a.b", &mut |value| found.push(value));
        assert_eq!(found, ["1", "\"b\"", "\"c\""]);
    }
}
