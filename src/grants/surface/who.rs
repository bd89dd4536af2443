//! Where an act is done and with what: accounts, roles, permission sets, session tags, resources.
//!
//! Invariant: what is not given fits everything; what is given and not known of the act does not fit.

use std::collections::BTreeMap;

use crate::grants::config::Exempt;
use crate::grants::surface::Actions;
use crate::grants::surface::Entry;
use crate::grants::surface::GIVEN;
use crate::grants::surface::GIVEN_PLACE;
use crate::grants::verdict::Act;
use crate::model::Glob;
use crate::model::Seconds;
use crate::model::Span;

/// Where an entry or an exemption holds.
#[derive(Debug, Default)]
pub(super) struct Where {
    pub accounts: Vec<String>,
    pub roles: Vec<Glob>,
    pub permission_sets: Vec<Glob>,
    pub resources: Vec<Glob>,
    pub principal_tags: BTreeMap<String, Vec<Glob>>,
}

impl Where {
    /// Returns whether one of the act's resources fits, and all else does.
    pub fn fits(&self, act: &Act<'_>) -> bool {
        let is_meant = |resource: &&str| self.resources.iter().any(|glob| glob.matches(resource));
        self.fits_but_resources(act)
            && (self.resources.is_empty() || act.resources.iter().any(is_meant))
    }

    /// Returns whether every one of the act's resources fits, and all else does.
    fn fits_wholly(&self, act: &Act<'_>) -> bool {
        let is_meant = |resource: &&str| self.resources.iter().any(|glob| glob.matches(resource));
        let all_fit = || !act.resources.is_empty() && act.resources.iter().all(is_meant);
        self.fits_but_resources(act) && (self.resources.is_empty() || all_fit())
    }

    fn fits_but_resources(&self, act: &Act<'_>) -> bool {
        let is_set = |glob: &Glob| glob.matches(act.permission_set);
        (self.accounts.is_empty() || self.accounts.iter().any(|account| account == act.account))
            && (self.roles.is_empty() || is_role(&self.roles, act.role_arn))
            && (self.permission_sets.is_empty()
                || !act.permission_set.is_empty() && self.permission_sets.iter().any(is_set))
            && self.principal_tags.iter().all(|(key, globs)| is_tagged(act, key, globs))
    }
}

/// Returns whether the session of `act` is known to have the tag `key` with a value that fits one of `globs`.
fn is_tagged(act: &Act<'_>, key: &str, globs: &[Glob]) -> bool {
    let values = act.principal_tags.iter().filter_map(|tag| {
        let (name, value) = tag.split_at_checked(key.len())?;
        name.eq_ignore_ascii_case(key).then(|| value.strip_prefix('=')).flatten()
    });
    values.into_iter().any(|value| globs.iter().any(|glob| glob.matches(value)))
}

/// Returns whether the role at `arn` fits one of `globs`, by its ARN or its name.
pub(super) fn is_role(globs: &[Glob], arn: &str) -> bool {
    let name = arn.rsplit('/').next().unwrap_or(arn);
    !arn.is_empty() && globs.iter().any(|glob| glob.matches(arn) || glob.matches(name))
}

/// An exemption as it is asked.
#[derive(Debug)]
pub(super) struct Exemption {
    pub name: Box<str>,
    /// The first moment at which it does not hold any more.
    ends: Seconds,
    /// The entries it exempts from, by place; nothing: all.
    entries: Option<Vec<usize>>,
    identities: Vec<Glob>,
    actions: Actions,
    at: Where,
}

impl Exemption {
    pub fn of(exempt: &Exempt, entries: &[Entry]) -> Self {
        let place = |name: &String| match name.as_str() {
            GIVEN => Some(GIVEN_PLACE),
            name => entries.iter().position(|entry| *entry.name == *name),
        };
        let last = exempt.until.to_zoned(jiff::tz::TimeZone::UTC);
        let last = last.map_or(Seconds::default(), |day| Seconds(day.timestamp().as_second()));
        Self {
            name: exempt.name.as_str().into(),
            ends: last.plus(Span(86_400)),
            entries: match exempt.entries.is_empty() {
                true => None,
                false => Some(exempt.entries.iter().filter_map(place).collect()),
            },
            identities: exempt.identities.clone(),
            actions: Actions::of(&exempt.actions),
            at: Where {
                accounts: exempt.accounts.clone(),
                roles: exempt.roles.clone(),
                permission_sets: exempt.permission_sets.clone(),
                resources: exempt.resources.clone(),
                principal_tags: exempt.principal_tags.clone(),
            },
        }
    }

    /// Returns whether it exempts `act` from the entry at `place`.
    pub fn holds(&self, place: usize, act: &Act<'_>) -> bool {
        let is_named = |glob: &Glob| glob.matches_in_any_case(act.identity);
        act.time < self.ends
            && self.entries.as_ref().is_none_or(|entries| entries.contains(&place))
            && (self.identities.is_empty() || self.identities.iter().any(is_named))
            && (self.actions.is_empty() || self.actions.hold(&act.action.to_ascii_lowercase()))
            && self.at.fits_wholly(act)
    }
}
