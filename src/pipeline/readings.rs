//! Asks AWS for policies that no record tells: what the core put into its store as wanted, one question after the other.
//!
//! Each answer goes to the core as a delivery. The want is in the store until the core has committed its answer, so that a
//! process which ends in between asks again at its next start. What is refused is asked again after `policies.fetch.refused_again`,
//! a pause that doubles up to a day, and at the next start.
//!
//! Invariant: questions keep the distance [`PACE`], and every wait ends with the stop.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio::time::sleep;
use tracing::warn;

use crate::config::Config;
use crate::iam::want::Want;
use crate::iam::want::table;
use crate::model::Answer;
use crate::model::Content;
use crate::model::Delivery;
use crate::model::Hold;
use crate::model::ObjectId;
use crate::model::Reading;
use crate::model::Receipt;
use crate::pipeline::dispatch::Clock as _;
use crate::pipeline::dispatch::WallClock;
use crate::source::Access;
use crate::source::SourceError;
use crate::source::policies::Readers;
use crate::store::Reader;
use crate::store::StoreError;
use crate::telemetry::chain;

/// The name of the source in counters and the ledger.
const NAME: &str = "policies";
/// The pause between two questions: IAM answers about twenty a second for a whole account, and others ask too.
const PACE: Duration = Duration::from_millis(250);
/// The pause before a question is put again that nobody answered; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest of these pauses.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// The longest pause before a question is put again that was refused.
const LONGEST_REFUSED: Duration = Duration::from_secs(86_400);
/// How often credentials are looked for before the answer is that there are none.
const TRIES_FOR_CREDENTIALS: u32 = 5;

/// Who asks.
pub(super) struct Asking {
    readers: Readers,
    store: Arc<Mutex<Reader>>,
    to: mpsc::Sender<Delivery>,
    stop: watch::Receiver<bool>,
    commits: watch::Receiver<u64>,
    /// What was answered in this process; the core drops what it took in with its next commit.
    answered: BTreeSet<String>,
    /// What was asked for in vain.
    vain: BTreeMap<String, Vain>,
    /// The first pause before a question is put again that was refused.
    refused_again: Duration,
}

/// A question that was put in vain.
#[derive(Debug)]
struct Vain {
    /// How often nobody answered, since it was last refused.
    unanswered: u32,
    /// How often it was refused.
    refused: u32,
    /// When it is put again.
    due: Instant,
}

/// How a round of questions ended.
enum Round {
    /// What could be asked was; something is to be asked again after a pause, or nothing.
    Over(Option<Duration>),
    /// We are to stop.
    Stopped,
}

impl Asking {
    /// Returns who asks, if the configuration wants anything to be asked.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) fn of(
        config: &Config,
        to: &mpsc::Sender<Delivery>,
        (stop, commits): (&watch::Receiver<bool>, watch::Receiver<u64>),
    ) -> Result<Option<Self>, StoreError> {
        let section = &config.policies.fetch;
        if !config.policies.drift || !section.omitted {
            return Ok(None);
        }
        let base = Access {
            region: section.region.clone(),
            endpoint_url: section.endpoint_url.clone(),
            profile: section.profile.clone(),
            external_id: section.external_id.clone(),
            ..Access::default()
        };
        Ok(Some(Self {
            readers: Readers::new(base, &section.roles),
            store: Arc::new(Mutex::new(Reader::open(&config.store.path)?)),
            to: to.clone(),
            stop: stop.clone(),
            commits,
            answered: BTreeSet::new(),
            vain: BTreeMap::new(),
            refused_again: section.refused_again.0,
        }))
    }

    /// Asks until the stop.
    pub(super) async fn run(mut self) {
        loop {
            self.commits.mark_unchanged();
            let pause = match self.round().await {
                Round::Stopped => return,
                Round::Over(pause) => pause,
            };
            let again = async {
                match pause {
                    Some(pause) => sleep(pause).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                _told_or_gone = self.stop.wait_for(|stopped| *stopped) => return,
                changed = self.commits.changed() => if changed.is_err() { return },
                () = again => {}
            }
        }
    }

    /// Asks for everything that is wanted and was not answered yet.
    async fn round(&mut self) -> Round {
        let wants = match self.wanted().await {
            Ok(wants) => wants,
            Err(error) => {
                warn!(error = %chain(&error), "could not look up which policies are wanted");
                return Round::Over(Some(LONGEST_PAUSE));
            }
        };
        let ids: BTreeSet<String> = wants.iter().map(Want::id).collect();
        self.answered.retain(|id| ids.contains(id));
        self.vain.retain(|id, _| ids.contains(id));
        let mut pause: Option<Duration> = None;
        for want in wants {
            if self.answered.contains(&want.id()) {
                continue;
            }
            if let Some(rest) = self.vain.get(&want.id()).and_then(|it| it.rest(Instant::now())) {
                pause = pause.into_iter().chain([rest]).min();
                continue;
            }
            let mut stop = self.stop.clone();
            let next = tokio::select! {
                biased;
                _told_or_gone = stop.wait_for(|stopped| *stopped) => return Round::Stopped,
                next = async {
                    let next = self.ask(&want).await;
                    sleep(PACE).await;
                    next
                } => next,
            };
            pause = pause.into_iter().chain(next).min();
        }
        Round::Over(pause)
    }

    async fn wanted(&self) -> Result<Vec<Want>, StoreError> {
        let store = Arc::clone(&self.store);
        let read = tokio::task::spawn_blocking(move || {
            table::open(&store.lock().unwrap_or_else(PoisonError::into_inner))
        });
        read.await.expect("reading the store does not panic")
    }

    /// Puts one question; returns after what pause it is to be put again, if it is.
    async fn ask(&mut self, want: &Want) -> Option<Duration> {
        let at = WallClock.now();
        let answer = match self.readers.ask(&want.question).await {
            Ok(answer) => answer,
            Err(error) => {
                let vain = self.vain.entry(want.id()).or_insert_with(|| Vain::new(Instant::now()));
                vain.unanswered = vain.unanswered.saturating_add(1);
                let is_credentials = matches!(error, SourceError::NoCredentials { .. });
                if vain.unanswered == 1 {
                    warn!(account = want.question.account(), error = %chain(&error), "a policy could not be asked for");
                }
                if !is_credentials || vain.unanswered < TRIES_FOR_CREDENTIALS {
                    let pause = doubled(FIRST_PAUSE, vain.unanswered, LONGEST_PAUSE);
                    return Some(vain.wait(Instant::now(), pause));
                }
                let permission = "sts:AssumeRole".to_owned();
                Answer::Refused { permission, why: chain(&error).to_string() }
            }
        };
        let mut again = None;
        if let Answer::Refused { permission, why } = &answer {
            let account = want.question.account();
            let vain = self.vain.entry(want.id()).or_insert_with(|| Vain::new(Instant::now()));
            vain.unanswered = 0;
            vain.refused = vain.refused.saturating_add(1);
            if vain.refused == 1 {
                warn!(account, permission, why, "a policy is not told to us");
            }
            let pause = doubled(self.refused_again, vain.refused, LONGEST_REFUSED);
            again = Some(vain.wait(Instant::now(), pause));
        }
        let id = want.id();
        let delivery = Delivery {
            source: NAME.into(),
            object: ObjectId { location: format!("policy:{id}"), revision: at.to_string() },
            content: Content::Reading(Reading { want: id.clone(), at, answer }),
            hold: Hold::nothing(),
            receipt: Receipt::nobody(),
        };
        // Where nobody takes it any more, it stays wanted.
        if self.to.send(delivery).await.is_ok() && again.is_none() {
            self.answered.insert(id);
        }
        again
    }
}

impl Vain {
    fn new(now: Instant) -> Self {
        Self { unanswered: 0, refused: 0, due: now }
    }

    /// Puts it off by `pause` from `now`, and returns that.
    fn wait(&mut self, now: Instant, pause: Duration) -> Duration {
        self.due = now + pause;
        pause
    }

    /// Returns how long it is still to wait; nothing where it is due.
    fn rest(&self, now: Instant) -> Option<Duration> {
        Some(self.due.saturating_duration_since(now)).filter(|rest| !rest.is_zero())
    }
}

/// Returns the pause after the `times`th failure: `first`, doubled with each further one, and `longest` at most.
fn doubled(first: Duration, times: u32, longest: Duration) -> Duration {
    first.saturating_mul(1 << times.saturating_sub(1).min(20)).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_doubles_up_to_its_bound() {
        let hours =
            |times| doubled(Duration::from_secs(3_600), times, LONGEST_REFUSED).as_secs() / 3_600;
        let all: Vec<u64> = (1..8).map(hours).collect();
        assert_eq!(all, [1, 2, 4, 8, 16, 24, 24]);
        assert_eq!(doubled(FIRST_PAUSE, u32::MAX, LONGEST_PAUSE), LONGEST_PAUSE);
    }

    #[test]
    fn what_was_put_off_is_due_after_its_pause() {
        let (now, minute) = (Instant::now(), Duration::from_secs(60));
        let mut vain = Vain::new(now);
        assert_eq!(vain.rest(now), None);
        vain.wait(now, minute);
        assert_eq!(vain.rest(now + minute / 2), Some(minute / 2));
        assert_eq!(vain.rest(now + minute), None);
    }
}
