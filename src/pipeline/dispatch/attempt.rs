//! One try: the alert of one row, asked of its sink, and what became of it handed over.
//!
//! Invariant: a try that ends early, for whatever reason, gives its lease back or has handed its outcome over.

use std::sync::Arc;

use tracing::error;
use tracing::warn;

use crate::alert::text;
use crate::alert::text::Colour;
use crate::alert::text::Width;
use crate::model::Alert;
use crate::model::AlertStatus;
use crate::model::ReasonKind;
use crate::model::SinkName;
use crate::model::Span;
use crate::outbox::Backoff;
use crate::outbox::Contact;
use crate::outbox::Due;
use crate::outbox::Failure;
use crate::outbox::Key;
use crate::outbox::Leases;
use crate::outbox::Settled;
use crate::outbox::Share;
use crate::outbox::Verdict;
use crate::pipeline::dispatch::Dispatch;
use crate::pipeline::dispatch::Gone;
use crate::pipeline::dispatch::Outlet;
use crate::sink::Kind;
use crate::sink::Message;
use crate::sink::SendError;
use crate::telemetry::chain;

/// One alert to send, with its lease.
pub struct Job {
    /// The row.
    pub due: Due,
    /// The alert, if the store has it.
    pub alert: Option<Alert>,
    /// Given back when the job is dropped before its outcome is handed over.
    pub lease: Held,
}

/// A lease that is given back unless its outcome was handed over.
pub struct Held {
    leases: Arc<Leases>,
    key: Key,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Mine,
    Reported,
}

impl Held {
    /// Takes the lease of a row for `sink`; `None` if somebody has it, or another of its alert.
    pub fn take(leases: &Arc<Leases>, due: &Due, sink: &SinkName) -> Option<Self> {
        let key = due.key;
        let taken = leases.take(key, sink, &due.alert_id);
        taken.then(|| Self { leases: Arc::clone(leases), key, stage: Stage::Mine })
    }

    /// Notes that the outcome is on its way; the lease lasts until the store shows it.
    fn report(&mut self) {
        self.leases.reported(self.key);
        self.stage = Stage::Reported;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.stage == Stage::Mine {
            self.leases.give_back(self.key);
        }
    }
}

/// How a job ended, as far as the lane's pace depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The sink works: it took the alert, or refused this one for good.
    Answered,
    /// The sink did not take it now, and asks to be left alone for so long.
    Failed {
        /// What it asked for.
        asked: Option<Span>,
    },
    /// The sink wants nothing more.
    Closed,
}

/// Asks the sink to take one alert and hands over what became of it.
pub async fn send(
    dispatch: Arc<Dispatch>,
    outlet: Arc<dyn Outlet>,
    backoff: Backoff,
    job: Job,
) -> Result<End, Gone> {
    let Job { due, alert, mut lease } = job;
    let (verdict, end) = match alert {
        Some(alert) => {
            let kind = kind(&alert, due.contact);
            let sent = ask(&dispatch, &*outlet, kind, alert).await;
            judge(&dispatch, &*outlet, &backoff, &due, sent)
        }
        None => {
            error!(sink = %outlet.name(), alert = %due.alert_id, "an alert that is owed is not in the store");
            (Verdict::Dead { error: "the alert is not in the store".to_owned() }, End::Answered)
        }
    };
    let settled = Settled { key: due.key, at: dispatch.clock.now(), verdict };
    lease.report();
    let settle = Arc::clone(&dispatch.settle);
    // It may wait for room in the core's queue.
    tokio::task::spawn_blocking(move || settle(settled)).await.unwrap_or(Err(Gone))?;
    Ok(end)
}

/// Returns what happened to an alert, for a sink that knows of it as `contact` says.
fn kind(alert: &Alert, contact: Contact) -> Kind {
    let is_again = || {
        let kind = alert.reason.as_ref().map(|reason| reason.kind);
        matches!(kind, Some(ReasonKind::ActedAgain | ReasonKind::UncoveredLate))
    };
    match (alert.status, contact) {
        (AlertStatus::Resolved, _) => Kind::Resolved,
        (AlertStatus::Open, Contact::First) => Kind::Opened,
        (AlertStatus::Open, Contact::Further) if is_again() => Kind::Reopened,
        (AlertStatus::Open, Contact::Further) => Kind::Updated,
    }
}

async fn ask(
    dispatch: &Dispatch,
    outlet: &dyn Outlet,
    kind: Kind,
    alert: Alert,
) -> Result<(), SendError> {
    let text = text::for_people(&alert, Width::NARROW, Colour::Plain).into();
    let message = Message { kind, alert: Arc::new(alert), text };
    let after = outlet.deadline();
    tokio::select! {
        sent = outlet.send(&message) => sent,
        () = dispatch.clock.sleep(after) => Err(SendError::Overdue { sink: outlet.name().clone(), after }),
    }
}

/// Decides what becomes of a row, and tells the operator what went wrong.
fn judge(
    dispatch: &Dispatch,
    outlet: &dyn Outlet,
    backoff: &Backoff,
    due: &Due,
    sent: Result<(), SendError>,
) -> (Verdict, End) {
    let Err(failed) = sent else { return (Verdict::Delivered, End::Answered) };
    let (sink, id, attempts) = (outlet.name(), &due.alert_id, due.key.attempts.saturating_add(1));
    let error = chain(&failed).to_string();
    if !failed.is_retryable() {
        error!(%sink, alert = %id, attempts, %error, "the sink refused an alert for good; it is a dead letter");
        let end = if failed.is_gone() { End::Closed } else { End::Answered };
        return (Verdict::Dead { error }, end);
    }
    let asked =
        failed.retry_after().map(|wait| Span(i64::try_from(wait.as_secs()).unwrap_or(i64::MAX)));
    let failure =
        Failure { created: due.created, now: dispatch.clock.now(), attempts, error: error.clone() };
    let verdict = backoff.after_failure(failure, asked, Share(fastrand::f64()));
    match &verdict {
        Verdict::Dead { .. } => {
            error!(%sink, alert = %id, attempts, %error, "gave up delivering an alert; it is a dead letter");
        }
        Verdict::Retry { at, .. } => {
            warn!(%sink, alert = %id, attempts, again = %at, %error, "could not deliver an alert");
        }
        Verdict::Delivered => {}
    }
    (verdict, End::Failed { asked })
}
