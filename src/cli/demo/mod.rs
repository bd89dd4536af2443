//! `grantwatch demo`: the daemon over sample deliveries, without an account or a configuration.

mod receiver;

use std::io;
use std::io::BufWriter;
use std::io::IsTerminal as _;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use clap::Args;
use comfy_table::Table;
use include_dir::Dir;
use include_dir::include_dir;
use tokio::sync::mpsc;
use url::Url;

use crate::alert::text::Colour;
use crate::alert::text::Width;
use crate::alert::text::for_people;
use crate::cli::Exit;
use crate::cli::demo::receiver::Receiver;
use crate::config::Config;
use crate::identity::Glob;
use crate::model::Alert;
use crate::model::Severity;
use crate::model::SinkName;
use crate::pipeline::books::Books;
use crate::pipeline::daemon::daemon;
use crate::sink;
use crate::source;

/// Show what it does, in seconds: the real daemon over sample deliveries, with a receiver for its alerts.
///
/// Needs no AWS account and no configuration. Everything stays on this machine, in a temporary folder.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Keep the temporary folder with deliveries, store and configuration, and say where it is.
    #[arg(long)]
    keep: bool,
}

/// The sample deliveries: one day of an invented organisation, with an attack in it.
static DAY: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/testdata/days/2026-03-02");

/// The secret that signs the demo's webhooks. It guards nothing: both ends are this process.
const SECRET: &str = "whsec_Z3JhbnR3YXRjaC1kZW1vLW5vdC1hLXNlY3JldA==";

pub(super) fn run(args: &DemoArgs) -> anyhow::Result<Exit> {
    let folder = tempfile::Builder::new()
        .prefix("grantwatch-demo-")
        .tempdir()
        .context("could not make a temporary folder")?;
    let began = Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("could not start the runtime")?;
    let (books, alerts) = runtime.block_on(play(folder.path()))?;
    let mut out = BufWriter::new(io::stdout().lock());
    show(&mut out, &alerts)?;
    sum_up(&mut out, &books, &alerts, began)?;
    if args.keep {
        writeln!(out, "Everything is kept in {}", folder.keep().display())?;
    }
    out.flush()?;
    Ok(Exit::Done)
}

/// Runs the daemon from the deliveries to the receiver; returns what was read and what arrived.
async fn play(folder: &Path) -> anyhow::Result<(Books, Vec<Alert>)> {
    let deliveries = folder.join("deliveries");
    std::fs::create_dir(&deliveries).context("could not make the folder of deliveries")?;
    DAY.extract(&deliveries).context("could not write the sample deliveries")?;
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
    // The role of the organisation's access broker: what it assigns is how it should be.
    config.identity.brokers = vec![Glob("grant-broker-*".to_owned())];
    let mut days = source::folder::Config::new("sample-day", folder.join("deliveries"));
    days.watch = false;
    config.source.folder = vec![days];
    let secret = folder.join("webhook.secret");
    config.sink.webhook = vec![sink::config::Webhook {
        allow_http: true,
        allow_private: true,
        ..sink::config::Webhook::new(SinkName("receiver".to_owned()), receiver, secret)
    }];
    config
}

/// Shows each alert as the person on call would read it, the worst last: that is where the eye rests.
fn show(out: &mut impl Write, alerts: &[Alert]) -> io::Result<()> {
    let colour = if io::stdout().is_terminal() { Colour::Ansi } else { Colour::Plain };
    let width = Width(usize::from(Table::new().width().unwrap_or(100)).min(120));
    let mut alerts: Vec<&Alert> = alerts.iter().collect();
    alerts
        .sort_by(|a, b| (a.severity, a.first_seen, &a.id).cmp(&(b.severity, b.first_seen, &b.id)));
    for alert in alerts {
        writeln!(out, "{}", for_people(alert, width, colour))?;
    }
    Ok(())
}

fn sum_up(out: &mut impl Write, books: &Books, alerts: &[Alert], began: Instant) -> io::Result<()> {
    let total = books.total();
    let seconds = began.elapsed().as_secs_f32();
    let all = [
        Severity::Critical,
        Severity::High,
        Severity::Medium,
        Severity::Low,
        Severity::Informational,
    ];
    let counted = all.map(|severity| {
        let count = alerts.iter().filter(|alert| alert.severity == severity).count();
        format!("{count} {severity}")
    });
    writeln!(out, "{}", "-".repeat(72))?;
    writeln!(out, "One day of an invented organisation, read in {seconds:.1} s: {total}")?;
    writeln!(
        out,
        "{} deliveries, {} without records (digests and the like); {} alerts arrived, each signed: {}",
        total.deliveries,
        total.routed,
        alerts.len(),
        counted.join(", "),
    )?;
    writeln!(
        out,
        "
What to try next:
  grantwatch scan PATH                  the same over your own CloudTrail and flow log files
  grantwatch scan s3://BUCKET/AWSLogs/  ... or where they lie (the AWS SDK's usual credentials)
  grantwatch detectors list             what raises alerts
  grantwatch config example             a configuration for the daemon: `grantwatch run`"
    )
}
