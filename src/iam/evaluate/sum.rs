//! What a set of policies says together: any Deny counts, any Allow counts.
//!
//! Invariant: every statement that counted is kept with its policy, so that the decision can be explained.

use std::fmt;

use crate::iam::evaluate::Because;
use crate::iam::evaluate::principal::Named;
use crate::iam::evaluate::scene::Scene;
use crate::iam::evaluate::statement;
use crate::iam::evaluate::statement::Said;
use crate::iam::evaluate::truth::Truth;
use crate::iam::policy::Effect;
use crate::iam::policy::Text;

/// What policies say together.
#[derive(Debug, Clone)]
pub(in crate::iam) struct Sum {
    /// Whether one denies.
    pub deny: Truth,
    /// Whether one allows, by how directly it names who acts.
    pub allow: Named,
}

impl Sum {
    /// No policy at all.
    pub(in crate::iam) const NONE: Self = Self {
        deny: Truth::False,
        allow: Named { direct: Truth::False, role: Truth::False, account: Truth::False },
    };

    /// Adds what a statement says.
    pub(in crate::iam) fn add(&mut self, said: Said) {
        let old = std::mem::replace(self, Self::NONE);
        *self = match said.effect {
            Effect::Deny => Self { deny: old.deny.or(said.named.at_all()), allow: old.allow },
            Effect::Allow => Self { deny: old.deny, allow: old.allow.or(said.named) },
        };
    }

    /// Adds a policy of which the text is not known: it may allow and it may deny.
    fn add_unknown(&mut self, need: &str) {
        let old = std::mem::replace(self, Self::NONE);
        let may = Truth::needs(need);
        let may_allow = Named { direct: may.clone(), role: Truth::False, account: Truth::False };
        *self = Self { deny: old.deny.or(may), allow: old.allow.or(may_allow) };
    }
}

/// Where a policy is.
#[derive(Debug, Clone, Copy)]
pub(in crate::iam) enum Place<'a> {
    /// An inline policy of a user, group or role.
    Inline { name: &'a str, holder: &'a str },
    /// A managed policy that is attached to a user, group or role.
    Managed { arn: &'a str, holder: &'a str },
    /// The policies of a group.
    Group { name: &'a str },
    /// A managed policy that is a boundary.
    Boundary { arn: &'a str },
    /// A policy of the organisation that is attached to a root, unit or account.
    Attached { id: &'a str, name: &'a str, target: &'a str },
    /// A role's trust policy.
    Trust { role: &'a str },
    /// A resource's policy.
    Resource { arn: &'a str },
    /// A grant on a key.
    Grant { id: &'a str, key: &'a str },
}

impl Place<'_> {
    /// Returns what a decision depends on that depends on this policy's text.
    fn need(&self) -> String {
        match self {
            Self::Inline { name, holder } => format!("{holder}/{name}"),
            Self::Managed { arn, .. } | Self::Boundary { arn } | Self::Resource { arn } => {
                (*arn).to_owned()
            }
            Self::Attached { id, .. } => (*id).to_owned(),
            Self::Trust { role } => (*role).to_owned(),
            Self::Group { name } => format!("group {name}"),
            Self::Grant { id, key } => format!("{key}/grant/{id}"),
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline { name, holder } => write!(f, "inline policy {name} of {holder}"),
            Self::Managed { arn, holder } => write!(f, "{arn} of {holder}"),
            Self::Group { name } => write!(f, "group {name}"),
            Self::Boundary { arn } => write!(f, "permissions boundary {arn}"),
            Self::Attached { id, name: "", target } => {
                write!(f, "{id} at {target}")
            }
            Self::Attached { id, name, target } => write!(f, "{id} ({name}) at {target}"),
            Self::Trust { role } => write!(f, "trust policy of {role}"),
            Self::Resource { arn } => write!(f, "policy of {arn}"),
            Self::Grant { id, key } => write!(f, "grant {id} on {key}"),
        }
    }
}

/// Gathers what policies say, with what has to be told of them.
#[derive(Debug, Default)]
pub(in crate::iam) struct Gathered {
    /// Statements that hold or may.
    hits: Vec<(String, Said)>,
    /// What is not known and could change the decision.
    pub missing: Vec<Box<str>>,
}

impl Gathered {
    /// Adds what a policy says to `sum`.
    pub(in crate::iam) fn policy(
        &mut self,
        scene: &Scene<'_>,
        sum: &mut Sum,
        place: &Place<'_>,
        text: &Text,
    ) {
        match text {
            Text::Known(document) => {
                for said in statement::said(scene, document) {
                    sum.add(said.clone());
                    self.hits.push((place.to_string(), said));
                }
            }
            Text::Unknown(why) => {
                sum.add_unknown(&place.need());
                self.miss(format!("{place}: its text is not known: {why}"));
            }
        }
    }

    /// Adds a policy that is named and nowhere to be found.
    pub(in crate::iam) fn lost(&mut self, sum: &mut Sum, place: &Place<'_>) {
        sum.add_unknown(&place.need());
        self.miss(format!("{place}: its text was not read"));
    }

    /// Adds something that is not known.
    pub(in crate::iam) fn miss(&mut self, what: impl Into<Box<str>>) {
        let what = what.into();
        if !self.missing.contains(&what) {
            self.missing.push(what);
        }
    }

    /// Returns the statements that `effect` for sure, or that may.
    pub(in crate::iam) fn because(&self, effect: Effect, is_wanted: Sure) -> Vec<Because> {
        let mut all = Vec::new();
        for (policy, said) in self.hits.iter().filter(|(_, said)| said.effect == effect) {
            let named = said.named.clone().at_all();
            let verb = if effect == Effect::Allow { "allow" } else { "deny" };
            let why = match (named, is_wanted) {
                (Truth::True, Sure::ForSure) => match effect {
                    Effect::Allow => "allows".to_owned(),
                    Effect::Deny => "denies".to_owned(),
                },
                (Truth::Unknown(needs), Sure::Perhaps) => {
                    let needs: Vec<&str> = needs.iter().map(|need| &**need).collect();
                    format!("may {verb}: depends on {}", needs.join(", "))
                }
                _ => continue,
            };
            let policy = policy.as_str().into();
            all.push(Because { policy, statement: Some(said.at), why: why.into() });
        }
        all
    }
}

/// How sure it is that a statement holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::iam) enum Sure {
    /// Whatever is not known.
    ForSure,
    /// It depends.
    Perhaps,
}
