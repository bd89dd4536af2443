//! Waiting for something, or for the word to stop.
//!
//! Invariant: when the sender of the word is gone, that is the word.

use std::future::Future;

use tokio::sync::watch;

/// Waits for `work` and returns its result, or `None` as soon as `stop` says so.
pub(super) async fn until<T>(
    stop: &mut watch::Receiver<bool>,
    work: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        biased;
        _told_or_gone = stop.wait_for(|stopped| *stopped) => None,
        result = work => Some(result),
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test]
    async fn a_stop_and_a_lost_sender_both_end_the_wait() {
        let (say, mut stop) = watch::channel(false);
        assert_eq!(until(&mut stop, async { 1 }).await, Some(1));
        say.send_replace(true);
        assert_eq!(until(&mut stop, pending::<()>()).await, None);
        let (say, mut stop) = watch::channel(false);
        drop(say);
        assert_eq!(until(&mut stop, pending::<()>()).await, None);
    }
}
