//! The policies of all keys, topics, functions, secrets and repositories in a region, as a snapshot's `Resources` lists them.
//!
//! Sources: the API references of the calls that list them.
//!
//! Invariant: what has no policy is not listed; one that is not told to us is listed as not known, and the refusal is told.

use serde_json::Value;
use serde_json::json;

use crate::model::Answer;
use crate::model::Question;
use crate::source::error::Cause;
use crate::source::policies::Beside;
use crate::source::policies::Policies;
use crate::source::policies::Refused;
use crate::source::policies::services::ECR;
use crate::source::policies::services::KMS;
use crate::source::policies::services::LAMBDA;
use crate::source::policies::services::SECRETS;
use crate::source::policies::services::SNS;
use crate::source::signed::Service;
use crate::telemetry::chain;

/// A call that lists something, page by page.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) service: &'static Service,
    /// The call, as its permission is called.
    pub(super) permission: &'static str,
    /// The call, or its path.
    pub(super) call: &'static str,
    /// The list in the answer.
    pub(super) items: &'static str,
    /// The parameter that asks for the next page, and where an answer tells it.
    pub(super) next: (&'static str, &'static str),
}

/// What is listed, and the member of an item that is its ARN.
const RESOURCES: [(Listing, &str); 5] = [
    (
        Listing {
            service: &KMS,
            permission: "kms:ListKeys",
            call: "ListKeys",
            items: "Keys",
            next: ("Marker", "NextMarker"),
        },
        "KeyArn",
    ),
    (
        Listing {
            service: &SNS,
            permission: "sns:ListTopics",
            call: "ListTopics",
            items: "Topics",
            next: ("NextToken", "NextToken"),
        },
        "TopicArn",
    ),
    (
        Listing {
            service: &LAMBDA,
            permission: "lambda:ListFunctions",
            call: "/2015-03-31/functions",
            items: "Functions",
            next: ("Marker", "NextMarker"),
        },
        "FunctionArn",
    ),
    (
        Listing {
            service: &SECRETS,
            permission: "secretsmanager:ListSecrets",
            call: "ListSecrets",
            items: "SecretList",
            next: ("NextToken", "NextToken"),
        },
        "ARN",
    ),
    (
        Listing {
            service: &ECR,
            permission: "ecr:DescribeRepositories",
            call: "DescribeRepositories",
            items: "repositories",
            next: ("nextToken", "nextToken"),
        },
        "repositoryArn",
    ),
];

impl Policies {
    /// Reads the policies of all keys, topics, functions, secrets and repositories that the account `id` has in `region`.
    pub async fn resources(&self, region: &str, id: &str) -> Beside {
        let mut beside = Beside::default();
        for (listing, arn) in &RESOURCES {
            let (items, refused) = self.listed(listing, region, json!({})).await;
            beside.refused.extend(refused);
            for arn in items.iter().filter_map(|item| item[*arn].as_str()) {
                let Some(question) = Question::of_resource(id, arn) else { continue };
                beside.asked += 1;
                let answer = self.of_resource(question.call(), arn).await;
                let (why, is_denied, source): (String, bool, Cause) = match answer {
                    Ok(Answer::Text { text, .. }) => {
                        let policy = serde_json::from_str(&text).unwrap_or_else(|_| json!(text));
                        let item = json!({"Account": id, "Arn": arn, "Policy": policy});
                        beside.resources.push(item);
                        continue;
                    }
                    // It has none, or was deleted while the others were read.
                    Ok(Answer::Absent) => continue,
                    Ok(Answer::Refused { permission, why }) => {
                        (why.clone(), !permission.is_empty(), why.into())
                    }
                    Err(error) => {
                        let why = chain(&error).to_string();
                        (why, false, error.into())
                    }
                };
                let unknown = json!({"Account": id, "Arn": arn, "Policy": {"Unknown": why}});
                beside.resources.push(unknown);
                let (call, about) = (question.call(), arn.to_owned());
                beside.refused.push(Refused { call, about, is_denied, source });
            }
        }
        beside
    }

    /// Returns all items of a list, and what kept us from reading the rest of it.
    pub(super) async fn listed(
        &self,
        listing: &Listing,
        region: &str,
        mut input: Value,
    ) -> (Vec<Value>, Option<Refused>) {
        let (mut all, mut before) = (Vec::new(), None);
        loop {
            let asked =
                self.signed.call(listing.service, region, listing.call, input.clone()).await;
            let mut page = match asked {
                Ok(page) => page,
                Err(error) => {
                    return (all, Some(Refused::of(listing.permission, region, error)));
                }
            };
            if let Value::Array(items) = page[listing.items].take() {
                all.extend(items);
            }
            let (asks, tells) = listing.next;
            let next = page[tells].as_str().filter(|next| !next.is_empty()).map(str::to_owned);
            let Some(next) = next else { return (all, None) };
            if before.as_ref() == Some(&next) {
                let source = "it answers the same page again and again".into();
                let (call, about) = (listing.permission, region.to_owned());
                return (all, Some(Refused { call, about, is_denied: false, source }));
            }
            input[asks] = json!(next);
            before = Some(next);
        }
    }
}
