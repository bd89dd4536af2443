//! Where an act stands to the grant that it counts to.
//!
//! Invariant: a part follows from a judgement alone.

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use serde::de::Error as _;

use crate::grants::verdict::Dimension;
use crate::grants::verdict::Judgement;
use crate::grants::verdict::Verdict;
use crate::model::Span;

/// What is further from a grant's window is no use of it.
const NEAR: Span = Span(86_400);

/// Where an act stands to the grant that it counts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The grant covers it.
    Inside,
    /// In the grant's time, and beyond its scope in this dimension.
    Outside(Dimension),
    /// Before the grant began.
    Before,
    /// After its end, in a session that began inside it.
    Tail,
    /// After its end, in a session that began later, or of which it is not known when it began.
    After,
}

impl Part {
    /// Every part.
    pub const ALL: [Self; 10] = [
        Self::Inside,
        Self::Outside(Dimension::Account),
        Self::Outside(Dimension::Role),
        Self::Outside(Dimension::Action),
        Self::Outside(Dimension::Resource),
        Self::Outside(Dimension::Region),
        Self::Outside(Dimension::Network),
        Self::Before,
        Self::Tail,
        Self::After,
    ];

    /// The parts in the grant's time and beyond its scope.
    pub const OUTSIDE: &[Self] = &[
        Self::Outside(Dimension::Account),
        Self::Outside(Dimension::Role),
        Self::Outside(Dimension::Action),
        Self::Outside(Dimension::Resource),
        Self::Outside(Dimension::Region),
        Self::Outside(Dimension::Network),
    ];

    /// Returns its name in the store and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Inside => "inside",
            Self::Outside(Dimension::Account) => "outside_account",
            Self::Outside(Dimension::Role) => "outside_role",
            Self::Outside(Dimension::Action) => "outside_action",
            Self::Outside(Dimension::Resource) => "outside_resource",
            Self::Outside(Dimension::Region) => "outside_region",
            Self::Outside(Dimension::Network) => "outside_network",
            Self::Before => "before",
            Self::Tail => "tail",
            Self::After => "after",
        }
    }

    /// Returns the part called `name`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.name() == name)
    }

    /// Returns where the act of `judgement` stands to the grant that it names; nothing if it is no use of that.
    pub fn of(judgement: &Judgement) -> Option<Self> {
        let is_near = judgement.outside.is_none_or(|outside| outside <= NEAR);
        match judgement.verdict {
            Verdict::Covered => Some(Self::Inside),
            Verdict::OutOfScope(dimension) => Some(Self::Outside(dimension)),
            Verdict::Expired | Verdict::Revoked if judgement.session_outlived => Some(Self::Tail),
            Verdict::Expired | Verdict::Revoked if is_near => Some(Self::After),
            Verdict::NotStarted if is_near => Some(Self::Before),
            _ => None,
        }
    }
}

impl Serialize for Part {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::named(&name).ok_or_else(|| D::Error::custom(format!("there is no part `{name}`")))
    }
}
