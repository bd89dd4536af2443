//! `grantwatch policies allowed`: whether somebody may do something, by a snapshot or by policies alone.

use std::fs;
use std::io;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use clap::ValueEnum;
use serde_json::json;

use crate::cli::Exit;
use crate::cli::output::printable;
use crate::cli::when::moment;
use crate::cli::when::now;
use crate::iam::Decision;
use crate::iam::Document;
use crate::iam::Kind;
use crate::iam::evaluate::Context;
use crate::iam::evaluate::Outcome;
use crate::iam::evaluate::Request;
use crate::iam::evaluate::of_documents;
use crate::iam::snapshot;
use crate::model::Seconds;
use crate::model::printable_json;

/// Say whether somebody may do something, by which statements, and what was not known.
///
/// Of condition keys that are not given nothing is guessed: where they matter, the answer is `conditional` and names them.
/// The time is now, unless --at says another. docs/policies.md says how AWS's policies are joined and what is left out.
#[derive(Debug, Args)]
pub struct AllowedArgs {
    /// A snapshot of accounts: a file or folder (docs/policy-history.md). May be given again.
    #[arg(long, value_name = "PATH", required_unless_present = "policy")]
    snapshot: Vec<PathBuf>,
    /// An identity policy; it and others given so are all there is. May be given again.
    #[arg(long, value_name = "FILE", conflicts_with = "snapshot")]
    policy: Vec<PathBuf>,
    /// Who: the ARN of a user, role, session or root; the name of a service; `*` for somebody without credentials.
    #[arg(long, value_name = "ARN", required_unless_present = "policy")]
    principal: Option<String>,
    /// What: `s3:GetObject`.
    #[arg(long, value_name = "ACTION")]
    action: String,
    /// On what: an ARN, or `*` for actions that have no resource.
    #[arg(long, value_name = "ARN", default_value = "*")]
    resource: String,
    /// A condition key's value, like `aws:SourceIp=192.0.2.1`. May be given again, of one key too.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    context: Vec<(String, String)>,
    /// A condition key that the request does not have.
    #[arg(long, value_name = "KEY")]
    without: Vec<String>,
    /// When it is asked, like `2026-03-01T08:00:00Z`.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    at: Option<Seconds>,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value_t = Shape::Text)]
    format: Shape,
}

/// How an answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shape {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

pub(super) fn run(args: &AllowedArgs) -> anyhow::Result<Exit> {
    let context = context(args);
    let request = Request {
        // Of somebody without a name nothing follows.
        principal: args.principal.as_deref().unwrap_or_default(),
        action: &args.action,
        resource: &args.resource,
        context: &context,
    };
    let outcome = match args.policy.is_empty() {
        true => snapshot::read(&args.snapshot)?.state.allowed(&request),
        false => Outcome {
            decision: of_documents(&documents(&args.policy)?, &request),
            because: Vec::new(),
            missing: Vec::new(),
        },
    };
    let mut out = io::stdout().lock();
    out.write_all(written(&outcome, args.format).as_bytes())?;
    out.flush()?;
    Ok(Exit::Done)
}

fn documents(paths: &[PathBuf]) -> anyhow::Result<Vec<Document>> {
    let mut all = Vec::new();
    for path in paths {
        let tried = || format!("could not read the policy {}", path.display());
        let text = fs::read_to_string(path).with_context(tried)?;
        all.push(Document::parse(&text, Kind::Identity).with_context(tried)?);
    }
    Ok(all)
}

fn context(args: &AllowedArgs) -> Context {
    let now = args.at.unwrap_or_else(now);
    let is_given = |key: &str| {
        let mut keys = args.context.iter().map(|(key, _)| key).chain(&args.without);
        keys.any(|given| given.eq_ignore_ascii_case(key))
    };
    let mut context = Context::new();
    // What is given goes before the clock.
    if !is_given("aws:CurrentTime") && !is_given("aws:EpochTime") {
        context = context.at(now);
    }
    for (key, value) in &args.context {
        context = context.with(key, value);
    }
    for key in &args.without {
        context = context.without(key);
    }
    context
}

fn written(outcome: &Outcome, shape: Shape) -> String {
    let depends_on: Vec<&str> = match &outcome.decision {
        Decision::Conditional(keys) => keys.iter().map(|key| &**key).collect(),
        _ => Vec::new(),
    };
    if shape == Shape::Json {
        let because = outcome.because.iter().map(|because| {
            json!({"policy": because.policy, "statement": because.statement, "why": because.why})
        });
        let answer = json!({
            "decision": outcome.decision.name(),
            "depends_on": depends_on,
            "because": because.collect::<Vec<_>>(),
            "missing": outcome.missing,
        });
        return printable_json(format!("{answer:#}\n"));
    }
    let mut text = match &outcome.decision {
        Decision::Allowed => "allowed\n".to_owned(),
        Decision::ImplicitDeny => "denied: nothing allows it\n".to_owned(),
        Decision::ExplicitDeny => "denied\n".to_owned(),
        Decision::Conditional(_) => format!("depends on {}\n", depends_on.join(", ")),
    };
    for because in &outcome.because {
        text.push_str(&format!("  {because}\n"));
    }
    if !outcome.missing.is_empty() {
        text.push_str("not known:\n");
    }
    for missing in &outcome.missing {
        text.push_str(&format!("  {missing}\n"));
    }
    let lines = text.lines().map(|line| format!("{}\n", printable(line)));
    lines.collect()
}

fn pair(text: &str) -> Result<(String, String), String> {
    let found = text.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    found.ok_or_else(|| format!("`{text}` is no KEY=VALUE"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::evaluate::Because;

    fn outcome() -> Outcome {
        Outcome {
            decision: Decision::Conditional(["aws:sourceip".into()].into()),
            because: vec![Because {
                policy: "inline policy \u{1b}[31mp of x".into(),
                statement: Some(0),
                why: "may allow: depends on aws:sourceip".into(),
            }],
            missing: vec!["account 1: no snapshot of it was read".into()],
        }
    }

    #[test]
    fn an_answer_says_what_it_depends_on_and_what_was_not_known() {
        assert_eq!(
            written(&outcome(), Shape::Text),
            "depends on aws:sourceip\n  \
             inline policy \\u{1b}[31mp of x, statement 0: may allow: depends on aws:sourceip\n\
             not known:\n  account 1: no snapshot of it was read\n"
        );
        let json = written(&outcome(), Shape::Json);
        let answer: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(answer["decision"], "conditional");
        assert_eq!(answer["depends_on"], json!(["aws:sourceip"]));
        assert!(!json.contains('\u{1b}'));
    }

    #[test]
    fn a_decision_alone_is_one_line() {
        let told = |decision| {
            let outcome = Outcome { decision, because: Vec::new(), missing: Vec::new() };
            written(&outcome, Shape::Text)
        };
        assert_eq!(told(Decision::Allowed), "allowed\n");
        assert_eq!(told(Decision::ImplicitDeny), "denied: nothing allows it\n");
        assert_eq!(told(Decision::ExplicitDeny), "denied\n");
    }
}
