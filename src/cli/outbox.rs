//! `grantwatch outbox`: what the sinks have not taken, and dead letters sent again.
//!
//! Invariant: looking needs no lock, so it may be done beside a running daemon. Only `requeue` writes, and the store
//! has one writer: it is refused while a daemon holds the store.

use std::io;
use std::io::BufWriter;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use clap::Subcommand;
use comfy_table::ContentArrangement;
use comfy_table::Table;
use comfy_table::presets;

use crate::alert;
use crate::alert::text;
use crate::cli::ConfigFile;
use crate::cli::Exit;
use crate::cli::output::Screen;
use crate::cli::output::printable;
use crate::config;
use crate::model::Alert;
use crate::model::AlertId;
use crate::model::Seconds;
use crate::model::SinkName;
use crate::outbox;
use crate::outbox::Owed;
use crate::outbox::Standing;
use crate::outbox::Which;
use crate::pipeline::MIGRATIONS;
use crate::pipeline::dispatch::Clock as _;
use crate::pipeline::dispatch::WallClock;
use crate::store::Reader;
use crate::store::Store;
use crate::store::StoreError;

/// See what the sinks have not taken, and send dead letters again.
#[derive(Debug, Args)]
pub struct OutboxArgs {
    #[command(subcommand)]
    command: OutboxCommand,
}

#[derive(Debug, Subcommand)]
enum OutboxCommand {
    /// Print for each sink how many alerts wait and how many were given up, since when, and what it said last.
    List(StoreFile),
    /// Print the alerts that are not delivered, dead letters first; or one alert in full.
    Show(ShowArgs),
    /// Make dead letters pending again, as if their alerts had been raised now. The daemon must not be running; it sends
    /// them after its next start.
    Requeue(RequeueArgs),
}

/// Which store to look into.
#[derive(Debug, Args)]
struct StoreFile {
    #[command(flatten)]
    file: ConfigFile,
    /// The store's file, without a configuration.
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
}

impl StoreFile {
    fn path(&self) -> anyhow::Result<PathBuf> {
        match &self.store {
            Some(path) => Ok(path.clone()),
            None => Ok(config::read(&self.file.config)?.store.path),
        }
    }

    fn reader(&self) -> anyhow::Result<Reader> {
        Ok(Reader::open(&self.path()?)?)
    }
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// The id of an alert.
    #[arg(value_name = "ALERT")]
    alert: Option<String>,
    /// Only what is owed to this sink.
    #[arg(long, value_name = "NAME", conflicts_with = "alert")]
    sink: Option<String>,
    /// How many to print at most.
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    limit: usize,
    #[command(flatten)]
    at: StoreFile,
}

#[derive(Debug, Args)]
struct RequeueArgs {
    #[command(flatten)]
    what: RequeueWhat,
    #[command(flatten)]
    at: StoreFile,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct RequeueWhat {
    /// All dead letters of this sink.
    #[arg(long, value_name = "NAME")]
    sink: Option<String>,
    /// The dead letters of this alert, to whichever sinks.
    #[arg(long, value_name = "ID")]
    alert: Option<String>,
    /// All dead letters.
    #[arg(long)]
    all: bool,
}

/// Returns which rows are meant where a sink or an alert may be named.
fn which(sink: Option<&str>, alert: Option<&str>) -> Which {
    match (sink, alert) {
        (_, Some(alert)) => Which::Alert(AlertId(alert.to_owned())),
        (Some(sink), None) => Which::Sink(SinkName(sink.to_owned())),
        (None, None) => Which::All,
    }
}

pub(super) fn run(args: &OutboxArgs) -> anyhow::Result<Exit> {
    let mut out = BufWriter::new(io::stdout().lock());
    let exit = match &args.command {
        OutboxCommand::List(at) => list(&mut out, &at.reader()?)?,
        OutboxCommand::Show(args) => show(&mut out, args)?,
        OutboxCommand::Requeue(args) => requeue(&mut out, args)?,
    };
    out.flush().context("could not write to standard output")?;
    Ok(exit)
}

fn list(out: &mut dyn Write, reader: &Reader) -> anyhow::Result<Exit> {
    let backlog = outbox::backlog(reader)?;
    if backlog.is_empty() {
        writeln!(out, "everything is delivered")?;
        return Ok(Exit::Done);
    }
    let mut table = empty(["sink", "pending", "oldest", "dead", "oldest", "last error"]);
    for sink in backlog {
        let time = |at: Option<Seconds>| at.map(|at| at.to_string()).unwrap_or_default();
        table.add_row([
            printable(&sink.sink.0).into_owned(),
            sink.pending.to_string(),
            time(sink.oldest),
            sink.dead.to_string(),
            time(sink.oldest_dead),
            printable(&outbox::last_error(reader, &sink.sink)?.unwrap_or_default()).into_owned(),
        ]);
    }
    print(out, &table)?;
    Ok(Exit::Done)
}

fn show(out: &mut dyn Write, args: &ShowArgs) -> anyhow::Result<Exit> {
    let reader = args.at.reader()?;
    if let Some(id) = &args.alert {
        let Some(found) = alert::table::read(&reader, &AlertId(id.clone()))? else {
            anyhow::bail!("there is no alert `{}` in the store", printable(id));
        };
        let text = text::for_people(&found, text::Width::NARROW, text::Colour::Plain);
        writeln!(out, "{text}")?;
        history(out, &reader, &found)?;
    }
    let which = which(args.sink.as_deref(), args.alert.as_deref());
    let owed = outbox::owed(&reader, &which, args.limit)?;
    if owed.is_empty() {
        writeln!(out, "nothing of it is owed to a sink")?;
        return Ok(Exit::Done);
    }
    let mut table = empty(["alert", "sink", "state", "since", "tries", "detector", "last error"]);
    for row in &owed {
        table.add_row(cells(&reader, row)?);
    }
    print(out, &table)?;
    if owed.len() == args.limit {
        writeln!(out, "there may be more: --limit shows them")?;
    }
    Ok(Exit::Done)
}

/// Prints what an alert was before it became what it is.
fn history(out: &mut dyn Write, reader: &Reader, alert: &Alert) -> anyhow::Result<()> {
    let earlier = alert::table::earlier(reader, &alert.id)?;
    if earlier.is_empty() {
        return Ok(());
    }
    let mut table = empty(["revision", "status", "severity", "since", "because"]);
    for it in earlier.iter().chain([alert]) {
        let (since, because) = match &it.reason {
            Some(reason) => (reason.at, printable(&reason.text)),
            None => (it.first_seen, "".into()),
        };
        table.add_row([
            it.revision.to_string(),
            it.status.name().to_owned(),
            it.severity.name().to_owned(),
            since.to_string(),
            because.into_owned(),
        ]);
    }
    print(out, &table)?;
    writeln!(out)?;
    Ok(())
}

fn cells(reader: &Reader, row: &Owed) -> Result<[String; 7], StoreError> {
    let detector = alert::table::opened(reader, &row.alert_id)?.map(|alert| alert.detector);
    let since = match row.standing {
        Standing::Dead => row.tried.unwrap_or(row.created),
        Standing::Pending => row.created,
    };
    Ok([
        printable(&row.alert_id.0).into_owned(),
        printable(&row.sink.0).into_owned(),
        row.standing.name().to_owned(),
        since.to_string(),
        row.attempts.to_string(),
        printable(&detector.unwrap_or_default()).into_owned(),
        printable(&row.error).into_owned(),
    ])
}

fn requeue(out: &mut dyn Write, args: &RequeueArgs) -> anyhow::Result<Exit> {
    let what = &args.what;
    let which = which(what.sink.as_deref(), what.alert.as_deref());
    let path = args.at.path()?;
    // A wrong path must not make a new store.
    drop(Reader::open(&path)?);
    let mut store = Store::open(&path, MIGRATIONS).context(
        "could not send dead letters again; only one process writes the store, so stop the daemon, requeue, and start it",
    )?;
    let tx = store.begin()?;
    let count = outbox::requeue_dead(&tx, &which, WallClock.now())?;
    tx.commit()?;
    match count {
        0 => {
            let known = outbox::backlog(store.connection())?;
            let with: Vec<&str> =
                known.iter().filter(|it| it.dead > 0).map(|it| it.sink.0.as_str()).collect();
            let there = match with.is_empty() {
                true => "there is none at all".to_owned(),
                false => format!("there are some of: {}", printable(&with.join(", "))),
            };
            anyhow::bail!("no such dead letter; {there}");
        }
        1 => writeln!(out, "1 dead letter waits again; it goes out when the daemon runs")?,
        count => {
            writeln!(out, "{count} dead letters wait again; they go out when the daemon runs")?
        }
    }
    Ok(Exit::Done)
}

fn empty<const COLUMNS: usize>(header: [&str; COLUMNS]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.force_no_tty();
    table.set_header(header);
    if let Screen::Columns(columns) = Screen::here() {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(columns);
    }
    table
}

fn print(out: &mut dyn Write, table: &Table) -> io::Result<()> {
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}
