//! The `[identity]` section of the operator's file.
//!
//! Invariant: a configuration that passes [`Config::check`] cannot make [`super::Registry`] fail.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

use crate::model::Duration;
use crate::model::Glob;

/// Who counts as a broker or a provisioner, and how long sessions are remembered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Roles that hand out access on request, as globs over the role's ARN or name (`arn:aws:iam::*:role/TEAM-*`).
    /// Assignments they make are expected; assignments anybody else makes are not. `*` stands for any text, `?` for
    /// one character.
    pub brokers: Vec<Glob>,
    /// Further roles that build accounts by automation, as globs like `brokers`. `AWSServiceRoleFor*`,
    /// `AWSControlTowerExecution`, `AWSAFT*`, `stacksets-exec-*` and Identity Center's own provisioning are always
    /// among them. A person or user who takes such a role is no provisioner.
    pub provisioners: Vec<Glob>,
    /// Accounts that are ours although their own CloudTrail does not reach us, as twelve digits. Accounts whose own
    /// CloudTrail was once read are known by that, and need not be listed. Whoever comes from one of ours is
    /// `account:…` where a record names only the account, whoever comes from elsewhere `external:…`.
    pub accounts: Vec<String>,
    /// How long a session is remembered when its issuing record does not say when it ends. AWS allows no session
    /// longer than 36 hours.
    pub session_max: Duration,
    /// How many sessions are remembered at once; each takes about a kilobyte. Beyond it the ones that end first are
    /// forgotten and counted. Sessions that AWS services open for themselves do not count: only their roles are kept.
    pub max_sessions: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            brokers: Vec::new(),
            provisioners: Vec::new(),
            accounts: Vec::new(),
            session_max: Duration::from_secs(36 * 3_600),
            max_sessions: 50_000,
        }
    }
}

impl Config {
    /// Returns what is wrong with it: the key and why.
    pub fn check(&self) -> Vec<(String, String)> {
        let mut wrong = Vec::new();
        for (key, globs) in [("brokers", &self.brokers), ("provisioners", &self.provisioners)] {
            for (index, glob) in globs.iter().enumerate() {
                if glob.matches_anything() {
                    let why =
                        format!("`{glob}` matches every role, which would silence everything");
                    wrong.push((format!("{key}[{index}]"), why));
                }
            }
        }
        for (index, account) in self.accounts.iter().enumerate() {
            if !is_account(account) {
                let why = format!("`{account}` is not twelve digits");
                wrong.push((format!("accounts[{index}]"), why));
            }
        }
        let hour = Duration::from_secs(3_600);
        if self.session_max < hour || self.session_max > Duration::from_secs(7 * 86_400) {
            let why = format!("{} is not between 1h and 7d", self.session_max);
            wrong.push(("session_max".to_owned(), why));
        }
        if !(1_000..=10_000_000).contains(&self.max_sessions) {
            let why = format!("{} is not between 1000 and 10000000", self.max_sessions);
            wrong.push(("max_sessions".to_owned(), why));
        }
        wrong
    }
}

/// Returns whether `text` is the number of an account.
pub(super) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_sound_and_mistakes_are_named() {
        assert_eq!(Config::default().check(), []);
        let config = Config {
            brokers: vec![Glob("team".to_owned()), Glob("*".to_owned())],
            accounts: vec!["111122223333".to_owned(), "1111-2222-3333".to_owned()],
            session_max: Duration::from_secs(1),
            max_sessions: 1,
            ..Config::default()
        };
        let keys: Vec<_> = config.check().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["brokers[1]", "accounts[1]", "session_max", "max_sessions"]);
    }
}
