//! Signed webhooks, as Standard Webhooks 1.0.0 has them, and the check that a receiver makes.
//!
//! `webhook-id` is the alert's id, for a revision with its number, the same at every try: a receiver that has seen it
//! can answer 200 and drop the repeat. `webhook-timestamp` is the time of this try. The signature covers both and the body.
//!
//! Invariant: the body of an alert is the same bytes at every try.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::Hmac;
use hmac::KeyInit as _;
use hmac::Mac as _;
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use reqwest::header::HeaderMap;
use reqwest::header::HeaderName;
use reqwest::header::HeaderValue;
use serde::Serialize;
use sha2::Sha256;
use url::Url;

use crate::model::Alert;
use crate::model::Seconds;
use crate::model::SinkName;
use crate::model::Span;
use crate::sink::Collect as _;
use crate::sink::Destination;
use crate::sink::Message;
use crate::sink::Problem;
use crate::sink::Problems;
use crate::sink::Rate;
use crate::sink::SendError;
use crate::sink::Sink;
use crate::sink::at_most;
use crate::sink::client;
use crate::sink::client::Access;
use crate::sink::client::Http;
use crate::sink::config;
use crate::sink::guard::Private;
use crate::sink::in_range;
use crate::sink::now;
use crate::sink::secret::Secret;
use crate::sink::secret::read_secrets;
use crate::sink::secret::read_token;

/// The header with the id of the message.
pub const ID: &str = "webhook-id";
/// The header with the time of the try, in seconds since 1970.
pub const TIMESTAMP: &str = "webhook-timestamp";
/// The header with the signatures, separated by spaces.
pub const SIGNATURE: &str = "webhook-signature";
/// How far the clocks of sender and receiver may be apart.
pub const TOLERANCE: Span = Span(300);

/// A receiver of signed webhooks.
pub struct Webhook {
    name: SinkName,
    client: Client,
    url: Url,
    secrets: Vec<Secret>,
    headers: HeaderMap,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the address: the addresses of many receivers are secrets.
        f.debug_struct("Webhook").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The body of a webhook.
#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    timestamp: String,
    data: &'a Alert,
}

pub(super) fn build(config: &config::Webhook) -> Result<Sink, Problems> {
    let mut problems = Problems::new();
    in_range(config.concurrency.into(), 1, 256).or_note("concurrency", &mut problems);
    in_range(config.rate.into(), 1, 10_000).or_note("rate", &mut problems);
    let timeout = at_most(config.timeout, 300).or_note("timeout", &mut problems);
    let secrets = read_secrets(&config.secret_file).or_note("secret_file", &mut problems);
    let headers = headers(config, &mut problems);
    let access = Access {
        url: config.url.clone(),
        ca_file: config.ca_file.clone(),
        http: if config.allow_http { Http::Allowed } else { Http::Refused },
        private: if config.allow_private { Private::Allowed } else { Private::Refused },
        timeout: timeout.unwrap_or_default(),
    };
    let client = client::client(&access).or_note("url", &mut problems);
    let (Some(client), Some(secrets), Some(timeout), true) =
        (client, secrets, timeout, problems.is_empty())
    else {
        return Err(problems);
    };
    let (name, url) = (config.name.clone(), config.url.clone());
    Ok(Sink {
        name: name.clone(),
        min_severity: config.min_severity,
        concurrency: config.concurrency.try_into().unwrap_or(1),
        rate: Rate::PerSecond(config.rate),
        deadline: timeout * 2,
        destination: Destination::Webhook(Webhook { name, client, url, secrets, headers }),
    })
}

fn headers(config: &config::Webhook, problems: &mut Problems) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &config.headers {
        if let Some((name, value)) = header(name, value).or_note("headers", problems) {
            headers.insert(name, value);
        }
    }
    for (name, path) in &config.header_files {
        let read = read_token(path).and_then(|token| header(name, token.text()));
        if let Some((name, mut value)) = read.or_note("header_files", problems) {
            value.set_sensitive(true);
            headers.insert(name, value);
        }
    }
    headers
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Problem> {
    let refuse = |why| Problem::Header { header: name.to_owned(), why };
    let parsed = HeaderName::try_from(name).map_err(|_| refuse("this is no name of a header"))?;
    let ours = ["host", "content-length", "content-type", "transfer-encoding", "connection"];
    if ours.contains(&parsed.as_str()) || parsed.as_str().starts_with("webhook-") {
        return Err(refuse("it is set by grantwatch itself"));
    }
    let value = HeaderValue::try_from(value)
        .map_err(|_| refuse("the value holds what a header cannot carry"))?;
    Ok((parsed, value))
}

impl Webhook {
    /// Posts `message`; a status of 200 to 299 means that the receiver has it.
    ///
    /// # Errors
    /// When there was no answer or another one.
    pub async fn send(&self, message: &Message) -> Result<(), SendError> {
        let body = self.body(message)?;
        let now = now();
        let id = &message_id(&message.alert);
        let request = self
            .client
            .post(self.url.clone())
            .headers(self.headers.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(ID, id)
            .header(TIMESTAMP, now.0)
            .header(SIGNATURE, sign(&self.secrets, id, now, &body))
            .body(body);
        client::exchange(&self.name, request, now).await?.accepted(&self.name)?;
        Ok(())
    }

    fn body(&self, message: &Message) -> Result<Vec<u8>, SendError> {
        let alert = &message.alert;
        let body = Body {
            r#type: message.kind.name(),
            timestamp: message.happened_at().to_string(),
            data: alert,
        };
        serde_json::to_vec(&body)
            .map_err(|source| SendError::Unwritable { sink: self.name.clone(), source })
    }
}

/// Returns what tells a message about `alert` from all others, and a repeat of it as one: the alert's id, which is all
/// of it as long as there is one revision.
fn message_id(alert: &Alert) -> String {
    match alert.revision {
        0 | 1 => alert.id.0.clone(),
        revision => format!("{}-r{revision}", alert.id),
    }
}

/// Returns the value of the header `webhook-signature`: one signature for each secret.
pub fn sign(secrets: &[Secret], id: &str, at: Seconds, body: &[u8]) -> String {
    let signatures: Vec<String> = secrets
        .iter()
        .map(|secret| {
            let code = code(secret, id, at, body).finalize().into_bytes();
            format!("v1,{}", STANDARD.encode(code))
        })
        .collect();
    signatures.join(" ")
}

fn code(secret: &Secret, id: &str, at: Seconds, body: &[u8]) -> Hmac<Sha256> {
    let mut code =
        Hmac::<Sha256>::new_from_slice(secret.key()).expect("HMAC takes keys of any size");
    code.update(format!("{id}.{}.", at.0).as_bytes());
    code.update(body);
    code
}

/// The headers of a request that a receiver checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signed<'a> {
    /// `webhook-id`
    pub id: &'a str,
    /// `webhook-timestamp`
    pub timestamp: &'a str,
    /// `webhook-signature`
    pub signature: &'a str,
}

/// Why a request is not from who it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// The timestamp is no number.
    #[error("`webhook-timestamp` is no number of seconds")]
    NoTime,
    /// The request is too old, or from the future: it may be a replay.
    #[error("`webhook-timestamp` is more than five minutes away")]
    OutOfTime,
    /// No signature was made with one of the secrets.
    #[error("no signature fits")]
    NoMatch,
}

/// Checks that `body` was sent by whoever has one of `secrets`, as a receiver does at `now`.
///
/// # Errors
/// When no `v1` signature fits, or the request was made more than five minutes before or after `now`.
pub fn verify(
    secrets: &[Secret],
    signed: Signed<'_>,
    body: &[u8],
    now: Seconds,
) -> Result<(), Unverified> {
    let at = Seconds(signed.timestamp.trim().parse().map_err(|_| Unverified::NoTime)?);
    if now.since(at).0.unsigned_abs() > TOLERANCE.0.unsigned_abs() {
        return Err(Unverified::OutOfTime);
    }
    let fits = |signature: &str| {
        let decoded = signature.strip_prefix("v1,").and_then(|text| STANDARD.decode(text).ok());
        // `verify_slice` takes the same time wherever the two differ.
        let made_with = |code: &[u8], secret| {
            self::code(secret, signed.id, at, body).verify_slice(code).is_ok()
        };
        decoded.is_some_and(|code| secrets.iter().any(|secret| made_with(&code, secret)))
    };
    if signed.signature.split(' ').any(fits) { Ok(()) } else { Err(Unverified::NoMatch) }
}

#[cfg(test)]
mod tests;
