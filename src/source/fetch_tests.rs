//! Stories of reading objects: sizes that lie, bodies that break, keys that are spelt two ways.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use super::*;

/// A length and a body, or trouble.
type Line = Result<(Option<u64>, &'static str), Trouble>;

/// A bucket that answers each request with the next entry of a script.
struct Script(Mutex<VecDeque<Line>>, Mutex<Vec<String>>);

impl Objects for Script {
    async fn open(&self, object: &Wanted) -> Result<Opened, FetchError> {
        self.1.lock().unwrap().push(object.key.clone());
        let next = self.0.lock().unwrap().pop_front().expect("the script is long enough");
        match next {
            Ok((length, body)) => Ok(Opened {
                length,
                revision: "e-1".to_owned(),
                body: ByteStream::from_static(body.as_bytes()),
            }),
            Err(kind) => Err(FetchError { location: object.location(), kind, source: None }),
        }
    }
}

fn fetcher(script: impl IntoIterator<Item = Line>) -> Fetcher<Script> {
    let objects = Script(Mutex::new(script.into_iter().collect()), Mutex::default());
    let limits = Limits { fetches: 2, max_object_bytes: 9_000 };
    let fetcher = Fetcher::new(objects, Budget::new(4_096), limits, Counters::new("test"));
    Fetcher { pauses: [Duration::ZERO; 2], ..fetcher }
}

fn announced(key: &str) -> Announced {
    Announced { bucket: "b".to_owned(), key: key.to_owned(), ..Announced::default() }
}

#[tokio::test]
async fn reads_what_was_announced() {
    let fetcher = fetcher([Ok((Some(5), "hello"))]);
    let fetched = fetcher.fetch(&announced("k")).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(fetched.bytes, b"hello");
    assert_eq!(fetched.object.to_string(), "s3://b/k#e-1");
    assert_eq!(fetcher.counters.bytes_fetched.load(Ordering::Relaxed), 5);
}

#[tokio::test]
async fn an_object_larger_than_announced_waits_for_its_budget_without_holding_any() {
    let body: &'static str = "x".repeat(3_000).leak();
    let fetcher = fetcher([Ok((Some(3_000), body)), Ok((Some(3_000), body))]);
    let other = fetcher.budget.take(2_048).await;
    let wanted = announced("k");
    let fetching = fetcher.fetch(&wanted);
    tokio::pin!(fetching);
    tokio::select! {
        biased;
        _ = &mut fetching => panic!("there was no budget for it"),
        () = tokio::task::yield_now() => {}
    }
    drop(other);
    let fetched = fetching.await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(fetched.bytes.len(), 3_000);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_read_again_a_few_times() {
    let short = fetcher([Ok((Some(9), "hello")), Ok((Some(2), "hello")), Ok((Some(5), "hello"))]);
    assert!(short.fetch(&announced("k")).await.is_ok());
    let never = fetcher([Ok((Some(9), "x")), Ok((Some(9), "x")), Ok((Some(9), "x"))]);
    let error = never.fetch(&announced("k")).await.err().unwrap();
    assert_eq!((error.kind, error.kind.advice()), (Trouble::Broken, Advice::Wait));
}

#[tokio::test]
async fn a_missing_key_is_tried_decoded_once_and_then_again() {
    let fetcher = fetcher([Err(Trouble::Missing), Ok((Some(5), "hello"))]);
    let plain = Announced { fallback_key: Some("a b".to_owned()), ..announced("a+b") };
    let fetched = fetcher.fetch(&plain).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(fetched.object.location, "s3://b/a b");
    assert_eq!(*fetcher.objects.1.lock().unwrap(), ["a+b", "a b"]);

    let gone = self::fetcher([const { Err(Trouble::Missing) }; 3]);
    let error = gone.fetch(&announced("k")).await.err().unwrap();
    assert_eq!(error.kind.advice(), Advice::Reject);
    assert_eq!(gone.counters.fetch_failures.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn what_is_too_large_is_not_read() {
    let told = fetcher([]);
    let large = Announced { size_bytes: Some(9_001), ..announced("k") };
    assert_eq!(told.fetch(&large).await.err().unwrap().kind, Trouble::TooLarge);
    let found = fetcher([Ok((Some(9_001), "x"))]);
    assert_eq!(found.fetch(&announced("k")).await.err().unwrap().kind, Trouble::TooLarge);
}

#[tokio::test]
async fn a_body_without_a_length_is_bounded_by_the_budget() {
    let fetcher = fetcher([Ok((None, "hello"))]);
    let fetched = fetcher.fetch(&announced("k")).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(fetched.bytes, b"hello");
    let endless: &'static str = "x".repeat(5_000).leak();
    let fetcher = self::fetcher([Ok((None, endless)), Ok((None, endless)), Ok((None, endless))]);
    assert_eq!(fetcher.fetch(&announced("k")).await.err().unwrap().kind, Trouble::Broken);
}

#[test]
fn codes_of_s3_are_understood() {
    for (code, status, wanted) in [
        ("NoSuchKey", 404, Trouble::Missing),
        ("NoSuchVersion", 404, Trouble::Missing),
        ("MethodNotAllowed", 405, Trouble::Missing),
        ("InvalidObjectState", 403, Trouble::Archived),
        ("AccessDenied", 403, Trouble::Denied),
        ("", 403, Trouble::Denied),
        ("KMS.DisabledException", 400, Trouble::Denied),
        ("ExpiredToken", 400, Trouble::Denied),
        ("NoSuchBucket", 404, Trouble::NoBucket),
        ("PermanentRedirect", 301, Trouble::NoBucket),
        ("AuthorizationHeaderMalformed", 400, Trouble::NoBucket),
        ("SlowDown", 503, Trouble::Unavailable),
        ("InternalError", 500, Trouble::Unavailable),
        ("RequestTimeout", 400, Trouble::Unavailable),
        ("", 0, Trouble::Unavailable),
        ("InvalidRequest", 400, Trouble::Refused),
    ] {
        assert_eq!(Trouble::of(code, status), wanted, "{code} {status}");
    }
}
