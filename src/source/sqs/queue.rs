//! The verbs of a queue, and SQS behind them.
//!
//! Invariant: [`Queue`] promises what SQS promises and no more: at least once, in no order, and a
//! handle is good only until the message is received again.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::ProvideErrorMetadata as _;
use aws_sdk_sqs::error::SdkError;
use aws_sdk_sqs::operation::delete_message_batch::DeleteMessageBatchError;
use aws_sdk_sqs::types::BatchResultErrorEntry;
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
    /// Whether the queue has refused a batch.
    pub(super) batches_are_refused: AtomicBool,
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
        if self.batches_are_refused.load(Ordering::Relaxed) {
            return self.delete_singly(handles).await;
        }
        match self.delete_batch(handles).await {
            // SQS authorises a batch as it does a single delete. Servers that resemble it may know
            // the batch as an action of its own, which no policy for SQS allows.
            Err(error) if matches!(Refusal::of(&error).status, 401 | 403) => {
                self.batches_are_refused.store(true, Ordering::Relaxed);
                self.delete_singly(handles).await
            }
            answer => answer.map_err(failed),
        }
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

fn failed<E>(error: SdkError<E>) -> QueueError
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

fn not_deleted(entry: BatchResultErrorEntry) -> NotDeleted {
    NotDeleted {
        at: entry.id.parse().unwrap_or(usize::MAX),
        code: entry.code,
        fault: if entry.sender_fault { Fault::Lasting } else { Fault::Passing },
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
    async fn delete_batch(
        &self,
        handles: &[String],
    ) -> Result<Vec<NotDeleted>, SdkError<DeleteMessageBatchError>> {
        let mut request = self.client.delete_message_batch().queue_url(&self.url);
        for (at, handle) in handles.iter().enumerate() {
            let entry = DeleteMessageBatchRequestEntry::builder()
                .id(at.to_string())
                .receipt_handle(handle)
                .build()
                .expect("an entry with id and handle is complete");
            request = request.entries(entry);
        }
        let answer = request.send().await?;
        Ok(answer.failed.into_iter().map(not_deleted).collect())
    }

    async fn delete_singly(&self, handles: &[String]) -> Result<Vec<NotDeleted>, QueueError> {
        let mut left = Vec::new();
        for (at, handle) in handles.iter().enumerate() {
            let request = self.client.delete_message().queue_url(&self.url);
            match request.receipt_handle(handle).send().await.map_err(failed) {
                Ok(_deleted) => {}
                Err(error @ QueueError::Lost { .. }) => {
                    left.push(NotDeleted { at, code: error.to_string(), fault: Fault::Lasting });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(left)
    }

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
    use std::sync::Arc;
    use std::sync::Mutex;

    use axum::Router;
    use axum::extract::State;
    use axum::http::HeaderMap;
    use axum::http::StatusCode;
    use serde_json::json;

    use super::*;
    use crate::source::stub;
    use crate::telemetry::chain;

    /// The verbs a server was asked for, with their bodies.
    type Asked = Arc<Mutex<Vec<(String, serde_json::Value)>>>;

    async fn answer(
        State(asked): State<Asked>,
        headers: HeaderMap,
        body: String,
    ) -> (StatusCode, String) {
        let verb = headers["x-amz-target"].to_str().unwrap().replace("AmazonSQS.", "");
        asked.lock().unwrap().push((verb.clone(), serde_json::from_str(&body).unwrap()));
        let refuse = |code: &str, message: &str| {
            let body = json!({"__type": format!("com.amazonaws.sqs#{code}"), "message": message});
            (StatusCode::BAD_REQUEST, body.to_string())
        };
        match verb.as_str() {
            "ReceiveMessage" => {
                let message = json!({"MessageId": "m-1", "ReceiptHandle": "h-1", "Body": "{}",
                    "Attributes": {"ApproximateReceiveCount": "3", "SentTimestamp": "1772352902000"}});
                (StatusCode::OK, json!({"Messages": [message]}).to_string())
            }
            "DeleteMessageBatch" => (StatusCode::FORBIDDEN, "<Error/>".to_owned()),
            "ChangeMessageVisibility" => refuse(
                "InvalidParameterValue",
                "Value h-1 for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.",
            ),
            "GetQueueAttributes" => refuse("QueueDoesNotExist", "no such queue"),
            _ if body.contains("h-2") => refuse("ReceiptHandleIsInvalid", "no such handle"),
            _ => (StatusCode::OK, "{}".to_owned()),
        }
    }

    async fn queue() -> (Sqs, Asked) {
        let asked = Asked::default();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&asked));
        (stub_queue(&stub::serve(router).await), asked)
    }

    fn stub_queue(url: &str) -> Sqs {
        Sqs {
            client: stub::sqs_at(url),
            url: format!("{url}/111122223333/logs"),
            wait: Duration::from_secs(20),
            visibility: Duration::from_secs(300),
            batches_are_refused: AtomicBool::new(false),
        }
    }

    #[tokio::test]
    async fn receives_with_a_long_poll_and_our_visibility() {
        let (queue, asked) = queue().await;
        let message = queue.receive(7).await.unwrap().remove(0);
        assert_eq!((message.id.as_str(), message.receives), ("m-1", 3));
        assert_eq!(message.sent_millis, Some(1_772_352_902_000));
        let (_, request) = asked.lock().unwrap().remove(0);
        let number = |name: &str| request[name].as_i64();
        assert_eq!(number("MaxNumberOfMessages"), Some(7));
        assert_eq!(number("WaitTimeSeconds"), Some(20));
        assert_eq!(number("VisibilityTimeout"), Some(300));
    }

    #[tokio::test]
    async fn where_batches_are_refused_messages_are_deleted_singly() {
        let (queue, asked) = queue().await;
        let handles = ["h-1", "h-2", "h-3"].map(str::to_owned);
        for _ in 0..2 {
            let left = queue.delete(&handles).await.unwrap();
            assert_eq!(
                left.iter().map(|it| (it.at, it.fault)).collect::<Vec<_>>(),
                [(1, Fault::Lasting)]
            );
        }
        let verbs: Vec<String> =
            asked.lock().unwrap().iter().map(|(verb, _)| verb.clone()).collect();
        assert_eq!(verbs.iter().filter(|verb| *verb == "DeleteMessageBatch").count(), 1);
        assert_eq!(verbs.iter().filter(|verb| *verb == "DeleteMessage").count(), 6);
    }

    #[tokio::test]
    async fn refusals_are_understood() {
        let (queue, _) = queue().await;
        let lost = queue.hide("h-1", Duration::from_secs(1)).await.unwrap_err();
        assert!(matches!(lost, QueueError::Lost { .. }), "{lost:?}");
        let gone = queue.setup().await.unwrap_err();
        assert!(matches!(gone, QueueError::Gone { .. }), "{gone:?}");
        let away = stub_queue("http://127.0.0.1:1").receive(1).await.unwrap_err();
        assert!(chain(&away).to_string().contains("dispatch failure: "), "{away:?}");
    }

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
