//! The inventory of standing privilege in the core: taken once a while of event time, and what is new in it told.
//!
//! A small one is taken at once. A large one takes seconds: another thread takes it from a copy of the state, the core goes on,
//! and takes what came of it when it is done, at the latest when the next is due. The copy costs the core four to five
//! milliseconds for each thousand users and roles: half a second for 100,000, once each time an inventory is taken.
//!
//! Invariant: what is told follows from the state at the moment the inventory was due, whichever thread took it and however
//! long that took. A process that ends before it is done takes it again, of the state as it is then.

use std::thread::JoinHandle;

use crate::grants::Surface;
use crate::iam::State;
use crate::iam::standing::Activity as _;
use crate::iam::standing::Asking;
use crate::iam::standing::Standing;
use crate::iam::standing::expected_names;
use crate::iam::standing::news::Taken;
use crate::iam::standing::news::taken;
use crate::iam::standing::touched::Scope;
use crate::iam::standing::uses::Whose;
use crate::iam::state::Account;
use crate::model::Seconds;
use crate::pipeline::core::Core;
use crate::pipeline::standing::Surfaced;
use crate::rules::Service;

/// How many users, roles and assignments are looked through at once: a tenth of a second.
const AT_ONCE: usize = 500;

/// An inventory under way.
pub(super) struct Running {
    at: Seconds,
    number: u64,
    thread: JoinHandle<Taken>,
}

impl Core {
    /// Takes the inventory if it is due, and tells what is new in one that is done. Where nothing comes any more, as at the end
    /// of a scan, one that there is none before to hold against would tell nobody anything.
    pub(super) fn take_stock(&mut self, watermark: Seconds) {
        if watermark == Seconds(i64::MAX) && self.policies.news.is_first() {
            return;
        }
        let watermark = watermark.min(self.newest);
        // The next one is held against the one under way and waits for it: else the machine's speed would say which days of
        // an archive have one.
        let due = self.policies.news.due(watermark);
        let is_over = |it: &Running| it.thread.is_finished() || due.is_some_and(|at| at > it.at);
        if self.policies.running.as_ref().is_some_and(is_over) {
            self.end_stock();
        }
        let Some(drift) = &mut self.policies.drift else { return };
        let due = self.policies.news.due(watermark).filter(|_| self.policies.running.is_none());
        let Some(at) = due else { return };
        let (known, number) = self.policies.news.before();
        let touched = drift.touched();
        let said = self.protect.said(drift.state(), watermark);
        let left = self.policies.news.left();
        let scope = touched.scope(drift.state(), left, &said);
        let left = left.cloned().unwrap_or_default();
        let depth = self.settings.policies.depth.into();
        if size(drift.state(), &scope) <= AT_ONCE {
            let expected = expected_names();
            let asking = Asking { now: watermark, depth, expected: &expected };
            let surface = Surfaced(self.protect.surface());
            let of = (&*known, scope, left);
            let taken = taken(drift.state(), &surface, &said, &asking, of);
            drop(known);
            self.tell_of_stock(taken, (at, number));
            return;
        }
        let (state, config) = (drift.state().clone(), self.settings.grants.clone());
        let thread = std::thread::spawn(move || {
            let surface = Surface::new(&config);
            let expected = expected_names();
            let asking = Asking { now: watermark, depth, expected: &expected };
            taken(&state, &Surfaced(&surface), &said, &asking, (&known, scope, left))
        });
        self.policies.running = Some(Running { at, number, thread });
    }

    /// Waits for the inventory under way, and tells what is new in it.
    pub(super) fn end_stock(&mut self) {
        let Some(Running { at, number, thread }) = self.policies.running.take() else { return };
        match thread.join() {
            Ok(taken) => self.tell_of_stock(taken, (at, number)),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    fn tell_of_stock(&mut self, taken: Taken, of: (Seconds, u64)) {
        let Some(drift) = &self.policies.drift else { return };
        let state = drift.state();
        let mut seen = self.protect.said(state, of.0);
        let holders: Vec<&str> = taken.new.iter().map(|row| &*row.holder).collect();
        let surface = Surfaced(self.protect.surface());
        // What cannot be read now cannot be written either: the commit says so.
        let read = seen.read(self.store.connection(), &surface, Whose::Of(&holders));
        self.policies.failed = read.err();
        let used = |row: &Standing| seen.used(&row.holder, &row.account);
        let signals = self.policies.news.take(taken, of, state, &used);
        for signal in signals {
            self.signal(&Service::Policies, &signal, "");
        }
    }
}

/// Returns how many holders there are to look at.
fn size(state: &State, scope: &Scope) -> usize {
    let of = |account: &Account| account.users.len() + account.roles.len();
    let accounts = state.accounts.iter().filter(|(id, _)| scope.has(id));
    let assigned = state.identity_center.assignments.iter();
    accounts.map(|(_, account)| of(account)).sum::<usize>()
        + assigned.filter(|it| scope.has(&it.account)).count()
}
