//! `grantwatch simulate`: a simulated organisation writes its deliveries, with the truth beside them.

use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use clap::Args;

use crate::cli::Exit;
use crate::model::Seconds;
use crate::simulate;
use crate::simulate::Disorder;
use crate::simulate::Flows;
use crate::simulate::Pace;
use crate::simulate::Plan;
use crate::simulate::Shelf;
use crate::simulate::incidents;

/// Write what a simulated organisation would deliver, with incidents and the truth about them.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// The folder to write to.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// How many days.
    #[arg(long, default_value_t = 14)]
    days: i64,

    /// How many accounts.
    #[arg(long, default_value_t = 4)]
    accounts: u16,

    /// How many people.
    #[arg(long, default_value_t = 60)]
    people: u16,

    /// What everything is drawn from: the same seed gives the same bytes.
    #[arg(long, default_value_t = 7)]
    seed: u64,

    /// The incidents.
    #[arg(long, value_name = "NAME")]
    incident: Vec<String>,
}

/// A folder as a shelf.
struct Folder<'a>(&'a Path);

impl Shelf for Folder<'_> {
    fn put(&self, key: &str, bytes: &[u8]) -> io::Result<()> {
        let file = self.0.join(key);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(file, bytes)
    }
}

/// As fast as it goes.
struct AtOnce;

impl Pace for AtOnce {
    fn wait_for(&self, _: Seconds) {}
    fn told(&self, _: i64, _: u64) {}
}

pub(super) fn run(args: &SimulateArgs) -> anyhow::Result<Exit> {
    let start = Seconds(1_772_409_600);
    let incidents = args.incident.iter().filter_map(|name| incidents::named(name));
    let plan = Plan {
        seed: args.seed,
        start,
        days: args.days,
        accounts: args.accounts,
        people: args.people,
        volume: 1.0,
        incidents: incidents.map(|it| (it, Seconds(start.0 + 36_000))).collect(),
        flows: Flows::Written,
        disorder: Disorder::default(),
    };
    let written = simulate::simulate(&plan, &Folder(&args.out), &AtOnce, 2)?;
    eprintln!("{written:?}");
    Ok(Exit::Done)
}
