//! Secrets: read from files that the configuration names, used, never shown.
//!
//! Invariant: neither type prints what it holds, and neither can be serialized.

use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::sink::mistake::Problem;

/// The largest file of secrets that is read.
const MAX_FILE_BYTES: u64 = 65_536;

/// A key that webhooks are signed with, as Standard Webhooks writes it: `whsec_` and base64 of 24 to 64 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Reads a secret; the `whsec_` may be missing.
    ///
    /// # Errors
    /// When it is no base64, or holds fewer than 24 or more than 64 bytes.
    pub fn parse(text: &str) -> Result<Self, BadSecret> {
        let text = text.trim();
        let encoded = text.strip_prefix("whsec_").unwrap_or(text);
        let key = STANDARD.decode(encoded).map_err(|_| BadSecret::NoBase64)?;
        match key.len() {
            24..=64 => Ok(Self(key)),
            bytes => Err(BadSecret::Length { bytes }),
        }
    }

    /// Returns the key itself.
    pub(super) fn key(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Why a text is no secret. It does not say the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSecret {
    /// Not base64.
    #[error(
        "a secret is `whsec_` and base64; make one with `echo whsec_$(openssl rand -base64 32)`"
    )]
    NoBase64,
    /// Too short to be safe, or too long to be a key.
    #[error(
        "a secret holds 24 to 64 bytes, this one holds {bytes}; make one with `echo whsec_$(openssl rand -base64 32)`"
    )]
    Length {
        /// How many it holds.
        bytes: usize,
    },
}

/// A token or another header value that is sent as it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Returns the text itself.
    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Reads the secrets of a file: one a line, the newest first; lines that begin with `#` are comments.
pub(super) fn read_secrets(path: &Path) -> Result<Vec<Secret>, Problem> {
    let text = read(path)?;
    let mut secrets = Vec::new();
    for line in lines(&text) {
        let bad = |source| Problem::Secret { path: path.to_owned(), source };
        secrets.push(Secret::parse(line).map_err(bad)?);
    }
    if secrets.is_empty() { Err(Problem::Empty { path: path.to_owned() }) } else { Ok(secrets) }
}

/// Reads the token of a file: its first line that is no comment.
pub(super) fn read_token(path: &Path) -> Result<Token, Problem> {
    let text = read(path)?;
    let first = lines(&text).next().map(|line| Token(line.to_owned()));
    first.ok_or_else(|| Problem::Empty { path: path.to_owned() })
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn read(path: &Path) -> Result<String, Problem> {
    let unreadable = |source| Problem::Unreadable { path: path.to_owned(), source };
    let length = std::fs::metadata(path).map_err(unreadable)?.len();
    if length > MAX_FILE_BYTES {
        return Err(Problem::TooLarge { path: path.to_owned(), bytes: length });
    }
    std::fs::read_to_string(path).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_standard_writes() {
        let with = Secret::parse(" whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD\n").unwrap();
        assert_eq!(with.key().len(), 24);
        assert_eq!(Secret::parse("C2FVsBQIhrscChlQIMV+b5sSYspob7oD"), Ok(with));
        assert_eq!(Secret::parse("whsec_c2hvcnQ="), Err(BadSecret::Length { bytes: 5 }));
        assert_eq!(Secret::parse("whsec_not base64!"), Err(BadSecret::NoBase64));
    }

    #[test]
    fn a_file_holds_one_secret_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets");
        std::fs::write(
            &path,
            "# newest first\nwhsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n\nC2FVsBQIhrscChlQIMV+b5sSYspob7oD\n",
        )
        .unwrap();
        assert_eq!(read_secrets(&path).unwrap().len(), 2);
        std::fs::write(&path, "# nothing\n").unwrap();
        assert!(matches!(read_secrets(&path), Err(Problem::Empty { .. })));
        assert!(matches!(read_token(&folder.path().join("none")), Err(Problem::Unreadable { .. })));
    }

    #[test]
    fn nothing_secret_is_printed() {
        let secret = Secret::parse("C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap();
        let token = Token("hunter2".to_owned());
        assert_eq!(format!("{secret:?} {token:?}"), "Secret(…) Token(…)");
    }
}
