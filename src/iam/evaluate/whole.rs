//! The whole of the decision: every layer of policies, joined as AWS joins them.
//!
//! Source: IAM User Guide, "Policy evaluation logic", "Cross-account policy evaluation logic" and "Evaluating identity-based
//! policies with resource-based policies": in one account, a resource policy's Allow for a user, a session or everybody is
//! enough and passes by the boundary; one for a role is enough and does not; one for the account delegates to its identity
//! policies. Across accounts both sides have to allow. A role's trust policy and a key's policy have to allow in any case.
//! KMS Developer Guide, "Grants in AWS KMS": a grant allows its operations to its grantee, who needs no policy for it.
//!
//! Invariant: every layer is asked, also when an earlier one denies, so that what is told is complete.

mod identity;
mod organization;
mod resource;

use crate::iam::evaluate::Because;
use crate::iam::evaluate::Decision;
use crate::iam::evaluate::Outcome;
use crate::iam::evaluate::Request;
use crate::iam::evaluate::scene::Scene;
use crate::iam::evaluate::scene::Sort;
use crate::iam::evaluate::sum::Gathered;
use crate::iam::evaluate::sum::Sum;
use crate::iam::evaluate::sum::Sure;
use crate::iam::evaluate::truth::Truth;
pub(in crate::iam) use crate::iam::evaluate::whole::organization::WITH_RCP;
use crate::iam::policy::Effect;
use crate::iam::state::State;

/// Decides a request by all that stands.
pub(super) fn decide(state: &State, request: &Request<'_>) -> Outcome {
    let mut scene = Scene::new(request);
    let mut gathered = Gathered::default();
    identity::introduce(state, &mut scene);
    resource::place(state, &mut scene);
    let layers = Layers {
        identity: identity::policies(state, &scene, &mut gathered),
        boundary: identity::boundary(state, &scene, &mut gathered),
        controls: organization::service_controls(state, &scene, &mut gathered),
        resource_controls: organization::resource_controls(state, &scene, &mut gathered),
        resource: resource::policy(state, &scene, &mut gathered),
        grants: resource::grants(state, &scene, &mut gathered),
        needs_resource: resource::has_to_allow(&scene),
    };
    let deny = layers.deny();
    let allow = layers.allow(&scene);
    let decision = Decision::of(deny, allow);
    let because = match &decision {
        Decision::ExplicitDeny => gathered.because(Effect::Deny, Sure::ForSure),
        Decision::Allowed if scene.who.sort == Sort::Root => {
            let policy = format!("root of account {}", scene.who.account.unwrap_or_default());
            let why = "may do everything that no policy forbids".into();
            let mut all = vec![Because { policy: policy.into(), statement: None, why }];
            all.extend(gathered.because(Effect::Allow, Sure::ForSure));
            all
        }
        Decision::Allowed => gathered.because(Effect::Allow, Sure::ForSure),
        Decision::ImplicitDeny => layers.refusing(&scene),
        Decision::Conditional(_) => {
            let mut all = gathered.because(Effect::Deny, Sure::Perhaps);
            all.extend(gathered.because(Effect::Allow, Sure::Perhaps));
            all.extend(gathered.because(Effect::Allow, Sure::ForSure));
            all
        }
    };
    Outcome { decision, because, missing: gathered.missing }
}

/// Whether a request has to be allowed by the policy of its resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// In any case: trust policies and key policies.
    Always,
    /// Only across accounts.
    AcrossAccounts,
}

/// What every layer says.
#[derive(Debug)]
struct Layers {
    /// Identity policies; of principals that have none, nothing.
    identity: Sum,
    /// The boundary; `None` if there is none.
    boundary: Option<Sum>,
    /// Service control policies by level, with the level's id; each has to allow.
    controls: Vec<(String, Sum)>,
    /// Resource control policies, which only deny: the one that allows is always attached.
    resource_controls: Sum,
    /// The resource's policy.
    resource: Sum,
    /// Grants on a key: each is enough for whom it names, in whatever account he is, without any policy of his own.
    grants: Sum,
    /// Whether it has to allow.
    needs_resource: Needs,
}

impl Layers {
    fn deny(&self) -> Truth {
        let mut sums = vec![&self.identity, &self.resource_controls, &self.resource];
        sums.extend(&self.boundary);
        sums.extend(self.controls.iter().map(|(_, sum)| sum));
        Truth::any(sums.into_iter().map(|sum| sum.deny.clone()))
    }

    fn boundary_allows(&self) -> Truth {
        self.boundary.as_ref().map_or(Truth::True, |sum| sum.allow.clone().at_all())
    }

    fn controls_allow(&self) -> Truth {
        Truth::all(self.controls.iter().map(|(_, sum)| sum.allow.clone().at_all()))
    }

    fn allow(&self, scene: &Scene<'_>) -> Truth {
        let Some(account) = scene.who.account else {
            // A service, a provider or a stranger has what the resource gives.
            return self.resource.allow.clone().at_all().or(self.granted());
        };
        let of_principal = match scene.owner {
            Some(owner) if owner == account => self.in_one_account(),
            None if scene.request.resource == "*" => self.in_one_account(),
            Some(_) => self.across_accounts(),
            None => match (self.across_accounts(), self.in_one_account()) {
                (across, within) if across == within => within,
                (across, within) => across.or(within.and(Truth::needs("aws:resourceaccount"))),
            },
        };
        of_principal.or(self.granted()).and(self.controls_allow())
    }

    fn granted(&self) -> Truth {
        // A grant names a user, a role or a root; a root stands for nobody else there.
        self.grants.allow.direct.clone().or(self.grants.allow.role.clone())
    }

    fn in_one_account(&self) -> Truth {
        let resource = self.resource.allow.clone();
        let identity = self.identity.allow.clone().at_all();
        let by_identity = match self.needs_resource {
            Needs::Always => identity.and(resource.account),
            Needs::AcrossAccounts => identity,
        };
        resource.direct.or(resource.role.or(by_identity).and(self.boundary_allows()))
    }

    fn across_accounts(&self) -> Truth {
        let identity = self.identity.allow.clone().at_all();
        identity.and(self.boundary_allows()).and(self.resource.allow.clone().at_all())
    }

    /// Returns the layers that do not allow what is denied for want of an Allow.
    fn refusing(&self, scene: &Scene<'_>) -> Vec<Because> {
        let none = |policy: &str| Because {
            policy: policy.into(),
            statement: None,
            why: "nothing in it allows this".into(),
        };
        let mut all = Vec::new();
        let has_identity = scene.who.account.is_some();
        if has_identity && self.identity.allow.clone().at_all() == Truth::False {
            all.push(none("identity policies"));
        }
        if has_identity && self.boundary_allows() == Truth::False {
            all.push(none("permissions boundary"));
        }
        for (level, sum) in &self.controls {
            if sum.allow.clone().at_all() == Truth::False {
                all.push(none(&format!("service control policies of {level}")));
            }
        }
        let is_across = scene.owner.is_some() && scene.owner != scene.who.account;
        let has_to_allow = is_across || self.needs_resource == Needs::Always || !has_identity;
        if has_to_allow && self.resource.allow.clone().at_all() == Truth::False {
            all.push(none(match scene.who.sort {
                Sort::Named | Sort::Nobody => "policy of the resource, which alone counts here",
                _ => "policy of the resource",
            }));
        }
        if all.is_empty() {
            all.push(none("the policies of principal and resource together"));
        }
        all
    }
}

#[cfg(test)]
mod tests;
