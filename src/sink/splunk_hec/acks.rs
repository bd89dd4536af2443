//! Which alerts wait for Splunk's acknowledgement.
//!
//! Invariant: a number confirms the alert that was given it, and no other. Splunk begins to count anew when
//! it restarts; a number that is given a second time while the first still waits shows that, and everything
//! that waited is lost and will be sent again.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use serde::Deserialize;
use serde::Serialize;
use uuid::Builder;
use uuid::Uuid;

/// What is asked: `{"acks":[7,8]}`.
#[derive(Debug, Serialize)]
pub struct Asked {
    /// The numbers that wait.
    pub acks: Vec<u64>,
}

/// What is answered: `{"acks":{"7":true,"8":false}}`. True is said once.
#[derive(Debug, Deserialize)]
pub struct Told {
    acks: BTreeMap<u64, bool>,
}

/// Where an alert stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Not indexed yet.
    Waiting,
    /// Indexed.
    Indexed,
    /// Its number was given to another: Splunk has restarted.
    Lost,
}

/// The acknowledgements of one channel. A channel is for one process, since its numbers are.
#[derive(Debug)]
pub struct Acks {
    channel: Uuid,
    state: Mutex<State>,
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    tickets: u64,
    /// The ticket that waits for each number.
    waiting: BTreeMap<u64, u64>,
    /// The tickets whose number was confirmed.
    indexed: BTreeSet<u64>,
}

/// One alert's place among those that wait; giving it up is dropping it.
#[derive(Debug)]
pub struct Ticket<'a> {
    acks: &'a Acks,
    ack: u64,
    number: u64,
}

impl Acks {
    /// Begins a channel of its own.
    pub fn new() -> Self {
        let channel = Builder::from_random_bytes(fastrand::u128(..).to_be_bytes()).into_uuid();
        Self { channel, state: Mutex::default(), turn: tokio::sync::Mutex::new(()) }
    }

    /// Returns the channel's GUID.
    pub fn channel(&self) -> String {
        self.channel.to_string()
    }

    /// Waits for the turn to ask.
    pub async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Begins to wait for `ack`.
    pub fn wait_for(&self, ack: u64) -> Ticket<'_> {
        let mut state = self.lock();
        if state.waiting.contains_key(&ack) {
            state.waiting.clear();
        }
        state.tickets += 1;
        let number = state.tickets;
        state.waiting.insert(ack, number);
        Ticket { acks: self, ack, number }
    }

    /// Returns the numbers that wait.
    pub fn waiting(&self) -> Vec<u64> {
        self.lock().waiting.keys().copied().collect()
    }

    /// Notes what Splunk told.
    pub fn told(&self, told: &Told) {
        let mut state = self.lock();
        for (ack, _) in told.acks.iter().filter(|(_, indexed)| **indexed) {
            if let Some(ticket) = state.waiting.remove(ack) {
                state.indexed.insert(ticket);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket<'_> {
    /// Returns where the alert stands.
    pub fn standing(&self) -> Standing {
        let state = self.acks.lock();
        if state.indexed.contains(&self.number) {
            Standing::Indexed
        } else if state.waiting.get(&self.ack) == Some(&self.number) {
            Standing::Waiting
        } else {
            Standing::Lost
        }
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut state = self.acks.lock();
        state.indexed.remove(&self.number);
        if state.waiting.get(&self.ack) == Some(&self.number) {
            state.waiting.remove(&self.ack);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(json: &str) -> Told {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn only_true_confirms_and_only_its_own_number() {
        let acks = Acks::new();
        let (seven, eight) = (acks.wait_for(7), acks.wait_for(8));
        acks.told(&told(r#"{"acks":{"7":true,"8":false,"9":true}}"#));
        assert_eq!((seven.standing(), eight.standing()), (Standing::Indexed, Standing::Waiting));
        assert_eq!(acks.waiting(), [8]);
        drop((seven, eight));
        assert!(acks.waiting().is_empty());
        assert!(acks.lock().indexed.is_empty());
    }

    #[test]
    fn a_number_given_twice_loses_all_that_waited() {
        let acks = Acks::new();
        let (old, other) = (acks.wait_for(0), acks.wait_for(1));
        let new = acks.wait_for(0);
        acks.told(&told(r#"{"acks":{"0":true,"1":true}}"#));
        assert_eq!(new.standing(), Standing::Indexed);
        assert_eq!((old.standing(), other.standing()), (Standing::Lost, Standing::Lost));
        drop(old);
        assert_eq!(new.standing(), Standing::Indexed);
    }
}
