//! Stories of listings: a server on loopback tells the keys, a bucket in memory has the objects.

use std::sync::Mutex;

use aws_sdk_s3::primitives::ByteStream;
use axum::Router;
use axum::http::Uri;

use super::*;
use crate::source::budget::Budget;
use crate::source::counters::Counters;
use crate::source::fetch::Limits;
use crate::source::fetch::Opened;
use crate::source::fetch::Wanted;
use crate::source::stub;

/// Answers ListObjectsV2 with `count` keys, three a page.
async fn keys(count: usize, uri: Uri) -> String {
    let query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let token = query.into_iter().find(|(name, _)| name == "continuation-token");
    let skip: usize = token.map_or(0, |(_, token)| token.parse().unwrap());
    let mut body = "<ListBucketResult>".to_owned();
    for number in (0..count).skip(skip).take(3) {
        body += &format!(
            "<Contents><Key>{}</Key><Size>600</Size><ETag>&quot;e-{number}&quot;</ETag>\
             <LastModified>2026-03-01T08:00:00.000Z</LastModified></Contents>",
            key(number)
        );
    }
    if count > skip + 3 {
        body += &format!("<NextContinuationToken>{}</NextContinuationToken>", skip + 3);
        body += "<IsTruncated>true</IsTruncated>";
    }
    body + "</ListBucketResult>"
}

fn key(number: usize) -> String {
    match number {
        2 => "logs/02/".to_owned(),
        _ => format!("logs/{number:02}_20260301T{number:02}00Z.json"),
    }
}

/// Objects that are read the slower the earlier they come, so that order is not by luck.
struct Backwards(Mutex<Vec<String>>);

impl Objects for Backwards {
    async fn open(&self, object: &Wanted) -> Result<Opened, FetchError> {
        let number: usize = object.key.get(5..7).unwrap().parse().unwrap();
        for _ in 0..(20 - number) * 10 {
            tokio::task::yield_now().await;
        }
        self.0.lock().unwrap().push(object.key.clone());
        if number == 5 {
            let location = object.location();
            return Err(FetchError { location, kind: Trouble::Archived, source: None });
        }
        Ok(Opened {
            length: Some(600),
            revision: format!("e-{number}"),
            body: ByteStream::from(vec![b'x'; 600]),
        })
    }
}

/// A listing to be run, and what keeps it from stopping.
struct Stage {
    lister: Lister<Backwards>,
    client: Client,
    from: mpsc::Receiver<Delivery>,
    _say: watch::Sender<bool>,
}

async fn stage(count: usize, window: Window) -> Stage {
    let router = Router::new().fallback(move |uri| keys(count, uri));
    let (to, from) = mpsc::channel(1);
    let limits = Limits { fetches: 8, max_object_bytes: 1_000 };
    // Three objects fit into the budget; four are read ahead.
    let budget = Budget::new(3 * 1_024);
    let objects = Backwards(Mutex::default());
    let fetcher = Arc::new(Fetcher::new(objects, budget, limits, Counters::new("scan")));
    let (say, stop) = watch::channel(false);
    let known: Known = Arc::new(|object| object.location.ends_with("07_20260301T0700Z.json"));
    let (bucket, prefix) = ("b".to_owned(), "logs/".to_owned());
    let lister = Lister { bucket, prefix, window, ahead: 4, fetcher, known, to, stop };
    Stage { lister, client: stub::s3(router).await, from, _say: say }
}

#[tokio::test]
async fn objects_come_in_the_order_of_keys_within_the_budget() {
    let Stage { lister, client, mut from, _say } = stage(11, Window::default()).await;
    let counters = Arc::clone(&lister.fetcher.counters);
    let reading = tokio::spawn(lister.run(client));
    let mut all = Vec::new();
    let limit = std::time::Duration::from_secs(20);
    while let Some(delivery) = tokio::time::timeout(limit, from.recv()).await.unwrap() {
        let number = delivery.object.location.get(12..14).unwrap().to_owned();
        all.push(match delivery.content {
            Content::Bytes { .. } => number,
            Content::Routed(route) => format!("{number} {}", route.name()),
            Content::Rejected { .. } => format!("{number} rejected"),
            Content::Messages { .. } | Content::Reading(_) => panic!("a listing holds objects"),
        });
    }
    reading.await.unwrap().unwrap();
    let wanted = ["00", "01", "02 noise", "03", "04", "05 rejected", "06", "08", "09", "10"];
    assert_eq!(all, wanted);
    let snapshot = counters.snapshot();
    for number in [("objects_listed", 11), ("bytes_listed", 9 * 600), ("listing_complete", 1)] {
        assert!(snapshot.contains(&number), "{snapshot:?}");
    }
}

#[tokio::test]
async fn what_was_delivered_elsewhen_is_not_read() {
    let at = |text: &str| Seconds::parse(text);
    let window = Window { from: at("2026-03-01T03:30:00Z"), to: at("2026-03-01T04:00:00Z") };
    let Stage { lister, client, mut from, _say } = stage(12, window).await;
    let reading = tokio::spawn(lister.run(client));
    let mut all = Vec::new();
    while let Some(delivery) = from.recv().await {
        all.push(delivery.object.location.get(12..14).unwrap().to_owned());
    }
    reading.await.unwrap().unwrap();
    assert_eq!(all, ["04", "05", "06"], "04 to 06: two hours for late deliveries");
}

#[tokio::test]
async fn a_pipeline_that_is_gone_ends_the_listing() {
    let Stage { lister, client, from, _say } = stage(11, Window::default()).await;
    drop(from);
    lister.run(client).await.unwrap();
}

#[tokio::test]
async fn a_listing_that_fails_says_so() {
    let stage = stage(1, Window::default()).await;
    let error = stage.lister.run(stub::nobody()).await.unwrap_err();
    assert!(matches!(error, SourceError::Unlisted { .. }) && error.is_retryable());
}
