//! When what somebody has by a policy came, as far as edits tell.
//!
//! Invariant: nothing is told of what may have been there before the first edit that is known, nor of what anybody has by
//! another way as well that may.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::iam::history::History;
use crate::iam::history::edit::Edit;
use crate::iam::history::thing::Key;
use crate::iam::history::thing::Thing;
use crate::iam::history::timeline::Timeline;
use crate::iam::state::Account;
use crate::iam::state::Entity;
use crate::model::Seconds;
use crate::model::Span;

/// What somebody has of a policy: who, as an inventory calls him, and which, an inline one by its name.
pub type Had = (Box<str>, Box<str>);

/// Something that a thing has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Piece {
    Policy(Box<str>),
    Group(Box<str>),
    /// The thing itself.
    Whole,
}

/// Since when a thing has what it has; what was always there is not in it.
type Pieces = BTreeMap<Piece, Seconds>;

/// The ways in which somebody has a policy: since when he has it by the first of them, if the coming of each was seen.
#[derive(Default)]
struct Ways(BTreeMap<Had, Option<Seconds>>);

impl Ways {
    fn add(&mut self, who: &str, policy: &str, came: Option<Seconds>) {
        let known = self.0.entry((who.into(), policy.into())).or_insert(came);
        *known = known.zip(came).map(|(one, other)| one.min(other));
    }
}

impl History {
    /// Returns since when users and roles have their policies, through their groups too, and whoever is assigned a permission
    /// set that set, without a break up to `until`, or now: of each that came by an edit.
    pub fn came(&self, until: Option<Seconds>) -> BTreeMap<Had, Seconds> {
        let state = match until {
            Some(time) => Cow::Owned(self.state_at(time)),
            None => Cow::Borrowed(&self.now),
        };
        let until = until.unwrap_or(Seconds(i64::MAX));
        let mut ways = Ways::default();
        for (id, account) in &state.accounts {
            self.of_account(id, account, until, &mut ways);
        }
        let center = &state.identity_center;
        for it in &center.assignments {
            let Some(set) = center.sets.get(&it.set) else { continue };
            let pieces = self.pieces(&Key::Assigned(it.clone()), until);
            let who = format!("{}/{}", it.principal_type, it.principal_id);
            ways.add(&who, &set.name, pieces.get(&Piece::Whole).copied());
        }
        ways.0.into_iter().filter_map(|(had, came)| Some((had, came?))).collect()
    }

    fn of_account(&self, id: &str, account: &Account, until: Seconds, ways: &mut Ways) {
        let key = |name: &str| (Box::<str>::from(id), Box::<str>::from(name));
        let of_group = |name: &str| {
            let (account, name) = key(name);
            self.pieces(&Key::Group { account, name }, until)
        };
        let groups: BTreeMap<&str, Pieces> =
            account.groups.keys().map(|name| (&**name, of_group(name))).collect();
        for (name, user) in &account.users {
            let (account_id, name) = key(name);
            let own = self.pieces(&Key::User { account: account_id, name }, until);
            let who = &*user.entity.arn;
            for policy in policies(&user.entity) {
                ways.add(who, policy, own.get(&Piece::Policy(policy.into())).copied());
            }
            for group in &user.groups {
                let Some(entity) = account.groups.get(group) else { continue };
                let joined = own.get(&Piece::Group(group.clone())).copied();
                for policy in policies(entity) {
                    let of_group = groups.get(&**group);
                    let came = of_group.and_then(|it| it.get(&Piece::Policy(policy.into())));
                    ways.add(who, policy, joined.max(came.copied()));
                }
            }
        }
        for (name, role) in &account.roles {
            let (account_id, name) = key(name);
            let own = self.pieces(&Key::Role { account: account_id, name }, until);
            for policy in policies(&role.entity) {
                let came = own.get(&Piece::Policy(policy.into())).copied();
                ways.add(&role.entity.arn, policy, came);
            }
        }
    }

    /// Returns since when a thing has what it has at `until`, where it had it not before.
    fn pieces(&self, key: &Key, until: Seconds) -> Pieces {
        let Some(timeline) = self.timelines.get(key) else { return Pieces::new() };
        if !tells_the_beginning(timeline) {
            return Pieces::new();
        }
        let times: BTreeSet<Seconds> = timeline.times().filter(|time| *time <= until).collect();
        let Some(first) = times.first() else { return Pieces::new() };
        let before = timeline.at(key, first.plus(Span(-1)), self);
        let mut had = pieces_of(before.as_ref());
        let mut since = Pieces::new();
        for time in times {
            let has = pieces_of(timeline.at(key, time, self).as_ref());
            since.retain(|piece, _| has.contains(piece));
            since.extend(has.difference(&had).map(|piece| (piece.clone(), time)));
            had = has;
        }
        since
    }
}

/// Returns whether it is known what was before the first edit: a snapshot told, or it was made. What had another name came
/// with that.
fn tells_the_beginning(timeline: &Timeline) -> bool {
    let mut edits = timeline.since(Seconds(i64::MIN)).map(|(_, edit)| edit).peekable();
    let is_made = matches!(edits.peek(), Some(Edit::Made(_)));
    (timeline.base.is_some() || is_made)
        && !edits.any(|edit| matches!(edit, Edit::RenamedFrom { .. } | Edit::GroupRenamed { .. }))
}

fn policies(entity: &Entity) -> impl Iterator<Item = &str> {
    entity.inline.keys().chain(&entity.attached).map(|it| &**it)
}

fn pieces_of(thing: Option<&Thing>) -> BTreeSet<Piece> {
    let Some(thing) = thing else { return BTreeSet::new() };
    let own = thing.entity().into_iter().flat_map(policies).map(|it| Piece::Policy(it.into()));
    let groups = match thing {
        Thing::User(user) => user.groups.iter().cloned().map(Piece::Group).collect(),
        _ => Vec::new(),
    };
    own.chain(groups).chain([Piece::Whole]).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use serde_json::json;

    use super::*;
    use crate::iam::history::tests::ACCOUNT;
    use crate::iam::history::tests::START;
    use crate::iam::history::tests::document;
    use crate::iam::history::tests::iam;
    use crate::iam::history::tests::of;

    fn minute(minute: i64) -> Seconds {
        START.plus(Span(minute * 60))
    }

    /// Returns when each policy of a holder came, by minute.
    fn told(history: &History, until: Option<Seconds>, who: &str) -> Vec<(String, i64)> {
        let who = format!("arn:aws:iam::{ACCOUNT}:{who}");
        let came = history.came(until).into_iter().filter(|((holder, _), _)| **holder == *who);
        came.map(|((_, policy), at)| (policy.into(), at.since(START).0 / 60)).collect()
    }

    fn user(minute: i64, event: &str, more: Value) -> String {
        let mut asked = more;
        asked["userName"] = "ana".into();
        iam(minute, event, asked)
    }

    #[test]
    fn what_came_is_told_since_it_stands_without_a_break() {
        let policy = |name: &str| format!("arn:aws:iam::aws:policy/{name}");
        let direct = json!({ "policyArn": policy("Direct") });
        let inline =
            json!({"groupName": "ops", "policyName": "own", "policyDocument": document("*")});
        let history = of(&[
            user(1, "CreateUser", json!({})),
            iam(1, "CreateGroup", json!({"groupName": "ops"})),
            iam(2, "PutGroupPolicy", inline),
            user(3, "AddUserToGroup", json!({"groupName": "ops"})),
            user(4, "AttachUserPolicy", direct.clone()),
            user(5, "DetachUserPolicy", direct.clone()),
            user(6, "AttachUserPolicy", direct.clone()),
            user(7, "AttachUserPolicy", direct),
        ]);
        let all = [(policy("Direct"), 6), ("own".to_owned(), 3)];
        assert_eq!(told(&history, None, "user/ana"), all);
        let then = [(policy("Direct"), 4), ("own".to_owned(), 3)];
        assert_eq!(told(&history, Some(minute(4)), "user/ana"), then);
        assert_eq!(told(&history, Some(minute(2)), "user/ana"), []);
    }

    #[test]
    fn of_what_may_have_been_there_before_nothing_is_told() {
        let attach = |minute| {
            let asked = json!({"roleName": "app", "policyArn": "arn:aws:iam::aws:policy/P"});
            iam(minute, "AttachRolePolicy", asked)
        };
        assert_eq!(told(&of(&[attach(1), attach(2)]), None, "role/app"), []);
        // By a group that nobody told of she has it since she joined it.
        let own = json!({"policyName": "own", "policyDocument": document("*")});
        let group =
            json!({"groupName": "ops", "policyName": "own", "policyDocument": document("*")});
        let records = [user(1, "CreateUser", json!({})), user(4, "PutUserPolicy", own)];
        assert_eq!(told(&of(&records), None, "user/ana"), [("own".to_owned(), 4)]);
        let both = [
            records.as_slice(),
            &[
                iam(2, "PutGroupPolicy", group),
                user(3, "AddUserToGroup", json!({"groupName": "ops"})),
            ],
        ];
        assert_eq!(told(&of(&both.concat()), None, "user/ana"), [("own".to_owned(), 3)]);
    }
}
