//! The command that puts back what stood before a change.
//!
//! Invariant: names come from records and stand in quotes; a command is never more than one line of a shell, and never less
//! than the whole way back, or it says what is missing.

mod beside;
mod resource;
mod services;

use crate::iam::drift::effect::Holder;
use crate::iam::drift::effect::Target;
use crate::iam::policy::Document;
use crate::iam::policy::Kind;
use crate::iam::policy::Text;

/// A document longer than this is not put into a command.
const MAX_DOCUMENT: usize = 1_500;

/// What is to be put back: of `target` the piece `item`, which was `before` and is `after`.
#[derive(Debug, Clone, Copy)]
pub struct Way<'a> {
    /// What was changed.
    pub target: &'a Target,
    /// Which of its pieces: `inline/NAME`, `attached/ARN`, `group/NAME`, `trust`, `boundary`, `default`, `policy`.
    pub item: &'a str,
    /// What stood before.
    pub before: Option<&'a Text>,
    /// What stands now.
    pub after: Option<&'a Text>,
    /// Of a managed policy the version, of a boundary the policy that was in force before; empty where not known.
    pub earlier: &'a str,
}

/// Returns the command.
pub fn command(way: &Way<'_>) -> String {
    match way.target {
        Target::Identity { holder, name, .. } => of_identity(way, *holder, name),
        Target::Boundary { holder, name, .. } => {
            let (owner, name, earlier) = (holder.name(), quoted(name), quoted(way.earlier));
            match (way.before, way.earlier) {
                (None, _) => {
                    format!("aws iam delete-{owner}-permissions-boundary --{owner}-name {name}")
                }
                (Some(_), "") => format!(
                    "aws iam put-{owner}-permissions-boundary --{owner}-name {name} --permissions-boundary ARN_OF_BEFORE"
                ),
                (Some(_), _) => format!(
                    "aws iam put-{owner}-permissions-boundary --{owner}-name {name} --permissions-boundary {earlier}"
                ),
            }
        }
        Target::Trust { role, .. } => {
            let (role, text) = (quoted(role), document(way.before));
            match way.before {
                Some(_) => format!(
                    "aws iam update-assume-role-policy --role-name {role} --policy-document {text}"
                ),
                None => format!("aws iam delete-role --role-name {role}"),
            }
        }
        Target::Managed { arn, .. } => {
            let arn = quoted(arn);
            match (way.before, way.earlier) {
                (None, _) => format!("aws iam delete-policy --policy-arn {arn}"),
                (Some(_), "") => format!(
                    "aws iam set-default-policy-version --policy-arn {arn} --version-id VERSION_BEFORE"
                ),
                (Some(_), earlier) => format!(
                    "aws iam set-default-policy-version --policy-arn {arn} --version-id {}",
                    quoted(earlier)
                ),
            }
        }
        Target::Resource { arn, .. } => match way.item.split_once('/') {
            Some(("grant", grant)) => beside::of_grant(way, arn, grant),
            Some(("share", share)) => beside::of_share(way, arn, share),
            Some(("statement", sid)) => resource::of_statement(way, arn, sid),
            _ => resource::of_policy(way, arn),
        },
        Target::Network { arn, .. } => beside::of_rules(way, arn),
        Target::Block { arn, .. } => beside::of_blocks(way, arn),
        Target::Set { arn } => of_set(way, arn),
        Target::Node { id, .. } => {
            let policy = quoted(way.item.strip_prefix("attached/").unwrap_or(way.item));
            let call = if way.before.is_some() { "attach" } else { "detach" };
            format!(
                "aws organizations {call}-policy --policy-id {policy} --target-id {}",
                quoted(id)
            )
        }
        Target::Organization { id, kind } => of_organization(way, id, *kind),
    }
}

fn of_organization(way: &Way<'_>, id: &str, kind: Kind) -> String {
    let (policy, text) = (quoted(id), document(way.before));
    match (way.before, way.after) {
        (None, _) => format!("aws organizations delete-policy --policy-id {policy}"),
        // What is gone cannot be changed, and comes back with another id.
        (Some(_), None) => {
            let sort = match kind {
                Kind::ResourceControl => "RESOURCE_CONTROL_POLICY",
                _ => "SERVICE_CONTROL_POLICY",
            };
            format!(
                "aws organizations create-policy --name {policy} --description '' --type {sort} --content {text}"
            )
        }
        (Some(_), Some(_)) => {
            format!("aws organizations update-policy --policy-id {policy} --content {text}")
        }
    }
}

fn of_identity(way: &Way<'_>, holder: Holder, name: &str) -> String {
    let (owner, name) = (holder.name(), quoted(name));
    let (sort, what) = way.item.split_once('/').unwrap_or((way.item, ""));
    let what = quoted(what);
    match (sort, way.before) {
        ("inline", None) => {
            format!("aws iam delete-{owner}-policy --{owner}-name {name} --policy-name {what}")
        }
        ("inline", Some(_)) => format!(
            "aws iam put-{owner}-policy --{owner}-name {name} --policy-name {what} --policy-document {}",
            document(way.before)
        ),
        ("attached", None) => {
            format!("aws iam detach-{owner}-policy --{owner}-name {name} --policy-arn {what}")
        }
        ("attached", Some(_)) => {
            format!("aws iam attach-{owner}-policy --{owner}-name {name} --policy-arn {what}")
        }
        ("group", None) => {
            format!("aws iam remove-user-from-group --user-name {name} --group-name {what}")
        }
        ("group", Some(_)) => {
            format!("aws iam add-user-to-group --user-name {name} --group-name {what}")
        }
        _ => format!("look at {owner} {name} with `grantwatch baseline diff`"),
    }
}

/// Returns a permission set as the calls of Identity Center name it: with its instance, of which its ARN has the id.
pub fn of_instance(set: &str) -> String {
    let parts = set.split_once(":permissionSet/").map(|(of, rest)| (of, rest.split('/').next()));
    let instance = match parts {
        Some((of, Some(id))) => format!("{of}:instance/{id}"),
        _ => "INSTANCE".to_owned(),
    };
    format!("--instance-arn {} --permission-set-arn {}", quoted(&instance), quoted(set))
}

fn of_set(way: &Way<'_>, arn: &str) -> String {
    let set = of_instance(arn);
    let back = match (way.item.split_once('/'), way.before) {
        (None, None) if way.item == "boundary" => {
            format!("aws sso-admin delete-permissions-boundary-from-permission-set {set}")
        }
        (None, Some(_)) if way.item == "boundary" => {
            let of = match way.earlier.starts_with("arn:") {
                true => quoted(&format!("ManagedPolicyArn={}", way.earlier)),
                false => {
                    let (path, name) = way.earlier.rsplit_once('/').unwrap_or(("", way.earlier));
                    quoted(&format!("CustomerManagedPolicyReference={{Name={name},Path={path}/}}"))
                }
            };
            format!(
                "aws sso-admin put-permissions-boundary-to-permission-set {set} --permissions-boundary {of}"
            )
        }
        (None, None) => format!("aws sso-admin delete-inline-policy-from-permission-set {set}"),
        (None, Some(_)) => format!(
            "aws sso-admin put-inline-policy-to-permission-set {set} --inline-policy {}",
            document(way.before)
        ),
        (Some(("referenced", policy)), before) => {
            let (call, to) = if before.is_some() { ("attach", "to") } else { ("detach", "from") };
            let (path, name) = policy.rsplit_once('/').unwrap_or(("", policy));
            let of = quoted(&format!("Name={name},Path={path}/"));
            format!(
                "aws sso-admin {call}-customer-managed-policy-reference-{to}-permission-set {set} \
                 --customer-managed-policy-reference {of}"
            )
        }
        (Some((_, policy)), before) => {
            let (call, to) = if before.is_some() { ("attach", "to") } else { ("detach", "from") };
            let policy = quoted(policy);
            format!(
                "aws sso-admin {call}-managed-policy-{to}-permission-set {set} --managed-policy-arn {policy}"
            )
        }
    };
    format!(
        "{back} && aws sso-admin provision-permission-set {set} --target-type ALL_PROVISIONED_ACCOUNTS"
    )
}

/// Returns the document as one word of a shell.
fn document(text: Option<&Text>) -> String {
    let written = |document: &Document| document.to_value().to_string();
    match text {
        Some(Text::Known(document)) => match written(document) {
            text if text.len() <= MAX_DOCUMENT => quoted(&text),
            _ => "file://before.json".to_owned(),
        },
        Some(Text::Unknown(_)) => "file://before.json".to_owned(),
        None => "file://nothing.json".to_owned(),
    }
}

/// Returns `text` as one word of a shell.
pub fn quoted(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@+=,".contains(&byte);
    match !text.is_empty() && text.bytes().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(target: &Target, item: &str, before: Option<&Text>, earlier: &str) -> String {
        command(&Way { target, item, before, after: None, earlier })
    }

    #[test]
    fn the_command_puts_back_what_stood() {
        let account: Box<str> = "111122223333".into();
        let role = Target::Identity {
            account: account.clone(),
            holder: Holder::Role,
            name: "De'ploy".into(),
        };
        let admin = "attached/arn:aws:iam::aws:policy/AdministratorAccess";
        assert_eq!(
            way(&role, admin, None, ""),
            r"aws iam detach-role-policy --role-name 'De'\''ploy' --policy-arn arn:aws:iam::aws:policy/AdministratorAccess"
        );
        let document = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}}"#;
        let document = Document::parse(document, crate::iam::Kind::Identity).unwrap();
        let before = Text::Known(document.into());
        let put = way(&role, "inline/fix", Some(&before), "");
        assert!(put.starts_with("aws iam put-role-policy --role-name"), "{put}");
        assert!(put.contains("s3:getobject") || put.contains("s3:GetObject"), "{put}");
        let user =
            Target::Identity { account: account.clone(), holder: Holder::User, name: "ana".into() };
        let group = way(&user, "group/admins", None, "");
        assert_eq!(group, "aws iam remove-user-from-group --user-name ana --group-name admins");
        let arn: Box<str> = "arn:aws:iam::111122223333:policy/ops".into();
        let policy = Target::Managed { account: account.clone(), arn };
        assert_eq!(
            way(&policy, "default", Some(&before), "v3"),
            "aws iam set-default-policy-version --policy-arn arn:aws:iam::111122223333:policy/ops --version-id v3"
        );
        let bucket = Target::Resource { account, arn: "arn:aws:s3:::reports".into() };
        assert_eq!(
            way(&bucket, "policy", None, ""),
            "aws s3api delete-bucket-policy --bucket reports"
        );
    }

    fn known(document: &str) -> Text {
        Text::Known(Document::parse(document, Kind::Resource).unwrap().into())
    }

    #[test]
    fn a_resource_is_put_back_where_it_is_and_a_statement_alone() {
        let open = r#"{"Version":"2012-10-17","Statement":[{"Sid":"all","Effect":"Allow","Principal":"*","Action":"sqs:*","Resource":"*"}]}"#;
        let open = known(open);
        let of = |arn: &str, item: &str, before: Option<&Text>, after: Option<&Text>| {
            let target = Target::Resource { account: "111122223333".into(), arn: arn.into() };
            command(&Way { target: &target, item, before, after, earlier: "" })
        };
        let queue = "arn:aws:sqs:eu-west-1:111122223333:jobs";
        assert_eq!(
            of(queue, "policy", None, Some(&open)),
            "aws sqs set-queue-attributes --queue-url https://sqs.eu-west-1.amazonaws.com/111122223333/jobs --attributes Policy= --region eu-west-1"
        );
        let put = of(queue, "policy", Some(&open), None);
        assert!(put.contains(r#"--attributes '{"Policy":"{\"Statement\":"#), "{put}");
        assert_eq!(
            of(queue, "statement/all", None, Some(&open)),
            "aws sqs remove-permission --queue-url https://sqs.eu-west-1.amazonaws.com/111122223333/jobs --label all --region eu-west-1"
        );
        let function = "arn:aws:lambda:eu-west-1:111122223333:function:f";
        for item in ["statement/all", "policy"] {
            assert_eq!(
                of(function, item, None, Some(&open)),
                "aws lambda remove-permission --function-name f --statement-id all --region eu-west-1"
            );
        }
        assert_eq!(
            of("arn:aws:lambda:eu-west-1:111122223333:layer:deps:3", "policy", None, Some(&open)),
            "aws lambda remove-layer-version-permission --layer-name deps --version-number 3 --statement-id all --region eu-west-1"
        );
        let key = of("arn:aws:kms:eu-west-1:111122223333:key/k", "policy", Some(&open), None);
        assert!(key.starts_with("aws kms put-key-policy --key-id k "), "{key}");
        assert!(key.ends_with(" --region eu-west-1"), "{key}");
    }

    #[test]
    fn a_permission_set_is_named_with_its_instance_and_what_is_gone_is_made_again() {
        let arn: Box<str> = "arn:aws:sso:::permissionSet/ssoins-1/ps-1".into();
        let set = Target::Set { arn };
        let open = known(
            r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#,
        );
        let bounded = way(&set, "boundary", Some(&open), "/team/limit");
        assert!(bounded.contains("--instance-arn arn:aws:sso:::instance/ssoins-1 "), "{bounded}");
        let reference =
            "--permissions-boundary 'CustomerManagedPolicyReference={Name=limit,Path=/team/}'";
        assert!(bounded.contains(reference), "{bounded}");
        let control = Target::Organization { id: "p-1".into(), kind: Kind::ServiceControl };
        assert_eq!(
            way(&control, "policy", None, ""),
            "aws organizations delete-policy --policy-id p-1"
        );
        let gone = way(&control, "policy", Some(&open), "");
        assert!(gone.starts_with("aws organizations create-policy --name p-1 "), "{gone}");
        assert!(gone.contains("--type SERVICE_CONTROL_POLICY"), "{gone}");
        let after = Some(&open);
        let changed = Way { target: &control, item: "policy", before: after, after, earlier: "" };
        assert!(command(&changed).starts_with("aws organizations update-policy --policy-id p-1 "));
    }
}
