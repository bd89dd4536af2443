//! A queue in memory, for tests: what SQS promises, with time passing only when the test says so.
//!
//! Invariant: a message is visible, hidden or deleted, and only the handle of its newest receipt works.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::time::Duration;

use tokio::sync::Notify;

use crate::source::error::Fault;
use crate::source::sqs::queue::Message;
use crate::source::sqs::queue::NotDeleted;
use crate::source::sqs::queue::Queue;
use crate::source::sqs::queue::QueueError;

/// A queue in memory.
#[derive(Debug, Default)]
pub(super) struct MemoryQueue {
    state: Mutex<State>,
    changed: Notify,
}

/// Everything about the queue that a test may look at or set.
#[derive(Debug, Default)]
pub(super) struct State {
    visible: VecDeque<Message>,
    hidden: BTreeMap<String, Message>,
    handles: u32,
    /// Ids of deleted messages.
    pub(super) deleted: Vec<String>,
    /// Ids and lengths of every `hide`.
    pub(super) hides: Vec<(String, Duration)>,
    /// The sizes of delete batches.
    pub(super) delete_batches: Vec<usize>,
    /// How many entries to refuse once, as if throttled.
    pub(super) refuse_deletes: usize,
    /// The largest number of messages that were hidden at once.
    pub(super) most_hidden: usize,
}

impl MemoryQueue {
    /// Sends a message.
    pub(super) fn send(&self, id: &str, body: &str) {
        self.state().visible.push_back(Message {
            id: id.to_owned(),
            handle: String::new(),
            body: body.to_owned(),
            receives: 0,
            sent_millis: None,
        });
        self.changed.notify_waiters();
    }

    /// Lets the visibility of all hidden messages end.
    pub(super) fn expire(&self) {
        let mut state = self.state();
        let hidden = std::mem::take(&mut state.hidden);
        state.visible.extend(hidden.into_values());
        drop(state);
        self.changed.notify_waiters();
    }

    /// Returns the state, locked.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Waits until `wanted` holds.
    pub(super) async fn until(&self, wanted: impl Fn(&State) -> bool) {
        let waiting = async {
            loop {
                let changed = self.changed.notified();
                if wanted(&self.state()) {
                    return;
                }
                changed.await;
            }
        };
        let limit = Duration::from_secs(20);
        tokio::time::timeout(limit, waiting).await.expect("the queue reaches the wanted state");
    }
}

impl Queue for MemoryQueue {
    async fn receive(&self, max: usize) -> Result<Vec<Message>, QueueError> {
        self.until(|state| !state.visible.is_empty()).await;
        let mut state = self.state();
        let mut received = Vec::new();
        while received.len() < max
            && let Some(mut message) = state.visible.pop_front()
        {
            state.handles += 1;
            message.handle = format!("h{}", state.handles);
            message.receives += 1;
            state.hidden.insert(message.handle.clone(), message.clone());
            received.push(message);
        }
        state.most_hidden = state.most_hidden.max(state.hidden.len());
        Ok(received)
    }

    async fn delete(&self, handles: &[String]) -> Result<Vec<NotDeleted>, QueueError> {
        let mut state = self.state();
        state.delete_batches.push(handles.len());
        let mut not_deleted = Vec::new();
        for (at, handle) in handles.iter().enumerate() {
            if state.refuse_deletes > 0 {
                state.refuse_deletes -= 1;
                let code = "InternalError".to_owned();
                not_deleted.push(NotDeleted { at, code, fault: Fault::Passing });
                continue;
            }
            match state.hidden.remove(handle) {
                Some(message) => state.deleted.push(message.id),
                None => {
                    let code = "ReceiptHandleIsInvalid".to_owned();
                    not_deleted.push(NotDeleted { at, code, fault: Fault::Lasting });
                }
            }
        }
        drop(state);
        self.changed.notify_waiters();
        Ok(not_deleted)
    }

    async fn hide(&self, handle: &str, length: Duration) -> Result<(), QueueError> {
        let mut state = self.state();
        let Some(message) = state.hidden.get(handle).cloned() else {
            return Err(QueueError::Lost { source: "no such handle".into() });
        };
        state.hides.push((message.id.clone(), length));
        if length.is_zero() {
            state.hidden.remove(handle);
            state.visible.push_back(message);
        }
        drop(state);
        self.changed.notify_waiters();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_message_comes_back_until_it_is_deleted_by_its_newest_handle() {
        let queue = MemoryQueue::default();
        queue.send("m1", "a");
        let first = queue.receive(10).await.unwrap().remove(0);
        assert_eq!((first.id.as_str(), first.receives), ("m1", 1));
        queue.expire();
        let second = queue.receive(10).await.unwrap().remove(0);
        assert_eq!((second.id.as_str(), second.receives), ("m1", 2));
        assert_ne!(first.handle, second.handle);

        let stale = queue.delete(std::slice::from_ref(&first.handle)).await.unwrap();
        assert_eq!(stale.len(), 1);
        assert!(queue.hide(&first.handle, Duration::from_secs(1)).await.is_err());
        assert_eq!(queue.delete(&[second.handle]).await.unwrap(), []);
        queue.expire();
        assert_eq!(queue.state().deleted, ["m1"]);
        assert!(queue.state().visible.is_empty());
    }

    #[tokio::test]
    async fn hiding_for_nothing_shows_at_once() {
        let queue = MemoryQueue::default();
        queue.send("m1", "a");
        let message = queue.receive(1).await.unwrap().remove(0);
        queue.hide(&message.handle, Duration::ZERO).await.unwrap();
        assert_eq!(queue.receive(1).await.unwrap().remove(0).id, "m1");
    }

    #[tokio::test]
    async fn receives_no_more_than_asked() {
        let queue = MemoryQueue::default();
        for id in ["a", "b", "c"] {
            queue.send(id, "");
        }
        assert_eq!(queue.receive(2).await.unwrap().len(), 2);
        assert_eq!(queue.receive(2).await.unwrap().len(), 1);
        assert_eq!(queue.state().most_hidden, 3);
    }
}
