//! What a source did, as numbers that anyone may read at any time.
//!
//! Invariant: a counter never goes down while its source runs; gauges say so in their comment.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)*) => {
        /// The counters of one source.
        #[derive(Debug)]
        pub struct Counters {
            /// The configured name of the source.
            pub source: Arc<str>,
            $($(#[doc = $doc])+ pub $name: AtomicU64,)*
        }

        impl Counters {
            /// Returns counters of the source called `source`, all zero.
            pub fn new(source: &str) -> Arc<Self> {
                Arc::new(Self { source: Arc::from(source), $($name: AtomicU64::new(0),)* })
            }

            /// Returns all counters with their names, in a fixed order.
            pub fn snapshot(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.load(Ordering::Relaxed)),)*]
            }
        }
    };
}

counters! {
    /// Messages received, redeliveries included.
    messages_received,
    /// Messages deleted, each after everything it announced was committed.
    messages_deleted,
    /// Messages left on the queue to be delivered again later.
    messages_left,
    /// Messages whose visibility was lost while we worked on them.
    messages_lost,
    /// Visibility extensions.
    extensions,
    /// Entries of delete batches that the queue refused for good.
    delete_failures,
    /// Calls to receive that failed.
    receive_failures,
    /// Messages and objects that can never be read, handed over for quarantine.
    rejected,
    /// Messages and objects that are recognised and carry no records.
    noise,
    /// Removals of objects below `AWSLogs` that the queue told of.
    removed,
    /// Records that came inside a message.
    inline,
    /// Objects that were committed before and not read again.
    known,
    /// Objects read.
    objects_fetched,
    /// Bytes read.
    bytes_fetched,
    /// Attempts to read an object that failed.
    fetch_failures,
    /// Objects found by a listing or a walk.
    objects_listed,
    /// Their bytes.
    bytes_listed,
    /// 1 once the listing is complete, so that `bytes_listed` is all there is.
    listing_complete,
    /// Gauge: milliseconds between the sending and the receipt of the newest message.
    lag_millis,
}

/// Adds one to `counter`.
pub(super) fn count(counter: &AtomicU64) {
    add(counter, 1);
}

/// Adds `more` to `counter`.
pub(super) fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_names_every_counter() {
        let counters = Counters::new("trail");
        count(&counters.messages_received);
        add(&counters.bytes_fetched, 7);
        let snapshot = counters.snapshot();
        assert!(snapshot.contains(&("messages_received", 1)));
        assert!(snapshot.contains(&("bytes_fetched", 7)));
        assert_eq!(snapshot.len(), 19);
    }
}
