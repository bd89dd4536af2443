//! What a record says of the tags of resources: which records do, of which resources, and what.
//!
//! `calls.rs` lists the calls that have to be known by name, `spelling.rs` reads lists of tags. What is read is told in
//! docs/protect.md.
//!
//! Invariant: a refused or failed call teaches nothing; a tag whose resource or value is not told plainly is not learned. Every
//! text is bounded.

use crate::grants::resource;
use crate::grants::resource::Resources;
use crate::grants::tags::Keys;
use crate::grants::tags::calls::BEGINNINGS;
use crate::grants::tags::calls::GONE;
use crate::grants::tags::calls::MADE;
use crate::grants::tags::calls::MADE_IN_EC2;
use crate::grants::tags::history::Edit;
use crate::grants::tags::name;
use crate::grants::tags::spelling;
use crate::model::Seconds;
use crate::model::Slot;
use crate::model::TrailRecord;
use crate::model::action_of;
use crate::model::json;

/// The longest ARN that is kept, in bytes; AWS allows 1,011 for tagging.
const MAX_ARN_BYTES: usize = 1_024;
/// The longest value that is kept, in bytes; AWS allows 256 letters.
const MAX_VALUE_BYTES: usize = 1_024;
/// How many resources of one record are read; the tagging API takes 20, EC2 a thousand.
const MAX_RESOURCES: usize = 1_000;

/// What a record says of tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lesson {
    /// When.
    pub time: Seconds,
    /// What tells the record from all others.
    pub record: u64,
    /// What it does to which resource.
    pub(super) changes: Vec<(Box<str>, Vec<Edit>)>,
}

/// Returns what `record`, which its mark `fingerprint` tells from all others, says of tags with one of `keys`.
///
/// Called for every record, on a worker: what is no such call is told by how its name begins.
pub fn lesson(
    record: &TrailRecord<'_>,
    time: Seconds,
    fingerprint: u64,
    keys: &Keys,
) -> Option<Lesson> {
    let event = record.slot_raw(Slot::EventName)?.strip_prefix('"')?.strip_suffix('"')?;
    if keys.is_empty() || !BEGINNINGS.iter().any(|begin| event.starts_with(begin)) {
        return None;
    }
    let has_failed = !record.slot_or_empty(Slot::ErrorCode).is_empty();
    if has_failed || record.slot_raw(Slot::ReadOnly) == Some("true") {
        return None;
    }
    let source = record.slot_or_empty(Slot::EventSource);
    let call = Call {
        record,
        asked: record.slot_raw(Slot::RequestParameters).unwrap_or_default(),
        service: source.strip_suffix(".amazonaws.com")?,
        event: unversioned(event),
        action: action_of(&source, event),
        keys,
    };
    let mut changes: Vec<(Box<str>, Vec<Edit>)> = Vec::new();
    for (arn, edits) in call.changes() {
        let resource = name::of(&arn);
        let is_known = changes.iter().any(|(known, _)| **known == *resource);
        if !edits.is_empty() && resource.len() <= MAX_ARN_BYTES && !is_known {
            changes.push((resource.into(), edits));
        }
    }
    (!changes.is_empty()).then_some(Lesson { time, record: fingerprint, changes })
}

/// Returns the name of a call without the version that some services put behind it (`CreateFunction20150331`).
fn unversioned(event: &str) -> &str {
    let end = event.find("20").filter(|at| *at > 0).unwrap_or(event.len());
    event.get(..end).unwrap_or(event)
}

/// A call that may say something of tags.
struct Call<'r, 'a> {
    record: &'r TrailRecord<'a>,
    /// Its parameters.
    asked: &'a str,
    service: &'r str,
    event: &'r str,
    action: String,
    keys: &'r Keys,
}

impl<'a> Call<'_, 'a> {
    /// Returns what it does, by ARN.
    fn changes(&self) -> Vec<(String, Vec<Edit>)> {
        let is = |known: &(&str, &str)| *known == (self.service, self.event);
        match self.event {
            "PutBucketTagging" | "DeleteBucketTagging" => {
                let mut edits = vec![Edit::Clear];
                edits.extend(self.put(self.asked));
                self.each(resource::resources(self.record, &self.action), &edits)
            }
            "CreateTags" | "DeleteTags" if self.service == "ec2" => self.in_ec2(),
            event if event.starts_with("Tag") => self.each(self.targets(), &self.put(self.asked)),
            event if event.starts_with("AddTags") || event == "CreateTags" => {
                self.each(self.targets(), &self.put(self.asked))
            }
            event if event.starts_with("Untag") => self.each(self.targets(), &self.dropped()),
            event if event.starts_with("RemoveTags") || event == "DeleteTags" => {
                self.each(self.targets(), &self.dropped())
            }
            _ if GONE.iter().any(is) => {
                let gone = resource::resources(self.record, &self.action);
                self.each(gone, &[Edit::Clear])
            }
            _ if self.service == "ec2" => self.made_in_ec2(),
            _ => self.made(),
        }
    }

    fn each(&self, arns: Resources, edits: &[Edit]) -> Vec<(String, Vec<Edit>)> {
        arns.into_iter().map(|arn| (arn, edits.to_vec())).collect()
    }

    /// The tags that stand in `raw`, to be set.
    fn put(&self, raw: &str) -> Vec<Edit> {
        let mut edits = Vec::new();
        self.tags(raw, &mut |key, value| {
            if let Some(value) = value.filter(|value| value.len() <= MAX_VALUE_BYTES) {
                edits.push(Edit::Put { key: key.into(), value: value.into() });
            }
        });
        edits
    }

    /// The keys that are named, to be taken away.
    fn dropped(&self) -> Vec<Edit> {
        let mut edits = Vec::new();
        self.tags(self.asked, &mut |key, _| edits.push(Edit::Drop { key: key.into() }));
        edits
    }

    /// Calls `found` with each tag in the parameters `raw` whose key is asked for.
    fn tags(&self, raw: &str, found: &mut dyn FnMut(&str, Option<&str>)) {
        if let Some(list) = spelling::listed_in(raw) {
            spelling::each_tag(list, &mut |key, value| {
                if self.keys.hold(key) {
                    found(key, value);
                }
            });
        }
    }

    /// What is tagged: by ARN, by the name that the service knows it by, or as the record lists it.
    fn targets(&self) -> Resources {
        let mut found = Resources::new();
        let mut keep = |raw: &str| {
            if let Some(arn) = json::string(raw).filter(|arn| arn.starts_with("arn:"))
                && found.len() < MAX_RESOURCES
            {
                found.push(arn.into_owned());
            }
        };
        for (key, value) in json::members(self.asked) {
            let key = key.to_ascii_lowercase();
            if !spelling::is_list(&key) && (key.contains("arn") || key.starts_with("resource")) {
                json::elements(value).for_each(&mut keep);
                keep(value);
            }
        }
        let failed = self.record.slot_raw(Slot::ResponseElements).unwrap_or_default();
        let failed = json::member(failed, "failedResourcesMap").unwrap_or_default();
        found.retain(|arn| !json::members(failed).any(|(key, _)| json::key_is(key, arn)));
        let is_parameter = || {
            let sort = json::member(self.asked, "resourceType").and_then(json::string);
            self.service == "ssm" && sort.as_deref() == Some("Parameter")
        };
        if let Some(name) = json::member(self.asked, "resourceId").and_then(json::string)
            && found.is_empty()
            && is_parameter()
        {
            found.push(resource::of_parameter(&name, self.record));
        }
        if found.is_empty() && failed.is_empty() {
            found = resource::named(self.record, &self.action);
        }
        if found.is_empty() && failed.is_empty() {
            found = resource::listed(self.record);
        }
        found
    }

    /// EC2's own calls: many resources by id. Without a tag all go; with a value only a tag that has it.
    fn in_ec2(&self) -> Vec<(String, Vec<Edit>)> {
        let set = json::member(self.asked, "tagSet").unwrap_or_default();
        let is_put = self.event == "CreateTags";
        let (mut edits, mut is_any) = (Vec::new(), false);
        spelling::each_tag(set, &mut |key, value| {
            is_any = true;
            if !self.keys.hold(key) || value.is_some_and(|value| value.len() > MAX_VALUE_BYTES) {
                return;
            }
            let key = key.into();
            edits.push(match (is_put, value) {
                (true, value) => Edit::Put { key, value: value.unwrap_or_default().into() },
                (false, Some(value)) => Edit::DropIf { key, value: value.into() },
                (false, None) => Edit::Drop { key },
            });
        });
        if !is_put && !is_any {
            edits.push(Edit::Clear);
        }
        let mut ids = Vec::new();
        spelling::each_at(self.asked, "resourcesSet.items.resourceId", &mut |id| {
            ids.push(id.to_owned())
        });
        let arns = ids.iter().take(MAX_RESOURCES);
        let arns = arns.filter_map(|id| resource::of_ec2(id, self.record));
        arns.map(|arn| (arn, edits.clone())).collect()
    }

    /// What EC2 made, with the tags of its sort; the ids stand in the answer.
    fn made_in_ec2(&self) -> Vec<(String, Vec<Edit>)> {
        let answer = self.record.slot_raw(Slot::ResponseElements).unwrap_or_default();
        let mut changes = Vec::new();
        let mut specification = |raw: &'a str| {
            let sort = json::member(raw, "resourceType").and_then(json::string);
            let made = MADE_IN_EC2.iter().find(|(name, _)| sort.as_deref() == Some(*name));
            let edits = self.put(raw);
            let Some((_, member)) = made.filter(|_| !edits.is_empty()) else { return };
            let mut ids = Vec::new();
            spelling::members_called(answer, member, &mut |id| ids.push(id.to_owned()));
            let arns = ids.iter().take(MAX_RESOURCES);
            let arns = arns.filter_map(|id| resource::of_ec2(id, self.record));
            changes.extend(arns.map(|arn| (arn, edits.clone())));
        };
        json::walk(self.asked, "tagSpecificationSet.items", &mut |raw| {
            json::elements(raw).for_each(&mut specification);
        });
        changes
    }

    /// What another service made.
    fn made(&self) -> Vec<(String, Vec<Edit>)> {
        let is = |made: &&(&str, &str, &str)| (made.0, made.1) == (self.service, self.event);
        let Some((_, _, path)) = MADE.iter().find(is) else { return Vec::new() };
        let edits = self.put(self.asked);
        if edits.is_empty() {
            return Vec::new();
        }
        if path.is_empty() {
            return self.each(resource::named(self.record, &self.action), &edits);
        }
        let mut arns = Resources::new();
        spelling::each_at(
            self.record.slot_raw(Slot::ResponseElements).unwrap_or_default(),
            path,
            &mut |arn| {
                if arn.starts_with("arn:") && arns.len() < MAX_RESOURCES {
                    arns.push(arn.to_owned());
                }
            },
        );
        self.each(arns, &edits)
    }
}
