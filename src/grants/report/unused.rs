//! What a grant allowed and nobody used.
//!
//! Invariant: only what the grant names itself can be unused; what a role allows stands in the role.

use crate::grants::glob::fits;
use crate::grants::glob::fits_in_any_case;
use crate::grants::grant::Version;
use crate::grants::role::permission_set;
use crate::grants::usage::OTHERS;
use crate::grants::usage::Part;
use crate::grants::usage::Trace;
use crate::grants::usage::Used;

/// Returns what of `version`'s scope was not used, in words.
pub(super) fn unused(version: &Version, used: &Used) -> Vec<String> {
    let inside = || {
        let done = used.deeds.iter().filter(|(_, tally)| tally.acts > tally.denied);
        done.map(|(deed, _)| deed).filter(|deed| deed.part == Part::Inside)
    };
    if inside().next().is_none() {
        return vec!["everything".to_owned()];
    }
    let scope = &version.scope;
    let is_cut = inside().any(|deed| &*deed.action == OTHERS || &*deed.resource == OTHERS);
    let names_all = |list: &Option<Vec<Box<str>>>| list.clone().unwrap_or_default();
    let mut unused = Vec::new();
    let mut note = |what: &str, name: &str, is_used: bool| {
        if !is_used {
            unused.push(format!("{what} {name}"));
        }
    };
    for set in names_all(&scope.permission_sets) {
        let is_used = roles(used).any(|role| permission_set(role).is_some_and(|it| fits(&set, it)));
        note("permission set", &set, is_used);
    }
    for arn in names_all(&scope.role_arns) {
        let name = arn.rsplit('/').next().unwrap_or_default();
        note("role", &arn, roles(used).any(|role| fits(name, role)));
    }
    for account in names_all(&scope.accounts) {
        note("account", &account, inside().any(|deed| *deed.account == *account));
    }
    for action in names_all(&scope.actions) {
        let is_used = inside().any(|deed| fits_in_any_case(&action, &deed.action));
        note("action", &action, is_cut || is_used);
    }
    for resource in names_all(&scope.resources) {
        let is_used =
            inside().any(|deed| !deed.resource.is_empty() && fits(&resource, &deed.resource));
        note("resource", &resource, is_cut || is_used);
    }
    for region in names_all(&scope.regions) {
        note("region", &region, inside().any(|deed| fits(&region, &deed.region)));
    }
    unused
}

/// The names of the roles that sessions were in.
fn roles(used: &Used) -> impl Iterator<Item = &str> {
    let sessions = used.traces.keys().filter(|(trace, _)| *trace == Trace::Session);
    sessions.filter_map(|(_, session)| session.split('/').next())
}
