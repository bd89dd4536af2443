//! From a path to a [`Config`], or to everything that is wrong with it.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde::Deserialize as _;
use toml::Spanned;
use toml::de::DeArray;
use toml::de::DeString;
use toml::de::DeTable;
use toml::de::DeValue;
use toml::de::ValueDeserializer;

use crate::config::Config;
use crate::config::ConfigError;
use crate::config::Mistake;
use crate::config::checks;
use crate::config::schema;
use crate::config::walk;
use crate::config::walk::Lines;
use crate::config::whole;

/// No configuration is larger; a log file given by accident is.
const MAX_BYTES: u64 = 4 << 20;

/// Reads the configuration at `path`.
///
/// # Errors
/// When the file cannot be read, and when there is a mistake in it: then with every mistake there is.
pub fn read(path: &Path) -> Result<Config, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let mut text = String::new();
    let size = file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
    if u64::try_from(size).unwrap_or(u64::MAX) > MAX_BYTES {
        return Err(ConfigError::TooLarge { path: path.to_owned(), limit: MAX_BYTES });
    }
    parse(&text, path)
}

/// Reads `text`, which was found at `path`.
///
/// # Errors
/// With every mistake there is, by line.
pub fn parse(text: &str, path: &Path) -> Result<Config, ConfigError> {
    let (found, mut mistakes) = examine(text);
    mistakes.sort();
    mistakes.dedup();
    match found {
        Some(config) if mistakes.is_empty() => Ok(config),
        _ => Err(ConfigError::Wrong { path: path.to_owned(), mistakes }),
    }
}

/// Returns every mistake in `text`, and the configuration if its types could be filled at all.
fn examine(text: &str) -> (Option<Config>, Vec<Mistake>) {
    let (table, mut mistakes) = walk::syntax(text);
    if !mistakes.is_empty() {
        // What lies behind a broken line is a guess: say only what is broken.
        return (None, mistakes);
    }
    let schema = schema();
    let (misfits, lines) = walk::walk(text, &schema, table.get_ref());
    mistakes.extend(misfits);
    mistakes.extend(refused_values(text, table.get_ref(), &mistakes));
    mistakes.extend(placed(whole::check(&schema, table.get_ref()), &lines));
    let config = match Config::deserialize(deserializer(table.get_ref().clone())) {
        Ok(config) => config,
        Err(error) => {
            if mistakes.is_empty() {
                mistakes.push(of_type(text, String::new(), &error));
            }
            return (None, mistakes);
        }
    };
    mistakes.extend(placed(checks(&config), &lines));
    (Some(config), mistakes)
}

fn placed(mistakes: Vec<Mistake>, lines: &Lines) -> impl Iterator<Item = Mistake> {
    mistakes.into_iter().map(|mistake| Mistake { line: lines.of(&mistake.key), ..mistake })
}

/// Tries each key and each entry of a list of tables by itself against its room's type, so that one refused
/// value does not hide the next. Keys that are known to be wrong are left out.
fn refused_values(text: &str, table: &DeTable<'_>, known: &[Mistake]) -> Vec<Mistake> {
    let mut refused = Vec::new();
    let mut attempt = |at: String, alone: DeTable<'_>| {
        if known.iter().any(|mistake| concerns(&mistake.key, &at)) {
            return;
        }
        if let Err(error) = Config::deserialize(deserializer(alone)) {
            refused.push(of_type(text, at, &error));
        }
    };
    for (section, value) in table {
        let DeValue::Table(inner) = value.get_ref() else { continue };
        for (key, value) in inner {
            let at = format!("{}.{}", section.get_ref(), key.get_ref());
            match value.get_ref() {
                DeValue::Array(items) if items.iter().all(|item| item.get_ref().is_table()) => {
                    for (index, item) in items.iter().enumerate() {
                        let mut only = DeArray::new();
                        only.push(item.clone());
                        let only = Spanned::new(value.span(), DeValue::Array(only));
                        attempt(format!("{at}[{index}]"), alone(section, key, only));
                    }
                }
                _ => attempt(at, alone(section, key, value.clone())),
            }
        }
    }
    refused
}

/// Returns a file with nothing in it but `section.key = value`.
fn alone<'i>(
    section: &Spanned<DeString<'i>>,
    key: &Spanned<DeString<'i>>,
    value: Spanned<DeValue<'i>>,
) -> DeTable<'i> {
    let mut inner = DeTable::new();
    inner.insert(key.clone(), value);
    let mut outer = DeTable::new();
    outer.insert(section.clone(), Spanned::new(key.span(), DeValue::Table(inner)));
    outer
}

/// Returns whether a mistake at `key` lies in what `at` names, or around it.
fn concerns(key: &str, at: &str) -> bool {
    let inside = |outer: &str, inner: &str| {
        inner
            .strip_prefix(outer)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    inside(key, at) || inside(at, key)
}

fn deserializer(table: DeTable<'_>) -> ValueDeserializer<'_> {
    ValueDeserializer::from(Spanned::new(0..0, DeValue::Table(table)))
}

fn of_type(text: &str, key: String, error: &toml::de::Error) -> Mistake {
    let line = error.span().map_or(0, |span| walk::line_of(text, span.start));
    Mistake { line, key, what: error.message().trim().replace('\n', "; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that `text` has exactly the mistakes `expected`, as an operator sees them.
    fn check(text: &str, expected: &str) {
        let error = parse(text, Path::new("g.toml")).unwrap_err().to_string();
        let found: Vec<&str> = error.lines().skip(1).collect();
        let expected: Vec<&str> =
            expected.lines().map(str::trim).filter(|it| !it.is_empty()).collect();
        assert_eq!(found, expected, "\n{error}");
    }

    #[test]
    fn reads_a_file_that_is_right() {
        let text = "
            [store]
            path = \"/var/lib/grantwatch/grantwatch.db\"
            [pipeline]
            commit_interval = \"250ms\"
            [[source.folder]]
            name = \"drop\"
            path = \"/srv/logs\"
            [[sink.stdout]]
            name = \"out\"
        ";
        let config = parse(text, Path::new("g.toml")).unwrap();
        assert_eq!(config.store.path, Path::new("/var/lib/grantwatch/grantwatch.db"));
        assert_eq!(config.pipeline.commit_interval.to_string(), "250ms");
    }

    #[test]
    fn names_every_mistake_at_once_with_its_line() {
        check(
            "[store]
            paht = \"x\"
            [pipeline]
            decode_threads = 1000
            commit_interval = \"soon\"
            drain_timeout = 25
            colour = true
            [sorce]
            [log]
            format = \"txt\"
            [[source.folder]]
            name = \"drop\"
            ",
            "
            g.toml: sink: no sink is configured, so nobody would be told; add a `[[sink.…]]`
            g.toml:2: store.paht: unknown key; did you mean `path`?
            g.toml:4: pipeline.decode_threads: 1000 is not between 0 and 256
            g.toml:5: pipeline.commit_interval: `soon` is no duration; write it like 500ms, 30s, 5m, 24h, 7d or 1h30m
            g.toml:6: pipeline.drain_timeout: expected a duration in quotes, such as \"5m\", found a whole number
            g.toml:7: pipeline.colour: unknown key; there are `allowed_lateness`, `commit_bytes`, `commit_interval`, `decode_threads`, `dedup_max_events`, `dedup_window`, `drain_timeout`
            g.toml:8: sorce: unknown key; did you mean `source`?
            g.toml:10: log.format: unknown choice; did you mean `text`?
            g.toml:11: source.folder[0]: the key `path` is missing
            ",
        );
    }

    #[test]
    fn what_only_the_whole_can_tell_is_told_with_its_line() {
        check(
            "[[source.folder]]
            name = \"a\"
            path = \"x\"
            [[source.folder]]
            path = \"y\"
            name = \"a\"
            [[sink.stdout]]
            name = \"out\"
            [pipeline]
            drain_timeout = \"2d\"
            [log]
            level = \"grantwatch=loud\"
            ",
            "
            g.toml:6: source.folder[1].name: `a` is the name of `source.folder[0]` already; each needs its own
            g.toml:10: pipeline.drain_timeout: 2d is not between 1s and 1h
            g.toml:12: log.level: `grantwatch=loud` is neither a level (error, warn, info, debug, trace) nor a list of directives
            ",
        );
    }

    #[test]
    fn a_single_table_where_there_may_be_several_is_explained() {
        check(
            "[source.folder]
            name = \"a\"
            path = \"x\"
            [[sink.stdout]]
            name = \"out\"
            ",
            "
            g.toml:1: source.folder: there may be several: write `[[source.folder]]`
            ",
        );
    }

    #[test]
    fn broken_lines_are_all_named() {
        let text = "[store]\npath = x\n[pipeline\ncommit_bytes = 1\n";
        let ConfigError::Wrong { mistakes, .. } = parse(text, Path::new("g.toml")).unwrap_err()
        else {
            panic!("broken syntax is a mistake in the file");
        };
        let lines: Vec<usize> = mistakes.iter().map(|it| it.line).collect();
        assert_eq!(lines, [2, 3]);
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = read(Path::new("no/such.toml")).unwrap_err();
        assert_eq!(error.to_string(), "could not read the configuration `no/such.toml`");
    }
}
