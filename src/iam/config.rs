//! The `[policies]` section of the operator's file.
//!
//! Invariant: a configuration that passes [`Config::check`] silences nothing by accident: a pipeline that would be anybody
//! is a mistake.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use url::Url;

use crate::model::Duration;
use crate::model::Glob;

/// How far chains of roles are followed at most; beyond, an inventory says nothing that anybody reads.
const DEEPEST: u8 = 16;

/// What is known of policies, who may change them, and what they should be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Whether changes of policies are compared in effect. What is compared is told by the detectors in
    /// `detectors/policies`.
    pub drift: bool,
    /// Snapshots of the policies that stand: files and folders of `aws iam get-account-authorization-details`, and of the
    /// organisation, Identity Center and resource policies as docs/policy-history.md says. They are read at the start and
    /// whenever they change; what stands is carried on from there by events. A file that does not say when it was taken
    /// (`"Taken"`) was taken when it was last written. Without any snapshot, only what events themselves told is known.
    pub snapshots: Vec<PathBuf>,
    /// The approved pipelines, as globs over the ARN or name of their roles. A change that one of them makes by itself is
    /// planned, and nobody is told of it. A person in such a role is no pipeline. What builds accounts
    /// (`identity.provisioners`) and what gives grants (`identity.brokers`) is planned too.
    pub pipelines: Vec<Glob>,
    /// The declared baseline: a folder that `grantwatch baseline approve` or `baseline export` wrote, or a snapshot. What
    /// differs from it in effect is drift, also where the change was never seen. docs/baseline.md says more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<PathBuf>,
    /// How long what a pipeline made may stand beside the baseline, in event time, before it is told of, once and as
    /// `informational`: somebody forgot to add it. 0s: it is never told of.
    pub planned_for: Duration,
    /// How often what stands is held against the baseline, in event time, beside each change that is seen.
    pub reconcile_every: Duration,
    /// How often the inventory of standing privilege is taken, in event time: who is new in it is told.
    pub standing_every: Duration,
    /// How long after a change its undoing is linked to it, in event time: the alert about the change is resolved then.
    /// At most 30d.
    pub undo_within: Duration,
    /// How many roles, one taken from the other, the inventory of standing privilege follows.
    #[schemars(range(min = 0, max = 16))]
    pub depth: u8,
    /// After how long without use a permission that stands is proposed to be taken away.
    pub unused_after: Duration,
    /// As whom AWS itself is asked about policies.
    pub fetch: Fetch,
}

/// As whom AWS itself is asked about policies: by `grantwatch policies fetch`, and about what records leave out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Fetch {
    /// The roles to take, one in each account. Without any, the credentials that the SDK finds are used as they are.
    pub roles: Vec<String>,
    /// Whether `grantwatch run` asks for what a record of a change does not tell: a document that CloudTrail left out or hides, a
    /// policy that no snapshot holds. What is read is taken for what the change wrote, unless a later one is known, and what
    /// it made possible is told then. docs/policy-history.md names the permissions.
    pub omitted: bool,
    /// After how long what was refused is asked for again, by the wall clock; the pause doubles each time, up to a day. A
    /// start asks at once.
    pub refused_again: Duration,
    /// The external id that the roles' trust policies ask for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// The region to ask in. Without it: the one that profile or environment say, else us-east-1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// An endpoint to use in place of AWS's own, for all services alike.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint_url: Option<Url>,
    /// The profile in the shared AWS configuration files. Without it: the SDK's usual places.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
}

impl Default for Fetch {
    fn default() -> Self {
        Self {
            roles: Vec::new(),
            omitted: false,
            refused_again: Duration::from_secs(3_600),
            external_id: None,
            region: None,
            endpoint_url: None,
            profile: None,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            drift: true,
            snapshots: Vec::new(),
            pipelines: Vec::new(),
            baseline: None,
            planned_for: Duration::from_secs(7 * 86_400),
            reconcile_every: Duration::from_secs(86_400),
            standing_every: Duration::from_secs(86_400),
            undo_within: Duration::from_secs(86_400),
            depth: 4,
            unused_after: Duration::from_secs(90 * 86_400),
            fetch: Fetch::default(),
        }
    }
}

impl Config {
    /// Returns what is not wrong and yet tells more, or less, than most want: the key below the section, and a sentence.
    pub fn hints(&self) -> Vec<(&'static str, &'static str)> {
        let all = [
            (
                self.pipelines.is_empty(),
                "pipelines",
                "none is named, so every change that infrastructure code makes is told as made by hand",
            ),
            (
                self.snapshots.is_empty(),
                "snapshots",
                "none is named, so what stood before a change is known only as far as events told it",
            ),
        ];
        let said = all.into_iter().filter(|(holds, ..)| *holds && self.drift);
        said.map(|(_, key, what)| (key, what)).collect()
    }

    /// Returns what is wrong with the section: the key below it, and a sentence.
    pub fn check(&self) -> Vec<(String, String)> {
        let mut wrong = Vec::new();
        let mut say = |key: String, what: &str| wrong.push((key, what.to_owned()));
        for (index, glob) in self.pipelines.iter().enumerate() {
            if glob.matches_anything() {
                say(
                    format!("pipelines[{index}]"),
                    "this would be every role; name those that your infrastructure code runs with",
                );
            }
        }
        if self.reconcile_every.span().0 < 60 {
            say("reconcile_every".to_owned(), "at least 1m");
        }
        if self.standing_every.span().0 < 3_600 {
            say("standing_every".to_owned(), "at least 1h");
        }
        if self.undo_within.span().0 > 30 * 86_400 {
            say("undo_within".to_owned(), "at most 30d");
        }
        if self.depth > DEEPEST {
            say("depth".to_owned(), "at most 16");
        }
        if self.unused_after.span().0 < 86_400 {
            say("unused_after".to_owned(), "at least 1d");
        }
        for (index, role) in self.fetch.roles.iter().enumerate() {
            if !is_role(role) {
                say(format!("fetch.roles[{index}]"), "not the ARN of a role");
            }
        }
        if !(1..=86_400).contains(&self.fetch.refused_again.span().0) {
            say("fetch.refused_again".to_owned(), "at least 1s and at most 1d");
        }
        let endpoint = self.fetch.endpoint_url.as_ref();
        if endpoint.is_some_and(|url| !matches!(url.scheme(), "http" | "https")) {
            say("fetch.endpoint_url".to_owned(), "not an endpoint; it starts with https://");
        }
        wrong
    }
}

/// Returns whether `arn` is that of a role, by its form.
fn is_role(arn: &str) -> bool {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [prefix, partition, "iam", "", account, role] = parts[..] else { return false };
    let is_id = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    prefix == "arn" && partition.starts_with("aws") && is_id && role.starts_with("role/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipeline_is_not_anybody() {
        let of = |pipelines: &[&str]| {
            let pipelines = pipelines.iter().map(|glob| Glob::from(*glob)).collect();
            Config { pipelines, ..Config::default() }.check().len()
        };
        assert_eq!(of(&["Deploy", "arn:aws:iam::*:role/terraform-*"]), 0);
        assert_eq!((of(&["*"]), of(&["Deploy", "", "**?"])), (1, 2));
    }

    #[test]
    fn what_is_left_out_is_hinted_at_while_drift_is_told() {
        let keys =
            |config: &Config| config.hints().into_iter().map(|(key, _)| key).collect::<Vec<_>>();
        assert_eq!(keys(&Config::default()), ["pipelines", "snapshots"]);
        assert_eq!(keys(&Config { drift: false, ..Config::default() }), [""; 0]);
        let whole = Config {
            pipelines: vec![Glob::from("terraform")],
            snapshots: vec!["iam".into()],
            ..Config::default()
        };
        assert_eq!(keys(&whole), [""; 0]);
    }

    #[test]
    fn what_is_out_of_bounds_is_said() {
        let wrong = Config {
            reconcile_every: Duration::from_secs(1),
            standing_every: Duration::from_secs(60),
            undo_within: Duration::from_secs(31 * 86_400),
            depth: 17,
            unused_after: Duration::from_secs(0),
            fetch: Fetch {
                roles: vec![
                    "arn:aws:iam::111122223333:role/reader".to_owned(),
                    "arn:aws:iam::111122223333:user/reader".to_owned(),
                    "reader".to_owned(),
                ],
                refused_again: Duration::from_secs(0),
                endpoint_url: Some("file:///x".parse().unwrap()),
                ..Fetch::default()
            },
            ..Config::default()
        };
        let keys: Vec<String> = wrong.check().into_iter().map(|(key, _)| key).collect();
        let of_fetch =
            ["fetch.roles[1]", "fetch.roles[2]", "fetch.refused_again", "fetch.endpoint_url"];
        let others = ["reconcile_every", "standing_every", "undo_within", "depth", "unused_after"];
        assert_eq!(keys, [&others[..], &of_fetch].concat());
        assert_eq!(Config::default().check(), []);
    }
}
