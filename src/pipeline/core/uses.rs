//! What holders do, for the inventory of standing privilege: who acts, in the inventory's words, by which action.
//!
//! Users and roles are told by the first part of `userIdentity.principalId` (`AIDA…`, `AROA…`), people of Identity Center by
//! all of it, which ends with their name; with the call it makes the hash that is looked up for each record.
//!
//! Invariant: a call that was refused for want of permission used none. A record whose call was noted within the same hour
//! costs one look-up.
//!
//! Source: IAM User Guide, "Unique identifiers"; CloudTrail User Guide, "userIdentity element".

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::alert::event_id;
use crate::iam::standing::uses::Place;
use crate::iam::standing::uses::Uses;
use crate::model::Event;
use crate::model::Fact;
use crate::model::Facts;
use crate::model::Record;
use crate::model::Seconds;
use crate::model::Slot;
use crate::model::TrailRecord;
use crate::model::action_of;
use crate::pipeline::core::protect::text;

/// What the ARN of a session in a role of Identity Center holds.
const OF_PEOPLE: &str = "AWSReservedSSO_";

/// Notes what a record tells of use.
pub(super) fn note(uses: &mut Uses, record: &TrailRecord<'_>, session: &Facts, time: Seconds) {
    let Some(key) = key(record) else { return };
    if is_refused(record) || !uses.is_news(key, time) {
        return;
    }
    let slot = |slot| record.slot_or_empty(slot);
    if !matches!(&*slot(Slot::EventType), "AwsApiCall" | "") {
        return;
    }
    let action = action_of(&slot(Slot::EventSource), &slot(Slot::EventName));
    let of = |name| of_session(session, name);
    for (holder, account) in holders(&slot(Slot::UserArn), &of) {
        let place = Place { holder, account, action: action.as_str().into() };
        uses.note(place, time, &slot(Slot::RecipientAccountId));
    }
}

/// Notes that a grant covers an act, if one does.
pub(super) fn note_cover(uses: &mut Uses, event: &Event<'_>) {
    let places = places(event);
    if !places.is_empty() {
        uses.covered((event.time, event_id(event).into()), places);
    }
}

/// Notes whether a grant covers an act now that it was judged anew, in place of what was noted before.
pub(super) fn note_cover_anew(uses: &mut Uses, event: &Event<'_>) {
    uses.covered((event.time, event_id(event).into()), places(event));
}

/// Returns as whose use of a grant an act counts.
fn places(event: &Event<'_>) -> Vec<Place> {
    let Record::Trail(record) = &event.record else { return Vec::new() };
    let is_covered = text(event, "gw.grant.verdict") == "covered";
    if !is_covered || is_refused(record) {
        return Vec::new();
    }
    let of = |name| text(event, name);
    let place = |(holder, account)| Place { holder, account, action: of("gw.action").into() };
    holders(&record.slot_or_empty(Slot::UserArn), &of).map(place).collect()
}

/// Returns a hash of who made which call, if it was a user or somebody in a role.
fn key(record: &TrailRecord<'_>) -> Option<u64> {
    let id = record.slot_raw(Slot::UserPrincipalId)?;
    if !id.starts_with("\"AROA") && !id.starts_with("\"AIDA") {
        return None;
    }
    let is_of_people = || record.slot_raw(Slot::UserArn).is_some_and(|arn| arn.contains(OF_PEOPLE));
    let who = match id.split_once(':') {
        Some((role, _)) if !is_of_people() => role,
        _ => id,
    };
    let call = [Slot::RecipientAccountId, Slot::EventSource, Slot::EventName];
    let call = call.into_iter().map(|slot| record.slot_raw(slot).unwrap_or_default());
    Some(
        [who]
            .into_iter()
            .chain(call)
            .fold(0, |hash, part| xxh3_64_with_seed(part.as_bytes(), hash)),
    )
}

fn is_refused(record: &TrailRecord<'_>) -> bool {
    record.slot_raw(Slot::ErrorCode).is_some() && {
        let code = record.slot_or_empty(Slot::ErrorCode);
        matches!(&*code, "AccessDenied" | "AccessDeniedException" | "VpceAccessDenied")
            || code.ends_with("UnauthorizedOperation")
            || code.starts_with("NotAuthorized")
    }
}

/// Returns who acts, as an inventory names holders, with the account that each has this in: the user or role, and the
/// person who is in the role of a permission set.
fn holders<'f>(
    arn: &str,
    of: &dyn Fn(&'static str) -> &'f str,
) -> impl Iterator<Item = (Box<str>, Box<str>)> + use<'f> {
    let account: Option<Box<str>> = arn.split(':').nth(4).map(Into::into);
    let is_of_people = !of("gw.session.permission_set").is_empty();
    let person = match (of("gw.session.on_behalf_of"), of("gw.session.name")) {
        ("", "") => None,
        ("", name) => Some(format!("NAME/{name}").into()),
        (id, _) => Some(format!("USER/{id}").into()),
    };
    let person = person.filter(|_| is_of_people).zip(account.clone());
    principal(arn, of).zip(account).into_iter().chain(person)
}

fn principal<'f>(arn: &str, of: &dyn Fn(&'static str) -> &'f str) -> Option<Box<str>> {
    if arn.contains(":user/") {
        return Some(arn.into());
    }
    let (start, rest) = arn.split_once(":assumed-role/")?;
    let role = of("gw.session.role_arn");
    Some(match role.is_empty() {
        true => format!("{}:role/{}", start.replacen(":sts:", ":iam:", 1), rest.split('/').next()?)
            .into(),
        false => role.into(),
    })
}

fn of_session<'f>(session: &'f Facts, name: &str) -> &'f str {
    match session.get(name) {
        Some(Fact::Text(text)) => text,
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Slots;

    fn of(identity: &str, more: &str) -> (Option<u64>, bool) {
        let text = format!(
            r#"{{"eventSource":"iam.amazonaws.com","eventName":"CreateUser","recipientAccountId":"1","userIdentity":{identity}{more}}}"#
        );
        let slots = Slots::of(&text).unwrap();
        let record = TrailRecord::new(&text, &slots);
        (key(&record), is_refused(&record))
    }

    #[test]
    fn sessions_of_a_role_are_one_and_those_of_people_are_theirs() {
        let session = |role: &str, id: &str| {
            let arn = format!("arn:aws:sts::111122223333:assumed-role/{role}/x");
            of(&format!(r#"{{"principalId":"{id}","arn":"{arn}"}}"#), "").0
        };
        assert_eq!(session("Deploy", "AROA1:a"), session("Deploy", "AROA1:b"));
        assert_ne!(session("Deploy", "AROA1:a"), session("Deploy", "AROA2:a"));
        let people = "AWSReservedSSO_Admin_0123456789abcdef";
        assert_ne!(session(people, "AROA1:a"), session(people, "AROA1:b"));
        assert_eq!(of(r#"{"principalId":"111122223333"}"#, "").0, None);
        assert_eq!(of(r#"{"type":"AWSService"}"#, "").0, None);
    }

    #[test]
    fn what_was_refused_is_no_use() {
        let id = r#"{"principalId":"AIDA1"}"#;
        assert!(of(id, r#","errorCode":"Client.UnauthorizedOperation""#).1);
        assert!(!of(id, r#","errorCode":"NoSuchEntityException""#).1);
        assert!(!of(id, r#","errorCode":null"#).1);
    }

    #[test]
    fn holders_are_named_as_the_inventory_does() {
        let named = |arn: &str, facts: &[(&'static str, &str)]| {
            let mut session = Facts::default();
            facts.iter().for_each(|(name, value)| session.set(name, *value));
            let found = holders(arn, &|name| of_session(&session, name));
            let all: Vec<String> =
                found.map(|(holder, account)| format!("{holder} in {account}")).collect();
            all.join(", ")
        };
        let role = "arn:aws:sts::111122223333:assumed-role/Deploy/x";
        let with_path = "arn:aws:iam::111122223333:role/ops/Deploy";
        let sso = "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Admin_01/ana";
        let set = ("gw.session.permission_set", "Admin");
        let of_ana = (
            "gw.session.role_arn",
            "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_01",
        );
        for (arn, facts, expected) in [
            ("arn:aws:iam::1:user/a/ana", vec![], "arn:aws:iam::1:user/a/ana in 1"),
            (role, vec![], "arn:aws:iam::111122223333:role/Deploy in 111122223333"),
            (
                role,
                vec![("gw.session.role_arn", with_path)],
                "arn:aws:iam::111122223333:role/ops/Deploy in 111122223333",
            ),
            (
                sso,
                vec![set, of_ana, ("gw.session.on_behalf_of", "u-1"), ("gw.session.name", "ana")],
                "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_01 in 111122223333, USER/u-1 in 111122223333",
            ),
            (
                sso,
                vec![set, of_ana, ("gw.session.name", "ana")],
                "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_01 in 111122223333, NAME/ana in 111122223333",
            ),
            ("arn:aws:iam::1:root", vec![], ""),
        ] {
            assert_eq!(named(arn, &facts), expected, "{arn}");
        }
    }
}
