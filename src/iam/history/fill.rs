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
use crate::iam::policy::Text;
use crate::iam::state::Managed;
use crate::model::Seconds;

/// What was read.
#[derive(Debug, Clone)]
pub struct Found {
    /// When.
    pub at: Seconds,
    /// The managed policy that it is, where the change was made to what the policy is attached to.
    pub attached: Option<Box<str>>,
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
            (Some(arn), _) => {
                let policy = Key::Policy { account: key.account().into(), arn };
                let Some(id) = found.version else { return Vec::new() };
                let version = Edit::Version { id, text, is_default: true };
                self.take_one(&policy, (found.at, READ.into()), version);
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

impl Edit {
    /// Puts `text` where the edit says that it is not known; returns whether there was such a place.
    fn fill(&mut self, version: &Option<Box<str>>, text: Text) -> bool {
        let place = match self {
            Self::Inline { text: Some(place), .. }
            | Self::Trust { text: place }
            | Self::Policy { text: place } => Some(place),
            Self::Version { id, text: place, .. } => {
                (version.as_ref() == Some(id)).then_some(place)
            }
            Self::Made(Thing::Role(role)) => Some(&mut role.trust),
            Self::Made(Thing::Resource(place)) => Some(place),
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
        let mut history = of(&[(role(), Edit::Attached { arn: arn.clone() })]);
        let text = Found { attached: Some(arn), ..found(Some("v7"), known("*")) };
        let changes = history.fill(&role(), (at(0), "e0"), text);
        let [change] = &changes[..] else { panic!("{changes:?}") };
        assert_eq!((&change.before, &change.after), (&None, &Some(known("*"))));
        let policies = |state: &crate::iam::State| state.accounts["111122223333"].policies.len();
        assert_eq!(policies(history.now()), 1);
        assert_eq!(policies(&history.state_at(at(10))), 0);
    }
}
