//! Stories of lanes: sinks that take, refuse, stall and come back, on a clock that is told.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::mpsc;

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::*;
use crate::model::Alert;
use crate::model::AlertId;
use crate::model::AlertStatus;
use crate::model::Seconds;
use crate::outbox::Backlog;
use crate::store::Migration;
use crate::store::Store;

const TABLES: [Migration; 4] = [
    Migration { number: 1, name: "alerts", sql: crate::alert::MIGRATION_SQL },
    Migration { number: 2, name: "outbox", sql: outbox::MIGRATION_SQL },
    Migration { number: 3, name: "revisions of alerts", sql: crate::alert::REVISIONS_SQL },
    Migration { number: 4, name: "revisions in the outbox", sql: outbox::REVISIONS_SQL },
];

/// How long a test waits for something that must happen.
const PATIENCE: Duration = Duration::from_secs(20);
const START: i64 = 1_772_352_750;

/// A clock that stands still until a test moves it.
struct TestClock(watch::Sender<Duration>);

impl TestClock {
    fn advance(&self, by: Duration) {
        self.0.send_modify(|passed| *passed += by);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Seconds {
        Seconds(START + i64::try_from(self.0.borrow().as_secs()).unwrap())
    }

    fn sleep(&self, wait: Duration) -> Waiting<'static, ()> {
        let (mut passed, until) = (self.0.subscribe(), *self.0.borrow() + wait);
        Box::pin(async move {
            if passed.wait_for(|passed| *passed >= until).await.is_err() {
                std::future::pending().await
            }
        })
    }
}

/// What a test sink does with an alert.
enum Does {
    Take,
    Fail(u16),
    FailFor(u16, u64),
    Hang,
}

/// A sink that does as told, in order, then takes everything; each ask is a permit in `asked`.
struct TestSink {
    name: SinkName,
    concurrency: usize,
    rate: Rate,
    script: Mutex<VecDeque<Does>>,
    ids: Mutex<Vec<String>>,
    asked: Semaphore,
}

fn refused(sink: &SinkName, status: u16, wait: Option<u64>) -> SendError {
    if status == 410 {
        return SendError::Gone { sink: sink.clone() };
    }
    let (sink, answer, retry_after) = (sink.clone(), String::new(), wait.map(Duration::from_secs));
    SendError::Refused { sink, status, answer, retry_after }
}

impl Outlet for TestSink {
    fn name(&self) -> &SinkName {
        &self.name
    }

    fn concurrency(&self) -> usize {
        self.concurrency
    }

    fn rate(&self) -> Rate {
        self.rate
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(40)
    }

    fn send<'a>(&'a self, message: &'a Message) -> Waiting<'a, Result<(), SendError>> {
        Box::pin(async move {
            let does = self.script.lock().unwrap().pop_front();
            let id = message.alert.id.0.clone();
            let told = match (message.alert.revision, message.kind.name()) {
                (1, "grantwatch.alert.opened") => id,
                (revision, kind) => format!("{id} {revision} {kind}"),
            };
            self.ids.lock().unwrap().push(told);
            self.asked.add_permits(1);
            match does.unwrap_or(Does::Take) {
                Does::Take => Ok(()),
                Does::Fail(status) => Err(refused(&self.name, status, None)),
                Does::FailFor(status, wait) => Err(refused(&self.name, status, Some(wait))),
                Does::Hang => std::future::pending().await,
            }
        })
    }
}

impl TestSink {
    fn new(name: &str, script: impl IntoIterator<Item = Does>) -> Arc<Self> {
        Arc::new(Self::limited(name, script, 4, Rate::Unlimited))
    }

    fn limited(
        name: &str,
        script: impl IntoIterator<Item = Does>,
        concurrency: usize,
        rate: Rate,
    ) -> Self {
        Self {
            name: SinkName(name.to_owned()),
            concurrency,
            rate,
            script: Mutex::new(script.into_iter().collect()),
            ids: Mutex::default(),
            asked: Semaphore::new(0),
        }
    }

    /// Waits until it has been asked `count` times more.
    async fn asked(&self, count: u32) {
        let asked = tokio::time::timeout(PATIENCE, self.asked.acquire_many(count));
        asked.await.expect("the sink is asked in time").unwrap().forget();
    }

    /// Lets time pass until it has been asked once more.
    async fn asked_later(&self, clock: &TestClock) {
        for _ in 0..1_000 {
            // The lane may set its alarm before or after a step: many small steps meet both.
            let asked = tokio::time::timeout(Duration::from_millis(20), self.asked.acquire()).await;
            if let Ok(permit) = asked {
                return permit.unwrap().forget();
            }
            clock.advance(Duration::from_secs(1));
        }
        panic!("the sink is asked in time");
    }

    fn ids(&self) -> Vec<String> {
        let mut ids = self.ids.lock().unwrap().clone();
        ids.sort();
        ids
    }
}

/// The core thread's part, played by the test: it commits when it is told to.
struct House {
    _folder: tempfile::TempDir,
    store: Store,
    clock: Arc<TestClock>,
    leases: Arc<Leases>,
    commits: watch::Sender<u64>,
    stop: watch::Sender<bool>,
    settled: mpsc::Receiver<Settled>,
    settle: mpsc::SyncSender<Settled>,
    sinks: Vec<SinkName>,
}

impl House {
    fn new(sinks: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("a.db"), &TABLES).unwrap();
        let (settle, settled) = mpsc::sync_channel(1_000);
        Self {
            _folder: folder,
            store,
            clock: Arc::new(TestClock(watch::Sender::new(Duration::ZERO))),
            leases: Arc::default(),
            commits: watch::Sender::new(0),
            stop: watch::Sender::new(false),
            settled,
            settle,
            sinks: sinks.iter().map(|name| SinkName((*name).to_owned())).collect(),
        }
    }

    fn start(&self, outlets: &[&Arc<TestSink>]) -> JoinHandle<Result<(), DispatchError>> {
        let settle = self.settle.clone();
        let dispatch = Dispatch {
            store: self.store.path().to_owned(),
            outlets: outlets.iter().map(|sink| Arc::clone(*sink) as Arc<dyn Outlet>).collect(),
            outbox: outbox::Config::default(),
            leases: Arc::clone(&self.leases),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            commits: self.commits.subscribe(),
            stop: self.stop.subscribe(),
            drain: Duration::from_secs(25),
            settle: Arc::new(move |settled| settle.send(settled).map_err(|_| Gone)),
        };
        tokio::spawn(dispatch.run())
    }

    fn raise(&mut self, ids: &[&str]) {
        let tx = self.store.begin().unwrap();
        for id in ids {
            let alert = Alert { id: AlertId((*id).to_owned()), ..alert() };
            let body = serde_json::to_string(&alert).unwrap();
            tx.execute(
                "INSERT INTO alert (id, detector, severity, first_seen, last_seen, count, seen, body)
                 VALUES (?1, 'd', 'high', 0, 0, 1, '[]', ?2)",
                [&alert.id.0, &body],
            )
            .unwrap();
            outbox::enqueue(&tx, &alert.id, 1, &self.sinks, self.clock.now()).unwrap();
        }
        tx.commit().unwrap();
        self.commits.send_modify(|number| *number += 1);
    }

    /// Commits revision `revision` of alert `id`.
    fn revise(&mut self, id: &str, revision: u64, status: AlertStatus) {
        let tx = self.store.begin().unwrap();
        let id = AlertId(id.to_owned());
        let alert = Alert { id: id.clone(), revision, status, ..alert() };
        let body = serde_json::to_string(&alert).unwrap();
        tx.execute("UPDATE alert SET body = ?2 WHERE id = ?1", [&id.0, &body]).unwrap();
        outbox::enqueue(&tx, &id, revision, &self.sinks, self.clock.now()).unwrap();
        tx.commit().unwrap();
        self.commits.send_modify(|number| *number += 1);
    }

    /// Commits the next `count` outcomes.
    fn commit(&mut self, count: usize) {
        let tx = self.store.begin().unwrap();
        for _ in 0..count {
            let settled = self.settled.recv_timeout(PATIENCE).expect("an outcome comes in time");
            outbox::settle(&tx, &settled).unwrap();
        }
        tx.commit().unwrap();
        self.commits.send_modify(|number| *number += 1);
    }

    async fn stopped(self, running: JoinHandle<Result<(), DispatchError>>) -> Self {
        self.stop.send_replace(true);
        tokio::time::timeout(PATIENCE, running).await.unwrap().unwrap().unwrap();
        self
    }

    fn backlog(&self) -> Vec<Backlog> {
        outbox::backlog(self.store.connection()).unwrap()
    }
}

fn alert() -> Alert {
    serde_json::from_value(serde_json::json!({
        "schema_version": 1, "id": "", "detector_id": "d", "detector": "d", "severity": "high", "title": "T",
        "story": "s", "who": {"name": "", "kind": "", "raw_type": "", "raw_arn": "", "access_key": ""},
        "what": "", "account": "", "region": "", "source": "", "user_agent": "", "facts": {}, "event": {},
        "event_truncated": false, "event_ids": [], "attack": [], "respond": [], "falsepositives": [],
        "references": [], "group": {}, "count": 1, "first_seen": "2026-03-01T08:12:30Z",
        "last_seen": "2026-03-01T08:12:30Z", "object": ""}))
    .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_owed_is_sent_once_and_settled() {
    let mut house = House::new(&["hook"]);
    let hook = TestSink::new("hook", []);
    house.raise(&["a", "b"]);
    let running = house.start(&[&hook]);
    hook.asked(2).await;
    // The outcomes are under way and not committed: whatever wakes the lane must not send again.
    house.raise(&["c"]);
    hook.asked(1).await;
    house.commit(3);
    let house = house.stopped(running).await;
    assert_eq!(hook.ids(), ["a", "b", "c"]);
    assert_eq!(house.backlog(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_revision_overtakes_the_one_before_it() {
    let mut house = House::new(&["hook"]);
    let hook = TestSink::new("hook", [Does::Hang]);
    house.raise(&["a"]);
    let running = house.start(&[&hook]);
    hook.asked(1).await;
    house.revise("a", 2, AlertStatus::Open);
    house.revise("a", 3, AlertStatus::Resolved);
    house.raise(&["b"]);
    // The lane has looked, there is room, and it asks for nothing but b.
    hook.asked(1).await;
    assert_eq!(hook.ids(), ["a", "b"]);
    house.clock.advance(Duration::from_secs(40));
    house.commit(2);
    hook.asked(1).await;
    house.commit(1);
    let house = house.stopped(running).await;
    assert_eq!(hook.ids(), ["a", "a 3 grantwatch.alert.resolved", "b"]);
    assert_eq!(house.backlog(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_of_what_a_sink_never_heard_of_is_news() {
    let mut house = House::new(&["hook"]);
    let hook = TestSink::new("hook", []);
    house.raise(&["a", "b"]);
    house.revise("a", 2, AlertStatus::Open);
    let running = house.start(&[&hook]);
    hook.asked(2).await;
    house.commit(2);
    house.revise("b", 2, AlertStatus::Open);
    hook.asked(1).await;
    house.commit(1);
    house.stopped(running).await;
    let told = ["a 2 grantwatch.alert.opened", "b", "b 2 grantwatch.alert.updated"];
    assert_eq!(hook.ids(), told);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_is_down_delays_no_other() {
    let mut house = House::new(&["down", "up"]);
    let down = TestSink::new("down", (0..4).map(|_| Does::Hang));
    let up = TestSink::new("up", []);
    let running = house.start(&[&down, &up]);
    house.raise(&["a", "b", "c", "d", "e", "f"]);
    up.asked(6).await;
    down.asked(4).await;
    house.commit(6);
    // Its time is up: the hanging tries end, and their alerts are tried again.
    house.clock.advance(Duration::from_secs(40));
    house.commit(4);
    assert_eq!(up.ids().len(), 6);
    house.stop.send_replace(true);
    house.clock.advance(Duration::from_secs(100));
    let house = house.stopped(running).await;
    assert_eq!(house.backlog()[0].sink.0, "down");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_try_comes_back_after_its_wait_with_the_same_id() {
    let mut house = House::new(&["hook"]);
    let hook = TestSink::new("hook", [Does::Fail(503), Does::FailFor(429, 90)]);
    house.raise(&["a"]);
    let running = house.start(&[&hook]);
    hook.asked(1).await;
    house.commit(1);
    house.clock.advance(Duration::from_secs(5));
    hook.asked(1).await;
    house.commit(1);
    house.clock.advance(Duration::from_secs(89));
    assert_eq!(hook.asked.available_permits(), 0, "the sink is left alone as long as it asked");
    hook.asked_later(&house.clock).await;
    house.commit(1);
    let house = house.stopped(running).await;
    assert_eq!(hook.ids(), ["a", "a", "a"]);
    assert_eq!(house.backlog(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_a_dead_letter_and_the_rest_goes_on() {
    let mut house = House::new(&["hook"]);
    let hook = Arc::new(TestSink::limited("hook", [Does::Fail(400)], 1, Rate::Unlimited));
    house.raise(&["a", "b"]);
    let running = house.start(&[&hook]);
    hook.asked(2).await;
    house.commit(2);
    let house = house.stopped(running).await;
    let owed = outbox::owed(house.store.connection(), &outbox::Which::All, 9).unwrap();
    let [letter] = owed.try_into().unwrap();
    assert_eq!(letter.standing, outbox::Standing::Dead);
    assert_eq!(
        (letter.alert_id.0.as_str(), letter.error.as_str()),
        ("a", "sink `hook` answered 400: ")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_is_gone_gets_nothing_more() {
    let mut house = House::new(&["hook"]);
    let hook = Arc::new(TestSink::limited("hook", [Does::Fail(410)], 1, Rate::Unlimited));
    house.raise(&["a", "b"]);
    let running = house.start(&[&hook]);
    hook.asked(1).await;
    house.commit(1);
    house.raise(&["c"]);
    let house = house.stopped(running).await;
    assert_eq!(hook.ids(), ["a"]);
    assert_eq!((house.backlog()[0].pending, house.backlog()[0].dead), (2, 1));
    assert_eq!(house.leases.count(), 1, "only the settled one, until somebody looks");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rate_spreads_the_asks() {
    let mut house = House::new(&["hook"]);
    let hook = Arc::new(TestSink::limited("hook", [], 4, Rate::PerSecond(2)));
    house.raise(&["a", "b", "c"]);
    let running = house.start(&[&hook]);
    hook.asked(1).await;
    house.commit(1);
    for _ in 0..2 {
        assert_eq!(hook.asked.available_permits(), 0);
        house.clock.advance(Duration::from_millis(500));
        hook.asked(1).await;
        house.commit(1);
    }
    house.stopped(running).await;
    assert_eq!(hook.ids(), ["a", "b", "c"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_many_failures_the_sink_is_left_alone_for_a_while() {
    let mut house = House::new(&["hook"]);
    let hook =
        Arc::new(TestSink::limited("hook", (0..5).map(|_| Does::Fail(503)), 1, Rate::Unlimited));
    let ids: Vec<String> = (0..20).map(|n| format!("{n:02}")).collect();
    house.raise(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    let running = house.start(&[&hook]);
    hook.asked(5).await;
    house.commit(5);
    assert_eq!(hook.asked.available_permits(), 0, "fifteen are due and wait for the pause to end");
    for _ in 0..20 {
        hook.asked_later(&house.clock).await;
    }
    house.commit(20);
    let house = house.stopped(running).await;
    assert_eq!(house.backlog(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_waits_for_what_is_under_way_and_then_no_longer() {
    let mut house = House::new(&["hook"]);
    let hook = TestSink::new("hook", [Does::Hang]);
    house.raise(&["a"]);
    let running = house.start(&[&hook]);
    hook.asked(1).await;
    house.stop.send_replace(true);
    house.raise(&["b"]);
    assert!(!running.is_finished());
    // The drain ends before the sink's own time does.
    while !running.is_finished() {
        house.clock.advance(Duration::from_secs(26));
        tokio::task::yield_now().await;
    }
    running.await.unwrap().unwrap();
    assert_eq!(hook.ids(), ["a"]);
    assert_eq!(house.backlog()[0].pending, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_between_answer_and_commit_sends_nothing_twice() {
    let mut house = House::new(&["hook"]);
    let hook = TestSink::new("hook", []);
    house.raise(&["a"]);
    let running = house.start(&[&hook]);
    hook.asked(1).await;
    let mut house = house.stopped(running).await;
    house.stop.send_replace(false);
    let running = house.start(&[&hook]);
    house.raise(&["b"]);
    hook.asked(1).await;
    house.commit(2);
    house.raise(&["c"]);
    hook.asked(1).await;
    house.commit(1);
    let house = house.stopped(running).await;
    assert_eq!(hook.ids(), ["a", "b", "c"]);
    assert!(house.leases.count() <= 1, "leases of settled rows are given back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_core_dispatching_ends() {
    let mut house = House::new(&["hook"]);
    let hook = TestSink::new("hook", []);
    house.raise(&["a"]);
    house.settled = mpsc::sync_channel(1).1;
    let running = house.start(&[&hook]);
    let ended = tokio::time::timeout(PATIENCE, running).await.unwrap().unwrap();
    assert!(matches!(ended, Err(DispatchError::Core(Gone))));
}
