//! What an event wrote and no record told, once AWS was asked for it.
//!
//! Invariant: a text is put in its place only where it is not known and no later event wrote the piece; what was read is
//! never taken for what stood at another time than the change's own, or than the reading's where it tells of something else.

use crate::iam::history::History;
use crate::iam::history::change;
use crate::iam::history::change::Change;
use crate::iam::history::edit::Edit;
use crate::iam::history::journal::Did;
use crate::iam::history::thing;
use crate::iam::history::thing::Key;
use crate::iam::history::thing::Thing;
use crate::iam::history::timeline::Stamp;
use crate::iam::policy::Document;
use crate::iam::policy::Text;
use crate::iam::state::Managed;
use crate::model::Seconds;

/// What was read.
#[derive(Debug, Clone)]
pub struct Found {
    /// Which piece of the thing it is, as a change names it.
    pub item: Box<str>,
    /// When.
    pub at: Seconds,
    /// The policy that it is, where the change was made to what the policy is attached to.
    pub attached: Option<Key>,
    /// Which version of a managed policy it is.
    pub version: Option<Box<str>>,
    /// What it says.
    pub text: Text,
}

/// The id of an edit that tells what was read, in the place of that of an event.
const READ: &str = "read";

/// What a reading came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Filled {
    /// What the event changed of the piece.
    Changed(Change),
    /// Nothing of what the event wrote stands any more; what it was, nobody will know.
    Over,
    /// What was read is something else than what the event wrote.
    Unlike,
}

impl History {
    /// Takes in what the event at `time` wrote of `key`, now that it was read; returns what the event changed.
    ///
    /// Where a later event wrote the same, nothing is changed. An event that a snapshot has made part of the beginning is told
    /// by what the snapshot says of the piece; what stood before it is not known then.
    pub fn fill(&mut self, key: &Key, (time, event): (Seconds, &str), found: Found) -> Filled {
        let stamp: Stamp = (time, event.into());
        self.note(|| Did::Filled(key.clone(), stamp.clone(), found.clone()));
        let text = self.documents.share(found.text.clone());
        if let Some(policy) = found.attached {
            let Some(said) = said(&policy, found.version, text.clone()) else {
                return Filled::Unlike;
            };
            self.take_one(&policy, (found.at, READ.into()), said);
            return self.changed(key, &stamp, &found.item, &text);
        }
        let Some(timeline) = self.timelines.get(key) else {
            return self.told_by_snapshot(key, &found.item, &text);
        };
        let Some(mut edit) = timeline.edit(&stamp).cloned() else {
            return self.told_by_snapshot(key, &found.item, &text);
        };
        if let Edit::Default { id } = &edit {
            if found.version.as_ref() != Some(id) {
                return Filled::Unlike;
            }
            // A version says for ever what it said when it was made.
            let version = Edit::Version { id: id.clone(), text: text.clone(), is_default: false };
            self.insert(key, (time, format!("{READ}/{event}").into()), version);
            return self.changed(key, &stamp, &found.item, &text);
        }
        if timeline.is_overwritten(&stamp, &edit) {
            return Filled::Over;
        }
        match edit.fill(&found.version, text.clone()) {
            Place::Filled => {}
            Place::Gone => return Filled::Over,
            Place::None => return Filled::Unlike,
        }
        if let Some(timeline) = self.timelines.get_mut(key) {
            timeline.replace(&stamp, edit);
            self.dirty.insert(key.clone());
        }
        self.changed(key, &stamp, &found.item, &text)
    }

    /// Returns what an event changed of `item`, with all that is known by now.
    fn changed(&mut self, key: &Key, stamp: &Stamp, item: &str, text: &Text) -> Filled {
        let timeline = self.timelines.get(key);
        let Some(edit) = timeline.and_then(|it| it.edit(stamp)).cloned() else {
            return self.told_by_snapshot(key, item, text);
        };
        let around = self.timelines.get(key).map(|it| it.around(key, stamp, self));
        let (before, after) = around.unwrap_or_default();
        let changes = change::between(key, &edit, (before.as_ref(), after.as_ref()), &self.now);
        self.retell(key);
        let its = changes.into_iter().find(|change| *change.item == *item);
        its.map_or(Filled::Unlike, Filled::Changed)
    }

    /// Returns what a snapshot says of a piece that an event from before it wrote; `read` stands in for what it cannot say.
    fn told_by_snapshot(&self, key: &Key, item: &str, read: &Text) -> Filled {
        let Some(now) = self.piece(key, thing::get(&self.now, key), item) else {
            return Filled::Over;
        };
        if let Some(timeline) = self.timelines.get(key).filter(|it| it.edits() > 0) {
            let then = self.piece(key, timeline.base.clone(), item);
            if then.map(|it| it.after) != Some(now.after.clone()) {
                // Somebody wrote it again since.
                return Filled::Over;
            }
        }
        let is_known = matches!(now.after, Some(Text::Known(_)));
        let after = if is_known { now.after } else { Some(read.clone()) };
        Filled::Changed(Change { after, ..now })
    }

    /// Returns a piece of a thing as a change that made it, of which nobody knows what was before.
    fn piece(&self, key: &Key, thing: Option<Thing>, item: &str) -> Option<Change> {
        let thing = thing?;
        let sid = item.strip_prefix("statement/");
        let whole = if sid.is_some() { "policy" } else { item };
        let made = Edit::Made(thing.clone());
        let pieces = change::between(key, &made, (None, Some(&thing)), &self.now);
        let mut change = pieces.into_iter().find(|change| *change.item == *whole)?;
        if let (Some(sid), Some(text)) = (sid, &change.after) {
            change.after = Some(statement(sid, text)?);
            change.item = item.into();
        }
        let why = "a snapshot that was taken after the change tells of it";
        Some(Change { before: Some(Text::Unknown(why.into())), ..change })
    }
}

/// What became of the place in an edit for what was read.
enum Place {
    Filled,
    /// What was read does not have it any more.
    Gone,
    /// It has none, or says it already.
    None,
}

/// Returns what tells of a policy that nobody told of before what it says.
fn said(policy: &Key, version: Option<Box<str>>, text: Text) -> Option<Edit> {
    match policy {
        Key::Control { .. } => Some(Edit::Content { name: None, text: Some(text) }),
        _ => Some(Edit::Version { id: version?, text, is_default: true }),
    }
}

/// Returns the statement `sid` of what was read, as an edit has it; nothing where it is not there any more.
fn statement(sid: &str, text: &Text) -> Option<Text> {
    let Text::Known(whole) = text else { return Some(text.clone()) };
    let its = whole.statements.iter().filter(|it| it.sid.as_deref() == Some(sid));
    let statements: Vec<_> = its.cloned().collect();
    let document = Document { language: whole.language, statements };
    (!document.statements.is_empty()).then(|| Text::Known(document.into()))
}

impl Edit {
    /// Puts `text` where the edit says that it is not known.
    fn fill(&mut self, version: &Option<Box<str>>, text: Text) -> Place {
        let text = match self {
            Self::StatementPut { sid, .. } => match statement(sid, &text) {
                Some(text) => text,
                None => return Place::Gone,
            },
            _ => text,
        };
        let place = match self {
            Self::Inline { text: Some(place), .. }
            | Self::SetInline { text: Some(place) }
            | Self::Content { text: Some(place), .. }
            | Self::StatementPut { text: place, .. }
            | Self::Trust { text: place }
            | Self::Policy { text: place } => Some(place),
            Self::Version { id, text: place, .. } => {
                (version.as_ref() == Some(id)).then_some(place)
            }
            Self::Made(Thing::Role(role)) => Some(&mut role.trust),
            Self::Made(Thing::Resource(place)) => Some(place),
            Self::Made(Thing::Control(policy)) => Some(&mut policy.text),
            Self::Made(Thing::Policy(Managed { versions, .. })) => {
                version.as_ref().and_then(|id| versions.get_mut(id))
            }
            _ => None,
        };
        match place {
            Some(place) if matches!(place, Text::Unknown(_)) => {
                *place = text;
                Place::Filled
            }
            _ => Place::None,
        }
    }

    /// Returns whether it leaves nothing of what `earlier` wrote in the same thing.
    pub(super) fn writes_over(&self, earlier: &Self) -> bool {
        match (earlier, self) {
            (_, Self::Made(_) | Self::Deleted | Self::Gone) => true,
            (Self::Inline { name, .. }, Self::Inline { name: again, .. }) => name == again,
            (Self::Trust { .. } | Self::Made(Thing::Role(_)), Self::Trust { .. }) => true,
            (
                Self::Policy { .. } | Self::Made(Thing::Resource(_)),
                Self::Policy { .. } | Self::StatementPut { .. } | Self::StatementRemoved { .. },
            ) => true,
            (Self::StatementPut { .. }, Self::Policy { .. }) => true,
            (
                Self::StatementPut { sid, .. },
                Self::StatementPut { sid: again, .. } | Self::StatementRemoved { sid: again },
            ) => sid == again,
            (Self::SetInline { .. }, Self::SetInline { .. }) => true,
            (
                Self::Content { text: Some(_), .. } | Self::Made(Thing::Control(_)),
                Self::Content { text: Some(_), .. },
            ) => true,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::lesson::Lesson;
    use crate::iam::policy::Document;
    use crate::iam::policy::Kind;
    use crate::model::Span;

    const START: Seconds = Seconds(1_772_409_600);
    const READ_AT: Seconds = Seconds(1_772_413_200);

    fn at(second: i64) -> Seconds {
        START.plus(Span(second))
    }

    fn unknown() -> Text {
        Text::Unknown("the record leaves the document out".into())
    }

    fn known(action: &str) -> Text {
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"{action}","Resource":"*"}}]}}"#
        );
        Text::Known(Document::parse(&text, Kind::Identity).unwrap().into())
    }

    fn role() -> Key {
        Key::Role { account: "111122223333".into(), name: "app".into() }
    }

    fn policy() -> Key {
        let arn = "arn:aws:iam::111122223333:policy/own".into();
        Key::Policy { account: "111122223333".into(), arn }
    }

    fn inline(text: Option<Text>) -> Edit {
        Edit::Inline { name: "own".into(), text }
    }

    fn found(item: &str, version: Option<&str>, text: Text) -> Found {
        let (item, version) = (item.into(), version.map(Into::into));
        Found { item, at: READ_AT, attached: None, version, text }
    }

    fn own(text: Text) -> Found {
        found("inline/own", None, text)
    }

    #[track_caller]
    fn changed(filled: Filled) -> Change {
        let Filled::Changed(change) = filled else { panic!("{filled:?}") };
        change
    }

    /// Returns the history of edits, one a second.
    fn of(edits: &[(Key, Edit)]) -> History {
        let mut history = History::default();
        for (second, (key, edit)) in (0..).zip(edits) {
            let lesson = Lesson { edits: vec![(key.clone(), edit.clone())] };
            history.take(lesson, at(second), &format!("e{second}"));
        }
        history
    }

    fn stands(history: &History) -> Option<&Text> {
        history.now().accounts["111122223333"].roles["app"].entity.inline.get("own")
    }

    #[test]
    fn what_was_read_is_what_the_change_wrote() {
        let edits = [inline(Some(known("s3:GetObject"))), inline(Some(unknown()))];
        let mut history = of(&edits.map(|edit| (role(), edit)));
        assert_eq!(stands(&history), Some(&unknown()));
        let change = changed(history.fill(&role(), (at(1), "e1"), own(known("s3:*"))));
        assert_eq!(change.before, Some(known("s3:GetObject")));
        assert_eq!(change.after, Some(known("s3:*")));
        assert_eq!(stands(&history), Some(&known("s3:*")));
        // Once it is known, nobody is believed about it any more.
        let again = history.fill(&role(), (at(1), "e1"), own(known("sqs:*")));
        assert_eq!((again, stands(&history)), (Filled::Unlike, Some(&known("s3:*"))));
    }

    #[test]
    fn a_later_change_of_the_same_is_not_overwritten() {
        for later in [inline(None), inline(Some(known("sqs:*"))), Edit::Deleted] {
            let edits = [(role(), inline(Some(unknown()))), (role(), later)];
            let mut history = of(&edits);
            let before = history.now().clone();
            let filled = history.fill(&role(), (at(0), "e0"), own(known("*")));
            assert_eq!((filled, history.now()), (Filled::Over, &before));
        }
        let other = Edit::Inline { name: "other".into(), text: Some(known("sqs:*")) };
        let mut history = of(&[(role(), inline(Some(unknown()))), (role(), other)]);
        changed(history.fill(&role(), (at(0), "e0"), own(known("*"))));
    }

    #[test]
    fn what_a_snapshot_has_made_part_of_the_beginning_is_told_by_the_snapshot() {
        let of = |texts: &[(&str, Text)]| {
            let mut state = crate::iam::State::default();
            let mut app = crate::iam::state::Role {
                entity: Default::default(),
                trust: unknown(),
                last_used: None,
            };
            let all = texts.iter().map(|(name, text)| ((*name).into(), text.clone()));
            app.entity.inline = all.collect();
            let account = state.accounts.entry("111122223333".into()).or_default();
            account.roles.insert("app".into(), app);
            History::new(crate::iam::Snapshot { state, ..Default::default() })
        };
        let filled = of(&[("own", known("s3:*"))]).fill(&role(), (at(0), "e0"), own(known("*")));
        let change = changed(filled);
        // What was read may be of a later day than the snapshot.
        assert_eq!(change.after, Some(known("s3:*")));
        assert!(matches!(change.before, Some(Text::Unknown(_))));
        let filled = of(&[("own", unknown())]).fill(&role(), (at(0), "e0"), own(known("*")));
        assert_eq!(changed(filled).after, Some(known("*")));
        let filled = of(&[]).fill(&role(), (at(0), "e0"), own(known("*")));
        assert_eq!(filled, Filled::Over);
        // Somebody has written it again since the snapshot.
        let mut history = of(&[("own", known("s3:*"))]);
        let lesson = Lesson { edits: vec![(role(), inline(Some(known("sqs:*"))))] };
        history.take(lesson, at(9), "e9");
        assert_eq!(history.fill(&role(), (at(0), "e0"), own(known("*"))), Filled::Over);
    }

    #[test]
    fn a_version_says_what_it_always_said() {
        let version = |id: &str, text| Edit::Version { id: id.into(), text, is_default: true };
        let default = |id: &str| Edit::Default { id: id.into() };
        let edits = [version("v1", known("s3:*")), default("v3")];
        let mut history = of(&edits.map(|edit| (policy(), edit)));
        let v4 = found("default", Some("v4"), known("*"));
        assert_eq!(history.fill(&policy(), (at(1), "e1"), v4), Filled::Unlike);
        let v3 = found("default", Some("v3"), known("*"));
        let change = changed(history.fill(&policy(), (at(1), "e1"), v3));
        assert_eq!(change.before, Some(known("s3:*")));
        assert_eq!(change.after, Some(known("*")));
        let edits = [version("v1", known("s3:*")), version("v2", unknown())];
        let mut history = of(&edits.map(|edit| (policy(), edit)));
        let v2 = found("default", Some("v2"), known("*"));
        let change = changed(history.fill(&policy(), (at(1), "e1"), v2));
        assert_eq!(change.after, Some(known("*")));
    }

    #[test]
    fn a_policy_that_was_attached_unread_is_known_from_the_reading_on() {
        let Key::Policy { arn, .. } = policy() else { panic!("a policy") };
        let item = format!("attached/{arn}");
        let mut history = of(&[(role(), Edit::Attached { arn })]);
        let text = Found { attached: Some(policy()), ..found(&item, Some("v7"), known("*")) };
        let change = changed(history.fill(&role(), (at(0), "e0"), text));
        assert_eq!((&change.before, &change.after), (&None, &Some(known("*"))));
        let policies = |state: &crate::iam::State| state.accounts["111122223333"].policies.len();
        assert_eq!(policies(history.now()), 1);
        assert_eq!(policies(&history.state_at(at(10))), 0);
    }

    #[test]
    fn of_a_policy_that_is_read_whole_a_statement_is_what_the_event_put() {
        let arn = "arn:aws:lambda:eu-west-1:111122223333:function:f".into();
        let key = Key::Resource { account: "111122223333".into(), arn };
        let put = |sid: &str| Edit::StatementPut { sid: sid.into(), text: unknown() };
        let whole = |sids: &[&str]| {
            let statement = |sid: &&str| {
                format!(
                    r#"{{"Sid":"{sid}","Effect":"Allow","Principal":"*","Action":"lambda:{sid}","Resource":"*"}}"#
                )
            };
            let statements: Vec<String> = sids.iter().map(statement).collect();
            let text =
                format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.join(","));
            Text::Known(Document::parse(&text, Kind::Resource).unwrap().into())
        };
        let mut history = of(&[(key.clone(), put("one"))]);
        let one = |text| found("statement/one", None, text);
        let gone = history.fill(&key, (at(0), "e0"), one(whole(&["two"])));
        assert_eq!(gone, Filled::Over);
        let change = changed(history.fill(&key, (at(0), "e0"), one(whole(&["one", "two"]))));
        assert_eq!(change.after, Some(whole(&["one"])));
        // Where the rest is known, it is known with the statement.
        let edits = [Edit::Made(Thing::Resource(whole(&["two"]))), put("one")];
        let mut history = of(&edits.map(|edit| (key.clone(), edit)));
        let read = found("policy", None, whole(&["one", "three"]));
        let change = changed(history.fill(&key, (at(1), "e1"), read));
        assert_eq!(change.after, Some(whole(&["two", "one"])));
        let removed = Edit::StatementRemoved { sid: "one".into() };
        let mut history = of(&[put("one"), removed].map(|edit| (key.clone(), edit)));
        let filled = history.fill(&key, (at(0), "e0"), one(whole(&["one"])));
        assert_eq!(filled, Filled::Over);
    }

    #[test]
    fn what_belongs_to_no_account_is_filled_in_like_the_rest() {
        let set = Key::Set { arn: "arn:aws:sso:::permissionSet/ssoins-1/ps-1".into() };
        let inline = |text| Edit::SetInline { text };
        let mut history = of(&[(set.clone(), inline(Some(unknown())))]);
        let read = |item: &str| found(item, None, known("*"));
        let change = changed(history.fill(&set, (at(0), "e0"), read("inline")));
        assert_eq!(change.after, Some(known("*")));
        for later in [inline(None), inline(Some(known("sqs:*")))] {
            let edits = [inline(Some(unknown())), later].map(|edit| (set.clone(), edit));
            let filled = of(&edits).fill(&set, (at(0), "e0"), read("inline"));
            assert_eq!(filled, Filled::Over);
        }
        let control = Key::Control { id: "p-1".into() };
        let content = |text| Edit::Content { name: None, text };
        let mut history = of(&[(control.clone(), content(Some(unknown())))]);
        let change = changed(history.fill(&control, (at(0), "e0"), read("policy")));
        assert_eq!(change.after, Some(known("*")));
        let edits = [content(Some(unknown())), content(Some(known("sqs:*")))];
        let mut history = of(&edits.map(|edit| (control.clone(), edit)));
        let filled = history.fill(&control, (at(0), "e0"), read("policy"));
        assert_eq!(filled, Filled::Over);
        // A policy that was attached unread is known wherever it is attached.
        let node = Key::Node { id: "ou-1".into() };
        let mut history = of(&[(node.clone(), Edit::Attached { arn: "p-1".into() })]);
        let text = Found { attached: Some(control), ..read("attached/p-1") };
        let change = changed(history.fill(&node, (at(0), "e0"), text));
        assert_eq!(change.after, Some(known("*")));
    }
}
