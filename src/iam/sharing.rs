//! What lets others use a resource beside its own policy: grants on KMS keys, and shares of Resource Access Manager.
//!
//! Sources: KMS Developer Guide, "Grants in AWS KMS"; RAM API Reference, "CreateResourceShare".
//!
//! Invariant: each is written as the statements that a resource policy would say the same with, so that all of it is compared in
//! effect. Grants that AWS services make for themselves are not kept: they come and go with every volume and every task.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde::Deserialize;
use serde::Serialize;

use crate::iam::policy::Condition;
use crate::iam::policy::Document;
use crate::iam::policy::Effect;
use crate::iam::policy::Language;
use crate::iam::policy::Listed;
use crate::iam::policy::Operator;
use crate::iam::policy::Over;
use crate::iam::policy::Principal;
use crate::iam::policy::Statement;
use crate::iam::policy::Test;
use crate::iam::policy::Text;

/// What stands for whatever a share's permissions allow, which no record says.
const USE: &str = "ram:usesharedresource";
/// How it is told.
const USE_IN_WORDS: &str = "use of what is shared";
/// How many principals or resources of a share are kept.
pub const MAX_SHARED: usize = 5_000;

/// A share.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Its name.
    pub name: Box<str>,
    /// Whether principals outside of the organisation may be let in, where that is known.
    pub admits_strangers: Option<bool>,
    /// Account ids, ARNs of organisations, units, roles and users, names of services.
    pub principals: BTreeSet<Box<str>>,
    /// ARNs of what is shared.
    pub resources: BTreeSet<Box<str>>,
}

/// What an event does to a share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the calls")]
pub enum ShareEdit {
    Added { principals: BTreeSet<Box<str>>, resources: BTreeSet<Box<str>> },
    Removed { principals: BTreeSet<Box<str>>, resources: BTreeSet<Box<str>> },
    Set { name: Option<Box<str>>, admits_strangers: Option<bool> },
}

impl ShareEdit {
    /// Returns whether it only takes away.
    pub fn takes_away(&self) -> bool {
        matches!(self, Self::Removed { .. })
    }

    /// Returns whether there is something that it would take away.
    pub fn finds(&self, share: &Share) -> bool {
        match self {
            Self::Removed { principals, resources } => {
                !share.principals.is_disjoint(principals) || !share.resources.is_disjoint(resources)
            }
            _ => false,
        }
    }

    /// Does it to a share.
    pub fn apply(&self, share: &mut Share) {
        match self {
            Self::Added { principals, resources } => {
                for (all, more) in
                    [(&mut share.principals, principals), (&mut share.resources, resources)]
                {
                    let room = MAX_SHARED.saturating_sub(all.len());
                    all.extend(more.iter().take(room).cloned());
                }
            }
            Self::Removed { principals, resources } => {
                share.principals.retain(|it| !principals.contains(it));
                share.resources.retain(|it| !resources.contains(it));
            }
            Self::Set { name, admits_strangers } => {
                share.name = name.clone().unwrap_or_else(|| share.name.clone());
                share.admits_strangers = admits_strangers.or(share.admits_strangers);
            }
        }
    }
}

impl Share {
    /// Returns what the share lets do with one of its resources; nothing while nobody is in it.
    pub fn document(&self, resource: &str) -> Option<Text> {
        let statements: Vec<Statement> =
            self.principals.iter().filter_map(|it| admitted(it, resource)).collect();
        let document = Document { language: Language::Of2012, statements };
        (!document.statements.is_empty()).then(|| Text::Known(document.into()))
    }
}

/// Returns the statement that lets a principal of a share in.
fn admitted(principal: &str, resource: &str) -> Option<Statement> {
    let last = || principal.rsplit_once(":").map(|(_, last)| last);
    let (who, condition) = match principal.split(':').nth(2) {
        _ if is_account(principal) => (account(principal), None),
        Some("organizations") => {
            let mut parts = last()?.split('/');
            let (sort, organization) = (parts.next()?, parts.next()?);
            let condition = match (sort, parts.next()) {
                ("ou", Some(unit)) => condition(
                    (Over::Any, Test::StringLike),
                    "aws:principalorgpaths",
                    vec![format!("{organization}/*/{unit}/*").into()],
                ),
                _ => condition(
                    (Over::One, Test::StringEquals),
                    "aws:principalorgid",
                    vec![organization.into()],
                ),
            };
            (Principal::Everyone, Some(condition))
        }
        Some(_) => (Principal::Aws(principal.into()), None),
        None => (Principal::Service(principal.into()), None),
    };
    Some(allow((who, condition.into_iter().collect()), vec![USE.into()], resource))
}

/// Returns a line about access with what stands for a share's permissions in words.
pub fn in_words(line: String) -> String {
    if line.contains(USE) { line.replace(USE, USE_IN_WORDS) } else { line }
}

/// A grant on a key, as the call or the list of them tells it.
#[derive(Debug, Default)]
pub struct KeyGrant {
    /// ARN of the key.
    pub key: Box<str>,
    /// Who may use it.
    pub grantee: Box<str>,
    /// Who may end the grant; empty where nobody is named.
    pub retiring: Box<str>,
    /// `Decrypt`, `GenerateDataKey`, …
    pub operations: Vec<Box<str>>,
    /// The encryption context that has to be given, all of it and no more.
    pub context_equals: BTreeMap<Box<str>, Box<str>>,
    /// The encryption context that has to be given, among others.
    pub context_subset: BTreeMap<Box<str>, Box<str>>,
    /// Of a service: for which resource it has to act.
    pub source_arn: Option<Box<str>>,
}

impl KeyGrant {
    /// Returns whether an AWS service, or a role of one, is whom it lets in.
    pub fn is_for_service(&self) -> bool {
        let it = &self.grantee;
        it.ends_with(".amazonaws.com")
            || it.contains(":role/aws-service-role/")
            || it.contains(":assumed-role/aws:")
    }

    /// Returns what it lets do.
    pub fn document(&self) -> Text {
        let mut conditions = Vec::new();
        let one = (Over::One, Test::StringEquals);
        for (key, value) in self.context_equals.iter().chain(&self.context_subset) {
            let key = format!("kms:encryptioncontext:{}", key.to_ascii_lowercase());
            conditions.push(condition(one, &key, vec![value.clone()]));
        }
        if !self.context_equals.is_empty() {
            let keys = self.context_equals.keys().cloned().collect();
            let all = (Over::All, Test::StringEquals);
            conditions.push(condition(all, "kms:encryptioncontextkeys", keys));
        }
        if let Some(arn) = &self.source_arn {
            conditions.push(condition(
                (Over::One, Test::ArnLike),
                "aws:sourcearn",
                vec![arn.clone()],
            ));
        }
        conditions.sort();
        conditions.dedup();
        let mut actions: Vec<Box<str>> = self
            .operations
            .iter()
            .map(|it| format!("kms:{}", it.to_ascii_lowercase()).into())
            .collect();
        actions.sort();
        actions.dedup();
        let mut statements =
            vec![allow((principal(&self.grantee), conditions), actions, &self.key)];
        if !self.retiring.is_empty() && !self.retiring.ends_with(".amazonaws.com") {
            let retire = vec!["kms:retiregrant".into()];
            statements.push(allow((principal(&self.retiring), Vec::new()), retire, &self.key));
        }
        Text::Known(Document { language: Language::Of2012, statements }.into())
    }
}

fn principal(name: &str) -> Principal {
    match name.ends_with(".amazonaws.com") {
        true => Principal::Service(name.into()),
        false if is_account(name) => account(name),
        false => Principal::Aws(name.into()),
    }
}

fn is_account(name: &str) -> bool {
    name.len() == 12 && name.bytes().all(|it| it.is_ascii_digit())
}

/// Returns a whole account, as policies are read: by the ARN of its root.
fn account(id: &str) -> Principal {
    Principal::Aws(format!("arn:aws:iam::{id}:root").into())
}

fn condition((over, test): (Over, Test), key: &str, values: Vec<Box<str>>) -> Condition {
    Condition { operator: Operator { over, test, if_exists: false }, key: key.into(), values }
}

fn allow(
    (who, conditions): (Principal, Vec<Condition>),
    actions: Vec<Box<str>>,
    resource: &str,
) -> Statement {
    Statement {
        sid: None,
        effect: Effect::Allow,
        principals: Some(Listed::Only(vec![who])),
        actions: Listed::Only(actions),
        resources: Some(Listed::Only(vec![resource.into()])),
        conditions,
    }
}

/// Returns the principals that a share or a grant lets in, as text.
pub fn named(document: &Document) -> BTreeSet<Box<str>> {
    let lists = document.statements.iter().filter_map(|it| it.principals.as_ref());
    let all = lists.flat_map(|list| match list {
        Listed::Only(all) | Listed::AllBut(all) => all,
    });
    let names = all.filter_map(|it| match it {
        Principal::Aws(name) => {
            Some(match name.split(':').nth(4).zip(name.ends_with(":root").then_some(())) {
                Some((account, ())) => account.into(),
                None => name.clone(),
            })
        }
        Principal::Service(name) => Some(name.clone()),
        _ => None,
    });
    names.collect()
}
