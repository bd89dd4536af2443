//! What a change means, from what it adds.
//!
//! An administrator is whoever may do all of IAM on everything, as he may give himself the rest. Whom a resource or a role lets
//! in says `strangers.rs`.
//!
//! Invariant: a class is given only where something became possible.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::LazyLock;

use crate::iam::compare::Around;
use crate::iam::compare::Class;
use crate::iam::compare::clause::Asks;
use crate::iam::compare::clause::Clause;
use crate::iam::compare::clause::is_among;
use crate::iam::compare::glob::Glob;
use crate::iam::compare::glob::Sort;
use crate::iam::compare::region::Region;
use crate::iam::compare::set::Atom;
use crate::iam::compare::set::Set;
use crate::iam::compare::set::Term;
use crate::iam::compare::strangers::let_in;
use crate::iam::escalation::known::known;
use crate::iam::policy::Kind;

/// Actions that hand out what somebody stored: contents, secrets and keys to them, messages, rows, images, logs.
const DATA_READS: [&str; 41] = [
    "athena:getqueryresults",
    "backup:getrecoverypointrestoremetadata",
    "codecommit:gitpull",
    "cognito-idp:listusers",
    "dynamodb:batchgetitem",
    "dynamodb:exporttabletopointintime",
    "dynamodb:getitem",
    "dynamodb:getrecords",
    "dynamodb:partiqlselect",
    "dynamodb:query",
    "dynamodb:scan",
    "ebs:getsnapshotblock",
    "ec2:getconsoleoutput",
    "ec2:getpassworddata",
    "ecr:batchgetimage",
    "ecr:getdownloadurlforlayer",
    "elasticfilesystem:clientmount",
    "es:eshttpget",
    "glacier:getjoboutput",
    "kinesis:getrecords",
    "kms:decrypt",
    "kms:reencryptfrom",
    "lambda:getfunction",
    "logs:filterlogevents",
    "logs:getlogevents",
    "logs:getqueryresults",
    "rds-data:executestatement",
    "redshift-data:getstatementresult",
    "redshift:getclustercredentials",
    "s3-object-lambda:getobject",
    "s3:getobject",
    "s3:getobjecttorrent",
    "s3:getobjectversion",
    "secretsmanager:batchgetsecretvalue",
    "secretsmanager:getsecretvalue",
    "sqs:receivemessage",
    "ssm:getparameter",
    "ssm:getparameterhistory",
    "ssm:getparameters",
    "ssm:getparametersbypath",
    "timestream:select",
];

/// Keys whose conditions leave little of an administrator: they choose on what he may act, or for whom.
const NARROWING: [&str; 9] = [
    "aws:calledvia",
    "aws:calledviafirst",
    "aws:calledvialast",
    "aws:requesttag/",
    "aws:resourceaccount",
    "aws:resourcetag/",
    "aws:viaawsservice",
    "iam:",
    "ec2:resourcetag/",
];

/// The actions with what they are done on.
static READS: LazyLock<Vec<(Term, [Term; 2])>> = LazyLock::new(|| {
    let term = |text: &str, sort| Term::of(Glob::read(text, sort, None));
    let read = |action: &&str| {
        let service = match action.split_once(':').map_or("", |(service, _)| service) {
            "ebs" => "ec2",
            "rds-data" => "rds",
            "redshift-data" => "redshift",
            service => service,
        };
        let resources = format!("arn:*:{service}:*:*:*");
        // A bare `*` that nothing covers but `*` is what actions without a resource are done on.
        let bare = Term::of(Glob::read("*", Sort::Exact, None));
        (term(action, Sort::Action), [term(&resources, Sort::Arn), bare])
    };
    DATA_READS.iter().map(read).collect()
});
static ALL_OF_IAM: LazyLock<Term> =
    LazyLock::new(|| Term::of(Glob::read("iam:*", Sort::Action, None)));

/// What ways to more privilege take.
static WAYS: LazyLock<Vec<Term>> = LazyLock::new(|| {
    let action = |number: usize| known().spelled(number).to_ascii_lowercase();
    let term = |number: usize| Term::of(Glob::read(&action(number), Sort::Action, None));
    (0..known().count()).map(term).collect()
});

/// Returns the actions, by number, which ways to more privilege take and which are in some of these.
pub(super) fn leading_to_more(regions: &[Region]) -> BTreeSet<usize> {
    let is_in = |action: &Term| regions.iter().any(|region| region.actions.has(action));
    WAYS.iter().enumerate().filter(|(_, action)| is_in(action)).map(|(number, _)| number).collect()
}

/// Returns whether some of it may be all of IAM or everything.
pub(super) fn may_be_all(region: &Region) -> bool {
    is_everything(region) || is_admin(region)
}

/// A document, and what it allows once what it denies is taken off.
pub(super) struct Side<'r> {
    /// Its Allow statements.
    pub(super) allows: &'r [Region],
    /// What is left of them, as far as it is new or may be everything.
    pub(super) net: &'r [Region],
}

/// What became possible.
pub(super) struct Growth<'r> {
    /// What became allowed.
    pub(super) adds: &'r [Region],
    /// Of it, what a Deny held back.
    pub(super) freed: &'r [Region],
    /// The Denies that are gone.
    pub(super) gone: &'r [Region],
    /// What is denied no more, and not allowed here either.
    pub(super) lifts: &'r [Region],
}

/// Returns what a change means.
pub(super) fn classes(
    before: &Side<'_>,
    after: &Side<'_>,
    growth: &Growth<'_>,
    kind: Kind,
    around: &Around<'_>,
) -> BTreeSet<Class> {
    let mut all = BTreeSet::new();
    let adds = growth.adds;
    if adds.is_empty() && growth.lifts.is_empty() {
        return all;
    }
    let is_limit = matches!(kind, Kind::Boundary | Kind::ServiceControl | Kind::ResourceControl);
    let mut note = |class: Class, applies: bool| applies.then(|| all.insert(class));
    let lifted = growth.freed.iter().chain(growth.lifts);
    note(Class::GuardrailWeakened, is_limit || lifted.clone().next().is_some());
    let is_open = |side: &Side<'_>| side.net.iter().any(is_everything);
    note(Class::BoundaryRemoved, kind == Kind::Boundary && is_open(after) && !is_open(before));
    let dropped = adds.iter().any(|region| drops(region, before.allows));
    let held = |deny: &&Region| growth.freed.iter().any(|region| region.overlaps(deny));
    let mut gone = growth.gone.iter().filter(|deny| !deny.terms.must.is_empty());
    note(Class::ConditionDropped, dropped || gone.any(|deny| held(&deny)));
    note(Class::TimeBoundRemoved, adds.iter().any(|region| outlasts(region, before.allows)));
    if is_limit {
        return all;
    }
    let is_admin = |side: &Side<'_>| side.net.iter().any(is_admin);
    note(Class::Admin, kind == Kind::Identity && is_admin(after) && !is_admin(before));
    note(Class::Wildcard, adds.iter().any(|region| is_broader(region, before.allows)));
    note(Class::DataReadWidened, adds.iter().any(reads_data));
    note(Class::TrustWidened, kind == Kind::Trust);
    if matches!(kind, Kind::Trust | Kind::Resource) {
        for region in adds {
            let_in(region, around, &mut all);
        }
    }
    all
}

/// Returns whether nothing is left out.
fn is_everything(region: &Region) -> bool {
    let is_all = |set: &Set<Term>, every: &str| {
        set.none.is_empty() && set.any.iter().any(|term| term.is_whole(every))
    };
    is_all(&region.actions, "*:*")
        && is_all(&region.resources, "*")
        && region.terms.must.is_empty()
        && region.terms.unless.is_empty()
}

/// Returns whether all of IAM is in it, or close to; when and from where does not count.
fn is_admin(region: &Region) -> bool {
    let has_iam = region.actions.any.iter().any(|term| term.covers(&ALL_OF_IAM))
        && !region.actions.none.iter().any(|out| out.covers(&ALL_OF_IAM));
    let has_all = region.resources.any.iter().any(|term| term.is_whole("*"));
    let is_narrow =
        |clause: &Arc<Clause>| NARROWING.iter().any(|key| clause.source.key.starts_with(key));
    has_iam && has_all && !region.terms.must.iter().any(is_narrow)
}

/// Returns whether a condition under which it was allowed is not asked any more, or less of it; time aside.
fn drops(region: &Region, before: &[Region]) -> bool {
    let is_time = |clause: &Clause| clause.asks.as_deref().is_some_and(Asks::is_of_time);
    let was_asked = |clause: &Arc<Clause>| {
        before.iter().any(|old| is_among(&old.terms.must, clause) && old.overlaps(region))
    };
    let all = region.terms.unless.iter().flatten();
    all.into_iter().any(|clause| !is_time(clause) && was_asked(clause))
}

/// Returns whether some of it was allowed until a time, and now has none.
fn outlasts(region: &Region, before: &[Region]) -> bool {
    let ends = |region: &Region| {
        let mut must = region.terms.must.iter().filter_map(|it| it.asks.as_deref());
        let single = region.terms.unless.iter().filter(|list| list.len() == 1).flatten();
        let mut fails = single.filter_map(|it| it.fails.as_deref());
        must.any(Asks::ends) || fails.any(Asks::ends)
    };
    !ends(region) && before.iter().any(|old| ends(old) && old.overlaps(region))
}

/// Returns whether a pattern in it is wider than one that stood there, or takes in a whole service that none did.
fn is_broader(region: &Region, before: &[Region]) -> bool {
    let is_wider = |new: &Set<Term>, old: &Set<Term>| {
        let over = |wide: &Term| {
            !wide.is_literal() && old.any.iter().any(|it| wide.covers(it) && !it.covers(wide))
        };
        new.any.iter().any(over)
    };
    let near = before.iter().filter(|old| old.who.overlaps(&region.who));
    let grows = near.clone().any(|old| {
        is_wider(&region.actions, &old.actions) && old.resources.overlaps(&region.resources)
            || is_wider(&region.resources, &old.resources) && old.actions.overlaps(&region.actions)
    });
    let is_new = |term: &&Term| term.is_service() && !near.clone().any(|old| old.actions.has(term));
    grows || region.actions.any.iter().any(|term| is_new(&term))
}

fn reads_data(region: &Region) -> bool {
    READS.iter().any(|(action, places)| {
        let is_place = |term: &Term| places.iter().any(|place| place.overlaps(term));
        region.actions.has(action) && region.resources.any.iter().any(is_place)
    })
}

impl Set<Term> {
    /// Returns whether surely a single text is in it.
    fn has(&self, one: &Term) -> bool {
        self.any.covers(one) && !self.none.covers(one)
    }
}

impl Term {
    fn is_literal(&self) -> bool {
        self.0.iter().any(Glob::is_literal)
    }

    /// Returns whether it takes in all actions of a service, or of all.
    fn is_service(&self) -> bool {
        self.0.iter().all(Glob::is_service)
    }

    fn is_whole(&self, pattern: &str) -> bool {
        let sort = if pattern == "*:*" { Sort::Action } else { Sort::Arn };
        self.covers(&Self::of(Glob::read(pattern, sort, None)))
    }
}
