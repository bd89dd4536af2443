//! `grantwatch grants add` and `grants revoke`: a grant told by hand.
//!
//! Invariant: what is told here is a message like any other; it is read with the same care and never overwrites one.

use std::io;
use std::io::Write;

use anyhow::Context as _;
use clap::Args;
use serde_json::Value;
use serde_json::json;

use crate::cli::Exit;
use crate::cli::grants::AtStore;
use crate::cli::grants::save;
use crate::cli::output::printable;
use crate::cli::when::moment;
use crate::cli::when::now;
use crate::grants::Evidence;
use crate::grants::GrantId;
use crate::grants::Status;
use crate::grants::Version;
use crate::grants::message::Limits;
use crate::grants::message::SCHEMA;
use crate::grants::message::read;
use crate::model::Duration;
use crate::model::Seconds;

/// Where the evidence of what is told here comes from.
const SOURCE: &str = "cli";

/// Tell of a grant by hand.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// The grant's id; it must be a new one.
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    at: AtStore,
    /// A user of Identity Center, by name.
    #[arg(long = "user", value_name = "NAME")]
    users: Vec<String>,
    /// A principal of another kind, as in our messages: '{"kind":"iam_role_arn","arn":"arn:…"}'.
    #[arg(long = "principal", value_name = "JSON", value_parser = object)]
    principals: Vec<Value>,
    /// An account.
    #[arg(long = "account", value_name = "ID")]
    accounts: Vec<String>,
    /// A permission set, by name or glob.
    #[arg(long = "permission-set", value_name = "NAME")]
    permission_sets: Vec<String>,
    /// A role, by ARN or glob.
    #[arg(long = "role", value_name = "ARN")]
    role_arns: Vec<String>,
    /// An action, or a glob; without one the grant covers all that the role allows.
    #[arg(long = "action", value_name = "ACTION")]
    actions: Vec<String>,
    /// A resource, as a glob over ARNs.
    #[arg(long = "resource", value_name = "ARN")]
    resources: Vec<String>,
    /// When it begins; now, if it is not given.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Option<Seconds>,
    /// When it ends.
    #[arg(long, value_name = "TIME", value_parser = moment, conflicts_with = "lasts")]
    until: Option<Seconds>,
    /// How long it lasts.
    #[arg(long = "for", value_name = "DURATION", required_unless_present = "until")]
    lasts: Option<Duration>,
    /// Who approved it.
    #[arg(long = "approver", value_name = "NAME")]
    approvers: Vec<String>,
    /// The ticket, as in `jira OPS-1234`.
    #[arg(long, default_value = "")]
    ticket: String,
    /// Why.
    #[arg(long)]
    reason: String,
    /// It was taken in an emergency, without approval.
    #[arg(long)]
    break_glass: bool,
    /// The longest window that is believed: what `grants.max_duration` says in the configuration.
    #[arg(long, value_name = "DURATION", default_value = "7d")]
    max_duration: Duration,
}

/// End a grant by hand, now.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// The grant's id.
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    at: AtStore,
    /// Why.
    #[arg(long)]
    reason: String,
}

fn object(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

pub(super) fn add(args: &AddArgs) -> anyhow::Result<Exit> {
    let now = now();
    let limits = Limits { max_duration: args.max_duration.span() };
    let version = match read(&told(args, now), &limits) {
        Ok(version) => version,
        Err(error) => {
            let wrong = error.mistakes.iter().map(ToString::to_string).collect::<Vec<_>>();
            anyhow::bail!("this is no grant: {}", wrong.join("; "));
        }
    };
    let (mut store, mut ledger) = args.at.open()?;
    if ledger.get(&version.id).is_some() {
        anyhow::bail!(
            "there is a grant `{}` already: a grant told by hand needs an id of its own",
            args.id
        );
    }
    let shown = version.id.0.clone();
    ledger.apply(version, evidence(now));
    save(&mut store, &mut ledger)?;
    writeln!(io::stderr(), "`{}` is in the store", printable(&shown))?;
    Ok(Exit::Done)
}

/// Returns the message that the command line tells.
fn told(args: &AddArgs, now: Seconds) -> Value {
    let from = args.from.unwrap_or(now);
    let until = args.until.or_else(|| args.lasts.map(|lasts| from.plus(lasts.span())));
    let users = args.users.iter().map(|name| json!({"kind": "idc_user", "user_name": name}));
    let principals: Vec<Value> = users.chain(args.principals.iter().cloned()).collect();
    let mut scope = serde_json::Map::new();
    for (name, list) in [
        ("accounts", &args.accounts),
        ("permission_sets", &args.permission_sets),
        ("role_arns", &args.role_arns),
        ("actions", &args.actions),
        ("resources", &args.resources),
    ] {
        if !list.is_empty() {
            scope.insert(name.to_owned(), json!(list));
        }
    }
    json!({
        "schema": SCHEMA, "id": args.id, "source": SOURCE, "revision": 1, "emitted_at": now.to_string(),
        "status": "active", "principals": principals, "scope": scope,
        "window": {"not_before": from.to_string(), "not_after": until.map(|until| until.to_string())},
        "approvers": args.approvers, "ticket": args.ticket, "justification": args.reason,
        "break_glass": args.break_glass,
    })
}

pub(super) fn revoke(args: &RevokeArgs) -> anyhow::Result<Exit> {
    let now = now();
    let (mut store, mut ledger) = args.at.open()?;
    let grant = ledger
        .get(&GrantId(args.id.as_str().into()))
        .with_context(|| format!("there is no grant `{}`", args.id))?;
    let latest = grant.latest();
    if latest.status.is_final() {
        let status = format!("{:?}", latest.status).to_lowercase();
        anyhow::bail!("`{}` is over already: {status}, as {} said", args.id, latest.source);
    }
    let revoked = Version {
        source: SOURCE.into(),
        // Above the broker's, so that what it said before and comes late does not give the access again.
        revision: latest.revision.saturating_add(1),
        emitted_at: now.max(latest.emitted_at),
        status: Status::Revoked,
        justification: args.reason.as_str().into(),
        ..latest.clone()
    };
    ledger.apply(revoked, evidence(now));
    save(&mut store, &mut ledger)?;
    let what = "is revoked here; the access itself is taken away by the broker, not by this";
    writeln!(io::stderr(), "`{}` {what}", printable(&args.id))?;
    Ok(Exit::Done)
}

fn evidence(arrived: Seconds) -> Evidence {
    Evidence { from: SOURCE.into(), arrived }
}
