//! Principals and scopes in words, for people.
//!
//! Invariant: texts are as their source wrote them; who prints them makes them fit for where they go.

use crate::grants::grant::Principal;
use crate::grants::grant::Scope;
use crate::grants::grant::Who;

impl Principal {
    /// Returns whom it means.
    pub fn text(&self) -> String {
        match self {
            Self::IdcUser { user_name, user_id, .. } => match (&**user_name, &**user_id) {
                ("", id) => id.to_owned(),
                (name, "") => name.to_owned(),
                (name, id) => format!("{name} ({id})"),
            },
            Self::IdcGroup { group_id, .. } => format!("group {group_id}"),
            Self::IamUserArn { arn } | Self::IamRoleArn { arn } => arn.to_string(),
            Self::AssumedRole { role_arn, session_name } => format!("{session_name} in {role_arn}"),
            Self::SourceIdentity { value } => format!("source identity {value}"),
            Self::SamlSubject { subject } | Self::OidcSubject { subject, .. } => {
                subject.to_string()
            }
            Self::Account { account } => format!("account {account}"),
        }
    }

    /// Returns whether it is `who`, by id or by name.
    pub fn is(&self, who: &Who) -> bool {
        let same = |one: &str, other: &str| !one.is_empty() && one.eq_ignore_ascii_case(other);
        match self {
            Self::IdcUser { user_id, user_name, .. } => {
                same(user_id, &who.user_id) || same(user_name, &who.user_name)
            }
            Self::IamUserArn { arn } => {
                let name = arn.rsplit('/').next().unwrap_or_default();
                same(arn, &who.user_name) || same(name, &who.user_name)
            }
            Self::SourceIdentity { value: name } | Self::SamlSubject { subject: name } => {
                same(name, &who.user_name)
            }
            Self::AssumedRole { session_name, .. } => same(session_name, &who.user_name),
            _ => false,
        }
    }
}

impl Who {
    /// Returns the name, or the id where there is none.
    pub fn text(&self) -> &str {
        if self.user_name.is_empty() { &self.user_id } else { &self.user_name }
    }
}

impl Scope {
    /// Returns what it limits, each limit with its values; what is not there is not limited.
    pub fn limits(&self) -> impl Iterator<Item = (&'static str, &[Box<str>])> {
        let lists = [
            ("permission sets", &self.permission_sets),
            ("roles", &self.role_arns),
            ("accounts", &self.accounts),
            ("actions", &self.actions),
            ("resources", &self.resources),
            ("regions", &self.regions),
            ("networks", &self.source_networks),
        ];
        lists.into_iter().filter_map(|(name, list)| Some((name, list.as_deref()?)))
    }
}
