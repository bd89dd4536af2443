//! What tests of several rooms simulate with: a shelf in memory, and a pace that waits for nothing.
//!
//! Invariant: nothing here is in the program.

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;

use crate::model::Seconds;
use crate::simulate::Pace;
use crate::simulate::Shelf;
use crate::simulate::Turn;

/// Keeps what is written, by its key.
#[derive(Debug, Default)]
pub struct Memory(pub Mutex<BTreeMap<String, Vec<u8>>>);

impl Shelf for Memory {
    fn put(&self, key: &str, bytes: &[u8]) -> io::Result<()> {
        self.0
            .lock()
            .expect("no test holds it while it panics")
            .insert(key.to_owned(), bytes.to_vec());
        Ok(())
    }
}

/// Delivers all at once.
#[derive(Debug)]
pub struct AtOnce;

impl Pace for AtOnce {
    fn wait_for(&self, _: Seconds) -> Turn {
        Turn::Deliver
    }

    fn told(&self, _: i64, _: u64) {}
}
