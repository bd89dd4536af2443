//! `grantwatch policies compare`: what a change of policies changes in effect, for a check of a pull request. Snapshots are
//! compared in `compare/snapshots.rs`.
//!
//! Invariant: a file that cannot be read or parsed ends the check with an error, never with "no change".

mod snapshots;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use clap::ValueEnum;
use serde_json::Value;
use serde_json::json;

use crate::cli::Exit;
use crate::cli::Told;
use crate::cli::asked;
use crate::cli::output::printable;
use crate::cli::policies::without_mark;
use crate::cli::ways::COARSE;
use crate::cli::ways::ways;
use crate::cli::when::moment;
use crate::cli::when::now;
use crate::iam::Document;
use crate::iam::Kind;
use crate::iam::compare::Access;
use crate::iam::compare::Around;
use crate::iam::compare::Class;
use crate::iam::compare::Drift;
use crate::iam::compare::compare;
use crate::iam::drift::kind_name;
use crate::iam::parse::MAX_BYTES;
use crate::model::Seconds;

/// The most files of a folder that are compared.
const MAX_FILES: usize = 20_000;
/// How deep folders in folders are read.
const MAX_DEPTH: usize = 16;

/// Say what a change of policies makes possible, in effect and not in text.
///
/// Of snapshots, every user, group, role, policy and permission set is compared. Ends with 0 where nothing became possible,
/// with 1 where access grew, with 2 where the policies could not be compared.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// What stood before: a policy, a folder of them, or a snapshot (a file or folder of what
    /// `aws iam get-account-authorization-details` prints). A policy that is not there is no policy.
    before: PathBuf,
    /// What stands after: the same; policies of folders are compared by their names.
    after: PathBuf,
    /// What sort of policies they are; without it, each is told by what it says.
    #[arg(long, value_enum)]
    kind: Option<Sort>,
    /// The account whose policies they are: others that are let in are another's.
    #[arg(long, value_name = "ACCOUNT", value_parser = asked::account)]
    account: Option<String>,
    /// The accounts of the organisation; may be repeated, or be a list with commas.
    #[arg(long = "organization-account", value_name = "ACCOUNT", value_delimiter = ',', value_parser = asked::account)]
    organization_accounts: Vec<String>,
    /// The time as of which they are compared, instead of now: what is over by then allows nothing.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    at: Option<Seconds>,
    /// How the result is printed.
    #[arg(long, value_enum, default_value_t = Form::Text)]
    format: Form,
}

/// What sort of policy it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Sort {
    /// What its holder may do.
    Identity,
    /// Who may take a role.
    Trust,
    /// The most that a user or role may do.
    Boundary,
    /// The most that a session may do.
    Session,
    /// Who may do what to a resource.
    Resource,
    /// A service control policy.
    Scp,
    /// A resource control policy.
    Rcp,
}

impl From<Sort> for Kind {
    fn from(sort: Sort) -> Self {
        match sort {
            Sort::Identity => Self::Identity,
            Sort::Trust => Self::Trust,
            Sort::Boundary => Self::Boundary,
            Sort::Session => Self::Session,
            Sort::Resource => Self::Resource,
            Sort::Scp => Self::ServiceControl,
            Sort::Rcp => Self::ResourceControl,
        }
    }
}

/// How the result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people: a line for each thing that became possible or impossible.
    Text,
    /// One JSON object.
    Json,
}

pub(super) fn run(args: &CompareArgs) -> anyhow::Result<Exit> {
    let compared = match snapshots::are_meant(&args.before, &args.after) {
        Ok(true) => return snapshots::run(args).or_else(|error| told_of(&error)),
        Ok(false) => differences(args),
        Err(error) => Err(error),
    };
    let found = match compared {
        Ok(found) => found,
        Err(error) => return told_of(&error),
    };
    let mut out = io::stdout().lock();
    match args.format {
        Form::Text => text(&mut out, &found),
        Form::Json => json(&mut out, &found),
    }
    .context("could not write the result")?;
    let has_grown = found.iter().any(|it| it.drift.grew());
    Ok(if has_grown { Exit::Grew } else { Exit::Done })
}

/// 1 says that access grew, so what went wrong is 2 here.
fn told_of(error: &anyhow::Error) -> anyhow::Result<Exit> {
    write!(io::stderr(), "{}", Told(error)).context("could not write the error")?;
    Ok(Exit::Usage)
}

/// A policy that differs in effect.
struct Compared {
    name: String,
    /// What it was taken for.
    kind: Kind,
    drift: Drift,
}

/// Compares file by file; returns those that differ in effect.
fn differences(args: &CompareArgs) -> anyhow::Result<Vec<Compared>> {
    let is_there = |path: &Path| path.exists();
    anyhow::ensure!(
        is_there(&args.before) || is_there(&args.after),
        "neither {} nor {} is there",
        args.before.display(),
        args.after.display()
    );
    let (is_one, is_other) = (args.before.is_dir(), args.after.is_dir());
    // Of a folder with a name that is wrong nothing would be left, and nothing that grew.
    if is_one != is_other {
        let (folder, path) =
            if is_one { (&args.before, &args.after) } else { (&args.after, &args.before) };
        let is = if path.exists() { "is none" } else { "is not there" };
        anyhow::bail!(
            "{} is a folder and {} {is}: they cannot be compared",
            folder.display(),
            path.display()
        );
    }
    let before = texts(&args.before)?;
    let after = texts(&args.after)?;
    let accounts: BTreeSet<Box<str>> =
        args.organization_accounts.iter().map(|it| it.as_str().into()).collect();
    let around = Around {
        account: args.account.as_deref().unwrap_or_default(),
        organization_accounts: &accounts,
        now: args.at.unwrap_or_else(now),
    };
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut found = Vec::new();
    for name in names {
        let (old, new) = (before.get(name), after.get(name));
        let kind = args.kind.map_or_else(|| told(new.or(old).map_or("", |it| it)), Kind::from);
        let read = |text: Option<&String>, path: &Path| match text {
            Some(text) => Document::parse(text, kind)
                .with_context(|| format!("could not read {}", place(path, name).display())),
            None => Ok(Document::absent(kind)),
        };
        let drift = compare(&read(old, &args.before)?, &read(new, &args.after)?, kind, &around);
        if !drift.is_empty() {
            let shown =
                if name.is_empty() { args.after.display().to_string() } else { name.clone() };
            found.push(Compared { name: shown, kind, drift });
        }
    }
    Ok(found)
}

/// Returns where a policy stands: the path itself where that is a file.
fn place(path: &Path, name: &str) -> PathBuf {
    if name.is_empty() { path.to_owned() } else { path.join(name) }
}

/// Returns what sort of policy a text most likely is: who is named, and what.
fn told(text: &str) -> Kind {
    let decoded = || percent_encoding::percent_decode_str(text).decode_utf8_lossy();
    // As AWS's API answers, a text may be percent-encoded.
    let value: Value = serde_json::from_str(text)
        .or_else(|_| serde_json::from_str(&decoded()))
        .unwrap_or_default();
    let statement = match value.get("Statement") {
        Some(Value::Array(all)) => all.first(),
        one => one,
    };
    let has = |name: &str| statement.is_some_and(|it| it.get(name).is_some());
    let is_about_roles = || {
        let action = statement.and_then(|it| it.get("Action")).map(Value::to_string);
        action.is_some_and(|it| it.to_ascii_lowercase().contains("sts:"))
    };
    match has("Principal") || has("NotPrincipal") {
        true if !has("Resource") && !has("NotResource") && is_about_roles() => Kind::Trust,
        true => Kind::Resource,
        false => Kind::Identity,
    }
}

/// Returns the policies at `path`: one without a name, or those of a folder by their place in it.
fn texts(path: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    if path.is_dir() {
        folder(path, "", 0, &mut all)?;
        anyhow::ensure!(
            !all.is_empty(),
            "{} has no .json file: there is nothing to compare",
            path.display()
        );
    } else if path.exists() {
        all.insert(String::new(), text_of(path)?);
    }
    Ok(all)
}

fn folder(
    path: &Path,
    prefix: &str,
    depth: usize,
    all: &mut BTreeMap<String, String>,
) -> anyhow::Result<()> {
    anyhow::ensure!(depth < MAX_DEPTH, "{} is too deep", path.display());
    let failed = || format!("could not list {}", path.display());
    for entry in fs::read_dir(path).with_context(failed)? {
        let entry = entry.with_context(failed)?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        // A link to a folder is one: what it holds would go unseen.
        if entry.path().is_dir() {
            folder(&entry.path(), &format!("{name}/"), depth + 1, all)?;
        } else if name.to_ascii_lowercase().ends_with(".json") {
            all.insert(name, text_of(&entry.path())?);
        }
        anyhow::ensure!(all.len() <= MAX_FILES, "{} has too many files", path.display());
    }
    Ok(())
}

fn text_of(path: &Path) -> anyhow::Result<String> {
    let failed = || format!("could not read {}", path.display());
    let bytes = fs::metadata(path).with_context(failed)?.len();
    anyhow::ensure!(bytes <= MAX_BYTES as u64, "{} is too large for a policy", path.display());
    let text = fs::read_to_string(path).with_context(failed)?;
    Ok(without_mark(text))
}

fn text(out: &mut dyn Write, found: &[Compared]) -> io::Result<()> {
    if found.is_empty() {
        return writeln!(out, "no change in effect");
    }
    for Compared { name, kind, drift } in found {
        let classes: Vec<&str> = drift.classes.iter().map(|it| it.name()).collect();
        let classes =
            if classes.is_empty() { String::new() } else { format!(" [{}]", classes.join(", ")) };
        writeln!(out, "{} ({}){classes}", printable(name), kind_name(*kind))?;
        let parts: [(&str, &[Access]); 4] = [
            ("+ allowed now:", &drift.adds),
            ("+ not denied any more:", &drift.lifts),
            ("- not allowed any more:", &drift.removes),
            ("- denied now:", &drift.denies),
        ];
        for (head, all) in parts {
            for access in all {
                writeln!(out, "  {head} {}", printable(&spoken(access, *kind)))?;
            }
        }
        ways(out, &drift.escalations)?;
        if drift.is_coarse {
            writeln!(out, "  ? {COARSE}")?;
        }
    }
    Ok(())
}

/// Returns access in words. A trust policy is about its role alone.
fn spoken(access: &Access, kind: Kind) -> String {
    match kind {
        Kind::Trust => access.to_string().replace(" on every resource", ""),
        _ => access.to_string(),
    }
}

fn json(out: &mut dyn Write, found: &[Compared]) -> io::Result<()> {
    let lines = |all: &[Access], kind: Kind| -> Vec<Value> {
        let one = |access: &Access| {
            json!({
                "text": spoken(access, kind),
                "principals": access.principals,
                "actions": access.actions,
                "resources": access.resources,
                "conditional": access.is_conditional(),
            })
        };
        all.iter().map(one).collect()
    };
    let policies: Vec<Value> = found
        .iter()
        .map(|Compared { name, kind, drift }| {
            json!({
                "policy": name,
                "kind": kind_name(*kind),
                "grew": drift.grew(),
                "classes": drift.classes.iter().map(|it: &Class| it.name()).collect::<Vec<_>>(),
                "adds": lines(&drift.adds, *kind),
                "removes": lines(&drift.removes, *kind),
                "lifts": lines(&drift.lifts, *kind),
                "denies": lines(&drift.denies, *kind),
                "escalations": drift.escalations,
                "is_coarse": drift.is_coarse,
            })
        })
        .collect();
    let has_grown = found.iter().any(|it| it.drift.grew());
    let all = json!({"grew": has_grown, "policies": policies});
    serde_json::to_writer_pretty(&mut *out, &all)?;
    writeln!(out)
}
