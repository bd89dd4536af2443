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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_between_characters() {
        assert_eq!(bounded("short", 10), "short");
        assert_eq!(bounded("äöüäöü", 8), "äö…");
    }
}
