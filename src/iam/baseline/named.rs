//! What a person means who names something to be agreed on.
//!
//! Invariant: a name means the same in what is agreed on and in what is shown of it.

use std::collections::BTreeSet;

use crate::iam::baseline::Departure;
use crate::iam::baseline::agree;
use crate::iam::baseline::targets;
use crate::iam::drift::effect::Target;
use crate::iam::drift::effect::kind_of;
use crate::iam::policy::Kind;
use crate::iam::state::State;

/// Something that somebody named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// `organization`: its tree, its policies and where they are attached.
    Organization,
    /// `identity-center`: permission sets, who has them, who is in which group.
    IdentityCenter,
    /// An account by its id: everything in it, and what is attached to it.
    Account(Box<str>),
    /// A policy of the organisation by its id or ARN.
    Control(Box<str>),
    /// A user, group, role, managed policy, resource, security group, share or permission set by its ARN; a root or unit by its
    /// id.
    One(Box<str>),
}

/// Why something cannot be agreed on by itself.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NamedError {
    /// Neither what stands nor the baseline has it.
    #[error("neither what stands nor the baseline has `{0}`")]
    Nowhere(String),
    /// The baseline would then say that there is nothing else.
    #[error(
        "the baseline says nothing of {place} yet, and with one thing of it alone it would say that there is nothing else: \
         agree on all of it first, with `--target {place}`"
    )]
    Alone {
        /// What has to be agreed on first.
        place: &'static str,
    },
}

impl Named {
    /// Reads a name.
    pub fn read(text: &str) -> Self {
        let is_account = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
        let id = match text.starts_with("arn:aws:organizations:") {
            true => text.rsplit('/').next().unwrap_or(text),
            false => text,
        };
        match text {
            "organization" => Self::Organization,
            "identity-center" => Self::IdentityCenter,
            _ if is_account => Self::Account(text.into()),
            _ if id.starts_with("p-") => Self::Control(id.into()),
            _ => Self::One(id.into()),
        }
    }

    /// Returns whether `departure` is one of what is named.
    pub fn covers(&self, departure: &Departure) -> bool {
        let Departure { target, arn, items, .. } = departure;
        let is_of_organization =
            matches!(target, Target::Node { .. } | Target::Organization { .. });
        match self {
            Self::Organization => is_of_organization,
            Self::IdentityCenter => matches!(target, Target::Set { .. }),
            Self::Account(id) => target.account() == &**id || (is_of_organization && arn == id),
            Self::Control(id) => {
                let item = format!("attached/{id}");
                is_of_organization && (arn == id || items.iter().any(|it| **it == *item))
            }
            Self::One(name) => {
                let of_share = format!("share/{name}");
                arn == name || items.iter().any(|it| **it == *of_share)
            }
        }
    }

    /// Returns whether what should stand or what does has it.
    pub fn is_in(&self, baseline: &State, now: &State) -> bool {
        let has = |state: &State| match self {
            Self::Organization => state.organization.is_some(),
            Self::IdentityCenter => !state.identity_center.sets.is_empty(),
            Self::Account(id) => {
                let organization = state.organization.as_ref();
                state.accounts.contains_key(id)
                    || organization.is_some_and(|it| it.attached.contains_key(id))
            }
            Self::Control(_) => false,
            Self::One(name) => state.accounts.values().any(|it| it.shares.contains_key(name)),
        };
        has(baseline) || has(now) || !self.targets(baseline, now).is_empty()
    }

    /// Makes `baseline` say of what is named what stands now; returns what that is, by ARN or id.
    ///
    /// # Errors
    /// When there is no such thing, or when it would be all that the baseline says of where it is.
    pub fn agree(&self, baseline: &mut State, now: &State) -> Result<Vec<Box<str>>, NamedError> {
        let nowhere = |name: &str| Err(NamedError::Nowhere(name.to_owned()));
        match self {
            Self::Organization if now.organization.is_none() => return nowhere("organization"),
            Self::Organization => {
                baseline.organization.clone_from(&now.organization);
                return Ok(vec!["organization".into()]);
            }
            Self::IdentityCenter if now.identity_center.sets.is_empty() => {
                return nowhere("identity-center");
            }
            Self::IdentityCenter => {
                baseline.identity_center.clone_from(&now.identity_center);
                return Ok(vec!["identity-center".into()]);
            }
            Self::Account(id) if now.accounts.contains_key(id) => {
                agree::agree_account(baseline, now, id);
            }
            _ => {}
        }
        let all = self.targets(baseline, now);
        let is_account = matches!(self, Self::Account(id) if now.accounts.contains_key(id));
        if all.is_empty() && !is_account {
            return match self {
                Self::Account(name) | Self::Control(name) | Self::One(name) => nowhere(name),
                Self::Organization | Self::IdentityCenter => Ok(Vec::new()),
            };
        }
        for target in &all {
            alone(baseline, target)?;
            agree::agree(baseline, now, target);
        }
        let names: BTreeSet<Box<str>> = all.iter().map(|target| target.arn(now)).collect();
        match self {
            Self::Account(id) => Ok(vec![id.clone()]),
            _ => Ok(names.into_iter().collect()),
        }
    }

    /// Returns the targets that are named and agreed on one by one.
    fn targets(&self, baseline: &State, now: &State) -> BTreeSet<Target> {
        match self {
            Self::Organization | Self::IdentityCenter => BTreeSet::new(),
            Self::Account(id) => {
                let has = |state: &State| {
                    let organization = state.organization.as_ref();
                    organization.is_some_and(|it| it.attached.contains_key(id))
                };
                let kinds = [Kind::ServiceControl, Kind::ResourceControl];
                let all = kinds.map(|kind| Target::Node { id: id.clone(), kind });
                let is_held = baseline.organization.is_some() && (has(baseline) || has(now));
                all.into_iter().filter(|_| is_held).collect()
            }
            Self::Control(id) => {
                let known = [now, baseline].into_iter().find_map(|state| {
                    let policy = state.organization.as_ref()?.policies.get(id)?;
                    Some(kind_of(&policy.kind).unwrap_or(Kind::ServiceControl))
                });
                known
                    .map(|kind| Target::Organization { id: id.clone(), kind })
                    .into_iter()
                    .collect()
            }
            Self::One(name) => {
                let of = |state| targets(state).filter(|target| target.arn(state) == *name);
                of(baseline).chain(of(now)).collect()
            }
        }
    }
}

/// Refuses to make `target` the only thing that the baseline says of Identity Center or of the organisation.
fn alone(baseline: &State, target: &Target) -> Result<(), NamedError> {
    let (is_first, place) = match target {
        Target::Set { .. } => (baseline.identity_center.sets.is_empty(), "identity-center"),
        Target::Node { .. } | Target::Organization { .. } => {
            (baseline.organization.is_none(), "organization")
        }
        _ => (false, ""),
    };
    match is_first {
        true => Err(NamedError::Alone { place }),
        false => Ok(()),
    }
}
