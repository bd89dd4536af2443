//! What is decided on the course of a grant: its start, its end, and that it failed.
//!
//! Invariant: as for every decision, see `decide.rs`.

use crate::grants::claims::claim::Claim;
use crate::grants::claims::claim::Deed;
use crate::grants::claims::claim::Kind;
use crate::grants::claims::claim::Verb;
use crate::grants::claims::claim::standing;
use crate::grants::claims::decide::Found;
use crate::grants::claims::decide::Judge;
use crate::grants::claims::decide::RESIDUE;
use crate::grants::claims::decide::account_of;
use crate::grants::claims::decide::residue;
use crate::grants::claims::explain;
use crate::grants::claims::explain::Fit;
use crate::grants::claims::explain::Stretch;
use crate::grants::claims::learned::Topic;
use crate::grants::claims::tell::Draft;
use crate::grants::grant::GrantId;
use crate::grants::grant::Principal;
use crate::grants::grant::Status;
use crate::grants::grant::Version;
use crate::grants::timeline;
use crate::grants::timeline::Ending;
use crate::model::Seconds;
use crate::model::Span;

impl<'a> Judge<'a> {
    /// Decides on the end of a grant at `end`.
    pub fn ended(&self, id: &GrantId, end: Seconds) -> Found {
        let mut found = Found::default();
        let stretches = self.stretches(id);
        let is_over = |(spell, ..): &Stretch| spell.until <= end || spell.from > self.view.now;
        let last = stretches.iter().find(|(spell, ..)| spell.until == end);
        let Some((spell, version, evidence)) = last.filter(|_| stretches.iter().all(is_over))
        else {
            return found;
        };
        for claim in self.claims_of(version) {
            let deeds = self.deeds(claim);
            let made = standing(deeds, self.view.now);
            let made = made.filter(|made| made.time < end.plus(self.timing.skew));
            let Some(made) = made.filter(|made| self.is_explained(claim, made.time)) else {
                continue;
            };
            if self.is_held_on(claim, (id, end)) {
                continue;
            }
            let how = match spell.ending {
                Ending::Taken => "was taken back",
                Ending::Over | Ending::Replaced => "was over",
            };
            let ago = self.view.now.since(end);
            let mut draft = Draft::new(RESIDUE, residue(id, claim, made), self.view.now)
                .account(account_of(made))
                .claim(claim, &made.place, &self.view)
                .made(claim, made)
                .with("ended", end.to_string())
                .who(&self.view.identity(claim))
                .grant(id, version);
            let tried = deeds.iter().rev().find(|deed| {
                let is_then = (made.time..=self.view.now).contains(&deed.time);
                is_then && deed.verb == Verb::Remove && !deed.is_done()
            });
            let mut reason =
                format!("grant {} {how} {ago} ago and what it gave still stands", id.0);
            if let Some(tried) = tried {
                draft = draft.tried(tried);
                let why = tried.failure().unwrap_or_default();
                reason += &format!("; {} tried to take it away and failed: {why}", tried.by);
            }
            found.told.push(draft.reason(reason).read_from(&evidence.from).told());
        }
        found
    }

    /// Returns whether another grant holds `claim` beyond this end; its own end decides then.
    fn is_held_on(&self, claim: &Claim, (id, end): (&GrantId, Seconds)) -> bool {
        let holds = self.view.holds(claim, Seconds(end.0.saturating_sub(1)), self.view.now);
        holds.iter().any(|hold| {
            let is_later = (hold.spell.until, &hold.id) > (end, id);
            hold.id != *id && is_later && hold.fit == Fit::Whole
        })
    }

    /// Decides on the start of a grant at `start`.
    pub fn began(&self, id: &GrantId, start: Seconds) -> Found {
        let mut found = Found::default();
        let stretches = self.stretches(id);
        let given = || stretches.iter().filter(|(spell, ..)| spell.kind == timeline::Kind::Given);
        let is_on =
            given().any(|(spell, ..)| spell.from <= self.view.now && spell.until > self.view.now);
        let first = given().find(|(spell, ..)| spell.from == start);
        let Some((_, version, evidence)) = first.filter(|_| is_on) else { return found };
        let wants_sets =
            version.scope.permission_sets.as_ref().is_some_and(|sets| !sets.is_empty());
        let before = start.plus(Span(-self.timing.grace.0));
        for account in version.scope.accounts.iter().flatten().filter(|_| wants_sets) {
            let learned = self.view.learned;
            if !learned.holds(Topic::Shown, &version.source, account, before) {
                continue;
            }
            let mut tried = None;
            if self.is_provisioned(version, account, before, &mut tried) {
                continue;
            }
            let within = self.view.now.since(start);
            let about = format!("{}/{account}", id.0);
            let sets: Vec<&str> =
                version.scope.permission_sets.iter().flatten().map(|set| &**set).collect();
            let mut draft = Draft::new("GrantNotProvisioned", about, self.view.now)
                .account(account)
                .who(&principal(version))
                .with("permissionSet", sets.join(", "))
                .with("targetId", &**account)
                .grant(id, version);
            let mut reason = format!(
                "grant {} is active for {within} and nothing was assigned in account {account}",
                id.0
            );
            if let Some(tried) = tried {
                draft = draft.tried(tried);
                reason += &format!(
                    "; {} tried and failed: {}",
                    tried.by,
                    tried.failure().unwrap_or_default()
                );
            }
            found.told.push(draft.reason(reason).read_from(&evidence.from).told());
        }
        found
    }

    /// Returns whether anybody whom `version` is for had access in `account`, or got it in another way that may be the
    /// grant's; notes what was tried in vain.
    fn is_provisioned(
        &self,
        version: &Version,
        account: &str,
        before: Seconds,
        tried: &mut Option<&'a Deed>,
    ) -> bool {
        let holders = explain::holders(version, &self.view);
        if holders.is_empty() {
            // Whom it is for cannot be told from others.
            return true;
        }
        for claim in holders.iter().flat_map(|holder| self.claims_held_by(holder)) {
            let is_group = matches!(claim.kind, Kind::Membership | Kind::IamMembership);
            let is_its = *claim.account == *account && self.view.fit(version, claim).is_some();
            if !is_group && !is_its {
                continue;
            }
            let deeds = self.deeds(claim);
            if standing(deeds, before).is_some() {
                return true;
            }
            let then = deeds.iter().filter(|deed| deed.time > before && deed.time <= self.view.now);
            for deed in then.filter(|deed| deed.verb == Verb::Make) {
                if deed.is_done() {
                    return true;
                }
                *tried = Some(deed);
            }
        }
        false
    }

    /// Decides on a grant that its source calls failed.
    pub fn said_failed(&self, id: &GrantId) -> Found {
        let mut found = Found::default();
        let Some(grant) = self.view.ledger.get(id) else { return found };
        let said = |(version, _): &(&Version, &_)| {
            version.status == Status::Failed && version.emitted_at == self.view.now
        };
        let Some((version, evidence)) = grant.versions().find(said) else { return found };
        // The message of a failure need not repeat whose grant it is.
        let told = grant.versions().rev().map(|(version, _)| version);
        let mut told = told.filter(|version| version.emitted_at <= self.view.said_by);
        let whole = told.find(|version| !version.principals.is_empty()).unwrap_or(version);
        let draft = self.failed(id, whole, version.emitted_at);
        let reason = format!("{} says that grant {} failed", version.source, id.0);
        found.told.push(draft.reason(reason).read_from(&evidence.from).told());
        found
    }

    pub(super) fn failed(&self, id: &GrantId, version: &Version, time: Seconds) -> Draft {
        let accounts = version.scope.accounts.as_deref().unwrap_or_default();
        let account = if let [account] = accounts { account } else { "" };
        Draft::new("GrantFailed", id.0.to_string(), time)
            .account(account)
            .who(&principal(version))
            .grant(id, version)
    }

    fn stretches(&self, id: &GrantId) -> Vec<Stretch> {
        let held = self.view.ledger.held_as(id);
        held.map(|held| self.view.stretches(held)).unwrap_or_default()
    }

    /// Returns the claims that `version` is about, wholly.
    fn claims_of(&self, version: &Version) -> Vec<&'a Claim> {
        let mut claims = Vec::new();
        for holder in explain::holders(version, &self.view) {
            let held = self.claims_held_by(&holder);
            claims.extend(held.filter(|claim| self.view.fit(version, claim) == Some(Fit::Whole)));
        }
        claims
    }
}

/// Returns the canonical name of the first that `version` is for.
pub(in crate::grants) fn principal(version: &Version) -> String {
    match version.principals.first() {
        Some(Principal::IdcUser { user_id, user_name, .. }) => {
            let name = if user_name.is_empty() { user_id } else { user_name };
            format!("person:{}", name.to_lowercase())
        }
        Some(Principal::IdcGroup { group_id, .. }) => format!("group:{group_id}"),
        Some(Principal::SourceIdentity { value }) => format!("person:{}", value.to_lowercase()),
        Some(Principal::SamlSubject { subject } | Principal::OidcSubject { subject, .. }) => {
            format!("person:{}", subject.to_lowercase())
        }
        Some(Principal::IamUserArn { arn } | Principal::IamRoleArn { arn }) => arn.to_string(),
        Some(Principal::AssumedRole { role_arn, .. }) => role_arn.to_string(),
        Some(Principal::Account { account }) => format!("external:{account}"),
        None => "unknown:".to_owned(),
    }
}
