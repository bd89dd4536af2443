//! Bearer tokens: made once, kept as hashes, compared in constant time.
//!
//! Invariant: a token is never written anywhere by the daemon; what it keeps is the SHA-256 of 32 random bytes' text,
//! which tells nothing of them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::Digest as _;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// What a token begins with, so that scanners for leaked secrets know it.
const PREFIX: &str = "gwt_";

/// The SHA-256 of a token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash([u8; 32]);

impl Hash {
    /// Returns the hash of `token`.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// Reads 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        Some(Self(from_hex(text)?.try_into().ok()?))
    }

    /// Returns whether this is `other`, in the same time wherever they differ.
    pub fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Reads hexadecimal digits, two a byte.
pub(super) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|it| u8::try_from(it).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? * 16 + digit(*low)?)).collect()
}

/// There is no randomness to be had from the system.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no random bytes")]
pub struct NoRandomness(#[source] getrandom::Error);

/// Makes a token that nobody can guess.
///
/// # Errors
/// When the system has no randomness to give.
pub fn make() -> Result<String, NoRandomness> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(NoRandomness)?;
    Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_hash_alone() {
        let [one, other] = [make().unwrap(), make().unwrap()];
        assert_eq!(one.len(), PREFIX.len() + 43);
        assert_ne!(one, other);
        let kept = Hash::parse(&Hash::of(&one).to_string()).unwrap();
        assert!(kept.is(&Hash::of(&one)) && !kept.is(&Hash::of(&other)));
        assert!(!format!("{kept:?}").contains(&one));
    }

    #[test]
    fn hashes_are_written_as_sha256sum_writes_them() {
        let known = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        assert_eq!(Hash::of("test").to_string(), known);
        assert_eq!(Hash::parse(&known.to_uppercase()), Some(Hash::of("test")));
        let long = format!("{known}00");
        for wrong in ["", "9f", "xyz", long.as_str(), &known.replace('9', "é")] {
            assert_eq!(Hash::parse(wrong), None, "{wrong}");
        }
    }
}
