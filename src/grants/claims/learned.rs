//! What claims and messages teach on the way: who is called how, which permission set has which name, what brokers give.
//!
//! Invariant: what is learned says since when, in event time, and only grows; a question is asked as of a time and has
//! the same answer whenever it is asked.

use std::collections::BTreeMap;

use crate::grants::claims::table::Lesson;
use crate::model::Seconds;

/// How many lessons of each kind are kept; what comes later is not learned.
const MAX: usize = 100_000;

/// What a lesson is about. The names are those in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Topic {
    /// A user's id has this name.
    User,
    /// A user's name, in lower case, has this id.
    Person,
    /// A permission set's ARN has this name, by its own record.
    Set,
    /// A permission set's ARN has this name, as it looks: so many times it went with a grant of that name.
    Guess,
    /// A broker gives this: the entitlement of a claim, by kind and account.
    Brokered,
    /// What this source says shows in an account: the two go together.
    Shown,
    /// A signal was told.
    Told,
}

impl Topic {
    pub const ALL: [Self; 7] =
        [Self::User, Self::Person, Self::Set, Self::Guess, Self::Brokered, Self::Shown, Self::Told];

    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Person => "person",
            Self::Set => "set",
            Self::Guess => "guess",
            Self::Brokered => "brokered",
            Self::Shown => "shown",
            Self::Told => "told",
        }
    }
}

/// Since when something holds, and how often it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Since {
    time: Seconds,
    times: u32,
}

/// Everything learned.
#[derive(Debug, Default)]
pub(super) struct Learned {
    known: BTreeMap<(Topic, Box<str>, Box<str>), Since>,
    counts: BTreeMap<Topic, usize>,
    unsaved: Vec<(Topic, Box<str>, Box<str>)>,
}

impl Learned {
    /// Learns that `value` goes with `name` since `time`; returns whether that is news.
    pub fn learn(&mut self, topic: Topic, name: &str, value: &str, time: Seconds) -> bool {
        let key = (topic, name.into(), value.into());
        match self.known.get_mut(&key) {
            Some(since) => {
                let earlier = since.time.min(time);
                let has_changed = topic == Topic::Guess || earlier != since.time;
                *since = Since { time: earlier, times: since.times.saturating_add(1) };
                if has_changed {
                    self.unsaved.push(key);
                }
                false
            }
            None => {
                let count = self.counts.entry(topic).or_default();
                if *count >= MAX && topic != Topic::Told {
                    return false;
                }
                *count += 1;
                self.known.insert(key.clone(), Since { time, times: 1 });
                self.unsaved.push(key);
                true
            }
        }
    }

    /// Takes in what the store has.
    pub fn load(&mut self, lesson: Lesson) {
        let Lesson { topic, name, value, time, times } = lesson;
        *self.counts.entry(topic).or_default() += 1;
        self.known.insert((topic, name, value), Since { time, times });
    }

    /// Returns what goes with `name` as of `time`, with how often it was seen.
    pub fn values(
        &self,
        topic: Topic,
        name: &str,
        time: Seconds,
    ) -> impl Iterator<Item = (&str, u32)> {
        let of_name = (topic, Box::from(name), Box::from(""));
        let name = name.to_owned();
        let found = self.known.range(of_name..);
        let found =
            found.take_while(move |((its, known, _), _)| (*its, &**known) == (topic, &*name));
        let known_by_then = found.filter(move |(_, since)| since.time <= time);
        known_by_then.map(|((_, _, value), since)| (&**value, since.times))
    }

    /// Returns whether `value` goes with `name` as of `time`.
    pub fn holds(&self, topic: Topic, name: &str, value: &str, time: Seconds) -> bool {
        let since = self.known.get(&(topic, name.into(), value.into()));
        since.is_some_and(|since| since.time <= time)
    }

    /// Returns the name of a permission set: its own, else the one it went with far oftener than with others.
    pub fn set_name(&self, arn: &str, time: Seconds) -> Option<&str> {
        if let Some((name, _)) = self.values(Topic::Set, arn, time).next() {
            return Some(name);
        }
        let mut guesses: Vec<(u32, &str)> =
            self.values(Topic::Guess, arn, time).map(|(name, times)| (times, name)).collect();
        guesses.sort_unstable();
        let (times, name) = guesses.pop()?;
        let others: u32 = guesses.iter().map(|(times, _)| times).sum();
        (times > others.saturating_mul(2)).then_some(name)
    }

    /// Forgets signals that were told before `time`.
    pub fn forget(&mut self, time: Seconds) {
        self.known.retain(|(topic, _, _), since| *topic != Topic::Told || since.time >= time);
    }

    /// Returns what was learned since the last time.
    pub fn unsaved(&mut self) -> Vec<Lesson> {
        let mut keys = std::mem::take(&mut self.unsaved);
        keys.sort_unstable();
        keys.dedup();
        let lesson = |key: (Topic, Box<str>, Box<str>)| {
            let Since { time, times } = *self.known.get(&key)?;
            let (topic, name, value) = key;
            Some(Lesson { topic, name, value, time, times })
        };
        keys.into_iter().filter_map(lesson).collect()
    }
}
