//! Files of this repository, for the tests that hold them to our rules.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// Returns the path of `inside` in the repository.
pub fn path(inside: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(inside)
}

/// Returns the text of the file at `inside`.
pub fn text(inside: &str) -> String {
    let path = path(inside);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the files below `inside` with one of `endings`, sorted; all of them if no ending is given.
pub fn below(inside: &str, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![path(inside)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let ending = path.extension().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if endings.is_empty() || endings.contains(&ending.as_str()) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Returns the part of a source file that is shipped: what stands before its test module. A file of tests
/// (`tests.rs`, `…_tests.rs`) or for tests (`testing.rs`, `testkit.rs`) has no such part.
pub fn shipped<'a>(file: &Path, source: &'a str) -> &'a str {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    if stem.ends_with("tests") || stem == "testing" || stem == "testkit" {
        return "";
    }
    let mark = "#[cfg(test)]\nmod ";
    // `mod tests;` only points at a file of tests, and what follows it is shipped; `mod tests {` holds them.
    let inline = source.match_indices(mark).find(|(place, _)| {
        let line = source.split_at(place + mark.len()).1.lines().next().unwrap_or_default();
        line.ends_with('{')
    });
    inline.map_or(source, |(place, _)| source.split_at(place).0)
}

/// Returns `path` as it reads from the top of the repository.
pub fn short(path: &Path) -> String {
    path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap_or(path).display().to_string()
}
