//! Splunk's HTTP Event Collector.
//!
//! Splunk answers 200 when it has an event in memory. With acknowledgement it also gives a number, and says
//! later, when asked, whether that number is indexed; only then is the alert delivered. If it never says
//! so, the alert is sent again: a search that must not count it twice takes `alert_id` as its key, and one that asks how
//! an alert stands takes the highest `revision`.
//!
//! Invariant: with `acknowledge`, nothing but Splunk's own `true` for this alert's number is a success.

mod acks;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use reqwest::header::AUTHORIZATION;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use serde::Serialize;
use url::Url;

use crate::model::Alert;
use crate::model::AlertId;
use crate::model::SinkName;
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
use crate::sink::client::Answer;
use crate::sink::client::Http;
use crate::sink::client::one_line;
use crate::sink::config;
use crate::sink::error::is_passing;
use crate::sink::guard::Private;
use crate::sink::in_range;
use crate::sink::now;
use crate::sink::secret::Token;
use crate::sink::secret::read_token;
use crate::sink::splunk_hec::acks::Acks;
use crate::sink::splunk_hec::acks::Asked;
use crate::sink::splunk_hec::acks::Standing;

/// The header that names the channel which acknowledgements belong to.
const CHANNEL: &str = "X-Splunk-Request-Channel";
/// Splunk's code for "ACK is disabled".
const ACK_DISABLED: u32 = 14;

/// A Splunk collector.
pub struct SplunkHec {
    name: SinkName,
    client: Client,
    event_url: Url,
    ack_url: Url,
    token: Token,
    index: Option<String>,
    source: String,
    sourcetype: String,
    host: Option<String>,
    assurance: Assurance,
}

/// When an alert counts as delivered.
enum Assurance {
    /// When Splunk has it in memory.
    Accepted,
    /// When Splunk says that it is indexed.
    Indexed { acks: Arc<Acks>, interval: Duration, patience: Duration },
}

impl fmt::Debug for SplunkHec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SplunkHec").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What is posted for one alert.
#[derive(Serialize)]
struct Body<'a> {
    time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    source: &'a str,
    sourcetype: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<&'a str>,
    event: &'a Alert,
    fields: Fields<'a>,
}

/// Fields that Splunk indexes, so that a search finds an alert without reading it.
#[derive(Serialize)]
struct Fields<'a> {
    alert_id: &'a AlertId,
    status: &'static str,
    revision: u64,
    detector: &'a str,
    severity: &'static str,
    account: &'a str,
}

/// What Splunk answers to an event.
#[derive(Deserialize)]
struct Reply {
    code: u32,
    #[serde(default)]
    text: String,
    #[serde(rename = "ackId")]
    ack_id: Option<u64>,
}

pub(super) fn build(config: &config::SplunkHec) -> Result<Sink, Problems> {
    let mut problems = Problems::new();
    in_range(config.concurrency.into(), 1, 256).or_note("concurrency", &mut problems);
    in_range(config.rate.into(), 1, 10_000).or_note("rate", &mut problems);
    let timeout = at_most(config.timeout, 300).or_note("timeout", &mut problems);
    let interval = at_most(config.ack_interval, 300).or_note("ack_interval", &mut problems);
    let patience = at_most(config.ack_timeout, 3_600).or_note("ack_timeout", &mut problems);
    let token = read_token(&config.token_file).or_note("token_file", &mut problems);
    if let Some(token) = &token {
        let sendable = token.text().bytes().all(|byte| byte.is_ascii_graphic());
        let bad = Problem::Header {
            header: "Authorization".to_owned(),
            why: "the token holds white space",
        };
        if !sendable {
            problems.push(("token_file", bad));
        }
    }
    let access = Access {
        url: config.url.clone(),
        ca_file: config.ca_file.clone(),
        http: if config.allow_http { Http::Allowed } else { Http::Refused },
        private: if config.allow_private { Private::Allowed } else { Private::Refused },
        timeout: timeout.unwrap_or_default(),
    };
    let client = client::client(&access).or_note("url", &mut problems);
    let (Some(client), Some(token), Some(timeout), Some(interval), Some(patience), true) =
        (client, token, timeout, interval, patience, problems.is_empty())
    else {
        return Err(problems);
    };
    let assurance = match config.acknowledge {
        false => Assurance::Accepted,
        true => Assurance::Indexed { acks: Arc::new(Acks::new()), interval, patience },
    };
    let deadline = match config.acknowledge {
        false => timeout * 2,
        true => timeout * 3 + interval + patience,
    };
    Ok(Sink {
        name: config.name.clone(),
        min_severity: config.min_severity,
        concurrency: config.concurrency.try_into().unwrap_or(1),
        rate: Rate::PerSecond(config.rate),
        deadline,
        destination: Destination::SplunkHec(SplunkHec {
            name: config.name.clone(),
            client,
            event_url: at_path(&config.url, "/services/collector/event"),
            ack_url: at_path(&config.url, "/services/collector/ack"),
            token,
            index: config.index.clone(),
            source: config.source.clone(),
            sourcetype: config.sourcetype.clone(),
            host: config.host.clone(),
            assurance,
        }),
    })
}

fn at_path(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(path);
    url.set_query(None);
    url.set_fragment(None);
    url
}

impl SplunkHec {
    /// Posts `message` and, with acknowledgement, waits until Splunk says that it is indexed.
    ///
    /// # Errors
    /// When Splunk did not take it, or did not acknowledge it in time.
    pub async fn send(&self, message: &Message) -> Result<(), SendError> {
        let body = self.body(message)?;
        let mut request = self
            .client
            .post(self.event_url.clone())
            .header(AUTHORIZATION, self.authorization())
            .header(CONTENT_TYPE, "application/json")
            .body(body);
        if let Assurance::Indexed { acks, .. } = &self.assurance {
            request = request.header(CHANNEL, acks.channel());
        }
        let answer = client::exchange(&self.name, request, now()).await?;
        let reply = self.read(answer)?;
        match (&self.assurance, reply.ack_id) {
            (Assurance::Accepted, _) => Ok(()),
            (Assurance::Indexed { acks, interval, patience }, Some(ack)) => {
                let waiting = self.indexed(acks, ack, *interval);
                let late =
                    || SendError::Unacknowledged { sink: self.name.clone(), after: *patience };
                tokio::time::timeout(*patience, waiting).await.unwrap_or_else(|_| Err(late()))
            }
            (Assurance::Indexed { .. }, None) => {
                Err(SendError::NoAcknowledgements { sink: self.name.clone() })
            }
        }
    }

    fn authorization(&self) -> String {
        format!("Splunk {}", self.token.text())
    }

    fn body(&self, message: &Message) -> Result<Vec<u8>, SendError> {
        let alert = &message.alert;
        let body = Body {
            time: message.happened_at().0,
            host: self.host.as_deref(),
            source: &self.source,
            sourcetype: &self.sourcetype,
            index: self.index.as_deref(),
            event: alert,
            fields: Fields {
                alert_id: &alert.id,
                status: alert.status.name(),
                revision: alert.revision,
                detector: &alert.detector,
                severity: alert.severity.name(),
                account: &alert.account,
            },
        };
        serde_json::to_vec(&body)
            .map_err(|source| SendError::Unwritable { sink: self.name.clone(), source })
    }

    /// Reads Splunk's reply. Its own code says more than the status, where there is one.
    fn read(&self, answer: Answer) -> Result<Reply, SendError> {
        let reply = serde_json::from_slice::<Reply>(&answer.body).ok();
        match (answer.status, reply) {
            (200, Some(reply)) if reply.code == 0 => Ok(reply),
            (200, None) => {
                Err(SendError::Garbled { sink: self.name.clone(), answer: answer.told() })
            }
            // A gateway before Splunk may answer in Splunk's stead; a passing status is passing whatever the body.
            (status, Some(reply)) if !is_passing(status) || matches!(reply.code, 8 | 9) => {
                Err(SendError::Splunk {
                    sink: self.name.clone(),
                    code: reply.code,
                    answer: one_line(&reply.text),
                    retry_after: answer.retry_after,
                })
            }
            _ => match answer.accepted(&self.name) {
                Err(error) => Err(error),
                Ok(answer) => {
                    Err(SendError::Garbled { sink: self.name.clone(), answer: answer.told() })
                }
            },
        }
    }

    /// Waits until `ack` is indexed. Of several that wait, one asks for all.
    async fn indexed(&self, acks: &Acks, ack: u64, interval: Duration) -> Result<(), SendError> {
        let ticket = acks.wait_for(ack);
        loop {
            match ticket.standing() {
                Standing::Indexed => return Ok(()),
                Standing::Lost => {
                    let (sink, after) = (self.name.clone(), Duration::ZERO);
                    return Err(SendError::Unacknowledged { sink, after });
                }
                Standing::Waiting => {}
            }
            let turn = acks.turn().await;
            // While we stood in line, the one before us asked for us too.
            if ticket.standing() == Standing::Waiting {
                tokio::time::sleep(interval).await;
                self.ask(acks).await?;
            }
            drop(turn);
        }
    }

    /// Asks once for everything that waits. What passes by itself is no error: it is asked again.
    async fn ask(&self, acks: &Acks) -> Result<(), SendError> {
        let mut url = self.ack_url.clone();
        url.query_pairs_mut().append_pair("channel", &acks.channel());
        let asked = Asked { acks: acks.waiting() };
        let body = serde_json::to_vec(&asked)
            .map_err(|source| SendError::Unwritable { sink: self.name.clone(), source })?;
        let request = self
            .client
            .post(url)
            .header(AUTHORIZATION, self.authorization())
            .header(CHANNEL, acks.channel())
            .header(CONTENT_TYPE, "application/json")
            .body(body);
        let answer = match client::exchange(&self.name, request, now()).await {
            Ok(answer) => answer,
            Err(error) if error.is_retryable() => return Ok(()),
            Err(error) => return Err(error),
        };
        if let Some(ACK_DISABLED) =
            serde_json::from_slice::<Reply>(&answer.body).ok().map(|reply| reply.code)
        {
            return Err(SendError::NoAcknowledgements { sink: self.name.clone() });
        }
        match answer.accepted(&self.name) {
            Ok(answer) => {
                // An answer that is no list of acknowledgements confirms nothing; it is asked again.
                if let Ok(told) = serde_json::from_slice(&answer.body) {
                    acks.told(&told);
                }
                Ok(())
            }
            Err(error) if error.is_retryable() => Ok(()),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests;
