//! What an event wrote and no record told, once AWS was asked for it.
//!
//! Invariant: a text is put in its place only where it is not known and no later event wrote the piece; what was read is
//! never taken for what stood at another time than the change's own, or than the reading's where it tells of something else.

use crate::iam::history::History;
use crate::iam::history::change;
use crate::iam::history::change::Change;
use crate::iam::history::edit::Edit;
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

impl History {
    /// Takes in what the event at `time` wrote of `key`, now that it was read; returns what the event changed.
    ///
    /// Nothing is changed, and nothing returned, where a later event wrote the same, or the event is not kept any more.
    pub fn fill(&mut self, key: &Key, (time, event): (Seconds, &str), found: Found) -> Vec<Change> {
        let stamp: Stamp = (time, event.into());
        let text = self.documents.share(found.text.clone());
        let Some(timeline) = self.timelines.get(key) else { return Vec::new() };
        let Some(mut edit) = timeline.edit(&stamp).cloned() else { return Vec::new() };
        match (found.attached, &edit) {
            (Some(policy), _) => {
                let Some(said) = said(&policy, found.version, text) else { return Vec::new() };
                self.take_one(&policy, (found.at, READ.into()), said);
            }
            (None, Edit::Default { id }) => {
                if found.version.as_ref() != Some(id) {
                    return Vec::new();
                }
                // A version says for ever what it said when it was made.
                let version = Edit::Version { id: id.clone(), text, is_default: false };
                self.insert(key, (time, format!("{READ}/{event}").into()), version);
            }
            (None, _) => {
                if timeline.is_overwritten(&stamp, &edit) || !edit.fill(&found.version, text) {
                    return Vec::new();
                }
                if let Some(timeline) = self.timelines.get_mut(key) {
                    timeline.replace(&stamp, edit.clone());
                    self.dirty.insert(key.clone());
                }
            }
        }
        let around = self.timelines.get(key).map(|it| it.around(key, &stamp, self));
        let (before, after) = around.unwrap_or_default();
        let changes = change::between(key, &edit, (before.as_ref(), after.as_ref()), &self.now);
        self.retell(key);
        changes
    }
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
    /// Puts `text` where the edit says that it is not known; returns whether there was such a place.
    fn fill(&mut self, version: &Option<Box<str>>, text: Text) -> bool {
        let text = match self {
            Self::StatementPut { sid, .. } => match statement(sid, &text) {
                Some(text) => text,
                None => return false,
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
                true
            }
            _ => false,
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

    fn found(version: Option<&str>, text: Text) -> Found {
        Found { at: READ_AT, attached: None, version: version.map(Into::into), text }
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
        let changes = history.fill(&role(), (at(1), "e1"), found(None, known("s3:*")));
        let [change] = &changes[..] else { panic!("{changes:?}") };
        assert_eq!(change.before, Some(known("s3:GetObject")));
        assert_eq!(change.after, Some(known("s3:*")));
        assert_eq!(stands(&history), Some(&known("s3:*")));
        // Once it is known, nobody is believed about it any more.
        let again = history.fill(&role(), (at(1), "e1"), found(None, known("sqs:*")));
        assert_eq!((again, stands(&history)), (Vec::new(), Some(&known("s3:*"))));
    }

    #[test]
    fn a_later_change_of_the_same_is_not_overwritten() {
        for later in [inline(None), inline(Some(known("sqs:*"))), Edit::Deleted] {
            let edits = [(role(), inline(Some(unknown()))), (role(), later)];
            let mut history = of(&edits);
            let before = history.now().clone();
            let changes = history.fill(&role(), (at(0), "e0"), found(None, known("*")));
            assert_eq!((changes, history.now()), (Vec::new(), &before));
        }
        let other = Edit::Inline { name: "other".into(), text: Some(known("sqs:*")) };
        let mut history = of(&[(role(), inline(Some(unknown()))), (role(), other)]);
        assert_eq!(history.fill(&role(), (at(0), "e0"), found(None, known("*"))).len(), 1);
    }

    #[test]
    fn a_version_says_what_it_always_said() {
        let version = |id: &str, text| Edit::Version { id: id.into(), text, is_default: true };
        let default = |id: &str| Edit::Default { id: id.into() };
        let edits = [version("v1", known("s3:*")), default("v3")];
        let mut history = of(&edits.map(|edit| (policy(), edit)));
        let wrong = history.fill(&policy(), (at(1), "e1"), found(Some("v4"), known("*")));
        assert_eq!(wrong, []);
        let changes = history.fill(&policy(), (at(1), "e1"), found(Some("v3"), known("*")));
        let [change] = &changes[..] else { panic!("{changes:?}") };
        assert_eq!(change.before, Some(known("s3:*")));
        assert_eq!(change.after, Some(known("*")));
        let edits = [version("v1", known("s3:*")), version("v2", unknown())];
        let mut history = of(&edits.map(|edit| (policy(), edit)));
        let changes = history.fill(&policy(), (at(1), "e1"), found(Some("v2"), known("*")));
        assert_eq!(changes[0].after, Some(known("*")));
    }

    #[test]
    fn a_policy_that_was_attached_unread_is_known_from_the_reading_on() {
        let Key::Policy { arn, .. } = policy() else { panic!("a policy") };
        let mut history = of(&[(role(), Edit::Attached { arn })]);
        let text = Found { attached: Some(policy()), ..found(Some("v7"), known("*")) };
        let changes = history.fill(&role(), (at(0), "e0"), text);
        let [change] = &changes[..] else { panic!("{changes:?}") };
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
        let gone = history.fill(&key, (at(0), "e0"), found(None, whole(&["two"])));
        assert_eq!(gone, []);
        let changes = history.fill(&key, (at(0), "e0"), found(None, whole(&["one", "two"])));
        let [change] = &changes[..] else { panic!("{changes:?}") };
        assert_eq!((&*change.item, &change.after), ("statement/one", &Some(whole(&["one"]))));
        // Where the rest is known, it is known with the statement.
        let edits = [Edit::Made(Thing::Resource(whole(&["two"]))), put("one")];
        let mut history = of(&edits.map(|edit| (key.clone(), edit)));
        let changes = history.fill(&key, (at(1), "e1"), found(None, whole(&["one", "three"])));
        let [change] = &changes[..] else { panic!("{changes:?}") };
        assert_eq!((&*change.item, &change.after), ("policy", &Some(whole(&["two", "one"]))));
        let removed = Edit::StatementRemoved { sid: "one".into() };
        let mut history = of(&[put("one"), removed].map(|edit| (key.clone(), edit)));
        assert_eq!(history.fill(&key, (at(0), "e0"), found(None, whole(&["one"]))), []);
    }

    #[test]
    fn what_belongs_to_no_account_is_filled_in_like_the_rest() {
        let set = Key::Set { arn: "arn:aws:sso:::permissionSet/ssoins-1/ps-1".into() };
        let inline = |text| Edit::SetInline { text };
        let mut history = of(&[(set.clone(), inline(Some(unknown())))]);
        let changes = history.fill(&set, (at(0), "e0"), found(None, known("*")));
        assert_eq!(changes[0].after, Some(known("*")));
        for later in [inline(None), inline(Some(known("sqs:*")))] {
            let edits = [inline(Some(unknown())), later].map(|edit| (set.clone(), edit));
            assert_eq!(of(&edits).fill(&set, (at(0), "e0"), found(None, known("*"))), []);
        }
        let control = Key::Control { id: "p-1".into() };
        let content = |text| Edit::Content { name: None, text };
        let mut history = of(&[(control.clone(), content(Some(unknown())))]);
        let changes = history.fill(&control, (at(0), "e0"), found(None, known("*")));
        assert_eq!(changes[0].after, Some(known("*")));
        let edits = [content(Some(unknown())), content(Some(known("sqs:*")))];
        let mut history = of(&edits.map(|edit| (control.clone(), edit)));
        assert_eq!(history.fill(&control, (at(0), "e0"), found(None, known("*"))), []);
        // A policy that was attached unread is known wherever it is attached.
        let node = Key::Node { id: "ou-1".into() };
        let mut history = of(&[(node.clone(), Edit::Attached { arn: "p-1".into() })]);
        let text = Found { attached: Some(control), ..found(None, known("*")) };
        let changes = history.fill(&node, (at(0), "e0"), text);
        let [change] = &changes[..] else { panic!("{changes:?}") };
        assert_eq!((&*change.item, &change.after), ("attached/p-1", &Some(known("*"))));
    }
}
