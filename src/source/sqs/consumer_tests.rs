//! Stories of a queue's messages, over a queue and a bucket in memory.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use aws_sdk_s3::primitives::ByteStream;
use serde_json::json;
use tokio::task::JoinHandle;

use super::*;
use crate::model::Content;
use crate::model::Delivery;
use crate::source::budget::Budget;
use crate::source::counters::Counters;
use crate::source::fetch::FetchError;
use crate::source::fetch::Fetcher;
use crate::source::fetch::Limits;
use crate::source::fetch::Opened;
use crate::source::fetch::Trouble;
use crate::source::fetch::Wanted;
use crate::source::quiet::Quiet;
use crate::source::sqs::memory::MemoryQueue;
use crate::source::sqs::work::Holds;
use crate::source::sqs::work::Pasted;
use crate::source::sqs::work::Terms;

/// A bucket in memory that notes what was asked of it.
#[derive(Default)]
struct Bucket {
    objects: Mutex<BTreeMap<String, Result<&'static str, Trouble>>>,
    asked: Mutex<Vec<String>>,
}

impl Objects for Arc<Bucket> {
    async fn open(&self, object: &Wanted) -> Result<Opened, FetchError> {
        self.asked.lock().unwrap().push(object.location());
        let found = self.objects.lock().unwrap().get(&object.key).copied();
        match found.unwrap_or(Err(Trouble::Missing)) {
            Ok(text) => Ok(Opened {
                length: Some(text.len().try_into().unwrap()),
                revision: "e-1".to_owned(),
                body: ByteStream::from_static(text.as_bytes()),
            }),
            Err(kind) => Err(FetchError { location: object.location(), kind, source: None }),
        }
    }
}

struct Stage {
    queue: Arc<MemoryQueue>,
    bucket: Arc<Bucket>,
    from: mpsc::Receiver<Delivery>,
    known: Arc<Mutex<BTreeSet<String>>>,
    counters: Arc<Counters>,
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
}

fn terms() -> Terms {
    Terms {
        buckets: BTreeSet::new(),
        visibility: Duration::from_secs(300),
        max_receives: 3,
        pasted: Pasted::Refused,
        holds: Holds::Logs,
    }
}

fn bounds() -> Bounds {
    Bounds { max_in_flight: 8, drain: Duration::from_secs(20) }
}

fn stage(terms: Terms, bounds: Bounds) -> Stage {
    let queue = Arc::new(MemoryQueue::default());
    let bucket = Arc::new(Bucket::default());
    let counters = Counters::new("test");
    let known: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let (to, from) = mpsc::channel(100);
    let (stop, stopped) = watch::channel(false);
    let limits = Limits { fetches: 4, max_object_bytes: 1_048_576 };
    let budget = Budget::new(1_048_576);
    let mut fetcher = Fetcher::new(Arc::clone(&bucket), budget, limits, Arc::clone(&counters));
    fetcher.pauses = [Duration::ZERO; 2];
    let consumer = Consumer {
        name: Arc::from("test"),
        terms,
        queue: Arc::clone(&queue),
        fetcher,
        known: Arc::new({
            let known = Arc::clone(&known);
            move |object| known.lock().unwrap().contains(&object.to_string())
        }),
        to,
        counters: Arc::clone(&counters),
        quiet: Quiet::default(),
    };
    let running = tokio::spawn(run(Arc::new(consumer), bounds, stopped));
    Stage { queue, bucket, from, known, counters, stop, running }
}

impl Stage {
    fn put(&self, key: &str, object: Result<&'static str, Trouble>) {
        self.bucket.objects.lock().unwrap().insert(key.to_owned(), object);
    }

    async fn next(&mut self) -> Delivery {
        let limit = Duration::from_secs(20);
        timeout(limit, self.from.recv()).await.unwrap().expect("the source goes on")
    }

    async fn until_deleted(&self, ids: &[&str]) {
        self.queue.until(|state| state.deleted == ids).await;
    }

    async fn end(self) {
        self.stop.send_replace(true);
        self.running.await.unwrap();
    }

    fn number(&self, name: &str) -> u64 {
        let all = self.counters.snapshot();
        all.into_iter().find(|(known, _)| *known == name).unwrap().1
    }
}

fn of_bucket(bucket: &str, keys: &[&str]) -> String {
    json!({ "s3Bucket": bucket, "s3ObjectKey": keys }).to_string()
}

fn shown(delivery: &Delivery) -> String {
    let object = &delivery.object;
    match &delivery.content {
        Content::Bytes { bytes, .. } => format!("{object} {}", String::from_utf8_lossy(bytes)),
        Content::Routed(route) => format!("{object} -> {}", route.name()),
        Content::Rejected { reason, .. } => format!("{object} rejected: {reason}"),
        Content::Reading(_) => panic!("a queue tells no policies"),
        Content::Messages { preset, bytes } => {
            let preset = preset.as_deref().unwrap_or("us");
            format!("{object} of {preset}: {}", String::from_utf8_lossy(bytes))
        }
    }
}

#[tokio::test]
async fn a_message_is_deleted_when_all_its_objects_are_committed() {
    let mut stage = stage(terms(), bounds());
    for key in ["a", "b", "c"] {
        stage.put(key, Ok("text"));
    }
    stage.queue.send("m1", &of_bucket("logs", &["a", "b", "c"]));
    let first = stage.next().await;
    let (second, third) = (stage.next().await, stage.next().await);
    assert_eq!(shown(&first), "s3://logs/a#e-1 text");
    third.receipt.committed();
    first.receipt.committed();
    assert_eq!(stage.queue.state().deleted, [] as [&str; 0]);
    second.receipt.committed();
    stage.until_deleted(&["m1"]).await;
    assert_eq!(stage.number("messages_deleted"), 1);
    stage.end().await;
}

#[tokio::test]
async fn a_message_whose_receipt_is_dropped_comes_back() {
    let mut stage = stage(terms(), bounds());
    stage.put("a", Ok("text"));
    stage.queue.send("m1", &of_bucket("logs", &["a"]));
    drop(stage.next().await);
    stage.queue.until(|state| !state.hides.is_empty()).await;
    stage.queue.expire();
    stage.next().await.receipt.committed();
    stage.until_deleted(&["m1"]).await;
    stage.end().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_handed_over_and_deleted_only_after_its_receipt() {
    let mut stage = stage(terms(), bounds());
    stage.queue.send("m1", "not ours");
    let poison = stage.next().await;
    assert!(shown(&poison).starts_with("message:m1 rejected: the body is no JSON object"));
    let Content::Rejected { body, .. } = &poison.content else { panic!("rejected") };
    assert_eq!(body, b"not ours");
    assert_eq!(stage.queue.state().deleted, [] as [&str; 0]);
    poison.receipt.committed();
    stage.until_deleted(&["m1"]).await;
    stage.end().await;
}

#[tokio::test]
async fn noise_and_routed_objects_are_handed_over_unread() {
    let mut stage = stage(terms(), bounds());
    let test = json!({"Event": "s3:TestEvent", "Service": "Amazon S3", "Bucket": "logs"});
    stage.queue.send("m1", &test.to_string());
    let noise = stage.next().await;
    assert_eq!(shown(&noise), "message:m1 -> noise");
    noise.receipt.committed();
    stage.until_deleted(&["m1"]).await;
    let digest = "AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/x.json.gz";
    stage.queue.send("m2", &of_bucket("logs", &[digest]));
    let routed = stage.next().await;
    assert_eq!(shown(&routed), format!("s3://logs/{digest} -> digest"));
    routed.receipt.committed();
    stage.until_deleted(&["m1", "m2"]).await;
    assert_eq!(*stage.bucket.asked.lock().unwrap(), [] as [&str; 0]);
    stage.end().await;
}

#[tokio::test]
async fn a_foreign_bucket_is_never_asked() {
    let buckets = BTreeSet::from(["logs".to_owned()]);
    let mut stage = stage(Terms { buckets, ..terms() }, bounds());
    stage.queue.send("m1", &of_bucket("secrets", &["a"]));
    let rejected = stage.next().await;
    assert_eq!(
        shown(&rejected),
        "message:m1 rejected: the bucket `secrets` is not among this source's `buckets`"
    );
    assert_eq!(*stage.bucket.asked.lock().unwrap(), [] as [&str; 0]);
    rejected.receipt.committed();
    stage.end().await;
}

#[tokio::test]
async fn what_may_succeed_later_stays_on_the_queue_and_does_not_hold_back_the_rest() {
    let mut stage = stage(terms(), bounds());
    stage.put("denied", Err(Trouble::Denied));
    stage.put("good", Ok("text"));
    stage.queue.send("m1", &of_bucket("logs", &["denied", "good"]));
    let good = stage.next().await;
    assert_eq!(shown(&good), "s3://logs/good#e-1 text");
    stage.known.lock().unwrap().insert(good.object.to_string());
    good.receipt.committed();
    stage.queue.until(|state| !state.hides.is_empty()).await;
    let hides = stage.queue.state().hides.clone();
    assert!(hides[0].1 > Duration::from_secs(20) && hides[0].1 <= Duration::from_secs(30));

    stage.put("denied", Ok("granted"));
    stage.queue.expire();
    let granted = stage.next().await;
    assert_eq!(shown(&granted), "s3://logs/denied#e-1 granted");
    granted.receipt.committed();
    stage.until_deleted(&["m1"]).await;
    assert_eq!(stage.number("known"), 1);
    stage.end().await;
}

#[tokio::test]
async fn a_missing_object_is_rejected_and_an_odd_refusal_only_in_the_end() {
    let mut stage = stage(terms(), bounds());
    stage.queue.send("m1", &of_bucket("logs", &["gone"]));
    let gone = stage.next().await;
    assert_eq!(shown(&gone), "message:m1 rejected: could not read s3://logs/gone: it is not there");
    gone.receipt.committed();
    stage.until_deleted(&["m1"]).await;

    stage.put("odd", Err(Trouble::Refused));
    stage.queue.send("m2", &of_bucket("logs", &["odd"]));
    for receives in 1..=2 {
        stage.queue.until(|state| state.hides.len() == receives).await;
        stage.queue.expire();
    }
    let odd = stage.next().await;
    assert!(shown(&odd).ends_with("the service refuses (3 receives)"));
    odd.receipt.committed();
    stage.end().await;
}

#[tokio::test]
async fn what_is_known_is_acknowledged_unread() {
    let stage = stage(terms(), bounds());
    let record = json!({"Records": [{"eventVersion": "2.1", "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": "logs"}, "object": {"key": "a", "versionId": "v-1"}}}]});
    stage.known.lock().unwrap().insert("s3://logs/a#v-1".to_owned());
    stage.queue.send("m1", &record.to_string());
    stage.until_deleted(&["m1"]).await;
    assert_eq!(*stage.bucket.asked.lock().unwrap(), [] as [&str; 0]);
    stage.end().await;
}

#[tokio::test]
async fn records_inside_messages_are_deliveries() {
    let mut stage = stage(terms(), bounds());
    let event = json!({"source": "aws.iam", "detail-type": "AWS API Call via CloudTrail",
        "detail": {"eventName": "CreateUser"}});
    stage.queue.send("m1", &event.to_string());
    assert_eq!(shown(&stage.next().await), r#"message:m1 {"eventName":"CreateUser"}"#);
    let pasted =
        json!({"Records": [{"eventVersion": "1.08", "eventName": "X", "userIdentity": {}}]});
    stage.queue.send("m2", &pasted.to_string());
    assert!(shown(&stage.next().await).contains("rejected: a CloudTrail file as the message"));
    stage.end().await;

    let mut stage = self::stage(Terms { pasted: Pasted::Accepted, ..terms() }, bounds());
    stage.queue.send("m3", &pasted.to_string());
    assert_eq!(shown(&stage.next().await), format!("message:m3 {pasted}"));
    stage.end().await;
}

#[tokio::test]
async fn no_more_is_received_than_there_is_room_for() {
    let mut stage = stage(terms(), Bounds { max_in_flight: 3, ..bounds() });
    stage.put("a", Ok("text"));
    for message in 0..12 {
        stage.queue.send(&format!("m{message}"), &of_bucket("logs", &["a"]));
    }
    for _ in 0..4 {
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(stage.next().await);
        }
        assert!(stage.from.try_recv().is_err(), "all slots are taken");
        for delivery in held {
            delivery.receipt.committed();
        }
    }
    stage.queue.until(|state| state.deleted.len() == 12).await;
    // A slot is free once its delete is on its way, so one batch may be hidden beside the work.
    assert!(stage.queue.state().most_hidden <= 3 + 10);
    stage.end().await;
}

#[tokio::test]
async fn visibility_is_renewed_while_work_goes_on() {
    let visibility = Duration::from_millis(1_200);
    let mut stage = stage(Terms { visibility, ..terms() }, bounds());
    stage.put("a", Ok("text"));
    stage.queue.send("m1", &of_bucket("logs", &["a"]));
    let delivery = stage.next().await;
    stage.queue.until(|state| state.hides == [("m1".to_owned(), visibility)]).await;
    delivery.receipt.committed();
    stage.until_deleted(&["m1"]).await;
    assert_eq!(stage.number("extensions"), 1);
    stage.end().await;
}

#[tokio::test]
async fn a_message_that_was_lost_is_finished_and_its_delete_does_no_harm() {
    let visibility = Duration::from_millis(1_200);
    let mut stage = stage(Terms { visibility, ..terms() }, bounds());
    stage.put("a", Ok("text"));
    stage.queue.send("m1", &of_bucket("logs", &["a"]));
    let first = stage.next().await;
    stage.queue.expire();
    let second = stage.next().await;
    assert_eq!(first.object, second.object);
    stage.queue.until(|state| !state.hides.is_empty()).await;
    first.receipt.committed();
    second.receipt.committed();
    stage.until_deleted(&["m1"]).await;
    stage.queue.until(|state| state.delete_batches.iter().sum::<usize>() == 2).await;
    assert_eq!(stage.counters.messages_lost.load(Ordering::Relaxed), 1);
    stage.end().await;
}

#[tokio::test]
async fn a_stop_lets_work_finish_and_gives_the_rest_back() {
    let bounds = Bounds { drain: Duration::from_millis(300), ..bounds() };
    let mut stage = stage(terms(), bounds);
    stage.put("a", Ok("text"));
    stage.queue.send("quick", &of_bucket("logs", &["a"]));
    let quick = stage.next().await;
    stage.queue.send("slow", &of_bucket("logs", &["a"]));
    let slow = stage.next().await;
    stage.stop.send_replace(true);
    quick.receipt.committed();
    stage.running.await.unwrap();
    assert_eq!(stage.queue.state().deleted, ["quick"]);
    assert_eq!(stage.queue.state().hides, [("slow".to_owned(), Duration::ZERO)]);
    // The pipeline may still commit it; the ledger then knows it when it comes again.
    slow.receipt.committed();
    stage.queue.send("later", "{}");
    assert_eq!(stage.queue.receive(10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_pipeline_that_is_gone_ends_the_source_and_its_messages_go_back() {
    let mut stage = stage(terms(), bounds());
    stage.put("a", Ok("text"));
    stage.queue.send("m1", &of_bucket("logs", &["a"]));
    let delivery = stage.next().await;
    drop(stage.from);
    drop(delivery);
    stage.running.await.unwrap();
    assert_eq!(stage.queue.state().hides, [("m1".to_owned(), Duration::ZERO)]);
}

#[tokio::test]
async fn a_message_about_grants_is_handed_over_as_it_is_and_deleted_after_its_commit() {
    let holds = Holds::Grants { preset: Some(Arc::from("aws-team")) };
    let mut stage = stage(Terms { holds, ..terms() }, bounds());
    // It looks like a notification of an object, and is none: nothing is fetched.
    stage.queue.send("m1", &of_bucket("logs", &["a"]));
    let told = stage.next().await;
    let body = of_bucket("logs", &["a"]);
    assert_eq!(shown(&told), format!("message:m1 of aws-team: {body}"));
    assert_eq!(stage.queue.state().deleted, [] as [&str; 0]);
    told.receipt.committed();
    stage.until_deleted(&["m1"]).await;
    let asking =
        json!({"Type": "SubscriptionConfirmation", "TopicArn": "arn:aws:sns:x", "Token": "t"});
    stage.queue.send("m2", &asking.to_string());
    let asked = stage.next().await;
    assert_eq!(shown(&asked), "message:m2 -> noise");
    asked.receipt.committed();
    stage.until_deleted(&["m1", "m2"]).await;
    assert!(stage.bucket.asked.lock().unwrap().is_empty());
    stage.end().await;
}
