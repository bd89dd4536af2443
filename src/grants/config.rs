//! The `[grants]` section of the operator's file.
//!
//! Invariant: a configuration that passes [`Config::check`] cannot make [`crate::grants::Surface`] fail, and silences
//! nothing by accident: what would exempt everything is a mistake.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

use crate::model::Duration;
use crate::model::Glob;
use crate::model::actions::Level;

/// Which acts want a grant, and how grants are judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Files and folders of messages about grants: `.json`, `.ndjson`, `.yaml` and `.csv`, folders with all folders
    /// below. They are read before anything is judged and watched from then on. Without any, and as long as no grant
    /// was ever told of, nothing is judged by grants.
    pub paths: Vec<PathBuf>,
    /// How far the clock of the tool that gives grants may be off: a grant covers this much before its start and after
    /// its end. At most 5m.
    pub skew: Duration,
    /// How long a grant's message may come after the act that it covers without the act being told as uncovered.
    pub grace: Duration,
    /// How long after its end what a grant gave may still stand before that is told as a residue.
    pub residue_after: Duration,
    /// How long after the start of a grant its access has to be given. Only told where what the source says has shown
    /// before as assignments in that account.
    pub provision_within: Duration,
    /// How long an act that was judged may be judged anew, in event time, when word of a grant comes late: its alert is
    /// resolved, told otherwise, or raised then. At most 7d.
    pub revise_for: Duration,
    /// The longest grant that is believed. What lasts longer is standing privilege: its message is refused and counted.
    pub max_duration: Duration,
    /// How long a role session that a grant began may go on after its end: the longest session duration of your
    /// permission sets. What such sessions did is summed up and told once that time is over.
    pub sessions_last: Duration,
    /// How long what was done with a grant is kept for `grants report`, in event time since its last use.
    pub keep_usage: Duration,
    /// Whether a grant that is approved or scheduled covers from its start on, though nobody said that it was given.
    pub cover_scheduled: bool,
    /// Whether the entries that come with grantwatch are asked, behind your own. docs/protect.md lists them. An own
    /// entry of the same name takes the place of a built-in one.
    pub builtin: bool,
    /// Whether acts that write, done with a permission set or role that some grant gives in that account, want a grant
    /// by themselves: what has to be asked for is nothing to have by itself. Their entry is called `given`.
    pub given: bool,
    /// Automation that needs no grant in any entry: `services` are calls that an AWS service makes for somebody,
    /// `provisioners` and `brokers` are those of `[identity]`, service-linked roles, Identity Center's provisioning,
    /// Control Tower, its account factory and StackSets among them.
    pub exempt_automation: Vec<Automation>,
    /// Whether CloudTrail itself is a source of grants: what brokers (`identity.brokers`) write into policies with
    /// dates, sessions that they issue in the name of a grant, memberships of groups, delegations to vendors. Whatever
    /// is on the protect surface is judged then, also without `paths`. docs/grants-cloudtrail.md says what is believed.
    pub from_cloudtrail: bool,
    /// Session tags whose value is the id of a grant, without regard to case. They count only where a broker set them.
    pub tag_keys: Vec<String>,
    /// How a source identity names a grant, with `{id}` where the id stands: `grant-{id}`. Empty: it names none.
    pub source_identity_pattern: String,
    /// Who was in which group at some moment, for grants to groups. Changes from then on are read from CloudTrail, if
    /// `from_cloudtrail` is set. Who is not known to be a member is none.
    pub groups: Vec<Group>,
    /// What wants a grant, MFA or a pipeline. The first entry that fits an act decides.
    pub protect: Vec<Protect>,
    /// Who needs none after all, until when, and why.
    pub exempt: Vec<Exempt>,
    /// Brokers whose own messages come in files of their own, or by the API or a queue and are read by a preset that
    /// needs something given, or by a mapping of your own. A preset that needs nothing is there without an entry.
    pub preset: Vec<Broker>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            paths: Vec::new(),
            skew: Duration::from_secs(60),
            grace: Duration::from_secs(600),
            residue_after: Duration::from_secs(900),
            provision_within: Duration::from_secs(900),
            revise_for: Duration::from_secs(86_400),
            max_duration: Duration::from_secs(7 * 86_400),
            sessions_last: Duration::from_secs(12 * 3_600),
            keep_usage: Duration::from_secs(400 * 86_400),
            cover_scheduled: false,
            builtin: true,
            given: true,
            exempt_automation: vec![
                Automation::Services,
                Automation::Provisioners,
                Automation::Brokers,
            ],
            from_cloudtrail: false,
            tag_keys: vec!["grant_id".to_owned(), "grant".to_owned()],
            source_identity_pattern: String::new(),
            groups: Vec::new(),
            protect: Vec::new(),
            exempt: Vec::new(),
            preset: Vec::new(),
        }
    }
}

impl Config {
    /// Returns every file and folder of messages, those of brokers among them, each once.
    pub fn all_paths(&self) -> Vec<PathBuf> {
        let of_brokers = self.preset.iter().flat_map(|broker| &broker.paths);
        let all: BTreeSet<&PathBuf> = self.paths.iter().chain(of_brokers).collect();
        all.into_iter().cloned().collect()
    }

    /// Returns the broker in whose words the file at `path` is written; none if its words are ours.
    pub fn broker_at(&self, path: &Path) -> Option<&Broker> {
        let ours = self.paths.iter().map(|folder| (folder, None));
        let theirs = self.preset.iter();
        let theirs =
            theirs.flat_map(|broker| broker.paths.iter().map(move |folder| (folder, Some(broker))));
        let holding = ours.chain(theirs).filter(|(folder, _)| path.starts_with(folder));
        holding.max_by_key(|(folder, _)| folder.components().count())?.1
    }
}

/// A group as it was at a moment, as `aws identitystore list-group-memberships` tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Its id in the identity store.
    #[schemars(length(min = 1), example = "94482488-3041-7026-18f3-be45837cd0e4")]
    pub id: String,
    /// When that was so; before, nobody is known to be a member.
    #[schemars(example = "2026-03-01T00:00:00Z")]
    pub as_of: String,
    /// Its members.
    pub members: Vec<GroupMember>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupMember {
    /// The user's id in the identity store.
    #[schemars(length(min = 1), example = "544894e8-80c1-707f-60e3-3ba6510dfac1")]
    pub user: String,
    /// The membership's own id: the record of its end gives nothing else.
    #[schemars(length(min = 1), example = "74483408-b041-7026-9d4c-6f3f3c3e7f10")]
    pub membership: String,
}

/// A part of the protect surface. What is left empty holds for all; what is given must fit, each key of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Protect {
    /// What alerts call it.
    #[schemars(length(min = 1), example = "production-data")]
    pub name: String,
    /// Access levels, as AWS's service authorization reference gives them. Empty: any.
    #[serde(default)]
    pub levels: Vec<Level>,
    /// Actions as globs, without regard to case: `rds:Delete*`. Empty: any.
    #[serde(default)]
    pub actions: Vec<Glob>,
    /// Actions that are not meant though they fit, as globs.
    #[serde(default)]
    pub except_actions: Vec<Glob>,
    /// Resources as globs over ARNs: one that the record names must fit. A record that names none does not fit.
    #[serde(default)]
    pub resources: Vec<Glob>,
    /// Accounts by id. Empty: all.
    #[serde(default)]
    pub accounts: Vec<String>,
    /// Roles that the act is done with, as globs over their ARN or name.
    #[serde(default)]
    pub roles: Vec<Glob>,
    /// Permission sets of Identity Center that the act is done with, as globs over their name.
    #[serde(default)]
    pub permission_sets: Vec<Glob>,
    /// Session tags that the act is done with, each key with globs over its values; every key must be there and fit.
    /// Keys are compared without regard to case. A session whose issue was not read has no tags that are known, and does
    /// not fit.
    #[serde(default)]
    #[schemars(example = BTreeMap::from([("team", ["payments*"])]))]
    pub principal_tags: BTreeMap<String, Vec<Glob>>,
    /// Tags of the resources that the act is done to, each key with globs over its values: of one resource that the record
    /// names, every key must be known from records and fit, and its ARN `resources`. Keys are compared without regard to
    /// case. A resource of whose tags nothing is known does not fit; what is known begins when they are asked for.
    #[serde(default)]
    #[schemars(example = BTreeMap::from([("env", ["prod*"])]))]
    pub resource_tags: BTreeMap<String, Vec<Glob>>,
    /// Whose acts are meant, by what `gw.identity.kind` says of them.
    #[serde(default = "people")]
    pub by: Vec<By>,
    /// What such an act requires; all of it. `grant`: an access grant that covers it. `mfa`: a session with a second
    /// factor; sessions of Identity Center never show one in CloudTrail. `pipeline`: one of `pipelines`.
    #[serde(default = "grant")]
    pub requires: Vec<Need>,
    /// The approved pipelines, as globs over the ARN or name of their roles. They need `workload` in `by` to be asked.
    #[serde(default)]
    pub pipelines: Vec<Glob>,
}

/// Somebody who needs no grant, for a time. What is left empty holds for all; what is given must fit, each key of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exempt {
    /// What the verdict calls it.
    #[schemars(length(min = 1), example = "migration-of-march")]
    pub name: String,
    /// Who answers for it.
    #[schemars(length(min = 1), example = "platform@example.com")]
    pub owner: String,
    /// Why.
    #[schemars(length(min = 1), example = "OPS-1234: databases move to the new account")]
    pub reason: String,
    /// The last day on which it holds, UTC.
    #[schemars(example = "2026-03-31")]
    pub until: Date,
    /// The entries that it is exempt from, by name. Empty: all.
    #[serde(default)]
    pub entries: Vec<String>,
    /// Identities as globs over `gw.identity.name`: `person:alice@example.com`.
    #[serde(default)]
    pub identities: Vec<Glob>,
    /// Actions as globs, without regard to case.
    #[serde(default)]
    pub actions: Vec<Glob>,
    /// Resources as globs over ARNs: every one that the record names must fit. A record that names none does not fit.
    #[serde(default)]
    pub resources: Vec<Glob>,
    /// Accounts by id.
    #[serde(default)]
    pub accounts: Vec<String>,
    /// Roles as globs over their ARN or name.
    #[serde(default)]
    pub roles: Vec<Glob>,
    /// Permission sets as globs over their name.
    #[serde(default)]
    pub permission_sets: Vec<Glob>,
    /// Session tags, as in an entry. Who takes a role may choose them, so they narrow what another key names, and by
    /// themselves exempt nobody.
    #[serde(default)]
    #[schemars(example = BTreeMap::from([("team", ["payments*"])]))]
    pub principal_tags: BTreeMap<String, Vec<Glob>>,
    /// Tags of resources, as in an entry; every resource that the record names must fit. Who may tag may choose them, so they
    /// narrow what another key names, and by themselves exempt nobody.
    #[serde(default)]
    #[schemars(example = BTreeMap::from([("env", ["sandbox"])]))]
    pub resource_tags: BTreeMap<String, Vec<Glob>>,
}

/// How a broker's own messages are read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Broker {
    /// What `/v1/hooks/NAME` and a queue's `preset` call it; without a `mapping`, the preset of that name.
    #[schemars(length(min = 1), example = &"teleport")]
    pub name: String,
    /// A mapping of your own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping: Option<PathBuf>,
    /// Files and folders of this broker's own messages, read and watched as `grants.paths` are. Of folders in folders the
    /// innermost counts; none may be another's too.
    #[serde(default)]
    pub paths: Vec<PathBuf>,
    /// What the preset or mapping needs given; `grantwatch grants presets` lists it.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
}

/// What an act on the surface requires.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// A grant that covers it.
    Grant,
    /// A session with a second factor.
    Mfa,
    /// An approved pipeline.
    Pipeline,
}

impl Need {
    /// Returns its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Mfa => "mfa",
            Self::Pipeline => "pipeline",
        }
    }
}

/// What sort of identity an act is done by: `gw.identity.kind`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// A person.
    Person,
    /// An IAM user.
    User,
    /// The root user.
    Root,
    /// A role that no person took.
    Workload,
    /// Another account.
    External,
    /// An AWS service.
    Service,
    /// Nobody knows.
    Unknown,
}

impl By {
    /// Every sort.
    pub const ALL: [Self; 7] = [
        Self::Person,
        Self::User,
        Self::Root,
        Self::Workload,
        Self::External,
        Self::Service,
        Self::Unknown,
    ];

    /// Returns its name in the configuration, which is that in canonical names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::User => "user",
            Self::Root => "root",
            Self::Workload => "workload",
            Self::External => "external",
            Self::Service => "service",
            Self::Unknown => "unknown",
        }
    }

    /// Returns what sort the canonical `identity` is of.
    pub fn of(identity: &str) -> Self {
        match identity.split_once(':').map_or(identity, |(kind, _)| kind) {
            "person" => Self::Person,
            "user" => Self::User,
            "root" => Self::Root,
            "workload" => Self::Workload,
            "external" => Self::External,
            "service" => Self::Service,
            _ => Self::Unknown,
        }
    }
}

/// Automation that is known to act by itself.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Automation {
    /// AWS services that act for somebody (`gw.by_service`).
    Services,
    /// What builds accounts (`gw.provisioner`).
    Provisioners,
    /// What gives grants (`gw.broker`).
    Brokers,
}

impl Automation {
    /// Returns its name, in the configuration and in the verdict.
    pub fn name(self) -> &'static str {
        match self {
            Self::Services => "services",
            Self::Provisioners => "provisioners",
            Self::Brokers => "brokers",
        }
    }
}

pub(super) fn people() -> Vec<By> {
    vec![By::Person, By::User, By::Root]
}

pub(super) fn grant() -> Vec<Need> {
    vec![Need::Grant]
}
