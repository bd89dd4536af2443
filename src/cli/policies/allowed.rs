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
use crate::cli::asked;
use crate::cli::output::printable;
use crate::cli::policies::without_mark;
use crate::cli::stands::Stands;
use crate::cli::when::moment;
use crate::cli::when::now;
use crate::iam::Decision;
use crate::iam::Document;
use crate::iam::Kind;
use crate::iam::State;
use crate::iam::evaluate::Context;
use crate::iam::evaluate::Outcome;
use crate::iam::evaluate::Request;
use crate::iam::evaluate::of_documents;
use crate::iam::holding::account_of;
use crate::iam::pattern::segments;
use crate::model::Seconds;
use crate::model::actions::level;
use crate::model::printable_json;

/// Say whether somebody may do something, by which statements, and what was not known.
///
/// Of condition keys that are not given nothing is guessed: where they matter, the answer is `conditional` and names them.
/// The time is now, unless --at says another. docs/policies.md says how AWS's policies are joined and what is left out.
#[derive(Debug, Args)]
pub struct AllowedArgs {
    /// A snapshot of accounts: a file or folder (docs/policy-history.md). May be given again.
    #[arg(long, value_name = "PATH", required_unless_present_any = ["policy", "config"])]
    snapshot: Vec<PathBuf>,
    /// The store of a daemon, or of `scan --store`: what its events told since the snapshots stands too.
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// The configuration: its snapshots and its store are meant where none is named.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// An identity policy; it and others given so are all there is. May be given again.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["snapshot", "store", "config"])]
    policy: Vec<PathBuf>,
    /// Who: the ARN of a user, role, session or root; the name of a service; `*` for somebody without credentials.
    #[arg(long, value_name = "ARN", required_unless_present = "policy", value_parser = asked::principal)]
    principal: Option<String>,
    /// What: `s3:GetObject`.
    #[arg(long, value_name = "ACTION", value_parser = asked::action)]
    action: String,
    /// On what: an ARN, or `*` for actions that have no resource.
    #[arg(long, value_name = "ARN", default_value = "*", value_parser = asked::resource)]
    resource: String,
    /// A condition key's value, like `aws:SourceIp=192.0.2.1`. May be given again, of one key too.
    #[arg(long, value_name = "KEY=VALUE", value_parser = asked::pair)]
    context: Vec<(String, String)>,
    /// A condition key that the request does not have.
    #[arg(long, value_name = "KEY", value_parser = asked::key)]
    without: Vec<String>,
    /// When it is asked, like `2026-03-01T08:00:00Z`. With a store, by the policies that stood then, as far back as it tells.
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
    let given =
        |key: &String| args.context.iter().any(|(given, _)| given.eq_ignore_ascii_case(key));
    if let Some(key) = args.without.iter().find(|key| given(key)) {
        anyhow::bail!("--context gives a value to {key} and --without says that there is none");
    }
    let context = context(args);
    let request = Request {
        // Of somebody without a name nothing follows.
        principal: args.principal.as_deref().unwrap_or_default(),
        action: &args.action,
        resource: &args.resource,
        context: &context,
    };
    let mut stranger = None;
    let mut outcome = match args.policy.is_empty() {
        true => {
            let (store, config) = (args.store.clone(), args.config.clone());
            let stands = Stands { snapshot: args.snapshot.clone(), store, config };
            let state = stands.read(args.at)?;
            stranger = absent(&state, request.principal);
            state.allowed(&request)
        }
        false => Outcome {
            decision: of_documents(&documents(&args.policy)?, &request),
            because: Vec::new(),
            missing: Vec::new(),
        },
    };
    if level(&args.action).is_guessed {
        outcome.missing.push(format!("{}: no action that is known here", args.action).into());
    }
    let mut out = io::stdout().lock();
    out.write_all(written(&outcome, stranger.as_deref(), args.format).as_bytes())?;
    out.flush()?;
    Ok(Exit::Done)
}

fn documents(paths: &[PathBuf]) -> anyhow::Result<Vec<Document>> {
    let mut all = Vec::new();
    for path in paths {
        let tried = || format!("could not read the policy {}", path.display());
        let text = without_mark(fs::read_to_string(path).with_context(tried)?);
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

/// Returns who is not there, where the snapshot has the whole account and nobody of that name in it. Whoever is made with
/// that name may do what policies of others say of it, so the question is answered all the same.
fn absent(state: &State, principal: &str) -> Option<String> {
    let id = account_of(principal);
    let account = state.accounts.get(id).filter(|account| account.is_whole)?;
    let [_, _, _, _, _, rest] = segments(principal)?;
    let (kind, path) = rest.split_once('/')?;
    let last = path.rsplit('/').next()?;
    let (sort, name, is_there) = match kind {
        "user" => ("user", last, account.users.contains_key(last)),
        "role" => ("role", last, account.roles.contains_key(last)),
        "assumed-role" => {
            let role = path.split('/').next()?;
            ("role", role, account.roles.contains_key(role))
        }
        _ => return None,
    };
    (!is_there).then(|| format!("account {id} has no {sort} `{name}`"))
}

fn written(outcome: &Outcome, stranger: Option<&str>, shape: Shape) -> String {
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
            "absent": stranger,
        });
        return printable_json(format!("{answer:#}\n"));
    }
    let mut text = match &outcome.decision {
        Decision::Allowed => "allowed\n".to_owned(),
        Decision::ImplicitDeny => "denied: nothing allows it\n".to_owned(),
        Decision::ExplicitDeny => "denied\n".to_owned(),
        Decision::Conditional(_) => format!("depends on {}\n", depends_on.join(", ")),
    };
    if let Some(stranger) = stranger {
        text.insert_str(0, &format!("nobody: {stranger}; whoever gets that name would be\n"));
    }
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
            written(&outcome(), None, Shape::Text),
            "depends on aws:sourceip\n  \
             inline policy \\u{1b}[31mp of x, statement 0: may allow: depends on aws:sourceip\n\
             not known:\n  account 1: no snapshot of it was read\n"
        );
        let json = written(&outcome(), None, Shape::Json);
        let answer: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(answer["decision"], "conditional");
        assert_eq!(answer["depends_on"], json!(["aws:sourceip"]));
        assert!(!json.contains('\u{1b}'));
    }

    #[test]
    fn a_decision_alone_is_one_line() {
        let told = |decision| {
            let outcome = Outcome { decision, because: Vec::new(), missing: Vec::new() };
            written(&outcome, None, Shape::Text)
        };
        assert_eq!(told(Decision::Allowed), "allowed\n");
        assert_eq!(told(Decision::ImplicitDeny), "denied: nothing allows it\n");
        assert_eq!(told(Decision::ExplicitDeny), "denied\n");
    }
}
