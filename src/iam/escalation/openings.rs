//! What policies of resources give to users and roles of their own account that they name: a function that only its own policy
//! lets somebody change.
//!
//! Source: IAM User Guide, "Policy evaluation logic": in one account a resource's policy that names a user or role is enough.
//!
//! Invariant: what a resource's policy gives to a whole account it gives to nobody by itself.

use std::collections::BTreeSet;
use std::collections::HashMap;

use crate::iam::Document;
use crate::iam::State;
use crate::iam::escalation::reach::Sheet;
use crate::iam::holding::account_of;
use crate::iam::policy::Effect;
use crate::iam::policy::Listed;
use crate::iam::policy::Principal;
use crate::iam::policy::Statement;
use crate::iam::policy::Text;

/// What one resource's policy gives to one user or role.
pub struct Opening<'a> {
    /// The resource.
    pub arn: &'a str,
    /// Its policy.
    pub document: &'a Document,
    /// The statements of its policy that are about the user or role.
    pub sheet: Sheet<'a>,
}

/// What policies of resources give, by the ARN of whom they name.
#[derive(Default)]
pub struct Openings<'a>(HashMap<&'a str, Vec<Opening<'a>>>);

impl<'a> Openings<'a> {
    /// Reads the policies of all resources.
    pub fn of(state: &'a State) -> Self {
        let mut all = Self::default();
        for (id, account) in &state.accounts {
            for (arn, text) in &account.resources {
                let Text::Known(document) = text else { continue };
                for name in named(document).into_iter().filter(|name| account_of(name) == &**id) {
                    let sheet = Sheet::of_those([&**document], |it| is_about(it, name));
                    all.0.entry(name).or_default().push(Opening { arn, document, sheet });
                }
            }
        }
        all
    }

    /// Returns what is given to the user or role `arn`.
    pub fn to(&self, arn: &str) -> &[Opening<'a>] {
        self.0.get(arn).map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns whether the user or role `arn` is given `action` on anything.
    pub fn speak_of(&self, arn: &str, action: usize) -> bool {
        self.to(arn).iter().any(|opening| opening.sheet.speaks_of(action))
    }
}

/// Returns the users and roles that a policy gives something to.
fn named(document: &Document) -> BTreeSet<&str> {
    let allowing = document.statements.iter().filter(|it| it.effect == Effect::Allow);
    let lists = allowing.filter_map(|it| match &it.principals {
        Some(Listed::Only(principals)) => Some(principals),
        _ => None,
    });
    let names = lists.flatten().filter_map(|principal| match principal {
        Principal::Aws(name) if name.contains(":user/") || name.contains(":role/") => Some(&**name),
        _ => None,
    });
    names.collect()
}

/// Returns whether a statement gives to `arn` by its name, or takes from it in any way.
pub fn is_about(statement: &Statement, arn: &str) -> bool {
    let names = |it: &Principal| matches!(it, Principal::Aws(name) if **name == *arn);
    let is_of_account = |it: &Principal| match it {
        Principal::Everyone => true,
        Principal::Aws(name) => name.ends_with(":root") && account_of(name) == account_of(arn),
        _ => false,
    };
    match (statement.effect, &statement.principals) {
        (Effect::Allow, Some(Listed::Only(all))) => all.iter().any(names),
        (Effect::Deny, Some(Listed::Only(all))) => {
            all.iter().any(|it| names(it) || is_of_account(it))
        }
        // Whoever names the account in such a list names its users and roles.
        (Effect::Deny, Some(Listed::AllBut(all))) => {
            !all.iter().any(|it| names(it) || is_of_account(it))
        }
        _ => false,
    }
}
