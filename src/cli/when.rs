//! Times as a person writes them on the command line, and the time that it is.
//!
//! Invariant: only the command line asks the clock; what it calls is told the time.

use crate::model::Seconds;

/// Reads a time, or a day, which stands for its beginning in UTC.
///
/// # Errors
/// When the text is neither.
pub(in crate::cli) fn moment(text: &str) -> Result<Seconds, String> {
    let day = format!("{text}T00:00:00Z");
    Seconds::parse(text).or_else(|| Seconds::parse(&day)).ok_or_else(|| {
        format!("`{text}` is no time; write it like 2026-03-01 or 2026-03-01T08:00:00Z")
    })
}

/// Returns the time that it is.
#[expect(clippy::disallowed_methods, reason = "what is done by hand is done now")]
pub(in crate::cli) fn now() -> Seconds {
    Seconds(jiff::Timestamp::now().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_stands_for_its_beginning() {
        assert_eq!(moment("2026-03-01"), moment("2026-03-01T00:00:00Z"));
        assert_eq!(moment("2026-03-01T08:00:00Z"), Ok(Seconds(1_772_352_000)));
        assert!(moment("last week").is_err());
    }
}
