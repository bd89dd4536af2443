//! What a record did: its action as policies spell it, and how it ended.
//!
//! Invariant: both are functions of the record alone.

use crate::model::Slot;
use crate::model::TrailRecord;

/// Returns `iam:CreateUser`: the service's prefix and the event's name without the API date some services append.
pub(super) fn action(record: &TrailRecord<'_>) -> String {
    let source = record.slot_or_empty(Slot::EventSource);
    let host = source.split_once(".amazonaws.com").map_or(&*source, |(host, _)| host);
    let service = match host {
        "monitoring" => "cloudwatch",
        "tagging" => "tag",
        "models.lex" | "runtime.lex" => "lex",
        "runtime.sagemaker" => "sagemaker",
        "email" => "ses",
        "api.ecr" => "ecr",
        host => host,
    };
    let name = record.slot_or_empty(Slot::EventName);
    format!("{service}:{}", without_date(&name))
}

/// Cuts `20150331`, `20150331v2` or `2020_05_31` from the end.
fn without_date(name: &str) -> &str {
    let without_version = match name.rsplit_once('v') {
        Some((head, version))
            if is_digits(version) && head.ends_with(|c: char| c.is_ascii_digit()) =>
        {
            head
        }
        _ => name,
    };
    let digits = without_version.bytes().rev().take_while(u8::is_ascii_digit).count();
    let plain = without_version.len() - digits;
    if digits == 8 {
        return name.get(..plain).unwrap_or(name);
    }
    let tail =
        without_version.len().checked_sub(10).and_then(|at| without_version.split_at_checked(at));
    match tail {
        Some((head, date)) if is_underscored_date(date) => head.strip_suffix('_').unwrap_or(head),
        _ => name,
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_underscored_date(text: &str) -> bool {
    let mut parts = text.split('_');
    [4, 2, 2].iter().all(|len| parts.next().is_some_and(|p| p.len() == *len && is_digits(p)))
        && parts.next().is_none()
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Success,
    /// Refused for want of permission.
    Denied,
    /// Anything else that went wrong, a failed sign-in among it.
    Failed,
}

impl Outcome {
    pub fn of(record: &TrailRecord<'_>) -> Self {
        let code = record.slot_or_empty(Slot::ErrorCode);
        let is_denied =
            matches!(&*code, "AccessDenied" | "AccessDeniedException" | "VpceAccessDenied")
                || code.ends_with("UnauthorizedOperation")
                || code.starts_with("NotAuthorized");
        if is_denied {
            return Self::Denied;
        }
        // A failed sign-in has an error message and no code, and says so in its answer.
        let is_failed_sign_in = record.slot_raw(Slot::EventSource)
            == Some("\"signin.amazonaws.com\"")
            && (!record.slot_or_empty(Slot::ErrorMessage).is_empty()
                || record.text("responseElements.ConsoleLogin").as_deref() == Some("Failure"));
        match is_failed_sign_in || !code.is_empty() {
            true => Self::Failed,
            false => Self::Success,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Slots;

    #[test]
    fn actions_lose_their_dates() {
        for (name, expected) in [
            ("CreateUser", "CreateUser"),
            ("CreateFunction20150331", "CreateFunction"),
            ("UpdateFunctionCode20150331v2", "UpdateFunctionCode"),
            ("CreateDistribution2016_11_25", "CreateDistribution"),
            ("ListObjectsV2", "ListObjectsV2"),
            ("Getv2", "Getv2"),
            ("20150331", ""),
            ("äöü2016_11_2", "äöü2016_11_2"),
        ] {
            assert_eq!(without_date(name), expected, "{name}");
        }
    }

    #[test]
    fn outcomes_follow_the_code() {
        for (body, expected) in [
            (r#"{"errorCode":"AccessDenied"}"#, Outcome::Denied),
            (r#"{"errorCode":"Client.UnauthorizedOperation"}"#, Outcome::Denied),
            (r#"{"errorCode":"NoSuchEntityException"}"#, Outcome::Failed),
            (r#"{"errorCode":null}"#, Outcome::Success),
            (
                r#"{"eventSource":"signin.amazonaws.com","responseElements":{"ConsoleLogin":"Failure"}}"#,
                Outcome::Failed,
            ),
        ] {
            let slots = Slots::of(body).unwrap();
            assert_eq!(Outcome::of(&TrailRecord::new(body, &slots)), expected, "{body}");
        }
    }
}
