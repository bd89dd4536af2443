//! Where an act is done and with what: accounts, roles, permission sets, session tags, resources and their tags.
//!
//! Invariant: what is not given fits everything; what is given and not known of the act does not fit.

use std::collections::BTreeMap;

use crate::grants::config::Exempt;
use crate::grants::surface::Actions;
use crate::grants::surface::Entry;
use crate::grants::surface::GIVEN;
use crate::grants::surface::GIVEN_PLACE;
use crate::grants::tags;
use crate::grants::tags::Wanted;
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
    pub resource_tags: Wanted,
}

impl Where {
    /// Returns whether one of the act's resources fits, by ARN and tags, and all else does.
    pub fn fits(&self, act: &Act<'_>) -> bool {
        let is_meant = |(place, resource): (usize, &&str)| {
            self.is_named(resource) && tags::fit(&self.resource_tags, tags_of(act, place))
        };
        self.fits_but_resources(act)
            && (self.means_any_resource() || act.resources.iter().enumerate().any(is_meant))
    }

    /// Returns whether every one of the act's resources fits, by ARN and tags, and all else does.
    fn fits_wholly(&self, act: &Act<'_>) -> bool {
        let is_meant = |(place, resource): (usize, &&str)| {
            self.is_named(resource) && tags::fit_wholly(&self.resource_tags, tags_of(act, place))
        };
        let all_fit =
            || !act.resources.is_empty() && act.resources.iter().enumerate().all(is_meant);
        self.fits_but_resources(act) && (self.means_any_resource() || all_fit())
    }

    /// Returns whether it would fit if the act's resources had other tags.
    pub fn fits_but_tags(&self, act: &Act<'_>) -> bool {
        let is_meant = |resource: &&str| self.is_named(resource);
        self.fits_but_resources(act)
            && (self.means_any_resource() || act.resources.iter().any(is_meant))
    }

    /// Returns whether it asks for tags of resources.
    pub fn asks_tags(&self) -> bool {
        !self.resource_tags.is_empty()
    }

    fn means_any_resource(&self) -> bool {
        self.resources.is_empty() && self.resource_tags.is_empty()
    }

    fn is_named(&self, resource: &str) -> bool {
        self.resources.is_empty() || self.resources.iter().any(|glob| glob.matches(resource))
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

/// Returns what is known of the tags of the act's resource at `place`.
fn tags_of<'a>(act: &Act<'a>, place: usize) -> &'a [(&'a str, &'a str)] {
    act.resource_tags.get(place).map_or(&[], |known| known.as_slice())
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
                resource_tags: exempt.resource_tags.clone(),
            },
        }
    }

    /// Returns whether it exempts `act` from the entry at `place`.
    pub fn holds(&self, place: usize, act: &Act<'_>) -> bool {
        self.is_of(act)
            && self.entries.as_ref().is_none_or(|entries| entries.contains(&place))
            && self.at.fits_wholly(act)
    }

    /// Returns whether tags of the act's resources decide whether it exempts `act` from some entry.
    pub fn hangs_on_tags(&self, act: &Act<'_>) -> bool {
        self.at.asks_tags() && self.is_of(act) && self.at.fits_but_tags(act)
    }

    /// Returns whether it is about who acts, what is done and when.
    fn is_of(&self, act: &Act<'_>) -> bool {
        let is_named = |glob: &Glob| glob.matches_in_any_case(act.identity);
        act.time < self.ends
            && (self.identities.is_empty() || self.identities.iter().any(is_named))
            && (self.actions.is_empty() || self.actions.hold(&act.action.to_ascii_lowercase()))
    }
}
