//! The state of IAM when the simulation begins.
//!
//! It is made by the same edits that change it later, dated before the first day.
//!
//! Invariant: it depends on the organisation alone.

use serde_json::Value;
use serde_json::json;

use crate::model::Seconds;
use crate::simulate::actors::broker;
use crate::simulate::actors::crossing;
use crate::simulate::actors::portal;
use crate::simulate::actors::services;
use crate::simulate::call::AccountIx;
use crate::simulate::catalogue::services::HELPERS;
use crate::simulate::chance::Chance;
use crate::simulate::iam::Edit;
use crate::simulate::iam::census;
use crate::simulate::iam::documents;
use crate::simulate::iam::own_policy;
use crate::simulate::iam::policy_of_aws;
use crate::simulate::iam::state::State;
use crate::simulate::organisation::Given;
use crate::simulate::organisation::MANAGEMENT;
use crate::simulate::organisation::Organisation;
use crate::simulate::organisation::PERMISSION_SETS;
use crate::simulate::organisation::VENDOR;
use crate::simulate::organisation::workloads::Kind;
use crate::simulate::organisation::workloads::Workload;

/// Roles of services that nobody sees at work: name, service, policy.
const LINKED: [(&str, &str, &str); 4] = [
    ("AWSServiceRoleForSupport", "support", "AWSSupportServiceRolePolicy"),
    ("AWSServiceRoleForSSO", "sso", "AWSSSOServiceRolePolicy"),
    ("AWSServiceRoleForOrganizations", "organizations", "AWSOrganizationsServiceTrustPolicy"),
    ("AWSServiceRoleForAmazonGuardDuty", "guardduty", "AWSGuardDutyServiceRolePolicy"),
];

/// The policies of the roles that services of [`HELPERS`] take.
const HELPED: [(&str, &str); 9] = [
    ("AWSServiceRoleForConfig", "aws-service-role/AWSConfigServiceRolePolicy"),
    ("AWSServiceRoleForSecurityHub", "aws-service-role/AWSSecurityHubServiceRolePolicy"),
    ("AWSServiceRoleForAccessAnalyzer", "aws-service-role/AccessAnalyzerServiceRolePolicy"),
    ("AWSServiceRoleForTrustedAdvisor", "aws-service-role/AWSTrustedAdvisorServiceRolePolicy"),
    ("AWSServiceRoleForAutoScaling", "aws-service-role/AutoScalingServiceRolePolicy"),
    (
        "AWSServiceRoleForElasticLoadBalancing",
        "aws-service-role/AWSElasticLoadBalancingServiceRolePolicy",
    ),
    (
        "AWSServiceRoleForApplicationAutoScaling_DynamoDBTable",
        "aws-service-role/AWSApplicationAutoscalingDynamoDBTablePolicy",
    ),
    ("AWSServiceRoleForECS", "aws-service-role/AmazonECSServiceRolePolicy"),
    ("AWSBackupDefaultServiceRole", "service-role/AWSBackupServiceRolePolicyForBackup"),
];

impl<'a> State<'a> {
    /// Returns what is there before the first day.
    pub fn at_the_start(org: &'a Organisation, account: AccountIx) -> Self {
        let mut state = Self::empty(org, account);
        state.everywhere();
        if account == MANAGEMENT {
            state.management();
        }
        if org.workload_accounts().contains(&account) {
            state.workloads();
        }
        state.services();
        if account == org.production() {
            state.production();
        }
        if crossing::account(org) == Some(account) {
            state.crossed();
        }
        state
    }

    /// Makes edits on a day of the last three years.
    fn before(&mut self, purpose: &str, edits: impl IntoIterator<Item = Edit>) {
        let mut chance = Chance::of(self.org.seed, &format!("made/{}/{purpose}", self.account.0));
        let mut at = self.org.start.0 - chance.between(120 * 86_400, 1_000 * 86_400);
        for edit in edits {
            self.make(Seconds(at), &edit)
                .expect("the census makes nothing twice and no part before its whole");
            // Later edits come days apart, but all before the first day.
            at += chance.between(60, 6 * 86_400);
        }
    }

    fn role(&mut self, role: &str, path: &str, trust: Value, then: Vec<Edit>) {
        let made = Edit::CreateRole { role: role.to_owned(), path: path.to_owned(), trust };
        self.before(role, [made].into_iter().chain(then));
    }

    fn everywhere(&mut self) {
        let org = self.org;
        self.linked(&LINKED);
        self.helped();
        let provider = portal::provider(org, self.account);
        // The others' roles come with an assignment and go with it.
        for set in PERMISSION_SETS.iter().filter(|it| it.given != Given::Fleeting) {
            let role = org.reserved_role(self.account, set);
            let attached =
                set.managed.iter().map(|name| attach(&role, &policy_of_aws(name))).collect();
            let trust = documents::trusts_identity_center(&provider);
            self.role(&role, &org.reserved_path(), trust, attached);
        }
        let group = census::ADMINISTRATORS.to_owned();
        let arn = policy_of_aws("AdministratorAccess");
        let administrators =
            [Edit::CreateGroup { group: group.clone() }, Edit::AttachGroupPolicy { group, arn }];
        self.before(census::ADMINISTRATORS, administrators);
        let root = |account: AccountIx| format!("arn:aws:iam::{}:root", org.account(account).id);
        let of_us = json!({"StringEquals": {"aws:PrincipalOrgID": org.id}});
        if self.account != org.security() {
            let trust = documents::trusts(&root(org.security()), &of_us);
            let then = vec![attach("security-audit", &policy_of_aws("SecurityAudit"))];
            self.role("security-audit", "/", trust, then);
        }
        if self.account != MANAGEMENT {
            let name = "OrganizationAccountAccessRole";
            let then = vec![attach(name, &policy_of_aws("AdministratorAccess"))];
            self.role(name, "/", documents::trusts(&root(MANAGEMENT), &Value::Null), then);
        }
        let trust = documents::trusts_service("cloudformation.amazonaws.com");
        let document = documents::deploys(org.account(self.account));
        let policy = "deploy".to_owned();
        let role = "cloudformation-execution".to_owned();
        self.role(
            "cloudformation-execution",
            "/",
            trust,
            vec![Edit::PutRolePolicy { role, policy, document }],
        );
    }

    fn linked(&mut self, linked: &[(&str, &str, &str)]) {
        for (role, service, policy) in linked {
            let principal = format!("{service}.amazonaws.com");
            let arn = policy_of_aws(&format!("aws-service-role/{policy}"));
            let trust = documents::trusts_service(&principal);
            self.role(
                role,
                &format!("/aws-service-role/{principal}/"),
                trust,
                vec![attach(role, &arn)],
            );
        }
    }

    /// Makes the roles that services are seen at work with; AWS's own pipelines have all rights.
    fn helped(&mut self) {
        let (org, account) = (self.org, self.account);
        let with_work = org.workload_accounts();
        for helper in HELPERS.iter().filter(|it| services::is_at(it, account, &with_work)) {
            let known = HELPED.iter().find(|(role, _)| *role == helper.role);
            let arn = policy_of_aws(known.map_or("AdministratorAccess", |(_, policy)| policy));
            let trust = documents::trusts_service(helper.service);
            self.role(helper.role, helper.path, trust, vec![attach(helper.role, &arn)]);
        }
    }

    fn management(&mut self) {
        let role = broker::ROLE.to_owned();
        let (policy, document) = ("assignments".to_owned(), documents::brokers());
        let basic = attach(&role, &policy_of_aws("service-role/AWSLambdaBasicExecutionRole"));
        let then = vec![basic, Edit::PutRolePolicy { role, policy, document }];
        self.role(broker::ROLE, "/", documents::trusts_service("lambda.amazonaws.com"), then);
        let trail = [("AWSServiceRoleForCloudTrail", "cloudtrail", "CloudTrailServiceRolePolicy")];
        self.linked(&trail);
        let user = census::EMERGENCY_USER.to_owned();
        let group = census::ADMINISTRATORS.to_owned();
        let edits = [
            Edit::CreateUser { user: user.clone() },
            Edit::CreateLoginProfile { user: user.clone() },
            Edit::AddUserToGroup { user, group },
        ];
        self.before(census::EMERGENCY_USER, edits);
    }

    fn services(&mut self) {
        let account = self.org.account(self.account);
        self.managed(census::BOUNDARY, |_| documents::boundary());
        for workload in census::services(account) {
            let policy = census::policy_of(&workload.service);
            self.managed(&policy, |number| documents::access(account, &workload.service, number));
            self.service(workload);
        }
    }

    fn workloads(&mut self) {
        let (org, id) = (self.org, self.id());
        self.linked(&[("AWSServiceRoleForRDS", "rds", "AmazonRDSServiceRolePolicy")]);
        let task = documents::trusts_service("ecs-tasks.amazonaws.com");
        let arn = policy_of_aws("service-role/AmazonECSTaskExecutionRolePolicy");
        self.role(census::TASK_EXECUTION, "/", task, vec![attach(census::TASK_EXECUTION, &arn)]);
        self.managed(census::OPS_AUTOMATION, documents::operates);
        let people = documents::trusts(&format!("arn:aws:iam::{id}:root"), &Value::Null);
        let arn = own_policy(id, census::OPS_AUTOMATION);
        self.role(census::OPS_AUTOMATION, "/", people, vec![attach(census::OPS_AUTOMATION, &arn)]);
        let repository = census::REPOSITORY;
        let plans = documents::trusts_pipeline(id, &format!("repo:{repository}:*"));
        let reads = vec![attach(census::PLAN_ROLE, &policy_of_aws("ReadOnlyAccess"))];
        self.role(census::PLAN_ROLE, "/", plans, reads);
        let environment = census::environment(org, self.account);
        let subject = format!("repo:{repository}:environment:{environment}");
        let (role, policy) = (census::DEPLOY_ROLE.to_owned(), "deploy".to_owned());
        let document = documents::deploys(org.account(self.account));
        let then = vec![
            attach(&role, &policy_of_aws("ReadOnlyAccess")),
            Edit::PutRolePolicy { role, policy, document },
        ];
        self.role(census::DEPLOY_ROLE, "/", documents::trusts_pipeline(id, &subject), then);
    }

    /// Makes the role that a service of production takes here.
    fn crossed(&mut self) {
        let org = self.org;
        let production = org.account(org.production());
        let takers = census::services(production).into_iter();
        for taker in takers.filter(|it| it.service == crossing::SERVICE) {
            let arn = format!("arn:aws:iam::{}:role/{}", production.id, taker.role);
            let (role, policy) = (crossing::ROLE.to_owned(), "reports".to_owned());
            let document = documents::reads_reports(org.account(self.account));
            let then = vec![Edit::PutRolePolicy { role, policy, document }];
            self.role(crossing::ROLE, "/", documents::trusts(&arn, &Value::Null), then);
        }
    }

    /// Makes the role of a service whose policy is there.
    fn service(&mut self, workload: &Workload) {
        let (id, name) = (self.id(), workload.role.clone());
        let mut then = vec![
            Edit::PutRolePermissionsBoundary {
                role: name.clone(),
                arn: own_policy(id, census::BOUNDARY),
            },
            attach(&name, &own_policy(id, &census::policy_of(&workload.service))),
        ];
        match workload.kind {
            Kind::Instance => {
                let (profile, role) = (name.clone(), name.clone());
                then.push(attach(&name, &policy_of_aws("AmazonSSMManagedInstanceCore")));
                then.push(Edit::CreateInstanceProfile { profile: name });
                then.push(Edit::AddRoleToInstanceProfile { profile, role });
            }
            Kind::Function => {
                let arn = policy_of_aws("service-role/AWSLambdaBasicExecutionRole");
                then.push(attach(&name, &arn));
            }
            _ => {}
        }
        let trust = documents::trusts_service(documents::taken_by(workload.kind));
        self.role(&workload.role, "/", trust, then);
        let team = census::team_of(workload.kind);
        let tags = json!([
            {"Key": "service", "Value": workload.service}, {"Key": "team", "Value": team},
            {"Key": "managed-by", "Value": "terraform"},
        ]);
        if let Some(role) = self.roles.get_mut(&workload.role) {
            role["Tags"] = tags;
        }
    }

    /// Makes a managed policy with all the versions that it ever had, and deletes those that it no longer has.
    fn managed(&mut self, policy: &str, document: impl Fn(u32) -> Value) {
        let versions = census::versions(self.org, self.account, policy);
        let policy_of = || policy.to_owned();
        let mut edits = vec![Edit::CreatePolicy { policy: policy_of(), document: document(1) }];
        for number in 2..=*versions.end() {
            if number > 5 {
                let version = format!("v{}", number - 5);
                edits.push(Edit::DeletePolicyVersion { policy: policy_of(), version });
            }
            edits.push(Edit::CreatePolicyVersion {
                policy: policy_of(),
                document: document(number),
            });
        }
        for number in versions.end().saturating_sub(4).max(1)..*versions.start() {
            edits.push(Edit::DeletePolicyVersion {
                policy: policy_of(),
                version: format!("v{number}"),
            });
        }
        self.before(policy, edits);
    }

    fn production(&mut self) {
        let role = census::VENDOR_ROLE.to_owned();
        let vendor = format!("arn:aws:iam::{VENDOR}:root");
        let condition = json!({"StringEquals": {"sts:ExternalId": census::VENDOR_EXTERNAL_ID}});
        let (policy, document) = ("monitoring".to_owned(), documents::monitors());
        let then = vec![Edit::PutRolePolicy { role, policy, document }];
        self.role(census::VENDOR_ROLE, "/", documents::trusts(&vendor, &condition), then);
        let account = self.org.account(self.account);
        self.managed(census::OLD_USER_POLICY, |number| documents::fetches(account, number));
        let user = census::OLD_USER.to_owned();
        let edits = [
            Edit::CreateUser { user: user.clone() },
            Edit::CreateAccessKey { user: user.clone(), key: census::old_key(self.org) },
            Edit::AttachUserPolicy { user, arn: own_policy(self.id(), census::OLD_USER_POLICY) },
        ];
        self.before(census::OLD_USER, edits);
    }
}

fn attach(role: &str, arn: &str) -> Edit {
    Edit::AttachRolePolicy { role: role.to_owned(), arn: arn.to_owned() }
}
