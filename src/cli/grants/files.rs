//! Messages in files, folders and standard input, one after another.
//!
//! Invariant: a file is read up to a bound; NDJSON is read line by line, however long the file is.

use std::fs;
use std::fs::File;
use std::io;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::ValueEnum;
use serde_json::Value;

use crate::grants::message;
use crate::grants::message::Form;
use crate::grants::message::MessageError;

/// The largest file of another form than NDJSON, and the longest line of that.
const MAX_BYTES: u64 = 256 << 20;

/// How messages are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Written {
    /// One message, an array of them, or several one after another.
    Json,
    /// One message a line.
    Ndjson,
    /// One message, a list of them, or several documents.
    Yaml,
    /// One message a row, under a header.
    Csv,
}

impl Written {
    fn form(self) -> Form {
        match self {
            Self::Json => Form::Json,
            Self::Ndjson => Form::Ndjson,
            Self::Yaml => Form::Yaml,
            Self::Csv => Form::Csv,
        }
    }
}

/// A value of a file, or what is wrong with it; with its line.
pub type Found = Result<(usize, Value), MessageError>;

/// Hands each value in the file at `path` to `take`; `-` is standard input.
pub fn each(
    path: &Path,
    written: Option<Written>,
    take: &mut dyn FnMut(Found) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let tried = || format!("could not read {}", path.display());
    let is_input = path.as_os_str() == "-";
    let form = match written.map(Written::form).or_else(|| Form::of(path)) {
        Some(form) => form,
        None if is_input => Form::Json,
        None => anyhow::bail!("{}: the name does not tell its form; use --form", path.display()),
    };
    let mut file: Box<dyn BufRead> = match is_input {
        true => Box::new(io::stdin().lock()),
        false => Box::new(BufReader::new(File::open(path).with_context(tried)?)),
    };
    if form == Form::Ndjson {
        return lines(&mut file, take).with_context(tried);
    }
    let mut text = String::new();
    let size = (&mut file).take(MAX_BYTES + 1).read_to_string(&mut text).with_context(tried)?;
    if u64::try_from(size).is_ok_and(|size| size > MAX_BYTES) {
        anyhow::bail!("{}: more than {MAX_BYTES} bytes; NDJSON may be longer", path.display());
    }
    message::values(&text, form).into_iter().try_for_each(take)
}

fn lines(
    file: &mut dyn BufRead,
    take: &mut dyn FnMut(Found) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        if Read::take(&mut *file, MAX_BYTES).read_until(b'\n', &mut bytes)? == 0 {
            break;
        }
        let whole = |what: &str| MessageError {
            line,
            id: String::new(),
            mistakes: vec![message::Mistake::new("", what)],
        };
        match std::str::from_utf8(&bytes) {
            Err(_) => take(Err(whole("is not UTF-8")))?,
            Ok(text) => {
                for found in message::values(text, Form::Ndjson) {
                    let found = found.map(|(_, value)| (line, value));
                    take(found.map_err(|error| MessageError { line, ..error }))?;
                }
            }
        }
    }
    Ok(())
}

/// Returns the files at `paths`, those in folders included if their names tell a form, in the order of their names.
pub fn below(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut ahead: Vec<PathBuf> = paths.iter().rev().cloned().collect();
    while let Some(path) = ahead.pop() {
        if !path.is_dir() {
            found.push(path);
            continue;
        }
        let tried = || format!("could not read the folder {}", path.display());
        let mut inside = Vec::new();
        for entry in fs::read_dir(&path).with_context(tried)? {
            let entry = entry.with_context(tried)?;
            let kind = entry.file_type().with_context(tried)?;
            let is_wanted = kind.is_dir() || (kind.is_file() && Form::of(&entry.path()).is_some());
            inside.extend(is_wanted.then(|| entry.path()));
        }
        inside.sort();
        ahead.extend(inside.into_iter().rev());
    }
    Ok(found)
}
