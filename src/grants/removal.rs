//! How long access outlived the grants that it was given for.
//!
//! Invariant: counted is access whose giving and taking away were both seen; what still stands is told of by signals and
//! has no time yet. Time is the events'.

use std::collections::BTreeMap;

use crate::grants::grant::GrantId;
use crate::grants::score::table;
use crate::model::Seconds;
use crate::model::Span;
use crate::store::Connection;
use crate::store::StoreError;
use crate::store::Tx;

/// How many days the mean covers.
const DAYS: i64 = 30;

/// That access was taken away once its grant was over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// The grant.
    pub grant: GrantId,
    /// The access: who has what where.
    pub claim: String,
    /// When the grant ended.
    pub ended: Seconds,
    /// When the access was taken away.
    pub removed: Seconds,
}

impl Removal {
    fn lasted(&self) -> i64 {
        self.removed.since(self.ended).0.max(0)
    }
}

/// The removals of the last days.
#[derive(Debug, Default)]
pub(super) struct Removals {
    /// By day of removal: how many, and how many seconds together.
    days: BTreeMap<i64, (u64, i64)>,
    unsaved: Vec<Removal>,
}

impl Removals {
    pub fn load(connection: &Connection) -> Result<Self, StoreError> {
        let mut removals = Self::default();
        for removal in table::removals(connection, None)? {
            removals.add(&removal);
        }
        Ok(removals)
    }

    fn add(&mut self, removal: &Removal) {
        let of_day = self.days.entry(removal.removed.0.div_euclid(86_400)).or_default();
        of_day.0 += 1;
        of_day.1 = of_day.1.saturating_add(removal.lasted());
    }

    pub fn note(&mut self, removal: Removal) {
        self.add(&removal);
        self.unsaved.push(removal);
    }

    pub fn save(&mut self, tx: &Tx<'_>, newest: Seconds) -> Result<(), StoreError> {
        for removal in self.unsaved.drain(..) {
            table::add_removal(tx, &removal)?;
        }
        let first = newest.0.div_euclid(86_400) - DAYS;
        self.days.retain(|day, _| *day > first);
        Ok(())
    }

    /// Returns how long access outlived its grant in the mean, over the days that end with the day of `newest`.
    #[expect(clippy::cast_precision_loss, reason = "a mean of seconds far below 2^52")]
    pub fn mean(&self, newest: Seconds) -> Option<f64> {
        let last = newest.0.div_euclid(86_400);
        let days = self.days.range(last - DAYS + 1..=last);
        let (count, seconds) =
            days.fold((0, 0), |sum, (_, of_day)| (sum.0 + of_day.0, sum.1 + of_day.1));
        (count > 0).then(|| seconds as f64 / count as f64)
    }
}

/// Returns how long after the end of a grant the last of its access was taken away; nothing if none was seen.
///
/// # Errors
/// When the store cannot be read.
pub fn removed(
    connection: &Connection,
    id: &GrantId,
) -> Result<Option<(Seconds, Span)>, StoreError> {
    let all = table::removals(connection, Some(id))?;
    let last = all.into_iter().max_by_key(|removal| removal.removed);
    Ok(last.map(|removal| (removal.removed, Span(removal.lasted()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_that_of_the_last_days() {
        let mut removals = Removals::default();
        for (day, ended, removed) in
            [(60_i64, 0, 5_000_i64), (100, 0, 10), (100, 20, 30), (101, 50, 40)]
        {
            let at = |second: i64| Seconds(day * 86_400 + second);
            let grant = GrantId("g-1".into());
            let (ended, removed) = (at(ended), at(removed));
            removals.note(Removal { grant, claim: String::new(), ended, removed });
        }
        let mean = |day: i64| removals.mean(Seconds(day * 86_400));
        assert_eq!(mean(100), Some(10.0));
        assert_eq!(mean(101), Some(20.0 / 3.0), "earlier than its end is no time at all");
        assert_eq!(mean(60), Some(5_000.0));
        assert_eq!(mean(200), None);
    }
}
