//! Globs as grants write them: plain texts, read as globs where they are compared.
//!
//! Invariant: no rule of matching lives here; `model` has the one there is.

use crate::model;

/// Returns whether `glob` fits all of `text`.
pub(super) fn fits(glob: &str, text: &str) -> bool {
    model::fits(glob.as_bytes(), text.as_bytes())
}

/// Returns whether `glob` fits all of `text`, upper and lower case being the same.
pub(super) fn fits_in_any_case(glob: &str, text: &str) -> bool {
    model::fits_in_any_case(glob.as_bytes(), text.as_bytes())
}

/// Returns whether `text` is more than itself when it is read as a glob.
pub(super) fn is_glob(text: &str) -> bool {
    text.bytes().any(|byte| matches!(byte, b'*' | b'?'))
}
