//! An act as the grants judge it, read from a record and its facts.

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::grants;
use crate::grants::Act;
use crate::model::Event;
use crate::model::Fact;
use crate::model::Seconds;
use crate::model::Slot;
use crate::model::TrailRecord;

/// What an act needs of its record.
pub(super) struct Told<'r> {
    account: Cow<'r, str>,
    region: Cow<'r, str>,
    address: Cow<'r, str>,
    delegate: Cow<'r, str>,
    started: Option<Seconds>,
    pub(super) resources: SmallVec<[String; 2]>,
}

impl<'r> Told<'r> {
    /// Reads it from a record and its facts.
    pub(super) fn of(event: &Event<'_>, record: &TrailRecord<'r>, action: &str) -> Self {
        Self {
            account: record.slot_or_empty(Slot::RecipientAccountId),
            region: record.slot_or_empty(Slot::AwsRegion),
            address: record.slot_or_empty(Slot::SourceIpAddress),
            delegate: record.text("userIdentity.invokedByDelegate.accountId").unwrap_or_default(),
            started: Seconds::parse(text(event, "gw.session.started")),
            resources: grants::resources(record, action),
        }
    }

    /// Returns the act.
    pub(super) fn act<'a>(
        &'a self,
        event: &'a Event<'_>,
        action: &'a str,
        resources: &'a [&'a str],
    ) -> Act<'a> {
        let flag = |name| event.fact(name) == Some(&Fact::Flag(true));
        Act {
            time: event.time,
            identity: text(event, "gw.identity.name"),
            origin: text(event, "gw.identity.origin"),
            user_id: text(event, "gw.session.on_behalf_of"),
            source_identity: text(event, "gw.session.source_identity"),
            account: &self.account,
            caller_account: text(event, "gw.identity.account"),
            role_arn: text(event, "gw.session.role_arn"),
            permission_set: text(event, "gw.session.permission_set"),
            session_name: text(event, "gw.session.name"),
            principal_tags: listed(event, "gw.session.tags"),
            chain: listed(event, "gw.session.chain"),
            action,
            resources,
            resource_tags: &[],
            region: &self.region,
            address: self.address.parse().ok(),
            session_started: self.started,
            confidence: text(event, "gw.identity.confidence"),
            by_service: flag("gw.by_service"),
            provisioner: flag("gw.provisioner"),
            broker: flag("gw.broker"),
            groups: &[],
            delegate: &self.delegate,
            bound: "",
            mfa: match event.fact("gw.session.mfa") {
                Some(Fact::Flag(mfa)) => Some(*mfa),
                _ => None,
            },
        }
    }
}

/// Returns the texts of a fact, of which an event without it has none.
fn listed<'e>(event: &'e Event<'_>, name: &str) -> &'e [String] {
    match event.fact(name) {
        Some(Fact::Texts(texts)) => texts,
        _ => &[],
    }
}

/// Returns the text of a fact, which is empty where the event does not have it.
pub(in crate::pipeline::core) fn text<'e>(event: &'e Event<'_>, name: &str) -> &'e str {
    match event.fact(name) {
        Some(Fact::Text(text)) => text,
        _ => "",
    }
}
