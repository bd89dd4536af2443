//! Documents by content, each kept once: most policies of an organisation are copies of few.
//!
//! Invariant: sharing changes no text.

use std::collections::HashSet;
use std::sync::Arc;

use crate::iam::history::edit::Edit;
use crate::iam::history::thing::Thing;
use crate::iam::policy::Document;
use crate::iam::policy::Text;

/// The documents that are known.
#[derive(Debug, Clone, Default)]
pub struct Documents(HashSet<Arc<Document>>);

impl Documents {
    /// Returns `text` with the document that is shared by all who say the same.
    pub fn share(&mut self, text: Text) -> Text {
        let Text::Known(document) = text else { return text };
        if let Some(known) = self.0.get(&document) {
            return Text::Known(known.clone());
        }
        self.0.insert(document.clone());
        Text::Known(document)
    }

    /// Returns how many different documents there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Drops what nobody says any more.
    pub(super) fn forget(&mut self) {
        self.0.retain(|document| Arc::strong_count(document) > 1);
    }

    fn share_in(&mut self, text: &mut Text) {
        let taken = std::mem::replace(text, Text::Unknown("".into()));
        *text = self.share(taken);
    }

    /// Shares the documents of an edit.
    pub(super) fn share_edit(&mut self, edit: &mut Edit) {
        match edit {
            Edit::Made(thing) => self.share_thing(thing),
            Edit::Inline { text: Some(text), .. }
            | Edit::SetInline { text: Some(text) }
            | Edit::Content { text: Some(text), .. }
            | Edit::Trust { text }
            | Edit::Version { text, .. }
            | Edit::Policy { text }
            | Edit::StatementPut { text, .. } => self.share_in(text),
            _ => {}
        }
    }

    /// Shares the documents of a thing.
    pub(super) fn share_thing(&mut self, thing: &mut Thing) {
        if let Some(entity) = thing.entity_mut() {
            entity.inline.values_mut().for_each(|text| self.share_in(text));
        }
        match thing {
            Thing::Role(role) => self.share_in(&mut role.trust),
            Thing::Policy(policy) => {
                policy.versions.values_mut().for_each(|text| self.share_in(text));
            }
            Thing::Resource(text) | Thing::Grant(text) => self.share_in(text),
            Thing::Control(policy) => self.share_in(&mut policy.text),
            Thing::Set(set) => {
                if let Some(text) = &mut set.inline {
                    self.share_in(text);
                }
            }
            _ => {}
        }
    }
}
