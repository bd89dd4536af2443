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
