//! Single policies, asked for by whoever does not know what they say.
//!
//! Invariant: nobody but the account that a question names is asked.

use std::collections::BTreeMap;

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::error::SdkError;
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::json;

use crate::model::Answer;
use crate::model::Question;
use crate::source::aws;
use crate::source::aws::Access;
use crate::source::aws::Refusal;
use crate::source::aws::cause;
use crate::source::error::Fault;
use crate::source::error::SourceError;
use crate::source::policies::Policies;
use crate::source::policies::Refused;
use crate::source::policies::account_of;
use crate::source::policies::services::text_at;
use crate::telemetry::chain;

/// What services say of what is not there.
pub(super) const ABSENT: [&str; 13] = [
    // KMS, SNS.
    "NotFoundException",
    "NotFound",
    // Lambda, Secrets Manager, Identity Center.
    "ResourceNotFoundException",
    // ECR.
    "RepositoryNotFoundException",
    "RepositoryPolicyNotFoundException",
    "RegistryPolicyNotFoundException",
    // Organizations.
    "PolicyNotFoundException",
    // IAM, S3, SQS.
    "NoSuchEntity",
    "NoSuchBucket",
    "NoSuchBucketPolicy",
    "NonExistentQueue",
    "QueueDoesNotExist",
    "AWS.SimpleQueueService.NonExistentQueue",
];

/// Readers of all accounts that may be asked.
#[derive(Debug)]
pub struct Readers {
    base: Access,
    roles: BTreeMap<String, String>,
    open: BTreeMap<String, Policies>,
}

impl Readers {
    /// Returns readers that take `roles`, each in its account; without any, the credentials of `base` are all there is.
    pub fn new(base: Access, roles: &[String]) -> Self {
        let of = |role: &String| Some((account_of(role)?.to_owned(), role.clone()));
        Self { base, roles: roles.iter().filter_map(of).collect(), open: BTreeMap::new() }
    }

    /// Asks AWS.
    ///
    /// # Errors
    /// When there was no answer, and there may be one later.
    pub async fn ask(&mut self, question: &Question) -> Result<Answer, SourceError> {
        let account = question.account();
        let refused = |why: String| Ok(Answer::Refused { permission: String::new(), why });
        let role = match (self.roles.get(account), self.roles.is_empty()) {
            (Some(role), _) => Some(role.clone()),
            (None, true) => None,
            (None, false) => return refused(format!("no role is named in account {account}")),
        };
        let key = role.clone().unwrap_or_default();
        if !self.open.contains_key(&key) {
            let access = Access { role_arn: role, ..self.base.clone() };
            let policies = Policies::open(&access).await?.with_account().await?;
            self.open.insert(key.clone(), policies);
        }
        let Some(policies) = self.open.get(&key) else {
            return refused("the reader was lost".to_owned());
        };
        match policies.account.as_deref() {
            Some(ours) if ours == account => policies.ask(question).await,
            ours => {
                refused(format!("the credentials are those of account {}", ours.unwrap_or("?")))
            }
        }
    }
}

impl Policies {
    /// Returns these with the account known: STS tells it to whoever has credentials, without a permission.
    async fn with_account(mut self) -> Result<Self, SourceError> {
        if self.account.is_none() {
            let call = aws_sdk_sts::Client::new(&self.shared).get_caller_identity().send();
            let told = call.await.map_err(|error| self.failed("sts:GetCallerIdentity", error))?;
            self.account = told.account;
        }
        Ok(self)
    }

    async fn ask(&self, question: &Question) -> Result<Answer, SourceError> {
        match question {
            Question::OfUser { user, policy, .. } => {
                let input = json!({ "UserName": user, "PolicyName": policy });
                let told = self.iam("GetUserPolicy", input).await;
                self.answer(question.call(), told, |told| text_at(&told, "/PolicyDocument"))
            }
            Question::OfGroup { group, policy, .. } => {
                let input = json!({ "GroupName": group, "PolicyName": policy });
                let told = self.iam("GetGroupPolicy", input).await;
                self.answer(question.call(), told, |told| text_at(&told, "/PolicyDocument"))
            }
            Question::OfRole { role, policy, .. } => {
                let input = json!({ "RoleName": role, "PolicyName": policy });
                let told = self.iam("GetRolePolicy", input).await;
                self.answer(question.call(), told, |told| text_at(&told, "/PolicyDocument"))
            }
            Question::Trust { role, .. } => {
                let told = self.iam("GetRole", json!({ "RoleName": role })).await;
                let place = "/Role/AssumeRolePolicyDocument";
                self.answer(question.call(), told, |told| text_at(&told, place))
            }
            Question::Managed { arn, version, .. } => {
                self.of_managed(arn, version.as_deref()).await
            }
            Question::Bucket { bucket, .. } => {
                let call = aws::s3(&self.shared).get_bucket_policy().bucket(&**bucket).send();
                self.answer(question.call(), call.await, |it| it.policy)
            }
            Question::Queue { arn, .. } => self.of_queue(arn).await,
            Question::Resource { arn, .. } => self.of_resource(question.call(), arn).await,
            Question::Control { region, id, .. } => self.of_control(region, id).await,
            Question::Set { region, arn, .. } => self.of_set(region, arn).await,
        }
    }

    async fn of_managed(&self, arn: &str, version: Option<&str>) -> Result<Answer, SourceError> {
        let version = match version {
            Some(version) => version.to_owned(),
            None => {
                let told = self.iam("GetPolicy", json!({ "PolicyArn": arn })).await;
                let place = "/Policy/DefaultVersionId";
                match self.answer("iam:GetPolicy", told, |told| text_at(&told, place))? {
                    Answer::Text { text, .. } => text,
                    other => return Ok(other),
                }
            }
        };
        let input = json!({ "PolicyArn": arn, "VersionId": version });
        let told = self.iam("GetPolicyVersion", input).await;
        let place = "/PolicyVersion/Document";
        let answer = self.answer("iam:GetPolicyVersion", told, |told| text_at(&told, place))?;
        Ok(match answer {
            Answer::Text { text, .. } => Answer::Text { version: Some(version.into()), text },
            other => other,
        })
    }

    async fn of_queue(&self, arn: &str) -> Result<Answer, SourceError> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let [_, _, _, region, account, name] = parts[..] else { return Ok(Answer::Absent) };
        let region = aws_sdk_sqs::config::Region::new(region.to_owned());
        let config = aws_sdk_sqs::config::Builder::from(&self.shared).region(region).build();
        let client = aws_sdk_sqs::Client::from_conf(config);
        let call = client.get_queue_url().queue_name(name).queue_owner_aws_account_id(account);
        let url = match self.answer("sqs:GetQueueUrl", call.send().await, |it| it.queue_url)? {
            Answer::Text { text, .. } => text,
            other => return Ok(other),
        };
        let policy = QueueAttributeName::Policy;
        let call = client.get_queue_attributes().queue_url(url).attribute_names(policy.clone());
        self.answer("sqs:GetQueueAttributes", call.send().await, |it| {
            it.attributes?.remove(&policy)
        })
    }

    /// Returns what an answer comes to; `text` is where the policy is in it.
    pub(super) fn answer<T, E>(
        &self,
        call: &'static str,
        answer: Result<T, SdkError<E>>,
        text: impl FnOnce(T) -> Option<String>,
    ) -> Result<Answer, SourceError>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let error = match answer {
            Ok(answer) => {
                let text = text(answer).filter(|text| !text.is_empty());
                return Ok(text.map_or(Answer::Absent, |text| Answer::Text { version: None, text }));
            }
            Err(error) => error,
        };
        if Refused::is_absent(&error) {
            return Ok(Answer::Absent);
        }
        let refusal = Refusal::of(&error);
        match refusal.fault() {
            Fault::Passing => Err(self.failed(call, error)),
            Fault::Lasting => {
                let permission = if refusal.is_denied() { call.to_owned() } else { String::new() };
                Ok(Answer::Refused { permission, why: chain(&*cause(error)).to_string() })
            }
        }
    }
}
