//! Finding and reading the user's detector files.
//!
//! Invariant: what cannot be read is a problem with its path, never a silence.

use std::path::Path;
use std::path::PathBuf;

use crate::rules::load::Problem;
use crate::rules::load::Weight;

/// The largest detector file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// A detector file: where it is from and what stands in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The path, for messages and for the detector's name.
    pub path: PathBuf,
    /// The YAML.
    pub text: String,
}

/// Reads the user's files: each of `paths` is a file or a folder of `.yml` and `.yaml` files, in the order of names.
pub fn read_files(paths: &[PathBuf]) -> (Vec<Source>, Vec<Problem>) {
    let (mut sources, mut problems) = (Vec::new(), Vec::new());
    for path in paths {
        read_below(path, 0, &mut sources, &mut problems);
    }
    (sources, problems)
}

fn read_below(path: &Path, depth: usize, sources: &mut Vec<Source>, problems: &mut Vec<Problem>) {
    let mut refuse = |what: String| {
        problems.push(Problem { path: path.to_owned(), line: 1, what, weight: Weight::Error });
    };
    let found = match std::fs::metadata(path) {
        Ok(found) => found,
        Err(error) => return refuse(format!("could not be read: {error}")),
    };
    if found.is_file() {
        if found.len() > MAX_FILE_BYTES {
            return refuse(format!("is {} bytes long, the limit is {MAX_FILE_BYTES}", found.len()));
        }
        return match std::fs::read_to_string(path) {
            Ok(text) => sources.push(Source { path: path.to_owned(), text }),
            Err(error) => refuse(format!("could not be read: {error}")),
        };
    }
    if depth > 16 {
        return refuse("folders are nested too deep".to_owned());
    }
    let entries = std::fs::read_dir(path).and_then(|entries| {
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<PathBuf>, _>>()
    });
    match entries {
        Ok(mut entries) => {
            entries.sort();
            for entry in entries {
                let is_rule = entry.extension().is_some_and(|end| end == "yml" || end == "yaml");
                if is_rule || entry.is_dir() {
                    read_below(&entry, depth + 1, sources, problems);
                }
            }
        }
        Err(error) => refuse(format!("could not be listed: {error}")),
    }
}
