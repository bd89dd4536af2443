//! What a record teaches about access: which records do, and what they say.
//!
//! Fields: published records of IAM and Identity Center, and their API references; shapes that no published sample shows are
//! marked.
//!
//! Invariant: a refused or failed call teaches nothing. Every text is bounded.

use crate::grants::trail::iam_group;
use crate::grants::trail::iam_user;
use crate::model::Seconds;
use crate::model::Slot;
use crate::model::Span;
use crate::model::TrailRecord;
use crate::model::bounded;
use crate::model::expiration;
use crate::model::json;

/// The longest name that is kept. IAM's are at most 128, a tag's value 256.
const MAX_NAME_BYTES: usize = 300;
const MAX_DOCUMENT_BYTES: usize = 64 * 1_024;
/// How many grants a session may name; the second is one too many.
const MAX_NAMED: usize = 4;

/// Who holds a policy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub(super) enum Holder {
    Role(Box<str>),
    User(Box<str>),
    Group(Box<str>),
    /// A permission set, by its ARN.
    Set(Box<str>),
}

impl Holder {
    /// Returns its name in the ids of grants.
    pub fn label(&self) -> String {
        match self {
            Self::Role(name) => format!("role/{name}"),
            Self::User(name) => format!("user/{name}"),
            Self::Group(name) => format!("group/{name}"),
            Self::Set(arn) => {
                format!("permission-set/{}", arn.rsplit('/').next().unwrap_or_default())
            }
        }
    }
}

/// What happened to a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Policy {
    Put {
        holder: Holder,
        name: Box<str>,
        document: Box<str>,
    },
    Removed {
        holder: Holder,
        name: Box<str>,
    },
    /// Who may take a role.
    Trust {
        role: Box<str>,
        document: Box<str>,
    },
    Made {
        arn: Box<str>,
        version: Box<str>,
        document: Box<str>,
        is_default: bool,
    },
    Default {
        arn: Box<str>,
        version: Box<str>,
    },
    Gone {
        arn: Box<str>,
    },
    Attached {
        arn: Box<str>,
        holder: Holder,
    },
    Detached {
        arn: Box<str>,
        holder: Holder,
    },
}

/// A session that names grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Naming {
    /// Its access key id.
    pub key: Box<str>,
    /// What its caller said itself.
    pub said: Vec<Box<str>>,
    /// What came along from the caller's own session.
    pub inherited: Vec<Box<str>>,
    pub ends: Option<Seconds>,
}

/// A change of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Member {
    /// Somebody joined; the membership's own id may be empty.
    Joined {
        group: Box<str>,
        member: Box<str>,
        membership: Box<str>,
    },
    Left {
        group: Box<str>,
        member: Box<str>,
    },
    /// A membership ended, of which only the id is told.
    Ended {
        membership: Box<str>,
    },
    /// An identity provider changed a group, in a way that no published sample shows: who is in the groups that this
    /// text names is not known any more.
    Changed {
        said: Box<str>,
    },
}

/// A step of a delegation request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Delegation {
    Asked { id: Box<str>, vendor: Box<str>, seconds: i64 },
    Accepted { id: Box<str> },
    Refused { id: Box<str> },
}

/// How sessions name grants.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    /// The keys of session tags, in lower case.
    pub tag_keys: Vec<Box<str>>,
    /// What stands before and behind the id in a source identity.
    pub source_identity: Option<(Box<str>, Box<str>)>,
}

impl Names {
    /// Makes them of the configuration; `pattern` has `{id}` in it or is empty.
    pub fn new(tag_keys: &[String], pattern: &str) -> Self {
        Self {
            tag_keys: tag_keys.iter().map(|key| key.to_ascii_lowercase().into()).collect(),
            source_identity: pattern
                .split_once("{id}")
                .map(|(before, behind)| (before.into(), behind.into())),
        }
    }

    fn is_key(&self, key: &str) -> bool {
        self.tag_keys.iter().any(|known| key.eq_ignore_ascii_case(known))
    }

    fn of_source_identity(&self, text: &str) -> Option<Box<str>> {
        let (before, behind) = self.source_identity.as_ref()?;
        let id = text.strip_prefix(&**before)?.strip_suffix(&**behind)?;
        (!id.is_empty()).then(|| bounded(id, MAX_NAME_BYTES).into())
    }
}

/// A record's fields, as lessons read them.
struct Fields<'r, 'a>(&'r TrailRecord<'a>);

impl Fields<'_, '_> {
    fn name(&self, path: &str) -> Option<Box<str>> {
        let text = self.0.text(path).filter(|text| !text.is_empty())?;
        (text.len() <= MAX_NAME_BYTES).then(|| text.into())
    }

    /// A parameter of the request.
    fn asked(&self, name: &str) -> Option<Box<str>> {
        self.name(&format!("requestParameters.{name}"))
    }

    /// A policy's text. One that is left out for its size, or hidden, is a policy nobody has read.
    fn document(&self, name: &str) -> Box<str> {
        let text = self.0.text(&format!("requestParameters.{name}")).unwrap_or_default();
        if text.len() > MAX_DOCUMENT_BYTES { "".into() } else { text.into() }
    }

    fn holder(&self) -> Option<Holder> {
        let role = || self.asked("roleName").map(Holder::Role);
        let user = || self.asked("userName").map(Holder::User);
        let group = || self.asked("groupName").map(Holder::Group);
        role().or_else(user).or_else(group)
    }
}

/// Returns what happened to a policy.
pub(super) fn policy(record: &TrailRecord<'_>) -> Option<Policy> {
    let fields = Fields(record);
    let event = record.slot_or_empty(Slot::EventName);
    let arn = || fields.asked("policyArn");
    Some(match &*event {
        "PutRolePolicy" | "PutUserPolicy" | "PutGroupPolicy" => Policy::Put {
            holder: fields.holder()?,
            name: fields.asked("policyName")?,
            document: fields.document("policyDocument"),
        },
        "DeleteRolePolicy" | "DeleteUserPolicy" | "DeleteGroupPolicy" => {
            Policy::Removed { holder: fields.holder()?, name: fields.asked("policyName")? }
        }
        // Of a model, without a published sample.
        "PutInlinePolicyToPermissionSet" => Policy::Put {
            holder: Holder::Set(fields.asked("permissionSetArn")?),
            name: "inline".into(),
            document: fields.document("inlinePolicy"),
        },
        "DeleteInlinePolicyFromPermissionSet" => Policy::Removed {
            holder: Holder::Set(fields.asked("permissionSetArn")?),
            name: "inline".into(),
        },
        "UpdateAssumeRolePolicy" => Policy::Trust {
            role: fields.asked("roleName")?,
            document: fields.document("policyDocument"),
        },
        "CreateRole" => Policy::Trust {
            role: fields.asked("roleName")?,
            document: fields.document("assumeRolePolicyDocument"),
        },
        "DeleteRole" => Policy::Trust { role: fields.asked("roleName")?, document: "".into() },
        "CreatePolicy" => Policy::Made {
            arn: fields.name("responseElements.policy.arn")?,
            version: fields
                .name("responseElements.policy.defaultVersionId")
                .unwrap_or_else(|| "v1".into()),
            document: fields.document("policyDocument"),
            is_default: true,
        },
        "CreatePolicyVersion" => Policy::Made {
            arn: arn()?,
            version: fields.name("responseElements.policyVersion.versionId")?,
            document: fields.document("policyDocument"),
            is_default: fields.asked("setAsDefault").as_deref() == Some("true"),
        },
        "SetDefaultPolicyVersion" => {
            Policy::Default { arn: arn()?, version: fields.asked("versionId")? }
        }
        "DeletePolicy" => Policy::Gone { arn: arn()? },
        "AttachRolePolicy" | "AttachUserPolicy" | "AttachGroupPolicy" => {
            Policy::Attached { arn: arn()?, holder: fields.holder()? }
        }
        "DetachRolePolicy" | "DetachUserPolicy" | "DetachGroupPolicy" => {
            Policy::Detached { arn: arn()?, holder: fields.holder()? }
        }
        _ => return None,
    })
}

/// Returns the session that `record` issued, if it names a grant.
pub(super) fn naming(record: &TrailRecord<'_>, names: &Names) -> Option<Naming> {
    let asked = record.slot_raw(Slot::RequestParameters)?;
    let mut said: Vec<Box<str>> = Vec::new();
    let mut inherited: Vec<Box<str>> = Vec::new();
    let put = |list: &mut Vec<Box<str>>, id: Box<str>| {
        if list.len() < MAX_NAMED && !id.is_empty() && !list.contains(&id) {
            list.push(id);
        }
    };
    let text = |raw: &str| -> Box<str> {
        bounded(&json::text(raw).unwrap_or_default(), MAX_NAME_BYTES).into()
    };
    if !names.tag_keys.is_empty() {
        for tag in json::member(asked, "tags").into_iter().flat_map(json::elements) {
            let key = json::member(tag, "key").and_then(json::text).unwrap_or_default();
            if names.is_key(&key) {
                put(&mut said, json::member(tag, "value").map(text).unwrap_or_default());
            }
        }
        for (list, member) in
            [(&mut inherited, "incomingTransitiveTags"), (&mut said, "principalTags")]
        {
            for (key, value) in json::member(asked, member).into_iter().flat_map(json::members) {
                if names.is_key(key) {
                    put(list, text(value));
                }
            }
        }
    }
    let source_identity = json::member(asked, "sourceIdentity").and_then(json::text);
    // It cannot be changed once it is set: whose it is, the caller's session tells.
    let carried = record.slot_or_empty(Slot::SessionSourceIdentity);
    if let Some(id) = names.of_source_identity(&carried) {
        put(&mut inherited, id);
    } else if let Some(id) = source_identity.and_then(|text| names.of_source_identity(&text)) {
        put(&mut said, id);
    }
    if said.is_empty() && inherited.is_empty() {
        return None;
    }
    let fields = Fields(record);
    let key = fields.name("responseElements.credentials.accessKeyId")?;
    let asked_for = || {
        let seconds = fields.asked("durationSeconds")?.parse::<u32>().ok()?;
        let issued = Seconds::parse(&record.slot_or_empty(Slot::EventTime))?;
        Some(issued.plus(Span(seconds.into())))
    };
    let written = fields.name("responseElements.credentials.expiration");
    let ends = written.and_then(|text| expiration(&text)).or_else(asked_for);
    Some(Naming { key, said, inherited, ends })
}

/// Returns how a group changed.
pub(super) fn member(record: &TrailRecord<'_>) -> Option<Member> {
    let fields = Fields(record);
    let event = record.slot_or_empty(Slot::EventName);
    if matches!(&*event, "AddUserToGroup" | "RemoveUserFromGroup") {
        let account = record.slot_or_empty(Slot::RecipientAccountId);
        let group = iam_group(&account, &fields.asked("groupName")?);
        let member = iam_user(&account, &fields.asked("userName")?);
        return Some(match &*event {
            "AddUserToGroup" => Member::Joined { group, member, membership: "".into() },
            _ => Member::Left { group, member },
        });
    }
    if record.slot_raw(Slot::EventSource) == Some("\"identitystore-scim.amazonaws.com\"") {
        let said = record.slot_raw(Slot::RequestParameters)?;
        return Some(Member::Changed { said: bounded(said, MAX_DOCUMENT_BYTES).into() });
    }
    let membership = || {
        let answered = fields.name("responseElements.membershipId");
        answered.or_else(|| fields.asked("membershipId"))
    };
    // The console's shape, then the API's; both are seen.
    let who = || {
        let of_api = fields.asked("memberId.userId");
        of_api.or_else(|| fields.asked("member.memberId"))
    };
    match &*event {
        "CreateGroupMembership" | "AddMemberToGroup" => Some(Member::Joined {
            group: fields.asked("groupId")?,
            member: who()?,
            membership: membership().unwrap_or_default(),
        }),
        "DeleteGroupMembership" => Some(Member::Ended { membership: membership()? }),
        "RemoveMemberFromGroup" => {
            Some(Member::Left { group: fields.asked("groupId")?, member: who()? })
        }
        _ => None,
    }
}

/// Returns a step of a delegation request. Shapes of the API's model, without a published sample.
pub(super) fn delegation(record: &TrailRecord<'_>) -> Option<Delegation> {
    let fields = Fields(record);
    let asked = || fields.asked("delegationRequestId");
    Some(match &*record.slot_or_empty(Slot::EventName) {
        "CreateDelegationRequest" => Delegation::Asked {
            id: fields.name("responseElements.delegationRequestId")?,
            // Whoever asks is the vendor.
            vendor: fields.name("userIdentity.accountId")?,
            seconds: fields.asked("sessionDuration")?.parse().ok()?,
        },
        // Access is given when the token is sent; before that the acceptance may be taken back.
        "AcceptDelegationRequest" | "SendDelegationToken" => Delegation::Accepted { id: asked()? },
        "RejectDelegationRequest" => Delegation::Refused { id: asked()? },
        _ => return None,
    })
}

/// Returns the ARN and the name of a permission set that was made.
pub(super) fn set(record: &TrailRecord<'_>) -> Option<(Box<str>, Box<str>)> {
    let fields = Fields(record);
    let arn = fields.name("responseElements.permissionSet.permissionSetArn")?;
    Some((arn, fields.asked("name")?))
}
