//! What several commands say of a difference of policies beside its lines: the ways to more that are open, and that it could not
//! be told exactly.
//!
//! Invariant: what is left out for length is counted.

use std::io;
use std::io::Write;

/// How many ways to more a line names.
const MAX_NAMED: usize = 6;

/// Said of a difference that took too long to tell exactly.
pub(in crate::cli) const COARSE: &str = "too hard to compare to the end: told as it is written, and what it may mean; some of it may have stood before";

/// Names the ways to more that are open and were not; of an administrator's hundred the first.
///
/// # Errors
/// When it cannot be written.
pub(in crate::cli) fn ways<T: AsRef<str>>(out: &mut dyn Write, all: &[T]) -> io::Result<()> {
    let named: Vec<&str> = all.iter().take(MAX_NAMED).map(AsRef::as_ref).collect();
    let named = named.join(", ");
    match all.len() {
        0 => Ok(()),
        1 => writeln!(out, "  ! opens a way to more: {named}"),
        count @ ..=MAX_NAMED => writeln!(out, "  ! opens {count} ways to more: {named}"),
        count => writeln!(
            out,
            "  ! opens {count} ways to more: {named} and {} more (--format json has all)",
            count - MAX_NAMED
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(all: &[&str]) -> String {
        let mut out = Vec::new();
        ways(&mut out, all).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn many_are_counted_and_some_are_named() {
        assert_eq!(said(&[]), "");
        assert_eq!(said(&["a"]), "  ! opens a way to more: a\n");
        assert_eq!(said(&["a", "b"]), "  ! opens 2 ways to more: a, b\n");
        let many = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let line =
            "  ! opens 8 ways to more: a, b, c, d, e, f and 2 more (--format json has all)\n";
        assert_eq!(said(&many), line);
    }
}
