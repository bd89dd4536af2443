//! The organisation's policies with what they are attached to, and its tree, as a snapshot's `Organization` has them.
//!
//! Invariant: only the management account is asked for more than whose the organisation is.

use serde_json::Value;
use serde_json::json;

use crate::model::Seconds;
use crate::source::policies::Policies;
use crate::source::policies::Refused;
use crate::source::policies::listed::Listing;
use crate::source::policies::now;
use crate::source::policies::services::ORGANIZATIONS;

/// The sorts of policies that authorise.
const KINDS: [&str; 2] = ["SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"];

/// The code of the refusal where policies of a sort are not enabled.
const NOT_ENABLED: &str = "PolicyTypeNotEnabledException";

/// The organisation as it was read.
#[derive(Debug)]
pub struct Organization {
    /// The account that it is managed from.
    pub management: String,
    /// When the reading began.
    pub taken: Seconds,
    /// What a snapshot has as `Organization`; nothing where another account than that asked.
    pub told: Option<Value>,
    /// What was not answered.
    pub refused: Vec<Refused>,
}

impl Policies {
    /// Reads the organisation, if the account `id` manages it.
    ///
    /// # Errors
    /// When it is not told whose the organisation is.
    pub async fn organization(&self, id: &str) -> Result<Organization, Refused> {
        let (region, taken) = (self.home(), now());
        let call = "DescribeOrganization";
        let told = self.signed.call(&ORGANIZATIONS, region, call, json!({})).await;
        let told =
            told.map_err(|error| Refused::of("organizations:DescribeOrganization", "", error))?;
        let management = told["Organization"]["MasterAccountId"].as_str().unwrap_or_default();
        let management = management.to_owned();
        let mut refused = Vec::new();
        if management != id {
            return Ok(Organization { management, taken, told: None, refused });
        }
        let parents = self.parents(region, &mut refused).await;
        let policies = self.controls(region, &mut refused).await;
        let told = json!({"MasterAccountId": management, "Parents": parents, "Policies": policies});
        Ok(Organization { management, taken, told: Some(told), refused })
    }

    async fn controls(&self, region: &str, refused: &mut Vec<Refused>) -> Vec<Value> {
        let mut policies = Vec::new();
        for kind in KINDS {
            let list = list("organizations:ListPolicies", "ListPolicies", "Policies");
            let (listed, failed) = self.listed(&list, region, json!({"Filter": kind})).await;
            // An organisation need not have policies of a sort.
            refused.extend(failed.filter(|it| !it.source.to_string().contains(NOT_ENABLED)));
            for summary in listed {
                let id = summary["Id"].as_str().unwrap_or_default().to_owned();
                let asked = json!({"PolicyId": id});
                let call = "organizations:ListTargetsForPolicy";
                let list = self::list(call, "ListTargetsForPolicy", "Targets");
                let (targets, failed) = self.listed(&list, region, asked.clone()).await;
                refused.extend(failed);
                let call = self.signed.call(&ORGANIZATIONS, region, "DescribePolicy", asked);
                let content = match call.await {
                    Ok(mut told) => told["Policy"]["Content"].take(),
                    Err(error) => {
                        let error = Refused::of("organizations:DescribePolicy", &id, error);
                        let unknown = json!({"Unknown": error.source.to_string()});
                        refused.push(error);
                        unknown
                    }
                };
                policies.push(json!({
                    "PolicySummary": summary, "Content": content, "Targets": targets,
                }));
            }
        }
        policies
    }

    /// Returns pairs of child and parent, from the root down.
    async fn parents(&self, region: &str, refused: &mut Vec<Refused>) -> Vec<Value> {
        let roots = list("organizations:ListRoots", "ListRoots", "Roots");
        let (roots, failed) = self.listed(&roots, region, json!({})).await;
        refused.extend(failed);
        let name = |it: &Value| it["Id"].as_str().unwrap_or_default().to_owned();
        let (mut open, mut pairs) = (roots.iter().map(name).collect::<Vec<_>>(), Vec::new());
        while let Some(parent) = open.pop() {
            for kind in ["ORGANIZATIONAL_UNIT", "ACCOUNT"] {
                let list = list("organizations:ListChildren", "ListChildren", "Children");
                let asked = json!({"ParentId": parent, "ChildType": kind});
                let (children, failed) = self.listed(&list, region, asked).await;
                refused.extend(failed);
                let children: Vec<String> = children.iter().map(name).collect();
                pairs.extend(children.iter().map(|it| json!({"Id": it, "ParentId": parent})));
                if kind == "ORGANIZATIONAL_UNIT" {
                    open.extend(children);
                }
            }
        }
        pairs
    }
}

fn list(permission: &'static str, call: &'static str, items: &'static str) -> Listing {
    let next = ("NextToken", "NextToken");
    Listing { service: &ORGANIZATIONS, permission, call, items, next }
}
