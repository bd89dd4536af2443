//! What a record of CloudTrail says about standing access.
//!
//! Of the console's own names for Identity Center's calls only those are read that carry the fields of the API; what they
//! carry is not documented.
//!
//! Invariant: a record that does not say whom, what and where is no claim. What a service does by itself in IAM (the
//! roles that Identity Center makes for an assignment) is a consequence and no claim either.

use std::borrow::Cow;

use crate::grants::claims::claim::Claim;
use crate::grants::claims::claim::Deed;
use crate::grants::claims::claim::Holder;
use crate::grants::claims::claim::Kind;
use crate::grants::claims::claim::Maker;
use crate::grants::claims::claim::Outcome;
use crate::grants::claims::claim::Verb;
use crate::model::Event;
use crate::model::Fact;
use crate::model::Record;
use crate::model::Slot;
use crate::model::TrailRecord;
use crate::model::bounded;

/// The longest id or name that is kept.
const MAX_TEXT: usize = 300;

/// What a record said.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// Something was done about a claim.
    Deed(Claim, Deed),
    /// A membership was removed, and only its id is named.
    Membership(Deed),
    /// A permission set, by ARN, has this name.
    Named(Box<str>, Box<str>),
}

impl Told {
    /// Returns what became of standing access, if a change of it is followed from here on.
    pub fn change(&self) -> Option<&'static str> {
        match self {
            Self::Deed(claim, deed) if claim.kind == Kind::Assignment && deed.is_done() => {
                Some(match deed.verb {
                    Verb::Make => "made",
                    Verb::Remove => "removed",
                })
            }
            Self::Deed(..) | Self::Membership(_) | Self::Named(..) => None,
        }
    }
}

/// Returns whether calls of this name are about standing access.
pub fn concerns(source: &str, name: &str) -> bool {
    call(source, name).is_some()
}

/// A kind of call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Assignment(Verb),
    Membership(Verb),
    PermissionSet,
    Policy(Verb, Of),
    InlinePolicy(Verb, Of),
    IamMembership(Verb),
}

/// What a policy belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    User,
    Role,
    Group,
}

fn call(source: &str, name: &str) -> Option<Call> {
    use Verb::Make;
    use Verb::Remove;
    Some(match (source, name) {
        ("sso.amazonaws.com", "CreateAccountAssignment" | "AssociateProfile") => {
            Call::Assignment(Make)
        }
        ("sso.amazonaws.com", "DeleteAccountAssignment" | "DisassociateProfile") => {
            Call::Assignment(Remove)
        }
        ("sso.amazonaws.com", "CreatePermissionSet") => Call::PermissionSet,
        ("identitystore.amazonaws.com", "CreateGroupMembership")
        | ("sso-directory.amazonaws.com", "AddMemberToGroup") => Call::Membership(Make),
        ("identitystore.amazonaws.com", "DeleteGroupMembership")
        | ("sso-directory.amazonaws.com", "RemoveMemberFromGroup") => Call::Membership(Remove),
        ("iam.amazonaws.com", name) => match name {
            "AttachUserPolicy" => Call::Policy(Make, Of::User),
            "AttachRolePolicy" => Call::Policy(Make, Of::Role),
            "AttachGroupPolicy" => Call::Policy(Make, Of::Group),
            "DetachUserPolicy" => Call::Policy(Remove, Of::User),
            "DetachRolePolicy" => Call::Policy(Remove, Of::Role),
            "DetachGroupPolicy" => Call::Policy(Remove, Of::Group),
            "PutUserPolicy" => Call::InlinePolicy(Make, Of::User),
            "PutRolePolicy" => Call::InlinePolicy(Make, Of::Role),
            "PutGroupPolicy" => Call::InlinePolicy(Make, Of::Group),
            "DeleteUserPolicy" => Call::InlinePolicy(Remove, Of::User),
            "DeleteRolePolicy" => Call::InlinePolicy(Remove, Of::Role),
            "DeleteGroupPolicy" => Call::InlinePolicy(Remove, Of::Group),
            "AddUserToGroup" => Call::IamMembership(Make),
            "RemoveUserFromGroup" => Call::IamMembership(Remove),
            _ => return None,
        },
        _ => return None,
    })
}

/// Returns what `event`, read from `object`, says; its session's facts must be known.
pub fn read(event: &Event<'_>, object: &str) -> Option<Told> {
    let Record::Trail(record) = event.record else { return None };
    let slot = |slot| record.slot_or_empty(slot);
    let call = call(&slot(Slot::EventSource), &slot(Slot::EventName))?;
    let record = Asked(record);
    let account = slot(Slot::RecipientAccountId);
    let (verb, claim) = match call {
        Call::PermissionSet => {
            let arn = record.answered("permissionSet.permissionSetArn")?;
            return Some(Told::Named(arn, record.asked("name")?));
        }
        Call::Assignment(verb) => (verb, record.assignment()),
        Call::Membership(verb) => (verb, record.membership()),
        Call::Policy(verb, of) => (verb, record.policy(of, &account, Kind::Policy)),
        Call::InlinePolicy(verb, of) => (verb, record.policy(of, &account, Kind::InlinePolicy)),
        Call::IamMembership(verb) => (verb, record.iam_membership(&account)),
    };
    let maker = maker(event);
    let is_iam = !matches!(call, Call::Assignment(_) | Call::Membership(_));
    if is_iam && maker == Maker::Automation {
        return None;
    }
    let membership = match call {
        Call::Membership(_) => {
            record.answered("membershipId").or_else(|| record.asked("membershipId"))
        }
        _ => None,
    };
    let deed = Deed {
        time: event.time,
        verb,
        event: event.id().into(),
        outcome: record.outcome(verb),
        maker,
        by: text(event, "gw.identity.name").into(),
        place: record.first(&["instanceArn", "identityStoreId"]).unwrap_or_default(),
        membership: membership.unwrap_or_default(),
        object: object.into(),
    };
    match claim {
        Some(claim) => Some(Told::Deed(claim, deed)),
        None if deed.membership.is_empty() || verb == Verb::Make => None,
        None => Some(Told::Membership(deed)),
    }
}

fn maker(event: &Event<'_>) -> Maker {
    let flag = |name| event.fact(name) == Some(&Fact::Flag(true));
    match () {
        () if flag("gw.broker") => Maker::Broker,
        () if flag("gw.provisioner") || flag("gw.by_service") => Maker::Automation,
        () => Maker::Other,
    }
}

fn text<'e>(event: &'e Event<'_>, name: &str) -> &'e str {
    match event.fact(name) {
        Some(Fact::Text(text)) => text,
        _ => "",
    }
}

/// The parameters and the answer of a call.
struct Asked<'r>(TrailRecord<'r>);

impl Asked<'_> {
    fn at(&self, path: &str) -> Option<Box<str>> {
        let found: Cow<'_, str> = self.0.text(path).filter(|text| !text.is_empty())?;
        Some(bounded(&found, MAX_TEXT).into())
    }

    fn asked(&self, name: &str) -> Option<Box<str>> {
        self.at(&format!("requestParameters.{name}"))
    }

    fn answered(&self, name: &str) -> Option<Box<str>> {
        self.at(&format!("responseElements.{name}"))
    }

    fn first(&self, names: &[&str]) -> Option<Box<str>> {
        names.iter().find_map(|name| self.asked(name))
    }

    fn assignment(&self) -> Option<Claim> {
        let id = self.asked("principalId")?;
        let holder = match &*self.asked("principalType")? {
            "USER" => Holder::User(id),
            "GROUP" => Holder::Group(id),
            _ => return None,
        };
        Some(Claim {
            holder,
            kind: Kind::Assignment,
            account: self.asked("targetId")?,
            entitlement: self.asked("permissionSetArn")?,
        })
    }

    fn membership(&self) -> Option<Claim> {
        Some(Claim {
            holder: Holder::User(self.first(&["memberId.userId", "member.memberId"])?),
            kind: Kind::Membership,
            account: "".into(),
            entitlement: self.asked("groupId")?,
        })
    }

    fn policy(&self, of: Of, account: &str, kind: Kind) -> Option<Claim> {
        let named = |field: &str| Some(format!("{account}/{}", self.asked(field)?).into());
        let holder = match of {
            Of::User => Holder::IamUser(named("userName")?),
            Of::Role => Holder::Role(named("roleName")?),
            Of::Group => Holder::IamGroup(named("groupName")?),
        };
        let what = if kind == Kind::Policy { "policyArn" } else { "policyName" };
        Some(Claim { holder, kind, account: account.into(), entitlement: self.asked(what)? })
    }

    fn iam_membership(&self, account: &str) -> Option<Claim> {
        let user = self.asked("userName")?;
        Some(Claim {
            holder: Holder::IamUser(format!("{account}/{user}").into()),
            kind: Kind::IamMembership,
            account: account.into(),
            entitlement: self.asked("groupName")?,
        })
    }

    /// A call without an error was accepted; Identity Center's go on for a while, and may tell that they failed.
    fn outcome(&self, verb: Verb) -> Outcome {
        let error = self.0.slot_or_empty(Slot::ErrorCode);
        if !error.is_empty() {
            return Outcome::Refused(bounded(&error, MAX_TEXT).into());
        }
        let status = match verb {
            Verb::Make => "accountAssignmentCreationStatus",
            Verb::Remove => "accountAssignmentDeletionStatus",
        };
        if self.answered(&format!("{status}.status")).as_deref() != Some("FAILED") {
            return Outcome::Done;
        }
        let why = self.answered(&format!("{status}.failureReason"));
        Outcome::Failed(why.unwrap_or_else(|| "FAILED".into()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::Facts;
    use crate::model::Seconds;
    use crate::model::Slots;

    /// Reads a call of `source` with facts that are true of its session.
    fn told(
        source: &str,
        name: &str,
        more: serde_json::Value,
        flags: &[&'static str],
    ) -> Option<Told> {
        let mut record = json!({
            "eventSource": format!("{source}.amazonaws.com"), "eventName": name, "eventID": "e-1",
            "recipientAccountId": "111122223333",
        });
        for (field, value) in more.as_object().unwrap() {
            record[field] = value.clone();
        }
        let text = record.to_string();
        let slots = Slots::of(&text).unwrap();
        let mut facts = Facts::default();
        facts.set("gw.identity.name", "person:ana@example.com");
        flags.iter().for_each(|flag| facts.set(flag, true));
        let record = Record::Trail(TrailRecord::new(&text, &slots));
        let event = Event { time: Seconds(60), record, session: None, facts };
        read(&event, "s3://logs/1")
    }

    /// Returns the claim, and the verb with the failure of its deed.
    #[track_caller]
    fn deed(told: Option<Told>) -> (String, Verb, Option<String>) {
        let Some(Told::Deed(claim, deed)) = told else { panic!("{told:?} is no deed") };
        (claim.to_string(), deed.verb, deed.failure().map(str::to_owned))
    }

    fn assignment() -> serde_json::Value {
        json!({
            "instanceArn": "arn:aws:sso:::instance/ssoins-1", "targetId": "444455556666", "targetType": "AWS_ACCOUNT",
            "permissionSetArn": "arn:aws:sso:::permissionSet/ssoins-1/ps-1", "principalType": "USER", "principalId": "u-1",
        })
    }

    const CLAIM: &str =
        "USER/u-1/assignment/444455556666/arn:aws:sso:::permissionSet/ssoins-1/ps-1";

    #[test]
    fn assignments_are_accepted_refused_or_fail() {
        let asked = json!({"requestParameters": assignment()});
        let of = |name: &str, more: serde_json::Value| deed(told("sso", name, more, &[]));
        let made = |why: Option<&str>| (CLAIM.to_owned(), Verb::Make, why.map(str::to_owned));
        assert_eq!(of("CreateAccountAssignment", asked.clone()), made(None));
        assert_eq!(of("AssociateProfile", asked.clone()), made(None));
        assert_eq!(of("DeleteAccountAssignment", asked.clone()).1, Verb::Remove);
        let mut refused = asked.clone();
        refused["errorCode"] = "ThrottlingException".into();
        assert_eq!(of("CreateAccountAssignment", refused), made(Some("ThrottlingException")));
        for (status, why) in [("IN_PROGRESS", None), ("SUCCEEDED", None), ("FAILED", Some("gone"))]
        {
            let mut answered = asked.clone();
            answered["responseElements"] = json!({
                "accountAssignmentCreationStatus": {"status": status, "failureReason": "gone"},
            });
            assert_eq!(of("CreateAccountAssignment", answered), made(why), "{status}");
        }
    }

    #[test]
    fn what_does_not_say_whom_or_what_is_no_claim() {
        let console = json!({"requestParameters": {"profileId": "p-1", "accessorId": "u-1"}});
        assert_eq!(told("sso", "AssociateProfile", console, &[]), None);
        let refused = json!({"requestParameters": null, "errorCode": "AccessDenied"});
        assert_eq!(told("iam", "AttachUserPolicy", refused, &[]), None);
        assert_eq!(told("sso", "ListAccountAssignments", json!({}), &[]), None);
        assert!(concerns("iam.amazonaws.com", "PutRolePolicy"));
        assert!(!concerns("s3.amazonaws.com", "PutRolePolicy"));
    }

    #[test]
    fn memberships_go_by_their_id() {
        let made = json!({
            "requestParameters": {"identityStoreId": "d-1", "groupId": "g-1", "memberId": {"userId": "u-1"}},
            "responseElements": {"membershipId": "m-1", "identityStoreId": "d-1"},
        });
        let Some(Told::Deed(claim, deed)) =
            told("identitystore", "CreateGroupMembership", made, &[])
        else {
            panic!("a deed")
        };
        assert_eq!(claim.to_string(), "USER/u-1/membership//g-1");
        assert_eq!((&*deed.membership, &*deed.place), ("m-1", "d-1"));
        let gone = json!({"requestParameters": {"identityStoreId": "d-1", "membershipId": "m-1"}});
        let told_gone = told("identitystore", "DeleteGroupMembership", gone, &[]);
        assert!(matches!(told_gone, Some(Told::Membership(deed)) if &*deed.membership == "m-1"));
        let console =
            json!({"requestParameters": {"groupId": "g-1", "member": {"memberId": "u-1"}}});
        let (claim, verb, _) =
            self::deed(told("sso-directory", "RemoveMemberFromGroup", console, &[]));
        assert_eq!((&*claim, verb), ("USER/u-1/membership//g-1", Verb::Remove));
    }

    #[test]
    fn policies_are_claims_unless_a_service_places_them() {
        let policy = "arn:aws:iam::aws:policy/AdministratorAccess";
        for (name, field, expected) in [
            ("AttachUserPolicy", "userName", "IAM_USER"),
            ("AttachRolePolicy", "roleName", "IAM_ROLE"),
            ("DetachGroupPolicy", "groupName", "IAM_GROUP"),
        ] {
            let asked = json!({"requestParameters": {field: "x", "policyArn": policy}});
            let (claim, ..) = deed(told("iam", name, asked.clone(), &[]));
            assert_eq!(claim, format!("{expected}/x/policy/111122223333/{policy}"));
            assert_eq!(told("iam", name, asked, &["gw.provisioner"]), None);
        }
        let inline = json!({"requestParameters": {"roleName": "x", "policyName": "p", "policyDocument": "{}"}});
        let (claim, verb, _) = deed(told("iam", "PutRolePolicy", inline, &[]));
        assert_eq!((&*claim, verb), ("IAM_ROLE/x/inline_policy/111122223333/p", Verb::Make));
        let group = json!({"requestParameters": {"userName": "x", "groupName": "admins"}});
        let (claim, verb, _) = deed(told("iam", "RemoveUserFromGroup", group, &[]));
        assert_eq!(
            (&*claim, verb),
            ("IAM_USER/x/iam_membership/111122223333/admins", Verb::Remove)
        );
    }

    #[test]
    fn it_is_known_who_made_it_and_what_a_set_is_called() {
        let asked = json!({"requestParameters": assignment()});
        for (flag, expected) in [
            ("gw.broker", Maker::Broker),
            ("gw.provisioner", Maker::Automation),
            ("gw.by_service", Maker::Automation),
            ("gw.cross_account", Maker::Other),
        ] {
            let told = told("sso", "CreateAccountAssignment", asked.clone(), &[flag]);
            assert_eq!(told.as_ref().and_then(Told::change), Some("made"));
            let Some(Told::Deed(_, deed)) = told else { panic!("a deed") };
            assert_eq!((deed.maker, &*deed.by), (expected, "person:ana@example.com"), "{flag}");
            assert_eq!((&*deed.event, &*deed.object), ("111122223333/e-1", "s3://logs/1"));
        }
        let created = json!({
            "requestParameters": {"name": "Admin"},
            "responseElements": {"permissionSet": {"name": "Admin", "permissionSetArn": "arn:ps-1"}},
        });
        let named = told("sso", "CreatePermissionSet", created, &[]);
        assert_eq!(named, Some(Told::Named("arn:ps-1".into(), "Admin".into())));
    }
}
