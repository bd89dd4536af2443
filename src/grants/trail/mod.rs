//! CloudTrail itself as a source of grants: what brokers write into policies, sessions that name a grant, memberships
//! of groups, delegation requests, and policies that end sessions.
//!
//! Records that teach something wait until the watermark has passed them by the grace and are heard in the order of
//! their time (`pending.rs`); `lesson.rs` reads them, and each kind has a file of its own.
//!
//! Invariant: what covers is the broker's word alone. Whoever writes a policy, names a grant, joins a group or accepts a
//! vendor without being a broker, or without a grant for that very call, covers nobody, himself least. What is not known
//! covers nothing. Nothing here depends on the order of records as far as the watermark allows.

mod bounds;
mod delegated;
mod holders;
mod lesson;
mod members;
mod named;
mod naming;
mod pending;
mod policies;
mod revoked;
mod shelf;
mod subject;
mod table;

#[cfg(test)]
mod bounds_tests;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::grants::config::Config;
use crate::grants::grant::Version;
use crate::grants::trail::delegated::Delegated;
use crate::grants::trail::members::Members;
use crate::grants::trail::named::Sessions;
use crate::grants::trail::pending::Queue;
use crate::grants::trail::policies::Policies;
use crate::grants::trail::revoked::Revocations;
use crate::model::Facts;
use crate::model::Seconds;
use crate::model::Signal;
use crate::model::Span;
use crate::model::TrailRecord;
use crate::store::Connection;
use crate::store::StoreError;
use crate::store::Tx;

pub use lesson::Names;
pub use named::Named;
pub use naming::Naming;
pub use pending::Pending;
pub use subject::Subject;
pub use subject::subject;
pub use table::SCHEMA;

/// What versions that records tell of name as their source.
pub const SOURCE: &str = "cloudtrail";
/// How far event time moves on before what is over is forgotten.
const PAUSE: Span = Span(3_600);

/// Whether CloudTrail is believed as a source of grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// What brokers do counts.
    Believed,
    /// Nothing here covers anything.
    Ignored,
}

/// How far the word of a caller counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// A configured grant broker, and nobody behind it.
    Broker,
    /// An AWS service.
    Service,
    /// Somebody whose very call a grant covers.
    Approved,
    /// Anybody else.
    None,
}

/// Who told, and when.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// When.
    pub time: Seconds,
    /// The account that the record is of.
    pub account: &'a str,
    /// The caller's canonical name.
    pub name: &'a str,
    /// The caller's id in Identity Center.
    pub user_id: &'a str,
    /// The caller's role, by ARN.
    pub role_arn: &'a str,
    /// The caller's access key id.
    pub key: &'a str,
    /// The account of the caller.
    pub caller_account: &'a str,
    /// How far it counts.
    pub trust: Trust,
}

/// What CloudTrail told of access.
#[derive(Debug)]
pub struct Trail {
    source: Source,
    names: Names,
    queue: Queue,
    policies: Policies,
    sessions: Sessions,
    members: Members,
    delegated: Delegated,
    revocations: Revocations,
    forgotten: Seconds,
}

impl Trail {
    /// Makes the state of the last commit.
    ///
    /// # Errors
    /// When the store cannot be read or what it holds is damaged.
    pub fn load(config: &Config, connection: &Connection) -> Result<Self, StoreError> {
        let mut trail = Self::new(config);
        trail.queue = Queue::load(connection)?;
        trail.policies.load(connection)?;
        trail.sessions.load(connection)?;
        trail.members.load(connection)?;
        trail.delegated.load(connection)?;
        trail.revocations.load(connection)?;
        for group in &config.groups {
            let Some(as_of) = Seconds::parse(&group.as_of) else { continue };
            for member in &group.members {
                trail.members.declare(&group.id, member, as_of);
            }
        }
        Ok(trail)
    }

    fn new(config: &Config) -> Self {
        let longest = config.max_duration.span();
        Self {
            source: if config.from_cloudtrail { Source::Believed } else { Source::Ignored },
            names: Names::new(&config.tag_keys, &config.source_identity_pattern),
            queue: Queue::default(),
            policies: Policies::new(longest),
            sessions: Sessions::default(),
            members: Members::default(),
            delegated: Delegated::new(longest),
            revocations: Revocations::default(),
            forgotten: Seconds(i64::MIN),
        }
    }

    /// Writes what changed since the last save.
    ///
    /// # Errors
    /// When the store cannot be written; the process must end then.
    pub fn save(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        self.queue.save(tx)?;
        self.policies.save(tx)?;
        self.sessions.save(tx)?;
        self.members.save(tx)?;
        self.delegated.save(tx)?;
        self.revocations.save(tx)
    }

    /// Returns whether CloudTrail is believed.
    pub fn is_believed(&self) -> bool {
        self.source == Source::Believed
    }

    /// Takes in a record that teaches something.
    pub fn hear(
        &mut self,
        subject: Subject,
        record: &TrailRecord<'_>,
        time: Seconds,
        object: &str,
    ) {
        if subject == Subject::Policy {
            self.revocations.hear(record, time);
        }
        let is_kept = self.is_believed()
            && (subject != Subject::Session || lesson::naming(record, &self.names).is_some());
        if is_kept {
            self.queue.hold(Pending {
                time,
                event_id: record.id(),
                record: record.raw().to_owned(),
                object: object.to_owned(),
            });
        }
    }

    /// Notes that a session succeeded at something.
    pub fn succeeded(&mut self, session: &Arc<Facts>, time: Seconds) {
        self.revocations.succeeded(session, time);
    }

    /// Returns the next record for which time has come, in the order of event time.
    pub fn due(&mut self, watermark: Seconds, grace: Span) -> Option<Pending> {
        self.queue.due(watermark, grace)
    }

    /// Returns whether how far a lesson counts depends on whether a grant covers its very call.
    pub fn asks_approval(subject: Subject) -> bool {
        matches!(subject, Subject::Member | Subject::Delegation)
    }

    /// Takes in what a record teaches; returns what that makes of grants.
    pub fn settle(
        &mut self,
        subject: Subject,
        record: &TrailRecord<'_>,
        told: &Told<'_>,
    ) -> Vec<Version> {
        match subject {
            Subject::Policy => match lesson::policy(record) {
                Some(policy) => return self.policies.settle(&policy, told),
                None => return Vec::new(),
            },
            Subject::Set => {
                if let Some((arn, name)) = lesson::set(record) {
                    self.policies.name_set(&arn, name);
                }
            }
            Subject::Session => {
                if let Some(naming) = lesson::naming(record, &self.names) {
                    self.sessions.settle(&naming, told);
                }
            }
            Subject::Member => {
                if let Some(change) = lesson::member(record) {
                    self.members.settle(&change, told);
                }
            }
            Subject::Delegation => {
                let step = lesson::delegation(record);
                return step
                    .and_then(|step| self.delegated.settle(&step, told))
                    .into_iter()
                    .collect();
            }
        }
        Vec::new()
    }

    /// Returns the grant that the session with this access key names.
    pub fn named(&self, key: &str) -> Option<&Named> {
        if key.is_empty() { None } else { self.sessions.get(key) }
    }

    /// Returns the access key of the session that `record` issued, and what it names.
    pub fn issued<'t>(&'t self, record: &TrailRecord<'_>) -> Option<&'t Named> {
        let key = record.text("responseElements.credentials.accessKeyId")?;
        self.named(&key)
    }

    /// Returns whether nobody is known to be in any group.
    pub fn has_no_members(&self) -> bool {
        self.members.is_empty()
    }

    /// Takes in the name of a user of Identity Center.
    pub fn name_user(&mut self, id: &str, name: &str) {
        self.members.name(id, name);
    }

    /// Returns the id of the one user of Identity Center who has a name.
    pub fn user_id(&self, name: &str) -> Option<&str> {
        self.members.id_of(name)
    }

    /// Returns the groups that a user of Identity Center, by id, or of IAM, by [`iam_user`], was in at `time`.
    pub fn groups(&self, member: &str, time: Seconds) -> impl Iterator<Item = &str> {
        self.members.groups(member, time)
    }

    /// Returns when the session of the role `role_arn` that began at `started` was ended, if it was, as of `time`.
    pub fn ended(&self, role_arn: &str, started: Seconds, time: Seconds) -> Option<Seconds> {
        let role = revoked::role_of(role_arn)?;
        self.revocations.ended(&role, started, time).map(|(since, _)| since)
    }

    /// Returns what is to be told of sessions that act though they were ended, now that time has come to `watermark`.
    pub fn signals(&mut self, watermark: Seconds) -> Vec<Signal> {
        self.revocations.due(watermark)
    }

    /// Forgets what is over.
    pub fn forget(&mut self, watermark: Seconds) {
        if watermark < self.forgotten.plus(PAUSE) || watermark == Seconds(i64::MAX) {
            return;
        }
        self.forgotten = watermark;
        self.policies.forget(watermark);
        self.sessions.forget(watermark);
        self.delegated.forget(watermark);
        self.revocations.forget(watermark);
    }
}

/// Returns what an IAM group is called where groups are named by ids.
pub fn iam_group(account: &str, name: &str) -> Box<str> {
    format!("arn:aws:iam::{account}:group/{name}").into()
}

/// Returns what an IAM user is called where members are named by ids.
pub fn iam_user(account: &str, name: &str) -> Box<str> {
    format!("arn:aws:iam::{account}:user/{name}").into()
}
