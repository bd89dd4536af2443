//! Standard output: one alert a line, or for people.
//!
//! Invariant: an alert is written whole and flushed before the sink says that it has it.

use std::io;
use std::io::Write as _;
use std::time::Duration;

use crate::model::SinkName;
use crate::sink::Destination;
use crate::sink::Message;
use crate::sink::Rate;
use crate::sink::SendError;
use crate::sink::Sink;
use crate::sink::config;
use crate::sink::config::Format;

/// How long a write may take: whoever reads our output may be slow, but not for ever.
const DEADLINE: Duration = Duration::from_secs(60);

/// Standard output as a sink.
#[derive(Debug)]
pub struct Stdout {
    name: SinkName,
    format: Format,
}

pub(super) fn build(config: &config::Stdout) -> Sink {
    let name = config.name.clone();
    Sink {
        name: name.clone(),
        min_severity: config.min_severity,
        concurrency: 1,
        rate: Rate::Unlimited,
        deadline: DEADLINE,
        destination: Destination::Stdout(Stdout { name, format: config.format }),
    }
}

impl Stdout {
    /// Writes `message`.
    ///
    /// # Errors
    /// When nobody reads our output any more.
    pub async fn send(&self, message: &Message) -> Result<(), SendError> {
        let text = self.written(message)?;
        let write = move || {
            let mut out = io::stdout().lock();
            out.write_all(text.as_bytes())?;
            out.flush()
        };
        tokio::task::spawn_blocking(write)
            .await
            .unwrap_or_else(|panicked| Err(io::Error::other(panicked)))
            .map_err(|source| SendError::Write { sink: self.name.clone(), source })
    }

    /// Returns what is written for `message`.
    fn written(&self, message: &Message) -> Result<String, SendError> {
        match self.format {
            // An empty line keeps two alerts apart for the eye.
            Format::Text => Ok(format!("{}\n", message.text)),
            Format::Json => {
                let json = serde_json::to_string(&*message.alert);
                json.map(|json| json + "\n")
                    .map_err(|source| SendError::Unwritable { sink: self.name.clone(), source })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::testing::ALERT;
    use crate::sink::testing::message;

    #[test]
    fn writes_a_line_or_a_page() {
        let written = |format| {
            let stdout = Stdout { name: SinkName("out".to_owned()), format };
            stdout.written(&message()).unwrap()
        };
        assert_eq!(written(Format::Json), format!("{ALERT}\n"));
        assert_eq!(written(Format::Text), "HIGH  Trail stopped\n\n");
    }
}
