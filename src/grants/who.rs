//! Who acted, and whether a grant's principal is that.
//!
//! Invariant: ids that never change come before names, and a name that the caller chooses counts for nothing by itself.
//! An identity that could be somebody else's is never more than ambiguous.

use smallvec::SmallVec;

use crate::grants::glob::fits;
use crate::grants::glob::fits_in_any_case;
use crate::grants::glob::is_glob;
use crate::grants::grant::Principal;
use crate::grants::grant::Version;
use crate::grants::index::Index;
use crate::grants::index::Key;
use crate::grants::index::Sort;
use crate::grants::role::Role;
use crate::grants::role::split_arn;
use crate::grants::verdict::Act;
use crate::model::Confidence;

/// Who acted, taken apart.
#[derive(Debug)]
pub(super) struct Actor<'a> {
    act: &'a Act<'a>,
    /// The roles taken, first to last; the last is the one in use.
    pub roles: SmallVec<[Role<'a>; 4]>,
    pub sure: Confidence,
    pub is_root: bool,
}

/// That a principal is the actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hit {
    /// The first of the actor's roles that may be the granted one.
    pub from: usize,
    /// How many roles, from the first on, are the principal's own.
    pub owned: usize,
    pub sure: Confidence,
}

impl<'a> Actor<'a> {
    /// Takes apart who did `act`.
    pub fn of(act: &'a Act<'a>) -> Self {
        let mut roles: SmallVec<[Role<'a>; 4]> =
            act.chain.iter().filter_map(|link| Role::parse(link)).collect();
        match (Role::parse(act.role_arn), roles.last_mut()) {
            (Some(role), Some(last)) if last.is_same(&role) => *last = role,
            (Some(role), _) => roles.push(role),
            (None, _) => {}
        }
        if !act.permission_set.is_empty() {
            match roles.last_mut() {
                Some(last) if last.set.is_empty() => last.set = act.permission_set,
                Some(_) => {}
                None => {
                    let (account, set) = (act.account, act.permission_set);
                    roles.push(Role { arn: "", account, name: "", set });
                }
            }
        }
        // `ACCOUNT/root`, the end of a chain that led to root; a role may be called so as well.
        let is_root_of = |link: &String| link.split_once('/').is_some_and(|(_, it)| it == "root");
        let is_as_root = act.chain.last().is_some_and(is_root_of);
        let is_root = act.identity.starts_with("root:") || is_as_root;
        Self { act, roles, sure: Confidence::named(act.confidence), is_root }
    }

    /// Returns the keys under which grants that name this actor stand.
    pub fn keys(&self, index: &Index) -> SmallVec<[Key; 16]> {
        self.keys_of(|sort| index.has(sort))
    }

    /// Returns the keys under which any grant that names this actor would stand.
    pub fn all_keys(&self) -> SmallVec<[Key; 16]> {
        self.keys_of(|_| true)
    }

    fn keys_of(&self, wants: impl Fn(Sort) -> bool) -> SmallVec<[Key; 16]> {
        let act = self.act;
        let mut keys = SmallVec::new();
        let mut put = |sort, text: &str, key: fn(Sort, &str) -> Key| {
            if !text.is_empty() && wants(sort) {
                keys.push(key(sort, text));
            }
        };
        for account in [act.caller_account, act.delegate] {
            put(Sort::Account, account, Key::exact);
        }
        for name in self.names() {
            match name.split_once(':') {
                Some(("person", name)) => put(Sort::UserName, name, Key::folded),
                Some(("user", name)) => put(Sort::IamUser, name, Key::exact),
                Some(("root" | "external", account)) => put(Sort::Account, account, Key::exact),
                Some(("workload", _)) => {
                    let subject = oidc_subject(name).unwrap_or_default();
                    put(Sort::OidcSubject, subject, Key::exact);
                    put(Sort::OidcSubjects, subject, |sort, _| Key::exact(sort, ""));
                }
                _ => {}
            }
        }
        if self.is_root {
            put(Sort::Account, act.account, Key::exact);
        }
        put(Sort::UserId, act.user_id, Key::exact);
        put(Sort::SourceIdentity, act.source_identity, Key::folded);
        for group in act.groups {
            put(Sort::Group, group, Key::exact);
        }
        for role in &self.roles {
            put(Sort::RolesOf, role.account, Key::exact);
            put(Sort::Roles, role.account, |sort, _| Key::exact(sort, ""));
        }
        if wants(Sort::Role) {
            let key = |role: &Role<'_>| Key::pair(Sort::Role, role.account, role.lasting_name());
            keys.extend(self.roles.iter().map(key));
        }
        // The order is part of the answer where several grants cover: it stays that of the act.
        let mut seen: SmallVec<[Key; 16]> = SmallVec::new();
        keys.retain(|key| {
            let is_new = !seen.contains(key);
            seen.push(*key);
            is_new
        });
        keys
    }

    /// Returns how `principal` of `version` is this actor, if it is.
    pub fn hit(&self, version: &Version, principal: &Principal) -> Option<Hit> {
        let (act, all) = (self.act, self.roles.len());
        if let Principal::Account { account } = principal {
            return self.hit_account(version, account);
        }
        // Root answers to nobody, and a vendor's act is the vendor's: neither is covered by what others were given.
        if self.is_root || !act.delegate.is_empty() {
            return None;
        }
        let named = |is_it: bool| is_it.then_some(Hit { from: 0, owned: 0, sure: self.sure });
        match principal {
            Principal::IdcUser { user_id, user_name, .. } => {
                let by_id = !user_id.is_empty() && !act.user_id.is_empty();
                named(if by_id { **user_id == *act.user_id } else { self.is_person(user_name) })
            }
            Principal::IdcGroup { group_id, .. } => {
                named(act.groups.iter().any(|group| **group == **group_id))
            }
            Principal::IamUserArn { arn } => {
                let user = user_of(arn)?;
                named(self.named("user").any(|(account, name)| (account, name) == user))
            }
            Principal::IamRoleArn { arn } => self.hit_role(arn),
            Principal::AssumedRole { role_arn, session_name } => {
                let hit = self.hit_role(role_arn).filter(|hit| hit.owned == all)?;
                let is_session = !act.session_name.is_empty()
                    && names_a_role(role_arn)
                    && match session_name.contains('@') {
                        true => fits_in_any_case(session_name, act.session_name),
                        false => fits(session_name, act.session_name),
                    };
                is_session.then_some(hit)
            }
            // It goes along into every role, so that the session in use is the principal's itself.
            Principal::SourceIdentity { value } => {
                let is_it = !value.is_empty() && same_folded(value, act.source_identity);
                // Whoever takes a role may put on any name that the role's trust policy does not pin.
                let is_borrowed = self.people().any(|name| !is_same_person(name, value));
                let sure = if is_borrowed { Confidence::Ambiguous } else { self.sure };
                is_it.then_some(Hit { from: 0, owned: all, sure })
            }
            Principal::SamlSubject { subject } => named(self.is_person(subject)),
            Principal::OidcSubject { provider, subject } => {
                let is_workload = || {
                    let mut subjects = self.names().filter_map(oidc_subject);
                    subjects.any(|found| is_subject(provider, subject, found))
                };
                named(self.is_person(subject) || is_workload())
            }
            Principal::Account { .. } => None,
        }
    }

    /// Returns how `version` is the actor's own, whose session was issued under it: whatever it has is the grant's.
    pub fn bound_by(&self, version: &Version) -> Option<Hit> {
        let act = self.act;
        let is_bound = !act.bound.is_empty() && *version.id.0 == *act.bound;
        let is_its_own = is_bound && !self.is_root && act.delegate.is_empty();
        is_its_own.then_some(Hit { from: 0, owned: self.roles.len(), sure: Confidence::Exact })
    }

    /// An account's own grants; root's have to be of an emergency.
    fn hit_account(&self, version: &Version, account: &str) -> Option<Hit> {
        let (act, all) = (self.act, self.roles.len());
        let exactly = |owned| Some(Hit { from: 0, owned, sure: Confidence::Exact });
        if account.is_empty() {
            return None;
        }
        if !act.delegate.is_empty() {
            return if account == act.delegate { exactly(all) } else { None };
        }
        if self.is_root {
            let owner = if act.account.is_empty() { act.caller_account } else { act.account };
            return if version.break_glass && account == owner { exactly(all) } else { None };
        }
        if account == act.caller_account {
            return exactly(all);
        }
        let is_from = self.names().any(|name| name.strip_prefix("external:") == Some(account));
        is_from.then_some(Hit { from: 0, owned: 0, sure: self.sure })
    }

    /// The last of the roles that `glob` fits. What role is in use the record says itself.
    fn hit_role(&self, glob: &str) -> Option<Hit> {
        let at = self.roles.iter().rposition(|role| role.fits(glob))?;
        let is_own = at + 1 == self.roles.len();
        let sure = if is_own { Confidence::Exact } else { self.sure };
        Some(Hit { from: at, owned: at + 1, sure })
    }

    fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let (identity, origin) = (self.act.identity, self.act.origin);
        let further = if origin == identity { None } else { Some(origin) };
        std::iter::once(identity).chain(further)
    }

    /// The account and the name of each canonical name of `kind`.
    fn named(&self, kind: &'static str) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.names()
            .filter_map(move |name| name.strip_prefix(kind)?.strip_prefix(':')?.split_once('/'))
    }

    /// The names of persons and IAM users among the canonical names.
    fn people(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let users = self.named("user").map(|(_, name)| name);
        self.names().filter_map(|name| name.strip_prefix("person:")).chain(users)
    }

    fn is_person(&self, wanted: &str) -> bool {
        let mut people = self.names().filter_map(|name| name.strip_prefix("person:"));
        !wanted.is_empty() && people.any(|name| same_folded(name, wanted))
    }
}

/// Returns whether two names may be those of one person, one of them without its domain.
fn is_same_person(one: &str, other: &str) -> bool {
    match (one.split_once('@'), other.split_once('@')) {
        (Some((local, _)), None) => same_folded(local, other),
        (None, Some((local, _))) => same_folded(one, local),
        _ => same_folded(one, other),
    }
}

/// Puts the keys that a grant to `principal` is found by into `keys`.
pub(super) fn keys_of(principal: &Principal, keys: &mut SmallVec<[Key; 4]>) {
    match principal {
        Principal::IdcUser { user_id, user_name, .. } => {
            if !user_id.is_empty() {
                keys.push(Key::exact(Sort::UserId, user_id));
            }
            if !user_name.is_empty() {
                keys.push(Key::folded(Sort::UserName, user_name));
            }
        }
        Principal::IdcGroup { group_id, .. } => keys.push(Key::exact(Sort::Group, group_id)),
        Principal::IamUserArn { arn } => {
            if let Some((account, name)) = user_of(arn) {
                keys.push(Key::pair(Sort::IamUser, account, name));
            }
        }
        Principal::IamRoleArn { arn } | Principal::AssumedRole { role_arn: arn, .. } => {
            keys.push(match (Role::parse(arn), split_arn(arn)) {
                (Some(role), _) if !is_glob(arn) => {
                    Key::pair(Sort::Role, role.account, role.lasting_name())
                }
                (_, Some((account, _))) if !is_glob(account) => Key::exact(Sort::RolesOf, account),
                _ => Key::exact(Sort::Roles, ""),
            });
        }
        Principal::SourceIdentity { value } => keys.push(Key::folded(Sort::SourceIdentity, value)),
        Principal::SamlSubject { subject } => keys.push(Key::folded(Sort::UserName, subject)),
        Principal::OidcSubject { provider, subject } => {
            keys.push(Key::folded(Sort::UserName, subject));
            keys.push(match provider.is_empty() || is_glob(subject) {
                true => Key::exact(Sort::OidcSubjects, ""),
                false => Key::pair(Sort::OidcSubject, host(provider), subject),
            });
        }
        Principal::Account { account } => keys.push(Key::exact(Sort::Account, account)),
    }
}

/// Returns account and name of an IAM user; the path is left out, as names are unique.
pub(super) fn user_of(arn: &str) -> Option<(&str, &str)> {
    let (account, resource) = split_arn(arn)?;
    Some((account, resource.strip_prefix("user/")?.rsplit('/').next()?))
}

/// Returns whether a glob over roles names one, or some; "any role" leaves nothing but the session's name.
fn names_a_role(glob: &str) -> bool {
    let named = glob.rsplit_once("role/").map(|(_, named)| named);
    let name = named.and_then(|named| named.rsplit('/').next()).unwrap_or_default();
    name.bytes().any(|byte| !matches!(byte, b'*' | b'?'))
}

/// Returns `HOST/SUBJECT` of `workload:ACCOUNT/oidc/HOST/SUBJECT`.
fn oidc_subject(name: &str) -> Option<&str> {
    let (_, subject) = name.strip_prefix("workload:")?.split_once("/oidc/")?;
    Some(subject)
}

/// Returns whether `found`, a provider's host and its subject, is `subject` of `provider`.
fn is_subject(provider: &str, subject: &str, found: &str) -> bool {
    if subject.is_empty() {
        return false;
    }
    if !provider.is_empty() {
        let found = found.strip_prefix(host(provider)).and_then(|rest| rest.strip_prefix('/'));
        return found.is_some_and(|found| fits(subject, found));
    }
    // Hosts and subjects may both hold slashes.
    let mut rest = found;
    while let Some((_, subject_found)) = rest.split_once('/') {
        if fits(subject, subject_found) {
            return true;
        }
        rest = subject_found;
    }
    false
}

/// Returns the host of a provider's ARN or address.
fn host(provider: &str) -> &str {
    let host = provider.rsplit_once("oidc-provider/").map_or(provider, |(_, host)| host);
    let host = host.strip_prefix("https://").unwrap_or(host);
    host.trim_end_matches('/')
}

/// Returns whether two names are the same but for upper and lower case.
fn same_folded(one: &str, other: &str) -> bool {
    let folded =
        |text: &'_ str| text.chars().flat_map(char::to_lowercase).collect::<SmallVec<[char; 64]>>();
    one.eq_ignore_ascii_case(other)
        || (!(one.is_ascii() && other.is_ascii()) && folded(one) == folded(other))
}
