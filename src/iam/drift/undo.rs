//! The command that puts back what stood before a change.
//!
//! Invariant: names come from records and stand in quotes; a command is never more than one line of a shell, and never less
//! than the whole way back, or it says what is missing.

mod beside;

use crate::iam::drift::effect::Holder;
use crate::iam::drift::effect::Target;
use crate::iam::policy::Document;
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
            _ => of_resource(way, arn),
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
        Target::Organization { id, .. } => format!(
            "aws organizations update-policy --policy-id {} --content {}",
            quoted(id),
            document(way.before)
        ),
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

fn of_set(way: &Way<'_>, arn: &str) -> String {
    let set = format!("--instance-arn INSTANCE --permission-set-arn {}", quoted(arn));
    let back = match (way.item.split_once('/'), way.before) {
        (None, None) if way.item == "boundary" => {
            format!("aws sso-admin delete-permissions-boundary-from-permission-set {set}")
        }
        (None, Some(_)) if way.item == "boundary" => {
            let of = quoted(&format!("ManagedPolicyArn={}", way.earlier));
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

fn of_resource(way: &Way<'_>, arn: &str) -> String {
    let mut parts = arn.splitn(6, ':').skip(2);
    let service = parts.next().unwrap_or_default();
    let name = parts.nth(2).unwrap_or_default();
    let text = document(way.before);
    match (service, way.before.is_some()) {
        ("s3", true) => {
            format!("aws s3api put-bucket-policy --bucket {} --policy {text}", quoted(name))
        }
        ("s3", false) => format!("aws s3api delete-bucket-policy --bucket {}", quoted(name)),
        ("kms", true) => {
            let key = quoted(name.strip_prefix("key/").unwrap_or(name));
            format!("aws kms put-key-policy --key-id {key} --policy-name default --policy {text}")
        }
        ("sns", true) => format!(
            "aws sns set-topic-attributes --topic-arn {} --attribute-name Policy --attribute-value {text}",
            quoted(arn)
        ),
        ("secretsmanager", true) => format!(
            "aws secretsmanager put-resource-policy --secret-id {} --resource-policy {text}",
            quoted(arn)
        ),
        ("secretsmanager", false) => {
            format!("aws secretsmanager delete-resource-policy --secret-id {}", quoted(arn))
        }
        ("ecr", true) => {
            let name = quoted(name.strip_prefix("repository/").unwrap_or(name));
            format!("aws ecr set-repository-policy --repository-name {name} --policy-text {text}")
        }
        ("ecr", false) => {
            let name = quoted(name.strip_prefix("repository/").unwrap_or(name));
            format!("aws ecr delete-repository-policy --repository-name {name}")
        }
        (_, true) => format!("put back the policy of {}: {text}", quoted(arn)),
        (_, false) => format!("take the policy of {} away", quoted(arn)),
    }
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
}
