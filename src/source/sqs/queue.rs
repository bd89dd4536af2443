//! The verbs of a queue, and SQS behind them.
//!
//! Invariant: [`Queue`] promises what SQS promises and no more: at least once, in no order, and a
//! handle is good only until the message is received again.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::ProvideErrorMetadata as _;
use aws_sdk_sqs::types::DeleteMessageBatchRequestEntry;
use aws_sdk_sqs::types::MessageSystemAttributeName;
use aws_sdk_sqs::types::QueueAttributeName;

use crate::source::aws::Refusal;
use crate::source::aws::cause;
use crate::source::error::Cause;
use crate::source::error::Fault;
use crate::source::sqs::visibility::whole_seconds;

/// How many messages one request may receive or delete.
pub(super) const MAX_BATCH: usize = 10;

/// What the consumer asks of a queue.
pub(super) trait Queue: Send + Sync + 'static {
    /// Waits for messages and returns up to `max`, which must be 1 to 10, hidden for the queue's
    /// visibility. The caller owes each a delete, or it comes back.
    fn receive(&self, max: usize) -> impl Future<Output = Result<Vec<Message>, QueueError>> + Send;

    /// Deletes up to 10 messages and returns those that were not deleted, each by its place in
    /// `handles`. Those come back if the caller does not try again.
    fn delete(
        &self,
        handles: &[String],
    ) -> impl Future<Output = Result<Vec<NotDeleted>, QueueError>> + Send;

    /// Hides a message for `length` from now; zero shows it at once.
    fn hide(
        &self,
        handle: &str,
        length: Duration,
    ) -> impl Future<Output = Result<(), QueueError>> + Send;
}

/// A message as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// The same whenever it is received.
    pub(super) id: String,
    /// What deletes and hides it, until it is received again.
    pub(super) handle: String,
    /// Its text.
    pub(super) body: String,
    /// How often it was received, this time included, approximately.
    pub(super) receives: u32,
    /// When it was sent, in milliseconds since 1970, where the queue says so.
    pub(super) sent_millis: Option<u64>,
}

/// An entry of a batch that was not deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotDeleted {
    /// Its place in the batch.
    pub(super) at: usize,
    /// The queue's code.
    pub(super) code: String,
    /// Whether another try may help.
    pub(super) fault: Fault,
}

/// Why the queue did not do as asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum QueueError {
    /// The message is no longer ours: somebody else has received it, or it is deleted.
    #[error("the message is no longer ours")]
    Lost {
        /// What the queue said.
        source: Cause,
    },
    /// There is no such queue.
    #[error("the queue does not exist")]
    Gone {
        /// What the queue said.
        source: Cause,
    },
    /// Anything else: permissions, throttling, the network.
    #[error("the queue did not answer as hoped")]
    Failed {
        /// What the queue said.
        source: Cause,
    },
}

/// A queue on SQS.
pub(super) struct Sqs {
    /// The client.
    pub(super) client: Client,
    /// The queue's URL.
    pub(super) url: String,
    /// How long a poll waits for a message.
    pub(super) wait: Duration,
    /// How long a received message stays hidden at first.
    pub(super) visibility: Duration,
}

impl Queue for Sqs {
    async fn receive(&self, max: usize) -> Result<Vec<Message>, QueueError> {
        let answer = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(i32::try_from(max.clamp(1, MAX_BATCH)).unwrap_or(1))
            .wait_time_seconds(whole_seconds(self.wait))
            .visibility_timeout(whole_seconds(self.visibility))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .send()
            .await
            .map_err(failed)?;
        Ok(answer.messages.unwrap_or_default().into_iter().map(message).collect())
    }

    async fn delete(&self, handles: &[String]) -> Result<Vec<NotDeleted>, QueueError> {
        let mut request = self.client.delete_message_batch().queue_url(&self.url);
        for (at, handle) in handles.iter().enumerate() {
            let entry = DeleteMessageBatchRequestEntry::builder()
                .id(at.to_string())
                .receipt_handle(handle)
                .build()
                .expect("an entry with id and handle is complete");
            request = request.entries(entry);
        }
        let answer = request.send().await.map_err(failed)?;
        let not_deleted = |entry: aws_sdk_sqs::types::BatchResultErrorEntry| NotDeleted {
            at: entry.id.parse().unwrap_or(usize::MAX),
            code: entry.code,
            fault: if entry.sender_fault { Fault::Lasting } else { Fault::Passing },
        };
        Ok(answer.failed.into_iter().map(not_deleted).collect())
    }

    async fn hide(&self, handle: &str, length: Duration) -> Result<(), QueueError> {
        let request = self.client.change_message_visibility().queue_url(&self.url);
        let request = request.receipt_handle(handle).visibility_timeout(whole_seconds(length));
        request.send().await.map_err(failed)?;
        Ok(())
    }
}

fn message(message: aws_sdk_sqs::types::Message) -> Message {
    let attributes = message.attributes.unwrap_or_default();
    let number = |name| attributes.get(&name).and_then(|text: &String| text.parse::<u64>().ok());
    let receives = number(MessageSystemAttributeName::ApproximateReceiveCount).unwrap_or(1);
    Message {
        id: message.message_id.unwrap_or_default(),
        handle: message.receipt_handle.unwrap_or_default(),
        body: message.body.unwrap_or_default(),
        receives: u32::try_from(receives).unwrap_or(u32::MAX),
        sent_millis: number(MessageSystemAttributeName::SentTimestamp),
    }
}

fn failed<E>(error: aws_sdk_sqs::error::SdkError<E>) -> QueueError
where
    E: aws_sdk_sqs::error::ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let code = Refusal::of(&error).code;
    // SQS has two names for most of its refusals: one of the JSON protocol, one of the older query protocol.
    let code = code.rsplit('.').next().unwrap_or_default();
    let message = error.message().unwrap_or_default();
    let is_about_handle = message.contains("eceiptHandle") || message.contains("eceipt handle");
    match code {
        "QueueDoesNotExist" | "NonExistentQueue" => QueueError::Gone { source: cause(error) },
        "ReceiptHandleIsInvalid" | "MessageNotInflight" => {
            QueueError::Lost { source: cause(error) }
        }
        "InvalidParameterValue" if is_about_handle => QueueError::Lost { source: cause(error) },
        _ => QueueError::Failed { source: cause(error) },
    }
}

/// What a queue says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Setup {
    /// After how many receives the queue sets a message aside; `None` if it never does.
    pub(super) max_receives: Option<u32>,
    /// The visibility that is set on the queue.
    pub(super) visibility: Option<Duration>,
    /// Messages waiting, approximately.
    pub(super) waiting: u64,
}

impl Sqs {
    /// Asks the queue how it is set up.
    pub(super) async fn setup(&self) -> Result<Setup, QueueError> {
        let answer = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .attribute_names(QueueAttributeName::All)
            .send()
            .await
            .map_err(failed)?;
        Ok(setup(&answer.attributes.unwrap_or_default()))
    }
}

fn setup(attributes: &HashMap<QueueAttributeName, String>) -> Setup {
    let number = |name| attributes.get(&name).and_then(|text: &String| text.parse::<u64>().ok());
    let redrive = attributes.get(&QueueAttributeName::RedrivePolicy);
    let redrive = redrive.and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
    // AWS writes the count as text or as a number, depending on who set it.
    let max_receives = redrive.map(|policy| {
        let count = &policy["maxReceiveCount"];
        let count = count.as_u64().or_else(|| count.as_str()?.parse().ok());
        count.and_then(|count| u32::try_from(count).ok()).unwrap_or(u32::MAX)
    });
    Setup {
        max_receives,
        visibility: number(QueueAttributeName::VisibilityTimeout).map(Duration::from_secs),
        waiting: number(QueueAttributeName::ApproximateNumberOfMessages).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redrive_policy_may_count_in_text_or_numbers() {
        let of = |policy: &str| {
            let name = QueueAttributeName::RedrivePolicy;
            setup(&HashMap::from([(name, policy.to_owned())])).max_receives
        };
        assert_eq!(of(r#"{"deadLetterTargetArn":"a","maxReceiveCount":"5"}"#), Some(5));
        assert_eq!(of(r#"{"deadLetterTargetArn":"a","maxReceiveCount":7}"#), Some(7));
        assert_eq!(setup(&HashMap::new()), Setup::default());
    }
}
