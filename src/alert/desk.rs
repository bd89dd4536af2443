//! The desk: where matches become alerts or fold into open ones.
//!
//! The desk remembers only what folding needs (counts and event ids), as a cache of the `alert` table.
//! What it has forgotten, or never knew since the process is new, it finds there when it saves; so a
//! restart, or forgetting everything, changes no alert.
//!
//! Invariant: which alerts there are, their counts and their first and last seen do not depend on the order
//! of matches. Of several matches in one commit group the oldest tells the story; once an alert is
//! committed its story stays, because it has been sent, until a revision says otherwise (`revise.rs`).

use std::collections::BTreeSet;
use std::collections::HashMap;

use crate::alert::Config;
use crate::alert::compose::compose;
use crate::alert::fingerprint::Fingerprint;
use crate::alert::fingerprint::event_id;
use crate::alert::revise::Revision;
use crate::alert::story::Stories;
use crate::alert::table;
use crate::alert::table::Known;
use crate::alert::table::Seen;
use crate::model::Alert;
use crate::model::AlertId;
use crate::model::AlertStatus;
use crate::model::Detector;
use crate::model::Event;
use crate::model::Reason;
use crate::model::ReasonKind;
use crate::model::Seconds;
use crate::model::Severity;
use crate::store::StoreError;
use crate::store::Tx;

/// What became of a match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is the first of its alert that this process remembers. [`Desk::save`] says whether the store knew it.
    Opened(AlertId),
    /// It folded into an alert that is open.
    Folded(AlertId),
    /// The alert has this very event already.
    Repeated(AlertId),
}

impl Outcome {
    /// Returns the alert that has the match.
    pub fn alert(self) -> AlertId {
        match self {
            Self::Opened(id) | Self::Folded(id) | Self::Repeated(id) => id,
        }
    }
}

/// An alert, or a revision of one, that is to go out.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// The alert.
    pub alert: Alert,
    /// The highest severity that it has had: who was told of it then is told of what became of it.
    pub highest: Severity,
}

/// Open alerts, and the matches that have not been saved yet.
#[derive(Debug)]
pub struct Desk {
    pub(super) config: Config,
    pub(super) stories: Stories,
    pub(super) open: HashMap<AlertId, Open>,
    /// What `save` has to write, in an order that depends on nothing else.
    touched: BTreeSet<AlertId>,
    pub(super) revisions: Vec<Revision>,
}

#[derive(Debug)]
pub(super) struct Open {
    pub(super) seen: Seen,
    closes: Seconds,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Not committed; made of the match that happened at this time and has this id.
    Fresh { alert: Box<Alert>, told_by: (Seconds, String) },
    /// In the store.
    Stored,
}

impl Desk {
    /// Makes a desk that remembers nothing yet.
    pub fn new(config: &Config) -> Self {
        Self {
            config: config.clone(),
            stories: Stories::new(),
            open: HashMap::new(),
            touched: BTreeSet::new(),
            revisions: Vec::new(),
        }
    }

    /// Takes in a match of `detector` on `event`, which was read from `object`.
    pub fn raise(&mut self, detector: &Detector, event: &Event<'_>, object: &str) -> Outcome {
        self.take(detector, event, object, None)
    }

    /// Takes in a match that nothing spoke for when its event was read. What opens by it says why.
    pub fn raise_late(
        &mut self,
        detector: &Detector,
        event: &Event<'_>,
        object: &str,
        because: &Reason,
    ) -> Outcome {
        self.take(detector, event, object, Some(because))
    }

    fn take(
        &mut self,
        detector: &Detector,
        event: &Event<'_>,
        object: &str,
        because: Option<&Reason>,
    ) -> Outcome {
        let print = Fingerprint::of(detector, event);
        let by = (event.time, event_id(event));
        let id = print.id.clone();
        let compose = || {
            let alert = compose(&self.config, &self.stories, detector, event, &print, object);
            Alert { reason: because.cloned(), ..alert }
        };
        let Some(open) = self.open.get_mut(&id) else {
            let alert = compose();
            let state = State::Fresh { alert: Box::new(alert), told_by: by.clone() };
            let open = Open { seen: Seen::one(by), closes: print.window.closes(), state };
            self.open.insert(id.clone(), open);
            self.touched.insert(id.clone());
            return Outcome::Opened(id);
        };
        if !open.seen.note(by.clone(), self.config.max_event_ids) {
            return Outcome::Repeated(id);
        }
        if let State::Fresh { alert, told_by } = &mut open.state
            && by < *told_by
        {
            **alert = compose();
            *told_by = by;
        }
        self.touched.insert(id.clone());
        Outcome::Folded(id)
    }

    /// Writes the matches and revisions taken in since the last time. Returns what goes to the sinks, oldest first:
    /// the alerts that are new, with everything counted that folded into them so far, and those that are no longer what
    /// they were.
    ///
    /// # Errors
    /// When the store cannot be read or written; the process must end then.
    pub fn save(&mut self, tx: &Tx<'_>) -> Result<Vec<Outgoing>, StoreError> {
        let mut outgoing = Vec::new();
        for id in std::mem::take(&mut self.touched) {
            let open = self.open.get_mut(&id).expect("what was touched is kept until it is saved");
            outgoing.extend(open.save(tx, &id, self.config.max_event_ids)?);
        }
        for revision in std::mem::take(&mut self.revisions) {
            outgoing.extend(self.revise(tx, revision)?);
        }
        // Everything is in the store now, so forgetting all of it is safe, and simpler than choosing.
        if self.open.len() > self.config.max_open {
            self.open.clear();
        }
        let place = |it: &Outgoing| (it.alert.first_seen, it.alert.id.clone(), it.alert.revision);
        outgoing.sort_by_key(place);
        Ok(outgoing)
    }

    /// Forgets saved alerts whose window closed before `before` in event time. A match that comes even later still
    /// finds its alert in the store.
    pub fn forget(&mut self, before: Seconds) {
        let touched = &self.touched;
        self.open.retain(|id, open| open.closes >= before || touched.contains(id));
    }
}

impl Open {
    /// Writes what has folded in; returns the alert if it is new or stands again.
    fn save(
        &mut self,
        tx: &Tx<'_>,
        id: &AlertId,
        max_event_ids: usize,
    ) -> Result<Option<Outgoing>, StoreError> {
        let failed = |source| tx.failed(source);
        let State::Fresh { mut alert, told_by: (_, told_by) } =
            std::mem::replace(&mut self.state, State::Stored)
        else {
            table::fold(tx, id, &self.seen).map_err(failed)?;
            return Ok(None);
        };
        let known = table::known(tx, id).map_err(failed)?;
        match known {
            None => {
                self.seen.fill(&mut alert);
                table::open(tx, &alert, &self.seen, &told_by).map_err(failed)?;
                Ok(Some(Outgoing { highest: alert.severity, alert: *alert }))
            }
            Some(known) if known.status == AlertStatus::Open => {
                self.seen.absorb(known.seen, max_event_ids);
                table::fold(tx, id, &self.seen).map_err(failed)?;
                Ok(None)
            }
            Some(known) => {
                self.seen.fill(&mut alert);
                alert.revision = known.revision.saturating_add(1);
                alert.reason = Some(alert.reason.take().unwrap_or_else(|| acted_again(&alert)));
                let highest = known.severity.max(alert.severity);
                let known = Known { seen: self.seen.clone(), told_by, severity: highest, ..known };
                table::revise(tx, &alert, &known).map_err(failed)?;
                Ok(Some(Outgoing { alert: *alert, highest }))
            }
        }
    }
}

fn acted_again(alert: &Alert) -> Reason {
    Reason {
        kind: ReasonKind::ActedAgain,
        text: "it had been resolved; then there was another act".to_owned(),
        at: alert.last_seen,
        grant: None,
        approvers: Vec::new(),
        seconds_late: None,
        judged_by: None,
    }
}

impl Seen {
    fn one(by: (Seconds, String)) -> Self {
        Self { count: 1, first: by.0, last: by.0, listed: BTreeSet::from([by]) }
    }

    /// Counts a match; returns whether it was new. The oldest `max` are listed, whatever order they come in.
    fn note(&mut self, by: (Seconds, String), max: usize) -> bool {
        if self.listed.contains(&by) {
            return false;
        }
        self.count += 1;
        self.first = self.first.min(by.0);
        self.last = self.last.max(by.0);
        self.listed.insert(by);
        self.bound(max);
        true
    }

    /// Adds what the store knows, counting matches that are in both once.
    fn absorb(&mut self, known: Self, max: usize) {
        let both = self.listed.intersection(&known.listed).count();
        let both = u64::try_from(both).unwrap_or(u64::MAX);
        self.count = self.count.saturating_add(known.count).saturating_sub(both);
        self.first = self.first.min(known.first);
        self.last = self.last.max(known.last);
        self.listed.extend(known.listed);
        self.bound(max);
    }

    /// Takes a match out again.
    pub(super) fn lose(&mut self, by: &(Seconds, String)) {
        self.listed.remove(by);
        self.count = self.count.saturating_sub(1);
        let is_all = u64::try_from(self.listed.len()).is_ok_and(|listed| listed == self.count);
        if let (Some((first, _)), Some((last, _))) = (self.listed.first(), self.listed.last()) {
            self.first = *first;
            self.last = if is_all { *last } else { self.last };
        }
    }

    fn bound(&mut self, max: usize) {
        while self.listed.len() > max.max(1) {
            self.listed.pop_last();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;
    use crate::alert::testing::TABLES;
    use crate::alert::testing::detector;
    use crate::alert::testing::stop_logging;
    use crate::model::Span;
    use crate::store::Store;

    /// A desk and its store, told what happens in lines: `seconds event-id`, `save`, `restart`, `forget N`.
    struct Room {
        _folder: tempfile::TempDir,
        store: Store,
        desk: Desk,
        detector: Detector,
        sent: Vec<Alert>,
    }

    impl Room {
        fn new(suppress_for: i64) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::open(&folder.path().join("a.db"), TABLES).unwrap();
            let mut detector = detector();
            detector.suppress_for = Span(suppress_for);
            Self {
                _folder: folder,
                store,
                desk: Desk::new(&Config::default()),
                detector,
                sent: Vec::new(),
            }
        }

        fn raise(&mut self, at: i64, id: &str) -> Outcome {
            let kept = stop_logging(id, at);
            self.desk.raise(&self.detector, &kept.event(), "s3://bucket/key")
        }

        fn save(&mut self) {
            let tx = self.store.begin().unwrap();
            self.sent.extend(self.desk.save(&tx).unwrap().into_iter().map(|out| out.alert));
            tx.commit().unwrap();
        }

        fn told(mut self, story: &str) -> Self {
            for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
                match line.split_once(' ') {
                    None if line == "save" => self.save(),
                    None => self.desk = Desk::new(&Config::default()),
                    Some(("forget", before)) => self.desk.forget(Seconds(before.parse().unwrap())),
                    Some((at, id)) => {
                        self.raise(at.parse().unwrap(), id);
                    }
                }
            }
            self.save();
            self
        }

        /// What the store holds: `count first..last ids`, one alert a line, oldest first.
        fn kept(&self) -> String {
            let connection = self.store.connection();
            let mut query =
                connection.prepare("SELECT id FROM alert ORDER BY first_seen, id").unwrap();
            let ids = query.query_map([], |row| row.get(0)).unwrap().map(|id| AlertId(id.unwrap()));
            let mut text = String::new();
            for id in ids {
                let alert = table::read(connection, &id).unwrap().unwrap();
                let (first, last) = (alert.first_seen.0, alert.last_seen.0);
                writeln!(text, "{} {first}..{last} {}", alert.count, alert.event_ids.join(","))
                    .unwrap();
            }
            text
        }
    }

    // The window of this group that holds second 4,000 holds 4,060 too; 8,000 is in a later one.
    #[test]
    fn the_first_match_goes_out_and_the_rest_fold_into_it() {
        let room = Room::new(3_600).told("4000 a \n save \n 4060 b \n 4030 c \n save \n 8000 d");
        assert_eq!(room.sent.iter().map(|alert| alert.count).collect::<Vec<_>>(), [1, 1]);
        assert_eq!(
            room.kept(),
            "3 4000..4060 0/a,0/c,0/b\n1 8000..8000 0/d\n".replace("0/", "111122223333/")
        );
    }

    #[test]
    fn matches_of_one_group_go_out_counted() {
        let room = Room::new(3_600).told("4060 b \n 4000 a \n 4030 c");
        let [alert] = room.sent.as_slice() else { panic!("one alert") };
        assert_eq!(
            (alert.count, alert.first_seen, alert.last_seen),
            (3, Seconds(4_000), Seconds(4_060))
        );
        assert_eq!(alert.event["eventID"], "a", "the oldest tells the story");
    }

    #[test]
    fn what_was_sent_stays_what_it_was() {
        let room = Room::new(3_600).told("4060 b \n save \n 4000 a");
        let connection = room.store.connection();
        let sent = &room.sent[0];
        assert_eq!(table::opened(connection, &sent.id).unwrap().as_ref(), Some(sent));
        let folded = table::read(connection, &sent.id).unwrap().unwrap();
        assert_eq!((folded.count, &folded.event), (2, &sent.event));
        assert_eq!(table::read(connection, &AlertId("nobody".to_owned())).unwrap(), None);
    }

    #[test]
    fn a_replayed_event_counts_once() {
        for between in ["", "save", "save \n restart", "save \n forget 99999"] {
            let room = Room::new(3_600)
                .told(&format!("4000 a \n 4001 b \n {between} \n 4000 a \n 4002 c"));
            assert_eq!(room.sent.len(), 1, "{between}");
            assert!(room.kept().starts_with("3 4000..4002 "), "{between}");
        }
    }

    #[test]
    fn without_suppression_every_match_is_an_alert() {
        let mut room = Room::new(0);
        assert!(matches!(room.raise(4_000, "a"), Outcome::Opened(_)));
        assert!(matches!(room.raise(4_000, "b"), Outcome::Opened(_)));
        assert!(matches!(room.raise(4_000, "a"), Outcome::Repeated(_)));
        room.save();
        assert_eq!(room.sent.len(), 2);
        room.desk.forget(Seconds(4_001));
        assert!(room.desk.open.is_empty());
    }

    #[test]
    fn event_ids_are_bounded_to_the_oldest() {
        let config = Config { max_event_ids: 2, max_open: 1, ..Config::default() };
        let mut room = Room::new(3_600);
        room.desk = Desk::new(&config);
        for (at, id) in [(4_003, "d"), (4_001, "b"), (4_002, "c"), (4_000, "a")] {
            room.raise(at, id);
        }
        room.save();
        assert_eq!(room.kept(), "4 4000..4003 111122223333/a,111122223333/b\n");
        room.raise(8_000, "e");
        room.save();
        assert!(room.desk.open.is_empty(), "more than max_open are forgotten once they are saved");
    }

    #[test]
    fn what_is_not_saved_is_not_forgotten() {
        let mut room = Room::new(3_600);
        room.raise(4_000, "a");
        room.desk.forget(Seconds(i64::MAX));
        room.save();
        assert_eq!(room.sent.len(), 1);
    }

    #[test]
    fn old_alerts_go_oldest_first_and_what_is_needed_stays() {
        let mut room = Room::new(0).told("4000 a \n 5000 b \n 6000 c \n 7000 d");
        let needed = room.sent[0].id.clone();
        let mut prune = |before, limit| {
            let tx = room.store.begin().unwrap();
            let count = table::prune(&tx, Seconds(before), limit, &|id| Ok(*id == needed)).unwrap();
            tx.commit().unwrap();
            count
        };
        assert_eq!([prune(7_000, 1), prune(7_000, 9), prune(7_000, 9)], [1, 1, 0]);
        let left = "1 4000..4000 0/a\n1 7000..7000 0/d\n".replace("0/", "111122223333/");
        assert_eq!(room.kept(), left);
    }

    /// Where commit groups end and the process restarts.
    fn breaks() -> impl Strategy<Value = Vec<&'static str>> {
        prop::collection::vec(
            prop::sample::select(vec!["", "save", "save \n restart", "save \n forget 9000"]),
            12,
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn any_order_gives_the_same_alerts(
            order in Just((0..12).collect::<Vec<i64>>()).prop_shuffle(),
            breaks in breaks(),
        ) {
            let line = |n: &i64| format!("{} e{:02}", 4_000 + n * 700, n % 10);
            let straight: Vec<String> = (0..12).map(|n| line(&n)).collect();
            let shuffled: Vec<String> =
                order.iter().zip(&breaks).map(|(n, after)| format!("{} \n {after}", line(n))).collect();
            let (straight, shuffled) =
                (Room::new(3_600).told(&straight.join("\n")), Room::new(3_600).told(&shuffled.join("\n")));
            prop_assert_eq!(straight.kept(), shuffled.kept());
            let ids = |room: &Room| room.sent.iter().map(|alert| alert.id.clone()).collect::<BTreeSet<_>>();
            prop_assert_eq!(ids(&straight), ids(&shuffled));
            prop_assert_eq!(straight.sent.len(), shuffled.sent.len());
        }
    }
}
