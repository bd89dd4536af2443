//! The calls of AWS's command line that write the policy of a resource whole, and those that take it away.
//!
//! Sources: the AWS CLI Command Reference of each service.
//!
//! Invariant: what a name or a document holds is put in once and never read for places again, so that neither can become a part
//! of the command.

use crate::iam::drift::undo::quoted;

/// The service, what the resource's name begins with, the call that writes a policy and the one that takes it away, if there is
/// one. Places are `{arn}`, `{account}`, `{name}`, its two parts `{first}` and `{second}`, and `{policy}`.
type Calls = (&'static str, &'static str, &'static str, &'static str);

#[rustfmt::skip]
const CALLS: &[Calls] = &[
    ("acm-pca", "", "acm-pca put-policy --resource-arn {arn} --policy {policy}", "acm-pca delete-policy --resource-arn {arn}"),
    ("backup", "backup-vault:", "backup put-backup-vault-access-policy --backup-vault-name {name} --policy {policy}", "backup delete-backup-vault-access-policy --backup-vault-name {name}"),
    ("cloudtrail", "", "cloudtrail put-resource-policy --resource-arn {arn} --resource-policy {policy}", "cloudtrail delete-resource-policy --resource-arn {arn}"),
    ("codeartifact", "domain/", "codeartifact put-domain-permissions-policy --domain {name} --policy-document {policy}", "codeartifact delete-domain-permissions-policy --domain {name}"),
    ("codeartifact", "repository/", "codeartifact put-repository-permissions-policy --domain {first} --repository {second} --policy-document {policy}", "codeartifact delete-repository-permissions-policy --domain {first} --repository {second}"),
    ("codebuild", "", "codebuild put-resource-policy --resource-arn {arn} --policy {policy}", "codebuild delete-resource-policy --resource-arn {arn}"),
    ("dynamodb", "", "dynamodb put-resource-policy --resource-arn {arn} --policy {policy}", "dynamodb delete-resource-policy --resource-arn {arn}"),
    ("ec2", "vpc-endpoint/", "ec2 modify-vpc-endpoint --vpc-endpoint-id {name} --policy-document {policy}", "ec2 modify-vpc-endpoint --vpc-endpoint-id {name} --reset-policy"),
    ("ecr", "registry", "ecr put-registry-policy --policy-text {policy}", "ecr delete-registry-policy"),
    ("ecr", "repository/", "ecr set-repository-policy --repository-name {name} --policy-text {policy}", "ecr delete-repository-policy --repository-name {name}"),
    ("elasticfilesystem", "file-system/", "efs put-file-system-policy --file-system-id {name} --policy {policy}", "efs delete-file-system-policy --file-system-id {name}"),
    ("es", "domain/", "es update-elasticsearch-domain-config --domain-name {name} --access-policies {policy}", "es update-elasticsearch-domain-config --domain-name {name} --access-policies ''"),
    ("glacier", "vaults/", "", "glacier delete-vault-access-policy --account-id {account} --vault-name {name}"),
    ("glue", "catalog", "glue put-resource-policy --policy-in-json {policy}", "glue delete-resource-policy"),
    ("kinesis", "", "kinesis put-resource-policy --resource-arn {arn} --policy {policy}", "kinesis delete-resource-policy --resource-arn {arn}"),
    ("kms", "key/", "kms put-key-policy --key-id {name} --policy-name default --policy {policy}", ""),
    ("logs", "destination:", "logs put-destination-policy --destination-name {name} --access-policy {policy}", ""),
    ("logs", "resource-policy:", "logs put-resource-policy --policy-name {name} --policy-document {policy}", "logs delete-resource-policy --policy-name {name}"),
    ("mediastore", "container/", "mediastore put-container-policy --container-name {name} --policy {policy}", "mediastore delete-container-policy --container-name {name}"),
    ("s3", "accesspoint/", "s3control put-access-point-policy --account-id {account} --name {name} --policy {policy}", "s3control delete-access-point-policy --account-id {account} --name {name}"),
    ("s3", "", "s3api put-bucket-policy --bucket {name} --policy {policy}", "s3api delete-bucket-policy --bucket {name}"),
    ("schemas", "registry/", "schemas put-resource-policy --registry-name {name} --policy {policy}", "schemas delete-resource-policy --registry-name {name}"),
    ("secretsmanager", "", "secretsmanager put-resource-policy --secret-id {arn} --resource-policy {policy}", "secretsmanager delete-resource-policy --secret-id {arn}"),
    ("sns", "", "sns set-topic-attributes --topic-arn {arn} --attribute-name Policy --attribute-value {policy}", ""),
    ("vpc-lattice", "", "vpc-lattice put-resource-policy --resource-arn {arn} --policy {policy}", "vpc-lattice delete-resource-policy --resource-arn {arn}"),
];

/// Returns the command that makes the policy of `arn` say `policy` (one word of a shell, or `None` where it should have none); nothing
/// where no call does that. `region` is put behind it.
pub(super) fn whole(arn: &str, policy: Option<&str>, region: &str) -> Option<String> {
    let mut parts = arn.splitn(6, ':').skip(2);
    let (service, _) = (parts.next()?, parts.next());
    let (account, resource) = (parts.next()?, parts.next()?);
    let is_it = |calls: &&Calls| calls.0 == service && resource.starts_with(calls.1);
    let (_, begin, puts, takes) = CALLS.iter().find(is_it)?;
    let call = if policy.is_some() { puts } else { takes };
    if call.is_empty() {
        return None;
    }
    let name = resource.strip_prefix(begin).unwrap_or(resource);
    let (first, second) = name.split_once('/').unwrap_or((name, ""));
    let mut command = "aws ".to_owned();
    // Every second piece is the name of a place.
    for (number, piece) in call.split(['{', '}']).enumerate() {
        match (number % 2, piece) {
            (1, "arn") => command.push_str(&quoted(arn)),
            (1, "account") => command.push_str(&quoted(account)),
            (1, "name") => command.push_str(&quoted(name)),
            (1, "first") => command.push_str(&quoted(first)),
            (1, "second") => command.push_str(&quoted(second)),
            (1, "policy") => command.push_str(policy.unwrap_or_default()),
            _ => command.push_str(piece),
        }
    }
    Some(command + region)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_one_that_is_filled() {
        for (service, _, puts, takes) in CALLS {
            for (call, is_put) in [(puts, true), (takes, false)] {
                let names: Vec<&str> = call.split(['{', '}']).skip(1).step_by(2).collect();
                let known = ["arn", "account", "name", "first", "second", "policy"];
                assert!(names.iter().all(|name| known.contains(name)), "{service}: {call}");
                assert_eq!(names.contains(&"policy"), is_put && !call.is_empty(), "{call}");
            }
        }
    }

    #[test]
    fn a_command_is_that_of_the_resource() {
        let at = "arn:aws:s3:eu-west-1:111122223333:accesspoint/p";
        let put = "aws s3control put-access-point-policy --account-id 111122223333 --name p --policy '{}' --region eu-west-1";
        assert_eq!(whole(at, Some("'{}'"), " --region eu-west-1").as_deref(), Some(put));
        let of = |arn| whole(arn, None, "");
        let take = "aws s3control delete-access-point-policy --account-id 111122223333 --name p";
        assert_eq!(of(at).as_deref(), Some(take));
        let take = "aws s3api delete-bucket-policy --bucket b";
        assert_eq!(of("arn:aws:s3:::b").as_deref(), Some(take));
        let take = "aws ecr delete-registry-policy";
        assert_eq!(of("arn:aws:ecr:eu-west-1:111122223333:registry").as_deref(), Some(take));
        let repository = "arn:aws:codeartifact:eu-west-1:111122223333:repository/d/r";
        let take =
            "aws codeartifact delete-repository-permissions-policy --domain d --repository r";
        assert_eq!(of(repository).as_deref(), Some(take));
        assert_eq!(of("arn:aws:kms:eu-west-1:111122223333:key/k"), None);
        assert_eq!(of("arn:aws:other:eu-west-1:111122223333:x"), None);
    }

    #[test]
    fn a_name_that_looks_like_a_place_stays_a_name() {
        let arn = "arn:aws:logs:eu-west-1:111122223333:resource-policy:{policy}'";
        let put =
            r"aws logs put-resource-policy --policy-name '{policy}'\''' --policy-document '{}'";
        assert_eq!(whole(arn, Some("'{}'"), "").as_deref(), Some(put));
    }
}
