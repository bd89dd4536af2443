//! How the call that a record tells of ended.
//!
//! Invariant: it is a function of the record alone.

use crate::model::Slot;
use crate::model::TrailRecord;

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
