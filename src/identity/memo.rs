//! Answers that were made, so that they need not be made again for each record of a session.
//!
//! Invariant: what depends on something is dropped when that is learned; all is dropped when it grows too large.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use crate::model::Facts;
use crate::model::Plain;

/// How many answers are made before all are dropped and made again as they are asked for.
const MEMO_MAX: usize = 16_384;

/// Answers given, by the hash of the question, and which of them to drop when something is learned.
#[derive(Default)]
pub(super) struct Memo {
    answers: HashMap<u64, Arc<Facts>, Plain>,
    /// As a rule one answer touches a mark: that one stands outside the list, which then takes no memory.
    touching: HashMap<u64, (u64, Vec<u64>), Plain>,
    /// How many answers were put since all were dropped.
    puts: usize,
}

impl Memo {
    /// The answer given to the question with this hash.
    pub fn get(&self, hash: u64) -> Option<Arc<Facts>> {
        self.answers.get(&hash).map(Arc::clone)
    }

    /// Keeps an answer and what it touched.
    pub fn put(&mut self, hash: u64, facts: Arc<Facts>, touched: &[u64]) {
        if self.puts >= MEMO_MAX {
            *self = Self::default();
        }
        self.puts += 1;
        for mark in touched {
            match self.touching.entry(*mark) {
                Entry::Occupied(mut kept) => kept.get_mut().1.push(hash),
                Entry::Vacant(free) => {
                    free.insert((hash, Vec::new()));
                }
            }
        }
        self.answers.insert(hash, facts);
    }

    /// Drops the answers that touched `mark`.
    pub fn drop_touched(&mut self, mark: u64) {
        let Some((first, others)) = self.touching.remove(&mark) else { return };
        self.answers.remove(&first);
        for question in others {
            self.answers.remove(&question);
        }
    }
}
