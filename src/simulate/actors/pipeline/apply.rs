//! What a pipeline changes, and what it knows of what it changed before.
//!
//! Invariant: it asks IAM for nothing that IAM would refuse, but for the sixth version of a policy now and then, and then
//! it makes room and tries again.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;

use crate::model::Seconds;
use crate::simulate::actors::pipeline::deeds;
use crate::simulate::call::AccountIx;
use crate::simulate::call::Place;
use crate::simulate::call::Written;
use crate::simulate::caller::Caller;
use crate::simulate::catalogue::pipeline as catalogue;
use crate::simulate::chance::Ranks;
use crate::simulate::diary::Scene;
use crate::simulate::iam::Change;
use crate::simulate::iam::Edit;
use crate::simulate::iam::census;
use crate::simulate::iam::documents;
use crate::simulate::iam::edits::MAX_VERSIONS;
use crate::simulate::iam::own_policy;
use crate::simulate::iam::policy_of_aws;
use crate::simulate::organisation::HOME;

/// What new services are called.
const NEW: [&str; 10] = [
    "returns",
    "loyalty",
    "fraud-score",
    "gift-cards",
    "price-feed",
    "store-locator",
    "tax-rates",
    "wish-lists",
    "barcodes",
    "couriers",
];

/// Policies of AWS that a service is given and loses again.
const EXTRAS: [&str; 3] =
    ["AWSXRayDaemonWriteAccess", "CloudWatchAgentServerPolicy", "CloudWatchReadOnlyAccess"];

/// What one account's pipelines own, as it is now.
#[derive(Debug)]
pub struct Owned {
    account: AccountIx,
    /// The versions that policies have, by the policy's name; those that nobody changed yet are missing.
    versions: BTreeMap<String, Vec<u32>>,
    /// Roles and the further policies that they have for now.
    extras: BTreeSet<(String, &'static str)>,
    /// Roles with an inline policy of settings.
    settings: BTreeSet<String>,
    /// Rules of security groups, by group and port.
    rules: BTreeMap<(String, u16), String>,
    /// Services that pipelines made, the oldest first.
    made: Vec<String>,
    /// How many they made in all.
    ever_made: usize,
}

/// Who acts where: what most deeds need besides the scene.
#[derive(Debug, Clone, Copy)]
pub struct Act<'a> {
    /// The account.
    pub account: AccountIx,
    /// The pipeline, or CloudFormation for it.
    pub by: &'a Arc<Caller>,
}

impl Act<'_> {
    fn change(&self, scene: &mut Scene<'_>, at: &mut i64, edit: Edit) {
        scene.change(Seconds(*at), self.by, Change::of(self.account, edit));
        *at += scene.chance.between(1, 4);
    }

    /// Enters a call to `service` in the home region, and lets a few seconds pass.
    pub fn call(&self, scene: &mut Scene<'_>, at: &mut i64, written: Written) {
        let place = Place { account: self.account, region: HOME };
        scene.call(Seconds(*at), place, self.by, written);
        *at += scene.chance.between(1, 6);
    }
}

impl Owned {
    /// Returns what the pipelines of `account` own at the start.
    pub fn new(account: AccountIx) -> Self {
        Self {
            account,
            versions: BTreeMap::new(),
            extras: BTreeSet::new(),
            settings: BTreeSet::new(),
            rules: BTreeMap::new(),
            made: Vec::new(),
            ever_made: 0,
        }
    }

    /// Changes a few things, from `from` on.
    pub fn apply(&mut self, scene: &mut Scene<'_>, by: &Arc<Caller>, from: Seconds) {
        let act = Act { account: self.account, by };
        let mut at = from.0;
        for _ in 0..scene.chance.between(1, 5) {
            self.step(scene, act, &mut at);
        }
    }

    /// Has CloudFormation change a few things: `by` asks for it, `forwarded` is the stack that does it.
    pub fn deploy(
        &mut self,
        scene: &mut Scene<'_>,
        (by, forwarded): (&Arc<Caller>, &Arc<Caller>),
        from: Seconds,
    ) {
        let (act, mut at) = (Act { account: self.account, by }, from.0);
        let id = scene.org.account(self.account).id.clone();
        let place = Place { account: self.account, region: HOME };
        let stack = format!("arn:aws:cloudformation:eu-central-1:{id}:stack/services/0c5e7a10");
        scene.routine(Seconds(at), place, by, &catalogue::STACKS);
        act.call(scene, &mut at, deeds::change_set(&stack, &id));
        for _ in 0..3 {
            scene.routine(Seconds(at), place, by, &catalogue::CHANGE_SET);
            at += 5;
        }
        let asked = json!({"stackName": "services", "changeSetName": "deploy"});
        act.call(
            scene,
            &mut at,
            Written::write("cloudformation", "ExecuteChangeSet").asking(asked),
        );
        let began = at;
        for _ in 0..scene.chance.between(1, 5) {
            self.step(scene, Act { account: self.account, by: forwarded }, &mut at);
        }
        for poll in 0..=(at - began) / 5 {
            scene.routine(Seconds(began + poll * 5), place, by, &catalogue::STACK_EVENTS);
        }
        scene.routine(Seconds(at + 5), place, by, &catalogue::STACKS);
    }

    /// Changes one thing.
    fn step(&mut self, scene: &mut Scene<'_>, act: Act<'_>, at: &mut i64) {
        let weights = [26.0, 18.0, 18.0, 9.0, 8.0, 6.0, 8.0, 4.0, 1.5];
        match scene.chance.rank(&Ranks::weighted(&weights)) {
            0 => deeds::function(scene, act, at),
            1 => self.policy(scene, act, at),
            2 => deeds::task(scene, act, at),
            3 => self.extra(scene, act, at),
            4 => self.setting(scene, act, at),
            5 => deeds::bucket_policy(scene, act, at),
            6 => self.rule(scene, act, at),
            7 => self.new_service(scene, act, at),
            _ => self.retire(scene, act, at),
        }
    }

    /// Draws a service: its name, its role.
    fn service(&self, scene: &mut Scene<'_>) -> (String, String) {
        let services = census::services(scene.org.account(self.account));
        let which = scene.chance.below(services.len() + self.made.len());
        match services.get(which) {
            Some(service) => (service.service.clone(), service.role.clone()),
            None => {
                let name = self.made[which - services.len()].clone();
                let role = format!("{name}-function");
                (name, role)
            }
        }
    }

    /// Writes a new version of a service's policy; the oldest makes room if there are five.
    fn policy(&mut self, scene: &mut Scene<'_>, act: Act<'_>, at: &mut i64) {
        let org = scene.org;
        let (service, _) = self.service(scene);
        let policy = census::policy_of(&service);
        let at_the_start = || census::versions(org, act.account, &policy).collect();
        let versions = self.versions.entry(policy.clone()).or_insert_with(at_the_start);
        let next = versions.last().map_or(1, |last| last + 1);
        let document = documents::access(org.account(act.account), &service, next);
        let create = Edit::CreatePolicyVersion { policy: policy.clone(), document };
        if versions.len() >= MAX_VERSIONS {
            // Terraform makes room by itself, a hand-written step forgets it.
            if scene.chance.holds(0.2) {
                let change = Change::of(act.account, create.clone());
                let refused = change.call(org).failing(
                    "LimitExceededException",
                    "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version.",
                );
                let place = org.place(act.account, HOME, "iam");
                scene.call(Seconds(*at), place, act.by, refused);
                *at += scene.chance.between(20, 90);
            }
            let version = format!("v{}", versions.remove(0));
            act.change(scene, at, Edit::DeletePolicyVersion { policy, version });
        }
        versions.push(next);
        act.change(scene, at, create);
    }

    /// Gives a role a further policy of AWS, or takes it away.
    fn extra(&mut self, scene: &mut Scene<'_>, act: Act<'_>, at: &mut i64) {
        let (_, role) = self.service(scene);
        let name = *scene.chance.pick(&EXTRAS);
        let arn = policy_of_aws(name);
        if self.extras.remove(&(role.clone(), name)) {
            act.change(scene, at, Edit::DetachRolePolicy { role, arn });
        } else {
            self.extras.insert((role.clone(), name));
            act.change(scene, at, Edit::AttachRolePolicy { role, arn });
        }
    }

    /// Writes the inline policy of settings of a role, or deletes it.
    fn setting(&mut self, scene: &mut Scene<'_>, act: Act<'_>, at: &mut i64) {
        let (service, role) = self.service(scene);
        let policy = "settings".to_owned();
        if self.settings.contains(&role) && scene.chance.holds(0.2) {
            self.settings.remove(&role);
            act.change(scene, at, Edit::DeleteRolePolicy { role, policy });
            return;
        }
        let id = &scene.org.account(act.account).id;
        let path = format!("arn:aws:ssm:eu-central-1:{id}:parameter/{service}/*");
        let actions: &[&str] = if scene.chance.holds(0.5) {
            &["ssm:GetParameter"]
        } else {
            &["ssm:GetParameter", "ssm:GetParametersByPath"]
        };
        let document = documents::policy(&[documents::allow(actions, &json!(path))]);
        self.settings.insert(role.clone());
        act.change(scene, at, Edit::PutRolePolicy { role, policy, document });
    }

    /// Opens a port of a security group to private addresses, or closes it again.
    fn rule(&mut self, scene: &mut Scene<'_>, act: Act<'_>, at: &mut i64) {
        let account = scene.org.account(act.account);
        let groups: Vec<&str> = account
            .workloads
            .iter()
            .filter(|it| it.calls() && !it.group.is_empty())
            .map(|it| it.group.as_str())
            .collect();
        if groups.is_empty() {
            return;
        }
        let group = (*scene.chance.pick(&groups)).to_owned();
        let port = *scene.chance.pick(&[5_432_u16, 6_379, 8_080, 8_443, 9_090]);
        let written = match self.rules.remove(&(group.clone(), port)) {
            Some(rule) => deeds::revoke(&group, &rule),
            None => {
                let rule = format!("sgr-0{}", scene.chance.hex(16));
                let written = deeds::authorize(account, (&group, &rule), port);
                self.rules.insert((group, port), rule);
                written
            }
        };
        act.call(scene, at, written);
    }

    /// Makes a role with its policy for a service that is new, and its function.
    fn new_service(&mut self, scene: &mut Scene<'_>, act: Act<'_>, at: &mut i64) {
        let org = scene.org;
        let (word, again) = (NEW[self.ever_made % NEW.len()], self.ever_made / NEW.len());
        let name = if again == 0 { word.to_owned() } else { format!("{word}-{}", again + 1) };
        self.ever_made += 1;
        let (role, policy) = (format!("{name}-function"), census::policy_of(&name));
        let id = &org.account(act.account).id;
        let trust = documents::trusts_service("lambda.amazonaws.com");
        let document = documents::access(org.account(act.account), &name, 1);
        let basic = policy_of_aws("service-role/AWSLambdaBasicExecutionRole");
        let (own, boundary) = (own_policy(id, &policy), own_policy(id, census::BOUNDARY));
        for edit in [
            Edit::CreatePolicy { policy: policy.clone(), document },
            Edit::CreateRole { role: role.clone(), path: "/".to_owned(), trust },
            Edit::PutRolePermissionsBoundary { role: role.clone(), arn: boundary },
            Edit::AttachRolePolicy { role: role.clone(), arn: own },
            Edit::AttachRolePolicy { role: role.clone(), arn: basic },
        ] {
            act.change(scene, at, edit);
        }
        self.versions.insert(policy, vec![1]);
        *at += 8;
        deeds::new_function(scene, act, at, (&name, &role));
        self.made.push(name);
    }

    /// Takes away the oldest service that a pipeline made.
    fn retire(&mut self, scene: &mut Scene<'_>, act: Act<'_>, at: &mut i64) {
        if self.made.is_empty() {
            return;
        }
        let name = self.made.remove(0);
        let (role, policy) = (format!("{name}-function"), census::policy_of(&name));
        let id = scene.org.account(act.account).id.clone();
        let gone = json!({"functionName": deeds::function_name(scene.org, act.account, &name)});
        act.call(scene, at, Written::write("lambda", "DeleteFunction20150331").asking(gone));
        for extra in EXTRAS {
            if self.extras.remove(&(role.clone(), extra)) {
                let arn = policy_of_aws(extra);
                act.change(scene, at, Edit::DetachRolePolicy { role: role.clone(), arn });
            }
        }
        if self.settings.remove(&role) {
            let policy = "settings".to_owned();
            act.change(scene, at, Edit::DeleteRolePolicy { role: role.clone(), policy });
        }
        let basic = policy_of_aws("service-role/AWSLambdaBasicExecutionRole");
        for arn in [own_policy(&id, &policy), basic] {
            act.change(scene, at, Edit::DetachRolePolicy { role: role.clone(), arn });
        }
        act.change(scene, at, Edit::DeleteRole { role });
        let mut versions = self.versions.remove(&policy).unwrap_or_default();
        versions.pop();
        for number in versions {
            let version = format!("v{number}");
            act.change(scene, at, Edit::DeletePolicyVersion { policy: policy.clone(), version });
        }
        act.change(scene, at, Edit::DeletePolicy { policy });
    }
}
