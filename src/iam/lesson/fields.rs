//! A record's fields, as lessons read them.
//!
//! Invariant: what is longer than AWS lets it be is not taken in.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::iam::policy::Document;
use crate::iam::policy::Kind;
use crate::iam::policy::Text;
use crate::model::Seconds;
use crate::model::Slot;
use crate::model::TrailRecord;
use crate::model::bounded;
use crate::model::expiration;
use crate::model::json;

/// The longest name or ARN that is kept. IAM's ARNs have at most 2048 bytes, a tag's value 256 letters.
const MAX_NAME_BYTES: usize = 2_048;
/// The longest document that is read: KMS's may have 32 KiB, and whitespace does not count.
const MAX_DOCUMENT_BYTES: usize = 128 * 1_024;
/// How many tags are read. AWS lets a thing have fifty.
const MAX_TAGS: usize = 64;
/// How much of an error is told.
const MAX_WHY_BYTES: usize = 200;

/// A record.
pub(super) struct Fields<'r, 'a> {
    pub record: &'r TrailRecord<'a>,
    /// The account in which it happened.
    pub account: Box<str>,
}

impl<'r, 'a> Fields<'r, 'a> {
    pub fn of(record: &'r TrailRecord<'a>) -> Self {
        let mut fields =
            Self { record, account: record.slot_or_empty(Slot::RecipientAccountId).into() };
        if fields.account.is_empty() {
            // Records before version 1.02 do not say who receives them.
            fields.account = fields.at("userIdentity.accountId").unwrap_or_default();
        }
        fields
    }

    /// Returns a short text anywhere in the record.
    pub fn at(&self, path: &str) -> Option<Box<str>> {
        let text = self.record.text(path).filter(|text| !text.is_empty())?;
        (text.len() <= MAX_NAME_BYTES).then(|| text.into())
    }

    /// Returns a parameter of the request.
    pub fn asked(&self, name: &str) -> Option<Box<str>> {
        self.at(&format!("requestParameters.{name}"))
    }

    /// Returns a part of the answer.
    pub fn answered(&self, name: &str) -> Option<Box<str>> {
        self.at(&format!("responseElements.{name}"))
    }

    /// Returns when what was answered was made.
    pub fn made(&self, name: &str) -> Option<Seconds> {
        expiration(&self.answered(name)?)
    }

    /// Returns the region.
    pub fn region(&self) -> Box<str> {
        self.record.slot_or_empty(Slot::AwsRegion).into()
    }

    /// Returns the partition of the region, as ARNs begin with it.
    pub fn partition(&self) -> &'static str {
        match &*self.region() {
            region if region.starts_with("cn-") => "aws-cn",
            region if region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        }
    }

    /// Returns the ARN of something of IAM's in this account.
    pub fn arn(&self, sort: &str, path: &str, name: &str) -> Box<str> {
        format!("arn:{}:iam::{}:{sort}{path}{name}", self.partition(), self.account).into()
    }

    /// Reads the document in a parameter, as text or as the object that it is.
    ///
    /// Trail leaves out contents of more than 100 KB, and hides some.
    pub fn document(&self, name: &str, kind: Kind) -> Text {
        let mut raw = None;
        self.record.walk(&format!("requestParameters.{name}"), &mut |found| {
            raw.get_or_insert(found);
        });
        let Some(raw) = raw else {
            return Text::Unknown(
                format!("the record has no `{name}`: contents of more than 100 KB are left out")
                    .into(),
            );
        };
        let text = match json::kind(raw) {
            Some(json::Kind::Object) => raw.into(),
            _ => json::text(raw).unwrap_or_default(),
        };
        self.read(&text, kind)
    }

    /// Reads a document.
    pub fn read(&self, text: &str, kind: Kind) -> Text {
        let unknown = |why: String| Text::Unknown(bounded(&why, MAX_WHY_BYTES).into());
        if text.is_empty() {
            return unknown("the record leaves the document out".to_owned());
        }
        if text.contains("HIDDEN_DUE_TO_SECURITY_REASONS") && !text.starts_with(['{', '%']) {
            return unknown("CloudTrail hides the document".to_owned());
        }
        if text.len() > MAX_DOCUMENT_BYTES {
            return unknown(format!("the document has {} bytes", text.len()));
        }
        match Document::parse(text, kind) {
            Ok(document) => Text::Known(Arc::new(document)),
            Err(error) => unknown(format!("the document cannot be read: {error}")),
        }
    }

    /// Reads `tags`, which are written in two ways.
    pub fn tags(&self) -> BTreeMap<Box<str>, Box<str>> {
        let asked = self.record.slot_raw(Slot::RequestParameters).unwrap_or_default();
        let tags = json::member(asked, "tags").into_iter().flat_map(json::elements);
        let text = |tag: &str, name: &str| -> Option<Box<str>> {
            let text = json::text(json::member(tag, name)?)?;
            Some(bounded(&text, MAX_NAME_BYTES).into())
        };
        tags.take(MAX_TAGS)
            .filter_map(|tag| Some((text(tag, "key")?, text(tag, "value").unwrap_or_default())))
            .collect()
    }

    /// Reads a list of short texts among the parameters.
    pub fn list(&self, name: &str) -> Vec<Box<str>> {
        let asked = self.record.slot_raw(Slot::RequestParameters).unwrap_or_default();
        let all = json::member(asked, name).into_iter().flat_map(json::elements);
        let texts = all.filter_map(json::text).filter(|text| text.len() <= MAX_NAME_BYTES);
        texts.take(MAX_TAGS).map(Into::into).collect()
    }
}

/// How many items of a list are read.
const MAX_ITEMS: usize = 5_000;

/// Returns the items of a list: EC2 writes `{"items": […]}`, `{}` where there are none, and a lone item as it is.
pub(super) fn items(raw: &str) -> Box<dyn Iterator<Item = &str> + '_> {
    match json::kind(raw) {
        Some(json::Kind::Array) => Box::new(json::elements(raw).take(MAX_ITEMS)),
        Some(json::Kind::Object) => match json::member(raw, "items") {
            Some(all) => Box::new(json::elements(all).take(MAX_ITEMS)),
            None if json::members(raw).next().is_none() => Box::new(std::iter::empty()),
            None => Box::new(std::iter::once(raw)),
        },
        _ => Box::new(std::iter::empty()),
    }
}

/// Returns a short text in an object.
pub(super) fn text_in(raw: &str, name: &str) -> Option<Box<str>> {
    let text = json::text(json::member(raw, name)?)?;
    (!text.is_empty() && text.len() <= MAX_NAME_BYTES).then(|| text.into())
}

/// Returns a list of short texts in an object, each once.
pub(super) fn texts_of(raw: &str, name: &str) -> BTreeSet<Box<str>> {
    let all = json::member(raw, name).into_iter().flat_map(json::elements).take(MAX_ITEMS);
    let texts = all.filter_map(json::text).filter(|text| text.len() <= MAX_NAME_BYTES);
    texts.map(Into::into).collect()
}
