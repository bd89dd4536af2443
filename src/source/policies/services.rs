//! Policies of services that we have no SDK crate of: how each is asked for one, and where in its answer it stands.
//!
//! Sources: the services' API references; the protocols are those of their models in botocore.
//!
//! Invariant: a name that goes into a path is encoded.

use percent_encoding::utf8_percent_encode;
use serde_json::Value;
use serde_json::json;

use crate::model::Answer;
use crate::source::error::SourceError;
use crate::source::policies::Policies;
use crate::source::signed::Protocol;
use crate::source::signed::Service;
use crate::source::signed::form::UNRESERVED;

pub(super) static IAM: Service =
    Service { name: "iam", id: "IAM", host: "iam", protocol: Protocol::Query("2010-05-08") };
pub(super) static KMS: Service =
    Service { name: "kms", id: "KMS", host: "kms", protocol: Protocol::Json("TrentService") };
pub(super) static SNS: Service =
    Service { name: "sns", id: "SNS", host: "sns", protocol: Protocol::Query("2010-03-31") };
pub(super) static LAMBDA: Service =
    Service { name: "lambda", id: "Lambda", host: "lambda", protocol: Protocol::Rest };
pub(super) static SECRETS: Service = Service {
    name: "secretsmanager",
    id: "Secrets Manager",
    host: "secretsmanager",
    protocol: Protocol::Json("secretsmanager"),
};
pub(super) static ECR: Service = Service {
    name: "ecr",
    id: "ECR",
    host: "api.ecr",
    protocol: Protocol::Json("AmazonEC2ContainerRegistry_V20150921"),
};
pub(super) static ORGANIZATIONS: Service = Service {
    name: "organizations",
    id: "Organizations",
    host: "organizations",
    protocol: Protocol::Json("AWSOrganizationsV20161128"),
};
pub(super) static CENTER: Service = Service {
    name: "sso",
    id: "SSO Admin",
    host: "sso",
    protocol: Protocol::Json("SWBExternalService"),
};

pub(super) static IDENTITIES: Service = Service {
    name: "identitystore",
    id: "identitystore",
    host: "identitystore",
    protocol: Protocol::Json("AWSIdentityStore"),
};

/// How a resource's policy is asked for: the service, the call or path, its parameters, and where the policy is in the answer.
type Asked = (&'static Service, String, Value, &'static str);

impl Policies {
    /// Asks for the policy of the resource `arn`, by `call`.
    pub(super) async fn of_resource(
        &self,
        call: &'static str,
        arn: &str,
    ) -> Result<Answer, SourceError> {
        let none = || Answer::Refused {
            permission: String::new(),
            why: format!("nobody knows how to ask for the policy of {arn}"),
        };
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let [_, _, _, region, account, rest] = parts[..] else { return Ok(none()) };
        let Some((service, name, input, place)) = asked(call, arn, (account, rest)) else {
            return Ok(none());
        };
        let answer = self.signed.call(service, region, &name, input).await;
        self.answer(call, answer, |told| text_at(&told, place))
    }

    /// Asks for a policy of the organisation; one that authorises nothing is as good as none.
    pub(super) async fn of_control(&self, region: &str, id: &str) -> Result<Answer, SourceError> {
        let input = json!({ "PolicyId": id });
        let answer = self.signed.call(&ORGANIZATIONS, region, "DescribePolicy", input).await;
        self.answer("organizations:DescribePolicy", answer, |told| {
            let kind = told["Policy"]["PolicySummary"]["Type"].as_str()?;
            let is_ours = matches!(kind, "SERVICE_CONTROL_POLICY" | "RESOURCE_CONTROL_POLICY");
            is_ours.then(|| text_at(&told, "/Policy/Content"))?
        })
    }

    /// Asks for the inline policy of a permission set.
    pub(super) async fn of_set(&self, region: &str, arn: &str) -> Result<Answer, SourceError> {
        let input = json!({ "InstanceArn": instance_of(arn), "PermissionSetArn": arn });
        let call = "GetInlinePolicyForPermissionSet";
        let answer = self.signed.call(&CENTER, region, call, input).await;
        self.answer("sso:GetInlinePolicyForPermissionSet", answer, |told| {
            text_at(&told, "/InlinePolicy")
        })
    }
}

fn asked(call: &str, arn: &str, (account, rest): (&str, &str)) -> Option<Asked> {
    let named = |begin: &str| rest.strip_prefix(begin).map(str::to_owned);
    Some(match call {
        "kms:GetKeyPolicy" => {
            let input = json!({ "KeyId": arn, "PolicyName": "default" });
            (&KMS, "GetKeyPolicy".to_owned(), input, "/Policy")
        }
        "sns:GetTopicAttributes" => {
            let input = json!({ "TopicArn": arn });
            (&SNS, "GetTopicAttributes".to_owned(), input, "/Attributes/Policy")
        }
        "lambda:GetPolicy" => (&LAMBDA, path_of(&named("function:")?), Value::Null, "/Policy"),
        "lambda:GetLayerVersionPolicy" => {
            let layer = named("layer:")?;
            let (name, version) = layer.split_once(':')?;
            let path = format!(
                "/2018-10-31/layers/{}/versions/{}/policy",
                encoded(name),
                encoded(version)
            );
            (&LAMBDA, path, Value::Null, "/Policy")
        }
        "secretsmanager:GetResourcePolicy" => {
            let input = json!({ "SecretId": arn });
            (&SECRETS, "GetResourcePolicy".to_owned(), input, "/ResourcePolicy")
        }
        "ecr:GetRepositoryPolicy" => {
            let input = json!({ "registryId": account, "repositoryName": named("repository/")? });
            (&ECR, "GetRepositoryPolicy".to_owned(), input, "/policyText")
        }
        "ecr:GetRegistryPolicy" => (&ECR, "GetRegistryPolicy".to_owned(), json!({}), "/policyText"),
        _ => return None,
    })
}

/// Returns the instance that a permission set is of: `arn:aws:sso:::permissionSet/INSTANCE/SET` is of `arn:aws:sso:::instance/INSTANCE`.
fn instance_of(set: &str) -> Option<String> {
    let (partition, rest) = set.rsplit_once(':')?;
    let instance = rest.split('/').nth(1)?;
    Some(format!("{partition}:instance/{instance}"))
}

/// Returns the path of the policy of a function.
fn path_of(function: &str) -> String {
    format!("/2015-03-31/functions/{}/policy", encoded(function))
}

/// Returns a name as it stands in a path.
fn encoded(name: &str) -> String {
    utf8_percent_encode(name, UNRESERVED).to_string()
}

/// Returns the text at a place (RFC 6901) of an answer.
pub(super) fn text_at(told: &Value, place: &str) -> Option<String> {
    told.pointer(place).and_then(Value::as_str).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permission_set_names_its_instance() {
        let of = "arn:aws:sso:::permissionSet/ssoins-1/ps-2";
        assert_eq!(instance_of(of).as_deref(), Some("arn:aws:sso:::instance/ssoins-1"));
        assert_eq!(instance_of("ps-2"), None);
    }

    #[test]
    fn a_name_in_a_path_stays_one_name() {
        assert_eq!(path_of("a/../b?c"), "/2015-03-31/functions/a%2F..%2Fb%3Fc/policy");
        let arn = "arn:aws:lambda:eu-west-1:111122223333:layer:deps:3";
        let asked = asked("lambda:GetLayerVersionPolicy", arn, ("111122223333", "layer:deps:3"));
        let (_, path, ..) = asked.unwrap();
        assert_eq!(path, "/2018-10-31/layers/deps/versions/3/policy");
    }
}
