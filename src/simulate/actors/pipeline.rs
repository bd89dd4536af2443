//! Pipelines that plan and deploy the code of the infrastructure, in each account with workloads.
//!
//! A run on a runner of the code's host takes a role by a token (OIDC), compares the code with what is there, and, if it
//! deploys, changes it: by itself or through a stack of CloudFormation.
//!
//! Invariant: what a pipeline changes in IAM it changes by `Scene::change`, and it touches only what pipelines own: the
//! services' roles and policies, and what it made itself. Read on in `pipeline/apply.rs`.

mod apply;
mod deeds;

use std::sync::Arc;

use serde_json::Value;
use serde_json::json;

use crate::model::Seconds;
use crate::simulate::actors::Actor;
use crate::simulate::actors::pipeline::apply::Owned;
use crate::simulate::call::AccountIx;
use crate::simulate::call::Place;
use crate::simulate::call::Written;
use crate::simulate::caller::Caller;
use crate::simulate::caller::Session;
use crate::simulate::catalogue::pipeline as catalogue;
use crate::simulate::diary::Diary;
use crate::simulate::diary::Scene;
use crate::simulate::iam::census;
use crate::simulate::iam::documents::OIDC;
use crate::simulate::organisation::HOME;
use crate::simulate::organisation::Organisation;

/// The role session name that the code host's action gives, unless it is told otherwise.
const SESSION: &str = "GitHubActions";

/// The action that takes the role.
const ACTION: &str = "aws-sdk-js/3.799.0 ua/2.1 os/linux#6.11.0 lang/js md/nodejs#20.19.1 configure-aws-credentials-for-github-actions";

/// What plans and applies.
const TERRAFORM: &str = "APN/1.0 HashiCorp/1.0 Terraform/1.11.4 terraform-provider-aws/5.97.0 aws-sdk-go-v2/1.36.3 os/linux lang/go#1.23.8";

/// What hands templates to CloudFormation.
const DEPLOYER: &str =
    "aws-cli/2.27.0 md/awscrt#0.26 ua/2.1 os/linux#6.11 lang/python#3.13 cloudformation.deploy";

/// Plans of changes that wait for review, on a working day.
const PLANS: f64 = 4.0;

/// Deployments on a working day.
const DEPLOYMENTS: f64 = 3.0;

/// Returns the pipelines of every account with workloads.
pub fn all(org: &Organisation) -> impl Iterator<Item = Box<dyn Actor>> {
    let accounts = org.workload_accounts().into_iter();
    accounts.map(|account| Box::new(Pipeline::new(account)) as Box<dyn Actor>)
}

/// The pipelines of one account.
#[derive(Debug)]
pub struct Pipeline {
    account: AccountIx,
    owned: Owned,
}

/// What somebody runs a pipeline for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Run {
    /// To see what would change.
    Plan,
    /// To change it, one resource after the other.
    Apply,
    /// To have CloudFormation change it.
    Stack,
}

impl Actor for Pipeline {
    fn live(&mut self, org: &Organisation, diary: &mut Diary, day: i64) {
        let scene = &mut Scene::of(org, diary, &format!("pipeline/{}/{day}", self.account.0));
        let midnight = org.midnight(day).0;
        // Every night a plan tells whether somebody changed something by hand.
        let night = midnight + 4 * 3_600 + scene.chance.between(60, 900);
        self.run(scene, Run::Plan, Seconds(night));
        if !is_workday(org, day) {
            return;
        }
        for _ in 0..scene.chance.times(PLANS) {
            let at = midnight + scene.chance.between(7 * 3_600, 18 * 3_600);
            self.run(scene, Run::Plan, Seconds(at));
        }
        // Deployments wait for each other.
        let many = scene.chance.times(DEPLOYMENTS).min(9) as i64;
        for nth in 0..many {
            let (share, morning) = (9 * 3_600 / many, midnight + 8 * 3_600);
            let at = morning + nth * share + scene.chance.between(0, share - 1_500);
            let run = if scene.chance.holds(0.35) { Run::Stack } else { Run::Apply };
            self.run(scene, run, Seconds(at));
        }
    }
}

fn is_workday(org: &Organisation, day: i64) -> bool {
    // 1970-01-01 was a Thursday; 0 is Sunday.
    let weekday = (org.start.0.div_euclid(86_400) + day + 4).rem_euclid(7);
    (1..=5).contains(&weekday)
}

impl Pipeline {
    /// Returns the pipelines of `account` before their first run.
    pub fn new(account: AccountIx) -> Self {
        Self { account, owned: Owned::new(account) }
    }

    fn run(&mut self, scene: &mut Scene<'_>, run: Run, at: Seconds) {
        let org = scene.org;
        let runner =
            format!("198.19.{}.{}", 64 + scene.chance.below(16), 1 + scene.chance.below(254));
        let repository = census::REPOSITORY;
        let (role, subject) = match run {
            Run::Plan => (census::PLAN_ROLE, format!("repo:{repository}:pull_request")),
            Run::Apply | Run::Stack => {
                let environment = census::environment(org, self.account);
                (census::DEPLOY_ROLE, format!("repo:{repository}:environment:{environment}"))
            }
        };
        let taking = Taking { account: self.account, role, subject: &subject, runner: &runner };
        let mut at = at;
        // The identity provider's keys cannot be read now and then; the action tries again.
        if scene.chance.holds(0.02) {
            taking.fail(scene, at);
            at = Seconds(at.0 + scene.chance.between(2, 9));
        }
        let session = taking.succeed(scene, at);
        at = Seconds(at.0 + scene.chance.between(4, 20));
        match run {
            Run::Plan => {
                refresh(scene, self.account, &session.caller(&runner, TERRAFORM), at);
            }
            Run::Apply => {
                let by = session.caller(&runner, TERRAFORM);
                let ready = refresh(scene, self.account, &by, at);
                self.owned.apply(scene, &by, ready);
            }
            Run::Stack => {
                let by = session.caller(&runner, DEPLOYER);
                let forwarded = Session {
                    invoked_by: "cloudformation.amazonaws.com".to_owned(),
                    ..session.clone()
                };
                let service = "cloudformation.amazonaws.com";
                self.owned.deploy(scene, (&by, &forwarded.caller(service, service)), at);
            }
        }
    }
}

/// Reads everything that the code describes; returns when it has been read.
fn refresh(scene: &mut Scene<'_>, account: AccountIx, by: &Arc<Caller>, from: Seconds) -> Seconds {
    let org = scene.org;
    let mut at = from.0;
    let place = org.place(account, HOME, "sts");
    scene.routine(from, place, by, &catalogue::WHO_AM_I);
    for _ in 0..scene.chance.between(14, 26) {
        let resource = scene.chance.pick(&catalogue::RESOURCES);
        for routine in *resource {
            at += i64::from(scene.chance.holds(0.4));
            let place = org.place(account, HOME, routine.service);
            if scene.chance.holds(0.004) {
                scene.refused(Seconds(at), place, by, (routine, &catalogue::THROTTLED));
                at += 1;
            }
            scene.routine(Seconds(at), place, by, routine);
        }
    }
    Seconds(at + scene.chance.between(5, 60))
}

/// How a run takes a role.
struct Taking<'a> {
    account: AccountIx,
    role: &'a str,
    /// Whom the token was issued to.
    subject: &'a str,
    runner: &'a str,
}

impl Taking<'_> {
    fn provider(&self, org: &Organisation) -> String {
        format!("arn:aws:iam::{}:oidc-provider/{OIDC}", org.account(self.account).id)
    }

    fn role_arn(&self, org: &Organisation) -> String {
        format!("arn:aws:iam::{}:role/{}", org.account(self.account).id, self.role)
    }

    fn caller(&self, org: &Organisation) -> Arc<Caller> {
        let (provider, subject) = (self.provider(org), self.subject);
        let identity = json!({
            "type": "WebIdentityUser", "principalId": format!("{provider}:sts.amazonaws.com:{subject}"),
            "userName": subject, "identityProvider": provider,
        });
        Arc::new(Caller::new(&identity, self.runner, ACTION))
    }

    fn call(&self, scene: &mut Scene<'_>, at: Seconds, answer: Option<Value>) {
        let org = scene.org;
        let arn = self.role_arn(org);
        let asked = json!({"roleArn": arn, "roleSessionName": SESSION, "durationSeconds": 3_600});
        let written = Written::read("sts", "AssumeRoleWithWebIdentity").asking(asked);
        let written = match answer {
            Some(answer) => written
                .answering(answer)
                .with("additionalEventData", json!({
                    "identityProviderConnectionVerificationMethod": "IAMTrustStore",
                    "RequestDetails": {
                        "awsServingRegion": "eu-central-1", "endpointType": "regional",
                    },
                }))
                .with("resources", json!([{
                    "ARN": arn, "accountId": org.account(self.account).id, "type": "AWS::IAM::Role",
                }])),
            None => written.failing(
                "IDPCommunicationError",
                "Couldn't retrieve verification key from your identity provider",
            ),
        };
        let place = Place { account: self.account, region: HOME };
        scene.call(at, place, &self.caller(org), written);
    }

    fn fail(&self, scene: &mut Scene<'_>, at: Seconds) {
        self.call(scene, at, None);
    }

    fn succeed(&self, scene: &mut Scene<'_>, at: Seconds) -> Session {
        let org = scene.org;
        let provider = self.provider(org);
        let session = Session {
            account: org.account(self.account).id.clone(),
            role: self.role.to_owned(),
            role_arn: self.role_arn(org),
            role_id: org.role_id(self.account, self.role),
            name: SESSION.to_owned(),
            key: scene.chance.key("ASIA"),
            started: at,
            ends: Seconds(at.0 + 3_600),
            web_identity: Some((provider.clone(), self.subject.to_owned())),
            ..Session::default()
        };
        let answer = json!({
            "credentials": {
                "accessKeyId": session.key, "sessionToken": "HIDDEN_DUE_TO_SECURITY_REASONS",
                "expiration": session.expiration(),
            },
            "assumedRoleUser": {
                "assumedRoleId": format!("{}:{}", session.role_id, session.name), "arn": session.arn(),
            },
            "subjectFromWebIdentityToken": self.subject, "provider": provider,
            "audience": "sts.amazonaws.com",
        });
        self.call(scene, at, Some(answer));
        session
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::call::What;
    use crate::simulate::call::Written as Told;
    use crate::simulate::organisation::workloads::tests::plan;

    /// A call with its caller.
    type Made = (Arc<Caller>, Told);

    /// Lives a week, from Monday on; returns the calls with their own parameters, by day, and counts the changes of IAM.
    fn a_week() -> (Vec<Vec<Made>>, usize) {
        let org = Organisation::draw(&plan());
        let mut diary = Diary::new(org.start);
        let mut pipeline = Pipeline::new(org.production());
        let mut days = Vec::new();
        for day in 0..7 {
            pipeline.live(&org, &mut diary, day);
            let calls = diary.take(day).calls.into_iter();
            let told = calls.filter_map(|call| match call.what {
                What::Written(told) => Some((call.by, *told)),
                What::Routine(..) => None,
            });
            days.push(told.collect());
        }
        (days, diary.changes.len())
    }

    #[test]
    fn it_deploys_on_working_days_and_only_plans_on_others() {
        let (days, changes) = a_week();
        for (nth, day) in days.iter().enumerate() {
            let taken = |role| {
                let of_role = |told: &Told| told.request["roleArn"].to_string().contains(role);
                day.iter().filter(|(_, told)| of_role(told) && told.error.is_none()).count()
            };
            let is_weekend = nth > 4;
            assert!(taken(census::PLAN_ROLE) >= 1, "day {nth}");
            assert!(!is_weekend || taken(census::DEPLOY_ROLE) == 0, "day {nth}");
        }
        assert!(changes > 10, "{changes}");
    }

    #[test]
    fn every_session_was_issued_to_a_token_of_the_repository() {
        let (days, _) = a_week();
        let calls: Vec<_> = days.into_iter().flatten().collect();
        let issued = |key: &Value| {
            calls.iter().any(|(_, told)| told.response["credentials"]["accessKeyId"] == *key)
        };
        for (by, told) in &calls {
            let identity: Value = serde_json::from_str(&by.identity).unwrap();
            if told.name == "AssumeRoleWithWebIdentity" {
                assert_eq!(identity["type"], "WebIdentityUser");
                let subject = identity["userName"].as_str().unwrap();
                assert!(subject.starts_with("repo:example-org/infrastructure:"), "{subject}");
            } else {
                assert!(issued(&identity["accessKeyId"]), "{} by {identity}", told.name);
            }
        }
    }

    #[test]
    fn what_it_opens_is_open_to_the_account_alone() {
        let (days, _) = a_week();
        for (_, told) in days.iter().flatten() {
            let asked = told.request.to_string();
            assert!(!asked.contains("0.0.0.0/0") && !asked.contains("::/0"), "{asked}");
            let is_allowed_to_all = |it: &Value| it["Effect"] == "Allow" && it["Principal"] == "*";
            let statements = told.request["bucketPolicy"]["Statement"].as_array();
            assert!(!statements.into_iter().flatten().any(is_allowed_to_all), "{asked}");
        }
    }
}
