//! `grantwatch policies compare` of two snapshots: every target that policies speak for.
//!
//! Invariant: what cannot be compared (a policy whose text is not known, an account of one snapshot only) is printed, and
//! never ends with "nothing became possible" where something new is not known.

use std::fs;
use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::Value;
use serde_json::json;

use crate::cli::Exit;
use crate::cli::asked;
use crate::cli::output::printable;
use crate::cli::policies::compare::CompareArgs;
use crate::cli::policies::compare::Form;
use crate::cli::ways::COARSE;
use crate::cli::ways::ways;
use crate::cli::when::now;
use crate::iam::baseline::Departure;
use crate::iam::baseline::between::Between;
use crate::iam::baseline::between::between;
use crate::iam::drift::difference::Measure;
use crate::iam::drift::kind_name;
use crate::iam::snapshot;
use crate::iam::snapshot::MARK;
use crate::model::printable_json;

/// Returns whether both are snapshots.
///
/// # Errors
/// When one is and the other is not, or a file cannot be read.
pub(super) fn are_meant(before: &Path, after: &Path) -> anyhow::Result<bool> {
    let (one, other) = (is_snapshot(before)?, is_snapshot(after)?);
    let strange = |snapshot: &Path, path: &Path| {
        let (snapshot, path) = (snapshot.display(), path.display());
        anyhow::anyhow!("{snapshot} is a snapshot and {path} is none: they cannot be compared")
    };
    match (one, other) {
        (true, false) => Err(strange(before, after)),
        (false, true) => Err(strange(after, before)),
        (both, _) => Ok(both),
    }
}

/// Returns whether a file, or the first file of a folder, is of a snapshot.
fn is_snapshot(path: &Path) -> anyhow::Result<bool> {
    let Some(file) = first(path)? else { return Ok(false) };
    let text = fs::read(&file).with_context(|| format!("could not read {}", file.display()))?;
    // What is no JSON is no snapshot; whoever reads it as a policy says what is wrong with it.
    let text = text.strip_prefix(MARK).unwrap_or(&text);
    Ok(serde_json::from_slice(text).is_ok_and(|value: Value| snapshot::is_snapshot(&value)))
}

fn first(path: &Path) -> anyhow::Result<Option<PathBuf>> {
    if !path.is_dir() {
        return Ok(path.exists().then(|| path.to_owned()));
    }
    let failed = || format!("could not list {}", path.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(path).with_context(failed)? {
        let file = entry.with_context(failed)?.path();
        if file.extension().is_some_and(|it| it.eq_ignore_ascii_case("json")) && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files.into_iter().next())
}

pub(super) fn run(args: &CompareArgs) -> anyhow::Result<Exit> {
    anyhow::ensure!(args.kind.is_none(), "a snapshot says of each policy what sort it is");
    let before = asked::snapshot(&[&args.before])?.state;
    let after = asked::snapshot(&[&args.after])?.state;
    let named = args.organization_accounts.iter().map(|it| it.as_str().into());
    let known = before.accounts.keys().chain(after.accounts.keys()).cloned();
    let measure = Measure {
        account: args.account.as_deref().unwrap_or_default().into(),
        ours: Arc::new(named.chain(known).collect()),
        now: args.at.unwrap_or_else(now),
    };
    let found = between(&before, &after, &measure);
    let mut out = io::BufWriter::new(io::stdout().lock());
    match args.format {
        Form::Text => text(&mut out, &found),
        Form::Json => json(&mut out, &found),
    }
    .and_then(|()| out.flush())
    .context("could not write the result")?;
    Ok(ended(&found))
}

fn ended(found: &Between) -> Exit {
    let has_grown = |it: &Departure| !it.difference.adds.is_empty();
    let is_unclear =
        |it: &Departure| it.stands.unknown.iter().any(|why| !it.agreed.unknown.contains(why));
    match &found.departures {
        all if all.iter().any(has_grown) => Exit::Grew,
        all if all.iter().any(is_unclear) => Exit::Usage,
        _ => Exit::Done,
    }
}

fn text(out: &mut dyn Write, found: &Between) -> io::Result<()> {
    if found.departures.is_empty() {
        writeln!(out, "no change in effect")?;
    }
    for Departure { target, arn, items, difference, stands, .. } in &found.departures {
        let classes: Vec<&str> = difference.classes.iter().copied().collect();
        let classes = match classes.is_empty() {
            true => String::new(),
            false => format!(" [{}]", classes.join(", ")),
        };
        let (kind, items) = (kind_name(target.kind()), items.join(", "));
        writeln!(out, "{} ({kind}: {}){classes}", printable(arn), printable(&items))?;
        for line in &difference.adds {
            writeln!(out, "  + {}", printable(line))?;
        }
        for line in &difference.removes {
            writeln!(out, "  - {}", printable(line))?;
        }
        ways(out, &difference.escalation)?;
        for why in &stands.unknown {
            writeln!(out, "  ? not known: {}", printable(why))?;
        }
        if difference.is_coarse {
            writeln!(out, "  ? {COARSE}")?;
        }
    }
    for why in &found.beside {
        writeln!(out, "not compared: {}", printable(why))?;
    }
    Ok(())
}

fn json(out: &mut dyn Write, found: &Between) -> io::Result<()> {
    let target = |departure: &Departure| {
        let Departure { target, arn, items, difference, stands, .. } = departure;
        json!({
            "target": arn, "account": target.account(), "kind": kind_name(target.kind()),
            "items": items, "grew": !difference.adds.is_empty(), "classes": difference.classes,
            "adds": difference.adds, "removes": difference.removes,
            "escalations": difference.escalation, "unknown": stands.unknown,
            "is_coarse": difference.is_coarse,
        })
    };
    let targets: Vec<Value> = found.departures.iter().map(target).collect();
    let grew = found.departures.iter().any(|it| !it.difference.adds.is_empty());
    let all = json!({"grew": grew, "targets": targets, "not_compared": found.beside});
    writeln!(out, "{}", printable_json(format!("{all:#}")))
}
