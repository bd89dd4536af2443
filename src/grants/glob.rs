//! Globs: `*` is any text, `?` is any one byte, everything else is itself.
//!
//! Invariant: a glob fits a whole text, and matching takes no memory whatever the glob.

/// Returns whether `glob` fits all of `text`.
pub(super) fn fits(glob: &str, text: &str) -> bool {
    fits_bytes(glob.as_bytes(), text.as_bytes(), |wanted, found| wanted == found)
}

/// Returns whether `glob` fits all of `text`, upper and lower case being the same.
pub(super) fn fits_any_case(glob: &str, text: &str) -> bool {
    fits_bytes(glob.as_bytes(), text.as_bytes(), |wanted, found| wanted.eq_ignore_ascii_case(found))
}

/// Returns whether `text` is more than itself when it is read as a glob.
pub(super) fn is_glob(text: &str) -> bool {
    text.bytes().any(|byte| matches!(byte, b'*' | b'?'))
}

/// On a mismatch, the last star takes one byte more; earlier stars need no second try.
fn fits_bytes(glob: &[u8], text: &[u8], same: impl Fn(&u8, &u8) -> bool) -> bool {
    let (mut at, mut read) = (0, 0);
    let mut last_star = None;
    while let Some(found) = text.get(read) {
        match glob.get(at) {
            Some(b'*') => {
                at += 1;
                last_star = Some((at, read));
            }
            Some(wanted) if *wanted == b'?' || same(wanted, found) => {
                (at, read) = (at + 1, read + 1);
            }
            _ => {
                let Some((behind, from)) = last_star else { return false };
                (at, read) = (behind, from + 1);
                last_star = Some((behind, from + 1));
            }
        }
    }
    glob.iter().skip(at).all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_fits_the_whole_text() {
        for (glob, text, expected) in [
            ("s3:Get*", "s3:GetObject", true),
            ("s3:Get*", "s3:get", false),
            ("*Object", "s3:GetObject", true),
            ("s3:*Object", "s3:GetObjects", false),
            ("a*b*c", "a-b-b-c", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(fits(glob, text), expected, "{glob} {text}");
        }
        assert!(fits_any_case("IAM:create*", "iam:CreateUser"));
        assert!(!fits_any_case("iam:Delete*", "iam:CreateUser"));
    }
}
