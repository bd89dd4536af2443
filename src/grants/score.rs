//! The zero-standing-privilege score: which share of what is privileged was done through grants.
//!
//! Verdicts are counted by day and account, and stay in the store, so that a restart changes no score.
//!
//! Invariant: time is the events'. Of an account only what looks like one is a key.

pub(super) mod table;

use std::collections::BTreeMap;

use crate::grants::score::table::DayRow;
use crate::grants::verdict::Verdict;
use crate::model::Seconds;
use crate::store::Connection;
use crate::store::StoreError;
use crate::store::Tx;

/// How many days the rolling score covers.
pub const DAYS: i64 = 30;
/// What accounts are called that do not look like one, or are too many.
const OTHER: &str = "other";
/// How many accounts are told apart.
const MAX_ACCOUNTS: usize = 10_000;

/// How many acts of an account got which verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Score {
    /// By the place of the verdict in [`Verdict::NAMES`].
    counts: [u64; Verdict::NAMES.len()],
}

impl Score {
    /// Returns how many acts got the verdict called `name`.
    pub fn of(&self, name: &str) -> u64 {
        place(name).and_then(|place| self.counts.get(place)).copied().unwrap_or_default()
    }

    /// Returns how many acts wanted a grant: all but those that are exempt.
    pub fn wanted(&self) -> u64 {
        self.counts.iter().sum::<u64>() - self.of("exempt")
    }

    /// Returns the share of these that a grant covered; nothing if there were none.
    #[expect(clippy::cast_precision_loss, reason = "a ratio of counts far below 2^52")]
    pub fn ratio(&self) -> Option<f64> {
        let wanted = self.wanted();
        (wanted > 0).then(|| self.of("covered") as f64 / wanted as f64)
    }

    /// Returns the verdicts by name with how many acts got each.
    pub fn verdicts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Verdict::NAMES.into_iter().zip(self.counts)
    }

    fn add(&mut self, name: &str, more: u64) {
        if let Some(count) = place(name).and_then(|place| self.counts.get_mut(place)) {
            *count += more;
        }
    }

    fn move_one(&mut self, before: &str, now: &str) {
        if let Some(count) = place(before).and_then(|place| self.counts.get_mut(place)) {
            *count -= 1;
        }
        self.add(now, 1);
    }

    fn add_all(&mut self, other: &Self) {
        self.counts.iter_mut().zip(other.counts).for_each(|(count, more)| *count += more);
    }
}

fn place(name: &str) -> Option<usize> {
    Verdict::NAMES.iter().position(|known| *known == name)
}

/// Scores of accounts, by account.
pub type ByAccount = BTreeMap<Box<str>, Score>;

/// Returns the sum over all accounts.
pub fn overall(scores: &ByAccount) -> Score {
    let mut sum = Score::default();
    scores.values().for_each(|score| sum.add_all(score));
    sum
}

/// Returns the scores of the days that `[from, until)` touches.
///
/// # Errors
/// When the store cannot be read.
pub fn scores_in(
    connection: &Connection,
    from: Seconds,
    until: Seconds,
) -> Result<ByAccount, StoreError> {
    let end = until.0.saturating_add(86_399).div_euclid(86_400);
    let mut scores = ByAccount::new();
    for row in table::days(connection, (day_of(from), end))? {
        scores.entry(row.account).or_default().add(&row.verdict, row.acts);
    }
    Ok(scores)
}

/// The verdicts of the last days.
#[derive(Debug, Default)]
pub struct Scores {
    days: BTreeMap<i64, ByAccount>,
    unsaved: BTreeMap<i64, ByAccount>,
    /// Verdicts that were counted and do not hold any more, with those that hold instead.
    revised: Vec<(DayRow, &'static str)>,
}

impl Scores {
    /// Reads the last days.
    pub(super) fn load(connection: &Connection) -> Result<Self, StoreError> {
        let mut scores = Self::default();
        let Some(newest) = table::newest_day(connection)? else { return Ok(scores) };
        for row in table::days(connection, (newest - DAYS, i64::MAX))? {
            let of_day = scores.days.entry(row.day).or_default();
            of_day.entry(row.account).or_default().add(&row.verdict, row.acts);
        }
        Ok(scores)
    }

    pub(super) fn note(&mut self, time: Seconds, account: &str, verdict: &str) {
        let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        let account = if is_account { account } else { OTHER };
        for days in [&mut self.days, &mut self.unsaved] {
            let of_day = days.entry(day_of(time)).or_default();
            let has_room = of_day.len() < MAX_ACCOUNTS || of_day.contains_key(account);
            let account = if has_room { account } else { OTHER };
            match of_day.get_mut(account) {
                Some(score) => score.add(verdict, 1),
                None => of_day.entry(account.into()).or_default().add(verdict, 1),
            }
        }
    }

    /// Takes in that a verdict that was counted, `before`, is another one `now`.
    pub(super) fn revise(&mut self, time: Seconds, account: &str, before: &str, now: &str) {
        let day = day_of(time);
        let Some(now) = Verdict::NAMES.into_iter().find(|name| *name == now) else { return };
        let known = self.days.get_mut(&day).and_then(|of_day| of_day.get_mut(account));
        if let Some(score) = known.filter(|score| score.of(before) > 0) {
            score.move_one(before, now);
        }
        let row = DayRow { day, account: account.into(), verdict: before.into(), acts: 1 };
        self.revised.push((row, now));
    }

    /// Writes what was counted since the last save, and returns it. What was revised is none of it: a counter of what was
    /// judged never goes back.
    pub(super) fn save(&mut self, tx: &Tx<'_>, newest: Seconds) -> Result<ByAccount, StoreError> {
        let mut counted = ByAccount::new();
        for (day, accounts) in std::mem::take(&mut self.unsaved) {
            for (account, score) in accounts {
                counted.entry(account.clone()).or_default().add_all(&score);
                for (verdict, acts) in Verdict::NAMES.iter().zip(score.counts) {
                    if acts > 0 {
                        let row = DayRow {
                            day,
                            account: account.clone(),
                            verdict: (*verdict).into(),
                            acts,
                        };
                        table::add_day(tx, &row)?;
                    }
                }
            }
        }
        for (row, now) in std::mem::take(&mut self.revised) {
            if table::take_day(tx, &row)? {
                table::add_day(tx, &DayRow { verdict: now.into(), ..row })?;
            }
        }
        let first = day_of(newest) - DAYS;
        self.days.retain(|day, _| *day > first);
        Ok(counted)
    }

    /// Returns the scores of the [`DAYS`] days that end with the day of `newest`.
    pub fn rolling(&self, newest: Seconds) -> ByAccount {
        let last = day_of(newest);
        let mut scores = ByAccount::new();
        for accounts in self.days.range(last - DAYS + 1..=last).map(|(_, accounts)| accounts) {
            for (account, score) in accounts {
                scores.entry(account.clone()).or_default().add_all(score);
            }
        }
        scores
    }
}

fn day_of(time: Seconds) -> i64 {
    time.0.div_euclid(86_400)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: &str = "111122223333";
    const DAY: i64 = 86_400;

    fn noted(acts: &[(i64, &str, &str)]) -> Scores {
        let mut scores = Scores::default();
        for (day, account, verdict) in acts {
            scores.note(Seconds(day * DAY + 7), account, verdict);
        }
        scores
    }

    #[test]
    fn the_score_is_the_share_of_what_wants_a_grant() {
        let acts = [
            (100, HOME, "covered"),
            (100, HOME, "covered"),
            (100, HOME, "exempt"),
            (101, HOME, "none"),
            (101, HOME, "expired"),
            (101, "444455556666", "exempt"),
        ];
        let scores = noted(&acts).rolling(Seconds(101 * DAY));
        assert_eq!(scores[HOME].ratio(), Some(0.5));
        assert_eq!(scores["444455556666"].ratio(), None, "nothing wanted a grant");
        assert_eq!(overall(&scores).wanted(), 4);
    }

    #[test]
    fn old_days_leave_the_window_and_days_to_come_are_not_in_it() {
        let scores = noted(&[(70, HOME, "none"), (71, HOME, "covered"), (101, HOME, "none")]);
        let score = |day: i64| scores.rolling(Seconds(day * DAY))[HOME].ratio();
        assert_eq!(score(99), Some(0.5));
        assert_eq!(score(100), Some(1.0), "the 70th day is the 31st back");
        assert_eq!(score(101), Some(0.0));
    }

    #[test]
    fn what_is_no_account_is_counted_together() {
        let scores = noted(&[(1, "evil\n", "none"), (1, "", "none")]).rolling(Seconds(DAY));
        assert_eq!(scores.keys().map(|it| &**it).collect::<Vec<_>>(), [OTHER]);
        assert_eq!(scores[OTHER].of("none"), 2);
    }
}
