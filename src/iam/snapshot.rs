//! Snapshots: the policies that stand, as files of plain JSON.
//!
//! A file holds what `aws iam get-account-authorization-details` prints (`snapshot/account.rs`), or what is known of the
//! organisation, of Identity Center or of resources (`snapshot/others.rs`), or beside policies (`snapshot/beside.rs`); which of them, its members tell. A folder is all
//! `.json` files in it and in its folders. docs/policy-history.md shows every form.
//!
//! Invariant: what cannot be read is named with its file and its place; a policy that AWS would refuse is one that is not
//! known, not a reason to read nothing.

mod account;
mod beside;
mod others;

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;

use serde_json::Value;

use crate::iam::history::Documents;
use crate::iam::history::thing::Key;
use crate::iam::policy::Document;
use crate::iam::policy::Kind;
use crate::iam::policy::Text;
use crate::iam::state::State;
use crate::model::Seconds;

/// The largest file that is read. A hundred thousand principals are about 300 MB.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// The only member of what stands in a document's place where it is not known: `{"Unknown": "why"}`.
pub(in crate::iam) const UNKNOWN: &str = "Unknown";

/// The member that says when a file was taken.
const TAKEN: &str = "Taken";

/// With this some editors and shells begin a file in UTF-8; it is no JSON.
pub const MARK: &[u8] = b"\xef\xbb\xbf";

/// How deep folders are followed.
const MAX_DEPTH: usize = 16;

/// Policies as they stood.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// What stood.
    pub state: State,
    /// When each part was read, where its file says so (`"Taken"`), by the names of [`Key::part`].
    pub taken: BTreeMap<Box<str>, Seconds>,
    /// The documents, each once.
    pub documents: Documents,
    /// Group and user of each membership of the identity store, by its id.
    pub memberships: BTreeMap<Box<str>, (Box<str>, Box<str>)>,
}

/// Why a snapshot could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// A file or folder could not be read.
    #[error("could not read `{path}`")]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file is larger than is read.
    #[error("`{path}` has {bytes} bytes; at most {MAX_FILE_BYTES} are read")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// How large it is.
        bytes: u64,
    },
    /// A file holds no JSON.
    #[error("`{path}` is no JSON")]
    NotJson {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: serde_json::Error,
    },
    /// A file holds something else than a snapshot.
    #[error("`{path}` is no snapshot: {what}")]
    Strange {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        what: String,
    },
}

/// When a file was taken that does not say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undated {
    /// Before all events.
    BeforeAll,
    /// When it was last written.
    WhenWritten,
}

/// Reads files and folders into one snapshot, taken before all events where it does not say. Several files of one account are
/// pages of it.
///
/// # Errors
/// When a file cannot be read or is no snapshot.
pub fn read<P: AsRef<Path>>(paths: &[P]) -> Result<Snapshot, SnapshotError> {
    read_as(paths, Undated::BeforeAll)
}

/// Reads files and folders like [`read`], with the time of those that do not say it as `undated` says.
///
/// # Errors
/// When a file cannot be read or is no snapshot.
pub fn read_as<P: AsRef<Path>>(paths: &[P], undated: Undated) -> Result<Snapshot, SnapshotError> {
    let mut snapshot = Snapshot::default();
    for path in files(paths)? {
        let mut value = parsed(&path)?;
        if undated == Undated::WhenWritten && value.is_object() && value[TAKEN].is_null() {
            value[TAKEN] = written(&path)?.to_string().into();
        }
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        snapshot
            .take(&value, &stem)
            .map_err(|what| SnapshotError::Strange { path: path.clone(), what })?;
    }
    Ok(snapshot)
}

/// Returns the files that [`read`] reads of `paths`, in its order.
///
/// # Errors
/// When a folder cannot be read.
pub fn files<P: AsRef<Path>>(paths: &[P]) -> Result<Vec<PathBuf>, SnapshotError> {
    let mut files = Vec::new();
    for path in paths {
        list(path.as_ref(), MAX_DEPTH, &mut files)?;
    }
    Ok(files)
}

/// Returns whether this is a file of a snapshot, by its members.
pub fn is_snapshot(value: &Value) -> bool {
    members().any(|name| !value[name].is_null())
}

/// A member of a file, and what reads it.
type Member = (&'static str, fn(&mut Snapshot, &Value) -> Result<(), String>);

/// Returns the members by which a file is told as part of a snapshot.
fn members() -> impl Iterator<Item = &'static str> {
    let others = others::MEMBERS.iter().chain(&beside::MEMBERS).map(|(name, _)| *name);
    account::MEMBERS.into_iter().chain(others)
}

impl Snapshot {
    /// Takes in what one file says; `stem` is the file's name without its ending, which may be the account's id.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn take(&mut self, value: &Value, stem: &str) -> Result<(), String> {
        let Value::Object(members) = value else {
            return Err("it is not an object".to_owned());
        };
        let mut is_known = false;
        if account::MEMBERS.iter().any(|name| members.contains_key(*name)) {
            account::take(self, value, stem)?;
            is_known = true;
        }
        for (member, read) in others::MEMBERS.into_iter().chain(beside::MEMBERS) {
            if members.contains_key(member) {
                read(self, value)?;
                is_known = true;
            }
        }
        if members.contains_key("Organization") {
            self.taken("", value)?;
        }
        for part in ["PermissionSets", "AccountAssignments", "GroupMemberships"] {
            if !value["IdentityCenter"][part].is_null() {
                self.taken(part, value)?;
            }
        }
        match is_known {
            true => Ok(()),
            false => {
                let all: Vec<&str> = self::members().collect();
                Err(format!("it has none of {}", all.join(", ")))
            }
        }
    }

    /// Reads a policy, as an object or as text that may be percent-encoded.
    fn text(&mut self, value: &Value, kind: Kind) -> Text {
        let read = match value {
            Value::String(text) => Document::parse(text, kind),
            Value::Null => return Text::Unknown("the snapshot does not have it".into()),
            other if let Some(why) = other[UNKNOWN].as_str() => return Text::Unknown(why.into()),
            other => Document::parse_value(other, kind),
        };
        match read {
            Ok(document) => self.documents.share(Text::Known(document.into())),
            Err(error) => Text::Unknown(format!("the document cannot be read: {error}").into()),
        }
    }

    /// Notes when the list was read that has `key`.
    fn taken_of(&mut self, key: &Key, value: &Value) -> Result<(), String> {
        self.taken(&key.part(), value)
    }

    /// Notes when something was read.
    fn taken(&mut self, account: &str, value: &Value) -> Result<(), String> {
        let Some(text) = value[TAKEN].as_str() else { return Ok(()) };
        let time = Seconds::parse(text).ok_or_else(|| format!("Taken: {text:?} is no time"))?;
        // Pages follow one another: what happened after the first is not in all of them.
        let taken = self.taken.entry(account.into()).or_insert(time);
        *taken = time.min(*taken);
        Ok(())
    }
}

fn list(path: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), SnapshotError> {
    let unreadable = |source| SnapshotError::Unreadable { path: path.to_owned(), source };
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let Some(depth) = depth.checked_sub(1) else { return Ok(()) };
    let mut inside = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        inside.push(entry.map_err(unreadable)?.path());
    }
    inside.sort();
    for path in inside {
        if path.is_dir()
            || path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"))
        {
            list(&path, depth, files)?;
        }
    }
    Ok(())
}

/// Returns when a file was last written.
fn written(path: &Path) -> Result<Seconds, SnapshotError> {
    let unreadable = |source| SnapshotError::Unreadable { path: path.to_owned(), source };
    let time = std::fs::metadata(path).and_then(|found| found.modified()).map_err(unreadable)?;
    let since = time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Ok(Seconds(i64::try_from(since.as_secs()).unwrap_or(i64::MAX)))
}

fn parsed(path: &Path) -> Result<Value, SnapshotError> {
    let unreadable = |source| SnapshotError::Unreadable { path: path.to_owned(), source };
    let bytes = std::fs::metadata(path).map_err(unreadable)?.len();
    if bytes > MAX_FILE_BYTES {
        return Err(SnapshotError::TooLarge { path: path.to_owned(), bytes });
    }
    let text = std::fs::read(path).map_err(unreadable)?;
    serde_json::from_slice(text.strip_prefix(MARK).unwrap_or(&text))
        .map_err(|source| SnapshotError::NotJson { path: path.to_owned(), source })
}

/// Returns the items of a list that may be absent.
fn items<'v>(value: &'v Value, name: &str) -> Result<&'v [Value], String> {
    match &value[name] {
        Value::Null => Ok(&[]),
        Value::Array(items) => Ok(items),
        _ => Err(format!("{name} is not a list")),
    }
}

/// Returns a text that has to be there.
fn name<'v>(value: &'v Value, list: &str, name: &str) -> Result<&'v str, String> {
    value[name].as_str().ok_or_else(|| format!("an item of {list} has no {name}"))
}
