//! What conditions come to, worked out once: most statements of a policy ask one of a few things.
//!
//! Invariant: what is kept is what would be worked out again.

use std::cell::RefCell;
use std::collections::BTreeMap;
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
struct Answers<T>(BTreeMap<[*const Terms; 2], ([Arc<Terms>; 2], T)>);

impl<T> Default for Answers<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::Document;
    use crate::iam::Kind;
    use crate::iam::compare::clause::Clauses;
    use crate::iam::compare::variables::Variables;
    use crate::model::Seconds;

    #[test]
    fn the_same_is_worked_out_once_and_as_it_would_be_again() {
        let text = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{
            "Bool":{"aws:SecureTransport":"true"},"StringEquals":{"aws:RequestedRegion":"eu-west-1"}}}}"#;
        let document = Document::parse(text, Kind::Identity).unwrap();
        let (mut clauses, mut variables) = (Clauses::default(), Variables::default());
        let conditions = document.statements[0].conditions.iter();
        let all: Vec<Arc<Clause>> =
            conditions.map(|it| clauses.read(it, document.language, &mut variables)).collect();
        let mut kept = Kept::new(Asks::from(Seconds(1_772_352_000)));
        let (one, both) = (kept.read(vec![all[0].clone()]), kept.read(all.clone()));
        assert!(Arc::ptr_eq(&both, &kept.read(all)));
        for _ in 0..2 {
            assert_eq!(kept.settled(&both).as_deref(), both.settled(&kept.always).as_ref());
            assert_eq!(kept.exclude(&both, &one), both.exclude(&one, &kept.always));
            assert!(kept.less(&both, &one).is_empty(), "what asks more is no more");
            let left = kept.less(&one, &both);
            assert!(Arc::ptr_eq(&left[0], &kept.less(&one, &both)[0]));
            assert_eq!(left[0].unless.len(), 1);
        }
    }
}
