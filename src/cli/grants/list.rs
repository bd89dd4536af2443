//! `grantwatch grants list` and `grants show`: what the store holds. A daemon may run meanwhile: what it has committed is shown.

use std::io;
use std::io::BufWriter;
use std::io::Write;

use anyhow::Context as _;
use clap::Args;
use clap::ValueEnum;
use comfy_table::ContentArrangement;
use comfy_table::Table;
use comfy_table::presets;
use serde_json::Value;
use serde_json::json;

use crate::cli::Exit;
use crate::cli::grants::AtStore;
use crate::cli::output::Screen;
use crate::cli::output::printable;
use crate::cli::when::moment;
use crate::cli::when::now;
use crate::grants::Grant;
use crate::grants::GrantId;
use crate::grants::Ledger;
use crate::grants::Principal;
use crate::grants::Scope;
use crate::grants::Version;
use crate::grants::message::written;
use crate::model::Seconds;
use crate::store::Reader;

/// List grants, those that begin last first.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    at: AtStore,
    /// Only grants of which a principal holds this text: a name, an id, an ARN.
    #[arg(long, value_name = "TEXT")]
    user: Option<String>,
    /// Only grants for this account.
    #[arg(long, value_name = "ID")]
    account: Option<String>,
    /// Only grants in this state.
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    /// The state at this time; now, if it is not given.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    as_of: Option<Seconds>,
    /// How they are printed.
    #[arg(long, value_enum, default_value_t = Shape::Table)]
    format: Shape,
}

/// Show one grant: every version of it, and where each came from.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The grant's id.
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    at: AtStore,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Shape::Table)]
    format: Shape,
}

/// How grants are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shape {
    /// For people.
    Table,
    /// One JSON array.
    Json,
    /// The same, one JSON object a line. What `list` prints can be imported.
    Ndjson,
}

fn load(at: &AtStore) -> anyhow::Result<Ledger> {
    let tried = || format!("could not read the grants in {}", at.store.display());
    let reader = Reader::open(&at.store).with_context(tried)?;
    let mut ledger = Ledger::default();
    ledger.load(&reader).with_context(tried)?;
    Ok(ledger)
}

pub(super) fn list(args: &ListArgs) -> anyhow::Result<Exit> {
    let ledger = load(&args.at)?;
    let as_of = args.as_of.unwrap_or_else(now);
    let is_asked = |grant: &&Grant| {
        let version = shown(grant, as_of);
        let user = args.user.as_deref().unwrap_or_default().to_lowercase();
        let accounts = version.scope.accounts.as_deref().unwrap_or_default();
        let is_account = |account: &String| accounts.iter().any(|it| **it == **account);
        names(&version.principals).to_lowercase().contains(&user)
            && args.account.as_ref().is_none_or(is_account)
            && args.state.as_ref().is_none_or(|state| *state == self::state(grant, as_of))
    };
    let mut found: Vec<&Grant> = ledger.iter().filter(is_asked).collect();
    found.sort_by_key(|grant| (std::cmp::Reverse(shown(grant, as_of).window.from), grant.id()));
    match args.format {
        Shape::Table => {
            let mut table =
                plain(["id", "state", "who", "what", "from", "until", "approved by", "why"]);
            for grant in found {
                let version = shown(grant, as_of);
                let state = state(grant, as_of);
                table.add_row(row(&version.id.0, &state, version));
            }
            print_table(&table)?;
        }
        shape => print(shape, found.into_iter().map(|grant| written(grant.latest())))?,
    }
    Ok(Exit::Done)
}

pub(super) fn show(args: &ShowArgs) -> anyhow::Result<Exit> {
    let ledger = load(&args.at)?;
    let id = GrantId(args.id.as_str().into());
    let grant = ledger.get(&id).with_context(|| format!("there is no grant `{}`", args.id))?;
    match args.format {
        Shape::Table => {
            let mut table = plain([
                "said",
                "state",
                "who",
                "what",
                "from",
                "until",
                "approved by",
                "why",
                "came from",
            ]);
            for (version, evidence) in grant.versions() {
                let mut cells =
                    row(&version.emitted_at.to_string(), version.status.name(), version).to_vec();
                cells.push(printable(&evidence.from).into_owned());
                table.add_row(cells);
            }
            print_table(&table)?;
        }
        shape => {
            let versions = grant.versions().map(|(version, evidence)| {
                let evidence =
                    json!({"from": evidence.from, "arrived": evidence.arrived.to_string()});
                json!({"message": written(version), "evidence": evidence})
            });
            print(shape, versions)?;
        }
    }
    Ok(Exit::Done)
}

/// Returns the version that is shown for `time`: the one in force then, or the last.
fn shown(grant: &Grant, time: Seconds) -> &Version {
    grant.as_of(time).unwrap_or_else(|| grant.latest())
}

/// Returns the state of a grant at `time`: what its source said, ended by the clock where nobody said so.
fn state(grant: &Grant, time: Seconds) -> String {
    grant.state(time).map_or_else(|| "unheard of".to_owned(), |status| status.name().to_owned())
}

fn row(first: &str, state: &str, version: &Version) -> [String; 8] {
    let Version { principals, scope, window, approvers, ticket, justification, .. } = version;
    let approvers: Vec<&str> = approvers
        .iter()
        .map(|who| if who.user_name.is_empty() { &*who.user_id } else { &*who.user_name })
        .collect();
    let approved = match version.break_glass {
        true => "nobody: break glass".to_owned(),
        false => approvers.join(", "),
    };
    let why = format!("{ticket} {justification}");
    let cells = [
        first.to_owned(),
        state.to_owned(),
        names(principals),
        what(scope),
        // With a space, so that a narrow table breaks between day and time.
        window.from.to_string().replace('T', " "),
        window.until.to_string().replace('T', " "),
        approved,
        why.trim().to_owned(),
    ];
    cells.map(|cell| printable(&cell).into_owned())
}

fn names(principals: &[Principal]) -> String {
    let names: Vec<String> = principals.iter().map(Principal::text).collect();
    names.join(", ")
}

fn what(scope: &Scope) -> String {
    let lists = [
        ("", &scope.permission_sets),
        ("", &scope.role_arns),
        ("in ", &scope.accounts),
        ("actions ", &scope.actions),
        ("resources ", &scope.resources),
        ("regions ", &scope.regions),
        ("from ", &scope.source_networks),
    ];
    let said = lists.iter().filter_map(|(before, list)| Some((before, list.as_ref()?)));
    let said: Vec<String> = said
        .map(|(before, list)| match list.is_empty() {
            true => format!("{before}nothing"),
            false => format!("{before}{}", list.join(", ")),
        })
        .collect();
    said.join(" ")
}

fn print(shape: Shape, values: impl Iterator<Item = Value>) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    match shape {
        Shape::Json => writeln!(out, "{:#}", Value::Array(values.collect()))?,
        _ => values.into_iter().try_for_each(|value| writeln!(out, "{value}"))?,
    }
    out.flush()
}

fn plain<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).force_no_tty().set_header(header);
    if let Screen::Columns(columns) = Screen::here() {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(columns);
    }
    table
}

fn print_table(table: &Table) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    if !table.is_empty() {
        table.lines().try_for_each(|line| writeln!(out, "{}", line.trim_end()))?;
    }
    out.flush()
}
