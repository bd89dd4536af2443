//! The life of an alert after it went out: a match is taken back, its story changes, it is resolved, it stands again.
//!
//! Each of these is a revision: the same id, a higher number, and the reason. What an alert was before stays in the
//! store.
//!
//! Invariant: an alert is resolved once it has no match left and not before. A revision that would change nothing of what
//! was sent is none.

use crate::alert::compose::compose;
use crate::alert::desk::Desk;
use crate::alert::desk::Outgoing;
use crate::alert::fingerprint::Fingerprint;
use crate::alert::fingerprint::event_id;
use crate::alert::table;
use crate::model::Alert;
use crate::model::AlertId;
use crate::model::AlertStatus;
use crate::model::Detector;
use crate::model::Event;
use crate::model::Reason;
use crate::model::Seconds;
use crate::model::Severity;
use crate::store::StoreError;
use crate::store::Tx;

/// What became of an alert's matches.
#[derive(Debug, Clone, PartialEq)]
pub struct Revision {
    /// The alert.
    pub id: AlertId,
    /// The matches that are none any more, by time and event id.
    pub lost: Vec<(Seconds, String)>,
    /// The matches that are told in other words now.
    pub changed: Vec<(Seconds, String)>,
    /// What is left of the matches that are remembered.
    pub left: Option<Left>,
    /// Why.
    pub because: Reason,
}

/// Matches of an alert that stay.
#[derive(Debug, Clone, PartialEq)]
pub struct Left {
    /// How many are remembered.
    pub count: u64,
    /// The highest severity among them.
    pub severity: Severity,
    /// The story as the oldest of them tells it.
    pub told: Told,
}

/// A story that a match tells.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    alert: Box<Alert>,
    by: String,
}

impl Desk {
    /// Returns how `event` tells the story of `detector`.
    pub fn told(&self, detector: &Detector, event: &Event<'_>, object: &str) -> Told {
        let print = Fingerprint::of(detector, event);
        let alert = compose(&self.config, &self.stories, detector, event, &print, object);
        Told { alert: Box::new(alert), by: event_id(event) }
    }

    /// Takes in what became of an alert's matches; [`Desk::save`] draws the consequences.
    pub fn take_back(&mut self, revision: Revision) {
        self.revisions.push(revision);
    }

    /// Writes a revision; returns the alert if what was sent of it no longer holds.
    pub(super) fn revise(
        &mut self,
        tx: &Tx<'_>,
        revision: Revision,
    ) -> Result<Option<Outgoing>, StoreError> {
        let Revision { id, lost, changed, left, because } = revision;
        let failed = |source| tx.failed(source);
        let known = table::known(tx, &id).map_err(failed)?;
        // An alert that is not there is old; what is resolved has no match to lose.
        let Some(mut known) = known.filter(|known| known.status == AlertStatus::Open) else {
            return Ok(None);
        };
        let Some(mut alert) = table::opened(tx, &id)? else { return Ok(None) };
        let (before, mut judged_by) = (known.seen.clone(), None);
        lost.iter().for_each(|by| known.seen.lose(by));
        if known.seen.count == 0 {
            // What it told of is what its last form says.
            before.fill(&mut alert);
            (known.seen.first, known.seen.last) = (before.first, before.last);
            alert.status = AlertStatus::Resolved;
            self.open.remove(&id);
        } else {
            if let Some(open) = self.open.get_mut(&id) {
                open.seen = known.seen.clone();
            }
            let is_told_otherwise =
                lost.iter().chain(&changed).any(|(_, event)| *event == known.told_by);
            let severity = match &left {
                Some(left) if left.count == known.seen.count => left.severity,
                Some(left) => left.severity.max(alert.severity),
                None => alert.severity,
            };
            if !is_told_otherwise && severity == alert.severity {
                table::fold(tx, &id, &known.seen).map_err(failed)?;
                return Ok(None);
            }
            if let Some(left) = left {
                known.told_by = left.told.by;
                let told = &left.told.alert;
                judged_by = (told.detector_id != alert.detector_id).then(|| told.detector.clone());
                alert = in_other_words(alert, *left.told.alert);
            }
            alert.severity = severity;
            known.seen.fill(&mut alert);
        }
        alert.revision = known.revision.saturating_add(1);
        alert.reason = Some(Reason { judged_by, ..because });
        known.severity = known.severity.max(alert.severity);
        table::revise(tx, &alert, &known).map_err(failed)?;
        Ok(Some(Outgoing { alert, highest: known.severity }))
    }
}

/// Returns `alert` as `told` tells it now. What makes its id stays.
fn in_other_words(alert: Alert, told: Alert) -> Alert {
    Alert {
        id: alert.id,
        detector_id: alert.detector_id,
        detector: alert.detector,
        group: alert.group,
        ..told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Config;
    use crate::alert::testing::TABLES;
    use crate::alert::testing::detector;
    use crate::alert::testing::stop_logging;
    use crate::model::DetectorId;
    use crate::model::ReasonKind;
    use crate::store::Store;

    /// A desk with two detectors, one of them milder, and what went out.
    struct Room {
        _folder: tempfile::TempDir,
        store: Store,
        desk: Desk,
        strict: Detector,
        mild: Detector,
        id: AlertId,
    }

    impl Room {
        /// An alert of `acts`, saved.
        fn of(acts: &[(i64, &str)]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::open(&folder.path().join("a.db"), TABLES).unwrap();
            let strict = detector();
            let mild = Detector {
                id: DetectorId("mild".to_owned()),
                name: "trail_paused".to_owned(),
                severity: Severity::Low,
                story: Some("{{ gw.identity.name }} paused it".to_owned()),
                ..detector()
            };
            let desk = Desk::new(&Config::default());
            let id = AlertId(String::new());
            let mut room = Self { _folder: folder, store, desk, strict, mild, id };
            for act in acts {
                room.id = room.raise(*act);
            }
            assert_eq!(room.save().len(), 1);
            room
        }

        fn raise(&mut self, (at, id): (i64, &str)) -> AlertId {
            let kept = stop_logging(id, at);
            self.desk.raise(&self.strict, &kept.event(), "s3://bucket/key").alert()
        }

        fn save(&mut self) -> Vec<Outgoing> {
            let tx = self.store.begin().unwrap();
            let saved = self.desk.save(&tx).unwrap();
            tx.commit().unwrap();
            saved
        }

        /// Says that `count` acts are left, the oldest of them `act`, told by the mild detector or the strict one.
        fn left(&self, count: u64, (at, id): (i64, &str), detector: &Detector) -> Left {
            let told = self.desk.told(detector, &stop_logging(id, at).event(), "s3://bucket/key");
            Left { count, severity: detector.severity, told }
        }

        fn take_back(
            &mut self,
            lost: &[(i64, &str)],
            changed: &[(i64, &str)],
            left: Option<Left>,
        ) -> Vec<Outgoing> {
            let ids = |acts: &[(i64, &str)]| {
                acts.iter().map(|(at, id)| (Seconds(*at), format!("111122223333/{id}"))).collect()
            };
            let (lost, changed) = (ids(lost), ids(changed));
            let because = reason();
            self.desk.take_back(Revision { id: self.id.clone(), lost, changed, left, because });
            self.save()
        }

        fn read(&self) -> Alert {
            table::read(self.store.connection(), &self.id).unwrap().unwrap()
        }
    }

    fn reason() -> Reason {
        Reason {
            kind: ReasonKind::CoveredLate,
            text: "it was agreed on".to_owned(),
            at: Seconds(9_000),
            grant: None,
            approvers: Vec::new(),
            seconds_late: None,
            judged_by: None,
        }
    }

    #[test]
    fn the_last_match_that_is_lost_resolves_it() {
        let mut room = Room::of(&[(4_000, "a"), (4_060, "b")]);
        let left = room.left(1, (4_060, "b"), &room.strict);
        let out = room.take_back(&[(4_000, "a")], &[], Some(left));
        assert_eq!(out[0].alert.event["eventID"], "b", "who told it is gone");
        assert_eq!((out[0].alert.revision, out[0].alert.count), (2, 1));
        let out = room.take_back(&[(4_060, "b")], &[], None);
        let [Outgoing { alert, highest: Severity::High }] = &out[..] else { panic!("{out:?}") };
        assert_eq!((alert.status, alert.revision), (AlertStatus::Resolved, 3));
        assert_eq!((alert.count, alert.event_ids.len()), (1, 1), "it says what it told of");
        assert_eq!(alert.reason, Some(reason()));
        assert_eq!(&room.read(), alert);
        // It has nothing left to lose.
        assert_eq!(room.take_back(&[(4_060, "b")], &[], None), []);
        let earlier = table::earlier(room.store.connection(), &room.id).unwrap();
        let earlier: Vec<u64> = earlier.iter().map(|alert| alert.revision).collect();
        assert_eq!(earlier, [1, 2]);
    }

    #[test]
    fn a_match_that_told_nothing_goes_without_a_word() {
        let mut room = Room::of(&[(4_000, "a"), (4_060, "b"), (4_120, "c")]);
        let left = room.left(2, (4_000, "a"), &room.strict);
        assert_eq!(room.take_back(&[(4_120, "c")], &[], Some(left)), []);
        let alert = room.read();
        assert_eq!((alert.revision, alert.count, alert.last_seen), (1, 2, Seconds(4_060)));
        // It folds on from there.
        room.raise((4_090, "d"));
        assert_eq!(room.save(), []);
        assert_eq!(room.read().count, 3);
    }

    #[test]
    fn it_is_told_in_other_words_under_its_id() {
        let mut room = Room::of(&[(4_000, "a")]);
        let left = room.left(1, (4_000, "a"), &room.mild);
        let out = room.take_back(&[], &[(4_000, "a")], Some(left));
        let [Outgoing { alert, highest: Severity::High }] = &out[..] else { panic!("{out:?}") };
        assert_eq!((&alert.id, alert.detector.as_str()), (&room.id, "trail_stopped"));
        assert_eq!(alert.story, "person:alice@example.com paused it");
        assert_eq!((alert.status, alert.severity), (AlertStatus::Open, Severity::Low));
        let reason = alert.reason.clone().unwrap();
        assert_eq!(reason.judged_by.as_deref(), Some("trail_paused"));
    }

    #[test]
    fn severity_falls_only_where_every_match_is_known() {
        let mut room = Room::of(&[(4_000, "a"), (4_060, "b")]);
        let left = room.left(1, (4_000, "a"), &room.mild);
        let out = room.take_back(&[], &[(4_000, "a")], Some(left));
        assert_eq!(out[0].alert.severity, Severity::High, "nobody knows about b");
        let left = room.left(2, (4_000, "a"), &room.mild);
        let out = room.take_back(&[], &[(4_060, "b")], Some(left));
        assert_eq!((out[0].alert.severity, out[0].alert.revision), (Severity::Low, 3));
        let left = room.left(2, (4_000, "a"), &room.strict);
        let out = room.take_back(&[], &[(4_060, "b")], Some(left));
        assert_eq!(out[0].alert.severity, Severity::High, "and rises again");
    }

    #[test]
    fn another_match_lets_it_stand_again() {
        for between in ["the same process", "a restart"] {
            let mut room = Room::of(&[(4_000, "a")]);
            room.take_back(&[(4_000, "a")], &[], None);
            if between == "a restart" {
                room.desk = Desk::new(&Config::default());
            }
            assert_eq!(room.raise((4_060, "b")), room.id, "{between}");
            let out = room.save();
            let [Outgoing { alert, .. }] = &out[..] else { panic!("{out:?}") };
            assert_eq!((alert.status, alert.revision, alert.count), (AlertStatus::Open, 3, 1));
            assert_eq!(alert.reason.as_ref().map(|it| it.kind), Some(ReasonKind::ActedAgain));
            assert_eq!((alert.first_seen, &room.read()), (Seconds(4_060), alert));
            room.raise((4_030, "c"));
            assert_eq!(room.save(), []);
            assert_eq!((room.read().count, room.read().first_seen), (2, Seconds(4_030)));
        }
    }

    #[test]
    fn what_opens_late_says_why() {
        let mut room = Room::of(&[(4_000, "a")]);
        let kept = stop_logging("b", 8_000);
        room.desk.raise_late(&room.strict, &kept.event(), "s3://bucket/key", &reason());
        let out = room.save();
        assert_eq!((out[0].alert.revision, &out[0].alert.reason), (1, &Some(reason())));
        // It folds into what stands, without a word.
        let kept = stop_logging("c", 4_001);
        room.desk.raise_late(&room.strict, &kept.event(), "s3://bucket/key", &reason());
        assert_eq!(room.save(), []);
        assert_eq!(room.read().count, 2);
    }

    #[test]
    fn an_alert_of_an_older_store_can_be_revised() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let mut room = Room::of(&[(4_000, "a")]);
        let body = serde_json::to_value(room.read()).unwrap();
        let mut old = body.as_object().unwrap().clone();
        ["status", "revision", "reason"].iter().for_each(|name| drop(old.remove(*name)));
        let mut store = Store::open(&path, &TABLES[..1]).unwrap();
        let tx = store.begin().unwrap();
        tx.execute(
            "INSERT INTO alert VALUES (?1, 'd', 'high', 4000, 4000, 1, '[[4000,\"111122223333/a\"]]', ?2)",
            [&room.id.0, &serde_json::Value::Object(old).to_string()],
        )
        .unwrap();
        tx.commit().unwrap();
        drop(store);
        (room.store, room.desk) =
            (Store::open(&path, TABLES).unwrap(), Desk::new(&Config::default()));
        assert_eq!((room.read().status, room.read().revision), (AlertStatus::Open, 1));
        let out = room.take_back(&[(4_000, "a")], &[], None);
        assert_eq!((out[0].alert.status, out[0].alert.revision), (AlertStatus::Resolved, 2));
    }
}
