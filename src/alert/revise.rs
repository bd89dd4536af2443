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
