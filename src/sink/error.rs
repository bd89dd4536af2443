//! Why a sink did not take an alert, and whether to ask again.
//!
//! Invariant: no error carries a secret or an address; addresses of webhooks often are secrets.

use std::time::Duration;

use crate::model::SinkName;

/// Why a sink did not take an alert.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No answer: the name was not found, the connection failed or broke, or time ran out.
    #[error("could not reach sink `{sink}`")]
    Unreachable {
        /// The sink.
        sink: SinkName,
        /// The cause, without the address.
        source: reqwest::Error,
    },
    /// An answer that is no success.
    #[error("sink `{sink}` answered {status}: {answer}")]
    Refused {
        /// The sink.
        sink: SinkName,
        /// The HTTP status.
        status: u16,
        /// The beginning of the body, on one line.
        answer: String,
        /// How long the sink asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// The sink says that it is gone for good (410).
    #[error("sink `{sink}` answered 410: it wants no more alerts")]
    Gone {
        /// The sink.
        sink: SinkName,
    },
    /// Splunk answered with a code of its own.
    #[error("Splunk at sink `{sink}` answered code {code}: {answer}")]
    Splunk {
        /// The sink.
        sink: SinkName,
        /// The code in the body.
        code: u32,
        /// Its text, on one line.
        answer: String,
        /// How long the sink asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// A success that could not be read.
    #[error("sink `{sink}` gave an answer that could not be read: {answer}")]
    Garbled {
        /// The sink.
        sink: SinkName,
        /// The beginning of the body, on one line.
        answer: String,
    },
    /// Splunk took the alert and did not say that it is indexed.
    #[error("Splunk at sink `{sink}` did not acknowledge within {after:?}")]
    Unacknowledged {
        /// The sink.
        sink: SinkName,
        /// How long we asked.
        after: Duration,
    },
    /// The token does not have acknowledgement switched on.
    #[error(
        "Splunk at sink `{sink}` gives no acknowledgements; enable them for the token, or set `acknowledge = false`"
    )]
    NoAcknowledgements {
        /// The sink.
        sink: SinkName,
    },
    /// The alert could not be put into its final form.
    #[error("could not write an alert for sink `{sink}` as JSON")]
    Unwritable {
        /// The sink.
        sink: SinkName,
        /// The cause.
        source: serde_json::Error,
    },
    /// A file or stream could not be written.
    #[error("could not write to sink `{sink}`")]
    Write {
        /// The sink.
        sink: SinkName,
        /// The cause.
        source: std::io::Error,
    },
    /// The sink took longer than it may.
    #[error("sink `{sink}` took longer than {after:?}")]
    Overdue {
        /// The sink.
        sink: SinkName,
        /// How long it may take.
        after: Duration,
    },
}

impl SendError {
    /// Returns whether the outbox should keep the alert and try again.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Garbled { .. }
            | Self::Unacknowledged { .. }
            | Self::Write { .. }
            | Self::Overdue { .. } => true,
            Self::Refused { status, .. } => is_passing(*status),
            // 8: internal error, 9: server is busy. The others are about token, index or form.
            Self::Splunk { code, .. } => matches!(code, 8 | 9),
            Self::Gone { .. } | Self::NoAcknowledgements { .. } | Self::Unwritable { .. } => false,
        }
    }

    /// Returns how long the sink asks to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } | Self::Splunk { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Returns whether the sink wants nothing any more, so that further alerts need not be tried.
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Gone { .. })
    }
}

/// Returns whether an HTTP status may be another one later. A redirect is not followed and will not pass by itself.
pub fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for status in [408, 425, 429, 500, 502, 503, 504] {
            assert!(is_passing(status), "{status}");
        }
        for status in [200, 301, 302, 307, 400, 401, 403, 404, 409, 410, 413, 422, 501, 505] {
            assert!(!is_passing(status), "{status}");
        }
    }

    #[test]
    fn splunk_codes_say_whether_to_try_again() {
        for code in 1..=14 {
            let (sink, answer) = (SinkName("hec".to_owned()), String::new());
            let error = SendError::Splunk { sink, code, answer, retry_after: None };
            assert_eq!(error.is_retryable(), matches!(code, 8 | 9), "{code}");
        }
    }
}
