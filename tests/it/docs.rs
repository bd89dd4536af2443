//! Holds the documents to the code: what can be generated is, names exist, links lead somewhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

use grantwatch::config;
use grantwatch::grants::Surface;
use grantwatch::pipeline;
use grantwatch::simulate::incidents;
use grantwatch::telemetry::metrics;

use crate::files;

/// Checks that the document at `inside` reads as the code says; `UPDATE=1` writes it anew.
#[track_caller]
fn generated(inside: &str, head: &str, body: &str) {
    let expected = format!("{}\n\n{}\n", head.trim(), body.trim_end());
    if std::env::var_os("UPDATE").is_some() {
        fs::write(files::path(inside), &expected).unwrap();
    }
    let found = fs::read_to_string(files::path(inside)).unwrap_or_default();
    assert!(
        found == expected,
        "{inside} is stale: UPDATE=1 cargo test --test it docs writes it anew"
    );
}

/// Checks that the document at `inside` has `body` between the marks called `name`; `UPDATE=1` puts it there.
#[track_caller]
fn generated_between(inside: &str, name: &str, body: &str) {
    let marks = [format!("<!-- {name}:begin -->\n"), format!("<!-- {name}:end -->\n")];
    let text = files::text(inside);
    let (head, rest) = text.split_once(&marks[0]).expect("the document has the first mark");
    let (found, tail) = rest.split_once(&marks[1]).expect("the document has the second mark");
    let expected = format!("{}\n", body.trim_end());
    if std::env::var_os("UPDATE").is_some() {
        let whole = [head, &marks[0], &expected, &marks[1], tail].concat();
        return fs::write(files::path(inside), whole).unwrap();
    }
    assert!(
        found == expected,
        "{inside} is stale: UPDATE=1 cargo test --test it docs writes it anew"
    );
}

#[test]
fn the_incidents_are_listed_as_they_are() {
    generated_between("docs/simulate.md", "incidents", &incidents::table());
}

#[test]
fn the_metrics_are_listed_as_they_are() {
    generated_between("docs/metrics.md", "metrics", &metrics::table());
}

#[test]
fn the_defaults_of_the_protect_surface_are_listed_as_they_are() {
    generated_between("docs/protect.md", "defaults", &Surface::builtin_table());
}

#[test]
fn the_field_table_is_the_codes() {
    let head = "
# Facts

What grantwatch learns about a record, as fields below `gw.` that a [detector](detectors.md) names beside the raw ones.
A fact that is not known is not there: a condition on it is false, unless it asks for absence, and `not` of that
condition is true. A name that is not in this table is a mistake, and `grantwatch detectors lint` says so.

A *text* compares as Sigma compares text, without regard to case. A *whole* is a whole number, a *flag* is true or
false. Of *texts* there are several, and a condition holds if it holds for any of them. The facts of a correlation are
there for its story, not for its conditions.

The table is what `grantwatch detectors fields` prints.
";
    generated("docs/fields.md", head, &pipeline::fields_table());
}

#[test]
fn the_catalogue_is_what_is_loaded() {
    let head = "
# Catalogue

Every detector that comes with grantwatch, by the folder its file lies in. The file says when it fires and what it
misses, when an alert may be harmless and what to do about it, and holds its tests; [detectors.md](detectors.md) says
how to read one, to silence one and to write another.

The tables are what `grantwatch detectors catalogue` prints.
";
    generated("docs/catalogue.md", head, &pipeline::catalogue());
}

#[test]
fn the_configuration_is_explained_key_by_key() {
    let head = "
# Configuration

One TOML file, given to `grantwatch run --config FILE`. Every key has a default but those that say where deliveries
come from and where alerts go. `grantwatch config check` reports every mistake at once, each with its line and the
nearest key that exists; `grantwatch config schema` prints a JSON schema for editors. What a source needs to be allowed
stands in [sources.md](sources.md), what a sink sends in [sinks.md](sinks.md). SIGHUP loads `[detectors]`, `[sink]` and
the tokens, signatures and certificate of `[api]` anew; every other key is read once, at the start.

The file below is what `grantwatch config example` prints.
";
    generated("docs/configuration.md", head, &format!("```toml\n{}```", config::example()));
}

#[test]
fn every_fact_that_is_named_is_in_the_table() {
    let known: BTreeSet<&str> = pipeline::fields().iter().map(|field| field.name).collect();
    let mut unknown = Vec::new();
    for file in files::below("detectors", &["yml"]).iter().chain(&documents()) {
        let text = fs::read_to_string(file).unwrap();
        for name in facts(&text) {
            let is_group = known.iter().any(|fact| fact.starts_with(&format!("{name}.")));
            if !known.contains(name) && !is_group {
                unknown.push(format!("{}: `{name}`", files::short(file)));
            }
        }
    }
    assert!(unknown.is_empty(), "no such fact:\n{}", unknown.join("\n"));
}

/// Returns the names below `gw.` in a text, without the dots that end sentences.
fn facts(text: &str) -> BTreeSet<&str> {
    let is_of_a_name = |letter: char| letter.is_ascii_alphanumeric() || "._".contains(letter);
    let words = text.split(|letter| !is_of_a_name(letter));
    let names = words.filter(|word| word.starts_with("gw.")).map(|word| word.trim_end_matches('.'));
    names.filter(|name| *name != "gw").collect()
}

/// Returns the documents for people.
fn documents() -> Vec<PathBuf> {
    let single =
        ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "deploy/README.md", "testdata/README.md"];
    let mut all: Vec<PathBuf> = single.iter().map(|inside| files::path(inside)).collect();
    all.extend(files::below("docs", &["md"]));
    all
}

#[test]
fn every_link_leads_somewhere() {
    let mut dead = Vec::new();
    for file in documents() {
        let text = fs::read_to_string(&file).unwrap();
        for link in links(&text).into_iter().filter(|link| !is_outward(link)) {
            if !leads_somewhere(&file, &text, link) {
                dead.push(format!("{}: {link}", files::short(&file)));
            }
        }
    }
    assert!(dead.is_empty(), "dead links:\n{}", dead.join("\n"));
}

fn is_outward(link: &str) -> bool {
    link.starts_with("https://") || link.starts_with("mailto:")
}

/// Returns where the links of a document point to; code is no link.
fn links(text: &str) -> Vec<&str> {
    let mut is_code = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        }
        if !is_code {
            let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
            found.extend(targets);
        }
    }
    found
}

fn leads_somewhere(from: &Path, text: &str, link: &str) -> bool {
    let (file, heading) = link.split_once('#').unwrap_or((link, ""));
    let target = from.parent().unwrap().join(file);
    if !file.is_empty() && !target.exists() {
        return false;
    }
    let text = if file.is_empty() {
        text.to_owned()
    } else {
        fs::read_to_string(target).unwrap_or_default()
    };
    heading.is_empty() || text.lines().any(|line| line.starts_with('#') && anchor(line) == heading)
}

/// Returns the name under which a heading is linked to, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let heading = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = heading.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
    kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

/// Where a name in a document is a path of this repository.
const FOLDERS: [&str; 8] =
    ["src/", "tests/", "docs/", "deploy/", "detectors/", "testdata/", "benches/", ".ci/"];

#[test]
fn every_test_and_file_that_is_named_exists() {
    let code: String = files::below("src", &["rs"])
        .iter()
        .chain(&files::below("tests", &["rs"]))
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    let is_code = |name: &str| {
        let kinds = ["fn", "mod", "struct", "enum"];
        kinds.iter().any(|kind| code.contains(&format!("{kind} {name}")))
    };
    let mut missing = Vec::new();
    for file in documents() {
        let text = fs::read_to_string(&file).unwrap();
        let is_map = file.ends_with("ARCHITECTURE.md");
        for name in quoted(&text) {
            let is_path = FOLDERS.iter().any(|folder| name.starts_with(folder));
            let is_there = match name.rsplit_once("::") {
                Some((_, last)) if is_map => is_code(last),
                None if is_path && !name.contains(['<', '*']) => files::path(name).exists(),
                Some(_) | None => true,
            };
            if !is_there {
                missing.push(format!("{}: `{name}`", files::short(&file)));
            }
        }
    }
    assert!(missing.is_empty(), "named and not there:\n{}", missing.join("\n"));
}

/// Returns what stands between single backquotes, if it is one word.
fn quoted(text: &str) -> Vec<&str> {
    let in_line = |line| str::split(line, '`').skip(1).step_by(2);
    let code = text.lines().filter(|line| !line.contains("```")).flat_map(in_line);
    code.filter(|word| !word.is_empty() && !word.contains([' ', '(', '|'])).collect()
}

#[test]
fn the_test_sees_a_name_and_a_link() {
    assert_eq!(
        facts("`gw.a.b`, gw.c. Not segw.d; below `gw.`"),
        BTreeSet::from(["gw.a.b", "gw.c"])
    );
    assert_eq!(links("[a](b.md) and [c](d.md#e)\n```\n[no](no.md)\n```\n"), ["b.md", "d.md#e"]);
    assert_eq!(quoted("| `a::b`, `src/x.rs` | `two words` |\n"), ["a::b", "src/x.rs"]);
    assert_eq!(anchor("## A detector, part by part"), "a-detector-part-by-part");
    let here = files::path("README.md");
    assert!(leads_somewhere(&here, "", "docs") && !leads_somewhere(&here, "", "docs/nothing.md"));
    assert!(leads_somewhere(&here, "## That `one`\n", "#that-one"));
    assert!(!leads_somewhere(&here, "## That one\n", "#another"));
}
