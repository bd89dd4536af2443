//! [`Objects`] over the real S3.
//!
//! Invariant: a bucket in another region is asked again there once, and remembered.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::config::Region;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use tracing::info;

use crate::source::aws::Refusal;
use crate::source::aws::cause;
use crate::source::fetch::FetchError;
use crate::source::fetch::Objects;
use crate::source::fetch::Opened;
use crate::source::fetch::Trouble;
use crate::source::fetch::Wanted;

/// How many buckets' regions are remembered; more than anybody has logs in.
const MAX_REGIONS: usize = 1_000;

/// Objects on S3.
pub(super) struct S3Objects {
    client: Client,
    /// Where buckets are that are not in the client's region.
    regions: Mutex<BTreeMap<String, String>>,
}

impl S3Objects {
    /// Returns the objects that `client` can read.
    pub(super) fn new(client: Client) -> Self {
        Self { client, regions: Mutex::new(BTreeMap::new()) }
    }

    async fn get(
        &self,
        object: &Wanted,
        region: Option<String>,
    ) -> Result<GetObjectOutput, SdkError<GetObjectError>> {
        let request = self
            .client
            .get_object()
            .bucket(&object.bucket)
            .key(&object.key)
            .set_version_id(object.version.clone());
        match region {
            None => request.send().await,
            Some(region) => {
                let elsewhere = Builder::new().region(Region::new(region));
                request.customize().config_override(elsewhere).send().await
            }
        }
    }

    fn region_of(&self, bucket: &str) -> Option<String> {
        let regions = self.regions.lock().unwrap_or_else(PoisonError::into_inner);
        regions.get(bucket).cloned()
    }

    fn remember(&self, bucket: &str, region: &str) {
        let mut regions = self.regions.lock().unwrap_or_else(PoisonError::into_inner);
        if regions.len() < MAX_REGIONS {
            regions.insert(bucket.to_owned(), region.to_owned());
        }
    }
}

impl Objects for S3Objects {
    async fn open(&self, object: &Wanted) -> Result<Opened, FetchError> {
        let region = self.region_of(&object.bucket);
        let mut answer = self.get(object, region.clone()).await;
        if let Err(error) = &answer
            && let refusal = Refusal::of(error)
            && Trouble::of(&refusal.code, refusal.status) == Trouble::NoBucket
            && let Some(there) = refusal.bucket_region
            && Some(&there) != region.as_ref()
        {
            info!(bucket = object.bucket, region = there, "bucket is in another region");
            self.remember(&object.bucket, &there);
            answer = self.get(object, Some(there)).await;
        }
        match answer {
            Ok(output) => Ok(opened(output)),
            Err(error) => {
                let refusal = Refusal::of(&error);
                let kind = Trouble::of(&refusal.code, refusal.status);
                let location = object.location();
                Err(FetchError { location, kind, source: Some(cause(error)) })
            }
        }
    }
}

fn opened(output: GetObjectOutput) -> Opened {
    // Objects written before versioning was switched on all have the version "null".
    let version = output.version_id().filter(|version| *version != "null");
    let etag = output.e_tag().map(|etag| etag.trim_matches('"'));
    Opened {
        length: output.content_length().and_then(|length| u64::try_from(length).ok()),
        revision: version.or(etag).unwrap_or_default().to_owned(),
        body: output.body,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::Router;
    use axum::extract::State;
    use axum::http::HeaderMap;
    use axum::http::HeaderName;
    use axum::http::StatusCode;
    use axum::response::IntoResponse as _;
    use axum::response::Response;

    use super::*;
    use crate::source::stub;

    fn wanted(key: &str) -> Wanted {
        Wanted { bucket: "logs".to_owned(), key: key.to_owned(), version: None }
    }

    fn scope(headers: &HeaderMap) -> String {
        let signed = headers["authorization"].to_str().unwrap();
        signed.split('/').nth(2).unwrap().to_owned()
    }

    async fn elsewhere(
        State(asked): State<Arc<Mutex<Vec<String>>>>,
        headers: HeaderMap,
    ) -> Response {
        let region = scope(&headers);
        asked.lock().unwrap().push(region.clone());
        if region == "eu-west-3" {
            return "here".into_response();
        }
        let there = [(HeaderName::from_static("x-amz-bucket-region"), "eu-west-3")];
        let body = "<Error><Code>PermanentRedirect</Code><Message>elsewhere</Message></Error>";
        (StatusCode::MOVED_PERMANENTLY, there, body).into_response()
    }

    #[tokio::test]
    async fn a_bucket_in_another_region_is_found_and_remembered() {
        let asked = Arc::default();
        let router = Router::new().fallback(elsewhere).with_state(Arc::clone(&asked));
        let objects = S3Objects::new(stub::s3(router).await);
        for _ in 0..2 {
            let opened =
                objects.open(&wanted("k")).await.unwrap_or_else(|error| panic!("{error:?}"));
            assert_eq!(opened.length, Some(4));
        }
        assert_eq!(*asked.lock().unwrap(), ["eu-west-1", "eu-west-3", "eu-west-3"]);
    }

    #[tokio::test]
    async fn bytes_arrive_as_stored_and_the_revision_is_the_version_or_the_etag() {
        let serve = |headers: HeaderMap, path: axum::http::Uri| async move {
            assert!(!headers.contains_key("accept-encoding"), "nobody is to inflate on the way");
            let version = if path.path().ends_with("old") { "null" } else { "v-1" };
            let named =
                [("content-encoding", "gzip"), ("etag", "\"e-1\""), ("x-amz-version-id", version)];
            (named, b"\x1f\x8b not really".to_vec())
        };
        let objects = S3Objects::new(stub::s3(Router::new().fallback(serve)).await);
        let new = objects.open(&wanted("new")).await.unwrap_or_else(|error| panic!("{error:?}"));
        assert_eq!(new.revision, "v-1");
        let old = objects.open(&wanted("old")).await.unwrap_or_else(|error| panic!("{error:?}"));
        assert_eq!(old.revision, "e-1");
        let bytes = old.body.collect().await.unwrap().to_vec();
        assert_eq!(bytes, b"\x1f\x8b not really");
    }

    #[tokio::test]
    async fn refusals_are_understood() {
        let serve = |path: axum::http::Uri| async move {
            let refuse = |status, code: &str| {
                let body = format!("<Error><Code>{code}</Code><Message>no</Message></Error>");
                (status, body)
            };
            match path.path().rsplit('/').next() {
                Some("gone") => refuse(StatusCode::NOT_FOUND, "NoSuchKey"),
                Some("cold") => refuse(StatusCode::FORBIDDEN, "InvalidObjectState"),
                Some("slow") => refuse(StatusCode::SERVICE_UNAVAILABLE, "SlowDown"),
                _ => refuse(StatusCode::FORBIDDEN, "AccessDenied"),
            }
        };
        let objects = S3Objects::new(stub::s3(Router::new().fallback(serve)).await);
        for (key, trouble) in [
            ("gone", Trouble::Missing),
            ("cold", Trouble::Archived),
            ("slow", Trouble::Unavailable),
            ("other", Trouble::Denied),
        ] {
            let error = objects.open(&wanted(key)).await.err().unwrap();
            assert_eq!(error.kind, trouble);
        }
        let unreachable = S3Objects::new(stub::nobody());
        let error = unreachable.open(&wanted("k")).await.err().unwrap();
        assert_eq!(error.kind, Trouble::Unavailable);
        let told = crate::telemetry::chain(&error).to_string();
        assert!(told.contains("dispatch failure: ") && told.len() > 80, "{told}");
    }
}
