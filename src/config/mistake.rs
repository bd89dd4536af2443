//! A mistake in the operator's file, and the error that holds them all.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Something wrong with the file, at the place where the operator can mend it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// The line, from 1; 0 where no line can be named.
    pub line: usize,
    /// The key's whole path, such as `source.sqs[0].visibility`; empty for the file as a whole.
    pub key: String,
    /// What is wrong, and what to do about it where we know.
    pub what: String,
}

impl Mistake {
    /// A mistake at `key`, whose line is looked up later.
    pub(super) fn at(key: impl Into<String>, what: impl Into<String>) -> Self {
        Self { line: 0, key: key.into(), what: what.into() }
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("could not read the configuration `{path}`")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file is far larger than any configuration.
    #[error("the configuration `{path}` is larger than {limit} bytes; is it the right file?")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The largest file we read.
        limit: u64,
    },
    /// The file was read and is wrong.
    #[error("{}", Listed { path, mistakes })]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Every mistake, by line.
        mistakes: Vec<Mistake>,
    },
}

/// Shows mistakes one a line, each with its place, in the form editors and terminals make clickable.
struct Listed<'a> {
    path: &'a PathBuf,
    mistakes: &'a [Mistake],
}

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.mistakes {
            [_] => write!(f, "the configuration has a mistake")?,
            several => write!(f, "the configuration has {} mistakes", several.len())?,
        }
        for mistake in self.mistakes {
            write!(f, "\n{path}:")?;
            if mistake.line > 0 {
                write!(f, "{}:", mistake.line)?;
            }
            if !mistake.key.is_empty() {
                write!(f, " {}:", mistake.key)?;
            }
            write!(f, " {}", mistake.what)?;
        }
        Ok(())
    }
}
