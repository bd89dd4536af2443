//! Calls of AWS services for which we have no SDK crate: few of their calls are needed, and a crate takes minutes to compile.
//!
//! The way of a request is the SDK's own, as its crates use it: credentials, signature, clock, timeouts and retries. Ours are
//! only the forms of question and answer. Read on in `signed/form.rs`.
//!
//! Invariant: every request has the timeouts and the retries of the configuration that the SDK's own clients share.

pub(super) mod form;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;

use aws_config::SdkConfig;
use aws_runtime::auth::SigV4OperationSigningConfig;
use aws_runtime::auth::sigv4;
use aws_runtime::auth::sigv4::SigV4AuthScheme;
use aws_runtime::retries::classifiers::AwsErrorCodeClassifier;
use aws_runtime::service_clock_skew::ServiceClockSkewInterceptor;
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime::client::retries::classifiers::HttpStatusCodeClassifier;
use aws_smithy_runtime::client::retries::classifiers::TransientErrorClassifier;
use aws_smithy_runtime_api::client::auth::AuthSchemeOptionResolverParams;
use aws_smithy_runtime_api::client::auth::SharedAuthScheme;
use aws_smithy_runtime_api::client::auth::SharedAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::identity::SharedIdentityResolver;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::StaticRuntimePlugin;
use aws_smithy_types::config_bag::Layer;
use aws_smithy_types::error::ErrorMetadata;
use aws_types::SigningName;
use aws_types::region::Region;
use aws_types::region::SigningRegion;
use serde_json::Value;

/// A service, and how it wants to be asked (the protocol and endpoint of its model in botocore).
#[derive(Debug)]
pub(super) struct Service {
    /// What a request to it is signed for.
    pub(super) name: &'static str,
    /// What the name of its hosts begins with, before the region.
    pub(super) host: &'static str,
    /// How it is asked.
    pub(super) protocol: Protocol,
}

/// How a service is asked.
#[derive(Debug, Clone, Copy)]
pub(super) enum Protocol {
    /// JSON both ways; the call in a header, behind this and a full stop.
    Json(&'static str),
    /// A form there and XML back, of this version of the API.
    Query(&'static str),
    /// A path there and JSON back.
    Rest,
}

/// A call: its name, or its path with what it asks for, and its parameters.
#[derive(Debug)]
struct Call {
    name: String,
    input: Value,
}

/// A refused or failed call.
pub(super) type Failure = SdkError<ErrorMetadata, HttpResponse>;

type Client = Operation<Call, Value, ErrorMetadata>;

/// The clients of one configuration: one for each service and region, made when it is first asked.
#[derive(Debug)]
pub(super) struct Signed {
    shared: SdkConfig,
    clients: Mutex<BTreeMap<(&'static str, String), Client>>,
}

impl Signed {
    /// Returns clients that share the credentials, timeouts and retries of `shared`.
    pub(super) fn new(shared: &SdkConfig) -> Self {
        Self { shared: shared.clone(), clients: Mutex::default() }
    }

    /// Calls `name` of a service in `region`; of a service that is asked by paths, `name` is the path and `input` its query. An answer in XML comes
    /// as what the JSON of it would be.
    ///
    /// # Errors
    /// When the call was refused, or nobody answered as often as the configuration says that it is tried.
    pub(super) async fn call(
        &self,
        service: &'static Service,
        region: &str,
        name: &str,
        input: Value,
    ) -> Result<Value, Failure> {
        let client = {
            let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
            let client = clients
                .entry((service.name, region.to_owned()))
                .or_insert_with(|| client(&self.shared, service, region));
            client.clone()
        };
        client.invoke(Call { name: name.to_owned(), input }).await
    }
}

fn client(shared: &SdkConfig, service: &'static Service, region: &str) -> Client {
    let mut components = RuntimeComponentsBuilder::new("signed");
    components.set_auth_scheme_option_resolver(Some(SharedAuthSchemeOptionResolver::new(
        StaticAuthSchemeOptionResolver::new(vec![sigv4::SCHEME_ID]),
    )));
    components.push_auth_scheme(SharedAuthScheme::new(SigV4AuthScheme::new()));
    components.set_identity_cache(shared.identity_cache());
    if let Some(credentials) = shared.credentials_provider() {
        components
            .set_identity_resolver(sigv4::SCHEME_ID, SharedIdentityResolver::new(credentials));
    }
    let mut layer = Layer::new("signed");
    layer.store_put(AuthSchemeOptionResolverParams::new(()));
    layer.store_put(SigningName::from_static(service.name));
    layer.store_put(SigningRegion::from(Region::new(region.to_owned())));
    layer.store_put(SigV4OperationSigningConfig::default());
    let plugin =
        StaticRuntimePlugin::new().with_config(layer.freeze()).with_runtime_components(components);

    let url = match shared.endpoint_url() {
        Some(url) => url.to_owned(),
        None => endpoint(service, region, Hosts::of(shared)),
    };
    let mut builder = Operation::builder()
        .service_name(service.name)
        .operation_name("call")
        .endpoint_url(&url)
        .with_connection_poisoning()
        .interceptor(ServiceClockSkewInterceptor::new())
        .retry_classifier(TransientErrorClassifier::<ErrorMetadata>::new())
        .retry_classifier(AwsErrorCodeClassifier::<ErrorMetadata>::new())
        .retry_classifier(HttpStatusCodeClassifier::default())
        .runtime_plugin(plugin);
    if let Some(version) = shared.behavior_version() {
        builder = builder.behavior_version(version);
    }
    if let Some(retry) = shared.retry_config() {
        builder = builder.standard_retry(retry);
    }
    if let Some(timeouts) = shared.timeout_config() {
        builder = builder.timeout_config(timeouts.clone());
    }
    if let Some(http) = shared.http_client() {
        builder = builder.http_client(http);
    }
    let protocol = service.protocol;
    builder
        .serializer(move |call: Call| form::request(protocol, &call.name, &call.input))
        .deserializer(form::answer)
        .build()
}

/// Which hosts of AWS are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hosts {
    /// The usual ones.
    Usual,
    /// Those whose cryptography is validated by FIPS 140.
    Fips,
}

impl Hosts {
    fn of(shared: &SdkConfig) -> Self {
        if shared.use_fips() == Some(true) { Self::Fips } else { Self::Usual }
    }
}

/// Returns where a service is in a region (AWS General Reference, "Service endpoints").
fn endpoint(service: &Service, region: &str, hosts: Hosts) -> String {
    let suffix = match region {
        _ if region.starts_with("cn-") => "amazonaws.com.cn",
        _ if region.starts_with("us-iso-") => "c2s.ic.gov",
        _ if region.starts_with("us-isob-") => "sc2s.sgov.gov",
        _ if region.starts_with("eusc-") => "amazonaws.eu",
        _ => "amazonaws.com",
    };
    let host = match hosts {
        Hosts::Usual => service.host.to_owned(),
        Hosts::Fips => {
            format!("{}-fips", service.host.strip_prefix("api.").unwrap_or(service.host))
        }
    };
    format!("https://{host}.{region}.{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_asked_where_it_is() {
        let service = |host| Service { name: "x", host, protocol: Protocol::Rest };
        let at = |host, region, hosts| endpoint(&service(host), region, hosts);
        assert_eq!(at("kms", "eu-west-1", Hosts::Usual), "https://kms.eu-west-1.amazonaws.com");
        assert_eq!(
            at("sns", "cn-north-1", Hosts::Usual),
            "https://sns.cn-north-1.amazonaws.com.cn"
        );
        let ecr = at("api.ecr", "us-gov-west-1", Hosts::Fips);
        assert_eq!(ecr, "https://ecr-fips.us-gov-west-1.amazonaws.com");
    }
}
