//! The protect surface: which acts want a grant, MFA or a pipeline.
//!
//! It is asked about every record, and nearly every record is an action that no entry means. So what an action's name
//! and level decide is decided once: protected actions stand in a map, and the others leave their hash in `quiet`.
//!
//! Invariant: an answer depends on the configuration and the act alone; what is remembered changes how fast it comes,
//! never what it is. Only hashes of actions are remembered, whose names are AWS's; what a caller may choose is compared.

pub(super) mod builtin;
mod tagged;
mod who;

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use xxhash_rust::xxh3::xxh3_64;

use crate::grants::config::Automation;
use crate::grants::config::By;
use crate::grants::config::Config;
use crate::grants::config::Need;
use crate::grants::config::Protect;
use crate::grants::config::people;
use crate::grants::surface::who::Exemption;
use crate::grants::surface::who::Where;
use crate::grants::verdict::Act;
use crate::model::Glob;
use crate::model::Plain;
use crate::model::actions;
use crate::model::actions::Known;
use crate::model::actions::Level;
use crate::model::bounded;

/// How many actions are remembered as wanting nothing. A power of two; AWS has some twenty thousand actions, and an
/// organisation uses some hundreds.
const QUIET: usize = 4_096;
/// How many names of unknown actions are kept for the operator.
const UNKNOWN_MAX: usize = 1_000;
/// How long such a name may be, in bytes.
const UNKNOWN_NAME_MAX: usize = 256;

/// What acts are on that no entry means, but are done with something that grants give.
pub(super) const GIVEN: &str = "given";
/// Its place among the entries: behind all of them.
const GIVEN_PLACE: usize = usize::MAX;

/// What wants a grant.
#[derive(Debug)]
pub struct Surface {
    entries: Vec<Entry>,
    exemptions: Vec<Exemption>,
    automation: Vec<Automation>,
    given: bool,
    /// What writes by its level and changes nothing that stays.
    passing: Actions,
    /// The actions of the table that an entry means, by their hash.
    protected: HashMap<u64, Meant, Plain>,
    /// Hashes of actions that no entry means, by their low bits.
    quiet: Box<[AtomicU64]>,
    /// The actions that were asked about and that the table of actions does not have.
    unknown: Mutex<BTreeSet<Box<str>>>,
}

/// An action that entries mean.
#[derive(Debug)]
struct Meant {
    action: Box<str>,
    known: Known,
    /// Whose acts any of the entries mean, as bits.
    by: u8,
    /// The entries, by place.
    entries: Vec<usize>,
}

/// An entry as it is asked.
#[derive(Debug)]
struct Entry {
    name: Box<str>,
    levels: Vec<Level>,
    actions: Actions,
    except: Actions,
    by: Vec<By>,
    at: Where,
    requires: Vec<Need>,
    pipelines: Vec<Glob>,
}

/// Patterns of actions in lower case: the literal ones are looked up.
#[derive(Debug, Default)]
struct Actions {
    literal: BTreeSet<String>,
    globs: Vec<Glob>,
}

/// An act that an entry means, and what it wants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wanted<'a> {
    /// The entry's name.
    pub entry: &'a str,
    /// The action's level.
    pub level: Level,
    /// Whether the level was guessed from the action's name.
    pub is_guessed: bool,
    /// Why nothing is wanted after all: the name of an exemption, or `services`, `provisioners`, `brokers`.
    pub exempt: Option<&'a str>,
    /// Whether a grant is wanted.
    pub wants_grant: bool,
    /// What else is wanted and not there: MFA, a pipeline.
    pub lacks: Option<Need>,
}

/// Sorts of identities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Whose(u8);

impl Whose {
    fn bit(by: By) -> u8 {
        1 << by as u8
    }

    /// Returns whether `by` is one of them.
    pub fn holds(self, by: By) -> bool {
        self.0 & Self::bit(by) != 0
    }

    /// Returns whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl Surface {
    /// Makes the surface that `config` declares; `config` has passed its check.
    pub fn new(config: &Config) -> Self {
        let own = config.protect.iter().cloned();
        let is_replaced = |entry: &Protect| config.protect.iter().any(|own| own.name == entry.name);
        let builtin =
            builtin::entries().into_iter().filter(|entry| config.builtin && !is_replaced(entry));
        let entries: Vec<Entry> = own.chain(builtin).map(Entry::of).collect();
        let mut protected = HashMap::default();
        if !entries.is_empty() {
            for (service, name, level) in actions::all() {
                let action = format!("{service}:{name}");
                let meant = meant(&entries, &action, Known { level, is_guessed: false });
                if !meant.entries.is_empty() {
                    protected.insert(hash_of(&action), meant);
                }
            }
        }
        Self {
            exemptions: config
                .exempt
                .iter()
                .map(|exempt| Exemption::of(exempt, &entries))
                .collect(),
            automation: config.exempt_automation.clone(),
            given: config.given,
            passing: Actions::of(&builtin::passing()),
            entries,
            protected,
            quiet: (0..QUIET).map(|_| AtomicU64::new(0)).collect(),
            unknown: Mutex::default(),
        }
    }

    /// Returns the entries that come with grantwatch, in the order in which they are asked.
    pub fn builtin() -> Vec<Protect> {
        builtin::entries()
    }

    /// Returns the entries that come with grantwatch as a table for people.
    pub fn builtin_table() -> String {
        builtin::table()
    }

    /// Returns what `act` wants; nothing if no entry means it.
    pub fn entry(&self, act: &Act<'_>) -> Option<Wanted<'_>> {
        let hash = hash_of(act.action);
        let slot = self.quiet.get(slot(hash))?;
        if slot.load(Ordering::Relaxed) == hash {
            return None;
        }
        match self.protected.get(&hash) {
            Some(meant) if *meant.action == *act.action => return self.first(meant, act),
            _ => {}
        }
        if !actions::is_action(act.action) {
            slot.store(hash, Ordering::Relaxed);
            return None;
        }
        let known = actions::level(act.action);
        if known.is_guessed {
            self.note(act.action);
        }
        let meant = meant(&self.entries, act.action, known);
        if meant.entries.is_empty() {
            slot.store(hash, Ordering::Relaxed);
            return None;
        }
        self.first(&meant, act)
    }

    /// Returns whose acts of `action` an entry may mean.
    pub fn whose(&self, action: &str) -> Whose {
        if !actions::is_action(action) {
            return Whose::default();
        }
        let known = actions::level(action);
        if known.is_guessed {
            self.note(action);
        }
        let meant = meant(&self.entries, action, known);
        let entries = meant.entries.iter().filter_map(|place| self.entries.get(*place));
        Whose(entries.flat_map(|entry| &entry.by).fold(0, |all, by| all | Whose::bit(*by)))
    }

    /// Returns whether an act of `action` wants a grant where it is done with something that grants give.
    pub fn means_of_given(&self, action: &str) -> bool {
        let is_writing = || actions::level(action).level >= Level::Write;
        self.given
            && actions::is_action(action)
            && is_writing()
            && !self.passing.hold(&action.to_ascii_lowercase())
    }

    /// Returns what `act`, which no entry means, wants because it is done with something that grants give.
    pub fn of_given(&self, act: &Act<'_>) -> Option<Wanted<'_>> {
        let known = actions::level(act.action);
        let is_meant = || self.means_of_given(act.action);
        (people().contains(&By::of(act.identity)) && is_meant()).then(|| Wanted {
            entry: GIVEN,
            level: known.level,
            is_guessed: known.is_guessed,
            exempt: self.exempt(GIVEN_PLACE, act),
            wants_grant: true,
            lacks: None,
        })
    }

    /// Returns what the first of the entries that fits wants of `act`.
    fn first(&self, meant: &Meant, act: &Act<'_>) -> Option<Wanted<'_>> {
        let by = By::of(act.identity);
        if meant.by & bit(by) == 0 {
            return None;
        }
        let (place, entry) = meant
            .entries
            .iter()
            .filter_map(|place| Some((*place, self.entries.get(*place)?)))
            .find(|(_, entry)| entry.by.contains(&by) && entry.at.fits(act))?;
        Some(Wanted {
            entry: &entry.name,
            level: meant.known.level,
            is_guessed: meant.known.is_guessed,
            exempt: self.exempt(place, act),
            wants_grant: entry.requires.contains(&Need::Grant),
            lacks: entry.lacks(by, act),
        })
    }

    /// Returns what exempts `act` from the entry at `place`.
    fn exempt(&self, place: usize, act: &Act<'_>) -> Option<&str> {
        let automation = [
            (Automation::Services, act.by_service),
            (Automation::Provisioners, act.provisioner),
            (Automation::Brokers, act.broker),
        ];
        let automation =
            automation.into_iter().find(|(it, is)| *is && self.automation.contains(it));
        if let Some((automation, _)) = automation {
            return Some(automation.name());
        }
        let exemption = self.exemptions.iter().find(|exemption| exemption.holds(place, act))?;
        Some(&exemption.name)
    }

    fn note(&self, action: &str) {
        let mut names = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() < UNKNOWN_MAX && !names.contains(action) {
            names.insert(bounded(action, UNKNOWN_NAME_MAX).into());
        }
    }

    /// Returns the names of the actions whose level had to be guessed, the first thousand.
    pub fn unknown_actions(&self) -> Vec<String> {
        let names = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        names.iter().map(|name| name.to_string()).collect()
    }
}

/// Returns the hash of an action, which is never 0: that stands for nothing in `quiet`.
fn hash_of(action: &str) -> u64 {
    xxh3_64(action.as_bytes()).max(1)
}

fn bit(by: By) -> u8 {
    1 << (by as u8)
}

fn slot(hash: u64) -> usize {
    usize::try_from(hash).unwrap_or_default() & (QUIET - 1)
}

/// Returns which of `entries` mean `action`, by name and level.
fn meant(entries: &[Entry], action: &str, known: Known) -> Meant {
    let lower = action.to_ascii_lowercase();
    let meaning: Vec<(usize, &Entry)> =
        entries.iter().enumerate().filter(|(_, entry)| entry.means(&lower, known.level)).collect();
    let by = meaning.iter().flat_map(|(_, entry)| &entry.by);
    Meant {
        action: action.into(),
        known,
        by: by.fold(0, |bits, by| bits | bit(*by)),
        entries: meaning.iter().map(|(place, _)| *place).collect(),
    }
}

impl Entry {
    fn of(entry: Protect) -> Self {
        Self {
            name: entry.name.into_boxed_str(),
            levels: entry.levels,
            actions: Actions::of(&entry.actions),
            except: Actions::of(&entry.except_actions),
            by: entry.by,
            at: Where {
                accounts: entry.accounts,
                principal_tags: entry.principal_tags,
                resource_tags: entry.resource_tags,
                roles: entry.roles,
                permission_sets: entry.permission_sets,
                resources: entry.resources,
            },
            requires: entry.requires,
            pipelines: entry.pipelines,
        }
    }

    /// Returns whether it means the action, given in lower case.
    fn means(&self, action: &str, level: Level) -> bool {
        let is_level = self.levels.is_empty() || self.levels.contains(&level);
        is_level
            && (self.actions.is_empty() || self.actions.hold(action))
            && !self.except.hold(action)
    }

    fn lacks(&self, by: By, act: &Act<'_>) -> Option<Need> {
        self.requires.iter().copied().find(|need| match need {
            Need::Grant => false,
            Need::Mfa => act.mfa != Some(true),
            // A person in the pipeline's role is no pipeline.
            Need::Pipeline => by != By::Workload || !who::is_role(&self.pipelines, act.role_arn),
        })
    }
}

impl Actions {
    fn of(globs: &[Glob]) -> Self {
        let lower = globs.iter().map(|glob| Glob(glob.0.to_ascii_lowercase()));
        let (literal, globs): (Vec<_>, Vec<_>) = lower.partition(Glob::is_literal);
        Self { literal: literal.into_iter().map(|glob| glob.0).collect(), globs }
    }

    fn is_empty(&self) -> bool {
        self.literal.is_empty() && self.globs.is_empty()
    }

    fn hold(&self, action: &str) -> bool {
        self.literal.contains(action) || self.globs.iter().any(|glob| glob.matches(action))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Seconds;

    fn surface(text: &str) -> Surface {
        let config: Config = toml::from_str(text).unwrap();
        assert_eq!(config.check(), []);
        Surface::new(&config)
    }

    fn act<'a>(identity: &'a str, action: &'a str) -> Act<'a> {
        Act {
            time: Seconds::parse("2026-03-02T12:00:00Z").unwrap(),
            identity,
            action,
            account: "111122223333",
            role_arn: "arn:aws:iam::111122223333:role/ops/Deploy",
            ..Act::default()
        }
    }

    const ALICE: &str = "person:alice@example.com";

    #[test]
    fn the_defaults_ask_people_about_what_gives_access_and_what_damages() {
        let surface = surface("");
        for (action, expected) in [
            ("iam:AttachRolePolicy", Some("permissions")),
            ("iam:CreateUser", Some("permissions")),
            ("sso:CreateAccountAssignment", Some("escalation")),
            ("cloudtrail:StopLogging", Some("blinding")),
            ("kms:ScheduleKeyDeletion", Some("damage")),
            ("newthing:PutDoorPolicy", Some("permissions")),
            ("newthing:OpenDoor", None),
            ("s3:PutObject", None),
            ("ec2:DescribeInstances", None),
            ("sqs:CreateQueue", None),
            ("signin:SwitchRole", None),
            ("", None),
        ] {
            for _ in 0..2 {
                let wanted = surface.entry(&act(ALICE, action));
                assert_eq!(wanted.map(|it| it.entry), expected, "{action}");
            }
        }
        let workload = surface.entry(&act("workload:111122223333/role/App", "iam:CreateUser"));
        assert_eq!(workload, None);
        assert_eq!(surface.unknown_actions(), ["newthing:OpenDoor", "newthing:PutDoorPolicy"]);
    }

    #[test]
    fn every_name_of_the_defaults_is_an_action_of_aws() {
        for entry in builtin::entries() {
            for glob in entry.actions.iter().chain(&entry.except_actions) {
                let is_known = actions::all().any(|(service, name, _)| {
                    glob.matches_in_any_case(&format!("{service}:{name}"))
                });
                assert!(is_known, "{}: {glob}", entry.name);
            }
        }
    }

    #[test]
    fn automation_is_exempt_and_says_so() {
        let by = "[[protect]]\nname='all'\nlevels=['permissions_management']\nby=['person', 'workload', 'service']";
        let strict = format!("exempt_automation=[]\n{by}");
        type Change = fn(&mut Act<'_>);
        let made: [(&str, Change); 3] = [
            ("services", |act| act.by_service = true),
            ("provisioners", |act| act.provisioner = true),
            ("brokers", |act| act.broker = true),
        ];
        for (name, change) in made {
            let mut act = act("workload:111122223333/role/App", "iam:CreateUser");
            change(&mut act);
            assert_eq!(surface(by).entry(&act).unwrap().exempt, Some(name));
            assert_eq!(surface(&strict).entry(&act).unwrap().exempt, None);
        }
    }

    #[test]
    fn the_first_entry_that_fits_decides() {
        let surface = surface(
            r#"
            [[protect]]
            name = "keys"
            actions = ["s3:Put*", "s3:getobject"]
            resources = ["arn:aws:s3:::keys/*"]
            [[protect]]
            name = "deploy"
            actions = ["s3:*"]
            except_actions = ["s3:List*"]
            roles = ["Deploy"]
            accounts = ["111122223333"]
            [[protect]]
            name = "damage"
            actions = ["s3:GetObject"]
            permission_sets = ["Admin*"]
            "#,
        );
        let entry = |act: &Act<'_>| surface.entry(act).map(|wanted| wanted.entry.to_owned());
        let get = act(ALICE, "s3:GetObject");
        assert_eq!(entry(&get).as_deref(), Some("deploy"));
        let resources = ["arn:aws:s3:::other/a", "arn:aws:s3:::keys/a"];
        assert_eq!(entry(&Act { resources: &resources, ..get.clone() }).as_deref(), Some("keys"));
        let there = Act { account: "444455556666", ..get.clone() };
        assert_eq!(entry(&there), None);
        let set = Act { permission_set: "AdminAccess", ..there.clone() };
        assert_eq!(entry(&set).as_deref(), Some("damage"));
        assert_eq!(entry(&act(ALICE, "s3:ListBucket")), None);
        // An own `damage` takes the place of the built-in one.
        assert_eq!(entry(&act(ALICE, "kms:ScheduleKeyDeletion")), None);
        assert_eq!(entry(&act(ALICE, "iam:CreateUser")).as_deref(), Some("permissions"));
    }

    #[test]
    fn a_session_tag_that_is_not_known_does_not_fit() {
        let surface = surface(
            r#"
            builtin = false
            [[protect]]
            name = "payments"
            actions = ["rds:*"]
            principal_tags = { team = ["pay*", "ledger"], env = ["*"] }
            [[exempt]]
            name = "march"
            owner = "platform@example.com"
            reason = "OPS-1"
            until = "2026-03-31"
            identities = ["person:*"]
            principal_tags = { trusted = ["yes"] }
            "#,
        );
        let wanted = |tags: &[&str]| {
            let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
            let act = Act { principal_tags: &tags, ..act(ALICE, "rds:DeleteDBInstance") };
            surface.entry(&act).map(|wanted| wanted.exempt.unwrap_or("asked").to_owned())
        };
        let asked = Some("asked".to_owned());
        assert_eq!(wanted(&["env=prod", "team=payments"]), asked);
        assert_eq!(wanted(&["Env=", "TEAM=ledger"]), asked, "keys have no case");
        for other in [
            &[][..],
            &["team=payments"],
            &["team=shop", "env=prod"],
            &["team=Ledger", "env=prod"],
            &["teams=payments", "env=prod"],
            &["team", "env=prod"],
            &["té=payments", "env=prod"],
        ] {
            assert_eq!(wanted(other), None, "{other:?}");
        }
        let exempt = wanted(&["env=prod", "team=payments", "trusted=yes"]);
        assert_eq!(exempt.as_deref(), Some("march"));
    }

    #[test]
    fn an_exemption_holds_until_its_last_day_is_over() {
        let surface = surface(
            r#"
            [[exempt]]
            name = "migration"
            owner = "platform@example.com"
            reason = "OPS-1234"
            until = "2026-03-02"
            entries = ["permissions"]
            identities = ["person:alice@*"]
            actions = ["iam:*"]
            resources = ["arn:aws:iam::111122223333:role/migration/*"]
            "#,
        );
        let ours = "arn:aws:iam::111122223333:role/migration/a";
        let at = |time: &str, identity: &str, action: &str, resources: &[&str]| {
            let time = Seconds::parse(time).unwrap();
            let act = Act { time, resources, ..act(identity, action) };
            surface.entry(&act).unwrap().exempt.is_some()
        };
        let last = "2026-03-02T23:59:59Z";
        assert!(at(last, ALICE, "iam:CreateRole", &[ours]));
        assert!(at(last, "person:Alice@example.com", "iam:CreateRole", &[ours]));
        assert!(!at("2026-03-03T00:00:00Z", ALICE, "iam:CreateRole", &[ours]));
        assert!(!at(last, "person:bob@example.com", "iam:CreateRole", &[ours]));
        assert!(!at(last, ALICE, "s3:PutBucketPolicy", &[ours]));
        assert!(!at(last, ALICE, "iam:CreateRole", &[]));
        assert!(!at(
            last,
            ALICE,
            "iam:CreateRole",
            &[ours, "arn:aws:iam::111122223333:role/admin"]
        ));
        assert!(!at(last, ALICE, "sso:CreateAccountAssignment", &[ours]));
    }

    #[test]
    fn what_is_wanted_beside_a_grant_is_told() {
        let surface = surface(
            r#"
            [[protect]]
            name = "stacks"
            actions = ["cloudformation:*"]
            by = ["person", "workload"]
            requires = ["pipeline"]
            pipelines = ["arn:aws:iam::*:role/ops/Deploy"]
            [[protect]]
            name = "sign"
            actions = ["kms:Sign"]
            requires = ["grant", "mfa"]
            "#,
        );
        let lacks = |act: &Act<'_>| {
            let wanted = surface.entry(act).unwrap();
            (wanted.wants_grant, wanted.lacks)
        };
        let stack = act("workload:111122223333/role/Deploy", "cloudformation:UpdateStack");
        assert_eq!(lacks(&stack), (false, None));
        let role_arn = "arn:aws:iam::111122223333:role/Other";
        assert_eq!(lacks(&Act { role_arn, ..stack.clone() }), (false, Some(Need::Pipeline)));
        assert_eq!(lacks(&Act { identity: ALICE, ..stack }), (false, Some(Need::Pipeline)));
        let sign = act(ALICE, "kms:Sign");
        assert_eq!(lacks(&sign), (true, Some(Need::Mfa)));
        assert_eq!(lacks(&Act { mfa: Some(true), ..sign }), (true, None));
    }
}
