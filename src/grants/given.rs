//! What grants give: the permission sets and roles that somebody has to ask a broker for, account by account.
//!
//! A broker that gives the permission set `Admin` in an account says with it that `Admin` is nothing to have there by
//! itself. So what is written with it wants a grant, whoever writes, without an entry that says so.
//!
//! Invariant: a set; the order in which grants come changes nothing. It grows only.

use std::collections::HashMap;
use std::collections::HashSet;

use crate::grants::grant::Status;
use crate::grants::grant::Version;
use crate::grants::verdict::Act;
use crate::model::Glob;

/// How many patterns are kept; a broker that gives more of them than this protects what the first ones say.
const MAX_PATTERNS: usize = 1_000;

/// The accounts of something that is given; `None` is every account.
type Accounts = Option<HashSet<Box<str>>>;

/// What grants give.
#[derive(Debug, Default)]
pub struct Given {
    sets: HashMap<Box<str>, Accounts>,
    roles: HashMap<Box<str>, Accounts>,
    patterns: Vec<Pattern>,
}

/// Something that is given, by a pattern of its name.
#[derive(Debug, PartialEq)]
struct Pattern {
    what: What,
    glob: Glob,
    accounts: Option<Vec<Box<str>>>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum What {
    Set,
    Role,
}

impl Given {
    /// Notes what `version` gives; returns whether that is news.
    pub fn note(&mut self, version: &Version) -> bool {
        let is_given = version.status.gives()
            || matches!(version.status, Status::Approved | Status::Scheduled);
        if !is_given {
            return false;
        }
        let scope = &version.scope;
        let mut news = false;
        for (what, names) in [(What::Set, &scope.permission_sets), (What::Role, &scope.role_arns)] {
            for name in names.iter().flatten() {
                news |= self.note_one(what, name, scope.accounts.as_deref());
            }
        }
        news
    }

    fn note_one(&mut self, what: What, name: &str, accounts: Option<&[Box<str>]>) -> bool {
        let glob = Glob::from(name);
        if glob.matches_anything() {
            // Whoever may ask for anything has said nothing about this one thing.
            return false;
        }
        if !glob.is_literal() {
            let pattern = Pattern { what, glob, accounts: accounts.map(<[_]>::to_vec) };
            let news = self.patterns.len() < MAX_PATTERNS && !self.patterns.contains(&pattern);
            if news {
                self.patterns.push(pattern);
            }
            return news;
        }
        let known = match what {
            What::Set => &mut self.sets,
            What::Role => &mut self.roles,
        };
        let kept = known.entry(name.into()).or_insert_with(|| Some(HashSet::new()));
        match (kept.as_mut(), accounts) {
            (None, _) => false,
            (Some(_), None) => {
                *kept = None;
                true
            }
            (Some(kept), Some(accounts)) => {
                let mut news = false;
                for account in accounts {
                    news |= kept.insert(account.clone());
                }
                news
            }
        }
    }

    /// Returns whether nothing is given.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty() && self.roles.is_empty() && self.patterns.is_empty()
    }

    /// Returns whether `act` is done with something that is given where it is done.
    pub fn holds(&self, act: &Act<'_>) -> bool {
        let is_there = |known: &HashMap<Box<str>, Accounts>, name: &str| {
            let accounts = known.get(name);
            accounts.is_some_and(|accounts| match accounts {
                None => true,
                Some(accounts) => accounts.contains(act.account),
            })
        };
        let fits = |pattern: &Pattern| {
            let name = match pattern.what {
                What::Set => act.permission_set,
                What::Role => act.role_arn,
            };
            let is_there = pattern
                .accounts
                .as_ref()
                .is_none_or(|accounts| accounts.iter().any(|account| **account == *act.account));
            !name.is_empty() && is_there && pattern.glob.matches(name)
        };
        is_there(&self.sets, act.permission_set)
            || is_there(&self.roles, act.role_arn)
            || self.patterns.iter().any(fits)
    }
}
