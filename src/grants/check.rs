//! What is wrong with the `[grants]` section, so that it is told at the start and not found out by a silence.
//!
//! Invariant: an action that is new to AWS is no mistake; one that is a letter away from a known one is.

use std::collections::BTreeMap;

use crate::grants::config::Automation;
use crate::grants::config::Broker;
use crate::grants::config::Config;
use crate::grants::config::Exempt;
use crate::grants::config::Need;
use crate::grants::config::Protect;
use crate::grants::presets;
use crate::grants::presets::MappingError;
use crate::grants::surface::GIVEN;
use crate::grants::surface::builtin;
use crate::model::Duration;
use crate::model::Glob;
use crate::model::Seconds;
use crate::model::action_of;
use crate::model::actions;

/// How many letters may differ from a known action for a name to be taken for a slip.
const SLIP: usize = 2;

/// Mistakes: the key below the section, and a sentence.
type Mistakes = Vec<(String, String)>;

impl Config {
    /// Returns what is wrong with it: the key and why.
    pub fn check(&self) -> Mistakes {
        let mut wrong = Vec::new();
        let bounds = [
            ("skew", self.skew, "0s", "5m"),
            ("grace", self.grace, "0s", "1d"),
            ("residue_after", self.residue_after, "1m", "1d"),
            ("provision_within", self.provision_within, "1m", "1d"),
            ("revise_for", self.revise_for, "0s", "7d"),
            ("max_duration", self.max_duration, "5m", "366d"),
            ("sessions_last", self.sessions_last, "15m", "13h"),
            ("keep_usage", self.keep_usage, "1d", "3660d"),
        ];
        for (key, value, least, most) in bounds {
            let limit = |text: &str| text.parse::<Duration>().expect("the bounds are durations");
            if value < limit(least) || value > limit(most) {
                wrong.push((key.to_owned(), format!("{value} is not between {least} and {most}")));
            }
        }
        trail(&mut wrong, self);
        for (index, entry) in self.protect.iter().enumerate() {
            let at = format!("protect[{index}]");
            let is_twice = self.protect.iter().take(index).any(|other| other.name == entry.name);
            name(&mut wrong, &at, &entry.name, is_twice);
            if entry.name == GIVEN {
                let what = "`given` is the entry of what grants give; choose another name";
                wrong.push((format!("{at}.name"), what.to_owned()));
            }
            protect(&mut wrong, &at, entry);
        }
        let mut names: Vec<String> = self.protect.iter().map(|entry| entry.name.clone()).collect();
        if self.builtin {
            names.extend(builtin::entries().into_iter().map(|entry| entry.name));
        }
        if self.given {
            names.push(GIVEN.to_owned());
        }
        for (index, entry) in self.exempt.iter().enumerate() {
            let at = format!("exempt[{index}]");
            let is_twice = self.exempt.iter().take(index).any(|other| other.name == entry.name);
            name(&mut wrong, &at, &entry.name, is_twice);
            exempt(&mut wrong, &at, entry, &names);
        }
        for (index, broker) in self.preset.iter().enumerate() {
            let is_twice = self.preset.iter().take(index).any(|other| other.name == broker.name);
            preset(&mut wrong, &format!("preset[{index}]"), broker, is_twice);
            self.claimed_twice(&mut wrong, index, broker);
        }
        wrong
    }
}

/// What is wrong with how CloudTrail is read as a source of grants.
fn trail(wrong: &mut Mistakes, config: &Config) {
    for (index, key) in config.tag_keys.iter().enumerate() {
        if key.trim().is_empty() {
            let what = "a tag's key is wanted".to_owned();
            wrong.push((format!("tag_keys[{index}]"), what));
        }
    }
    let pattern = &config.source_identity_pattern;
    if !pattern.is_empty() && pattern.matches("{id}").count() != 1 {
        let what = format!("`{pattern}` does not say where the id stands; write `{{id}}` there");
        wrong.push(("source_identity_pattern".to_owned(), what));
    }
    for (index, group) in config.groups.iter().enumerate() {
        if Seconds::parse(&group.as_of).is_none() {
            let what = format!("`{}` is no time like 2026-03-01T00:00:00Z", group.as_of);
            wrong.push((format!("groups[{index}].as_of"), what));
        }
    }
}

/// Returns why `broker` is not good enough to be believed, if so: a name alone is whoever's who makes a role of it.
fn unbelievable(broker: &Glob) -> Option<String> {
    let mut parts = broker.0.splitn(6, ':');
    let is_arn = parts.next() == Some("arn") && parts.nth(1) == Some("iam");
    let account = parts.nth(1).unwrap_or_default();
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    let is_role = parts.next().is_some_and(|resource| resource.starts_with("role/"));
    let is_sure = is_arn && is_account && is_role;
    (!is_sure).then(|| {
        format!(
            "`{broker}` may be a role of anybody's; with `grants.from_cloudtrail` what brokers write covers, so give \
             its ARN with the account: arn:aws:iam::111122223333:role/NAME"
        )
    })
}

impl Config {
    /// Says which paths of a broker are somebody else's too: in whose words their files are would be a matter of chance.
    fn claimed_twice(&self, wrong: &mut Mistakes, index: usize, broker: &Broker) {
        for (at, path) in broker.paths.iter().enumerate() {
            let others = self.preset.iter().take(index).filter(|it| it.paths.contains(path));
            let mut others: Vec<String> =
                others.map(|other| format!("the preset `{}`", other.name)).collect();
            if self.paths.contains(path) {
                others.push("`grants.paths`, whose files are in our own words".to_owned());
            }
            if !others.is_empty() {
                let (path, others, name) = (path.display(), others.join(" and "), &broker.name);
                let what = format!(
                    "`{path}` is read by the preset `{name}` here and by {others}; a path is one's own"
                );
                wrong.push((format!("preset[{index}].paths[{at}]"), what));
            }
        }
    }

    /// Returns what is wrong with the brokers, now that CloudTrail may be believed for their sake: the place in the list
    /// and why.
    pub fn check_brokers(&self, brokers: &[Glob]) -> Vec<(usize, String)> {
        let doubts = brokers.iter().enumerate();
        let doubts = doubts.filter_map(|(index, broker)| Some((index, unbelievable(broker)?)));
        doubts.filter(|_| self.from_cloudtrail).collect()
    }
}

fn name(wrong: &mut Mistakes, at: &str, name: &str, is_twice: bool) {
    let automation = [Automation::Services, Automation::Provisioners, Automation::Brokers];
    let what = if name.trim().is_empty() {
        "a name is wanted, as verdicts and alerts give it".to_owned()
    } else if is_twice {
        format!("there is another one called `{name}`")
    } else if automation.iter().any(|it| it.name() == name) {
        format!("`{name}` is what verdicts call exempt automation; choose another name")
    } else {
        return;
    };
    wrong.push((format!("{at}.name"), what));
}

fn preset(wrong: &mut Mistakes, at: &str, broker: &Broker, is_twice: bool) {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    if broker.name.is_empty() || !broker.name.chars().all(is_plain) {
        let what = "letters, digits, `-`, `_` and `.`: it stands in a URL".to_owned();
        wrong.push((format!("{at}.name"), what));
    } else if is_twice {
        let what = format!("there is another one called `{}`", broker.name);
        wrong.push((format!("{at}.name"), what));
    } else if broker.mapping.is_none() {
        // A mapping's own mistakes are told at the start, when its file is read.
        match presets::set_up(broker, None) {
            Err(error @ MappingError::NoPreset { .. }) => {
                let what = format!("{error}; name one, or give a `mapping`");
                wrong.push((format!("{at}.name"), what));
            }
            Err(error) => wrong.push((format!("{at}.set"), error.to_string())),
            Ok(_) => {}
        }
    }
}

fn protect(wrong: &mut Mistakes, at: &str, entry: &Protect) {
    let narrows = !entry.levels.is_empty()
        || !entry.accounts.is_empty()
        || !entry.principal_tags.is_empty()
        || !entry.resource_tags.is_empty()
        || [&entry.actions, &entry.resources, &entry.roles, &entry.permission_sets]
            .into_iter()
            .any(|globs| says_something(globs));
    if !narrows {
        let what = "it means every call there is; give levels, actions, resources, accounts, roles, \
                    permission_sets, principal_tags or resource_tags";
        wrong.push((at.to_owned(), what.to_owned()));
    }
    for (key, is_empty) in [("by", entry.by.is_empty()), ("requires", entry.requires.is_empty())] {
        if is_empty {
            wrong.push((format!("{at}.{key}"), "with an empty list it asks nobody".to_owned()));
        }
    }
    let asks_pipelines = entry.requires.contains(&Need::Pipeline);
    if asks_pipelines && entry.pipelines.is_empty() {
        let what = "`requires` has `pipeline`, so the approved ones must be named";
        wrong.push((format!("{at}.pipelines"), what.to_owned()));
    }
    if !asks_pipelines && !entry.pipelines.is_empty() {
        let what = "they count for nothing unless `requires` has `pipeline`";
        wrong.push((format!("{at}.pipelines"), what.to_owned()));
    }
    if let Some(index) = entry.pipelines.iter().position(Glob::matches_anything) {
        let what = "it approves every role".to_owned();
        wrong.push((format!("{at}.pipelines[{index}]"), what));
    }
    actions_of(wrong, &format!("{at}.actions"), &entry.actions);
    actions_of(wrong, &format!("{at}.except_actions"), &entry.except_actions);
    resources(wrong, at, &entry.resources);
    tags(wrong, &format!("{at}.principal_tags"), &entry.principal_tags);
    tags(wrong, &format!("{at}.resource_tags"), &entry.resource_tags);
    accounts(wrong, at, &entry.accounts);
}

fn exempt(wrong: &mut Mistakes, at: &str, entry: &Exempt, names: &[String]) {
    for (key, text) in [("owner", &entry.owner), ("reason", &entry.reason)] {
        if text.trim().is_empty() {
            let what = format!("an exemption has an {key}; who reads the verdict asks for it");
            wrong.push((format!("{at}.{key}"), what.replace("an reason", "a reason")));
        }
    }
    let narrows = !entry.accounts.is_empty()
        || [
            &entry.identities,
            &entry.actions,
            &entry.resources,
            &entry.roles,
            &entry.permission_sets,
        ]
        .into_iter()
        .any(|globs| says_something(globs));
    if !narrows {
        let what = "it exempts everybody from everything; give identities, actions, resources, \
                    accounts, roles or permission_sets";
        wrong.push((at.to_owned(), what.to_owned()));
    }
    for (index, wanted) in entry.entries.iter().enumerate() {
        if !names.contains(wanted) {
            let what = format!("there is no entry `{wanted}`; there are {}", names.join(", "));
            wrong.push((format!("{at}.entries[{index}]"), what));
        }
    }
    actions_of(wrong, &format!("{at}.actions"), &entry.actions);
    resources(wrong, at, &entry.resources);
    tags(wrong, &format!("{at}.principal_tags"), &entry.principal_tags);
    tags(wrong, &format!("{at}.resource_tags"), &entry.resource_tags);
    accounts(wrong, at, &entry.accounts);
}

fn tags(wrong: &mut Mistakes, at: &str, tags: &BTreeMap<String, Vec<Glob>>) {
    for (key, globs) in tags {
        if key.is_empty() || globs.is_empty() {
            let what = "a tag has a key, and values that it may have: `team = [\"payments*\"]`";
            wrong.push((format!("{at}.{key}"), what.to_owned()));
        }
    }
}

/// Returns whether the patterns leave anything out.
fn says_something(globs: &[Glob]) -> bool {
    !globs.is_empty() && !globs.iter().any(Glob::matches_anything)
}

fn accounts(wrong: &mut Mistakes, at: &str, accounts: &[String]) {
    for (index, account) in accounts.iter().enumerate() {
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            let what = format!("`{account}` is no account id, which has twelve digits");
            wrong.push((format!("{at}.accounts[{index}]"), what));
        }
    }
}

fn resources(wrong: &mut Mistakes, at: &str, globs: &[Glob]) {
    for (index, glob) in globs.iter().enumerate() {
        if !glob.0.starts_with("arn:") && !glob.0.starts_with('*') {
            let what = format!("`{glob}` fits no ARN; ARNs begin with `arn:`");
            wrong.push((format!("{at}.resources[{index}]"), what));
        }
    }
}

fn actions_of(wrong: &mut Mistakes, at: &str, globs: &[Glob]) {
    for (index, glob) in globs.iter().enumerate() {
        if let Some(what) = slip(glob) {
            wrong.push((format!("{at}[{index}]"), what));
        }
    }
}

/// Returns what is wrong with a pattern of actions.
fn slip(glob: &Glob) -> Option<String> {
    let text = glob.0.as_str();
    let Some((service, action)) = text.split_once(':') else {
        let is_open = text.starts_with('*') || text.ends_with('*');
        return (!is_open)
            .then(|| format!("`{text}` is no action, which is written `iam:CreateUser`"));
    };
    if !glob.is_literal() || !actions::level(text).is_guessed {
        return None;
    }
    let of_event = action_of(&format!("{service}.amazonaws.com"), action);
    if of_event != text && !actions::level(&of_event).is_guessed {
        return Some(format!("`{text}` is an event; the action that allows it is `{of_event}`"));
    }
    let wanted = text.to_ascii_lowercase();
    let near = |known: &str| strsim::damerau_levenshtein(&known.to_ascii_lowercase(), &wanted);
    let is_service = |known: &str| known.eq_ignore_ascii_case(service);
    let nearest = actions::all()
        .filter(|(service, _, _)| is_service(service))
        .map(|(service, name, _)| format!("{service}:{name}"))
        .map(|known| (near(&known), known))
        .min()
        .filter(|(distance, _)| *distance <= SLIP)?;
    Some(format!("AWS has no action `{text}`; did you mean `{}`?", nearest.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(text: &str) -> Vec<String> {
        let config: Config = toml::from_str(text).unwrap();
        config.check().into_iter().map(|(key, what)| format!("{key}: {what}")).collect()
    }

    #[test]
    fn the_default_is_sound() {
        assert_eq!(Config::default().check(), []);
        let own = Config { protect: builtin::entries(), ..Config::default() };
        assert_eq!(own.check(), []);
    }

    #[test]
    fn mistakes_are_named_where_they_are() {
        let found = mistakes(
            r#"
            skew = "10m"
            [[protect]]
            name = "everything"
            actions = ["*"]
            [[protect]]
            name = "everything"
            actions = ["iam:CreatUser", "s3:DeleteObjects", "DeleteUser", "iam:NewThingOfNextYear", "rds:*"]
            requires = ["pipeline"]
            accounts = ["12"]
            resources = ["my-bucket"]
            by = []
            [[preset]]
            name = "telport"
            [[preset]]
            name = "teleport"
            set = { max_duraton = "8h" }
            [[preset]]
            name = "our hook"
            mapping = "ours.toml"
            [[exempt]]
            name = "services"
            owner = ""
            reason = "because"
            until = "2026-03-31"
            entries = ["permision"]
            "#,
        );
        let expected = [
            "skew: 10m is not between 0s and 5m",
            "protect[0]: it means every call there is; give levels, actions, resources, accounts, roles, permission_sets, principal_tags or resource_tags",
            "protect[1].name: there is another one called `everything`",
            "protect[1].by: with an empty list it asks nobody",
            "protect[1].pipelines: `requires` has `pipeline`, so the approved ones must be named",
            "protect[1].actions[0]: AWS has no action `iam:CreatUser`; did you mean `iam:CreateUser`?",
            "protect[1].actions[1]: `s3:DeleteObjects` is an event; the action that allows it is `s3:DeleteObject`",
            "protect[1].actions[2]: `DeleteUser` is no action, which is written `iam:CreateUser`",
            "protect[1].resources[0]: `my-bucket` fits no ARN; ARNs begin with `arn:`",
            "protect[1].accounts[0]: `12` is no account id, which has twelve digits",
            "exempt[0].name: `services` is what verdicts call exempt automation; choose another name",
            "exempt[0].owner: an exemption has an owner; who reads the verdict asks for it",
            "exempt[0]: it exempts everybody from everything; give identities, actions, resources, accounts, roles or permission_sets",
            "exempt[0].entries[0]: there is no entry `permision`; there are everything, everything, permissions, escalation, blinding, damage, elevated, root, given",
            "preset[0].name: there is no preset `telport`; name one, or give a `mapping`",
            "preset[1].set: the mapping has no parameter `max_duraton`",
            "preset[2].name: letters, digits, `-`, `_` and `.`: it stands in a URL",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_path_is_read_in_the_words_of_one() {
        let found = mistakes(
            r#"
            paths = ["/srv/grants"]
            [[preset]]
            name = "ours"
            mapping = "ours.toml"
            paths = ["/srv/broker", "/srv/grants/ours"]
            [[preset]]
            name = "theirs"
            mapping = "theirs.toml"
            paths = ["/srv/theirs", "/srv/broker/", "/srv/grants"]
            "#,
        );
        let expected = [
            "preset[1].paths[1]: `/srv/broker/` is read by the preset `theirs` here and by the preset `ours`; a path is one's own",
            "preset[1].paths[2]: `/srv/grants` is read by the preset `theirs` here and by `grants.paths`, whose files are in our own words; a path is one's own",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn brokers_that_are_believed_have_an_account() {
        let brokers = [
            "arn:aws:iam::111122223333:role/access-broker",
            "arn:aws-us-gov:iam::111122223333:role/jit/*",
            "access-broker",
            "arn:aws:iam::*:role/access-broker",
            "arn:aws:iam::111122223333:user/x",
            "*broker",
        ];
        let brokers: Vec<Glob> = brokers.iter().map(|text| Glob((*text).to_owned())).collect();
        let wrong = |config: &Config| {
            let wrong = config.check_brokers(&brokers);
            wrong.into_iter().map(|(index, _)| index).collect::<Vec<_>>()
        };
        assert_eq!(wrong(&Config::default()), [0; 0]);
        assert_eq!(wrong(&Config { from_cloudtrail: true, ..Config::default() }), [2, 3, 4, 5]);
    }

    #[test]
    fn what_names_grants_is_checked() {
        let found = mistakes(
            r#"
            tag_keys = ["grant", " "]
            source_identity_pattern = "grant-"
            [[groups]]
            id = "g"
            as_of = "yesterday"
            members = []
            "#,
        );
        let expected = [
            "tag_keys[1]: a tag's key is wanted",
            "source_identity_pattern: `grant-` does not say where the id stands; write `{id}` there",
            "groups[0].as_of: `yesterday` is no time like 2026-03-01T00:00:00Z",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn tags_of_resources_narrow_an_entry_and_exempt_nobody_alone() {
        let exempt = "[[exempt]]\nname='a'\nowner='b'\nreason='c'\nuntil='2026-03-31'\n";
        let found = mistakes(&format!(
            "[[protect]]\nname='p'\nresource_tags={{env=['prod*']}}\n[[protect]]\nname='q'\nresource_tags={{env=[]}}\n\
             {exempt}resource_tags={{env=['sandbox']}}\n"
        ));
        let expected = [
            "protect[1].resource_tags.env: a tag has a key, and values that it may have: `team = [\"payments*\"]`",
            "exempt[0]: it exempts everybody from everything; give identities, actions, resources, accounts, roles or permission_sets",
        ];
        assert_eq!(found, expected);
        let narrowed = format!("{exempt}actions=['ec2:*']\nresource_tags={{env=['sandbox']}}\n");
        assert_eq!(mistakes(&narrowed), [""; 0]);
    }

    #[test]
    fn an_exemption_ends() {
        assert!(toml::from_str::<Config>("[[exempt]]\nname='a'\nowner='b'\nreason='c'").is_err());
        assert!(
            toml::from_str::<Config>("[[exempt]]\nname='a'\nowner='b'\nreason='c'\nuntil='never'")
                .is_err()
        );
    }
}
