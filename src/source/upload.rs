//! Objects put into a bucket, several at once: what a simulation delivers.
//!
//! Retries are the SDK's own. A failure is told by the next call, and by the last: whoever asks for the end knows
//! that everything is there or why it is not.
//!
//! Invariant: no more uploads are under way than was asked for; an object's bytes go as they are.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::config::Region;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Error;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::operation::put_object::PutObjectError;
use aws_sdk_s3::primitives::ByteStream;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::source::aws;
use crate::source::aws::Access;
use crate::source::aws::Refusal;
use crate::source::aws::cause;
use crate::source::error::SourceError;

/// One object to put.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Upload {
    /// Its key below the prefix.
    pub key: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its `Content-Type`.
    pub content_type: String,
    /// Its metadata: `x-amz-meta-…`.
    pub metadata: BTreeMap<String, String>,
}

/// A prefix of a bucket that objects are put below.
#[derive(Debug)]
pub struct Uploads {
    place: Arc<Place>,
    most: usize,
    under_way: Mutex<JoinSet<Result<(), SourceError>>>,
}

#[derive(Debug)]
struct Place {
    client: Client,
    bucket: String,
    /// Empty, or ends with `/`.
    prefix: String,
    /// Where S3 says that the bucket is, if that is not the client's region.
    region: OnceLock<String>,
}

impl Uploads {
    /// Makes ready to put objects below `prefix` of `bucket`, at most `most` at once.
    ///
    /// # Errors
    /// When nothing says in which region.
    pub async fn open(
        access: &Access,
        (bucket, prefix): (&str, &str),
        most: usize,
    ) -> Result<Self, SourceError> {
        let shared = aws::load(bucket, access, Duration::ZERO).await?;
        Ok(Self::with(aws::s3(&shared), (bucket, prefix), most))
    }

    fn with(client: Client, (bucket, prefix): (&str, &str), most: usize) -> Self {
        let prefix = prefix.trim_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        let place = Place { client, bucket: bucket.to_owned(), prefix, region: OnceLock::new() };
        Self { place: Arc::new(place), most: most.max(1), under_way: Mutex::new(JoinSet::new()) }
    }

    /// Returns whether nothing is below the prefix yet.
    ///
    /// # Errors
    /// When the prefix cannot be listed.
    pub async fn is_empty(&self) -> Result<bool, SourceError> {
        let place = &self.place;
        let mut listed = place.list().await;
        if let Err(error) = &listed
            && place.learns_region(&Refusal::of(error))
        {
            listed = place.list().await;
        }
        let listed = listed.map_err(|error| SourceError::Unlisted {
            prefix: place.location(""),
            fault: Refusal::of(&error).fault(),
            source: cause(error),
        })?;
        Ok(listed.contents().is_empty())
    }

    /// Puts `upload`: returns once it is under way.
    ///
    /// # Errors
    /// When an earlier one failed; it and those after it may not be there.
    pub async fn put(&self, upload: Upload) -> Result<(), SourceError> {
        let mut under_way = self.under_way.lock().await;
        while under_way.len() >= self.most {
            ended(&mut under_way).await?;
        }
        let place = Arc::clone(&self.place);
        under_way.spawn(async move { place.put(&upload).await });
        Ok(())
    }

    /// Waits until everything is there.
    ///
    /// # Errors
    /// When an upload failed.
    pub async fn finish(&self) -> Result<(), SourceError> {
        let mut under_way = self.under_way.lock().await;
        while !under_way.is_empty() {
            ended(&mut under_way).await?;
        }
        Ok(())
    }
}

async fn ended(under_way: &mut JoinSet<Result<(), SourceError>>) -> Result<(), SourceError> {
    match under_way.join_next().await {
        None => Ok(()),
        Some(ended) => ended.map_err(|source| SourceError::Panicked { source })?,
    }
}

impl Place {
    async fn put(&self, upload: &Upload) -> Result<(), SourceError> {
        let mut put = self.ask_to_put(upload).await;
        if let Err(error) = &put
            && self.learns_region(&Refusal::of(error))
        {
            put = self.ask_to_put(upload).await;
        }
        put.map_err(|error| SourceError::Unput {
            location: self.location(&upload.key),
            fault: Refusal::of(&error).fault(),
            source: cause(error),
        })
    }

    async fn ask_to_put(&self, upload: &Upload) -> Result<(), SdkError<PutObjectError>> {
        let metadata = upload.metadata.clone().into_iter().collect();
        let request = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(format!("{}{}", self.prefix, upload.key))
            .content_type(&upload.content_type)
            .set_metadata(Some(metadata))
            .body(ByteStream::from(upload.bytes.clone()));
        match self.elsewhere() {
            None => request.send().await,
            Some(there) => request.customize().config_override(there).send().await,
        }
        .map(|_| ())
    }

    async fn list(&self) -> Result<ListObjectsV2Output, SdkError<ListObjectsV2Error>> {
        let request = self.client.list_objects_v2().bucket(&self.bucket).prefix(&self.prefix);
        let request = request.max_keys(1);
        match self.elsewhere() {
            None => request.send().await,
            Some(there) => request.customize().config_override(there).send().await,
        }
    }

    fn elsewhere(&self) -> Option<Builder> {
        self.region.get().map(|region| Builder::new().region(Region::new(region.clone())))
    }

    /// Returns whether a refusal says in which other region the bucket is, so that asking there may help.
    fn learns_region(&self, refusal: &Refusal) -> bool {
        let is_redirect = matches!(refusal.status, 301 | 307 | 400);
        let asked = self.client.config().region().map(|region| region.as_ref().to_owned());
        match &refusal.bucket_region {
            Some(there) if is_redirect && asked.as_ref() != Some(there) => {
                self.region.get_or_init(|| there.clone()) == there
            }
            _ => false,
        }
    }

    fn location(&self, key: &str) -> String {
        format!("s3://{}/{}{key}", self.bucket, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering;

    use axum::Router;
    use axum::body::Bytes;
    use axum::extract::State;
    use axum::http::HeaderMap;
    use axum::http::StatusCode;
    use axum::http::Uri;
    use axum::response::IntoResponse as _;
    use axum::response::Response;

    use super::*;
    use crate::source::stub;

    fn upload(key: &str) -> Upload {
        Upload {
            key: key.to_owned(),
            bytes: b"\x1f\x8b bytes".to_vec(),
            content_type: "application/x-gzip".to_owned(),
            metadata: BTreeMap::from([("signature".to_owned(), "00ff".to_owned())]),
        }
    }

    type Seen = Arc<std::sync::Mutex<Vec<(String, String, Vec<u8>)>>>;

    async fn take(
        State(seen): State<Seen>,
        uri: Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> StatusCode {
        let text = |name: &str| headers[name].to_str().unwrap();
        let said = format!("{} {}", text("content-type"), text("x-amz-meta-signature"));
        seen.lock().unwrap().push((uri.path().to_owned(), said, body.to_vec()));
        StatusCode::OK
    }

    #[tokio::test]
    async fn objects_arrive_as_they_are_with_what_is_said_of_them() {
        let seen = Seen::default();
        let client = stub::s3(Router::new().fallback(take).with_state(Arc::clone(&seen))).await;
        let uploads = Uploads::with(client, ("logs", "/drill/"), 2);
        for nth in 0..5 {
            uploads.put(upload(&format!("AWSLogs/{nth}.json.gz"))).await.unwrap();
        }
        uploads.finish().await.unwrap();
        let mut seen = seen.lock().unwrap().clone();
        seen.sort();
        assert_eq!(seen.len(), 5);
        let (path, said, body) = &seen[4];
        assert_eq!(path, "/logs/drill/AWSLogs/4.json.gz");
        assert_eq!(said, "application/x-gzip 00ff");
        assert!(body.windows(8).any(|part| part == b"\x1f\x8b bytes"), "{body:?}");
    }

    #[tokio::test]
    async fn no_more_are_under_way_than_was_asked_for() {
        static NOW: AtomicUsize = AtomicUsize::new(0);
        static MOST: AtomicUsize = AtomicUsize::new(0);
        let serve = || async {
            MOST.fetch_max(NOW.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            NOW.fetch_sub(1, Ordering::SeqCst);
        };
        let uploads = Uploads::with(stub::s3(Router::new().fallback(serve)).await, ("b", ""), 3);
        for nth in 0..20 {
            uploads.put(upload(&nth.to_string())).await.unwrap();
        }
        uploads.finish().await.unwrap();
        assert!(MOST.load(Ordering::SeqCst) <= 3);
    }

    #[tokio::test]
    async fn a_refusal_names_the_object_and_says_why() {
        let serve = || async {
            let body = "<Error><Code>AccessDenied</Code><Message>not you</Message></Error>";
            (StatusCode::FORBIDDEN, body)
        };
        let uploads = Uploads::with(stub::s3(Router::new().fallback(serve)).await, ("b", "p"), 4);
        uploads.put(upload("k")).await.unwrap();
        let error = uploads.finish().await.unwrap_err();
        assert!(!error.is_retryable());
        let told = crate::telemetry::chain(&error).to_string();
        assert!(told.contains("s3://b/p/k") && told.contains("AccessDenied: not you"), "{told}");
        let told = crate::telemetry::chain(&uploads.is_empty().await.unwrap_err()).to_string();
        assert!(told.contains("s3://b/p/") && told.contains("AccessDenied"), "{told}");
    }

    #[tokio::test]
    async fn a_bucket_in_another_region_is_asked_there() {
        async fn serve(headers: HeaderMap) -> Response {
            let signed = headers["authorization"].to_str().unwrap();
            if signed.split('/').nth(2) == Some("eu-west-3") {
                return "<ListBucketResult></ListBucketResult>".into_response();
            }
            let body = "<Error><Code>PermanentRedirect</Code><Message>elsewhere</Message></Error>";
            (StatusCode::MOVED_PERMANENTLY, [("x-amz-bucket-region", "eu-west-3")], body)
                .into_response()
        }
        let uploads = Uploads::with(stub::s3(Router::new().fallback(serve)).await, ("b", ""), 4);
        assert!(uploads.is_empty().await.unwrap());
        let uploads = Uploads::with(stub::s3(Router::new().fallback(serve)).await, ("b", ""), 4);
        for key in ["1", "2", "3"] {
            uploads.put(upload(key)).await.unwrap();
        }
        uploads.finish().await.unwrap();
    }
}
