//! Reads policy documents: JSON, or JSON percent-encoded as IAM's API returns it.
//!
//! What AWS refuses is refused, with its place and with what was wanted there. Where AWS is not known to refuse, nothing is
//! refused: a policy that stands must be readable, however odd it is.
//!
//! Source: IAM User Guide, "Grammar of the IAM JSON policy language", and the messages of `MalformedPolicyDocument`.
//!
//! Invariant: whatever the text is, reading it does not panic, and what was read is in normal form: two texts of the same
//! meaning in the sense of `policy.rs` are the same [`Document`].

mod condition;
mod principal;
mod statement;
mod tree;

use serde_json::Value;

use crate::iam::parse::tree::Step;
use crate::iam::parse::tree::Tree;
use crate::iam::policy::Document;
use crate::iam::policy::Kind;
use crate::iam::policy::Language;
use crate::iam::policy::Test;

/// The longest text that is read. AWS's largest, of a KMS key, is 32 KiB; whitespace does not count there.
pub const MAX_BYTES: usize = 256 * 1024;

/// Why a text is no policy.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// It is not JSON, percent-encoded or not.
    #[error("the policy is no JSON at line {line}, column {column}")]
    NotJson {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// It is longer than any policy.
    #[error("the policy has {bytes} bytes; at most {MAX_BYTES} are read")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// AWS would refuse it.
    #[error("the policy is wrong{} at {path}: {wanted}", at_line(*line))]
    Refused {
        /// The line, from 1, where the text is known.
        line: Option<usize>,
        /// The JSON path: `$.Statement[0].Action`.
        path: String,
        /// What was wanted there, and what was found.
        wanted: String,
    },
}

fn at_line(line: Option<usize>) -> String {
    line.map_or_else(String::new, |line| format!(" in line {line}"))
}

impl Document {
    /// Reads a policy of a kind from JSON, or from JSON that is percent-encoded.
    ///
    /// # Errors
    /// When it is no JSON or AWS would refuse it as a policy of this kind; the error names line, JSON path and what was wanted.
    pub fn parse(text: &str, kind: Kind) -> Result<Self, PolicyError> {
        if text.len() > MAX_BYTES {
            return Err(PolicyError::TooLong { bytes: text.len() });
        }
        let decoded;
        let (text, read) = match serde_json::from_str::<Tree>(text) {
            Ok(tree) => (text, Ok(tree)),
            Err(error) => match percent_encoding::percent_decode_str(text).decode_utf8() {
                Ok(plain) if plain != text => {
                    decoded = plain;
                    (&*decoded, serde_json::from_str(&decoded))
                }
                _ => (text, Err(error)),
            },
        };
        let tree = read.map_err(|source| PolicyError::NotJson {
            line: source.line(),
            column: source.column(),
            source,
        })?;
        document(&tree, kind).map_err(|refusal| refusal.told(Some(text)))
    }

    /// Reads a policy of a kind from JSON that is parsed already; what stood twice in an object can then not be seen.
    ///
    /// # Errors
    /// When AWS would refuse it as a policy of this kind; the error names JSON path and what was wanted.
    pub fn parse_value(value: &Value, kind: Kind) -> Result<Self, PolicyError> {
        document(&Tree::from(value), kind).map_err(|refusal| refusal.told(None))
    }
}

/// What is wrong, and where; the steps are in the order from the inside out while they are gathered.
#[derive(Debug)]
struct Refusal {
    steps: Vec<Step>,
    wanted: String,
}

type Read<T> = Result<T, Refusal>;

impl Refusal {
    fn new(wanted: impl Into<String>) -> Self {
        Self { steps: Vec::new(), wanted: wanted.into() }
    }

    /// Returns the refusal as seen from one step further out.
    fn within(mut self, at: usize, name: impl Into<String>) -> Self {
        self.steps.push(Step { at, name: name.into() });
        self
    }

    fn told(mut self, text: Option<&str>) -> PolicyError {
        self.steps.reverse();
        PolicyError::Refused {
            line: text.and_then(|text| tree::line(text, &self.steps)),
            path: tree::path(&self.steps),
            wanted: self.wanted,
        }
    }
}

/// One member of an object: its position and its value.
#[derive(Debug, Clone, Copy)]
struct Member<'a> {
    at: usize,
    name: &'a str,
    value: &'a Tree,
}

impl Member<'_> {
    /// Reads the member's value, so that a refusal names the member.
    fn read<T>(&self, read: impl FnOnce(&Tree) -> Read<T>) -> Read<T> {
        read(self.value).map_err(|refusal| refusal.within(self.at, self.name))
    }
}

/// Returns the members of an object, which may have each of these names once.
fn members<'a>(tree: &'a Tree, what: &str, names: &[&str]) -> Read<Vec<Member<'a>>> {
    let all = object(tree, what)?;
    for member in &all {
        if !names.contains(&member.name) {
            let alike = names.iter().find(|name| name.eq_ignore_ascii_case(member.name));
            let wanted = match alike {
                Some(name) => format!("write `{name}`: names of elements have their case"),
                None => format!("{what} has no element `{}`", member.name),
            };
            return Err(Refusal::new(wanted).within(member.at, member.name));
        }
    }
    Ok(all)
}

/// Returns the members of an object, of which none may have another's name.
fn object<'a>(tree: &'a Tree, what: &str) -> Read<Vec<Member<'a>>> {
    let Tree::Object(items) = tree else {
        return Err(Refusal::new(format!("{what} is an object, not {}", tree.sort())));
    };
    let mut all: Vec<Member<'_>> = Vec::with_capacity(items.len());
    for (at, (name, value)) in items.iter().enumerate() {
        if all.iter().any(|other| other.name == name) {
            return Err(Refusal::new(format!("`{name}` stands twice")).within(at, name));
        }
        all.push(Member { at, name, value });
    }
    Ok(all)
}

fn member<'a>(members: &[Member<'a>], name: &str) -> Option<Member<'a>> {
    members.iter().find(|member| member.name == name).copied()
}

fn text<'a>(tree: &'a Tree, what: &str) -> Read<&'a str> {
    match tree {
        Tree::Text(text) => Ok(text),
        other => Err(Refusal::new(format!("{what} is a text, not {}", other.sort()))),
    }
}

/// Reads a text or a list of texts.
fn each<T>(tree: &Tree, mut read: impl FnMut(&Tree) -> Read<T>) -> Read<Vec<T>> {
    let Tree::List(items) = tree else { return Ok(vec![read(tree)?]) };
    let mut all = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        all.push(read(item).map_err(|refusal| refusal.within(at, format!("[{at}]")))?);
    }
    Ok(all)
}

/// Returns the name that IAM gives an operator.
pub(in crate::iam) fn name_of(test: Test) -> &'static str {
    let found = condition::TESTS.iter().find(|(_, known)| *known == test);
    found.map(|(name, _)| *name).expect("every test is in the table")
}

fn document(tree: &Tree, kind: Kind) -> Read<Document> {
    let members = members(tree, "a policy", &["Version", "Id", "Statement"])?;
    let language = match member(&members, "Version") {
        None => Language::Of2008,
        Some(version) => version.read(language)?,
    };
    if let Some(id) = member(&members, "Id") {
        id.read(|id| text(id, "an `Id`").map(drop))?;
    }
    let Some(statement) = member(&members, "Statement") else {
        return Err(Refusal::new("a policy has a `Statement`"));
    };
    let statements = statement.read(|tree| {
        let statements = each(tree, |tree| statement::read(tree, kind))?;
        match statements.is_empty() {
            true => Err(Refusal::new("a policy has at least one statement")),
            false => Ok(statements),
        }
    })?;
    statement::sids_differ(&statements, kind).map_err(|refusal| match statement.value {
        Tree::List(_) => refusal.within(statement.at, "Statement"),
        _ => refusal,
    })?;
    Ok(Document { language, statements })
}

fn language(tree: &Tree) -> Read<Language> {
    match text(tree, "a `Version`")? {
        "2008-10-17" => Ok(Language::Of2008),
        "2012-10-17" => Ok(Language::Of2012),
        other => Err(Refusal::new(format!(
            "a `Version` is \"2012-10-17\" or \"2008-10-17\", the date of the language and not of the policy; not {other:?}"
        ))),
    }
}

#[cfg(test)]
mod tests;
