//! Whether a way is open to one user or role that stands, and on what it could be used.
//!
//! Invariant: of the holder's own things and of what is there in its account, each is asked for by its ARN.

use std::rc::Rc;

use crate::iam::escalation::MAX_TARGETS;
use crate::iam::escalation::Open;
use crate::iam::escalation::Path;
use crate::iam::escalation::Strength;
use crate::iam::escalation::Target;
use crate::iam::escalation::everywhere::Seat;
use crate::iam::escalation::known::Need;
use crate::iam::escalation::known::Profile;
use crate::iam::escalation::known::Way;
use crate::iam::escalation::known::known;
use crate::iam::escalation::place::Place;
use crate::iam::escalation::place::Whose;
use crate::iam::escalation::reach::Asked;
use crate::iam::escalation::reach::Found;
use crate::iam::escalation::reach::join;
use crate::iam::holding::Holder;
use crate::iam::holding::account_of;
use crate::iam::pattern::arn_covers;
use crate::iam::trust;

/// What a place of a way comes to for a holder.
#[derive(Default)]
struct Taken {
    /// What is allowed of it, for each need of the place.
    found: Vec<Found>,
    targets: Vec<Target>,
    more: usize,
}

/// Returns the way if it is open to the holder of a seat.
pub(super) fn open(way: &'static Way, seat: &Seat<'_, '_>) -> Option<Open> {
    let assume = known().assume_role;
    let speaks = |need: &Need| {
        need.action == assume
            || seat.layers.identity.speaks_of(need.action)
            || seat.all.openings.speak_of(seat.arn(), need.action)
    };
    if !way.needs.iter().all(speaks) {
        return None;
    }
    if !way.passes.is_empty() && !seat.layers.identity.speaks_of(known().pass_role) {
        return None;
    }
    let mut open = Open { path: Path::new(way), targets: Vec::new(), more: 0 };
    for (at, service) in way.passes.iter().enumerate() {
        let profile = if at == 0 { way.profile } else { None };
        let taken = passed(seat, service, profile);
        open.path.rest_on(&taken.found, (at == 0).then_some("iam:PassRole"))?;
        if at == 0 {
            open.gain(taken);
        }
    }
    if let Some(service) = &way.runs_as {
        let there = seat.all.roles_for(seat.account_id(), service, way.profile);
        let others = there.iter().filter(|it| *it.arn != *seat.arn());
        if others.clone().count() == 0 && seat.account.is_whole {
            return None;
        }
        let targets: Vec<Target> = others.clone().take(MAX_TARGETS).cloned().collect();
        let more = others.count() - targets.len();
        open.gain(Taken { found: Vec::new(), targets, more });
    }
    for need in &way.needs {
        if need.place == Place::PolicyOfRole {
            // Asked for with the role.
            let found = policies_of_role(way, need, seat);
            open.path.rest_on(&found, Some(known().spelled(need.action)))?;
            continue;
        }
        let same: Vec<&Need> = way.needs.iter().filter(|it| it.place == need.place).collect();
        let taken = take(way, &same, seat);
        open.path.rest_on(&taken.found, Some(known().spelled(need.action)))?;
        if open.targets.is_empty() {
            open.gain(taken);
        }
    }
    Some(open)
}

impl Open {
    fn gain(&mut self, taken: Taken) {
        self.targets = taken.targets;
        self.more = taken.more;
    }
}

/// Returns what the needs of one place come to.
fn take(way: &Way, needs: &[&Need], seat: &Seat<'_, '_>) -> Taken {
    let Some(first) = needs.first() else { return Taken::default() };
    match &first.place {
        Place::Thing(pattern) => Taken { found: seat.all_of(needs, pattern), ..Taken::default() },
        Place::NewRole => {
            let pattern = format!("arn:*:iam::{}:role/*", seat.account_id());
            Taken { found: seat.all_of(needs, &pattern), ..Taken::default() }
        }
        Place::OwnUser | Place::OwnRole | Place::BoundedUser | Place::BoundedRole => {
            own(&first.place, needs, seat)
        }
        Place::OwnGroup => {
            let Holder::User(user) = seat.holder else { return Taken::default() };
            let groups = user.groups.iter().filter_map(|name| seat.account.groups.get(name));
            let found = groups.flat_map(|group| seat.all_of(needs, &group.arn));
            Taken { found: found.collect(), ..Taken::default() }
        }
        Place::OwnPolicy => {
            let policies = seat.own_policies();
            let changes = needs.iter().any(|it| known().spelled(it.action).contains("Default"));
            let has_others = |arn: &&str| match seat.account.policies.get(*arn) {
                Some(policy) if changes => policy.versions.len() > 1,
                _ => true,
            };
            let policies = policies.into_iter().filter(has_others);
            let found = policies.flat_map(|arn| seat.all_of(needs, arn));
            Taken { found: found.collect(), ..Taken::default() }
        }
        place => others(way, place, needs, seat),
    }
}

fn own(place: &Place, needs: &[&Need], seat: &Seat<'_, '_>) -> Taken {
    let is_user = matches!(seat.holder, Holder::User(_));
    let fits = match place {
        Place::OwnUser => is_user,
        Place::OwnRole => !is_user,
        Place::BoundedUser => is_user && seat.holder.entity().boundary.is_some(),
        _ => !is_user && seat.holder.entity().boundary.is_some(),
    };
    let found = if fits { seat.all_of(needs, seat.arn()) } else { Vec::new() };
    Taken { found, ..Taken::default() }
}

/// Returns what the needs come to of users, groups and roles besides the holder.
fn others(way: &Way, place: &Place, needs: &[&Need], seat: &Seat<'_, '_>) -> Taken {
    let takes = needs.iter().any(|need| need.action == known().assume_role);
    if takes {
        return roles_to_take(way, place, needs, seat);
    }
    let candidates = seat.all.candidates(seat.account_id(), place);
    let groups = match seat.holder {
        Holder::User(user) if *place == Place::OtherGroup => Some(&user.groups),
        Holder::Role(_) if *place == Place::OtherGroup => return Taken::default(),
        _ => None,
    };
    let is_other = |it: &&Target| {
        let is_member =
            groups.is_some_and(|groups| groups.contains(crate::iam::holding::name_of(&it.arn)));
        *it.arn != *seat.arn() && !is_member && has_policy(way, it, seat)
    };
    let pattern = place.pattern().replace("iam::*:", &format!("iam::{}:", seat.account_id()));
    let whole = seat.all_of(needs, &pattern);
    let is_plain = needs.iter().all(|need| !seat.layers.denies(need.action));
    let is_all = |it: &Found| it.keys.is_empty() && *it.resource == *pattern;
    if is_plain && let Some(all) = whole.iter().find(|it| is_all(it)) {
        return Taken::all(all, &candidates, is_other);
    }
    if whole.is_empty() {
        return Taken::default();
    }
    let mut taken = Taken::default();
    for target in candidates.iter().filter(is_other) {
        taken.add(target, seat.all_of(needs, &target.arn));
    }
    taken
}

/// Returns what comes of roles that the holder has to take.
fn roles_to_take(way: &Way, place: &Place, needs: &[&Need], seat: &Seat<'_, '_>) -> Taken {
    let mut taken = Taken::default();
    let rest: Vec<&Need> =
        needs.iter().copied().filter(|need| need.action != known().assume_role).collect();
    let mut found: Vec<(Target, Vec<Found>)> = Vec::new();
    for (arn, by_trust) in seat.may_take() {
        let strength = seat.all.strength(arn);
        let target = Target { strength, arn: arn.into() };
        let is_meant = match place {
            Place::StrongRole => strength <= Strength::CanEscalate,
            _ => account_of(arn) == seat.account_id() && has_policy(way, &target, seat),
        };
        if is_meant {
            let both = match rest.is_empty() {
                true => by_trust,
                false => join(&seat.all_of(&rest, arn), &by_trust),
            };
            found.push((target, both));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    for (target, found) in found {
        taken.add(&target, found);
    }
    taken
}

impl Taken {
    /// Every candidate: there may be thousands, and each would be found.
    fn all(found: &Found, candidates: &[Target], is_other: impl Fn(&&Target) -> bool) -> Self {
        let targets: Vec<Target> =
            candidates.iter().filter(&is_other).take(MAX_TARGETS).cloned().collect();
        // Of many, the holder itself may be one.
        let more = match targets.len() < MAX_TARGETS {
            true => 0,
            false => candidates.len().saturating_sub(MAX_TARGETS + 1),
        };
        let found = if targets.is_empty() { Vec::new() } else { vec![found.clone()] };
        Self { found, targets, more }
    }

    fn add(&mut self, target: &Target, found: Vec<Found>) {
        if found.is_empty() {
            return;
        }
        // Enough to say on what it rests: what is sure is never left out for what is not.
        let is_sure = found.iter().any(|it| it.keys.is_empty());
        let has_sure = self.found.iter().any(|it| it.keys.is_empty());
        if self.found.len() < MAX_TARGETS || (is_sure && !has_sure) {
            self.found.extend(found);
        }
        match self.targets.len() < MAX_TARGETS {
            true => self.targets.push(target.clone()),
            false => self.more += 1,
        }
    }
}

/// Returns whether a role has a policy that the holder may rewrite, if that is how the way goes.
fn has_policy(way: &Way, target: &Target, seat: &Seat<'_, '_>) -> bool {
    let Some(need) = way.needs.iter().find(|need| need.place == Place::PolicyOfRole) else {
        return true;
    };
    !rewritable(need, &target.arn, seat).is_empty()
}

fn rewritable(need: &Need, role: &str, seat: &Seat<'_, '_>) -> Vec<Found> {
    let Some(role) = seat.all.trusts.role(role) else { return Vec::new() };
    let own = role.entity.attached.iter().filter(|arn| account_of(arn) == seat.account_id());
    own.flat_map(|arn| seat.all_of(&[need], arn)).collect()
}

fn policies_of_role(way: &Way, need: &Need, seat: &Seat<'_, '_>) -> Vec<Found> {
    let Some(role) = way.needs.iter().find(|it| it.place != Place::PolicyOfRole) else {
        return Vec::new();
    };
    let same: Vec<&Need> = way.needs.iter().filter(|it| it.place == role.place).collect();
    let roles = others(way, &role.place, &same, seat).targets;
    roles.iter().flat_map(|role| rewritable(need, &role.arn, seat)).collect()
}

/// Returns the roles that the holder may pass to a service which may take them.
fn passed(seat: &Seat<'_, '_>, service: &str, profile: Option<Profile>) -> Taken {
    let candidates: Rc<Vec<Target>> = seat.all.roles_for(seat.account_id(), service, profile);
    let facts = seat.facts.with("iam:passedtoservice", service);
    let is_other = |it: &&Target| *it.arn != *seat.arn();
    let find = |place: &str| {
        let asked = Asked { action: known().pass_role, place, whose: Whose::Any };
        seat.layers.find(&asked, &facts)
    };
    let pattern = format!("arn:*:iam::{}:role/*", seat.account_id());
    let whole = find(&pattern);
    if whole.is_empty() {
        return Taken::default();
    }
    let is_all = |it: &&Found| it.keys.is_empty() && *it.resource == *pattern;
    if let Some(all) = whole.iter().find(is_all).filter(|_| !seat.layers.denies(known().pass_role))
    {
        return Taken::all(all, &candidates, is_other);
    }
    let mut taken = Taken::default();
    for target in candidates.iter().filter(is_other) {
        taken.add(target, find(&target.arn));
    }
    taken
}

impl<'a> Seat<'_, 'a> {
    pub fn arn(&self) -> &'a str {
        &self.holder.entity().arn
    }

    pub fn account_id(&self) -> &'a str {
        account_of(self.arn())
    }

    /// Returns what all of `needs` are allowed on, of one place.
    fn all_of(&self, needs: &[&Need], place: &str) -> Vec<Found> {
        let mut all: Option<Vec<Found>> = None;
        for need in needs {
            let asked = Asked { action: need.action, place, whose: Whose::Any };
            let mut found = self.layers.find(&asked, &self.facts);
            found.extend(self.opened(&asked));
            all = Some(all.map_or_else(|| found.clone(), |all| join(&all, &found)));
        }
        all.unwrap_or_default()
    }

    /// Returns what policies of resources of the holder's account give it by its name.
    fn opened(&self, asked: &Asked<'_>) -> Vec<Found> {
        // Of a user a boundary holds back nothing that a resource's policy gives by name; of a role it does.
        let is_bounded_user =
            matches!(self.holder, Holder::User(_)) && self.holding.boundary.is_some();
        let from = usize::from(is_bounded_user);
        let mut all = Vec::new();
        for opening in self.all.openings.to(self.arn()) {
            if arn_covers(asked.place, opening.arn) {
                let asked = Asked { place: opening.arn, ..*asked };
                all.extend(self.layers.besides((&opening.sheet, from), &asked, &self.facts));
            }
        }
        all
    }

    /// Returns the account's own policies that the holder has, its boundary among them.
    fn own_policies(&self) -> Vec<&'a str> {
        let entity = self.holder.entity();
        let mut all: Vec<&str> =
            entity.attached.iter().chain(&entity.boundary).map(|it| &**it).collect();
        if let Holder::User(user) = self.holder {
            let groups = user.groups.iter().filter_map(|name| self.account.groups.get(name));
            all.extend(groups.flat_map(|group| group.attached.iter().map(|it| &**it)));
        }
        all.retain(|arn| account_of(arn) == self.account_id());
        all
    }

    /// Returns the roles that the holder may take, with what that rests on.
    pub fn may_take(&self) -> Vec<(&'a str, Vec<Found>)> {
        let action = known().assume_role;
        let is_allowed = match self.layers.identity.speaks_of(action) {
            true => trust::IsAllowed::Yes,
            false => trust::IsAllowed::No,
        };
        let mut all = Vec::new();
        for role in self.all.trusts.naming(self.arn(), is_allowed) {
            let arn: &'a str = &role.entity.arn;
            let asked = Asked { action, place: arn, whose: Whose::Any };
            let by_policy = self.layers.find(&asked, &self.facts);
            let is_own_account = account_of(arn) == self.account_id();
            if by_policy.is_empty() && !is_own_account {
                continue;
            }
            let Some(trust) = trust::of_holder(role, self.arn(), &self.facts) else { continue };
            let by_trust =
                Found { resource: arn.into(), keys: trust.force.keys, until: trust.force.until };
            let found = match trust.is_named && is_own_account {
                true => self.layers.spare(by_trust, &asked, &self.facts),
                false => join(&by_policy, &[by_trust]),
            };
            let found = self.all.guarded(account_of(arn), found, (&asked, &self.facts));
            if !found.is_empty() {
                all.push((arn, found));
            }
        }
        all
    }
}
