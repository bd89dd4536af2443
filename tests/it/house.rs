//! Holds the repository to its own rules, so that nobody has to remember them.

use std::fs;
use std::path::Path;
use std::process::Command;

use grantwatch::config;

use crate::files;

#[test]
fn every_source_file_says_what_lives_there() {
    for file in files::below("src", &["rs"]).iter().chain(&files::below("tests", &["rs"])) {
        let source = fs::read_to_string(file).unwrap();
        assert!(source.starts_with("//! "), "{} does not open with `//!`", files::short(file));
    }
}

#[test]
fn no_file_is_longer_than_400_lines_before_its_tests() {
    let mut long = Vec::new();
    for file in files::below("src", &["rs"]) {
        let source = fs::read_to_string(&file).unwrap();
        let lines = files::shipped(&file, &source).lines().count();
        if lines > 400 {
            long.push(format!("{}: {lines} lines", files::short(&file)));
        }
    }
    assert!(long.is_empty(), "\n{}", long.join("\n"));
}

/// A library that only some files may use, by the path that names it.
struct Kept {
    library: &'static str,
    in_: fn(&str) -> bool,
    reason: &'static str,
}

/// The AWS SDK's crates.
fn of_aws() -> Vec<Kept> {
    vec![
        Kept {
            library: "aws_config::",
            in_: |file| file.starts_with("src/source/"),
            reason: "the AWS SDK stays in `source`",
        },
        Kept {
            library: "aws_sdk_",
            in_: |file| file.starts_with("src/source/"),
            reason: "the AWS SDK stays in `source`",
        },
        Kept {
            library: "aws_smithy_",
            in_: |file| file.starts_with("src/source/signed/"),
            reason: "requests of our own are made in one place",
        },
        Kept {
            library: "aws_runtime::",
            in_: |file| file.starts_with("src/source/signed/"),
            reason: "requests of our own are made in one place",
        },
    ]
}

#[test]
fn libraries_stay_in_their_rooms() {
    let kept = [
        Kept {
            library: "aws_lc_rs::",
            in_: |file| file.starts_with("src/simulate/deliver/digest"),
            reason: "nothing but the digests of a simulation is signed",
        },
        Kept {
            library: "reqwest::",
            in_: |file| file.starts_with("src/sink/"),
            reason: "HTTP outward stays in `sink`",
        },
        Kept {
            library: "hyper::",
            in_: |file| file.starts_with("src/api/"),
            reason: "HTTP inward stays in `api`",
        },
        Kept {
            library: "axum::",
            in_: |file| {
                file.starts_with("src/api/")
                    || file.starts_with("src/cli/demo/")
                    || file == "src/source/stub.rs"
            },
            reason: "HTTP inward stays in `api`, but for the demo's receiver and the tests' AWS",
        },
        Kept {
            library: "rusqlite::",
            in_: |file| file.starts_with("src/store/") || file.ends_with("/table.rs"),
            reason: "SQL stands only in files called `table.rs`",
        },
        Kept {
            library: "anyhow::",
            in_: |file| file.starts_with("src/cli/") || file == "src/main.rs",
            reason: "a room has an error of its own",
        },
    ];
    let mut strayed = Vec::new();
    for file in files::below("src", &["rs"]) {
        let source = fs::read_to_string(&file).unwrap();
        let name = files::short(&file);
        for Kept { library, in_, reason } in kept.iter().chain(&of_aws()) {
            let is_used = files::shipped(&file, &source).lines().any(|line| uses(line, library));
            if is_used && !in_(&name) {
                strayed.push(format!("{name} uses `{library}`: {reason}"));
            }
        }
    }
    assert!(strayed.is_empty(), "\n{}", strayed.join("\n"));
}

/// Returns whether `line` names a path that begins with `library`; comments and texts do not count.
fn uses(line: &str, library: &str) -> bool {
    let line = line.trim_start();
    let code = !line.starts_with("//") && line.contains("::");
    let begins = |place: usize| {
        let before = line.split_at(place).0.chars().next_back();
        before.is_none_or(|letter| !letter.is_alphanumeric() && !"_:\"`.".contains(letter))
    };
    code && line.match_indices(library).any(|(place, _)| begins(place))
}

#[test]
fn the_test_sees_a_library_that_strayed() {
    assert!(uses("use aws_sdk_s3::Client;", "aws_sdk_"));
    assert!(uses("    let client: reqwest::Client = todo;", "reqwest::"));
    assert!(uses("fn a() -> Result<(), rusqlite::Error> {", "rusqlite::"));
    assert!(!uses("// reqwest::Client is kept in one room", "reqwest::"));
    assert!(!uses("/// See [`reqwest::Client`].", "reqwest::"));
    assert!(!uses("let text = \"aws_sdk_s3::x\";", "aws_sdk_"));
    assert!(!uses("use crate::my_aws_sdk_thing;", "aws_sdk_"));
}

#[test]
fn no_file_names_the_machine_it_was_written_on() {
    // Put together here, so that this file does not hold them.
    let traces = ["work/shared", "work/main", "tmp/wt", "tmp/team", "root/.cargo", "root/.pyenv"];
    let traces = traces.map(|trace| format!("/{trace}"));
    let mut found = Vec::new();
    for folder in ["src", "tests", "deploy", ".ci"] {
        for file in files::below(folder, &[]) {
            let bytes = fs::read(&file).unwrap();
            let text = String::from_utf8_lossy(&bytes);
            found
                .extend(traces.iter().filter(|it| text.contains(*it)).map(|_| files::short(&file)));
        }
    }
    for file in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "Cargo.toml", "deny.toml"] {
        let text = files::text(file);
        found.extend(traces.iter().filter(|it| text.contains(*it)).map(|_| file.to_owned()));
    }
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn the_example_spells_out_every_key_at_its_default() {
    let file = files::path("deploy/grantwatch.example.toml");
    let expected = config::example();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, &expected).unwrap();
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        found == expected,
        "{} is stale: UPDATE=1 cargo test writes it anew",
        files::short(&file)
    );
}

#[test]
fn the_unit_stops_the_daemon_the_way_the_daemon_wants_to_stop() {
    let unit = files::text("deploy/grantwatch.service");
    let value = |key: &str| {
        let found = unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        found.unwrap_or_else(|| panic!("the unit has no `{key}`")).to_owned()
    };
    let patience: grantwatch::model::Duration = value("TimeoutStopSec").parse().unwrap();
    assert!(patience > config::Flow::default().drain_timeout, "killed before it has drained");
    assert_eq!(value("KillSignal"), "SIGTERM");
    assert_eq!(value("Type"), "exec", "we do not notify systemd");
    assert_eq!(value("DynamicUser"), "yes");
    assert_eq!(value("ExecReload"), "/bin/kill -HUP $MAINPID");
    assert!(value("ExecStart").ends_with(" run --config /etc/grantwatch/grantwatch.toml"));
}

#[test]
fn systemd_has_nothing_to_say_about_the_unit() {
    let tool = Path::new("/usr/bin/systemd-analyze");
    if !tool.exists() {
        eprintln!("skipped: there is no {} here", tool.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("grantwatch.service");
    // `verify` wants the program to be there: for this, the one that was just built is it.
    let text = files::text("deploy/grantwatch.service");
    let text = text.replace("/usr/local/bin/grantwatch", env!("CARGO_BIN_EXE_grantwatch"));
    fs::write(&unit, text).unwrap();

    let verify = Command::new(tool).arg("verify").arg(&unit).output().unwrap();
    // It ends well even where it ignores a key that it does not know: only its silence counts.
    let said = String::from_utf8_lossy(&verify.stdout) + String::from_utf8_lossy(&verify.stderr);
    let said: Vec<&str> = said.lines().filter(|line| line.contains("grantwatch")).collect();
    assert!(said.is_empty(), "{said:#?}");

    let security = ["security", "--offline=true", "--threshold=20", "--no-pager"];
    let security = Command::new(tool).args(security).arg(&unit).output().unwrap();
    let said = String::from_utf8_lossy(&security.stdout);
    assert!(security.status.success(), "the unit is exposed more than 2.0:\n{said}");
}

#[test]
fn the_container_is_not_run_by_root_and_is_told_to_stop_as_the_daemon_expects() {
    let file = files::text("deploy/Containerfile");
    let lines: Vec<&str> = file.lines().collect();
    let last_stage = lines.iter().rposition(|line| line.starts_with("FROM ")).unwrap();
    let user = lines.iter().rposition(|line| line.starts_with("USER ")).unwrap();
    assert!(user > last_stage, "the last stage names no user");
    assert!(!lines[user].contains("root") && !lines[user].contains(" 0"), "{}", lines[user]);
    assert!(lines.contains(&"STOPSIGNAL SIGTERM"));
    assert!(!file.contains(":latest"), "an image without a version changes under us");
    let rust = files::text("Cargo.toml");
    let rust = rust.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap();
    assert!(
        file.contains(&format!("rust:{}-", rust.trim_matches('"'))),
        "not the compiler we ask for"
    );
}

#[test]
fn one_tls_stack() {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--edges=normal", "--prefix=none"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8_lossy(&tree.stdout);
    let crates: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    for second in ["ring", "openssl", "openssl-sys", "native-tls"] {
        assert!(!crates.contains(&second), "`{second}` is a second TLS stack");
    }
    assert!(crates.contains(&"aws-lc-rs"), "the one stack is aws-lc");
}

#[test]
fn the_readme_and_ci_test_with_the_same_command() {
    let readme = files::text("README.md");
    let ci = files::text(".ci/run");
    for command in ["cargo run --release -- demo", "cargo test --locked"] {
        assert!(readme.lines().any(|line| line == command), "README.md does not show `{command}`");
    }
    assert!(ci.contains("cargo test --locked"), ".ci/run does not run the README's test command");
}

#[test]
fn the_changelog_has_a_place_for_what_comes_next() {
    assert!(files::text("CHANGELOG.md").contains("\n## [Unreleased]\n"));
}
