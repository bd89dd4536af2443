//! `grantwatch scan`: the same engine as the daemon, once, over what is there.

mod settings;
mod standing;

use std::io;
use std::io::BufWriter;
use std::io::IsTerminal as _;
use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use indicatif::ProgressBar;
use indicatif::ProgressStyle;
use tokio::sync::watch;
use url::Url;

use crate::alert;
use crate::cli::Exit;
use crate::cli::grants::report;
use crate::cli::output;
use crate::cli::output::Format;
use crate::cli::output::Screen;
use crate::cli::output::printable;
use crate::cli::severity;
use crate::cli::when::moment;
use crate::iam::snapshot::Undated;
use crate::model::Seconds;
use crate::model::Severity;
use crate::model::Span;
use crate::pipeline;
use crate::pipeline::Asked;
use crate::pipeline::Finding;
use crate::pipeline::Grants;
use crate::pipeline::Witness;
use crate::pipeline::books::Books;
use crate::pipeline::books::Counts;
use crate::pipeline::daemon;
use crate::pipeline::dispatch::Clock as _;
use crate::pipeline::dispatch::WallClock;
use crate::rules;
use crate::rules::Rules;
use crate::source;
use crate::source::Access;
use crate::source::Known;
use crate::source::Listing;
use crate::source::Looks;
use crate::source::SourceError;
use crate::source::Target;
use crate::source::Window;
use crate::store;
use crate::store::Reader;

/// Read files, an S3 listing or CloudTrail's event history once, and print the alerts.
///
/// Needs no configuration. Ends with the counts: records read = kept + duplicates + quarantined.
#[derive(Debug, Args)]
pub struct ScanArgs {
    /// What to read: a file or folder, `s3://bucket/prefix`, or `lookup://region` for CloudTrail's own event
    /// history of the last 90 days (management events, slow: two requests a second).
    #[arg(value_name = "PATH|s3://BUCKET/PREFIX|lookup://REGION")]
    pub target: Target,

    /// Leave out what happened before: `2026-03-01` or `2026-03-01T08:00:00Z`.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub from: Option<Seconds>,

    /// Leave out what happened at or after this time.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub to: Option<Seconds>,

    /// How the alerts are printed.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,

    /// Leave out alerts below this severity.
    #[arg(long, value_name = "SEVERITY", value_parser = severity(), default_value = "informational")]
    pub min_severity: Severity,

    /// Exit with 3 if there is an alert of this severity or above.
    #[arg(long, value_name = "SEVERITY", value_parser = severity())]
    pub fail_on: Option<Severity>,

    /// Files and folders with detectors of your own, in addition to the built-in ones.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub detectors: Vec<PathBuf>,

    /// Leave the built-in detectors out.
    #[arg(long)]
    pub no_builtin: bool,

    /// The roles of your access broker, as globs over ARN or name: assignments they make are how it should be.
    #[arg(long, value_name = "GLOB", num_args = 1..)]
    pub broker: Vec<String>,

    /// A configuration of the daemon: `[identity]`, `[grants]` and `[policies]` say who is who, what is protected and how it is
    /// judged. Its sources, sinks, store and the paths of its grants are left alone; what the command line says comes on top.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Messages about access grants, in files and folders: `.json`, `.ndjson`, `.yaml`, `.csv`. They are read first, so
    /// that each privileged act is judged by the grants of its time.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub grants: Vec<PathBuf>,

    /// Take CloudTrail itself for a source of grants: policies with dates that `--broker` writes, sessions that it issues
    /// in the name of a grant, memberships and delegations.
    #[arg(long, requires = "broker")]
    pub grants_from_cloudtrail: bool,

    /// Snapshots of the policies that stood before the first record: files and folders of `aws iam
    /// get-account-authorization-details`. What each change of a policy made possible is told from there on.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub policies: Vec<PathBuf>,

    /// The declared baseline of policies: a folder that `grantwatch baseline` wrote, or a snapshot.
    #[arg(long, value_name = "PATH")]
    pub baseline: Option<PathBuf>,

    /// The roles of your approved pipelines, as globs over ARN or name: changes of policies that they make are planned.
    #[arg(long, value_name = "GLOB", num_args = 1..)]
    pub pipeline: Vec<String>,

    /// Print the verdict on each act that wants a grant instead of the alerts, one JSON object a line.
    #[arg(long, conflicts_with = "format")]
    pub verdicts: bool,

    /// Write what was done with each of the grants into this file: `.html`, `.md`, `.json` or `.csv`.
    #[arg(long, value_name = "FILE", requires = "grants")]
    pub report: Option<PathBuf>,

    /// Further accounts of yours: their own logs are not read, or come later in the order of keys than those of others.
    /// Without it, an account is known as yours from its first file on.
    #[arg(long, value_name = "ACCOUNT", num_args = 1.., value_parser = account)]
    pub account: Vec<String>,

    /// The AWS endpoint, for servers that are not AWS.
    #[arg(long, value_name = "URL", help_heading = "AWS")]
    pub endpoint_url: Option<Url>,

    /// The region; without it, the SDK's usual places are asked.
    #[arg(long, help_heading = "AWS")]
    pub region: Option<String>,

    /// The profile in the AWS configuration files.
    #[arg(long, help_heading = "AWS")]
    pub profile: Option<String>,

    /// Threads that decompress and parse; 0 takes one per core.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=256))]
    pub threads: u16,

    /// Keep the store in this file, so that a later scan knows what this one learned; all its alerts are printed.
    /// Without it the store is temporary.
    #[arg(long, value_name = "FILE")]
    pub store: Option<PathBuf>,
}

/// Reads the number of an account.
fn account(text: &str) -> Result<String, String> {
    let is_account = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_account.then(|| text.to_owned()).ok_or_else(|| format!("`{text}` is not twelve digits"))
}

pub(super) fn run(args: &ScanArgs) -> anyhow::Result<Exit> {
    // What cannot be written is said before everything is read.
    args.report.as_deref().map(report::form_of).transpose()?;
    let paths = args.detectors.clone();
    let wanted = rules::Config { paths, builtin: !args.no_builtin, ..rules::Config::default() };
    let (rules, problems) = pipeline::load_detectors(&wanted);
    let mut err = io::stderr().lock();
    problems.iter().try_for_each(|problem| writeln!(err, "{problem}"))?;
    drop(err);
    let temporary = tempfile::tempdir().context("could not make a temporary folder")?;
    let at = args.store.clone().unwrap_or_else(|| temporary.path().join("scan.db"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("could not start the runtime")?;
    let books = runtime.block_on(read(args, &at, rules))?;
    if let Some(file) = &args.report {
        report::write_all(&at, file)?;
    }
    let alerts = Reader::open(&at)?;
    let worst = print(args, &alerts)?;
    let mut err = io::stderr().lock();
    for (source, counts) in &books.sources {
        writeln!(err, "{source}: {counts}")?;
        let Counts { deliveries, redelivered, routed, rejected, .. } = counts;
        writeln!(
            err,
            "{source}: {deliveries} deliveries, {redelivered} known already, {routed} without records, {rejected} unreadable",
        )?;
    }
    if !books.unknown_actions.is_empty() {
        let names = books.unknown_actions.join(", ");
        let names = printable(&names);
        writeln!(err, "not in the table of AWS's actions, the level guessed by the name: {names}")?;
    }
    standing::tell(args, &at, &mut err)?;
    let found = args.fail_on.is_some_and(|least| worst.is_some_and(|worst| worst >= least));
    Ok(if found { Exit::Found } else { Exit::Done })
}

/// Reads the target through the engine.
async fn read(args: &ScanArgs, at: &Path, rules: Arc<Rules>) -> anyhow::Result<Books> {
    let config = settings::configured(args)?;
    let defaults = Asked::default();
    let asked =
        Asked { from: args.from.unwrap_or(defaults.from), to: args.to.unwrap_or(defaults.to) };
    // Everything there is will be read, so correlations can wait for all of it: the order of files changes nothing.
    let settings = pipeline::Settings {
        asked,
        // All there is was read before the first record, so nothing waits for more.
        grants_are: match args.grants.is_empty() && !args.verdicts {
            true => Grants::Unread,
            false => Grants::Known,
        },
        policies_known: Arc::new(pipeline::known_policies(&config.policies, Undated::BeforeAll)?),
        allowed_lateness: Span(i64::MAX),
        ..daemon::settings(&config, Vec::new())
    };
    let gait = pipeline::Gait {
        threads: args.threads.into(),
        commit_interval: config.pipeline.commit_interval.0,
        commit_bytes: config.pipeline.commit_bytes,
        reading: pipeline::Reading::of(&config),
        pace: pipeline::Pace::Replay,
        clock: || WallClock.now(),
    };
    let store = store::Config { path: at.to_owned() };
    let listing = Listing {
        window: Window { from: args.from, to: args.to },
        access: Access {
            region: args.region.clone(),
            endpoint_url: args.endpoint_url.clone(),
            profile: args.profile.clone(),
            ..Access::default()
        },
        ..Listing::default()
    };
    let feed = async |deliveries| {
        // Nobody stops a scan but by ending it.
        let (_stop, stopped) = watch::channel(false);
        // The core asks the ledger itself; reading an object twice costs less than asking twice.
        let known: Known = Arc::new(|_| false);
        source::grants(&args.grants, Looks::Once, &known, &deliveries, &stopped)?.ended().await?;
        let mut running = source::list(&args.target, &listing, known, deliveries, stopped).await?;
        watched(&mut running).await
    };
    let (witness, told) = match args.verdicts {
        true => {
            let (witness, told) = verdicts();
            (Some(witness), Some(told))
        }
        false => (None, None),
    };
    let (books, fed) = pipeline::once(&store, settings, rules, gait, witness, feed).await?;
    fed?;
    if let Some(told) = told {
        told.recv().context("the core ended early")?.context("could not print the verdicts")?;
    }
    Ok(books)
}

/// Prints verdicts as they come.
struct Verdicts {
    out: BufWriter<io::Stdout>,
    /// What went wrong; nothing is printed after it.
    failed: Option<io::Error>,
    told: mpsc::SyncSender<io::Result<()>>,
}

impl Verdicts {
    fn print(&mut self, finding: &Finding<'_>) {
        if self.failed.is_some() {
            return;
        }
        let line = serde_json::to_writer(&mut self.out, finding).map_err(io::Error::from);
        self.failed = line.and_then(|()| self.out.write_all(b"\n")).err();
    }
}

impl Drop for Verdicts {
    fn drop(&mut self) {
        let ended = match self.failed.take() {
            Some(error) => Err(error),
            None => self.out.flush(),
        };
        // Whoever waited may have gone; then nobody needs to know.
        let _nobody = self.told.send(ended).is_err();
    }
}

/// Returns who prints each verdict on standard output, and what tells how that ended.
fn verdicts() -> (Witness, mpsc::Receiver<io::Result<()>>) {
    let (told, ended) = mpsc::sync_channel(1);
    let mut verdicts = Verdicts { out: BufWriter::new(io::stdout()), failed: None, told };
    (Box::new(move |finding| verdicts.print(finding)), ended)
}

/// Waits until everything has been read, with a progress bar on a terminal.
async fn watched(running: &mut source::Running) -> Result<(), SourceError> {
    let counters = running.counters().to_vec();
    let bar = match io::stderr().is_terminal() {
        true => ProgressBar::new(0),
        false => ProgressBar::hidden(),
    };
    let style = "{elapsed_precise} {wide_bar} {bytes}/{total_bytes} ({binary_bytes_per_sec}) {msg}";
    bar.set_style(ProgressStyle::with_template(style).expect("the template is fixed"));
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    let ended = loop {
        tokio::select! {
            ended = running.ended() => break ended,
            _ = tick.tick() => {
                let sum = |name: &str| -> u64 {
                    let all = counters.iter().flat_map(|counters| counters.snapshot());
                    all.filter(|(found, _)| *found == name).map(|(_, value)| value).sum()
                };
                bar.set_length(sum("bytes_listed"));
                bar.set_position(sum("bytes_fetched"));
                bar.set_message(format!("{} objects", sum("objects_fetched")));
            }
        }
    };
    bar.finish_and_clear();
    ended
}

/// Prints the alerts; returns the worst severity among them.
fn print(args: &ScanArgs, store: &Reader) -> anyhow::Result<Option<Severity>> {
    let ids = alert::table::ids(store, args.min_severity)?;
    let mut worst = None;
    let mut failed = None;
    let mut alerts = ids.iter().map_while(|id| match alert::table::read(store, id) {
        Ok(Some(alert)) => {
            worst = worst.max(Some(alert.severity));
            Some(alert)
        }
        Ok(None) => None,
        Err(error) => {
            failed = Some(error);
            None
        }
    });
    if args.verdicts {
        alerts.by_ref().for_each(drop);
    } else {
        let mut out = BufWriter::new(io::stdout().lock());
        output::write(&mut out, args.format, Screen::here(), &mut alerts)?;
        out.flush()?;
    }
    drop(alerts);
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(worst),
    }
}
