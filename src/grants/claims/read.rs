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
