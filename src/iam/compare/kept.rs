//! What conditions come to, worked out once: most statements of a policy ask one of a few things.
//!
//! Invariant: what is kept is what would be worked out again.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use crate::iam::compare::clause::Asks;
use crate::iam::compare::clause::Clause;
use crate::iam::compare::terms::Terms;

/// How much is kept. What people write comes to a few hundred.
const MAX_KEPT: usize = 4_000;

/// What conditions come to.
pub(super) struct Kept {
    /// What is so of every request.
    always: Arc<Asks>,
    /// The conditions of statements.
    read: Vec<Arc<Terms>>,
    settled: RefCell<Answers<Option<Arc<Terms>>>>,
    excluded: RefCell<Answers<bool>>,
    less: RefCell<Answers<Arc<[Arc<Terms>]>>>,
}

impl Kept {
    pub(super) fn new(always: Asks) -> Self {
        Self {
            always: Arc::new(always),
            read: Vec::new(),
            settled: RefCell::default(),
            excluded: RefCell::default(),
            less: RefCell::default(),
        }
    }

    /// Returns the conditions of a statement, the same for the same.
    pub(super) fn read(&mut self, must: Vec<Arc<Clause>>) -> Arc<Terms> {
        let terms = Terms { must, unless: Vec::new() };
        if let Some(known) = self.read.iter().find(|it| ***it == terms) {
            return known.clone();
        }
        let terms = Arc::new(terms);
        self.read.push(terms.clone());
        terms
    }

    /// Returns the smallest form; `None` if surely no request fulfils it.
    pub(super) fn settled(&self, terms: &Arc<Terms>) -> Option<Arc<Terms>> {
        if terms.is_empty() {
            return Some(terms.clone());
        }
        let settle = || terms.settled(&self.always).map(Arc::new);
        self.settled.borrow_mut().of([terms, terms], settle)
    }

    /// Returns whether surely no request that fulfils the one, which is settled, fulfils what the other asks in any case.
    pub(super) fn exclude(&self, terms: &Arc<Terms>, others: &Arc<Terms>) -> bool {
        let mut excluded = self.excluded.borrow_mut();
        excluded.of([terms, others], || terms.exclude(others, &self.always))
    }

    /// Returns what is asked here and not there, settled, in pieces that have nothing in common.
    pub(super) fn less(&self, terms: &Arc<Terms>, off: &Arc<Terms>) -> Arc<[Arc<Terms>]> {
        let settle = |piece: Terms| match piece.is_empty() {
            true => Some(Arc::new(piece)),
            false => piece.settled(&self.always).map(Arc::new),
        };
        let pieces = || terms.minus(off).into_iter().filter_map(settle).collect();
        self.less.borrow_mut().of([terms, off], pieces)
    }
}

/// Answers to questions about two, by where they are in memory; they are kept there.
struct Answers<T>(HashMap<[*const Terms; 2], ([Arc<Terms>; 2], T)>);

impl<T> Default for Answers<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Clone> Answers<T> {
    fn of(&mut self, about: [&Arc<Terms>; 2], answer: impl FnOnce() -> T) -> T {
        let place = about.map(Arc::as_ptr);
        if let Some((_, known)) = self.0.get(&place) {
            return known.clone();
        }
        let answer = answer();
        if self.0.len() < MAX_KEPT {
            self.0.insert(place, (about.map(Arc::clone), answer.clone()));
        }
        answer
    }
}
