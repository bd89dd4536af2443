//! How much an action may do: its access level, from AWS's service authorization reference.
//!
//! The table `actions/actions.tsv` is written by `actions/generate.py`; its head names source and licence. What it
//! does not know is guessed by the first word of its name, and said to be guessed.
//!
//! Invariant: a lookup does not regard case, and depends on the action alone.

use std::cmp::Ordering;
use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

static TEXT: &str = include_str!("actions/actions.tsv");
static TABLE: LazyLock<Table> = LazyLock::new(|| Table::read(TEXT));

/// How much an action may do, in AWS's own five steps.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// It names what is there.
    List,
    /// It reads what is in it.
    Read,
    /// It sets tags, which may decide who is allowed what.
    Tagging,
    /// It makes, changes or deletes.
    Write,
    /// It changes who is allowed what.
    PermissionsManagement,
}

impl Level {
    /// Every level, least first.
    pub const ALL: [Self; 5] =
        [Self::List, Self::Read, Self::Tagging, Self::Write, Self::PermissionsManagement];

    /// Returns its name in `gw.access_level` and in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Read => "read",
            Self::Tagging => "tagging",
            Self::Write => "write",
            Self::PermissionsManagement => "permissions_management",
        }
    }

    fn of_letter(letter: &str) -> Option<Self> {
        match letter {
            "l" => Some(Self::List),
            "r" => Some(Self::Read),
            "t" => Some(Self::Tagging),
            "w" => Some(Self::Write),
            "p" => Some(Self::PermissionsManagement),
            _ => None,
        }
    }
}

/// An action's level, and whether AWS says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// The level.
    pub level: Level,
    /// Whether it was guessed from the name, because the table does not have the action.
    pub is_guessed: bool,
}

/// Returns whether `action` is one at all: sign-ins are recorded, and no policy speaks of them.
pub fn is_action(action: &str) -> bool {
    !action.is_empty() && !action.starts_with("signin:")
}

/// Returns the access level of `action`, written `iam:CreateUser` in any case.
pub fn level(action: &str) -> Known {
    let (service, name) = action.split_once(':').unwrap_or(("", action));
    match TABLE.find(service, name) {
        Some(level) => Known { level, is_guessed: false },
        None => Known { level: guess(name), is_guessed: true },
    }
}

/// Returns what the table spells with these letters at the beginning of a service or action, in AWS's case: `s3:getob` is
/// `s3:GetOb`.
pub fn spelled(beginning: &str) -> Option<String> {
    let (service, name) = beginning.split_once(':')?;
    let at = TABLE.services.binary_search_by(|(known, _)| in_any_case(known, service)).ok()?;
    let (service, actions) = TABLE.services.get(at)?;
    let first = actions.partition_point(|(known, _)| in_any_case(known, name).is_lt());
    let (found, _) = actions.get(first).filter(|_| !name.is_empty()).unwrap_or(&("", Level::List));
    let part = found.get(..name.len()).filter(|part| part.eq_ignore_ascii_case(name));
    Some([service, ":", part.unwrap_or(name)].concat())
}

/// Returns every action of the table with its level, by service and name.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str, Level)> {
    TABLE.services.iter().flat_map(|(service, actions)| {
        actions.iter().map(|(name, level)| (*service, *name, *level))
    })
}

/// Returns the level that an action's name speaks of.
fn guess(name: &str) -> Level {
    let begins = |words: &[&str]| words.iter().any(|word| name.starts_with(word));
    let holds = |words: &[&str]| words.iter().any(|word| name.contains(word));
    if begins(&["List"]) {
        return Level::List;
    }
    let reading = [
        "Describe", "Get", "Head", "Lookup", "BatchGet", "Search", "Query", "Scan", "Select",
        "View", "Check", "Preview", "Simulate", "Validate", "Test",
    ];
    if begins(&reading) {
        return Level::Read;
    }
    if begins(&["Tag", "Untag"]) {
        return Level::Tagging;
    }
    if holds(&["Policy", "Permission", "Grant", "Role", "AccessKey", "Acl"]) {
        return Level::PermissionsManagement;
    }
    Level::Write
}

/// The table: services by prefix, their actions by name, both sorted without regard to case.
struct Table {
    services: Vec<(&'static str, Vec<(&'static str, Level)>)>,
}

impl Table {
    fn read(text: &'static str) -> Self {
        let mut services: Vec<(&'static str, Vec<_>)> = Vec::with_capacity(512);
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            match line.split_once('\t') {
                None => services.push((line, Vec::new())),
                Some((letter, name)) => {
                    let level = Level::of_letter(letter).expect("the script writes five letters");
                    let last = services.last_mut().expect("a service stands before its actions");
                    last.1.push((name, level));
                }
            }
        }
        Self { services }
    }

    fn find(&self, service: &str, name: &str) -> Option<Level> {
        let at = self.services.binary_search_by(|(known, _)| in_any_case(known, service)).ok()?;
        let actions = &self.services.get(at)?.1;
        let at = actions.binary_search_by(|(known, _)| in_any_case(known, name)).ok()?;
        actions.get(at).map(|(_, level)| *level)
    }
}

fn in_any_case(one: &str, other: &str) -> Ordering {
    for (a, b) in one.bytes().zip(other.bytes()) {
        let (a, b) = (a.to_ascii_lowercase(), b.to_ascii_lowercase());
        if a != b {
            return a.cmp(&b);
        }
    }
    one.len().cmp(&other.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole_and_sorted() {
        assert!(TABLE.services.len() > 400, "{}", TABLE.services.len());
        assert!(all().count() > 20_000);
        assert!(TABLE.services.is_sorted_by(|a, b| in_any_case(a.0, b.0).is_lt()));
        for (service, actions) in &TABLE.services {
            assert!(actions.is_sorted_by(|a, b| in_any_case(a.0, b.0).is_lt()), "{service}");
        }
        for (service, name, expected) in all() {
            assert_eq!(TABLE.find(service, name), Some(expected), "{service}:{name}");
        }
    }

    #[test]
    fn levels_are_those_that_aws_publishes() {
        for (action, expected) in [
            ("iam:AttachRolePolicy", Level::PermissionsManagement),
            ("IAM:attachrolepolicy", Level::PermissionsManagement),
            ("s3:PutBucketPolicy", Level::PermissionsManagement),
            ("s3:ListAllMyBuckets", Level::List),
            ("s3:GetObject", Level::Read),
            ("sts:AssumeRole", Level::Write),
            ("cloudtrail:StopLogging", Level::Write),
            ("ec2:CreateTags", Level::Tagging),
        ] {
            assert_eq!(level(action), Known { level: expected, is_guessed: false }, "{action}");
        }
    }

    #[test]
    fn what_is_not_known_is_guessed_and_says_so() {
        for (action, expected) in [
            ("newthing:ListDoors", Level::List),
            ("newthing:DescribeDoorPolicy", Level::Read),
            ("newthing:TagDoor", Level::Tagging),
            ("newthing:PutDoorPolicy", Level::PermissionsManagement),
            ("newthing:GrantKey", Level::PermissionsManagement),
            ("newthing:OpenDoor", Level::Write),
            ("", Level::Write),
        ] {
            assert_eq!(level(action), Known { level: expected, is_guessed: true }, "{action}");
        }
    }
}
