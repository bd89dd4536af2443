//! Every way with what opens it (`testdata/policies/escalations.tsv`), and the twins of each that must stay closed.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use serde_json::json;

use super::*;
use crate::iam::Kind;
use crate::iam::State;
use crate::iam::holding::Holder;
use crate::iam::policy::Text;
use crate::iam::state::AccessKey;
use crate::iam::state::Account;
use crate::iam::state::Entity;
use crate::iam::state::Managed;
use crate::iam::state::Organization;
use crate::iam::state::OrganizationPolicy;
use crate::iam::state::Role;
use crate::iam::state::User;

static CASES: &str = include_str!("../../../testdata/policies/escalations.tsv");
const HOME: &str = "111122223333";
const NOW: Seconds = Seconds(1_767_225_600);

#[derive(Clone)]
struct Part {
    action: String,
    resource: String,
    service: Option<String>,
}

struct Case {
    id: &'static str,
    parts: Vec<Part>,
}

fn cases() -> Vec<Case> {
    let lines = CASES.lines().filter(|line| !line.starts_with('#'));
    let read = |part: &str| {
        let (what, service) = match part.split_once(" > ") {
            Some((what, service)) => (what, Some(service.to_owned())),
            None => (part, None),
        };
        let (action, resource) = what.split_once(' ').unwrap();
        Part { action: action.to_owned(), resource: resource.to_owned(), service }
    };
    lines
        .map(|line| {
            let (id, parts) = line.split_once('\t').unwrap();
            Case { id, parts: parts.split("; ").map(read).collect() }
        })
        .collect()
}

impl Part {
    fn statement(&self, effect: &str) -> Value {
        let mut all = json!({"Effect": effect, "Action": self.action, "Resource": self.resource});
        if let Some(service) = &self.service {
            all["Condition"] = json!({"StringEquals": {"iam:PassedToService": service}});
        }
        all
    }
}

fn document(statements: &[Value]) -> Document {
    let value = json!({"Version": "2012-10-17", "Statement": statements});
    Document::parse(&value.to_string(), Kind::Identity).unwrap()
}

fn allow(parts: &[Part]) -> Vec<Value> {
    parts.iter().map(|part| part.statement("Allow")).collect()
}

fn text(statements: &[Value]) -> Text {
    Text::Known(Arc::new(document(statements)))
}

fn everything() -> Value {
    json!({"Effect": "Allow", "Action": "*", "Resource": "*"})
}

fn path(id: &str, document: &Document) -> Option<Path> {
    paths_of(document).into_iter().find(|path| path.id == id)
}

/// All policies of a case less one part, with one part changed, and so on, each of which closes the way.
fn closed(case: &Case) -> Vec<(String, Vec<Value>)> {
    let mut all = Vec::new();
    for (at, part) in case.parts.iter().enumerate() {
        let mut less = case.parts.clone();
        less.remove(at);
        if !less.is_empty() {
            all.push((format!("without {}", part.action), allow(&less)));
        }
        let mut elsewhere = case.parts.clone();
        elsewhere[at].resource = "arn:aws:s3:::bucket".to_owned();
        all.push((format!("{} on a bucket", part.action), allow(&elsewhere)));
        let mut denied = allow(&case.parts);
        denied.push(part.statement("Deny"));
        all.push((format!("{} denied", part.action), denied));
        let mut denied = allow(&case.parts);
        let service = part.action.split(':').next().unwrap();
        denied.push(json!({"Effect": "Deny", "Action": format!("{service}:*"), "Resource": "*"}));
        all.push((format!("{service} denied"), denied));
        if part.service.is_some() {
            let mut wrong = case.parts.clone();
            wrong[at].service = Some("monitoring.amazonaws.com".to_owned());
            all.push(("passed to another service".to_owned(), allow(&wrong)));
        }
    }
    all
}

#[test]
fn every_way_has_a_case() {
    let of_file: BTreeSet<&str> = cases().iter().map(|case| case.id).collect();
    let of_known: BTreeSet<&str> = known().ways.iter().map(|way| &*way.id).collect();
    assert_eq!(of_file, of_known);
}

#[test]
fn a_document_opens_its_way_and_no_twin_does() {
    for case in cases() {
        let found = path(case.id, &document(&allow(&case.parts)));
        let found = found.unwrap_or_else(|| panic!("{} is not open", case.id));
        assert!(found.conditions.is_empty(), "{}: {:?}", case.id, found.conditions);
        let expected: BTreeSet<&str> = case.parts.iter().map(|part| &*part.action).collect();
        let steps: BTreeSet<&str> = found.steps.iter().map(|step| step.action).collect();
        assert_eq!(steps, expected, "{}", case.id);
        for step in &found.steps {
            let part = case.parts.iter().find(|part| part.action == step.action).unwrap();
            assert!(!step.resources.is_empty() && !part.resource.is_empty(), "{}", case.id);
        }
        for (twin, statements) in closed(&case) {
            let found = path(case.id, &document(&statements));
            assert_eq!(found, None, "{} {twin}", case.id);
        }
    }
}

#[test]
fn a_condition_on_any_part_is_told() {
    for case in cases() {
        for at in 0..case.parts.len() {
            let mut statements = allow(&case.parts);
            let only = json!({"aws:MultiFactorAuthPresent": "true"});
            match statements[at].get_mut("Condition") {
                Some(condition) => condition["Bool"] = only.clone(),
                None => statements[at]["Condition"] = json!({"Bool": only}),
            }
            let found = path(case.id, &document(&statements)).unwrap();
            let keys: Vec<&str> = found.conditions.iter().map(|it| &**it).collect();
            assert_eq!(keys, ["aws:multifactorauthpresent"], "{}", case.id);

            let mut statements = allow(&case.parts);
            let mut deny = case.parts[at].statement("Deny");
            deny["Condition"] = json!({"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}});
            statements.push(deny);
            let found = path(case.id, &document(&statements)).unwrap();
            let keys: Vec<&str> = found.conditions.iter().map(|it| &**it).collect();
            assert_eq!(keys, ["aws:sourceip"], "{}", case.id);
        }
    }
}

/// An account where every way can be gone: `ana` and the role `deploy` hold what a case says.
struct Stage {
    holds: Vec<Value>,
    boundary: Vec<Value>,
    control: Vec<Value>,
    trust: Option<&'static str>,
}

impl Stage {
    fn of(holds: Vec<Value>) -> Self {
        Self { holds, boundary: vec![everything()], control: vec![everything()], trust: None }
    }

    fn entity(name: &str, inline: Option<Text>, attached: &[&str]) -> Entity {
        Entity {
            arn: format!("arn:aws:iam::{HOME}:{name}").into(),
            inline: inline.into_iter().map(|text| ("inline".into(), text)).collect(),
            attached: attached
                .iter()
                .map(|it| format!("arn:aws:iam::{HOME}:policy/{it}").into())
                .collect(),
            ..Entity::default()
        }
    }

    fn trust(&self) -> Text {
        let services: BTreeSet<&str> = known()
            .ways
            .iter()
            .flat_map(|way| way.passes.iter().chain(&way.runs_as))
            .map(|it| &**it)
            .collect();
        let federated = "cognito-identity.amazonaws.com";
        let services: Vec<&str> = services.into_iter().filter(|it| *it != federated).collect();
        let value = match self.trust {
            Some(principal) => {
                json!([{"Effect": "Allow", "Principal": {"Service": principal}, "Action": "sts:AssumeRole"}])
            }
            None => json!([
                {"Effect": "Allow", "Principal": {"Service": services, "AWS": format!("arn:aws:iam::{HOME}:root")}, "Action": "sts:AssumeRole"},
                {"Effect": "Allow", "Principal": {"Federated": federated}, "Action": "sts:AssumeRoleWithWebIdentity"},
            ]),
        };
        let value = json!({"Version": "2012-10-17", "Statement": value});
        Text::Known(Arc::new(Document::parse(&value.to_string(), Kind::Trust).unwrap()))
    }

    fn users(&self) -> BTreeMap<Box<str>, User> {
        let bound = |mut entity: Entity| {
            entity.boundary = Some(format!("arn:aws:iam::{HOME}:policy/bound").into());
            entity
        };
        let user = |entity, keys: usize, has_password| User {
            entity,
            keys: (0..keys)
                .map(|at| {
                    (
                        format!("AKIAEXAMPLE{at}").into(),
                        AccessKey { created: None, is_active: true },
                    )
                })
                .collect(),
            has_password: Some(has_password),
            ..User::default()
        };
        let strong = || Some(text(&[everything()]));
        let ana = bound(Self::entity("user/ana", Some(text(&self.holds)), &["own"]));
        let mut ana = user(ana, 1, true);
        ana.groups.insert("dev".into());
        [
            ("ana".into(), ana),
            ("bob".into(), user(Self::entity("user/bob", strong(), &[]), 1, false)),
            ("cat".into(), user(Self::entity("user/cat", strong(), &[]), 2, true)),
        ]
        .into()
    }

    fn state(&self) -> State {
        let managed = |statements: &[Value], versions: usize| Managed {
            versions: (1..=versions)
                .map(|at| (format!("v{at}").into(), text(statements)))
                .collect(),
            default: "v1".into(),
        };
        let read = json!({"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"});
        let mut deploy = Self::entity("role/deploy", Some(text(&self.holds)), &[]);
        deploy.boundary = Some(format!("arn:aws:iam::{HOME}:policy/bound").into());
        let nobody = json!([{"Effect": "Allow", "Principal": {"Service": "monitoring.amazonaws.com"}, "Action": "sts:AssumeRole"}]);
        let nobody = json!({"Version": "2012-10-17", "Statement": nobody});
        let nobody =
            Text::Known(Arc::new(Document::parse(&nobody.to_string(), Kind::Trust).unwrap()));
        let role = |entity, trust| Role { entity, trust, last_used: None };
        let arn = |name: &str| format!("arn:aws:iam::{HOME}:policy/{name}").into();
        let account = Account {
            is_whole: true,
            users: self.users(),
            groups: [
                ("dev".into(), Self::entity("group/dev", Some(text(&[read.clone()])), &[])),
                ("ops".into(), Self::entity("group/ops", None, &["strong"])),
            ]
            .into(),
            roles: [
                ("deploy".into(), role(deploy, nobody)),
                ("app".into(), role(Self::entity("role/app", None, &["strong"]), self.trust())),
            ]
            .into(),
            policies: [
                (arn("own"), managed(&[read], 2)),
                (arn("strong"), managed(&[everything()], 1)),
                (arn("bound"), managed(&self.boundary, 1)),
            ]
            .into(),
            profiles: [("app".into(), ["app".into()].into())].into(),
            ..Account::default()
        };
        let policy = |text| OrganizationPolicy {
            name: "control".into(),
            kind: "SERVICE_CONTROL_POLICY".into(),
            text,
        };
        let organization = Organization {
            management: "999988887777".into(),
            parents: [(HOME.into(), "r-root".into())].into(),
            policies: [
                ("p-full".into(), policy(text(&[everything()]))),
                ("p-own".into(), policy(text(&self.control))),
            ]
            .into(),
            attached: [
                ("r-root".into(), ["p-full".into()].into()),
                (HOME.into(), ["p-own".into()].into()),
            ]
            .into(),
        };
        State {
            accounts: [(HOME.into(), account)].into(),
            organization: Some(organization),
            ..State::default()
        }
    }

    fn ways(&self, case: &Case) -> Escalations {
        let state = self.state();
        let account = state.accounts.get(HOME).unwrap();
        let is_role = case.parts.iter().any(|part| part.resource.ends_with("role/deploy"));
        let holder = match is_role {
            true => Holder::Role(account.roles.get("deploy").unwrap()),
            false => Holder::User(account.users.get("ana").unwrap()),
        };
        Everywhere::new(&state, NOW).of(account, holder)
    }

    fn way(&self, case: &Case) -> Option<Open> {
        self.ways(case).ways.into_iter().find(|open| open.path.id == case.id)
    }
}

#[test]
fn what_stands_opens_each_way_and_no_twin_does() {
    for case in cases() {
        let stage = Stage::of(allow(&case.parts));
        let found = stage.ways(&case);
        assert_eq!(found.unknown, BTreeSet::new());
        let open = stage.way(&case).unwrap_or_else(|| panic!("{}: {found:#?}", case.id));
        assert!(open.path.conditions.is_empty(), "{}: {:?}", case.id, open.path);
        for (twin, statements) in closed(&case) {
            assert_eq!(Stage::of(statements).way(&case), None, "{} {twin}", case.id);
        }
    }
}

#[test]
fn a_boundary_or_a_control_policy_closes_each_way() {
    for case in cases() {
        for part in &case.parts {
            let deny = json!({"Effect": "Deny", "Action": part.action, "Resource": "*"});
            let but = json!({"Effect": "Allow", "NotAction": part.action, "Resource": "*"});
            for limit in [vec![everything(), deny], vec![but]] {
                let mut stage = Stage::of(allow(&case.parts));
                stage.boundary = limit.clone();
                assert_eq!(stage.way(&case), None, "{} boundary {limit:?}", case.id);
                let mut stage = Stage::of(allow(&case.parts));
                stage.control = limit.clone();
                assert_eq!(stage.way(&case), None, "{} control {limit:?}", case.id);
            }
        }
    }
}

#[test]
fn a_role_that_its_service_may_not_take_is_no_target() {
    let gains = |case: &Case| {
        let way = known().ways.iter().find(|way| *way.id == *case.id).unwrap();
        !way.passes.is_empty() || way.runs_as.is_some()
    };
    let cases = cases();
    let all: Vec<&Case> = cases.iter().filter(|case| gains(case)).collect();
    assert!(all.len() > 60, "{}", all.len());
    for case in all {
        let mut stage = Stage::of(allow(&case.parts));
        let open = stage.way(case).unwrap();
        let app = Target {
            strength: Strength::Administrator,
            arn: format!("arn:aws:iam::{HOME}:role/app").into(),
        };
        assert_eq!((open.targets, open.more), (vec![app], 0), "{}", case.id);
        stage.trust = Some("monitoring.amazonaws.com");
        assert_eq!(stage.way(case), None, "{}", case.id);
    }
}

fn of(statements: Value) -> Vec<Path> {
    let value = json!({"Version": "2012-10-17", "Statement": statements});
    paths_of(&Document::parse(&value.to_string(), Kind::Identity).unwrap())
}

fn ids(paths: &[Path]) -> Vec<&str> {
    paths.iter().map(|path| path.id).collect()
}

#[test]
fn what_everybody_may_do_to_himself_is_no_way_to_others() {
    let own = "arn:aws:iam::*:user/${aws:username}";
    let found = of(
        json!([{"Effect": "Allow", "Action": ["iam:*AccessKey*", "iam:*LoginProfile", "iam:ChangePassword"], "Resource": own}]),
    );
    assert_eq!(ids(&found), Vec::<&str>::new());
    let found = of(json!([{"Effect": "Allow", "Action": "iam:PutUserPolicy", "Resource": own}]));
    assert_eq!(ids(&found), ["iam_put_user_policy"]);
}

#[test]
fn passing_a_role_is_no_way_by_itself_nor_is_one_without_it() {
    let found = of(json!([{"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"}]));
    assert_eq!(ids(&found), Vec::<&str>::new());
    let found = of(
        json!([{"Effect": "Allow", "Action": ["ec2:RunInstances", "lambda:CreateFunction", "lambda:InvokeFunction"], "Resource": "*"}]),
    );
    assert_eq!(ids(&found), Vec::<&str>::new());
}

#[test]
fn a_function_that_is_made_has_to_be_the_one_that_is_called() {
    let arn = |name: &str| format!("arn:aws:lambda:*:*:function:{name}");
    let statements = |called: &str| {
        json!([{"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"},
            {"Effect": "Allow", "Action": "lambda:CreateFunction", "Resource": arn("a-*")},
            {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": arn(called)}])
    };
    assert_eq!(ids(&of(statements("b-*"))), Vec::<&str>::new());
    let found = of(statements("*-x"));
    assert_eq!(ids(&found), ["lambda_create_invoke"]);
}

#[test]
fn one_role_that_is_named_is_no_way_but_roles_by_a_pattern_are() {
    let take =
        |role: &str| of(json!([{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role}]));
    assert_eq!(ids(&take("arn:aws:iam::111122223333:role/app")), Vec::<&str>::new());
    assert_eq!(ids(&take("arn:aws:iam::*:role/*")), ["sts_assume_role"]);
}

#[test]
fn an_administrator_has_every_way_and_a_reader_none() {
    assert_eq!(of(json!([everything()])).len(), known().ways.len());
    let read = json!([{"Effect": "Allow", "Action": ["*:Get*", "*:List*", "*:Describe*"], "Resource": "*"}]);
    assert_eq!(ids(&of(read)), Vec::<&str>::new());
}

#[test]
fn an_end_that_a_policy_says_is_told_and_what_has_ended_is_over() {
    let cases = cases();
    let case = cases.iter().find(|case| case.id == "iam_put_user_policy").unwrap();
    let until = |time: &str| {
        let mut statements = allow(&case.parts);
        statements[0]["Condition"] = json!({"DateLessThan": {"aws:CurrentTime": time}});
        Stage::of(statements).way(case)
    };
    assert_eq!(until("2025-12-31T00:00:00Z"), None);
    let open = until("2026-06-01T00:00:00Z").unwrap();
    assert_eq!(open.path.until, Seconds::parse("2026-06-01T00:00:00Z"));
    assert_eq!(open.path.conditions, BTreeSet::new());
}
