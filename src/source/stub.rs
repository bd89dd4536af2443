//! Servers on loopback that answer as AWS does, for tests; and clients that speak to them.

use aws_sdk_s3::config::BehaviorVersion;
use aws_sdk_s3::config::Credentials;
use aws_sdk_s3::config::Region;
use aws_sdk_s3::config::retry::RetryConfig;
use axum::Router;

/// Serves `router` on loopback and returns its URL. It ends with the runtime.
pub(crate) async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

/// Returns credentials that nobody checks.
pub(crate) fn credentials() -> Credentials {
    Credentials::builder()
        .access_key_id("test")
        .secret_access_key("test")
        .provider_name("test")
        .build()
}

/// Returns a client of an S3 that `router` answers for.
pub(crate) async fn s3(router: Router) -> aws_sdk_s3::Client {
    s3_at(&serve(router).await)
}

/// Returns a client of an S3 that is not there.
pub(crate) fn nobody() -> aws_sdk_s3::Client {
    s3_at("http://127.0.0.1:1")
}

/// Returns a client of the SQS at `url`.
pub(crate) fn sqs_at(url: &str) -> aws_sdk_sqs::Client {
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(credentials())
        .retry_config(RetryConfig::disabled())
        .endpoint_url(url)
        .build();
    aws_sdk_sqs::Client::from_conf(config)
}

fn s3_at(url: &str) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(credentials())
        .retry_config(RetryConfig::disabled())
        .force_path_style(true)
        .endpoint_url(url)
        .build();
    aws_sdk_s3::Client::from_conf(config)
}
