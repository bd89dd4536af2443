//! `grantwatch demo`: a small simulated organisation, the daemon over its deliveries, and how well it did; without an
//! account or a configuration.

mod receiver;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::io::BufWriter;
use std::io::IsTerminal as _;
use std::io::Write;
use std::path::Path;
use std::time::Duration;
use std::time::Instant;
use std::time::UNIX_EPOCH;

use anyhow::Context as _;
use clap::Args;
use comfy_table::Table;
use tokio::sync::mpsc;
use url::Url;

use crate::alert::text::Colour;
use crate::alert::text::Width;
use crate::alert::text::for_people;
use crate::cli::Exit;
use crate::cli::demo::receiver::Receiver;
use crate::cli::evaluate;
use crate::cli::simulate;
use crate::cli::simulate::Folder;
use crate::cli::simulate::Times;
use crate::cli::simulate::Wanted;
use crate::config::Config;
use crate::model::Alert;
use crate::model::AlertStatus;
use crate::model::Glob;
use crate::model::Seconds;
use crate::model::Severity;
use crate::model::SinkName;
use crate::pipeline::books::Books;
use crate::pipeline::daemon::daemon;
use crate::simulate::Disorder;
use crate::simulate::Flows;
use crate::simulate::Pace;
use crate::simulate::Plan;
use crate::simulate::Turn;
use crate::simulate::actors::broker;
use crate::simulate::iam::census;
use crate::sink;
use crate::source;

/// Show what it does, in seconds: the real daemon over the deliveries of a simulated organisation.
///
/// Needs no AWS account and no configuration. Three days with every incident that `simulate` knows are written to a
/// temporary folder and read there; a receiver on loopback takes the alerts, and they are scored against the truth.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Keep the temporary folder with deliveries, truth and store, and say where it is.
    #[arg(long)]
    keep: bool,
}

/// How many alerts are shown in full.
const SHOWN: usize = 25;

/// How many of them may be of one detector.
const ALIKE: usize = 3;

/// How many days are simulated.
const DAYS: i64 = 3;

/// The secret that signs the demo's webhooks. It guards nothing: both ends are this process.
const SECRET: &str = "whsec_Z3JhbnR3YXRjaC1kZW1vLW5vdC1hLXNlY3JldA==";

pub(super) fn run(args: &DemoArgs) -> anyhow::Result<Exit> {
    let folder = tempfile::Builder::new()
        .prefix("grantwatch-demo-")
        .tempdir()
        .context("could not make a temporary folder")?;
    let began = Instant::now();
    organise(folder.path()).context("could not write the deliveries")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("could not start the runtime")?;
    let (books, alerts) = runtime.block_on(play(folder.path()))?;
    let mut out = BufWriter::new(io::stdout().lock());
    show(&mut out, &alerts)?;
    sum_up(&mut out, &books, alerts, (folder.path(), began))?;
    if args.keep {
        writeln!(out, "Everything is kept in {}", folder.keep().display())?;
    }
    out.flush()?;
    Ok(Exit::Done)
}

/// Writes the deliveries of a small organisation and the truth about them.
fn organise(folder: &Path) -> anyhow::Result<()> {
    let times = Times::Spread { start: simulate::START, days: DAYS };
    let (incidents, _) = simulate::placed(SEED, times, &[Wanted::All])?;
    let plan = Plan {
        seed: SEED,
        start: simulate::START,
        days: DAYS,
        accounts: 4,
        people: 24,
        volume: 0.15,
        incidents,
        flows: Flows::Written,
        disorder: Disorder::default(),
    };
    crate::simulate::simulate(&plan, &Folder(folder.to_owned()), &AtOnce, 2)?;
    date(&folder.join(SNAPSHOT), simulate::START)
}

/// Dates the files of a snapshot: a file that does not say when it was taken was, for the daemon, when it was written.
fn date(snapshot: &Path, taken: Seconds) -> anyhow::Result<()> {
    let taken = UNIX_EPOCH + Duration::from_secs(u64::try_from(taken.0).unwrap_or_default());
    for file in std::fs::read_dir(snapshot)? {
        File::options().append(true).open(file?.path())?.set_modified(taken)?;
    }
    Ok(())
}

/// What the demo's organisation is drawn from.
const SEED: u64 = 7;

/// Where the policies are that stood before the first day.
const SNAPSHOT: &str = "snapshot/start";

/// As fast as it goes, without a word.
struct AtOnce;

impl Pace for AtOnce {
    fn wait_for(&self, _: Seconds) -> Turn {
        Turn::Deliver
    }

    fn told(&self, _: i64, _: u64) {}
}

/// Runs the daemon from the deliveries to the receiver; returns what was read and what arrived.
async fn play(folder: &Path) -> anyhow::Result<(Books, Vec<Alert>)> {
    let secret = folder.join("webhook.secret");
    std::fs::write(&secret, SECRET).context("could not write the secret")?;
    let receiver = Receiver::start(SECRET).await?;
    let config = configuration(folder, receiver.url());
    // Nobody gives orders here: the daemon ends when the folder has been read.
    let (_nobody, orders) = mpsc::channel(1);
    let books = daemon(config.clone(), || Ok(config.clone()), orders).await?;
    Ok((books, receiver.alerts()))
}

fn configuration(folder: &Path, receiver: Url) -> Config {
    let mut config = Config::default();
    config.store.path = folder.join("grantwatch.db");
    // What the organisation's access broker assigns is how it should be.
    config.identity.brokers = vec![Glob(broker::ROLE.to_owned())];
    // So is what its pipelines deploy.
    config.policies.pipelines = vec![Glob(census::DEPLOY_ROLE.to_owned())];
    config.policies.snapshots = vec![folder.join(SNAPSHOT)];
    config.grants.paths = vec![folder.join("grants.ndjson")];
    let mut days = source::folder::Config::new("simulation", folder.join("AWSLogs"));
    days.watch = false;
    config.source.folder = vec![days];
    let secret = folder.join("webhook.secret");
    config.sink.webhook = vec![sink::config::Webhook {
        allow_http: true,
        allow_private: true,
        // Nobody has to be spared here.
        rate: 10_000,
        concurrency: 16,
        ..sink::config::Webhook::new(SinkName("receiver".to_owned()), receiver, secret)
    }];
    config
}

/// Shows the most severe alerts as the person on call would read them, and counts the others.
fn show(out: &mut impl Write, alerts: &[Alert]) -> io::Result<()> {
    let colour = if io::stdout().is_terminal() { Colour::Ansi } else { Colour::Plain };
    let width = Width(usize::from(Table::new().width().unwrap_or(100)).min(120));
    let mut alerts: Vec<&Alert> = alerts.iter().collect();
    let is_over = |alert: &Alert| alert.status == AlertStatus::Resolved;
    alerts.sort_by_key(|alert| {
        (is_over(alert), Reverse(alert.severity), alert.first_seen, &alert.id)
    });
    let (mut shown, mut of_detector) = (0, BTreeMap::<&str, usize>::new());
    let mut others: BTreeMap<(Reverse<Severity>, &str), u64> = BTreeMap::new();
    for alert in &alerts {
        let like_it = of_detector.entry(&alert.detector).or_default();
        if shown < SHOWN && *like_it < ALIKE {
            (shown, *like_it) = (shown + 1, *like_it + 1);
            writeln!(out, "{}", for_people(alert, width, colour))?;
        } else {
            *others.entry((Reverse(alert.severity), &alert.detector)).or_default() += 1;
        }
    }
    if !others.is_empty() {
        writeln!(out, "{} more alerts:", alerts.len() - shown)?;
    }
    for ((Reverse(severity), detector), count) in others {
        writeln!(out, "{count:>5}  {:<13}  {detector}", severity.name())?;
    }
    Ok(())
}

fn sum_up(
    out: &mut impl Write,
    books: &Books,
    alerts: Vec<Alert>,
    (folder, began): (&Path, Instant),
) -> anyhow::Result<()> {
    let total = books.total();
    let seconds = began.elapsed().as_secs_f32();
    writeln!(out, "{}", "-".repeat(72))?;
    writeln!(
        out,
        "{DAYS} days of an invented organisation, written and read in {seconds:.1} s: {total}"
    )?;
    writeln!(
        out,
        "{} deliveries, {} without records (digests and the like); {} alerts arrived, each signed",
        total.deliveries,
        total.routed,
        alerts.len(),
    )?;
    let mut bad = Vec::new();
    let truths = evaluate::truths(&folder.join("truth.ndjson"), &mut bad)?;
    anyhow::ensure!(bad.is_empty(), "the truth reads badly: {}", bad[0]);
    let scores = crate::simulate::evaluate::evaluate(&truths, alerts, Severity::Informational);
    evaluate::summary(out, &scores)?;
    writeln!(
        out,
        "
What to try next:
  grantwatch simulate --out drill --incident all
                                        a larger organisation, to scan, to run over, to drill your SIEM with
  grantwatch scan PATH                  the same over your own CloudTrail and flow log files
  grantwatch scan s3://BUCKET/AWSLogs/  ... or where they lie (the AWS SDK's usual credentials)
  grantwatch detectors list             what raises alerts
  grantwatch config example             a configuration for the daemon: `grantwatch run`"
    )?;
    Ok(())
}
