//! The `[api]` section of the operator's file.
//!
//! Invariant: what passes [`Config::check`] never speaks without TLS to another machine, and lets nobody write for a
//! source that the operator did not name.

use std::net::SocketAddr;
use std::path::PathBuf;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

use crate::api::token::Hash;
use crate::model::Duration;
use crate::model::Glob;

/// The HTTP API of the daemon. docs/api.md explains it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Api")]
pub struct Config {
    /// The address to listen on; without it there is no API. Anything but loopback needs `[api.tls]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", example = &"127.0.0.1:8440")]
    pub listen: Option<SocketAddr>,
    /// The largest body that is read, in bytes. Larger ones are answered with 413 and never held in memory.
    #[schemars(range(min = 1_024, max = 67_108_864))]
    pub max_body_bytes: u64,
    /// How long a request may take to arrive, and how long its effects may take to be on disk before it is answered
    /// with 503. Keep it below `pipeline.drain_timeout`.
    pub timeout: Duration,
    /// The certificate to show. SIGHUP reads it anew, and the tokens and signatures with it.
    pub tls: Option<Tls>,
    /// Who may ask, each by a bearer token of which only the hash stands here. `grantwatch grants token` makes one.
    pub token: Vec<Token>,
    /// Sources whose messages have to be signed. A signed message to `/v1/hooks/…` needs no token.
    pub signature: Vec<Signature>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: None,
            max_body_bytes: 1_000_000,
            timeout: Duration::from_secs(10),
            tls: None,
            token: Vec::new(),
            signature: Vec::new(),
        }
    }
}

/// The certificate of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate and those that sign it, as PEM.
    #[schemars(example = &"/etc/grantwatch/api.pem")]
    pub cert: PathBuf,
    /// Its private key, as PEM.
    #[schemars(example = &"/etc/grantwatch/api.key")]
    pub key: PathBuf,
}

/// Somebody who may ask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// What logs and the evidence of grants call its holder.
    #[schemars(length(min = 1), example = &"broker")]
    pub name: String,
    /// The SHA-256 of the token, in hexadecimal digits.
    #[schemars(example = &"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    pub sha256: String,
    /// What it may do.
    #[schemars(example = [Scope::Read, Scope::Write])]
    pub scopes: Vec<Scope>,
    /// The sources of grants that it may write and revoke, as globs: what their messages name as `source`.
    #[serde(default)]
    pub sources: Vec<Glob>,
    /// The moment from which on it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", example = &"2027-01-01T00:00:00Z")]
    pub not_after: Option<Timestamp>,
}

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Scope {
    /// Look at grants.
    #[serde(rename = "grants:read")]
    Read,
    /// Tell of grants and revoke them.
    #[serde(rename = "grants:write")]
    Write,
    /// Read the daemon's metrics.
    #[serde(rename = "metrics:read")]
    Metrics,
}

impl Scope {
    /// Returns its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "grants:read",
            Self::Write => "grants:write",
            Self::Metrics => "metrics:read",
        }
    }
}

/// A source whose messages have to be signed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// What its messages name as `source`: for a preset, the preset's name.
    #[schemars(length(min = 1), example = &"aws-team")]
    pub source: String,
    /// A file with the secrets, one a line, so that an old one may hold beside the new: for `standard`, `whsec_` and
    /// base64 of 24 to 64 bytes; for `hex`, the text itself.
    pub secret_file: PathBuf,
    /// How it signs. `standard`: as Standard Webhooks has it, over id, time and body, with protection against replays.
    /// `hex`: a header with the HMAC-SHA256 of the body alone, in hexadecimal digits, as GitHub does.
    #[serde(default)]
    pub style: Style,
    /// For `hex`: the header.
    #[serde(default = "hub")]
    pub header: String,
    /// For `hex`: what stands in the header before the digits.
    #[serde(default = "sha256")]
    pub prefix: String,
}

/// How messages are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// Standard Webhooks 1.0.0, symmetric.
    #[default]
    Standard,
    /// A header with the code of the body.
    Hex,
}

fn hub() -> String {
    "x-hub-signature-256".to_owned()
}

fn sha256() -> String {
    "sha256=".to_owned()
}

impl Config {
    /// Returns whether somebody may tell of grants here.
    pub fn takes_grants(&self) -> bool {
        let writes = |token: &Token| token.scopes.contains(&Scope::Write);
        self.listen.is_some() && (self.token.iter().any(writes) || !self.signature.is_empty())
    }

    /// Returns what is wrong with it: the key and why.
    pub fn check(&self) -> Vec<(String, String)> {
        let mut wrong = Vec::new();
        let mut unless = |holds: bool, key: &str, what: &str| {
            if !holds {
                wrong.push((key.to_owned(), what.to_owned()));
            }
        };
        let is_at_home = self.listen.is_none_or(|listen| listen.ip().is_loopback());
        unless(
            is_at_home || self.tls.is_some(),
            "listen",
            "tokens would travel in the clear: give `[api.tls]`, or listen on loopback (127.0.0.1)",
        );
        let is_body = (1_024..=67_108_864).contains(&self.max_body_bytes);
        unless(is_body, "max_body_bytes", "from 1024 (1 KiB) to 67108864 (64 MiB)");
        let is_time = (1..=300).contains(&self.timeout.0.as_secs());
        unless(is_time, "timeout", "from 1s to 5m");
        let is_asked = !self.token.is_empty() || !self.signature.is_empty();
        unless(
            self.listen.is_none() || is_asked,
            "listen",
            "nobody may ask: add a `[[api.token]]`; `grantwatch grants token` makes one",
        );
        for (index, token) in self.token.iter().enumerate() {
            let before = self.token.iter().take(index);
            wrong.extend(placed(&format!("token[{index}]"), check_token(token, before)));
        }
        for (index, signature) in self.signature.iter().enumerate() {
            let before = self.signature.iter().take(index);
            wrong
                .extend(placed(&format!("signature[{index}]"), check_signature(signature, before)));
        }
        wrong
    }
}

/// Mistakes in one entry: its key, and what is wrong.
type Mistakes = Vec<(&'static str, String)>;

fn placed(at: &str, found: Mistakes) -> impl Iterator<Item = (String, String)> {
    found.into_iter().map(move |(key, what)| (format!("{at}.{key}"), what))
}

fn check_token<'a>(token: &Token, mut before: impl Iterator<Item = &'a Token> + Clone) -> Mistakes {
    let mut wrong = Vec::new();
    if token.name.trim().is_empty() || token.name.contains(char::is_control) {
        wrong.push(("name", "a name is wanted, as logs and evidence give it".to_owned()));
    } else if before.clone().any(|other| other.name == token.name) {
        wrong.push(("name", format!("there is another one called `{}`", token.name)));
    }
    match Hash::parse(&token.sha256) {
        None => {
            let what = "64 hexadecimal digits, the SHA-256 of the token; never the token itself";
            wrong.push(("sha256", what.to_owned()));
        }
        Some(hash) if before.any(|other| Hash::parse(&other.sha256) == Some(hash)) => {
            wrong.push(("sha256", "another entry has this token already".to_owned()));
        }
        Some(_) => {}
    }
    if token.scopes.is_empty() {
        wrong.push(("scopes", "without any it may do nothing".to_owned()));
    }
    if token.scopes.contains(&Scope::Write) && token.sources.is_empty() {
        let what = "it may write for no source; name those of your brokers, or \"*\" for all";
        wrong.push(("sources", what.to_owned()));
    }
    wrong
}

fn check_signature<'a>(
    signature: &Signature,
    mut before: impl Iterator<Item = &'a Signature>,
) -> Mistakes {
    let mut wrong = Vec::new();
    if signature.source.trim().is_empty() {
        wrong.push(("source", "the source whose messages are signed".to_owned()));
    } else if before.any(|other| other.source == signature.source) {
        let what = format!(
            "there is another one for `{}`; put both secrets in its file",
            signature.source
        );
        wrong.push(("source", what));
    }
    let is_header = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    if signature.header.is_empty() || !signature.header.chars().all(is_header) {
        wrong.push(("header", "this is no name of a header".to_owned()));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(text: &str) -> Vec<String> {
        let config: Config = toml::from_str(text).unwrap();
        config.check().into_iter().map(|(key, what)| format!("{key}: {what}")).collect()
    }

    #[test]
    fn the_default_is_off_and_sound() {
        assert_eq!(Config::default().check(), []);
        assert!(!Config::default().takes_grants());
    }

    #[test]
    fn other_machines_are_spoken_to_with_tls_only() {
        let token = "[[token]]\nname = 'b'\nsha256 = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'\n\
                     scopes = ['grants:write']\nsources = ['aws-team']\n";
        for (listen, is_fine) in
            [("127.0.0.1:8440", true), ("[::1]:8440", true), ("0.0.0.0:8440", false)]
        {
            let plain = format!("listen = '{listen}'\n{token}");
            assert_eq!(mistakes(&plain).is_empty(), is_fine, "{listen}");
            assert_eq!(mistakes(&format!("{plain}[tls]\ncert = 'a'\nkey = 'b'\n")), [""; 0]);
            assert!(toml::from_str::<Config>(&plain).unwrap().takes_grants());
        }
    }

    #[test]
    fn mistakes_are_named_where_they_are() {
        let found = mistakes(
            "
            max_body_bytes = 1
            timeout = '1h'
            [[token]]
            name = 'b'
            sha256 = 'secret'
            scopes = ['grants:write']
            [[token]]
            name = 'b'
            sha256 = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'
            scopes = []
            [[token]]
            name = 'c'
            sha256 = '9F86D081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'
            scopes = ['metrics:read']
            [[signature]]
            source = 's'
            secret_file = 'x'
            header = 'a b'
            [[signature]]
            source = 's'
            secret_file = 'x'
            ",
        );
        let keys: Vec<&str> = found.iter().map(|it| it.split(": ").next().unwrap()).collect();
        assert_eq!(
            keys,
            [
                "max_body_bytes",
                "timeout",
                "token[0].sha256",
                "token[0].sources",
                "token[1].name",
                "token[1].scopes",
                "token[2].sha256",
                "signature[0].header",
                "signature[1].source",
            ],
            "{found:#?}"
        );
        assert_eq!(mistakes("listen = '127.0.0.1:0'").len(), 1, "nobody may ask");
    }
}
