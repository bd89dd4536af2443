//! `grantwatch simulate`: a simulated organisation writes its deliveries, with the truth beside them.

mod disorder;
mod out;
mod pace;
mod wanted;

use std::io;
use std::io::IsTerminal as _;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::bail;
use clap::Args;
use clap::ValueEnum;
use indicatif::ProgressBar;
use indicatif::ProgressStyle;
use tokio::runtime::Runtime;
use url::Url;

use crate::cli::Exit;
use crate::cli::simulate::disorder::disorder;
use crate::cli::simulate::out::Out;
use crate::cli::simulate::pace::Gait;
use crate::cli::simulate::pace::Live;
use crate::model::Seconds;
use crate::pipeline::dispatch::Clock as _;
use crate::pipeline::dispatch::WallClock;
use crate::simulate;
use crate::simulate::Disorder;
use crate::simulate::Flows;
use crate::simulate::Plan;
use crate::simulate::Written;
use crate::simulate::actors::broker;
use crate::simulate::caller::LABEL;
use crate::source::Access;

pub(super) use crate::cli::simulate::out::Folder;
pub(super) use crate::cli::simulate::wanted::Times;
pub(super) use crate::cli::simulate::wanted::Wanted;
pub(super) use crate::cli::simulate::wanted::placed;

/// Seconds in a day.
const DAY: i64 = 86_400;

/// The first day unless it is said: Monday, 2 March 2026. Not today, so that the same words give the same bytes.
pub(super) const START: Seconds = Seconds(1_772_409_600);

/// Write what a simulated organisation would deliver, with incidents and the truth about them.
///
/// Needs no AWS account. What it writes is laid out as AWS does, below AWSLogs/, for `scan`, for `run` and for
/// whatever else reads it; truth.ndjson says what a monitor should have found, and `evaluate` scores what it did
/// find. Every userAgent ends with `grantwatch-simulation`, so that nobody takes a drill for the real thing.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// The folder or the prefix of a bucket to write to.
    #[arg(long, value_name = "DIR|s3://BUCKET/PREFIX", required_unless_present = "list_incidents")]
    out: Option<Out>,

    /// How many days.
    #[arg(long, default_value_t = 14, value_parser = clap::value_parser!(i64).range(1..=3_650))]
    days: i64,

    /// How many accounts.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=500))]
    accounts: u16,

    /// How many people.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    people: u16,

    /// What everything is drawn from: the same seed gives the same bytes.
    #[arg(long, default_value_t = 7)]
    seed: u64,

    /// What goes wrong: a name of --list-incidents, `all` or `none`; several may be given. A time may follow,
    /// `stolen_session@2026-03-04T10:30:00Z` or, from the start, `stolen_session@2d10h`; without one, incidents come at
    /// working hours, spread over the days.
    #[arg(long, value_name = "NAME|all|none[@TIME]", num_args = 1..)]
    incident: Vec<Wanted>,

    /// Print the incidents and what each is.
    #[arg(long)]
    list_incidents: bool,

    /// Write VPC flow logs too.
    #[arg(long)]
    flows: bool,

    /// `max`: all at once, as fast as it goes. `live`: as time goes by, from now on, each file when AWS would deliver it.
    #[arg(long, value_enum, default_value_t = Rate::Max)]
    rate: Rate,

    /// The first day; 2026-03-02 if it is not said. With `--rate live` it is today.
    #[arg(long, value_name = "DATE", value_parser = day)]
    start: Option<Seconds>,

    /// How busy workloads are: 2 is twice as busy.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = volume)]
    volume: f64,

    /// Threads that write and compress; 0 takes one per core.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=256))]
    threads: u16,

    /// How carelessly it is delivered. `usual`: some files come late, some records twice, some messages of the broker
    /// late, twice and out of order. `none`: nothing does. Rates may follow, each a share of all:
    /// late_files, duplicates, addenda, late_messages, repeated_messages, as in `usual,late_messages=0.5`.
    #[arg(long, value_name = "usual|none[,RATE=SHARE]...", default_value = "usual", value_parser = disorder)]
    disorder: Disorder,

    /// Write though the folder or prefix is not empty; what is there stays.
    #[arg(long)]
    force: bool,

    /// The AWS endpoint, for servers that are not AWS.
    #[arg(long, value_name = "URL", help_heading = "AWS")]
    endpoint_url: Option<Url>,

    /// The region; without it, the SDK's usual places are asked.
    #[arg(long, help_heading = "AWS")]
    region: Option<String>,

    /// The profile in the AWS configuration files.
    #[arg(long, help_heading = "AWS")]
    profile: Option<String>,
}

/// How fast deliveries come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Rate {
    /// By the wall clock.
    Live,
    /// As fast as it goes.
    Max,
}

/// Reads a day.
fn day(text: &str) -> Result<Seconds, String> {
    Seconds::parse(&format!("{text}T00:00:00Z"))
        .ok_or_else(|| format!("`{text}` is no day; write it like 2026-03-02"))
}

fn volume(text: &str) -> Result<f64, String> {
    let found = text.parse().ok().filter(|it| (0.0..=10_000.0).contains(it));
    found.ok_or_else(|| "a number from 0 to 10000".to_owned())
}

pub(super) fn run(args: &SimulateArgs) -> anyhow::Result<Exit> {
    if args.list_incidents {
        io::stdout().write_all(wanted::list().as_bytes()).context("could not write the list")?;
        return Ok(Exit::Done);
    }
    let Some(out) = &args.out else { bail!("--out is missing") };
    let live = (args.rate == Rate::Live).then(|| Live::from(WallClock.now(), args.days));
    let plan = plan(args, live)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("could not start the runtime")?;
    let began = Instant::now();
    let gait = Arc::new(Gait::new(live, bar(&plan, live)));
    let written = deliver(args, (out, &plan), &runtime, &gait)?;
    tell(out, &plan, &gait, (written, began.elapsed().as_secs_f64()))?;
    Ok(Exit::Done)
}

fn plan(args: &SimulateArgs, live: Option<Live>) -> anyhow::Result<Plan> {
    let start = match (live, args.start) {
        (None, start) => start.unwrap_or(START),
        (Some(live), None) => live.midnight(),
        (Some(_), Some(_)) => bail!("--rate live starts now; leave --start out"),
    };
    let mut plan = Plan {
        seed: args.seed,
        start,
        // The day on which it begins is not a whole one.
        days: args.days + i64::from(live.is_some()),
        accounts: args.accounts,
        people: args.people,
        volume: args.volume,
        incidents: Vec::new(),
        flows: if args.flows { Flows::Written } else { Flows::LeftOut },
        disorder: args.disorder,
    };
    let times = match live {
        None => Times::Spread { start: plan.start, days: plan.days },
        Some(live) => Times::Soon { from: live.began, until: live.until },
    };
    let (incidents, left_out) = placed(plan.seed, times, &args.incident)?;
    for name in left_out {
        writeln!(io::stderr(), "{name} is left out: it lasts longer than the simulation")?;
    }
    plan.incidents = incidents;
    Ok(plan)
}

/// Simulates `plan` to where it is to go.
fn deliver(
    args: &SimulateArgs,
    (out, plan): (&Out, &Plan),
    runtime: &Runtime,
    gait: &Arc<Gait>,
) -> anyhow::Result<Written> {
    let access = Access {
        region: args.region.clone(),
        endpoint_url: args.endpoint_url.clone(),
        profile: args.profile.clone(),
        ..Access::default()
    };
    let shelf = out.open(runtime.handle(), &access)?;
    if !args.force && !shelf.is_empty()? {
        bail!("{out} is not empty; --force writes there all the same");
    }
    pace::stop_on_signal(runtime.handle(), gait).context("could not listen to signals")?;
    let threads = match args.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads.into(),
    };
    let simulated = shelf
        .as_shelf()
        .put("grantwatch.toml", configuration(args.rate).as_bytes())
        .and_then(|()| simulate::simulate(plan, shelf.as_shelf(), &**gait, threads));
    gait.bar.finish_and_clear();
    let written = simulated.with_context(|| format!("could not write to {out}"))?;
    shelf.finish().with_context(|| format!("could not write to {out}"))?;
    Ok(written)
}

/// Returns a configuration for `grantwatch run` in the folder that is written to.
fn configuration(rate: Rate) -> String {
    let watch = rate == Rate::Live;
    let role = broker::ROLE;
    let grants = match rate {
        Rate::Max => {
            "[grants]\n# What the access broker says; it is read before anything is judged.\npaths = [\"grants.ndjson\"]"
        }
        Rate::Live => {
            "# [grants] is left out: what the broker says is written when the simulation ends."
        }
    };
    format!(
        "# For a daemon over this simulation. Start it in this folder:
#   grantwatch run --config grantwatch.toml

[store]
path = \"grantwatch.db\"

[[source.folder]]
name = \"simulation\"
path = \"AWSLogs\"
# With `true` it waits for what is added, with `false` it ends once everything has been read.
watch = {watch}

[identity]
# Assignments that the access broker makes are how it should be.
brokers = [\"{role}\"]

{grants}

[[sink.file]]
name = \"alerts\"
path = \"alerts.ndjson\"
"
    )
}

/// Returns the bar that shows how far the simulation has come, on a terminal.
fn bar(plan: &Plan, live: Option<Live>) -> ProgressBar {
    let bar = match io::stderr().is_terminal() {
        true => ProgressBar::new((plan.days * DAY).unsigned_abs()),
        false => ProgressBar::hidden(),
    };
    let style = match live {
        None => "{elapsed_precise} {wide_bar} {msg}",
        Some(_) => "{elapsed_precise} live, until interrupted: {msg}",
    };
    bar.set_style(ProgressStyle::with_template(style).expect("the templates are fixed"));
    bar
}

/// Says what was written, where the truth is, and what to do next.
fn tell(
    out: &Out,
    plan: &Plan,
    gait: &Gait,
    (written, took): (Written, f64),
) -> anyhow::Result<()> {
    let Written { records, files, flows, messages, bytes } = written;
    let mut err = io::stderr().lock();
    if gait.was_stopped() {
        writeln!(err, "interrupted: what follows is what was delivered until then")?;
    }
    writeln!(
        err,
        "{records} records in {files} files, {flows} flow records, {messages} messages of the broker, {:.1} MB in {took:.1} s ({:.0} records/s)",
        bytes as f64 / 1e6,
        records as f64 / took.max(1e-9),
    )?;
    writeln!(
        err,
        "truth:  {} ({} incidents asked for)",
        out.at("truth.ndjson"),
        plan.incidents.len()
    )?;
    writeln!(err, "label:  a record whose userAgent ends with `{LABEL}` is of a simulation")?;
    let (alerts, role) = ("alerts.ndjson", broker::ROLE);
    writeln!(
        err,
        "next:   grantwatch scan {} --broker {role} --grants {} --format ndjson > {alerts}",
        out.at("AWSLogs"),
        out.at("grants.ndjson")
    )?;
    writeln!(
        err,
        "        grantwatch evaluate --truth {} --alerts {alerts}",
        out.at("truth.ndjson")
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_it_writes_has_no_mistakes() {
        for rate in [Rate::Live, Rate::Max] {
            let found = crate::config::parse(&configuration(rate), "grantwatch.toml".as_ref());
            let config = found.unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(config.source.folder[0].watch, rate == Rate::Live);
            assert_eq!(config.grants.paths.is_empty(), rate == Rate::Live);
        }
    }

    #[test]
    fn a_day_is_its_midnight_and_a_volume_is_a_number() {
        assert_eq!(day("2026-03-02"), Ok(Seconds(1_772_409_600)));
        assert!(day("2026-03-02T08:00:00Z").is_err());
        assert_eq!(volume("0.5"), Ok(0.5));
        for wrong in ["-1", "NaN", "inf", "many"] {
            assert!(volume(wrong).is_err(), "{wrong}");
        }
    }
}
