//! `grantwatch grants`: what brokers said of access grants, brought in, looked at and put right by hand.
//!
//! Invariant: nothing here decides what a grant is; messages are read by `grants::message` and `grants::presets` alone,
//! whether they come from a file or from the command line.

mod edit;
mod files;
mod import;
mod list;
mod map;
pub(super) mod report;
mod token;

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use clap::Subcommand;

use crate::cli::Exit;
use crate::grants::Ledger;
use crate::grants::message::Limits;
use crate::grants::presets;
use crate::grants::presets::Preset;
use crate::model::Duration;
use crate::pipeline::MIGRATIONS;
use crate::store::Store;

/// Bring in, look at and check access grants.
///
/// What a broker says of a grant comes as messages in our own form (docs/grants.md) or in the broker's, which a
/// preset or a mapping of your own turns into ours.
#[derive(Debug, Args)]
pub struct GrantsArgs {
    #[command(subcommand)]
    command: GrantsCommand,
}

#[derive(Debug, Subcommand)]
enum GrantsCommand {
    Map(map::MapArgs),
    Presets(map::PresetsArgs),
    Import(import::ImportArgs),
    List(list::ListArgs),
    Show(list::ShowArgs),
    Report(report::ReportArgs),
    Add(Box<edit::AddArgs>),
    Revoke(edit::RevokeArgs),
    Token(token::TokenArgs),
}

pub(super) fn run(args: &GrantsArgs) -> anyhow::Result<Exit> {
    match &args.command {
        GrantsCommand::Map(args) => map::map(args),
        GrantsCommand::Presets(args) => map::presets(args),
        GrantsCommand::Import(args) => import::run(args),
        GrantsCommand::List(args) => list::list(args),
        GrantsCommand::Show(args) => list::show(args),
        GrantsCommand::Report(args) => report::run(args),
        GrantsCommand::Add(args) => edit::add(args),
        GrantsCommand::Revoke(args) => edit::revoke(args),
        GrantsCommand::Token(args) => token::run(args),
    }
}

/// The store that holds the grants.
#[derive(Debug, Args)]
struct AtStore {
    /// The store: what `store.path` says in the configuration.
    #[arg(long, value_name = "FILE", default_value = "grantwatch.db")]
    store: PathBuf,
}

impl AtStore {
    /// Opens the store for writing, with the grants that it holds.
    fn open(&self) -> anyhow::Result<(Store, Ledger)> {
        let store = Store::open(&self.store, MIGRATIONS)
            .context("could not change grants: a daemon that runs holds its store alone")?;
        let mut ledger = Ledger::default();
        ledger.load(store.connection()).context("could not read the grants that are known")?;
        Ok((store, ledger))
    }
}

/// Writes what `ledger` took in.
fn save(store: &mut Store, ledger: &mut Ledger) -> anyhow::Result<()> {
    let tx = store.begin()?;
    ledger.save(&tx)?;
    Ok(tx.commit()?)
}

/// Whose messages are read.
#[derive(Debug, Args)]
struct Spoken {
    /// The messages are those of this broker; `grants presets` lists them. Without it they are ours.
    #[arg(long, value_name = "NAME", conflicts_with = "mapping")]
    preset: Option<String>,
    /// The messages are read with this mapping of yours (docs/grants.md).
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
    /// A parameter of the preset or mapping.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = pair)]
    given: Vec<(String, String)>,
    /// The longest window that is believed: what `grants.max_duration` says in the configuration.
    #[arg(long, value_name = "DURATION", default_value = "7d")]
    max_duration: Duration,
}

impl Spoken {
    fn limits(&self) -> Limits {
        Limits { max_duration: self.max_duration.span() }
    }

    /// Returns the preset or mapping that was asked for.
    fn preset(&self) -> anyhow::Result<Option<Preset>> {
        let preset = match (&self.preset, &self.mapping) {
            (_, Some(path)) => {
                let tried = || format!("could not read the mapping {}", path.display());
                let text = fs::read_to_string(path).with_context(tried)?;
                Preset::read(&text).with_context(tried)?
            }
            (Some(name), None) => {
                let found = presets::preset(name).with_context(|| {
                    let all = presets::FILES.map(|(name, _)| name).join(", ");
                    format!("there is no preset `{name}`; there are {all}")
                })?;
                found.with(&[])?
            }
            (None, None) if self.given.is_empty() => return Ok(None),
            (None, None) => anyhow::bail!("--set is for a --preset or a --mapping"),
        };
        Ok(Some(preset.with(&self.given)?))
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let found = text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    found.ok_or_else(|| format!("`{text}` is no NAME=VALUE"))
}
