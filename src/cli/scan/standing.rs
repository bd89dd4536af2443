//! What a scan says of standing privilege at its end: how many identities have it, and where all of it is told.
//!
//! Invariant: nothing is said where no snapshot was named: of who is there nothing is known then.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context as _;

use crate::cli::output::printable;
use crate::cli::scan::ScanArgs;
use crate::cli::scan::settings;
use crate::grants::Surface;
use crate::iam::History;
use crate::iam::drift::undo::quoted;
use crate::iam::snapshot;
use crate::iam::snapshot::Undated;
use crate::iam::standing::Asking;
use crate::iam::standing::Class;
use crate::iam::standing::expected_names;
use crate::iam::standing::inventory;
use crate::pipeline::standing::Surfaced;
use crate::pipeline::standing::newest;
use crate::pipeline::standing::seen;
use crate::store::Reader;

/// Says who has standing privilege after all that was read, in numbers; `at` is the store of the scan.
pub(super) fn tell(args: &ScanArgs, at: &Path, to: &mut impl Write) -> anyhow::Result<()> {
    let config = settings::configured(args)?;
    if !config.policies.drift || config.policies.snapshots.is_empty() {
        return Ok(());
    }
    let reader = Reader::open(at)?;
    let tried = "could not take the inventory of standing privilege";
    let start = snapshot::read_as(&config.policies.snapshots, Undated::BeforeAll).context(tried)?;
    let state = History::load(start, &reader).context(tried)?.into_state();
    let now = newest(&reader).context(tried)?;
    let surface = Surface::new(&config.grants);
    let activity = seen(&reader, &surface, (&state, now)).context(tried)?;
    let expected = expected_names();
    let asking = Asking { now, depth: config.policies.depth.into(), expected: &expected };
    let (mut worst, mut unused) = (BTreeMap::<Box<str>, Class>::new(), BTreeSet::new());
    inventory(&state, &Surfaced(&surface), &activity, &asking, |row| {
        if row.expected.is_none() {
            if row.is_used_without_grant() == Some(true) {
                unused.insert(row.holder.clone());
            }
            let class = worst.entry(row.holder).or_insert(row.class);
            *class = row.class.min(*class);
        }
    });
    let mut classes = BTreeMap::<Class, usize>::new();
    worst.values().for_each(|class| *classes.entry(*class).or_default() += 1);
    let classes: Vec<String> =
        classes.into_iter().map(|(class, count)| format!("{count} {}", class.name())).collect();
    let of_classes =
        if classes.is_empty() { String::new() } else { format!(" ({})", classes.join(", ")) };
    writeln!(
        to,
        "standing privilege: {} identities{of_classes}, {} of them used it and never through a grant",
        worst.len(),
        unused.len()
    )?;
    writeln!(to, "all of it: {}", printable(&command(&config.policies.snapshots, args)))?;
    Ok(())
}

/// Returns the command that tells all of it.
fn command(snapshots: &[PathBuf], args: &ScanArgs) -> String {
    let word = |path: &PathBuf| quoted(&path.to_string_lossy());
    let snapshots: Vec<String> = snapshots.iter().map(word).collect();
    let store = args.store.as_ref().map(|path| format!(" --store {}", word(path)));
    // What events told is in the store of the scan, and gone with it where it is a temporary one.
    let missing = if store.is_some() {
        ""
    } else {
        " (as the snapshot says; scan with --store for what events changed)"
    };
    let store = store.unwrap_or_default();
    format!("grantwatch standing --snapshot {}{store}{missing}", snapshots.join(" "))
}
