//! Signatures of webhooks: who has the secret has sent this body, lately, and for the first time.
//!
//! What was received is remembered for as long as its time would let it in again, in memory and bounded: when there is
//! no room, the next is refused rather than one forgotten. After a restart a request may so be let in twice within
//! five minutes; the ledger knows its messages word for word and does nothing.
//!
//! Invariant: codes are compared in constant time. Only what was committed counts as received, so that a sender may
//! try again after a 503.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use axum::http::HeaderMap;
use hmac::Hmac;
use hmac::KeyInit as _;
use hmac::Mac as _;
use sha2::Digest as _;
use sha2::Sha256;

use crate::api::config::Signature;
use crate::api::config::Style;
use crate::api::token::from_hex;
use crate::model::Seconds;
use crate::sink::BadSecret;
use crate::sink::Secret;
use crate::sink::webhook;
use crate::sink::webhook::Signed;

/// The largest file of secrets that is read.
const MAX_FILE_BYTES: u64 = 65_536;
/// How many requests are remembered: two hundred a second for five minutes.
const MAX_REMEMBERED: usize = 60_000;

/// Why the secrets of a source cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("could not read the secrets of `{source_name}` in `{path}`")]
    Unreadable {
        /// The source.
        source_name: String,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The file is too large, or has nothing in it.
    #[error("`{path}` holds no secrets of `{source_name}`")]
    None {
        /// The source.
        source_name: String,
        /// The file.
        path: PathBuf,
    },
    /// A line of it is no secret.
    #[error("`{path}` has a line that is no secret of `{source_name}`")]
    Bad {
        /// The source.
        source_name: String,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: BadSecret,
    },
}

/// How a source's messages are signed, with its secrets.
#[derive(Debug)]
pub(super) enum Signer {
    /// As Standard Webhooks has it.
    Standard(Vec<Secret>),
    /// A header with the code of the body.
    Hex {
        /// The header.
        header: String,
        /// What stands before the digits.
        prefix: String,
        /// The secrets.
        keys: Vec<Key>,
    },
}

/// A secret that is a text.
pub(super) struct Key(Vec<u8>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

/// Why a request is not let in. It says nothing of what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// A header is missing.
    #[error("the header `{0}` is missing")]
    Missing(String),
    /// It does not hold.
    #[error("{0}")]
    Unverified(String),
    /// It came before.
    #[error("the very same request was received before; sign it anew to try again")]
    Replayed,
    /// There is no room to remember it.
    #[error("more signed requests came in five minutes than are remembered")]
    Full,
}

impl Signer {
    /// Reads the secrets of `config`.
    pub(super) fn read(config: &Signature) -> Result<Self, SecretError> {
        let (source_name, path) = (config.source.clone(), config.secret_file.clone());
        let text = read(&path).map_err(|source| SecretError::Unreadable {
            source_name: source_name.clone(),
            path: path.clone(),
            source,
        })?;
        let lines = text.lines().map(str::trim);
        let lines: Vec<&str> = lines.filter(|it| !it.is_empty() && !it.starts_with('#')).collect();
        if lines.is_empty() {
            return Err(SecretError::None { source_name, path });
        }
        match config.style {
            Style::Hex => Ok(Self::Hex {
                header: config.header.to_ascii_lowercase(),
                prefix: config.prefix.clone(),
                keys: lines.into_iter().map(|line| Key(line.as_bytes().to_vec())).collect(),
            }),
            Style::Standard => {
                let secrets = lines.into_iter().map(Secret::parse).collect::<Result<_, _>>();
                let bad = |source| SecretError::Bad { source_name, path, source };
                Ok(Self::Standard(secrets.map_err(bad)?))
            }
        }
    }

    /// Checks that `body` came from who has the secret, and, where the signature says when, lately. Returns what the
    /// request is remembered by, until when; nothing where it does not say when it was made.
    pub(super) fn verify(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Seconds,
    ) -> Result<Option<(Seen, Seconds)>, Refused> {
        match self {
            Self::Standard(secrets) => {
                let id = header(headers, webhook::ID)?;
                let timestamp = header(headers, webhook::TIMESTAMP)?;
                let signature = header(headers, webhook::SIGNATURE)?;
                let signed = Signed { id, timestamp, signature };
                webhook::verify(secrets, signed, body, now)
                    .map_err(|error| Refused::Unverified(error.to_string()))?;
                // What was signed, with the time as it was understood: written otherwise it is the same request.
                let at = Seconds(timestamp.trim().parse().unwrap_or_default());
                let seen = Sha256::new_with_prefix(format!("{id}.{}.", at.0));
                let seen = seen.chain_update(body).finalize().into();
                Ok(Some((seen, at.plus(webhook::TOLERANCE))))
            }
            Self::Hex { header: name, prefix, keys } => {
                let given = header(headers, name)?;
                let code = given.strip_prefix(prefix.as_str()).and_then(from_hex);
                // `verify_slice` takes the same time wherever the two differ.
                let fits = |code: &[u8], key: &Key| {
                    let made = Hmac::<Sha256>::new_from_slice(&key.0);
                    let made = made.expect("HMAC takes keys of any size").chain_update(body);
                    made.verify_slice(code).is_ok()
                };
                match code.is_some_and(|code| keys.iter().any(|key| fits(&code, key))) {
                    true => Ok(None),
                    false => Err(Refused::Unverified("no signature fits".to_owned())),
                }
            }
        }
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, Refused> {
    let found = headers.get(name).and_then(|value| value.to_str().ok());
    found.ok_or_else(|| Refused::Missing(name.to_owned()))
}

fn read(path: &Path) -> std::io::Result<String> {
    if fs::metadata(path)?.len() > MAX_FILE_BYTES {
        return Err(std::io::Error::other("it is larger than any file of secrets"));
    }
    fs::read_to_string(path)
}

/// What a request is remembered by.
pub(super) type Seen = [u8; 32];

/// The requests of the last minutes.
#[derive(Debug, Clone, Default)]
pub(super) struct Received(Arc<Mutex<HashMap<Seen, Seconds>>>);

/// A request that is under way; forgotten when dropped, unless it was kept.
#[derive(Debug)]
pub(super) struct UnderWay {
    received: Received,
    seen: Option<Seen>,
}

impl Received {
    /// Notes that a request is under way.
    pub(super) fn begin(
        &self,
        (seen, until): (Seen, Seconds),
        now: Seconds,
    ) -> Result<UnderWay, Refused> {
        let mut all = self.lock();
        if all.get(&seen).is_some_and(|until| *until >= now) {
            return Err(Refused::Replayed);
        }
        if all.len() >= MAX_REMEMBERED {
            all.retain(|_, until| *until >= now);
        }
        if all.len() >= MAX_REMEMBERED {
            return Err(Refused::Full);
        }
        all.insert(seen, until);
        Ok(UnderWay { received: self.clone(), seen: Some(seen) })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Seen, Seconds>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnderWay {
    /// Remembers the request: what it asked for is on disk.
    pub(super) fn keep(mut self) {
        self.seen = None;
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(seen) = self.seen.take() {
            self.received.lock().remove(&seen);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const OLD: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    const NEW: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const NOW: Seconds = Seconds(1_772_352_902);

    fn signer(style: &str, secrets: &str) -> Result<Signer, SecretError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(secrets.as_bytes()).unwrap();
        let path = file.path().display();
        let text = format!("source = 's'\nsecret_file = '{path}'\nstyle = '{style}'\n");
        Signer::read(&toml::from_str(&text).unwrap())
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn signed(secret: &str, at: Seconds, body: &[u8]) -> HeaderMap {
        let signature = webhook::sign(&[Secret::parse(secret).unwrap()], "evt_1", at, body);
        let at = at.0.to_string();
        headers(&[
            (webhook::ID, "evt_1"),
            (webhook::TIMESTAMP, &at),
            (webhook::SIGNATURE, &signature),
        ])
    }

    #[test]
    fn what_was_signed_lately_with_a_secret_is_let_in() {
        let signer = signer("standard", &format!("# new first\n{NEW}\n{OLD}\n")).unwrap();
        for secret in [OLD, NEW] {
            assert!(signer.verify(&signed(secret, NOW, b"body"), b"body", NOW).unwrap().is_some());
        }
        let refused =
            |headers: &HeaderMap, body: &[u8]| signer.verify(headers, body, NOW).unwrap_err();
        assert_eq!(
            refused(&signed(NEW, NOW, b"body"), b"other"),
            Refused::Unverified("no signature fits".to_owned())
        );
        for late in [-301, 301] {
            let stale = signed(NEW, Seconds(NOW.0 + late), b"body");
            assert!(
                matches!(refused(&stale, b"body"), Refused::Unverified(what) if what.contains("five minutes"))
            );
        }
        assert_eq!(refused(&headers(&[]), b"body"), Refused::Missing("webhook-id".to_owned()));
    }

    #[test]
    fn a_request_that_comes_again_is_refused_however_its_time_is_written() {
        let signer = signer("standard", NEW).unwrap();
        let received = Received::default();
        let first = signed(NEW, NOW, b"body");
        let seen = |headers| signer.verify(headers, b"body", NOW).unwrap().unwrap();
        received.begin(seen(&first), NOW).unwrap().keep();
        assert_eq!(received.begin(seen(&first), NOW).unwrap_err(), Refused::Replayed);
        let mut odd = first.clone();
        odd.insert(webhook::TIMESTAMP, format!("+0{}", NOW.0).parse().unwrap());
        assert_eq!(received.begin(seen(&odd), NOW).unwrap_err(), Refused::Replayed);
        // Signed anew it is another try of the same message.
        let again = signed(NEW, Seconds(NOW.0 + 1), b"body");
        received.begin(seen(&again), NOW).unwrap().keep();
    }

    #[test]
    fn what_was_not_committed_may_come_again() {
        let received = Received::default();
        let seen = ([1; 32], Seconds(NOW.0 + 300));
        let first = received.begin(seen, NOW).unwrap();
        assert_eq!(received.begin(seen, NOW).unwrap_err(), Refused::Replayed, "it is under way");
        drop(first);
        received.begin(seen, NOW).unwrap().keep();
        assert!(received.begin(seen, NOW).is_err());
    }

    #[test]
    fn nothing_is_forgotten_before_its_time() {
        let received = Received::default();
        for number in 0..MAX_REMEMBERED {
            let mut seen = [0; 32];
            seen[..8].copy_from_slice(&number.to_le_bytes());
            received.begin((seen, NOW), NOW).unwrap().keep();
        }
        let next = ([255; 32], Seconds(NOW.0 + 300));
        assert_eq!(received.begin(next, NOW).unwrap_err(), Refused::Full);
        let later = Seconds(NOW.0 + 1);
        received.begin(next, later).unwrap().keep();
        assert_eq!(received.lock().len(), 1);
    }

    #[test]
    fn a_header_with_the_code_of_the_body_is_let_in() {
        // The example of GitHub's documentation.
        let signer = signer("hex", "It's a Secret to Everybody\n").unwrap();
        let code = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let good = headers(&[("x-hub-signature-256", code)]);
        assert_eq!(signer.verify(&good, b"Hello, World!", NOW), Ok(None));
        let refused =
            |headers: &HeaderMap| signer.verify(headers, b"Hello, World!", NOW).unwrap_err();
        let without = headers(&[("x-hub-signature-256", code.trim_start_matches("sha256="))]);
        assert_eq!(refused(&without), Refused::Unverified("no signature fits".to_owned()));
        assert!(matches!(refused(&headers(&[])), Refused::Missing(_)));
        assert!(signer.verify(&good, b"Hello, World?", NOW).is_err());
    }

    #[test]
    fn secrets_are_read_or_named_and_never_shown() {
        assert!(matches!(signer("standard", "nothing"), Err(SecretError::Bad { .. })));
        assert!(matches!(signer("hex", "# none\n"), Err(SecretError::None { .. })));
        let shown = format!("{:?}", signer("hex", "hunter2").unwrap());
        assert!(!shown.contains("hunter2") && !shown.contains("104, 117"), "{shown}");
    }
}
