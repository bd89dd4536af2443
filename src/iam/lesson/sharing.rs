//! What records teach about grants on KMS keys, and about shares of Resource Access Manager.
//!
//! Sources: KMS Developer Guide, "Logging AWS KMS API calls" (CreateGrant, RevokeGrant, RetireGrant); RAM API Reference, no
//! published sample of a share is known.
//!
//! Invariant: what an AWS service grants itself, or ends, teaches nothing.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::iam::history::edit::Edit;
use crate::iam::history::thing::Key;
use crate::iam::history::thing::Thing;
use crate::iam::lesson::fields::Fields;
use crate::iam::lesson::fields::texts_of;
use crate::iam::sharing::KeyGrant;
use crate::iam::sharing::Share;
use crate::iam::sharing::ShareEdit;
use crate::model::Slot;
use crate::model::json;

/// The calls of KMS that are read here.
pub(super) const OF_KMS: [&str; 3] = ["CreateGrant", "RetireGrant", "RevokeGrant"];
/// The calls of RAM.
pub(super) const OF_RAM: [&str; 5] = [
    "AssociateResourceShare",
    "CreateResourceShare",
    "DeleteResourceShare",
    "DisassociateResourceShare",
    "UpdateResourceShare",
];

/// Returns what a call changes of a key's grants.
pub(super) fn of_kms(fields: &Fields<'_, '_>, event: &str) -> Option<Vec<(Key, Edit)>> {
    let by = fields.record.slot_or_empty(Slot::UserInvokedBy);
    if by.ends_with(".amazonaws.com") || by == "AWS Internal" {
        return None;
    }
    let key = key(fields)?;
    let id = || {
        // Who retires a grant by its token names it nowhere else.
        let beside = fields.at("additionalEventData.grantId");
        fields.asked("grantId").or_else(|| fields.answered("grantId")).or(beside)
    };
    let edit = match event {
        "CreateGrant" => {
            let grant = grant(fields, key.clone())?;
            if grant.is_for_service() {
                return None;
            }
            Edit::Made(Thing::Grant(grant.document()))
        }
        _ => Edit::Deleted,
    };
    let account = key.split(':').nth(4).filter(|it| !it.is_empty())?.into();
    Some(vec![(Key::Grant { account, key, id: id()? }, edit)])
}

fn grant(fields: &Fields<'_, '_>, key: Box<str>) -> Option<KeyGrant> {
    let grantee = fields.asked("granteePrincipal");
    let context = |sort: &str| -> BTreeMap<Box<str>, Box<str>> {
        let mut found = BTreeMap::new();
        fields.record.walk(&format!("requestParameters.constraints.{sort}"), &mut |raw| {
            let members = json::members(raw);
            found.extend(members.filter_map(|(key, value)| {
                let key = json::text(&format!("\"{key}\""))?.into();
                Some((key, json::text(value)?.into()))
            }));
        });
        found
    };
    Some(KeyGrant {
        key,
        grantee: grantee.or_else(|| fields.asked("granteeServicePrincipal"))?,
        retiring: fields
            .asked("retiringPrincipal")
            .or_else(|| fields.asked("retiringServicePrincipal"))
            .unwrap_or_default(),
        operations: fields.list("operations"),
        context_equals: context("encryptionContextEquals"),
        context_subset: context("encryptionContextSubset"),
        source_arn: fields.asked("constraints.sourceArn"),
    })
}

/// Returns the ARN of the key: of newer records the answer has it, of all the list of what was touched.
fn key(fields: &Fields<'_, '_>) -> Option<Box<str>> {
    let arns = ["responseElements.keyId", "resources.ARN", "requestParameters.keyId"];
    let mut named = arns.into_iter().filter_map(|path| fields.at(path));
    let arn = named.find(|it| it.starts_with("arn:") && it.contains(":key/"));
    arn.or_else(|| {
        let id = fields.asked("keyId").filter(|it| !it.contains(':'))?;
        let (partition, region, account) = (fields.partition(), fields.region(), &fields.account);
        Some(format!("arn:{partition}:kms:{region}:{account}:key/{id}").into())
    })
}

/// Returns what a call changes of a share.
pub(super) fn of_ram(fields: &Fields<'_, '_>, event: &str) -> Option<Vec<(Key, Edit)>> {
    let texts = |name: &str| -> BTreeSet<Box<str>> {
        let asked = fields.record.slot_raw(Slot::RequestParameters).unwrap_or_default();
        texts_of(asked, name)
    };
    let admits = || match fields.asked("allowExternalPrincipals").as_deref() {
        Some("true") => Some(true),
        Some("false") => Some(false),
        _ => None,
    };
    let arn = fields
        .asked("resourceShareArn")
        .or_else(|| fields.answered("resourceShare.resourceShareArn"))?;
    let edit = match event {
        "CreateResourceShare" => Edit::Made(Thing::Share(Box::new(Share {
            name: fields.asked("name").unwrap_or_default(),
            // Without the word they are admitted.
            admits_strangers: admits().or(Some(true)),
            principals: texts("principals"),
            resources: texts("resourceArns"),
        }))),
        "AssociateResourceShare" => Edit::Shared(ShareEdit::Added {
            principals: texts("principals"),
            resources: texts("resourceArns"),
        }),
        "DisassociateResourceShare" => Edit::Shared(ShareEdit::Removed {
            principals: texts("principals"),
            resources: texts("resourceArns"),
        }),
        "UpdateResourceShare" => {
            Edit::Shared(ShareEdit::Set { name: fields.asked("name"), admits_strangers: admits() })
        }
        _ => Edit::Deleted,
    };
    let account = arn.split(':').nth(4).filter(|it| !it.is_empty());
    let account = account.map_or_else(|| fields.account.clone(), Into::into);
    Some(vec![(Key::Share { account, arn }, edit)])
}
