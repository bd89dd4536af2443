//! `userIdentity.sessionContext`, read once.
//!
//! Invariant: whatever stands there is read as far as it goes; the rest is empty.

use std::borrow::Cow;

use crate::model::Seconds;
use crate::model::json;

/// `userIdentity.sessionContext`: how temporary credentials came to be.
#[derive(Debug, Default)]
pub(super) struct Context<'a> {
    pub issuer_arn: Cow<'a, str>,
    pub created: Option<Seconds>,
    pub mfa: Cow<'a, str>,
    pub source_identity: Cow<'a, str>,
    pub provider: Cow<'a, str>,
    pub subject: Cow<'a, str>,
    /// The IMDS version that handed out an instance's credentials.
    pub delivery: Cow<'a, str>,
    pub assumed_root: Cow<'a, str>,
}

/// A value's text; absent and null are "".
pub(super) fn text(raw: &str) -> Cow<'_, str> {
    json::text(raw).unwrap_or_default()
}

impl<'a> Context<'a> {
    /// Reads `userIdentity.sessionContext`.
    pub fn of(raw: &'a str) -> Self {
        let mut context = Self::default();
        for (key, value) in json::members(raw) {
            match key {
                "sessionIssuer" => {
                    context.issuer_arn = json::member(value, "arn").map(text).unwrap_or_default();
                }
                "webIdFederationData" => context.read_federation(value),
                "attributes" => context.read_attributes(value),
                "sourceIdentity" => context.source_identity = text(value),
                "ec2RoleDelivery" => context.delivery = text(value),
                "assumedRoot" => context.assumed_root = text(value),
                _ => {}
            }
        }
        context
    }

    fn read_federation(&mut self, raw: &'a str) {
        for (key, value) in json::members(raw) {
            match key {
                "federatedProvider" => self.provider = text(value),
                "attributes" => {
                    let subject = json::members(value)
                        .find(|(key, _)| *key == "sub" || key.ends_with(":sub"));
                    self.subject = subject.map(|(_, value)| text(value)).unwrap_or_default();
                }
                _ => {}
            }
        }
    }

    fn read_attributes(&mut self, raw: &'a str) {
        for (key, value) in json::members(raw) {
            match key {
                "creationDate" => self.created = Seconds::parse(&text(value)),
                "mfaAuthenticated" => self.mfa = text(value),
                _ => {}
            }
        }
    }
}
