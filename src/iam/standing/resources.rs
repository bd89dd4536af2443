//! What the policies of resources have to do with standing privilege: what they give to users and roles of their account that
//! they name, and what they take from those whose own policies name the resource.
//!
//! Source: IAM User Guide, "Policy evaluation logic": in one account a resource's policy that names a user or role is enough;
//! its explicit denial stands against everything; a key's policy has to allow in any case.
//!
//! Invariant: an action is taken away only where nothing that a statement allows it on is left; a denial on a condition that
//! is not known takes nothing away and is named.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::iam::Decision;
use crate::iam::escalation::Seat;
use crate::iam::escalation::is_about;
use crate::iam::evaluate::Context;
use crate::iam::evaluate::Request;
use crate::iam::pattern::arn_covers;
use crate::iam::policy::Document;
use crate::iam::policy::Effect;
use crate::iam::policy::Listed;
use crate::iam::policy::Statement;
use crate::iam::policy::Text;
use crate::iam::standing::access::denies_now;
use crate::iam::standing::bits::Bits;

/// The most resources of one statement whose policies are asked.
const MAX_RESOURCES: usize = 16;
/// The most requests that are decided for one statement; beyond, policies of resources take nothing away.
const MAX_REQUESTS: usize = 1_024;

/// The keys of conditions.
type Keys = BTreeSet<Box<str>>;

/// Returns what the policies of the resources that `statement` names leave of its `bits`, and on which keys.
pub(super) fn left(seat: &Seat<'_, '_>, statement: &Statement, bits: Bits) -> (Bits, Keys) {
    let Some(Listed::Only(patterns)) = &statement.resources else { return (bits, Keys::new()) };
    if patterns.len() > MAX_RESOURCES || seat.account.resources.is_empty() {
        return (bits, Keys::new());
    }
    let found: Vec<_> = patterns.iter().map_while(|it| Some((&**it, policy(seat, it)?))).collect();
    // Something else that it names may have no policy, or one that is not known.
    if found.len() < patterns.len() || found.len() * bits.len() > MAX_REQUESTS {
        return (bits, Keys::new());
    }
    let (mut rest, mut keys) = (Bits::none(), Keys::new());
    let context = seat.facts.now.map(|now| Context::new().at(now)).unwrap_or_default();
    let mut is_free = Bits::none();
    for (pattern, document) in found {
        let (of_this, on) = match pattern.contains(['*', '?']) {
            true => covered(seat, pattern, document, bits.clone()),
            false => decided(seat, pattern, &context, &bits),
        };
        if on.is_empty() {
            is_free = is_free.or(&of_this);
        }
        keys.extend(on);
        rest = rest.or(&of_this);
    }
    // What is sure of one resource needs no condition of another.
    if rest.clone().less(&is_free).is_empty() {
        keys.clear();
    }
    (rest, keys)
}

/// Returns the policy of what a pattern is about, if it is about one resource or what is in it.
fn policy<'a>(seat: &Seat<'_, 'a>, pattern: &str) -> Option<&'a Document> {
    let fixed = pattern.find(['*', '?']).unwrap_or(pattern.len());
    let (start, rest) = pattern.split_at_checked(fixed)?;
    if !rest.is_empty() && !start.ends_with(['/', ':']) {
        return None;
    }
    let mut arn = start.trim_end_matches(['/', ':']);
    while arn.split(':').count() >= 6 {
        match seat.account.resources.get(arn) {
            Some(Text::Known(document)) => return Some(document),
            Some(Text::Unknown(_)) => return None,
            None => arn = arn.get(..arn.rfind(['/', ':'])?)?,
        }
    }
    None
}

/// Returns which actions are possible on one resource, and on which keys.
fn decided(seat: &Seat<'_, '_>, arn: &str, context: &Context, bits: &Bits) -> (Bits, Keys) {
    let mut keys = Keys::new();
    let possible = bits.those(|action| {
        let principal = seat.arn();
        let request = Request { principal, action: &action.lower, resource: arn, context };
        match seat.all.state().allowed(&request).decision {
            Decision::Allowed => true,
            Decision::Conditional(on) => {
                keys.extend(on);
                true
            }
            Decision::ImplicitDeny | Decision::ExplicitDeny => false,
        }
    });
    (possible, keys)
}

/// Returns what the denying statements of a resource's policy leave where they are about all that a pattern is.
fn covered(
    seat: &Seat<'_, '_>,
    pattern: &str,
    document: &Document,
    mut bits: Bits,
) -> (Bits, Keys) {
    let mut keys = Keys::new();
    let denying = document.statements.iter().filter(|it| it.effect == Effect::Deny);
    for deny in denying.filter(|it| is_about(it, seat.arn())) {
        let is_all = match &deny.resources {
            None => true,
            Some(Listed::Only(all)) => all.iter().any(|wide| arn_covers(wide, pattern)),
            Some(Listed::AllBut(_)) => false,
        };
        let denied = Bits::listed(&deny.actions);
        if !is_all || !denied.meets(&bits) {
            continue;
        }
        match denies_now(deny, &seat.facts) {
            Some(on) if on.is_empty() => bits = bits.less(&denied),
            Some(on) => keys.extend(on),
            None => {}
        }
    }
    (bits, keys)
}

/// What a policy of a resource gives by name: the resource, its policy, and the statement as it is about the resource.
pub(super) struct Opened<'a> {
    /// The resource.
    pub arn: &'a str,
    /// Its policy.
    pub document: &'a Document,
    /// The statement.
    pub statement: Statement,
}

/// Returns the statements of resources' policies that name the holder and allow it something.
pub(super) fn opened<'a>(seat: &Seat<'_, 'a>) -> Vec<Opened<'a>> {
    let mut all = Vec::new();
    for (arn, document) in seat.all.named(seat.arn()) {
        let allowing = document.statements.iter().filter(|it| it.effect == Effect::Allow);
        for statement in allowing.filter(|it| is_about(it, seat.arn())) {
            let mut statement = statement.clone();
            let is_whole = match &statement.resources {
                Some(Listed::Only(patterns)) => patterns.iter().any(|it| &**it == "*"),
                _ => true,
            };
            // In the policy of a resource all is the resource, and what is in it.
            if is_whole {
                let inside = format!("{arn}/*").into();
                statement.resources = Some(Listed::Only(vec![arn.into(), inside]));
            }
            all.push(Opened { arn, document, statement });
        }
    }
    all
}
