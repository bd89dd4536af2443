//! The one place that makes an HTTP client for alerts, and the one way a request is made.
//!
//! Invariant: no redirect is followed, no proxy of the environment is used, every request has a timeout,
//! an answer is read up to a size, and errors carry no address.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Certificate;
use reqwest::Client;
use reqwest::RequestBuilder;
use reqwest::header::HeaderMap;
use reqwest::header::RETRY_AFTER;
use reqwest::redirect::Policy;
use url::Host;
use url::Url;

use crate::model::Seconds;
use crate::model::SinkName;
use crate::model::bounded;
use crate::sink::error::SendError;
use crate::sink::guard;
use crate::sink::guard::Private;
use crate::sink::guard::Reach;
use crate::sink::guard::Resolver;
use crate::sink::mistake::Problem;

/// The most of an answer that is read.
const MAX_ANSWER_BYTES: usize = 65_536;
/// The most of an answer that an error carries.
const MAX_TOLD_BYTES: usize = 512;
/// The longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How a sink is reached.
#[derive(Debug, Clone)]
pub struct Access {
    /// The address.
    pub url: Url,
    /// Certificate authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether alerts may travel unencrypted.
    pub http: Http,
    /// Whether the receiver may be inside.
    pub private: Private,
    /// How long one request may take.
    pub timeout: Duration,
}

/// Whether alerts may travel unencrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Http {
    /// Only https.
    Refused,
    /// http too.
    Allowed,
}

/// Makes the client for one sink, after checking its address.
///
/// # Errors
/// When the address is not one we send alerts to, or the certificates cannot be used.
pub fn client(access: &Access) -> Result<Client, Problem> {
    check_address(access)?;
    let mut builder = Client::builder()
        .user_agent(concat!("grantwatch/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .no_proxy()
        .referer(false)
        .dns_resolver(Arc::new(Resolver(access.private)))
        .connect_timeout(CONNECT_TIMEOUT.min(access.timeout))
        .timeout(access.timeout);
    if let Some(path) = &access.ca_file {
        let unreadable = |source| Problem::Unreadable { path: path.clone(), source };
        let bad = |source| Problem::Certificates { path: path.clone(), source };
        let pem = std::fs::read(path).map_err(unreadable)?;
        let certificates = Certificate::from_pem_bundle(&pem).map_err(bad)?;
        if certificates.is_empty() {
            return Err(Problem::Empty { path: path.clone() });
        }
        builder = builder.tls_certs_only(certificates);
    } else if access.url.scheme() == "http" {
        // No TLS will be spoken, so a machine without certificates is good enough.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(Problem::Client)
}

fn check_address(access: &Access) -> Result<(), Problem> {
    let url = &access.url;
    match (url.scheme(), access.http) {
        ("https", _) | ("http", Http::Allowed) => {}
        ("http", Http::Refused) => return Err(Problem::Http),
        _ => return Err(Problem::Scheme),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Problem::Credentials);
    }
    // Names are checked by the resolver, at every connection; numbers never get there.
    let ip = match url.host() {
        Some(Host::Ipv4(ip)) => ip.into(),
        Some(Host::Ipv6(ip)) => ip.into(),
        Some(Host::Domain(_)) | None => return Ok(()),
    };
    match (guard::reach(ip), access.private) {
        (Reach::Never, _) => Err(Problem::Address {
            what: "link-local, multicast or unspecified",
            remedy: "no receiver of alerts lives there",
        }),
        (Reach::Private, Private::Refused) => Err(Problem::Address {
            what: "private or loopback",
            remedy: "set `allow_private = true` if that is meant",
        }),
        (Reach::Private | Reach::Public, _) => Ok(()),
    }
}

/// What a receiver answered.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// How long the receiver asks to be left alone.
    pub retry_after: Option<Duration>,
    /// The beginning of the body.
    pub body: Vec<u8>,
}

impl Answer {
    /// Returns the beginning of the body on one line, fit for a log.
    pub fn told(&self) -> String {
        one_line(&String::from_utf8_lossy(&self.body))
    }

    /// Returns `Ok` for a success and the error that the status means for all else.
    pub fn accepted(self, sink: &SinkName) -> Result<Self, SendError> {
        match self.status {
            200..300 => Ok(self),
            410 => Err(SendError::Gone { sink: sink.clone() }),
            status => Err(SendError::Refused {
                sink: sink.clone(),
                status,
                answer: self.told(),
                retry_after: self.retry_after,
            }),
        }
    }
}

/// Makes `request` and reads its answer, up to a size.
pub async fn exchange(
    sink: &SinkName,
    request: RequestBuilder,
    now: Seconds,
) -> Result<Answer, SendError> {
    let unreachable = |error: reqwest::Error| SendError::Unreachable {
        sink: sink.clone(),
        source: error.without_url(),
    };
    let mut response = request.send().await.map_err(unreachable)?;
    let status = response.status().as_u16();
    let retry_after = retry_after(response.headers(), now);
    let mut body = Vec::new();
    while body.len() < MAX_ANSWER_BYTES {
        match response.chunk().await {
            Ok(Some(part)) => body.extend_from_slice(&part),
            // The status is the answer. A body that breaks off, as of servers that close TLS without saying so, does not
            // take it back; who needs the body finds it cut short.
            Ok(None) | Err(_) => break,
        }
    }
    body.truncate(MAX_ANSWER_BYTES);
    Ok(Answer { status, retry_after, body })
}

/// Reads `Retry-After` in both its forms: seconds, or a date.
fn retry_after(headers: &HeaderMap, now: Seconds) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    let wait = Seconds(date.as_second()).since(now).0;
    Some(Duration::from_secs(u64::try_from(wait).unwrap_or(0)))
}

/// Returns `text` on one line and bounded; what controls a terminal becomes a space.
pub fn one_line(text: &str) -> String {
    let spaced: String = bounded(text, MAX_TOLD_BYTES)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    spaced.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn access(url: &str, http: Http, private: Private) -> Access {
        let timeout = Duration::from_secs(5);
        Access { url: url.parse().unwrap(), ca_file: None, http, private, timeout }
    }

    #[test]
    fn only_addresses_that_may_have_alerts_get_a_client() {
        use Http as H;
        use Private as P;
        let refused = |url, http, private| client(&access(url, http, private)).unwrap_err();
        assert!(matches!(refused("http://example.com/", H::Refused, P::Refused), Problem::Http));
        assert!(matches!(refused("ftp://example.com/", H::Allowed, P::Refused), Problem::Scheme));
        assert!(matches!(
            refused("https://u:p@example.com/", H::Refused, P::Refused),
            Problem::Credentials
        ));
        for url in [
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://10.0.0.1:8088/",
            "https://2130706433/",
        ] {
            assert!(
                matches!(refused(url, H::Refused, P::Refused), Problem::Address { .. }),
                "{url}"
            );
        }
        let metadata = "http://169.254.169.254/latest";
        assert!(matches!(refused(metadata, H::Allowed, P::Allowed), Problem::Address { .. }));
        assert!(client(&access("http://127.0.0.1:9/", H::Allowed, P::Allowed)).is_ok());
    }

    #[test]
    fn a_certificate_file_must_hold_certificates() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let mut access = access("https://example.com/", Http::Refused, Private::Refused);
        access.ca_file = Some(path.clone());
        assert!(matches!(client(&access), Err(Problem::Unreadable { .. })));
        std::fs::write(&path, "no certificate").unwrap();
        assert!(matches!(
            client(&access),
            Err(Problem::Empty { .. } | Problem::Certificates { .. })
        ));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        // 2026-03-01T08:12:30Z
        let now = Seconds(1_772_352_750);
        for (text, expected) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 01 Mar 2026 08:13:00 GMT", Some(30)),
            ("Sun, 01 Mar 2026 08:00:00 GMT", Some(0)),
            ("soon", None),
            ("-5", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(text));
            assert_eq!(retry_after(&headers, now), expected.map(Duration::from_secs), "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
