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
use aws_types::service_config::ServiceConfigKey;
use serde_json::Value;

/// A service, and how it wants to be asked (the protocol and endpoint of its model in botocore).
#[derive(Debug)]
pub(super) struct Service {
    /// What a request to it is signed for.
    pub(super) name: &'static str,
    /// Its `serviceId`: an endpoint that is configured for it alone is called after that.
    pub(super) id: &'static str,
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

    let url = configured(shared, service.id);
    let url = url.unwrap_or_else(|| endpoint(service, region, Hosts::of(shared)));
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

/// Returns the endpoint that somebody asks for in place of AWS's own: what our configuration says goes before what the
/// environment and the profile say of the service, and that before what they say of all (SDKs and Tools Reference Guide,
/// "Service-specific endpoints").
fn configured(shared: &SdkConfig, id: &str) -> Option<String> {
    let of_all = || shared.endpoint_url().map(str::to_owned);
    if shared.get_origin("endpoint_url").is_client_config() {
        return of_all();
    }
    let key = ServiceConfigKey::builder()
        .service_id(id)
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build();
    let of_one = key.ok().zip(shared.service_config());
    of_one.and_then(|(key, known)| known.load_config(key)).or_else(of_all)
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

/// Returns where a service is in a region (AWS General Reference, "Service endpoints"). IAM is in one region of its partition,
/// and in two of them not called after it ("IAM endpoints").
fn endpoint(service: &Service, region: &str, hosts: Hosts) -> String {
    match (service.name, region, hosts) {
        ("iam", "us-east-1", Hosts::Usual) => return "https://iam.amazonaws.com".to_owned(),
        ("iam", "us-east-1", Hosts::Fips) => return "https://iam-fips.amazonaws.com".to_owned(),
        ("iam", "us-gov-west-1", _) => return "https://iam.us-gov.amazonaws.com".to_owned(),
        _ => {}
    }
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
    use aws_types::origin::Origin;
    use aws_types::service_config::LoadServiceConfig;

    use super::*;

    #[test]
    fn a_service_is_asked_where_it_is() {
        let service = |host| Service { name: host, id: "X", host, protocol: Protocol::Rest };
        let at = |host, region, hosts| endpoint(&service(host), region, hosts);
        assert_eq!(at("kms", "eu-west-1", Hosts::Usual), "https://kms.eu-west-1.amazonaws.com");
        assert_eq!(
            at("sns", "cn-north-1", Hosts::Usual),
            "https://sns.cn-north-1.amazonaws.com.cn"
        );
        let ecr = at("api.ecr", "us-gov-west-1", Hosts::Fips);
        assert_eq!(ecr, "https://ecr-fips.us-gov-west-1.amazonaws.com");
        assert_eq!(at("iam", "us-east-1", Hosts::Usual), "https://iam.amazonaws.com");
        assert_eq!(at("iam", "us-east-1", Hosts::Fips), "https://iam-fips.amazonaws.com");
        assert_eq!(at("iam", "us-gov-west-1", Hosts::Fips), "https://iam.us-gov.amazonaws.com");
        let iam = at("iam", "cn-north-1", Hosts::Usual);
        assert_eq!(iam, "https://iam.cn-north-1.amazonaws.com.cn");
    }

    /// What an environment says of endpoints, by the id of the service.
    #[derive(Debug)]
    struct Told(&'static str, &'static str);

    impl LoadServiceConfig for Told {
        fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
            assert_eq!((key.env(), key.profile()), ("AWS_ENDPOINT_URL", "endpoint_url"));
            (key.service_id() == self.0).then(|| self.1.to_owned())
        }
    }

    #[test]
    fn an_endpoint_of_one_service_goes_before_that_of_all() {
        let told = || SdkConfig::builder().service_config(Told("IAM", "http://iam.test"));
        let of_one = told().build();
        assert_eq!(configured(&of_one, "IAM").as_deref(), Some("http://iam.test"));
        assert_eq!(configured(&of_one, "KMS"), None);
        let mut both = told().endpoint_url("http://all.test");
        both.insert_origin("endpoint_url", Origin::shared_environment_variable());
        let both = both.build();
        assert_eq!(configured(&both, "IAM").as_deref(), Some("http://iam.test"));
        assert_eq!(configured(&both, "KMS").as_deref(), Some("http://all.test"));
        let mut ours = told().endpoint_url("http://ours.test");
        ours.insert_origin("endpoint_url", Origin::shared_config());
        let ours = ours.build();
        assert_eq!(configured(&ours, "IAM").as_deref(), Some("http://ours.test"));
    }
}
