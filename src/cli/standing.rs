//! `grantwatch standing`: who can take a protected action with no end date, as snapshots or the store of a daemon tell.
//!
//! Invariant: nothing is written, and a daemon may run meanwhile.

mod activity;

use std::io;
use std::io::BufWriter;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use clap::ValueEnum;
use comfy_table::ContentArrangement;
use comfy_table::Table;
use comfy_table::presets;
use serde_json::Value;
use serde_json::json;

use crate::cli::Exit;
use crate::cli::asked;
use crate::cli::output::Screen;
use crate::cli::output::printable;
use crate::cli::stands::stood;
use crate::cli::when::moment;
use crate::cli::when::now;
use crate::config;
use crate::config::Config;
use crate::grants::Surface;
use crate::iam::History;
use crate::iam::State;
use crate::iam::snapshot;
use crate::iam::standing::Asking;
use crate::iam::standing::How;
use crate::iam::standing::Since;
use crate::iam::standing::Standing;
use crate::iam::standing::expected_names;
use crate::iam::standing::inventory;
use crate::iam::standing::rightsize;
use crate::iam::standing::uses::Seen;
use crate::iam::state::Account;
use crate::iam::state::Assignment;
use crate::model::Duration;
use crate::model::Seconds;
use crate::model::Span;
use crate::model::printable_json;
use crate::model::spreadsheet_cell;
use crate::pipeline::standing::Surfaced;
use crate::pipeline::standing::seen;
use crate::store::Reader;

/// List who can take a protected action with no end date: by what, since when, and whether it was used.
///
/// What is protected is what `grants.protect` says in the configuration, or its defaults. Roles are followed from one to
/// the next. What is not known (a policy that no snapshot holds, control policies, use that no events told) is said.
#[derive(Debug, Args)]
pub struct StandingArgs {
    /// Snapshots: files of `aws iam get-account-authorization-details`, or folders of them. Without any, those that
    /// `policies.snapshots` names, and what the store knows to have happened since.
    #[arg(long, value_name = "PATH", num_args = 1.., required_unless_present_any = ["config", "store"])]
    snapshot: Vec<PathBuf>,
    /// The configuration: `grants.protect` says what is protected. Without --snapshot its store is read too.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The store of a daemon, or of `scan --store`: what changed since the snapshot, and what was used.
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// What holders did: one JSON object a line, as docs/standing.md says.
    #[arg(long, value_name = "FILE")]
    activity: Option<PathBuf>,
    /// Only this account.
    #[arg(long, value_name = "ID", value_parser = asked::account)]
    account: Option<String>,
    /// Only holders whose ARN or id holds this text.
    #[arg(long, value_name = "TEXT", value_parser = asked::something)]
    identity: Option<String>,
    /// How many roles, one taken from the other, are followed.
    #[arg(long, value_name = "NUMBER", default_value_t = 4)]
    depth: u8,
    /// As of this time; now, if it is not given. With a store, by the policies that stood then, as far back as it tells.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    as_of: Option<Seconds>,
    /// Propose smaller policies for what was not used for so long, as the store or --activity tells; shown in JSON.
    #[arg(long, value_name = "DURATION")]
    unused_after: Option<Duration>,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Shape::Table)]
    format: Shape,
}

/// How an inventory is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shape {
    /// For people.
    Table,
    /// One JSON array with everything that is known.
    Json,
    /// For spreadsheets.
    Csv,
    /// Markdown.
    Md,
}

const HEADER: [&str; 11] = [
    "class",
    "who",
    "account",
    "actions",
    "such as",
    "by",
    "since",
    "last used",
    "through a grant",
    "key and console",
    "not known",
];

pub(super) fn run(args: &StandingArgs) -> anyhow::Result<Exit> {
    let config = match &args.config {
        Some(path) => config::read(path)?,
        None => Config::default(),
    };
    let surface = Surface::new(&config.grants);
    let now = args.as_of.unwrap_or_else(now);
    let Found { state, mut activity, is_watched } = found(args, &config, &surface, now)?;
    if let Some(path) = &args.activity {
        activity::read(path, &mut activity)?;
    } else if args.unused_after.is_some() && !is_watched {
        anyhow::bail!(
            "--unused-after needs to know what was used: name --store, --config or --activity"
        );
    }
    let protected = Surfaced(&surface);
    let expected = expected_names();
    let asking = Asking { now, depth: args.depth.into(), expected: &expected };
    let is_asked = |row: &Standing| {
        args.account.as_deref().is_none_or(|id| *row.account == *id)
            && args.identity.as_deref().is_none_or(|text| row.holder.contains(text))
    };
    let mut rows = Vec::new();
    inventory(&state, &protected, &activity, &asking, |row| {
        if is_asked(&row) {
            rows.push(row);
        }
    });
    if rows.is_empty() {
        is_known(args, &state)?;
    }
    rows.sort_by(|a, b| (a.class, &a.account, &a.holder).cmp(&(b.class, &b.account, &b.holder)));
    let mut out = BufWriter::new(io::stdout().lock());
    match args.format {
        Shape::Table => table(&mut out, &rows, now)?,
        Shape::Json => {
            let span = args.unused_after.map(Duration::span);
            let all: Vec<Value> = rows.iter().map(|row| written(row, &state, span, now)).collect();
            writeln!(out, "{}", printable_json(serde_json::to_string_pretty(&all)?))?;
        }
        Shape::Csv => csv(&mut out, &rows, now)?,
        Shape::Md => markdown(&mut out, &rows, now)?,
    }
    out.flush()?;
    Ok(Exit::Done)
}

/// Refuses an account that nothing is known of, and a text that is in nobody's name: both have nothing, and for no reason.
fn is_known(args: &StandingArgs, state: &State) -> anyhow::Result<()> {
    if let Some(id) = args.account.as_deref() {
        let is_there = state.accounts.contains_key(id);
        anyhow::ensure!(is_there, "--account: nothing is known of an account {id}");
    }
    let Some(text) = args.identity.as_deref() else { return Ok(()) };
    let has_one = |account: &Account| {
        let mut users = account.users.values().map(|user| &user.entity.arn);
        let mut roles = account.roles.values().map(|role| &role.entity.arn);
        users.any(|arn| arn.contains(text)) || roles.any(|arn| arn.contains(text))
    };
    let is_assigned =
        |it: &Assignment| format!("{}/{}", it.principal_type, it.principal_id).contains(text);
    let is_there = state.accounts.values().any(has_one)
        || state.identity_center.assignments.iter().any(is_assigned);
    anyhow::ensure!(
        is_there,
        "--identity: there is no user, role or assignment with `{text}` in its name"
    );
    Ok(())
}

/// What there is to take stock of.
struct Found {
    state: State,
    activity: Seen,
    /// Whether a daemon saw what was used.
    is_watched: bool,
}

fn found(
    args: &StandingArgs,
    config: &Config,
    surface: &Surface,
    now: Seconds,
) -> anyhow::Result<Found> {
    let paths = match args.snapshot.is_empty() {
        true => &config.policies.snapshots,
        false => &args.snapshot,
    };
    let snapshot = match args.snapshot.is_empty() {
        // What a configuration names may be filled later; what a person names is there.
        true => snapshot::read(paths).context("could not read the snapshot")?,
        false => asked::snapshot(paths)?,
    };
    let of_config = args.config.as_ref().filter(|_| args.snapshot.is_empty());
    let Some(path) = args.store.as_ref().or(of_config.map(|_| &config.store.path)) else {
        return Ok(Found { state: snapshot.state, activity: Seen::default(), is_watched: false });
    };
    let tried = || format!("could not read the store {}", path.display());
    let reader = Reader::open(path).with_context(tried)?;
    reader.hold().with_context(tried)?;
    let history = History::load(snapshot, &reader).with_context(tried)?;
    let since = history.came(args.as_of);
    let state = stood(history, args.as_of, path)?;
    let activity = Seen { since, ..seen(&reader, surface, (&state, now)).with_context(tried)? };
    Ok(Found { state, activity, is_watched: true })
}

fn by(how: &How) -> String {
    let mut text = how.policy.to_string();
    if let Some(group) = &how.group {
        text = format!("{text} (group {group})");
    }
    if !how.chain.is_empty() {
        text = format!("{text} through {}", how.chain.join(" > "));
    }
    match how.conditions.is_empty() {
        true => text,
        false => {
            let keys: Vec<&str> = how.conditions.iter().map(|it| &**it).collect();
            format!("{text} if {}", keys.join(", "))
        }
    }
}

fn cells(row: &Standing, now: Seconds) -> [String; 11] {
    let mut ways: Vec<String> = row.how.iter().take(3).map(by).collect();
    let more = row.how.len().saturating_sub(3) + row.more;
    if more > 0 {
        ways.push(format!("and {more} more"));
    }
    let used = match &row.used {
        None => "not known".to_owned(),
        Some(used) => {
            used.last_protected.map_or_else(|| "never seen".to_owned(), |it| it.to_string())
        }
    };
    let through = match row.used.as_ref().map(|used| used.through_grant) {
        None => "not known",
        Some(true) => "yes",
        Some(false) => "never",
    };
    let key = row.oldest_key.map(|made| format!("key of {} days", now.since(made).0 / 86_400));
    let console = Some(format!("console {}", row.console.name())).filter(|it| it != "console none");
    let unknown: Vec<&str> = row.unknown.iter().map(|it| &**it).collect();
    let expected = row.expected.as_ref().map_or("", |_| " (expected)");
    [
        format!("{}{expected}", row.class.name()),
        row.holder.to_string(),
        row.account.to_string(),
        row.actions.to_string(),
        row.examples.join(", "),
        ways.join("; "),
        since(row.since),
        used,
        through.to_owned(),
        key.into_iter().chain(console).collect::<Vec<_>>().join(", "),
        unknown.join(", "),
    ]
}

fn since(since: Since) -> String {
    match since {
        Since::Seen(time) => time.to_string(),
        Since::NotBefore(time) => format!("not before {time}"),
        Since::Unknown => "not known".to_owned(),
    }
}

fn table(out: &mut dyn Write, rows: &[Standing], now: Seconds) -> io::Result<()> {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).force_no_tty().set_header(HEADER);
    if let Screen::Columns(columns) = Screen::here() {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(columns);
    }
    for row in rows {
        table.add_row(cells(row, now).map(|cell| printable(&cell).into_owned()));
    }
    if table.is_empty() {
        return writeln!(out, "nobody");
    }
    table.lines().try_for_each(|line| writeln!(out, "{}", line.trim_end()))
}

fn csv(out: &mut dyn Write, rows: &[Standing], now: Seconds) -> anyhow::Result<()> {
    let mut file = csv::Writer::from_writer(out);
    file.write_record(HEADER)?;
    for row in rows {
        file.write_record(cells(row, now).map(|cell| spreadsheet_cell(&cell)))?;
    }
    Ok(file.flush()?)
}

fn markdown(out: &mut dyn Write, rows: &[Standing], now: Seconds) -> io::Result<()> {
    writeln!(out, "| {} |\n|{}", HEADER.join(" | "), " --- |".repeat(HEADER.len()))?;
    for row in rows {
        let cells = cells(row, now).map(|cell| {
            let text = printable(&cell).replace('\\', "\\\\").replace('|', "\\|");
            text.replace('<', "&lt;").replace('`', "\\`")
        });
        writeln!(out, "| {} |", cells.join(" | "))?;
    }
    Ok(())
}

fn written(row: &Standing, state: &State, unused_after: Option<Span>, now: Seconds) -> Value {
    let how: Vec<Value> = row.how.iter().map(|how| {
        json!({
            "class": how.class.name(), "policy": how.policy, "group": how.group, "chain": how.chain,
            "actions": how.actions, "conditions": how.conditions,
        })
    }).collect();
    let used = row.used.as_ref().map(|used| {
        json!({
            "watched_since": used.watched_since.map(|it| it.to_string()),
            "last_protected": used.last_protected.map(|it| it.to_string()),
            "through_grant": used.through_grant,
            "without_grant": row.is_used_without_grant(),
        })
    });
    let proposals = unused_after.zip(row.used.as_ref()).map(|(span, used)| {
        let found = rightsize::of_holder(state, &row.holder, used, now, span);
        let all = found.into_iter().map(|(policy, proposal)| {
            json!({
                "policy": policy,
                "document": proposal.document.as_ref().map(crate::iam::Document::to_value),
                "unused_services": proposal.services,
                "unused_actions": proposal.actions,
                "kept_unseen": proposal.unseen,
                "doubtful_services": proposal.doubtful,
            })
        });
        all.collect::<Vec<Value>>()
    });
    json!({
        "holder": row.holder, "account": row.account, "kind": row.kind.name(), "class": row.class.name(),
        "actions": row.actions, "examples": row.examples, "how": how, "more_how": row.more,
        "escalations": row.escalations, "since": since(row.since), "used": used,
        "role_last_used": row.role_last_used.map(|it| it.to_string()),
        "oldest_key": row.oldest_key.map(|it| it.to_string()), "console": row.console.name(),
        "expected": row.expected, "unknown": row.unknown, "proposals": proposals,
    })
}
