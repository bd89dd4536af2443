//! A smaller policy for who does not use what it has: first the services that were not used, then the actions.
//!
//! Events tell use. What CloudTrail does not log unless it is asked to (objects of S3, items of DynamoDB, calls of functions)
//! is kept where the policy names the service or something else of it was used. A statement that denies stays as it is.
//!
//! Invariant: a proposal allows nothing that the policy does not, and all that was seen to be used since the cut.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::iam::Document;
use crate::iam::State;
use crate::iam::holding::Holder;
use crate::iam::holding::Holding;
use crate::iam::holding::account_of;
use crate::iam::holding::name_of;
use crate::iam::policy::Effect;
use crate::iam::policy::Listed;
use crate::iam::policy::Statement;
use crate::iam::standing::Use;
use crate::iam::standing::bits::Action;
use crate::iam::standing::bits::Bits;
use crate::iam::standing::uses::RESOLUTION;
use crate::model::Seconds;
use crate::model::Span;
use crate::model::actions;
use crate::model::actions::Level;

/// Services and actions, in lower case, whose calls CloudTrail logs only where a trail selects data events, or not at all.
///
/// Source: CloudTrail User Guide, "Logging data events"; patterns are wider where a service's data plane is.
const UNSEEN: [&str; 38] = [
    "s3:getobject*",
    "s3:putobject*",
    "s3:deleteobject*",
    "s3:listbucket*",
    "s3:abortmultipartupload",
    "s3:listmultipartuploadparts",
    "s3:restoreobject",
    "s3-object-lambda:*",
    "s3express:*",
    "s3tables:*table*",
    "dynamodb:*item*",
    "dynamodb:query",
    "dynamodb:scan",
    "dynamodb:partiql*",
    "dynamodb:getrecords",
    "lambda:invoke*",
    "sqs:*message*",
    "sns:publish*",
    "kinesis:*record*",
    "firehose:put*",
    "logs:put*",
    "logs:createlogstream",
    "cloudwatch:putmetricdata",
    "xray:put*",
    "execute-api:*",
    "iot:publish",
    "iot:connect",
    "iot:receive",
    "iot:subscribe",
    "ssmmessages:*",
    "ec2messages:*",
    "ebs:*",
    "cognito-sync:*",
    "appsync:graphql",
    "rds-data:*",
    "rds-db:connect",
    "elasticfilesystem:client*",
    "es:eshttp*",
];

/// The permission that no event tells of by itself.
const PASS_ROLE: &str = "iam:passrole";

/// What is proposed for one policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The smaller document; `None` if nothing of the policy is left to allow.
    pub document: Option<Document>,
    /// Services of which nothing was used.
    pub services: BTreeSet<Box<str>>,
    /// Actions of other services that were not used, as AWS spells them.
    pub actions: BTreeSet<Box<str>>,
    /// Actions that stay because their use is not seen.
    pub unseen: BTreeSet<Box<str>>,
    /// Services that no pattern names and of which nothing was seen, but not all of their use is: look before you take them.
    pub doubtful: BTreeSet<Box<str>>,
}

/// Returns what to propose, or `None` if all of it was used or too little is known to say: events have to have been watched
/// for all of `unused_after`.
pub fn propose(
    document: &Document,
    used: &Use,
    now: Seconds,
    unused_after: Span,
) -> Option<Proposal> {
    // Times of use may be those of the hour's beginning.
    let cut = now.0.saturating_sub(unused_after.0);
    let cut = Seconds(cut.div_euclid(RESOLUTION) * RESOLUTION);
    if used.watched_since.is_none_or(|since| since > cut) {
        return None;
    }
    let recent = used.actions.iter().filter(|(_, last)| **last >= cut);
    let mut recent: BTreeSet<String> =
        recent.map(|(action, _)| action.to_ascii_lowercase()).collect();
    if recent.iter().any(|action| actions::level(action).level >= Level::Write) {
        // To hand a role over is no call of its own: whatever makes or changes something may have needed it.
        recent.insert(PASS_ROLE.to_owned());
    }
    let unseen = unseen();
    let mut proposal = Proposal {
        document: None,
        services: BTreeSet::new(),
        actions: BTreeSet::new(),
        unseen: BTreeSet::new(),
        doubtful: BTreeSet::new(),
    };
    let mut statements = Vec::new();
    for statement in &document.statements {
        match statement.effect {
            Effect::Deny => statements.push(statement.clone()),
            Effect::Allow => statements.extend(proposal.smaller(statement, &recent, &unseen)),
        }
    }
    proposal
        .services
        .retain(|service| !recent.iter().any(|action| action.split(':').next() == Some(service)));
    if proposal.services.is_empty() && proposal.actions.is_empty() {
        return None;
    }
    if statements.iter().any(|it| it.effect == Effect::Allow) {
        proposal.document = Some(Document { language: document.language, statements });
    }
    Some(proposal)
}

/// Returns what to propose for each policy that a user or role has of its own; those of groups are others' too.
pub fn of_holder<'a>(
    state: &'a State,
    arn: &str,
    used: &Use,
    now: Seconds,
    unused_after: Span,
) -> Vec<(&'a str, Proposal)> {
    let Some(account) = state.accounts.get(account_of(arn)) else { return Vec::new() };
    let user = account.users.get(name_of(arn)).map(Holder::User);
    let holder = user.filter(|it| *it.entity().arn == *arn);
    let role = || account.roles.get(name_of(arn)).map(Holder::Role);
    let Some(holder) = holder.or_else(role).filter(|it| *it.entity().arn == *arn) else {
        return Vec::new();
    };
    let own = Holding::of(account, holder).held.into_iter().filter(|held| held.group.is_none());
    let all = own
        .filter_map(|held| Some((held.policy, propose(held.document, used, now, unused_after)?)));
    all.collect()
}

impl Proposal {
    /// Returns the statement with what is to stay.
    fn smaller(
        &mut self,
        statement: &Statement,
        recent: &BTreeSet<String>,
        unseen: &Bits,
    ) -> Option<Statement> {
        let bits = Bits::listed(&statement.actions);
        let mut kept: BTreeSet<Box<str>> = BTreeSet::new();
        let mut by_service: BTreeMap<&str, Vec<&Action>> = BTreeMap::new();
        for action in bits.clone().less(unseen).iter() {
            let service = action.lower.split(':').next().unwrap_or_default();
            by_service.entry(service).or_default().push(action);
        }
        for (service, all) in by_service {
            if !all.iter().any(|action| recent.contains(&*action.lower)) {
                self.services.insert(service.into());
                continue;
            }
            // What is tagged as it is made needs the permission to tag, and there is no second record of it.
            let is_made = recent.iter().any(|it| {
                it.split(':').next() == Some(service) && actions::level(it).level == Level::Write
            });
            for action in all {
                let is_seen = !is_made || action.level != Level::Tagging;
                match recent.contains(&*action.lower) {
                    true => drop(kept.insert(action.lower.clone())),
                    false if is_seen => drop(self.actions.insert(action.name.clone())),
                    false => {
                        kept.insert(action.lower.clone());
                        self.unseen.insert(action.name.clone());
                    }
                }
            }
        }
        for action in bits.and(unseen).iter() {
            let service = action.lower.split(':').next().unwrap_or_default();
            if is_named(&statement.actions, service) || is_used(recent, service) {
                kept.insert(action.lower.clone());
                self.unseen.insert(action.name.clone());
            } else {
                self.doubtful.insert(service.into());
            }
        }
        // What the table of actions does not know stays if it was used: the pattern allowed it.
        kept.extend(
            recent.iter().filter(|it| is_listed(&statement.actions, it)).map(|it| (&**it).into()),
        );
        let whole = self.is_as_it_was(statement, &kept);
        (!kept.is_empty()).then(|| Statement {
            actions: match whole {
                true => statement.actions.clone(),
                false => Listed::Only(kept.into_iter().collect()),
            },
            ..statement.clone()
        })
    }

    /// Returns whether what is kept is all that the statement's patterns allow, so that they can stay.
    fn is_as_it_was(&self, statement: &Statement, kept: &BTreeSet<Box<str>>) -> bool {
        Bits::listed(&statement.actions).iter().all(|action| kept.contains(&action.lower))
    }
}

fn is_used(recent: &BTreeSet<String>, service: &str) -> bool {
    recent.iter().any(|action| action.split(':').next() == Some(service))
}

/// Returns whether a pattern is about the service alone.
fn is_named(list: &Listed<Box<str>>, service: &str) -> bool {
    let Listed::Only(all) = list else { return false };
    all.iter().any(|pattern| pattern.split(':').next() == Some(service))
}

fn is_listed(list: &Listed<Box<str>>, action: &str) -> bool {
    let fits = |all: &[Box<str>]| all.iter().any(|it| crate::iam::pattern::matches(it, action));
    match list {
        Listed::Only(all) => fits(all),
        Listed::AllBut(all) => !fits(all),
    }
}

/// Returns the actions whose use is not seen.
fn unseen() -> Bits {
    let patterns = UNSEEN.iter().map(|it| (*it).into()).collect();
    let data = Bits::listed(&Listed::Only(patterns));
    // Who is allowed what is always logged.
    data.less(&Bits::of(|action| action.level == Level::PermissionsManagement))
}
