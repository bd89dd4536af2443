//! What holders did, as a file of the operator's tells it: `--activity`.
//!
//! Invariant: a line that cannot be read is named, and nothing is told then.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;

use crate::cli::standing::moment;
use crate::iam::standing::Use;
use crate::iam::standing::uses::Seen;

/// A line of `--activity`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    holder: Box<str>,
    account: Box<str>,
    watched_since: Option<String>,
    #[serde(default)]
    actions: BTreeMap<Box<str>, String>,
    last_protected: Option<String>,
    #[serde(default)]
    through_grant: bool,
    #[serde(default)]
    since: BTreeMap<Box<str>, String>,
    #[serde(default)]
    ends: BTreeMap<Box<str>, String>,
}

/// Adds to `seen` what the file at `path` says.
pub(super) fn read(path: &Path, seen: &mut Seen) -> anyhow::Result<()> {
    let tried = || format!("could not read what holders did from {}", path.display());
    let text = fs::read_to_string(path).with_context(tried)?;
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let place = || format!("line {}", number + 1);
        let line: Line = serde_json::from_str(line).with_context(place).with_context(tried)?;
        take(seen, line).with_context(place).with_context(tried)?;
    }
    Ok(())
}

fn take(seen: &mut Seen, line: Line) -> anyhow::Result<()> {
    let time = |text: &String| moment(text).map_err(anyhow::Error::msg);
    let mut used = Use { through_grant: line.through_grant, ..Use::default() };
    used.watched_since = line.watched_since.as_ref().map(time).transpose()?;
    used.last_protected = line.last_protected.as_ref().map(time).transpose()?;
    for (action, last) in &line.actions {
        used.actions.insert(action.clone(), time(last)?);
    }
    for (policy, since) in &line.since {
        seen.since.insert((line.holder.clone(), policy.clone()), time(since)?);
    }
    for (set, end) in &line.ends {
        let key = (line.holder.clone(), line.account.clone(), set.clone());
        seen.ends.insert(key, time(end)?);
    }
    seen.used.insert((line.holder, line.account), used);
    Ok(())
}
