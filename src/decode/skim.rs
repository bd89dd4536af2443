//! One pass over a CloudTrail record: notes where its head fields stand and copies nothing.
//!
//! The pass checks that the text is JSON as it goes, except for the inside of numbers and of escapes, which is
//! looked at when somebody reads them. Of a repeated key the last counts, as with `serde_json`.
//!
//! Invariant: no allocation, no recursion, and no panic on any input; `tests` holds it to `serde_json`.

use crate::model::Naming;
use crate::model::Slot;
use crate::model::SlotSpan;
use crate::model::Slots;
use crate::model::json;

/// Why a record could not be read, and where it went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Broken {
    /// Byte offset in the text.
    pub at: usize,
    /// What was expected there.
    pub expected: &'static str,
}

/// Reads the record that begins at `start` (a `{`); returns its slots and the index behind it.
pub(crate) fn skim(bytes: &[u8], start: usize, max_depth: usize) -> Result<(Slots, usize), Broken> {
    let mut slots = Slots::default();
    let end = fields(bytes, start, max_depth, Slot::named, &mut slots)?;
    slots.record = span(start, end);
    Ok((slots, end))
}

/// Reads an object whose members may be head fields. Those that hold head fields themselves are read in the same pass;
/// the table of slots bounds how deep that goes.
fn fields(
    bytes: &[u8],
    start: usize,
    max_depth: usize,
    named: Naming,
    slots: &mut Slots,
) -> Result<usize, Broken> {
    object(bytes, start, |key, at| {
        let Some(slot) = named(key) else { return value(bytes, at, max_depth) };
        let below = slot.members().filter(|_| bytes.get(at) == Some(&b'{'));
        // The members come first, so that noting a repeated field does not forget them.
        if slots.fields[slot as usize].len > 0 {
            slots.note(slot, SlotSpan::default());
        }
        let end = match below {
            Some(named) => fields(bytes, at, max_depth - 1, named, slots)?,
            None => value(bytes, at, max_depth)?,
        };
        slots.fields[slot as usize] = span(at, end);
        Ok(end)
    })
}

fn value(bytes: &[u8], at: usize, max_depth: usize) -> Result<usize, Broken> {
    json::value_end(bytes, at, max_depth)
        .ok_or(Broken { at, expected: "a value, not nested too deep" })
}

/// Walks one object, calling `member` with each key (between its quotes) and where its value begins; it returns
/// where the value ends.
fn object(
    bytes: &[u8],
    start: usize,
    mut member: impl FnMut(&[u8], usize) -> Result<usize, Broken>,
) -> Result<usize, Broken> {
    let broken = |at, expected| Broken { at, expected };
    let mut at = json::skip_space(bytes, start + 1);
    if bytes.get(at) == Some(&b'}') {
        return Ok(at + 1);
    }
    loop {
        if bytes.get(at) != Some(&b'"') {
            return Err(broken(at, "a field name"));
        }
        let key_end = json::string_end(bytes, at).ok_or(broken(at, "the end of a string"))?;
        let key = bytes.get(at + 1..key_end - 1).unwrap_or_default();
        at = json::skip_space(bytes, key_end);
        if bytes.get(at) != Some(&b':') {
            return Err(broken(at, "`:`"));
        }
        at = json::skip_space(bytes, at + 1);
        at = json::skip_space(bytes, member(key, at)?);
        match bytes.get(at) {
            Some(b',') => at = json::skip_space(bytes, at + 1),
            Some(b'}') => return Ok(at + 1),
            _ => return Err(broken(at, "`,` or `}`")),
        }
    }
}

/// Spans fit: a delivery's text is bounded below 2 GiB.
fn span(start: usize, end: usize) -> SlotSpan {
    let fits = "a delivery's text is bounded below 2 GiB";
    SlotSpan {
        start: u32::try_from(start).expect(fits),
        len: u32::try_from(end - start).expect(fits),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;
    use serde_json::json;

    use super::*;
    use crate::model::TrailRecord;

    fn slots(text: &str) -> Slots {
        let (slots, end) = skim(text.as_bytes(), 0, 64).unwrap();
        assert_eq!(end, text.len());
        slots
    }

    /// Looks a slot's path up in a tree.
    fn in_tree<'a>(tree: &'a Value, path: &str) -> Option<&'a Value> {
        path.split('.').try_fold(tree, |at, key| at.get(key))
    }

    proptest! {
        #[test]
        fn notes_what_serde_finds(values in prop::collection::vec(prop_oneof![
            Just(json!(null)), Just(json!("")), Just(json!("a \"quoted\" \\ value\u{1F600}")), Just(json!(true)),
            Just(json!(-1.5e3)), Just(json!({"a": [1, {"b": "}"}]})), Just(json!([])), Just(json!("{\"x\":1}")),
        ], Slot::ALL.len()), absent in prop::collection::vec(any::<bool>(), Slot::ALL.len()), pretty: bool) {
            let mut tree = json!({"userIdentity": {}, "somethingNew": {"eventName": "no"}});
            for ((slot, value), absent) in Slot::ALL.iter().zip(values).zip(absent) {
                if absent || slot.members().is_some() { continue }
                let (parents, name) = slot.path().rsplit_once('.').unwrap_or(("", slot.path()));
                let parents = parents.split('.').filter(|parent| !parent.is_empty());
                parents.fold(&mut tree, |at, parent| &mut at[parent])[name] = value;
            }
            let text = if pretty { serde_json::to_string_pretty(&tree) } else { serde_json::to_string(&tree) }.unwrap();
            let slots = slots(&text);
            let record = TrailRecord::new(&text, &slots);
            for slot in Slot::ALL {
                let found = record.slot_raw(*slot).map(|raw| serde_json::from_str::<Value>(raw).unwrap());
                prop_assert_eq!(found.as_ref(), in_tree(&tree, slot.path()), "{:?}", slot);
            }
        }

        #[test]
        fn agrees_with_serde_on_what_is_whole(text in "\\{(\"[a-c]\":([0-9]|\"x\"|\\{\\}|\\[\\]|,|:)?,?){0,4}\\}?") {
            let whole = serde_json::from_str::<Value>(&text).is_ok();
            let skimmed = skim(text.as_bytes(), 0, 64).is_ok_and(|(_, end)| end == text.len());
            prop_assert_eq!(skimmed, whole, "{}", text);
        }

        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _unread = skim(&bytes, 0, 64);
        }
    }

    #[test]
    fn of_a_repeated_key_the_last_counts() {
        let text =
            r#"{"eventName":"A","eventName":"B","userIdentity":{"type":"Root","type":"IAMUser"}}"#;
        let slots = slots(text);
        let record = TrailRecord::new(text, &slots);
        assert_eq!(record.slot(Slot::EventName).unwrap(), "B");
        assert_eq!(record.slot(Slot::UserType).unwrap(), "IAMUser");
    }

    #[test]
    fn a_key_in_escapes_is_the_same_key() {
        let text = r#"{"event\u004eame":"A","userIdentity":{"t\u0079pe":"Root"}}"#;
        let slots = slots(text);
        let record = TrailRecord::new(text, &slots);
        assert_eq!(record.slot(Slot::EventName).unwrap(), "A");
        assert_eq!(record.slot(Slot::UserType).unwrap(), "Root");
        assert_eq!(Slots::of(text).unwrap(), slots);
    }

    #[test]
    fn names_the_place_that_is_broken() {
        let broken = skim(br#"{"eventName": nothing}"#, 0, 64).unwrap_err();
        assert_eq!(broken.at, 14);
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(70), "]".repeat(70));
        assert!(skim(deep.as_bytes(), 0, 64).is_err());
    }
}
