//! A right-sized policy: what a grant was really used for, as an IAM policy document.
//!
//! Invariant: it allows every act inside the grant that was not refused, and no action that was not used. A name out of a
//! log never becomes a wildcard: what IAM would read as one is escaped.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde::Serialize;

use crate::grants::usage::Deed;
use crate::grants::usage::OTHERS;
use crate::grants::usage::Part;
use crate::grants::usage::UNNAMED;
use crate::grants::usage::Used;
use crate::model::actions;

/// Endings that `resource.rs` puts behind a name because the record does not tell the rest.
const OPEN_ENDS: [&str; 2] = ["-??????", "/*"];

/// An IAM policy document.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Document {
    /// The version of the language.
    pub version: &'static str,
    /// What it allows.
    pub statement: Vec<Statement>,
}

/// A statement.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Statement {
    /// Its id.
    pub sid: String,
    /// `Allow`.
    pub effect: &'static str,
    /// The actions.
    pub action: Vec<String>,
    /// On what.
    pub resource: Vec<String>,
}

/// A policy document, and what is to be known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// The document.
    pub document: Document,
    /// Actions that it allows on everything, because their records name no resource.
    pub unnamed: Vec<String>,
    /// Whether acts were left out because they are not kept one by one.
    pub is_cut: bool,
}

/// Returns the policy that would have been enough for what was done inside the grant; nothing if nothing was.
pub fn propose(used: &Used) -> Option<Policy> {
    let done = || {
        used.deeds
            .iter()
            .filter(|(deed, tally)| deed.part == Part::Inside && tally.acts > tally.denied)
            .map(|(deed, _)| deed)
    };
    let is_cut = done().any(|deed| &*deed.action == OTHERS);
    let mut resources: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for Deed { action, resource, .. } in done().filter(|deed| actions::is_action(&deed.action)) {
        if &**action == OTHERS {
            continue;
        }
        let of_action = resources.entry(action).or_default();
        match &**resource {
            "" => {}
            UNNAMED | OTHERS => drop(of_action.insert("*".to_owned())),
            arn => drop(of_action.insert(exact(arn))),
        }
    }
    if resources.is_empty() {
        return None;
    }
    let mut unnamed = Vec::new();
    let mut groups: BTreeMap<(&str, Vec<String>), BTreeSet<&str>> = BTreeMap::new();
    for (action, of_action) in resources {
        let service = action.split_once(':').map_or(action, |(service, _)| service);
        let is_open = of_action.is_empty() || of_action.contains("*");
        let of_action: Vec<String> = match is_open {
            true => vec!["*".to_owned()],
            false => of_action.into_iter().collect(),
        };
        if is_open {
            unnamed.push(action.to_owned());
        }
        groups.entry((service, of_action)).or_default().insert(action);
    }
    Some(Policy { document: document(groups), unnamed, is_cut })
}

fn document(groups: BTreeMap<(&str, Vec<String>), BTreeSet<&str>>) -> Document {
    let mut nth: BTreeMap<&str, usize> = BTreeMap::new();
    let mut statement = Vec::new();
    for ((service, resource), actions) in groups {
        let number = nth.entry(service).or_default();
        *number += 1;
        statement.push(Statement {
            sid: sid(service, *number),
            effect: "Allow",
            action: actions.into_iter().map(str::to_owned).collect(),
            resource,
        });
    }
    Document { version: "2012-10-17", statement }
}

/// A statement's id: letters and digits, nothing else is allowed there.
fn sid(service: &str, number: usize) -> String {
    let mut sid = String::from("Used");
    let mut starts = true;
    for letter in service.chars() {
        match letter.is_ascii_alphanumeric() {
            true if starts => sid.push(letter.to_ascii_uppercase()),
            true => sid.push(letter),
            false => {}
        }
        starts = !letter.is_ascii_alphanumeric();
    }
    if number > 1 {
        sid.push_str(&number.to_string());
    }
    sid
}

/// Returns `arn` so that IAM reads it as nothing but itself, but for an ending that we left open ourselves.
fn exact(arn: &str) -> String {
    let open = OPEN_ENDS.into_iter().find_map(|end| {
        let is_ours = arn.starts_with("arn:aws:secretsmanager:") && end == "-??????"
            || arn.starts_with("arn:aws:cloudformation:") && end == "/*";
        arn.strip_suffix(end).filter(|_| is_ours).map(|name| (name, end))
    });
    let (name, end) = open.unwrap_or((arn, ""));
    let mut exact = String::with_capacity(arn.len());
    for letter in name.chars() {
        match letter {
            '*' | '?' | '$' => exact.extend(["${", letter.encode_utf8(&mut [0; 4]), "}"]),
            letter => exact.push(letter),
        }
    }
    exact.push_str(end);
    exact
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::grants::usage::Tally;
    use crate::model::Seconds;

    fn used(deeds: &[(Part, &str, &str, u64, u64)]) -> Used {
        let mut used = Used::default();
        for (part, action, resource, acts, denied) in deeds {
            let deed = |resource: &str| Deed {
                part: *part,
                account: "111122223333".into(),
                region: "eu-west-1".into(),
                action: (*action).into(),
                resource: resource.into(),
            };
            let (first, last) = (Seconds(0), Seconds(0));
            let tally = Tally { acts: *acts, denied: *denied, first, last };
            used.deeds.insert(deed(""), tally);
            used.deeds.insert(deed(resource), tally);
        }
        used
    }

    #[test]
    fn it_is_what_was_done_and_no_more() {
        let used = used(&[
            (Part::Inside, "rds:RebootDBInstance", "arn:aws:rds:eu-west-1:1:db:a", 2, 0),
            (Part::Inside, "rds:ModifyDBInstance", "arn:aws:rds:eu-west-1:1:db:a", 1, 0),
            (Part::Inside, "rds:DescribeDBInstances", "*", 4, 0),
            (Part::Inside, "rds:DeleteDBInstance", "arn:aws:rds:eu-west-1:1:db:a", 3, 3),
            (Part::Inside, "signin:ConsoleLogin", "*", 1, 0),
            (Part::Tail, "iam:CreateUser", "arn:aws:iam::1:user/m", 1, 0),
        ]);
        let policy = propose(&used).unwrap();
        assert_eq!(
            serde_json::to_value(&policy.document).unwrap(),
            json!({"Version": "2012-10-17", "Statement": [
                {"Sid": "UsedRds", "Effect": "Allow", "Action": ["rds:DescribeDBInstances"], "Resource": ["*"]},
                {"Sid": "UsedRds2", "Effect": "Allow", "Action": ["rds:ModifyDBInstance", "rds:RebootDBInstance"],
                 "Resource": ["arn:aws:rds:eu-west-1:1:db:a"]},
            ]})
        );
        assert_eq!(policy.unnamed, ["rds:DescribeDBInstances"]);
        assert!(!policy.is_cut);
    }

    #[test]
    fn a_name_out_of_a_log_is_no_wildcard() {
        assert_eq!(exact("arn:aws:s3:::b/*"), "arn:aws:s3:::b/${*}");
        assert_eq!(
            exact("arn:aws:s3:::b/${aws:username}?"),
            "arn:aws:s3:::b/${$}{aws:username}${?}"
        );
        let secret = "arn:aws:secretsmanager:eu-west-1:1:secret:app*-??????";
        assert_eq!(exact(secret), "arn:aws:secretsmanager:eu-west-1:1:secret:app${*}-??????");
        assert_eq!(exact("arn:aws:s3:::b/x-??????"), "arn:aws:s3:::b/x-${?}${?}${?}${?}${?}${?}");
    }

    #[test]
    fn what_is_not_kept_one_by_one_is_said_and_opens_the_action() {
        let used = used(&[
            (Part::Inside, "s3:GetObject", OTHERS, 9, 0),
            (Part::Inside, OTHERS, UNNAMED, 2, 0),
        ]);
        let policy = propose(&used).unwrap();
        assert!(policy.is_cut);
        assert_eq!(policy.document.statement[0].resource, ["*"]);
        assert!(propose(&Used::default()).is_none());
    }

    #[test]
    fn an_id_is_letters_and_digits() {
        assert_eq!(sid("secretsmanager", 1), "UsedSecretsmanager");
        assert_eq!(sid("sso-directory", 2), "UsedSsoDirectory2");
    }
}
