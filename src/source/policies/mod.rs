//! Policies as AWS itself tells them: an account's users, groups, roles and managed policies, and what resources say.
//!
//! Everything is given as JSON in the forms in which AWS's command line prints it (`policies/forms.rs`); what it means is
//! another room's business. `policies/resources.rs` reads the policies of buckets and queues, `policies/questions.rs` single policies, those
//! of services without an SDK crate by `policies/services.rs`, all of them in a region by `policies/listed.rs`; the organisation
//! and Identity Center stand in files of their own.
//!
//! Invariant: an account is read whole or not at all; of what is asked for beside it, what is refused is told, with the
//! permission that is missing.

mod center;
mod forms;
mod listed;
mod organization;
mod questions;
mod resources;
mod services;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_s3::config::ProvideCredentials;
use aws_sdk_s3::config::SharedCredentialsProvider;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::error::SdkError;
use serde_json::Value;
use serde_json::json;

use crate::model::Seconds;
use crate::source::aws;
use crate::source::aws::Access;
use crate::source::aws::Refusal;
use crate::source::aws::cause;
use crate::source::error::Cause;
use crate::source::error::Fault;
use crate::source::error::SourceError;
use crate::source::signed::Failure;
use crate::source::signed::Signed;

pub use crate::source::policies::center::Center;
pub use crate::source::policies::organization::Organization;
pub use crate::source::policies::questions::Readers;

/// The most that a page of an account holds (IAM API Reference, "GetAccountAuthorizationDetails").
const PAGE: u32 = 1_000;

/// The call that tells of a whole account.
const DETAILS: &str = "iam:GetAccountAuthorizationDetails";

/// Who reads policies in one account.
#[derive(Debug)]
pub struct Policies {
    whose: String,
    shared: SdkConfig,
    signed: Signed,
    account: Option<String>,
}

/// An account as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// Its id.
    pub id: String,
    /// When the reading began: what happened before is in it, but for what IAM's copies lag behind.
    pub taken: Seconds,
    /// The items of `UserDetailList`.
    pub users: Vec<Value>,
    /// The items of `GroupDetailList`.
    pub groups: Vec<Value>,
    /// The items of `RoleDetailList`.
    pub roles: Vec<Value>,
    /// The items of `Policies`.
    pub policies: Vec<Value>,
    /// On how many pages they came.
    pub pages: u32,
}

/// A call that was not answered.
#[derive(Debug)]
pub struct Refused {
    /// Which, as a permission is called: `s3:GetBucketPolicy`.
    pub call: &'static str,
    /// About what; empty where it is about all.
    pub about: String,
    /// Whether it is a permission that is missing.
    pub is_denied: bool,
    /// What AWS said.
    pub source: Cause,
}

impl Refused {
    fn of<E>(call: &'static str, about: &str, error: SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let is_denied = Refusal::of(&error).is_denied();
        Self { call, about: about.to_owned(), is_denied, source: cause(error) }
    }

    /// Returns whether a service says that what was asked for is not there.
    fn is_absent<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
        error.code().is_some_and(|code| questions::ABSENT.contains(&code))
    }
}

/// What was read beside an account, and what was not.
#[derive(Debug, Default)]
pub struct Beside {
    /// Items in the form of a snapshot's `Resources`.
    pub resources: Vec<Value>,
    /// How many things were asked for their policy.
    pub asked: usize,
    /// What was not answered.
    pub refused: Vec<Refused>,
}

impl Policies {
    /// Gets hold of credentials, of the role that `access` names where it names one.
    ///
    /// # Errors
    /// When there are none, or the role is not given to us.
    pub async fn open(access: &Access) -> Result<Self, SourceError> {
        let whose = access.role_arn.clone().unwrap_or_else(|| "the credentials' account".into());
        let mut access = access.clone();
        let shared = match aws::load(&whose, &access, Duration::ZERO).await {
            // IAM is the same wherever it is asked from.
            Err(SourceError::NoRegion { .. }) => {
                access.region = Some(home_of(access.role_arn.as_deref()).to_owned());
                aws::load(&whose, &access, Duration::ZERO).await?
            }
            loaded => loaded?,
        };
        let nobody = |source: Cause| SourceError::NoCredentials { whose: whose.clone(), source };
        let none = || nobody("none are configured".into());
        let provider: SharedCredentialsProvider = shared.credentials_provider().ok_or_else(none)?;
        let credentials =
            provider.provide_credentials().await.map_err(|error| nobody(error.into()))?;
        let of_role = access.role_arn.as_deref().and_then(account_of);
        let account = of_role.or(credentials.account_id().map(|id| id.as_str()));
        let account = account.map(str::to_owned);
        Ok(Self { signed: Signed::new(&shared), whose, shared, account })
    }

    /// Reads the account, page by page.
    ///
    /// # Errors
    /// When a page is refused, or nothing tells whose the account is.
    pub async fn account(&self) -> Result<Account, SourceError> {
        let mut account = Account {
            id: String::new(),
            taken: now(),
            users: Vec::new(),
            groups: Vec::new(),
            roles: Vec::new(),
            policies: Vec::new(),
            pages: 0,
        };
        let mut marker: Option<String> = None;
        loop {
            let mut input = json!({ "MaxItems": PAGE });
            if let Some(marker) = &marker {
                input["Marker"] = json!(marker);
            }
            let answer = self.iam("GetAccountAuthorizationDetails", input).await;
            let mut page = answer.map_err(|error| self.failed(DETAILS, error))?;
            account.users.extend(forms::all(&page["UserDetailList"], forms::USER));
            account.groups.extend(forms::all(&page["GroupDetailList"], forms::GROUP));
            account.roles.extend(forms::all(&page["RoleDetailList"], forms::ROLE));
            account.policies.extend(forms::all(&page["Policies"], forms::POLICY));
            account.pages = account.pages.saturating_add(1);
            let next = match page["Marker"].take() {
                Value::String(next) if page["IsTruncated"] == "true" && !next.is_empty() => {
                    Some(next)
                }
                _ => break,
            };
            if next == marker {
                let source: Cause = "it answers the same page again and again".into();
                let call = DETAILS;
                let (whose, hint) = (self.whose.clone(), String::new());
                return Err(SourceError::Unanswered {
                    whose,
                    call,
                    hint,
                    fault: Fault::Lasting,
                    source,
                });
            }
            marker = next;
        }
        let told = self.account.clone().or_else(|| account.told_by_arns());
        account.id = told.ok_or_else(|| SourceError::NoAccount { whose: self.whose.clone() })?;
        Ok(account)
    }

    /// Adds to each user of `account` the access keys, and whether there is a password for the console and a second factor.
    ///
    /// A call that is denied once is not made for the other users.
    pub async fn with_credentials_of_users(&self, account: &mut Account) -> Beside {
        let mut beside = Beside::default();
        let mut denied: BTreeSet<&'static str> = BTreeSet::new();
        for user in &mut account.users {
            let Some(name) = user["UserName"].as_str().map(str::to_owned) else { continue };
            beside.asked += 1;
            for call in ["iam:ListAccessKeys", "iam:GetLoginProfile", "iam:ListMFADevices"] {
                if denied.contains(call) {
                    continue;
                }
                match self.of_user(call, &name).await {
                    Ok((member, value)) => user[member] = value,
                    Err(refused) => {
                        if refused.is_denied {
                            denied.insert(call);
                        }
                        beside.refused.push(refused);
                    }
                }
            }
        }
        beside
    }

    async fn of_user(
        &self,
        call: &'static str,
        name: &str,
    ) -> Result<(&'static str, Value), Refused> {
        let input = json!({ "UserName": name });
        match call {
            "iam:ListAccessKeys" => {
                let answer = self.iam("ListAccessKeys", input).await;
                let keys = answer.map_err(|error| Refused::of(call, name, error))?;
                Ok(("AccessKeys", forms::all(&keys["AccessKeyMetadata"], forms::KEY).collect()))
            }
            "iam:GetLoginProfile" => match self.iam("GetLoginProfile", input).await {
                Ok(_) => Ok(("HasPassword", json!(true))),
                Err(error) if error.code() == Some("NoSuchEntity") => {
                    Ok(("HasPassword", json!(false)))
                }
                Err(error) => Err(Refused::of(call, name, error)),
            },
            _ => {
                let answer = self.iam("ListMFADevices", input).await;
                let devices = answer.map_err(|error| Refused::of(call, name, error))?;
                Ok(("HasMfa", json!(devices["MFADevices"].is_array())))
            }
        }
    }

    /// Returns the region of what is the same wherever it is asked from, in the partition of the role or the configuration.
    fn home(&self) -> &'static str {
        match self.partition() {
            "aws-cn" => "cn-northwest-1",
            "aws-us-gov" => "us-gov-west-1",
            _ => "us-east-1",
        }
    }

    /// Calls IAM, which is the same wherever it is asked from.
    async fn iam(&self, name: &str, input: Value) -> Result<Value, Failure> {
        let region = self.shared.region().map_or("", |region| region.as_ref());
        self.signed.call(&services::IAM, home_of_iam(region), name, input).await
    }

    fn failed<E>(&self, call: &'static str, error: SdkError<E>) -> SourceError
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let refusal = Refusal::of(&error);
        let hint = match refusal.is_denied() {
            true => format!("; the permission {call} is missing"),
            false => String::new(),
        };
        let fault = refusal.fault();
        SourceError::Unanswered {
            whose: self.whose.clone(),
            call,
            hint,
            fault,
            source: cause(error),
        }
    }
}

impl Account {
    /// Returns the id in the first ARN that has one: AWS's own policies have none.
    fn told_by_arns(&self) -> Option<String> {
        let all = self.users.iter().chain(&self.groups).chain(&self.roles).chain(&self.policies);
        let mut ids = all.filter_map(|item| account_of(item["Arn"].as_str()?));
        ids.next().map(str::to_owned)
    }
}

/// Returns the account that an ARN names.
fn account_of(arn: &str) -> Option<&str> {
    let is_id = |id: &&str| id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit());
    arn.split(':').nth(4).filter(is_id)
}

/// Returns the region in which IAM lives, of the partition that the ARN of a role is of (AWS General Reference, "IAM
/// endpoints").
fn home_of(role_arn: Option<&str>) -> &'static str {
    match role_arn.and_then(|arn| arn.split(':').nth(1)) {
        Some("aws-cn") => "cn-north-1",
        Some("aws-us-gov") => "us-gov-west-1",
        _ => "us-east-1",
    }
}

/// Returns the region that a request to IAM is signed for, of the partition that `region` is of.
fn home_of_iam(region: &str) -> &'static str {
    const HOMES: [(&str, &str); 5] = [
        ("cn-", "cn-north-1"),
        ("us-gov-", "us-gov-west-1"),
        ("us-iso-", "us-iso-east-1"),
        ("us-isob-", "us-isob-east-1"),
        ("eusc-", "eusc-de-east-1"),
    ];
    let home = HOMES.iter().find(|(begin, _)| region.starts_with(begin));
    home.map_or("us-east-1", |(_, home)| home)
}

#[expect(
    clippy::disallowed_methods,
    reason = "what is read is read now, and now is known at the edge"
)]
fn now() -> Seconds {
    Seconds(jiff::Timestamp::now().as_second())
}
