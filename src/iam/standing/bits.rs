//! Sets of IAM's actions, one bit each.
//!
//! Invariant: a set holds actions of the table alone; what a pattern allows besides is not in it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::LazyLock;

use crate::iam::pattern::matches;
use crate::iam::policy::Listed;
use crate::iam::standing::Protected;
use crate::model::actions;
use crate::model::actions::Level;

static TABLE: LazyLock<Vec<Action>> = LazyLock::new(table);

/// An action of the table.
pub struct Action {
    /// In lower case, by which the table is sorted.
    pub lower: Box<str>,
    /// As AWS spells it.
    pub name: Box<str>,
    /// How much it may do.
    pub level: Level,
}

fn table() -> Vec<Action> {
    let mut all: Vec<Action> = actions::all()
        .map(|(service, name, level)| {
            let name: Box<str> = format!("{service}:{name}").into();
            Action { lower: name.to_ascii_lowercase().into(), name, level }
        })
        .collect();
    all.sort_by(|a, b| a.lower.cmp(&b.lower));
    all
}

/// Returns every action.
pub fn every() -> &'static [Action] {
    &TABLE
}

/// A set of actions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Bits(Box<[u64]>);

impl Bits {
    /// Returns the empty set.
    pub fn none() -> Self {
        Self(vec![0; TABLE.len().div_ceil(64)].into())
    }

    /// Returns the actions for which `fits` holds.
    pub fn of(fits: impl Fn(&Action) -> bool) -> Self {
        let mut bits = Self::none();
        for (at, action) in TABLE.iter().enumerate() {
            if fits(action) {
                bits.set(at);
            }
        }
        bits
    }

    /// Returns the actions that a statement is about.
    pub fn listed(list: &Listed<Box<str>>) -> Self {
        let mut bits = Self::none();
        let (Listed::Only(patterns) | Listed::AllBut(patterns)) = list;
        for pattern in patterns {
            bits.add(pattern);
        }
        if matches!(list, Listed::AllBut(_)) {
            let all = Self::of(|_| true);
            bits = all.less(&bits);
        }
        bits
    }

    fn add(&mut self, pattern: &str) {
        let fixed = pattern.find(['*', '?']).unwrap_or(pattern.len());
        let (start, rest) = pattern.split_at_checked(fixed).unwrap_or((pattern, ""));
        let from = TABLE.partition_point(|action| *action.lower < *start);
        let of_start = TABLE.iter().enumerate().skip(from);
        for (at, action) in of_start.take_while(|(_, action)| action.lower.starts_with(start)) {
            if rest == "*" || matches(pattern, &action.lower) {
                self.set(at);
            }
        }
    }

    fn set(&mut self, at: usize) {
        if let Some(word) = self.0.get_mut(at / 64) {
            *word |= 1 << (at % 64);
        }
    }

    /// Returns whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Returns how many actions are in it.
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Returns whether both have an action in common.
    pub fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).any(|(a, b)| a & b != 0)
    }

    /// Returns what is in both.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a &= b);
        self
    }

    /// Returns what is in either.
    #[must_use]
    pub fn or(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a |= b);
        self
    }

    /// Returns what is not in the other.
    #[must_use]
    pub fn less(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a &= !b);
        self
    }

    /// Returns those of its actions for which `fits` holds.
    pub fn those(&self, mut fits: impl FnMut(&Action) -> bool) -> Self {
        let mut bits = Self::none();
        for (at, action) in TABLE.iter().enumerate() {
            let has = self.0.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1);
            if has && fits(action) {
                bits.set(at);
            }
        }
        bits
    }

    /// Returns its actions in order.
    pub fn iter(&self) -> impl Iterator<Item = &'static Action> {
        self.0.iter().enumerate().flat_map(|(at, word)| {
            let word = *word;
            let set = (0..64).filter(move |bit| word >> bit & 1 == 1);
            set.filter_map(move |bit| TABLE.get(at * 64 + bit))
        })
    }
}

/// Which actions are protected in each account, worked out once.
#[derive(Debug, Default)]
pub struct Surfaces(RefCell<BTreeMap<Box<str>, Arc<Bits>>>);

impl Surfaces {
    /// Returns the actions that are protected in `account`.
    pub fn of(&self, account: &str, protected: &dyn Protected) -> Arc<Bits> {
        if let Some(known) = self.0.borrow().get(account) {
            return Arc::clone(known);
        }
        let bits = Arc::new(Bits::of(|action| protected.is_protected(&action.name, account)));
        self.0.borrow_mut().insert(account.into(), Arc::clone(&bits));
        bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_sets() {
        let of = |patterns: &[&str]| {
            let patterns = patterns.iter().map(|it| (*it).into()).collect();
            Bits::listed(&Listed::Only(patterns))
        };
        let names = |bits: &Bits| bits.iter().map(|it| it.name.to_string()).collect::<Vec<_>>();
        assert_eq!(names(&of(&["iam:passrole", "newthing:opendoor"])), ["iam:PassRole"]);
        assert_eq!(of(&["*"]).len(), every().len());
        assert_eq!(
            of(&["iam:*"]).len(),
            every().iter().filter(|it| it.lower.starts_with("iam:")).count()
        );
        assert!(names(&of(&["*:describe*"])).contains(&"ec2:DescribeInstances".to_owned()));
        let but = Bits::listed(&Listed::AllBut(vec!["iam:*".into()]));
        assert!(!but.meets(&of(&["iam:*"])));
        assert_eq!(but.len() + of(&["iam:*"]).len(), every().len());
    }
}
