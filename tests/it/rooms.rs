//! Holds the code to the table under `## Rooms` in ARCHITECTURE.md: who may import whom.
//!
//! A room may import only rooms above it, so that the table is the order to read in and there are no circles.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

use crate::files;

/// A row of the table: a room and the rooms it may import.
struct Row {
    room: String,
    may: BTreeSet<String>,
}

#[test]
fn rooms_import_only_what_the_map_allows() {
    let rows = rows(&files::text("ARCHITECTURE.md"));
    let rooms: BTreeSet<&str> = rows.iter().map(|row| row.room.as_str()).collect();
    let mut wrong = Vec::new();
    for row in &rows {
        for file in sources(&row.room) {
            let source = fs::read_to_string(&file).unwrap();
            for used in imports(files::shipped(&file, &source), &rooms) {
                if used != row.room && !row.may.contains(&used) {
                    wrong.push(format!(
                        "{}: `{}` may not import `{used}`",
                        files::short(&file),
                        row.room
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_map_shows_every_room_and_no_circle() {
    let mut above = BTreeSet::new();
    for row in rows(&files::text("ARCHITECTURE.md")) {
        let below: Vec<_> = row.may.difference(&above).collect();
        assert!(
            below.is_empty(),
            "`{}` may import {below:?}, which do not stand above it",
            row.room
        );
        above.insert(row.room);
    }
    let library = files::text("src/lib.rs");
    let rooms: BTreeSet<String> = library
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .map(str::to_owned)
        .collect();
    assert_eq!(rooms, above, "src/lib.rs and ARCHITECTURE.md show different rooms");
}

#[test]
fn one_import_a_line() {
    let mut grouped = Vec::new();
    for file in files::below("src", &["rs"]) {
        let source = fs::read_to_string(&file).unwrap();
        for (number, line) in source.lines().enumerate() {
            if hides_imports(line) {
                grouped.push(format!("{}:{}: {}", files::short(&file), number + 1, line.trim()));
            }
        }
    }
    assert!(grouped.is_empty(), "one `use crate::room::…` a line:\n{}", grouped.join("\n"));
}

#[test]
fn the_test_sees_what_is_forbidden() {
    let map = "\n## Rooms\n\n| Room | What | May import |\n| --- | --- | --- |\n| `model` | nouns | |\n\
               | `store` | the file | model |\n\n## Other\n\n| `x` | y | z |\n";
    let read: BTreeMap<_, _> = rows(map).into_iter().map(|row| (row.room, row.may)).collect();
    assert_eq!(read.keys().collect::<Vec<_>>(), ["model", "store"]);
    assert_eq!(read["store"], BTreeSet::from(["model".to_owned()]));

    let rooms = BTreeSet::from(["model", "store"]);
    let seen = |source: &str| imports(source, &rooms).into_iter().collect::<Vec<_>>();
    assert_eq!(seen("use crate::store::Tx;"), ["store"]);
    assert_eq!(seen("let tx = crate::store::Tx::new();"), ["store"]);
    assert_eq!(seen("use super::super::store;"), ["store"]);
    assert_eq!(seen("use super::table;"), [""; 0]);
    let shipped = |source: &str| files::shipped(Path::new("a.rs"), source).to_owned();
    let inside = "fn a() {}\n#[cfg(test)]\nmod tests {\n use crate::store; }";
    assert!(seen(&shipped(inside)).is_empty(), "tests may import what they like");
    let beside = "#[cfg(test)]\nmod tests;\nuse crate::store::Tx;";
    assert_eq!(seen(&shipped(beside)), ["store"]);

    assert!(hides_imports("use crate::{store, model};"));
    assert!(hides_imports("    pub use crate::model::{Alert, Event};"));
    assert!(hides_imports("use super::{Alert, Event};"));
    assert!(!hides_imports("use crate::model::Alert;"));
    assert!(!hides_imports("use std::{fs, io};"));
}

/// Returns the rows of the table under `## Rooms`.
fn rows(architecture: &str) -> Vec<Row> {
    let section = architecture.split("\n## Rooms\n").nth(1).expect("there is a section `## Rooms`");
    let section = section.split("\n## ").next().unwrap_or_default();
    let mut rows = Vec::new();
    for line in section.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, room, _, may, _] = cells[..] else { panic!("not three columns: {line}") };
        let may = may.split(',').map(str::trim).filter(|name| !name.is_empty());
        rows.push(Row {
            room: room.trim_matches('`').to_owned(),
            may: may.map(str::to_owned).collect(),
        });
    }
    rows
}

/// Returns the files of a room.
fn sources(room: &str) -> Vec<PathBuf> {
    let alone = files::path(&format!("src/{room}.rs"));
    match alone.exists() {
        true => vec![alone],
        false => files::below(&format!("src/{room}"), &["rs"]),
    }
}

/// Returns the rooms that `source` names, by way of the crate or by way of a parent.
fn imports(source: &str, rooms: &BTreeSet<&str>) -> BTreeSet<String> {
    let mut found = words_after(source, "crate::");
    // A parent's child is most often a file of the same room; only a room's name is an import.
    found.extend(
        words_after(source, "super::").into_iter().filter(|name| rooms.contains(name.as_str())),
    );
    found
}

/// Returns the identifier after each `marker`.
fn words_after(source: &str, marker: &str) -> BTreeSet<String> {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    let after = source.split(marker).skip(1);
    let words = after.map(|rest| rest.split(|letter| !is_part(letter)).next().unwrap_or_default());
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Returns whether `line` groups imports of our own, behind which `rooms_import_only_what_the_map_allows` is blind.
fn hides_imports(line: &str) -> bool {
    let line = line.trim_start();
    let after = line.strip_prefix("pub use ").or_else(|| line.strip_prefix("use "));
    after.is_some_and(|path| {
        (path.starts_with("crate::") || path.starts_with("super::")) && path.contains('{')
    })
}
