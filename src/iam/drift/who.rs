//! How a change came about: by hand, or by somebody who is there to make such changes.
//!
//! Invariant: a person is by hand, whatever role they are in.

use crate::model::Event;
use crate::model::Fact;
use crate::model::Glob;
use crate::model::Record;
use crate::model::Slot;

/// How a change came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// An approved pipeline.
    Pipeline,
    /// What builds accounts.
    Provisioner,
    /// What gives grants.
    Broker,
    /// Identity Center, for one of its own roles.
    IdentityCenter,
    /// An AWS service by itself.
    Service,
    /// Anybody else.
    Hand,
}

impl Via {
    /// Returns how `event` came about; `pipelines` are the roles of those that are approved.
    pub fn of(event: &Event<'_>, pipelines: &[Glob], target: &str) -> Self {
        let text = |name| match event.fact(name) {
            Some(Fact::Text(text)) => text.as_str(),
            _ => "",
        };
        let is = |name| event.fact(name) == Some(&Fact::Flag(true));
        let invoked_by = match &event.record {
            Record::Trail(record) => record.slot_or_empty(Slot::UserInvokedBy),
            Record::Flow(_) => "".into(),
        };
        let is_theirs = target.contains(":role/aws-reserved/");
        if is_theirs && invoked_by == "sso.amazonaws.com" {
            return Self::IdentityCenter;
        }
        if is("gw.broker") {
            return Self::Broker;
        }
        if is("gw.provisioner") {
            return Self::Provisioner;
        }
        let is_machine = ["gw.identity.name", "gw.identity.origin"].iter().all(|name| {
            let who = text(name);
            who.starts_with("workload:") || who.starts_with("service:")
        });
        let (arn, name) = (text("gw.session.role_arn"), text("gw.session.role_name"));
        let is_role = |glob: &Glob| glob.matches(arn) || glob.matches(name);
        if is_machine && !name.is_empty() && pipelines.iter().any(is_role) {
            return Self::Pipeline;
        }
        match text("gw.identity.kind") {
            "service" => Self::Service,
            _ => Self::Hand,
        }
    }

    /// Returns its name as a fact.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pipeline => "pipeline",
            Self::Provisioner => "provisioner",
            Self::Broker => "broker",
            Self::IdentityCenter => "identity_center",
            Self::Service => "service",
            Self::Hand => "hand",
        }
    }

    /// Returns whether such changes are planned.
    pub fn is_planned(self) -> bool {
        !matches!(self, Self::Service | Self::Hand)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Facts;
    use crate::model::Seconds;
    use crate::model::Slots;
    use crate::model::TrailRecord;

    fn via(who: &str, role: &str, flag: &'static str, invoked_by: &str, target: &str) -> Via {
        let text = format!(r#"{{"userIdentity": {{"invokedBy": "{invoked_by}"}}}}"#);
        let slots = Slots::of(&text).unwrap();
        let mut facts = Facts::default();
        facts.set("gw.identity.name", who);
        facts.set("gw.identity.origin", who);
        facts.set("gw.identity.kind", who.split_once(':').unwrap().0);
        facts.set("gw.session.role_name", role);
        if !flag.is_empty() {
            facts.set(flag, true);
        }
        let record = Record::Trail(TrailRecord::new(&text, &slots));
        let event = Event { time: Seconds(0), record, session: None, facts };
        Via::of(&event, &[Glob::from("terraform-*")], target)
    }

    #[test]
    fn a_person_in_a_pipelines_role_is_by_hand() {
        let role = "arn:aws:iam::111122223333:role/Deploy";
        let theirs =
            "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_A_0";
        let ci = "workload:111122223333/role/terraform-prod";
        assert_eq!(via(ci, "terraform-prod", "", "", role), Via::Pipeline);
        assert_eq!(via("person:ana@example.com", "terraform-prod", "", "", role), Via::Hand);
        assert_eq!(via("workload:1/role/web", "web", "", "", role), Via::Hand);
        assert_eq!(via(ci, "x", "gw.provisioner", "", role), Via::Provisioner);
        assert_eq!(via(ci, "x", "gw.broker", "", role), Via::Broker);
        let sso = "service:sso.amazonaws.com";
        assert_eq!(via(sso, "", "", "sso.amazonaws.com", theirs), Via::IdentityCenter);
        assert_eq!(via(sso, "", "", "sso.amazonaws.com", role), Via::Service);
        assert_eq!(via("person:ana@example.com", "A", "", "", theirs), Via::Hand);
    }
}
