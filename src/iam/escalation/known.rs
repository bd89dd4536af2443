//! The ways that are known, read once from `paths.toml`, and the actions they need, by number.
//!
//! Invariant: what an action's number stands for never changes while the process runs.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::iam::escalation::place::Place;
use crate::model::fits;

static TEXT: &str = include_str!("paths.toml");
static KNOWN: LazyLock<Known> = LazyLock::new(Known::read);

/// Every way that is known.
pub struct Known {
    /// The ways, as the file has them.
    pub ways: Vec<Way>,
    /// The actions that ways need, in lower case, sorted: an action's place here is its number.
    actions: Vec<Box<str>>,
    /// The same as AWS spells them.
    spelled: Vec<Box<str>>,
    /// The number of `iam:PassRole`.
    pub pass_role: usize,
    /// The number of `sts:AssumeRole`.
    pub assume_role: usize,
}

/// A way from some permissions to more.
pub struct Way {
    /// Its name.
    pub id: Box<str>,
    /// What its taker does.
    pub how: Box<str>,
    /// The services that a role is passed to; the first lets its caller use the role.
    pub passes: Vec<Box<str>>,
    /// The service whose role something that is there has.
    pub runs_as: Option<Box<str>>,
    /// Whether the role comes by an instance profile.
    pub profile: Option<Profile>,
    /// What the role runs, where that is not the thing itself.
    pub reads: Option<Reads>,
    /// What it needs besides passing a role.
    pub needs: Vec<Need>,
}

/// What a role runs that stands elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reads {
    /// What is in a bucket: which buckets are read no policy says, so a document alone tells of no way.
    Bucket,
}

/// Where the instance profile of a role comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// It has to be there.
    There,
    /// The way makes it.
    Made,
}

/// One permission.
pub struct Need {
    /// The action's number.
    pub action: usize,
    /// On what.
    pub place: Place,
}

/// Returns every way that is known.
pub fn known() -> &'static Known {
    &KNOWN
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    places: BTreeMap<Box<str>, Box<str>>,
    paths: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    id: Box<str>,
    how: Box<str>,
    #[serde(default)]
    passes: Vec<Box<str>>,
    runs_as: Option<Box<str>>,
    profile: Option<Profile>,
    reads: Option<Reads>,
    needs: Vec<Box<str>>,
}

impl Known {
    fn read() -> Self {
        let file: File = toml::from_str(TEXT).expect("a test reads the file");
        let split = |need: &str| -> (Box<str>, Box<str>) {
            let (action, place) = need.split_once(" on ").expect("a test reads the file");
            (action.into(), place.into())
        };
        let mut named: BTreeMap<Box<str>, Box<str>> = BTreeMap::new();
        for action in ["iam:PassRole", "sts:AssumeRole"] {
            named.insert(action.to_ascii_lowercase().into(), action.into());
        }
        for need in file.paths.iter().flat_map(|path| &path.needs) {
            let (action, _) = split(need);
            named.insert(action.to_ascii_lowercase().into(), action);
        }
        let (actions, spelled): (Vec<_>, Vec<_>) = named.into_iter().unzip();
        let number = |action: &str| {
            let wanted = action.to_ascii_lowercase();
            actions.binary_search_by(|it| (**it).cmp(&wanted)).expect("every action was gathered")
        };
        let ways = file.paths.into_iter().map(|path| {
            let needs = path.needs.iter().map(|need| {
                let (action, place) = split(need);
                Need { action: number(&action), place: Place::named(&place, &file.places) }
            });
            Way {
                needs: needs.collect(),
                id: path.id,
                how: path.how,
                passes: path.passes,
                runs_as: path.runs_as,
                profile: path.profile,
                reads: path.reads,
            }
        });
        let ways = ways.collect();
        let (pass_role, assume_role) = (number("iam:PassRole"), number("sts:AssumeRole"));
        Self { ways, pass_role, assume_role, actions, spelled }
    }

    /// Returns how many actions have a number.
    pub fn count(&self) -> usize {
        self.actions.len()
    }

    /// Returns the ways that a document by itself may open and that take one of `actions`, by number, or pass a role if that
    /// is among them.
    pub fn by<'k>(&'k self, actions: &BTreeSet<usize>) -> impl Iterator<Item = &'k Way> {
        let is_passed = actions.contains(&self.pass_role);
        self.ways.iter().filter(move |way| {
            let is_any = |need: &Need| actions.contains(&need.action);
            way.reads.is_none()
                && (is_passed && !way.passes.is_empty() || way.needs.iter().any(is_any))
        })
    }

    /// Returns an action as AWS spells it.
    pub fn spelled(&self, action: usize) -> &str {
        self.spelled.get(action).map_or("", |it| it)
    }

    /// Returns the numbers of the actions that fit `pattern`, which is in lower case.
    pub fn fitting<'p>(&'p self, pattern: &'p str) -> impl Iterator<Item = usize> + 'p {
        let wild = pattern.bytes().position(|byte| matches!(byte, b'*' | b'?'));
        let fixed = wild.unwrap_or(pattern.len());
        let start = pattern.get(..fixed).unwrap_or_default();
        let from = self.actions.partition_point(|action| **action < *start);
        self.actions
            .iter()
            .enumerate()
            .skip(from)
            .take_while(move |(_, action)| action.starts_with(start))
            .filter(move |(_, action)| fits(pattern.as_bytes(), action.as_bytes()))
            .map(|(number, _)| number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::actions;

    #[test]
    fn every_way_has_a_name_of_its_own_and_needs_actions_that_are() {
        let known = known();
        assert!(known.ways.len() > 95, "{}", known.ways.len());
        let ids: BTreeSet<&str> = known.ways.iter().map(|way| &*way.id).collect();
        assert_eq!(ids.len(), known.ways.len());
        for action in &known.spelled {
            assert!(!actions::level(action).is_guessed, "{action}");
            assert!(
                actions::all().any(|(service, name, _)| format!("{service}:{name}") == **action)
            );
        }
        for way in &known.ways {
            assert!(way.passes.is_empty() || way.runs_as.is_none(), "{}", way.id);
            assert!(!way.needs.is_empty(), "{}", way.id);
        }
    }

    #[test]
    fn patterns_find_their_actions() {
        let named = |pattern: &str| -> Vec<&str> {
            known().fitting(pattern).map(|number| known().spelled(number)).collect()
        };
        assert_eq!(named("iam:passrole"), ["iam:PassRole"]);
        assert_eq!(named("iam:pass*"), ["iam:PassRole"]);
        assert_eq!(
            named("codebuild:start?uild*"),
            ["codebuild:StartBuild", "codebuild:StartBuildBatch"]
        );
        assert_eq!(named("*").len(), known().count());
        assert_eq!(named("s3:*"), ["s3:PutBucketPolicy", "s3:PutObject"]);
        assert_eq!(named("sqs:*"), Vec::<&str>::new());
    }
}
