//! How what differs is put into lines.
//!
//! Invariant: however much differs, it is a bounded number of bounded lines.

use crate::iam::policy::Kind;
use crate::model::Facts;
use crate::model::bounded;

/// How many lines of what became possible a fact holds.
const MAX_LINES: usize = 12;
/// How long such a line may be, in bytes.
const MAX_LINE: usize = 300;

/// Sets a fact to lines, as many and as much of each as fits.
pub(super) fn lines(facts: &mut Facts, name: &'static str, all: &[String]) {
    if !all.is_empty() {
        let first = all.iter().take(MAX_LINES).map(|line| bounded(line, MAX_LINE).into_owned());
        facts.set(name, first.collect::<Vec<_>>());
    }
}

/// Returns what became possible in one line.
pub(super) fn gain(adds: &[String]) -> Option<String> {
    let first = bounded(adds.first()?, MAX_LINE);
    Some(match adds.len() {
        1 => first.into_owned(),
        2 => format!("{first}; {}", bounded(&adds[1], MAX_LINE)),
        more => format!("{first}; {}; and {} more", bounded(&adds[1], MAX_LINE), more - 2),
    })
}

/// Returns the name of a sort of policy as a fact.
pub fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Identity => "identity",
        Kind::Trust => "trust",
        Kind::Boundary => "boundary",
        Kind::Session => "session",
        Kind::Resource => "resource",
        Kind::ServiceControl => "service_control",
        Kind::ResourceControl => "resource_control",
        Kind::Network => "network",
        Kind::AccessBlock => "access_block",
    }
}
