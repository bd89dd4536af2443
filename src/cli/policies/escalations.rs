//! `grantwatch policies escalations`: who could make more of what he has.

use std::io;
use std::io::BufWriter;
use std::io::Write;

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
use crate::cli::stands::Stands;
use crate::cli::when::moment;
use crate::cli::when::now;
use crate::iam::escalation::Escalations;
use crate::iam::escalation::Everywhere;
use crate::iam::escalation::Open;
use crate::iam::escalation::Strength;
use crate::iam::holding::account_of;
use crate::model::Seconds;
use crate::model::printable_json;

/// Say who could get more than he has, by which way, with which roles.
///
/// Every way is told that is open, not only the first, with the resources that it takes and the conditions on which it
/// rests. Administrators need no way and are told as such. docs/standing.md lists the ways.
#[derive(Debug, Args)]
pub struct EscalationsArgs {
    #[command(flatten)]
    stands: Stands,
    /// Only this account.
    #[arg(long, value_name = "ID", value_parser = asked::account)]
    account: Option<String>,
    /// Only users and roles whose ARN holds this text.
    #[arg(long, value_name = "TEXT", value_parser = asked::something)]
    identity: Option<String>,
    /// As of this time; now, if it is not given. With a store, by the policies that stood then, as far back as it tells.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    as_of: Option<Seconds>,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Shape::Text)]
    format: Shape,
}

/// How ways are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shape {
    /// For people.
    Text,
    /// One JSON array.
    Json,
}

pub(super) fn run(args: &EscalationsArgs) -> anyhow::Result<Exit> {
    let state = args.stands.read(args.as_of)?;
    if let Some(id) = args.account.as_deref() {
        anyhow::ensure!(
            state.accounts.contains_key(id),
            "--account: the snapshot has no account {id}"
        );
    }
    let is_asked = |found: &Escalations| {
        let of_account = args.account.as_deref().is_none_or(|id| account_of(&found.holder) == id);
        let of_identity = args.identity.as_deref().is_none_or(|text| found.holder.contains(text));
        let has_some = !found.ways.is_empty() || found.strength == Strength::Administrator;
        of_account && of_identity && has_some
    };
    let mut all = Vec::new();
    let mut is_anybody = args.identity.is_none();
    Everywhere::new(&state, args.as_of.unwrap_or_else(now)).each(|found| {
        is_anybody |= args.identity.as_deref().is_some_and(|text| found.holder.contains(text));
        if is_asked(&found) {
            all.push(found);
        }
    });
    if !is_anybody {
        let text = args.identity.as_deref().unwrap_or_default();
        anyhow::bail!("--identity: the snapshot has no user and no role whose ARN holds `{text}`");
    }
    let mut out = BufWriter::new(io::stdout().lock());
    match args.format {
        Shape::Json => {
            let all: Vec<Value> = all.iter().map(written).collect();
            writeln!(out, "{}", printable_json(serde_json::to_string_pretty(&all)?))?;
        }
        Shape::Text => text(&mut out, &all)?,
    }
    out.flush()?;
    Ok(Exit::Done)
}

fn text(out: &mut dyn Write, all: &[Escalations]) -> io::Result<()> {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).force_no_tty();
    table.set_header(["who", "way", "by", "on", "if"]);
    if let Screen::Columns(columns) = Screen::here() {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(columns);
    }
    for found in all {
        if found.strength == Strength::Administrator {
            let row = [&*found.holder, "administrator", "", "", &unknown(found)];
            table.add_row(row.map(|cell| printable(cell).into_owned()));
        }
        for open in &found.ways {
            let actions: Vec<&str> = open.path.steps.iter().map(|step| step.action).collect();
            let row = [
                found.holder.to_string(),
                open.path.id.to_owned(),
                actions.join(" + "),
                targets(open),
                conditions(open, found),
            ];
            table.add_row(row.map(|cell| printable(&cell).into_owned()));
        }
    }
    if table.is_empty() {
        return writeln!(out, "nobody");
    }
    table.lines().try_for_each(|line| writeln!(out, "{}", line.trim_end()))
}

fn targets(open: &Open) -> String {
    let mut all: Vec<String> =
        open.targets.iter().map(|it| format!("{} ({})", it.arn, it.strength.name())).collect();
    if all.is_empty() {
        all =
            open.path.steps.iter().flat_map(|it| &it.resources).map(|it| it.to_string()).collect();
        all.dedup();
    }
    if open.more > 0 {
        all.push(format!("and {} more", open.more));
    }
    all.join(", ")
}

fn conditions(open: &Open, found: &Escalations) -> String {
    let mut all: Vec<String> = open.path.conditions.iter().map(|it| it.to_string()).collect();
    all.extend(open.path.until.map(|until| format!("until {until}")));
    all.push(unknown(found));
    all.retain(|it| !it.is_empty());
    all.join(", ")
}

fn unknown(found: &Escalations) -> String {
    let all: Vec<&str> = found.unknown.iter().map(|it| &**it).collect();
    if all.is_empty() { String::new() } else { format!("not known: {}", all.join(", ")) }
}

fn written(found: &Escalations) -> Value {
    let ways: Vec<Value> = found
        .ways
        .iter()
        .map(|open| {
            let steps = open.path.steps.iter();
            let steps: Vec<Value> =
                steps.map(|it| json!({"action": it.action, "resources": it.resources})).collect();
            let targets = open.targets.iter();
            let targets: Vec<Value> =
                targets.map(|it| json!({"arn": it.arn, "has": it.strength.name()})).collect();
            json!({
                "id": open.path.id,
                "how": open.path.how,
                "steps": steps,
                "conditions": open.path.conditions,
                "until": open.path.until.map(|it| it.to_string()),
                "targets": targets,
                "more_targets": open.more,
            })
        })
        .collect();
    json!({
        "holder": found.holder,
        "has": found.strength.name(),
        "ways": ways,
        "unknown": found.unknown,
    })
}
