//! The policies of buckets and queues, as a snapshot's `Resources` lists them.
//!
//! Invariant: what has no policy is not listed; what was not answered is told.

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types::Bucket;
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::Value;
use serde_json::json;

use crate::source::aws;
use crate::source::policies::Beside;
use crate::source::policies::Policies;
use crate::source::policies::Refused;

/// How many buckets or queues a page holds (S3 and SQS API References, "ListBuckets", "ListQueues").
const PAGE: i32 = 1_000;

impl Policies {
    /// Reads the policies of all buckets of the account `id`.
    pub async fn buckets(&self, id: &str) -> Beside {
        let mut beside = Beside::default();
        let client = aws::s3(&self.shared);
        let mut token = None;
        loop {
            // With a number asked for, S3 says where each bucket is.
            let call = client.list_buckets().max_buckets(PAGE).set_continuation_token(token);
            let page = match call.send().await {
                Ok(page) => page,
                Err(error) => {
                    beside.refused.push(Refused::of("s3:ListAllMyBuckets", "", error));
                    return beside;
                }
            };
            for bucket in page.buckets() {
                beside.asked += 1;
                match self.of_bucket(&client, bucket, id).await {
                    Ok(item) => beside.resources.extend(item),
                    Err(refused) => beside.refused.push(refused),
                }
            }
            token = page.continuation_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return beside;
            }
        }
    }

    async fn of_bucket(
        &self,
        client: &aws_sdk_s3::Client,
        bucket: &Bucket,
        id: &str,
    ) -> Result<Option<Value>, Refused> {
        let name = bucket.name().unwrap_or_default();
        let mut place = aws_sdk_s3::config::Config::builder();
        if let Some(region) = bucket.bucket_region().filter(|region| !region.is_empty()) {
            place = place.region(aws_sdk_s3::config::Region::new(region.to_owned()));
        }
        let call = client.get_bucket_policy().bucket(name);
        match call.customize().config_override(place).send().await {
            Ok(answer) => Ok(answer.policy().map(|policy| {
                json!({"Account": id, "Arn": format!("arn:{}:s3:::{name}", self.partition()), "Policy": parsed(policy)})
            })),
            // It has none, or was deleted while the others were read.
            Err(error) if matches!(error.code(), Some("NoSuchBucketPolicy" | "NoSuchBucket")) => {
                Ok(None)
            }
            Err(error) => Err(Refused::of("s3:GetBucketPolicy", name, error)),
        }
    }

    /// Reads the policies of all queues of the account in `region`; without one, in the region that the SDK finds.
    pub async fn queues(&self, region: Option<&str>, id: &str) -> Beside {
        let mut beside = Beside::default();
        let mut config = aws_sdk_sqs::config::Builder::from(&self.shared);
        if let Some(region) = region {
            config = config.region(aws_sdk_sqs::config::Region::new(region.to_owned()));
        }
        let client = aws_sdk_sqs::Client::from_conf(config.build());
        let mut token = None;
        loop {
            let call = client.list_queues().max_results(PAGE).set_next_token(token);
            let page = match call.send().await {
                Ok(page) => page,
                Err(error) => {
                    let about = region.unwrap_or_default();
                    beside.refused.push(Refused::of("sqs:ListQueues", about, error));
                    return beside;
                }
            };
            for url in page.queue_urls() {
                beside.asked += 1;
                match of_queue(&client, url, id).await {
                    Ok(item) => beside.resources.extend(item),
                    Err(refused) => beside.refused.push(refused),
                }
            }
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return beside;
            }
        }
    }

    /// Returns the partition, by the region: ARNs begin with it.
    pub(super) fn partition(&self) -> &'static str {
        match self.shared.region().map(|region| region.as_ref()) {
            Some(region) if region.starts_with("cn-") => "aws-cn",
            Some(region) if region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        }
    }
}

async fn of_queue(
    client: &aws_sdk_sqs::Client,
    url: &str,
    id: &str,
) -> Result<Option<Value>, Refused> {
    let call = client.get_queue_attributes().queue_url(url);
    let call = call
        .attribute_names(QueueAttributeName::Policy)
        .attribute_names(QueueAttributeName::QueueArn);
    match call.send().await {
        Ok(answer) => {
            let of = |name: QueueAttributeName| answer.attributes()?.get(&name);
            let policy = of(QueueAttributeName::Policy).filter(|policy| !policy.is_empty());
            let arn = of(QueueAttributeName::QueueArn);
            Ok(policy
                .zip(arn)
                .map(|(policy, arn)| json!({"Account": id, "Arn": arn, "Policy": parsed(policy)})))
        }
        // It was deleted while the others were read.
        Err(error) if error.code().is_some_and(|code| code.contains("NonExistentQueue")) => {
            Ok(None)
        }
        Err(error) => Err(Refused::of("sqs:GetQueueAttributes", url, error)),
    }
}

/// Returns a policy as an object; one that is no JSON as the text it is.
fn parsed(policy: &str) -> Value {
    serde_json::from_str(policy).unwrap_or_else(|_| json!(policy))
}
