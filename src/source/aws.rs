//! Clients of AWS: from the configuration, or from where the SDK usually looks.
//!
//! Retries are the SDK's own (standard mode: exponential back-off with jitter, a token bucket).
//! The SDK never inflates a body by its `Content-Encoding`, so objects arrive as they were stored.
//!
//! Invariant: every request has a timeout, and no credential is read or kept here.

use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::ConfigLoader;
use aws_config::Region;
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::error::SdkError;
use url::Url;

use crate::source::error::Cause;
use crate::source::error::Fault;
use crate::source::error::SourceError;

/// How long it may take to reach a server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a server may take to begin its answer, beyond the wait that was asked for.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// How to get at AWS. What is empty comes from the SDK's usual places: environment, profile, instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The region.
    pub region: Option<String>,
    /// An endpoint to use in place of AWS's own.
    pub endpoint_url: Option<Url>,
    /// The profile in the shared configuration files.
    pub profile: Option<String>,
    /// A role to assume with the credentials found.
    pub role_arn: Option<String>,
    /// The external id that the role's trust policy asks for.
    pub external_id: Option<String>,
    /// How often a request is tried before it fails.
    pub attempts: u32,
}

impl Default for Access {
    fn default() -> Self {
        Self {
            region: None,
            endpoint_url: None,
            profile: None,
            role_arn: None,
            external_id: None,
            attempts: 5,
        }
    }
}

/// Loads what all clients of the source called `name` share. `patience` is how long a request may wait by design.
pub(super) async fn load(
    name: &str,
    access: &Access,
    patience: Duration,
) -> Result<SdkConfig, SourceError> {
    let base = loader(access, patience).load().await;
    if base.region().is_none() {
        return Err(SourceError::NoRegion { name: name.to_owned() });
    }
    let Some(role_arn) = &access.role_arn else { return Ok(base) };
    let mut role =
        AssumeRoleProvider::builder(role_arn).configure(&base).session_name("grantwatch");
    if let Some(external_id) = &access.external_id {
        role = role.external_id(external_id);
    }
    let role = role.build().await;
    Ok(loader(access, patience).credentials_provider(role).load().await)
}

fn loader(access: &Access, patience: Duration) -> ConfigLoader {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(ANSWER_TIMEOUT.saturating_add(patience))
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .retry_config(RetryConfig::standard().with_max_attempts(access.attempts.max(1)))
        .timeout_config(timeouts);
    if let Some(region) = &access.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(endpoint) = &access.endpoint_url {
        loader = loader.endpoint_url(endpoint.as_str().trim_end_matches('/'));
    }
    if let Some(profile) = &access.profile {
        loader = loader.profile_name(profile);
    }
    loader
}

/// Returns a client of S3. Servers other than AWS rarely have a name for each bucket, so with an endpoint
/// of its own the bucket stands in the path.
pub(super) fn s3(shared: &SdkConfig) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::config::Builder::from(shared)
        .force_path_style(shared.endpoint_url().is_some())
        .build();
    aws_sdk_s3::Client::from_conf(config)
}

/// Returns the region in the host of a queue's URL: `sqs.REGION.amazonaws.com`, or the legacy
/// `REGION.queue.amazonaws.com`.
pub(super) fn region_of_queue(queue_url: &Url) -> Option<String> {
    let host = queue_url.host_str()?;
    let labels: Vec<&str> = host.split('.').collect();
    match labels.as_slice() {
        ["sqs", region, "amazonaws", "com"] | ["sqs", region, "amazonaws", "com", "cn"] => {
            Some((*region).to_owned())
        }
        [region, "queue", "amazonaws", "com"] => Some((*region).to_owned()),
        _ => None,
    }
}

/// What a failed request says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Refusal {
    /// The service's code; empty if it gave none or was not reached.
    pub(super) code: String,
    /// The HTTP status; 0 if there was no answer.
    pub(super) status: u16,
    /// The region that S3 says the bucket is in, where it says so.
    pub(super) bucket_region: Option<String>,
}

impl Refusal {
    /// Reads the refusal in `error`.
    pub(super) fn of<E: ProvideErrorMetadata>(error: &SdkError<E>) -> Self {
        let answer = error.raw_response();
        let region = answer.and_then(|answer| answer.headers().get("x-amz-bucket-region"));
        Self {
            code: error.code().unwrap_or_default().to_owned(),
            status: answer.map_or(0, |answer| answer.status().as_u16()),
            bucket_region: region.map(str::to_owned),
        }
    }

    /// Returns whether a permission is missing. A 403 without a code is taken for one; its cause says that it had none.
    pub(super) fn is_denied(&self) -> bool {
        match self.code.as_str() {
            "" => self.status == 403,
            code => matches!(
                code,
                "AccessDenied"
                    | "AccessDeniedException"
                    | "UnauthorizedOperation"
                    | "AuthorizationError"
            ),
        }
    }

    /// Returns whose fault it was. What never got an answer is passing.
    pub(super) fn fault(&self) -> Fault {
        let throttled = matches!(
            self.code.as_str(),
            "SlowDown" | "RequestTimeout" | "RequestThrottled" | "KmsThrottled" | "OverLimit"
        );
        let throttled = throttled || self.code.contains("Throttl");
        match self.status {
            0 | 408 | 429 | 500.. => Fault::Passing,
            _ if throttled => Fault::Passing,
            _ => Fault::Lasting,
        }
    }
}

/// Returns what `error` says, code and message included, as a chain of causes.
///
/// The SDK's own text for most refusals is "unhandled error"; the message that names the missing
/// permission is only in the metadata.
pub(super) fn cause<E>(error: SdkError<E>) -> Cause
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}").into(),
        (Some(code), None) => code.to_owned().into(),
        _ => match Refusal::of(&error).status {
            0 => Box::new(error),
            status => Box::new(Answered { status, source: Box::new(error) }),
        },
    }
}

/// An answer that is no AWS error: a proxy's, or that of a server which only resembles AWS.
#[derive(Debug, thiserror::Error)]
#[error("HTTP status {status}")]
struct Answered {
    status: u16,
    source: Cause,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_knows_its_region() {
        let region = |text: &str| region_of_queue(&text.parse().unwrap());
        let wanted = Some("eu-west-1".to_owned());
        assert_eq!(region("https://sqs.eu-west-1.amazonaws.com/111122223333/logs"), wanted);
        assert_eq!(region("https://eu-west-1.queue.amazonaws.com/111122223333/logs"), wanted);
        let china = "https://sqs.cn-north-1.amazonaws.com.cn/111122223333/logs";
        assert_eq!(region(china), Some("cn-north-1".to_owned()));
        assert_eq!(region("http://127.0.0.1:5000/111122223333/logs"), None);
        assert_eq!(region("https://sqs.example.com/q"), None);
    }

    #[test]
    fn faults_tell_what_to_wait_for() {
        let of = |code: &str, status| {
            Refusal { code: code.to_owned(), status, bucket_region: None }.fault()
        };
        assert_eq!(of("", 0), Fault::Passing);
        assert_eq!(of("SlowDown", 503), Fault::Passing);
        assert_eq!(of("ThrottlingException", 400), Fault::Passing);
        assert_eq!(of("RequestTimeout", 400), Fault::Passing);
        assert_eq!(of("AccessDenied", 403), Fault::Lasting);
        assert_eq!(of("NoSuchBucket", 404), Fault::Lasting);
    }
}
