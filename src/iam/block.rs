//! Blocks on access from outside: S3's and EC2's blocks on public access, a share's limit to the organisation.
//!
//! Invariant: a block that nobody told of is neither there nor not there: that it is gone counts only where it was known.

use std::collections::BTreeSet;

use crate::iam::drift::difference::Difference;
use crate::iam::policy::Document;
use crate::iam::policy::Effect;
use crate::iam::policy::Language;
use crate::iam::policy::Listed;
use crate::iam::policy::Statement;
use crate::iam::policy::Text;

/// The blocks that are in force at one place, by name.
pub type Blocks = BTreeSet<Box<str>>;

/// What keeps a share to the organisation.
pub const STRANGERS: &str = "principals outside of the organisation";

/// Those of S3, of a bucket or an account. A bucket made since April 2023 has all of them.
pub const OF_S3: [&str; 4] =
    ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"];

/// Returns the blocks as a document, so that they are remembered and compared like all else: a statement for each.
pub fn document(blocks: &Blocks) -> Text {
    let one = |name: &str| Statement {
        sid: None,
        effect: Effect::Deny,
        principals: None,
        actions: Listed::Only(vec!["public:access".into()]),
        resources: Some(Listed::Only(vec![name.into()])),
        conditions: Vec::new(),
    };
    let statements = blocks.iter().map(|name| one(name)).collect();
    Text::Known(Document { language: Language::Of2012, statements }.into())
}

/// Returns the blocks that such a document holds.
pub fn blocks(document: &Document) -> BTreeSet<&str> {
    let names = document.statements.iter().filter_map(|statement| match &statement.resources {
        Some(Listed::Only(names)) => names.first(),
        _ => None,
    });
    names.map(|it| &**it).collect()
}

/// Returns how blocks differ.
pub fn difference(before: &Document, after: &Document) -> Difference {
    let (before, after) = (blocks(before), blocks(after));
    let adds = before.difference(&after).map(|name| format!("no longer blocked: {name}"));
    let removes = after.difference(&before).map(|name| format!("now blocked: {name}"));
    let mut found =
        Difference { adds: adds.collect(), removes: removes.collect(), ..Difference::default() };
    if !found.adds.is_empty() {
        found.classes.insert("guardrail_weakened");
    }
    found
}
