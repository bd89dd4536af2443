//! What is asked about on the command line: accounts, principals, actions, resources, condition keys, snapshots.
//!
//! Invariant: what can be nobody's name is refused with the flag it stands at, and never answered as if nobody had it.

use std::net::IpAddr;
use std::path::Path;

use anyhow::Context as _;

use crate::iam::Snapshot;
use crate::iam::pattern::segments;
use crate::iam::snapshot;
use crate::model::Seconds;

/// Reads the id of an account.
///
/// # Errors
/// When the text has not twelve digits.
pub(in crate::cli) fn account(text: &str) -> Result<String, String> {
    let is_account = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    let wrong = || format!("`{text}` is no account: an account's id has twelve digits");
    if is_account { Ok(text.to_owned()) } else { Err(wrong()) }
}

/// Reads a text that says something.
///
/// # Errors
/// When it is empty.
pub(in crate::cli) fn something(text: &str) -> Result<String, String> {
    match text.trim().is_empty() {
        true => Err("it is empty".to_owned()),
        false => Ok(text.to_owned()),
    }
}

/// Reads who acts: the ARN of a user, role, session, root or identity provider, an account, a service, or `*`.
///
/// # Errors
/// When nobody can have that name, or it is a group's, which does nothing by itself.
pub(in crate::cli) fn principal(text: &str) -> Result<String, String> {
    if text == "*" || account(text).is_ok() {
        return Ok(text.to_owned());
    }
    let wrong = || {
        format!(
            "`{text}` is nobody's name: name the ARN of a user, role, session, root or identity provider, an account's id, a \
             service like `lambda.amazonaws.com`, or `*`"
        )
    };
    let Some([arn, partition, service, _, of_account, rest]) = segments(text) else {
        return if is_host(text) { Ok(text.to_owned()) } else { Err(wrong()) };
    };
    if arn != "arn" || partition.is_empty() {
        return Err(wrong());
    }
    account(of_account)?;
    let (kind, name) = rest.split_once('/').unwrap_or((rest, ""));
    let is_session = || {
        name.split_once('/').is_some_and(|(role, session)| !role.is_empty() && !session.is_empty())
    };
    match (service, kind) {
        ("iam", "root") if name.is_empty() => Ok(text.to_owned()),
        ("iam", "group") => Err(format!(
            "`{text}` is a group, which does nothing by itself: ask about a user who is in it"
        )),
        ("iam", "user" | "role" | "saml-provider" | "oidc-provider")
        | ("sts", "federated-user")
            if !name.is_empty() && !name.ends_with('/') =>
        {
            Ok(text.to_owned())
        }
        ("sts", "assumed-role") if is_session() => Ok(text.to_owned()),
        _ => Err(wrong()),
    }
}

/// Returns whether this is the name of a host, as services and web identity providers have it: with a path, perhaps.
fn is_host(text: &str) -> bool {
    let host = text.split('/').next().unwrap_or(text);
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    host.contains('.') && host.split('.').all(is_label) && !text.contains(char::is_whitespace)
}

/// Reads an action, `s3:GetObject`.
///
/// # Errors
/// When it names no service or no action, or is a pattern.
pub(in crate::cli) fn action(text: &str) -> Result<String, String> {
    if text.contains(['*', '?']) {
        return Err(format!("`{text}` is a pattern: ask about one action, like `s3:GetObject`"));
    }
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    match text.split_once(':') {
        Some((service, name)) if is_word(service) && is_word(name) => Ok(text.to_owned()),
        _ => Err(format!("`{text}` is no action: write it like `s3:GetObject`")),
    }
}

/// Reads what is acted upon: an ARN, or `*`.
///
/// # Errors
/// When it is neither.
pub(in crate::cli) fn resource(text: &str) -> Result<String, String> {
    let is_arn = segments(text).is_some_and(|[arn, partition, service, _, _, rest]| {
        arn == "arn" && [partition, service, rest].iter().all(|it| !it.is_empty())
    });
    match text == "*" || is_arn {
        true => Ok(text.to_owned()),
        false => {
            Err(format!("`{text}` is no ARN; of an action that has no resource, ask with `*`"))
        }
    }
}

/// Reads the name of a condition key, `aws:SourceIp`.
///
/// # Errors
/// When there can be no such key.
pub(in crate::cli) fn key(text: &str) -> Result<String, String> {
    match text.split_once(':') {
        Some((prefix, name)) if !prefix.is_empty() && !name.is_empty() => Ok(text.to_owned()),
        _ => Err(format!("`{text}` is no condition key: write it like `aws:SourceIp`")),
    }
}

/// Reads a condition key with a value, `aws:SourceIp=192.0.2.1`.
///
/// # Errors
/// When there can be no such key, or the key cannot have such a value.
pub(in crate::cli) fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("`{text}` is no KEY=VALUE"))?;
    let name = key(name)?;
    let wanted = match &*name.to_ascii_lowercase() {
        "aws:sourceip" | "aws:vpcsourceip" if value.parse::<IpAddr>().is_err() => "an address",
        "aws:currenttime" | "aws:tokenissuetime" if Seconds::parse(value).is_none() => {
            "a time like 2026-03-01T08:00:00Z"
        }
        "aws:epochtime" | "aws:multifactorauthage" if value.parse::<i64>().is_err() => "a number",
        "aws:multifactorauthpresent"
        | "aws:securetransport"
        | "aws:viaawsservice"
        | "aws:principalisawsservice"
            if !["true", "false"].contains(&value) =>
        {
            "true or false"
        }
        _ => return Ok((name, value.to_owned())),
    };
    Err(format!("`{value}` is no value of {name}: it is {wanted}"))
}

/// Reads snapshots.
///
/// # Errors
/// When a file cannot be read or is none, or there is no file: nobody is in such a snapshot, and so nobody would be found.
pub(in crate::cli) fn snapshot<P: AsRef<Path>>(paths: &[P]) -> anyhow::Result<Snapshot> {
    let shown = || {
        let all: Vec<String> =
            paths.iter().map(|path| path.as_ref().display().to_string()).collect();
        format!("could not read the snapshot {}", all.join(", "))
    };
    for path in paths {
        let files = snapshot::files(&[path]).with_context(shown)?;
        anyhow::ensure!(
            !files.is_empty(),
            "{} has no .json file, so it is no snapshot",
            path.as_ref().display()
        );
    }
    snapshot::read(paths).with_context(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refuses(read: fn(&str) -> Result<String, String>, all: &[&str]) {
        for text in all {
            assert!(read(text).is_err(), "`{text}` is taken");
        }
    }

    #[track_caller]
    fn takes(read: fn(&str) -> Result<String, String>, all: &[&str]) {
        for text in all {
            assert_eq!(read(text).as_deref(), Ok(*text));
        }
    }

    #[test]
    fn only_what_can_be_somebodys_name_is_a_principal() {
        takes(
            principal,
            &[
                "*",
                "111122223333",
                "arn:aws:iam::111122223333:root",
                "arn:aws:iam::111122223333:user/team/ana",
                "arn:aws-cn:iam::111122223333:role/Deploy",
                "arn:aws:sts::111122223333:assumed-role/Deploy/run",
                "arn:aws:sts::111122223333:federated-user/ana",
                "arn:aws:iam::111122223333:saml-provider/okta",
                "lambda.amazonaws.com",
                "cognito-identity.amazonaws.com",
                "oidc.eks.eu-west-1.amazonaws.com/id/0123",
            ],
        );
        refuses(
            principal,
            &[
                "",
                "nonsense",
                "1111",
                "not a name.com",
                "a..b",
                "arn:aws:s3:::bucket",
                "arn:aws:iam::1:user/x",
                "arn:aws:iam::111122223333:user/",
                "arn:aws:iam::111122223333:root/x",
                "arn:aws:iam::111122223333:policy/p",
                "arn:aws:sts::111122223333:assumed-role/Deploy",
            ],
        );
        let group = principal("arn:aws:iam::111122223333:group/team").unwrap_err();
        assert!(group.contains("does nothing by itself"), "{group}");
    }

    #[test]
    fn what_cannot_be_asked_about_is_refused() {
        takes(account, &["111122223333"]);
        refuses(account, &["", "nonsense", "1111222233334", "11112222333x"]);
        takes(action, &["s3:GetObject", "execute-api:Invoke"]);
        refuses(action, &["", "nonsense", "s3:*", "s3:", ":Get", "s3:Get Object", "s3:a:b"]);
        takes(resource, &["*", "arn:aws:s3:::bucket/key"]);
        refuses(resource, &["", "nonsense", "bucket", "arn:aws:s3:::", "arn:::::x"]);
        takes(key, &["aws:SourceIp", "accounts.google.com:sub"]);
        refuses(key, &["", "nonsense", ":x", "aws:"]);
        refuses(something, &["", " "]);
    }

    #[test]
    fn a_key_that_cannot_have_a_value_is_told() {
        let read = |text: &str| pair(text).map(|_| text.to_owned());
        takes(read, &["aws:SourceIp=192.0.2.1", "aws:SourceIp=2001:db8::1", "a:b=", "a:b=c=d"]);
        takes(
            read,
            &[
                "aws:SecureTransport=true",
                "aws:EpochTime=1",
                "aws:CurrentTime=2026-03-01T08:00:00Z",
            ],
        );
        refuses(
            read,
            &[
                "aws:SourceIp",
                "=x",
                "aws:SourceIp=nonsense",
                "AWS:sourceip=1",
                "aws:SecureTransport=yes",
                "aws:CurrentTime=soon",
                "aws:EpochTime=soon",
            ],
        );
    }
}
