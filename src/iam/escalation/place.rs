//! What a permission has to be on for a way to be open.
//!
//! Invariant: whether a place is the holder's own or somebody else's is a matter of the place, not of the policy.

use std::collections::BTreeMap;

/// What an action is needed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The user that the holder is.
    OwnUser,
    /// The role that the holder is.
    OwnRole,
    /// A group that the holder is in.
    OwnGroup,
    /// A managed policy of the account that the holder has.
    OwnPolicy,
    /// The user that the holder is, if a boundary holds it.
    BoundedUser,
    /// The role that the holder is, if a boundary holds it.
    BoundedRole,
    /// Another user.
    OtherUser,
    /// Another user that has fewer than two access keys.
    UserWithRoom,
    /// Another user that has two access keys, which is as many as there can be.
    UserWithoutRoom,
    /// Another user with a console password.
    UserWithPassword,
    /// Another user without one.
    UserWithoutPassword,
    /// A group that the holder is not in.
    OtherGroup,
    /// Another role, whoever may take it.
    OtherRole,
    /// Another role, which may do what the holder may not.
    TrustingRole,
    /// Another role that trusts the holder.
    TakenRole,
    /// The same, and it may do what the holder may not.
    StrongRole,
    /// A managed policy of the role of the same way.
    PolicyOfRole,
    /// A role that is not there yet.
    NewRole,
    /// What IAM does not have: by what its ARN looks like.
    Thing(Box<str>),
}

impl Place {
    /// Returns the place that a word of `paths.toml` names.
    pub fn named(word: &str, things: &BTreeMap<Box<str>, Box<str>>) -> Self {
        match word {
            "own_user" => Self::OwnUser,
            "own_role" => Self::OwnRole,
            "own_group" => Self::OwnGroup,
            "own_policy" => Self::OwnPolicy,
            "bounded_user" => Self::BoundedUser,
            "bounded_role" => Self::BoundedRole,
            "other_user" => Self::OtherUser,
            "user_with_room" => Self::UserWithRoom,
            "user_without_room" => Self::UserWithoutRoom,
            "user_with_password" => Self::UserWithPassword,
            "user_without_password" => Self::UserWithoutPassword,
            "other_group" => Self::OtherGroup,
            "other_role" => Self::OtherRole,
            "trusting_role" => Self::TrustingRole,
            "taken_role" => Self::TakenRole,
            "strong_role" => Self::StrongRole,
            "policy_of_role" => Self::PolicyOfRole,
            "new_role" => Self::NewRole,
            thing => Self::Thing(things.get(thing).expect("a test reads the file").clone()),
        }
    }

    /// Returns what the ARN of such a thing looks like.
    pub fn pattern(&self) -> &str {
        match self {
            Self::OwnUser
            | Self::BoundedUser
            | Self::OtherUser
            | Self::UserWithRoom
            | Self::UserWithoutRoom
            | Self::UserWithPassword
            | Self::UserWithoutPassword => "arn:*:iam::*:user/*",
            Self::OwnRole
            | Self::BoundedRole
            | Self::OtherRole
            | Self::TrustingRole
            | Self::TakenRole
            | Self::StrongRole
            | Self::NewRole => "arn:*:iam::*:role/*",
            Self::OwnGroup | Self::OtherGroup => "arn:*:iam::*:group/*",
            // Twelve digits: an account's own policy. AWS's are not for anybody to change.
            Self::OwnPolicy | Self::PolicyOfRole => "arn:*:iam::????????????:policy/*",
            Self::Thing(pattern) => pattern,
        }
    }

    /// Returns whose it is.
    pub fn whose(&self) -> Whose {
        match self {
            Self::OwnUser | Self::BoundedUser | Self::OwnRole | Self::BoundedRole => Whose::Own,
            Self::OtherUser
            | Self::UserWithRoom
            | Self::UserWithoutRoom
            | Self::UserWithPassword
            | Self::UserWithoutPassword => Whose::Others,
            _ => Whose::Any,
        }
    }
}

/// Whose a thing is, which decides what `${aws:username}` can stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The holder itself.
    Own,
    /// Somebody else.
    Others,
    /// It does not matter.
    Any,
}
