//! A CloudTrail record, read once: its head fields as spans into the text, the open parts raw.
//!
//! Invariant: a record borrows the delivery's text and owns nothing; absent, null and "" stay apart.

use std::borrow::Cow;

use crate::model::json;

macro_rules! slots {
    ($($name:ident $path:literal,)*) => {
        /// A head field of a record: what `decode` notes the place of while it passes by.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Slot {
            $(#[doc = concat!("`", $path, "`")] $name,)*
        }

        impl Slot {
            /// All slots, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Returns the path of this slot in a record.
            pub fn path(self) -> &'static str {
                match self {
                    $(Self::$name => $path,)*
                }
            }

            /// Returns the slot at `path`.
            pub fn at(path: &str) -> Option<Self> {
                match path {
                    $($path => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

slots! {
    EventVersion "eventVersion",
    EventTime "eventTime",
    EventSource "eventSource",
    EventName "eventName",
    AwsRegion "awsRegion",
    SourceIpAddress "sourceIPAddress",
    UserAgent "userAgent",
    ErrorCode "errorCode",
    ErrorMessage "errorMessage",
    RequestParameters "requestParameters",
    ResponseElements "responseElements",
    AdditionalEventData "additionalEventData",
    RequestId "requestID",
    EventId "eventID",
    ReadOnly "readOnly",
    Resources "resources",
    EventType "eventType",
    EventCategory "eventCategory",
    ManagementEvent "managementEvent",
    RecipientAccountId "recipientAccountId",
    SharedEventId "sharedEventID",
    VpcEndpointId "vpcEndpointId",
    SessionCredentialFromConsole "sessionCredentialFromConsole",
    TlsDetails "tlsDetails",
    Addendum "addendum",
    UserIdentity "userIdentity",
    UserType "userIdentity.type",
    UserPrincipalId "userIdentity.principalId",
    UserArn "userIdentity.arn",
    UserAccountId "userIdentity.accountId",
    UserAccessKeyId "userIdentity.accessKeyId",
    UserName "userIdentity.userName",
    UserInvokedBy "userIdentity.invokedBy",
    UserSessionContext "userIdentity.sessionContext",
    UserOnBehalfOf "userIdentity.onBehalfOf",
    UserInvokedByDelegate "userIdentity.invokedByDelegate",
    SessionIssuer "userIdentity.sessionContext.sessionIssuer",
    SessionAttributes "userIdentity.sessionContext.attributes",
    SessionSourceIdentity "userIdentity.sessionContext.sourceIdentity",
    SessionAssumedRoot "userIdentity.sessionContext.assumedRoot",
    SessionEc2RoleDelivery "userIdentity.sessionContext.ec2RoleDelivery",
    TlsVersion "tlsDetails.tlsVersion",
}

/// How many slots there are.
pub const SLOTS: usize = Slot::ALL.len();

/// Where a raw JSON value stands in the text, in bytes; zero length means the field is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SlotSpan {
    /// First byte.
    pub start: u32,
    /// Length in bytes.
    pub len: u32,
}

/// Where the head fields of one record stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slots {
    /// The record itself.
    pub record: SlotSpan,
    /// Its head fields.
    pub fields: [SlotSpan; SLOTS],
}

impl Default for Slots {
    fn default() -> Self {
        Self { record: SlotSpan::default(), fields: [SlotSpan::default(); SLOTS] }
    }
}

/// How deep [`Slots::of`] follows brackets before it calls a record broken.
const RECORD_DEPTH: usize = 128;

impl Slots {
    /// Finds the head fields of the one record that `raw` holds; `None` if it is no whole JSON object.
    ///
    /// The plain way, for a record that stands alone. `decode` notes the same places while it passes over a file.
    pub fn of(raw: &str) -> Option<Self> {
        u32::try_from(raw.len()).ok()?;
        let bytes = raw.as_bytes();
        let start = json::skip_space(bytes, 0);
        let end = json::value_end(bytes, start, RECORD_DEPTH)?;
        let alone = json::skip_space(bytes, end) == bytes.len();
        (alone && bytes.get(start) == Some(&b'{')).then_some(())?;
        let record = raw.get(start..end)?;
        let mut slots = Self { record: span_in(raw, record), fields: [SlotSpan::default(); SLOTS] };
        slots.note_members(raw, record, Slot::named);
        Some(slots)
    }

    fn note_members(&mut self, raw: &str, object: &str, named: Naming) {
        for (key, value) in json::members(object) {
            let Some(slot) = named(key.as_bytes()) else { continue };
            self.note(slot, span_in(raw, value));
            if let Some(below) = slot.members() {
                self.note_members(raw, value, below);
            }
        }
    }

    /// Notes where a field stands. Of a repeated one the last counts, so what was noted below the earlier one goes.
    pub fn note(&mut self, slot: Slot, span: SlotSpan) {
        let place = &mut self.fields[slot as usize];
        let is_repeated = place.len > 0;
        *place = span;
        if is_repeated && slot.members().is_some() {
            for below in Slot::ALL.iter().filter(|below| below.lies_below(slot)) {
                self.fields[*below as usize] = SlotSpan::default();
            }
        }
    }
}

/// Finds the slot of a member by its raw key.
pub type Naming = fn(&[u8]) -> Option<Slot>;

impl Slot {
    /// Returns the head field that `path` leads through, and the rest of the path: most fields that rules name stand
    /// below a part whose place is known.
    pub fn through(path: &str) -> Option<(Self, &str)> {
        let (head, rest) = path.split_once('.')?;
        match (head, rest.split_once('.')) {
            ("userIdentity", Some(("sessionContext", below))) => {
                Some(match below.split_once('.') {
                    Some(("sessionIssuer", below)) => (Self::SessionIssuer, below),
                    Some(("attributes", below)) => (Self::SessionAttributes, below),
                    _ => (Self::UserSessionContext, below),
                })
            }
            ("userIdentity", Some(("onBehalfOf", below))) => Some((Self::UserOnBehalfOf, below)),
            ("userIdentity", Some(("invokedByDelegate", below))) => {
                Some((Self::UserInvokedByDelegate, below))
            }
            _ => Self::at(head).map(|slot| (slot, rest)),
        }
    }

    /// Returns the slot of a field of the record, by its raw key.
    pub fn named(key: &[u8]) -> Option<Self> {
        Some(match key {
            b"eventVersion" => Self::EventVersion,
            b"eventTime" => Self::EventTime,
            b"eventSource" => Self::EventSource,
            b"eventName" => Self::EventName,
            b"awsRegion" => Self::AwsRegion,
            b"sourceIPAddress" => Self::SourceIpAddress,
            b"userAgent" => Self::UserAgent,
            b"errorCode" => Self::ErrorCode,
            b"errorMessage" => Self::ErrorMessage,
            b"requestParameters" => Self::RequestParameters,
            b"responseElements" => Self::ResponseElements,
            b"additionalEventData" => Self::AdditionalEventData,
            b"requestID" => Self::RequestId,
            b"eventID" => Self::EventId,
            b"readOnly" => Self::ReadOnly,
            b"resources" => Self::Resources,
            b"eventType" => Self::EventType,
            b"eventCategory" => Self::EventCategory,
            b"managementEvent" => Self::ManagementEvent,
            b"recipientAccountId" => Self::RecipientAccountId,
            b"sharedEventID" => Self::SharedEventId,
            b"vpcEndpointId" => Self::VpcEndpointId,
            b"sessionCredentialFromConsole" => Self::SessionCredentialFromConsole,
            b"tlsDetails" => Self::TlsDetails,
            b"addendum" => Self::Addendum,
            b"userIdentity" => Self::UserIdentity,
            _ => return Self::escaped(key, ""),
        })
    }

    fn of_identity(key: &[u8]) -> Option<Self> {
        Some(match key {
            b"type" => Self::UserType,
            b"principalId" => Self::UserPrincipalId,
            b"arn" => Self::UserArn,
            b"accountId" => Self::UserAccountId,
            b"accessKeyId" => Self::UserAccessKeyId,
            b"userName" => Self::UserName,
            b"invokedBy" => Self::UserInvokedBy,
            b"sessionContext" => Self::UserSessionContext,
            b"onBehalfOf" => Self::UserOnBehalfOf,
            b"invokedByDelegate" => Self::UserInvokedByDelegate,
            _ => return Self::escaped(key, "userIdentity."),
        })
    }

    fn of_session(key: &[u8]) -> Option<Self> {
        Some(match key {
            b"sessionIssuer" => Self::SessionIssuer,
            b"attributes" => Self::SessionAttributes,
            b"sourceIdentity" => Self::SessionSourceIdentity,
            b"assumedRoot" => Self::SessionAssumedRoot,
            b"ec2RoleDelivery" => Self::SessionEc2RoleDelivery,
            _ => return Self::escaped(key, "userIdentity.sessionContext."),
        })
    }

    fn of_tls(key: &[u8]) -> Option<Self> {
        match key {
            b"tlsVersion" => Some(Self::TlsVersion),
            _ => Self::escaped(key, "tlsDetails."),
        }
    }

    /// Returns how the members of this field are named, if they have slots too.
    pub fn members(self) -> Option<Naming> {
        match self {
            Self::UserIdentity => Some(Self::of_identity),
            Self::UserSessionContext => Some(Self::of_session),
            Self::TlsDetails => Some(Self::of_tls),
            _ => None,
        }
    }

    fn lies_below(self, other: Self) -> bool {
        self.path().strip_prefix(other.path()).is_some_and(|rest| rest.starts_with('.'))
    }

    /// A key may spell its letters as escapes. AWS never does; whoever does gains nothing by it.
    fn escaped(key: &[u8], parent: &str) -> Option<Self> {
        memchr::memchr(b'\\', key)?;
        let key = std::str::from_utf8(key).ok()?;
        Self::ALL.iter().copied().find(|slot| {
            let segment = slot.path().strip_prefix(parent).filter(|segment| !segment.contains('.'));
            segment.is_some_and(|segment| json::key_is(key, segment))
        })
    }
}

/// Where `part`, a slice of `text`, stands in it.
fn span_in(text: &str, part: &str) -> SlotSpan {
    let start = part.as_ptr().addr() - text.as_ptr().addr();
    let fits = "`Slots::of` checked that the text is shorter than 4 GiB";
    SlotSpan {
        start: u32::try_from(start).expect(fits),
        len: u32::try_from(part.len()).expect(fits),
    }
}

/// One CloudTrail record. Formats: CloudTrail User Guide, "record contents", event versions 1.0 to 1.11.
#[derive(Debug, Clone, Copy)]
pub struct TrailRecord<'a> {
    text: &'a str,
    slots: &'a Slots,
}

impl<'a> TrailRecord<'a> {
    /// Makes a record of the text it stands in and the places `decode` noted.
    pub fn new(text: &'a str, slots: &'a Slots) -> Self {
        Self { text, slots }
    }

    /// Returns the record as AWS wrote it.
    pub fn raw(&self) -> &'a str {
        self.at(self.slots.record)
    }

    /// Returns the raw JSON of a head field: with its quotes if it is a string, `null` if it is null.
    pub fn slot_raw(&self, slot: Slot) -> Option<&'a str> {
        let span = self.slots.fields[slot as usize];
        (span.len > 0).then(|| self.at(span))
    }

    /// Returns a head field as rules compare it (see [`json::text`]); absent and null are `None`.
    pub fn slot(&self, slot: Slot) -> Option<Cow<'a, str>> {
        json::text(self.slot_raw(slot)?)
    }

    /// Returns a head field's text, or "" where it is absent or null.
    pub fn slot_or_empty(&self, slot: Slot) -> Cow<'a, str> {
        self.slot(slot).unwrap_or_default()
    }

    /// Returns the first value at `path` (`requestParameters.roleArn`) as text; absent and null are `None`.
    pub fn text(&self, path: &str) -> Option<Cow<'a, str>> {
        if let Some(slot) = Slot::at(path) {
            return self.slot(slot);
        }
        let mut first = None;
        self.walk(path, &mut |raw| {
            first.get_or_insert(raw);
        });
        json::text(first?)
    }

    /// Visits the raw values at `path`; through arrays there may be many.
    ///
    /// A key of the record that is spelt like the whole path wins, then head fields, then the walk.
    pub fn walk(&self, path: &str, found: &mut dyn FnMut(&'a str)) {
        match (Slot::at(path), Slot::through(path)) {
            (Some(slot), _) => self.slot_raw(slot).into_iter().for_each(found),
            (None, Some((slot, below))) => self.walk_below(slot, below, found),
            (None, None) if path.contains('.') => json::walk(self.raw(), path, found),
            (None, None) => json::member(self.raw(), path).into_iter().for_each(found),
        }
    }

    /// Visits the raw values at the path `below` a head field.
    pub fn walk_below(&self, slot: Slot, below: &str, found: &mut dyn FnMut(&'a str)) {
        if let Some(raw) = self.slot_raw(slot) {
            json::walk(raw, below, found);
        }
    }

    /// Returns what tells this record from all others: `recipientAccountId/eventID`.
    ///
    /// The two copies of a cross-account event have different `eventID`s (CloudTrail User Guide, `sharedEventID`).
    /// Version 1.0 has no `eventID`: a hash of the record stands for it.
    pub fn id(&self) -> String {
        let account = self.slot_or_empty(Slot::RecipientAccountId);
        match self.slot(Slot::EventId) {
            Some(id) if !id.is_empty() => format!("{account}/{id}"),
            _ => format!("{account}/{:032x}", xxhash_rust::xxh3::xxh3_128(self.raw().as_bytes())),
        }
    }

    /// Returns 64 bits that stand for [`Self::id`] in the window of events already seen.
    pub fn fingerprint(&self) -> u64 {
        match self.slot_raw(Slot::EventId) {
            Some(id) if id.len() > 2 => {
                let account = self.slot_raw(Slot::RecipientAccountId).unwrap_or_default();
                let seed = xxhash_rust::xxh3::xxh3_64(account.as_bytes());
                xxhash_rust::xxh3::xxh3_64_with_seed(id.as_bytes(), seed)
            }
            _ => xxhash_rust::xxh3::xxh3_64(self.raw().as_bytes()),
        }
    }

    /// Returns a copy of the record that stands alone, with the places of its fields.
    pub fn detached(&self) -> (String, Slots) {
        let start = self.slots.record.start;
        let mut slots = self.slots.clone();
        slots.record.start = 0;
        for field in slots.fields.iter_mut().filter(|field| field.len > 0) {
            field.start -= start;
        }
        (self.raw().to_owned(), slots)
    }

    fn at(&self, span: SlotSpan) -> &'a str {
        let (start, len) = (span.start as usize, span.len as usize);
        self.text.get(start..start + len).expect("decode notes spans on the boundaries of tokens")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn finds_the_head_fields_of_a_record() {
        let raw = r#" {"eventName" : "GetObject","x":{"eventName":"no"},"userIdentity":{"type":"Root",
            "sessionContext":{"type":"no"}},"responseElements":null,"errorCode":"","userIdentity.arn":"no",
            "event\u0053ource":"s3.amazonaws.com"} "#;
        let slots = Slots::of(raw).unwrap();
        let record = TrailRecord::new(raw, &slots);
        assert_eq!(record.raw(), raw.trim());
        assert_eq!(record.slot_raw(Slot::EventName), Some("\"GetObject\""));
        assert_eq!(record.slot(Slot::UserType).as_deref(), Some("Root"));
        assert_eq!(record.slot(Slot::EventSource).as_deref(), Some("s3.amazonaws.com"));
        assert_eq!(record.slot_raw(Slot::ResponseElements), Some("null"));
        assert_eq!(record.slot(Slot::ErrorCode).as_deref(), Some(""));
        assert_eq!(record.slot_raw(Slot::UserArn), None);
        assert_eq!(record.slot_raw(Slot::UserSessionContext), Some(r#"{"type":"no"}"#));
    }

    #[test]
    fn of_a_repeated_field_the_last_counts() {
        let raw = r#"{"userIdentity":{"type":"Root","arn":"a"},"userIdentity":{"type":"IAMUser"}}"#;
        let slots = Slots::of(raw).unwrap();
        let record = TrailRecord::new(raw, &slots);
        assert_eq!(record.slot(Slot::UserType).as_deref(), Some("IAMUser"));
        assert_eq!(record.slot_raw(Slot::UserArn), None);
    }

    #[test]
    fn refuses_what_is_no_whole_object() {
        for raw in ["", "null", "[]", "{", "{} {}", "\"a\"", "{\"a\":}"] {
            assert_eq!(Slots::of(raw), None, "{raw}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(raw in "[{}\\[\\]\":,a \\\\ä]{0,40}") {
            if let Some(slots) = Slots::of(&raw) {
                prop_assert_eq!(TrailRecord::new(&raw, &slots).raw(), raw.trim());
            }
        }
    }
}
