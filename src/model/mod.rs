//! The nouns every room shares: deliveries, records, facts, events, detectors, alerts.
//!
//! Invariant: no I/O, no clock and no AWS SDK type here. What a CloudTrail record means is the
//! business of the rooms; this module only keeps it readable.

mod action;
mod alert;
mod delivery;
mod detector;
mod duration;
mod event;
mod fact;
mod flow;
mod glob;
pub mod json;
mod plain;
mod signal;
mod text;
mod time;
mod trail;

pub use action::action_of;
pub use alert::Alert;
pub use alert::AlertId;
pub use alert::GroupKey;
pub use alert::SinkName;
pub use alert::Subject;
pub use delivery::Content;
pub use delivery::Delivery;
pub use delivery::Format;
pub use delivery::Hold;
pub use delivery::ObjectId;
pub use delivery::Receipt;
pub use delivery::Route;
pub use detector::Detector;
pub use detector::DetectorId;
pub use detector::Severity;
pub use duration::Duration;
pub use duration::NoDuration;
pub use event::Event;
pub use event::Record;
pub use fact::Fact;
pub use fact::Facts;
pub use fact::Field;
pub use fact::Scope;
pub use flow::FlowColumns;
pub use flow::FlowRecord;
pub use glob::Glob;
pub use glob::fits;
pub use glob::fits_in_any_case;
pub use plain::AsIs;
pub use plain::Plain;
pub use signal::Signal;
pub use text::bounded;
pub use time::Seconds;
pub use time::Span;
pub use time::expiration;
pub use trail::Naming;
pub use trail::Slot;
pub use trail::SlotSpan;
pub use trail::Slots;
pub use trail::TrailRecord;
