//! Permission sets with what they give, who has them where, and who is in which group, as a snapshot's `IdentityCenter` has them.
//!
//! Invariant: what is refused of a permission set is told, and what it then does not say is not known or left out.

use serde_json::Value;
use serde_json::json;

use crate::model::Seconds;
use crate::source::policies::Policies;
use crate::source::policies::Refused;
use crate::source::policies::listed::Listing;
use crate::source::policies::now;
use crate::source::policies::services::CENTER;
use crate::source::policies::services::IDENTITIES;
use crate::source::signed::Service;

/// What a call adds to a permission set: the call, its permission, and the member of the answer that is taken over.
const ABOUT: [(&str, &str, &str); 4] = [
    ("DescribePermissionSet", "sso:DescribePermissionSet", "PermissionSet"),
    ("GetInlinePolicyForPermissionSet", "sso:GetInlinePolicyForPermissionSet", "InlinePolicy"),
    (
        "ListManagedPoliciesInPermissionSet",
        "sso:ListManagedPoliciesInPermissionSet",
        "AttachedManagedPolicies",
    ),
    (
        "ListCustomerManagedPolicyReferencesInPermissionSet",
        "sso:ListCustomerManagedPolicyReferencesInPermissionSet",
        "CustomerManagedPolicyReferences",
    ),
];

/// Identity Center as it was read.
#[derive(Debug)]
pub struct Center {
    /// When the reading began.
    pub taken: Seconds,
    /// The items of `PermissionSets`.
    pub sets: Vec<Value>,
    /// The items of `AccountAssignments`.
    pub assignments: Vec<Value>,
    /// The items of `GroupMemberships`.
    pub memberships: Vec<Value>,
    /// How many instances the account sees.
    pub instances: usize,
    /// What was not answered.
    pub refused: Vec<Refused>,
}

impl Policies {
    /// Reads the instances of Identity Center that the account sees in `region`.
    pub async fn center(&self, region: &str) -> Center {
        let mut center = Center {
            taken: now(),
            sets: Vec::new(),
            assignments: Vec::new(),
            memberships: Vec::new(),
            instances: 0,
            refused: Vec::new(),
        };
        let instances = of_center("sso:ListInstances", "ListInstances", "Instances");
        let (instances, refused) = self.listed(&instances, region, json!({})).await;
        center.refused.extend(refused);
        center.instances = instances.len();
        for instance in instances {
            let arn = instance["InstanceArn"].clone();
            let list = of_center("sso:ListPermissionSets", "ListPermissionSets", "PermissionSets");
            let (sets, refused) = self.listed(&list, region, json!({"InstanceArn": arn})).await;
            center.refused.extend(refused);
            for set in sets {
                let asked = json!({"InstanceArn": arn, "PermissionSetArn": set});
                self.of_set_whole(region, &asked, &mut center).await;
            }
            self.members(region, &instance["IdentityStoreId"], &mut center).await;
        }
        center
    }

    async fn of_set_whole(&self, region: &str, asked: &Value, center: &mut Center) {
        let arn = asked["PermissionSetArn"].as_str().unwrap_or_default();
        let mut set = json!({"PermissionSetArn": arn});
        for (call, permission, member) in ABOUT {
            let is_list = call.starts_with("List");
            let told = match is_list {
                true => {
                    let (items, refused) = self
                        .listed(&of_center(permission, call, member), region, asked.clone())
                        .await;
                    center.refused.extend(refused);
                    Ok(json!(items))
                }
                false => {
                    let answer = self.signed.call(&CENTER, region, call, asked.clone()).await;
                    answer.map(|mut it| it[member].take())
                }
            };
            match (told, member) {
                (Ok(Value::Object(all)), "PermissionSet") => {
                    for name in ["Name", "SessionDuration", "RelayState", "Description"] {
                        if let Some(value) = all.get(name).filter(|it| !it.is_null()) {
                            set[name] = value.clone();
                        }
                    }
                }
                (Ok(value), _) => set[member] = value,
                (Err(error), _) => {
                    let refused = Refused::of(permission, arn, error);
                    if member == "InlinePolicy" {
                        set[member] = json!({"Unknown": refused.source.to_string()});
                    }
                    center.refused.push(refused);
                }
            }
        }
        self.bounded(region, asked, &mut set, center).await;
        let permission = "sso:ListAccountsForProvisionedPermissionSet";
        let call = "ListAccountsForProvisionedPermissionSet";
        let list = of_center(permission, call, "AccountIds");
        let (accounts, refused) = self.listed(&list, region, asked.clone()).await;
        center.refused.extend(refused);
        set["Provisioned"] = accounts.iter().map(|id| json!({"AccountId": id})).collect();
        for account in accounts {
            let permission = "sso:ListAccountAssignments";
            let list = of_center(permission, "ListAccountAssignments", "AccountAssignments");
            let mut asked = asked.clone();
            asked["AccountId"] = account;
            let (assigned, refused) = self.listed(&list, region, asked).await;
            center.refused.extend(refused);
            center.assignments.extend(assigned);
        }
        center.sets.push(set);
    }

    async fn bounded(&self, region: &str, asked: &Value, set: &mut Value, center: &mut Center) {
        let call = "GetPermissionsBoundaryForPermissionSet";
        let answer = self.signed.call(&CENTER, region, call, asked.clone()).await;
        match answer {
            Ok(mut told) => set["PermissionsBoundary"] = told["PermissionsBoundary"].take(),
            // Most have none.
            Err(error) if Refused::is_absent(&error) => {}
            Err(error) => {
                let arn = asked["PermissionSetArn"].as_str().unwrap_or_default();
                let permission = "sso:GetPermissionsBoundaryForPermissionSet";
                center.refused.push(Refused::of(permission, arn, error));
            }
        }
    }

    async fn members(&self, region: &str, store: &Value, center: &mut Center) {
        let list = |permission, call, items| of(&IDENTITIES, permission, call, items);
        let asked = json!({"IdentityStoreId": store});
        let groups = list("identitystore:ListGroups", "ListGroups", "Groups");
        let (groups, refused) = self.listed(&groups, region, asked.clone()).await;
        center.refused.extend(refused);
        for group in groups {
            let mut asked = asked.clone();
            asked["GroupId"] = group["GroupId"].clone();
            let call = "ListGroupMemberships";
            let members = list("identitystore:ListGroupMemberships", call, "GroupMemberships");
            let (members, refused) = self.listed(&members, region, asked).await;
            center.refused.extend(refused);
            center.memberships.extend(members);
        }
    }
}

fn of_center(permission: &'static str, call: &'static str, items: &'static str) -> Listing {
    of(&CENTER, permission, call, items)
}

fn of(
    service: &'static Service,
    permission: &'static str,
    call: &'static str,
    items: &'static str,
) -> Listing {
    Listing { service, permission, call, items, next: ("NextToken", "NextToken") }
}
