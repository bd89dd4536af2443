//! `grantwatch baseline status` and `diff`: what stands otherwise than was agreed on.

use std::collections::BTreeMap;
use std::io;
use std::io::Write;

use clap::Args;
use clap::ValueEnum;
use comfy_table::Table;
use comfy_table::presets;
use serde_json::Value;
use serde_json::json;

use crate::cli::Exit;
use crate::cli::baseline::Both;
use crate::cli::output::printable;
use crate::cli::ways::COARSE;
use crate::cli::ways::ways;
use crate::iam::baseline::Departure;
use crate::iam::drift::difference::Difference;
use crate::iam::drift::kind_name;

/// Count what differs from the baseline, an account a line; ends with 3 if access is wider.
#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    both: Both,
}

/// Say what differs from the baseline in effect; ends with 3 if access is wider.
#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    #[command(flatten)]
    both: Both,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// How differences are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One JSON object a target, a line each.
    Json,
}

pub(super) fn status(args: &StatusArgs) -> anyhow::Result<Exit> {
    let (agreed, found) = args.both.compared()?;
    let mut accounts: BTreeMap<&str, [usize; 3]> =
        agreed.accounts.keys().map(|account| (&**account, [0; 3])).collect();
    for departure in &found {
        let counts = accounts.entry(departure.target.account()).or_default();
        counts[place(&departure.difference)] += 1;
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["ACCOUNT", "WIDER", "NARROWER", "OTHER"]);
    for (account, counts) in accounts {
        let account = if account.is_empty() { "organisation" } else { account };
        let [wider, narrower, other] = counts.map(|count| count.to_string());
        table.add_row([printable(account), wider.into(), narrower.into(), other.into()]);
    }
    writeln!(io::stdout().lock(), "{}", table.trim_fmt())?;
    Ok(ended(&found))
}

/// Returns the column of a difference: wider, narrower or other.
fn place(difference: &Difference) -> usize {
    match (difference.adds.is_empty(), difference.removes.is_empty()) {
        (false, _) => 0,
        (true, false) => 1,
        (true, true) => 2,
    }
}

fn ended(found: &[Departure]) -> Exit {
    let is_wider = |departure: &Departure| !departure.difference.adds.is_empty();
    if found.iter().any(is_wider) { Exit::Found } else { Exit::Done }
}

pub(super) fn run(args: &DiffArgs) -> anyhow::Result<Exit> {
    let (_, found) = args.both.compared()?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    for departure in &found {
        match args.format {
            Format::Text => text(&mut out, departure)?,
            Format::Json => writeln!(out, "{}", object(departure))?,
        }
    }
    out.flush()?;
    Ok(ended(&found))
}

fn text(out: &mut impl Write, departure: &Departure) -> io::Result<()> {
    let Departure { target, arn, items, difference, stands, .. } = departure;
    let kind = kind_name(target.kind());
    writeln!(out, "{} ({kind}: {})", printable(arn), printable(&items.join(", ")))?;
    for line in &difference.adds {
        writeln!(out, "  + {}", printable(line))?;
    }
    for line in &difference.removes {
        writeln!(out, "  - {}", printable(line))?;
    }
    ways(out, &difference.escalation)?;
    for line in &stands.unknown {
        writeln!(out, "  ? {}", printable(line))?;
    }
    if difference.is_coarse {
        writeln!(out, "  ? {COARSE}")?;
    }
    if !difference.classes.is_empty() {
        let classes: Vec<&str> = difference.classes.iter().copied().collect();
        writeln!(out, "  = {}", classes.join(", "))?;
    }
    Ok(())
}

fn object(departure: &Departure) -> Value {
    let Departure { target, arn, items, difference, agreed, stands } = departure;
    json!({
        "target": arn, "account": target.account(), "kind": kind_name(target.kind()), "items": items,
        "adds": difference.adds, "removes": difference.removes, "classes": difference.classes,
        "agreed": agreed.digest(), "stands": stands.digest(), "unknown": stands.unknown,
    })
}
