//! What two documents share: statements in another order, said twice, or with a list split into statements of their own, and of
//! lists that differ what both hold.
//!
//! Invariant: whatever is taken for shared, both documents say in whole.

use std::borrow::Cow;

use crate::iam::policy::Document;
use crate::iam::policy::Effect;
use crate::iam::policy::Kind;
use crate::iam::policy::Listed;
use crate::iam::policy::Statement;

/// The statements of two documents.
pub(super) struct Shared<'d> {
    /// What both have.
    pub(super) both: Vec<Cow<'d, Statement>>,
    /// What only the first has.
    pub(super) gone: Vec<Cow<'d, Statement>>,
    /// What only the second has.
    pub(super) come: Vec<Cow<'d, Statement>>,
}

/// A list that may be split into statements of their own.
#[derive(Debug, Clone, Copy)]
enum List {
    /// `Action`.
    Actions,
    /// `Resource`.
    Resources,
}

impl<'d> Shared<'d> {
    /// Tells the statements of two documents apart.
    pub(super) fn of(
        (before, after): (&'d Document, &'d Document),
        kind: Kind,
        everything: &'d Statement,
    ) -> Self {
        let old = statements(before, kind, everything);
        let new = statements(after, kind, everything);
        let borrowed = |all: Vec<&'d Statement>| all.into_iter().map(Cow::Borrowed).collect();
        if before.language != after.language {
            return Self { both: Vec::new(), gone: borrowed(old), come: borrowed(new) };
        }
        let has = |all: &[&Statement], one: &Statement| all.iter().any(|it| is_same(it, one));
        let (same, gone): (Vec<&Statement>, Vec<&Statement>) =
            old.into_iter().partition(|it| has(&new, it));
        let come = new.into_iter().filter(|it| !has(&same, it)).collect();
        let mut shared = Self { both: borrowed(same), gone: borrowed(gone), come: borrowed(come) };
        shared.find_lists(List::Actions);
        shared.find_lists(List::Resources);
        shared
    }

    /// Finds what differs in one list only, whichever way that is split, and parts it: a statement about two things says the same
    /// as one about each.
    fn find_lists(&mut self, list: List) {
        let mut at = 0;
        while let Some(first) = self.gone.get(at).cloned() {
            let is_part = |it: &&Cow<'d, Statement>| is_alike(&first, it, list);
            let is = union(self.come.iter().filter(is_part), list);
            let was = match is.is_empty() {
                true => Vec::new(),
                false => union(self.gone.iter().filter(is_part), list),
            };
            let is_shared = |it: &&str| is.binary_search(it).is_ok();
            let (shared, gone): (Vec<&str>, Vec<&str>) = was.iter().partition(|it| is_shared(it));
            if shared.is_empty() {
                at += 1;
                continue;
            }
            let come = is.iter().copied().filter(|it| was.binary_search(it).is_err());
            let about = |held: Vec<&str>| about(&first, list, held);
            let (shared, gone, come) = (about(shared), about(gone), about(come.collect()));
            self.both.extend(shared);
            self.gone.retain(|it| !is_part(&it));
            self.come.retain(|it| !is_part(&it));
            self.gone.extend(gone);
            self.come.extend(come);
        }
    }
}

/// Returns a statement about what a list holds, if that is anything.
fn about<'d>(statement: &Statement, list: List, held: Vec<&str>) -> Option<Cow<'d, Statement>> {
    if held.is_empty() {
        return None;
    }
    let held = Listed::Only(held.into_iter().map(Box::from).collect());
    Some(Cow::Owned(match list {
        List::Actions => Statement { actions: held, ..statement.clone() },
        List::Resources => Statement { resources: Some(held), ..statement.clone() },
    }))
}

/// Returns the statements of a document, each once, and those that stand beside it.
fn statements<'d>(
    document: &'d Document,
    kind: Kind,
    everything: &'d Statement,
) -> Vec<&'d Statement> {
    let mut all: Vec<&Statement> = Vec::with_capacity(document.statements.len());
    for statement in &document.statements {
        if !all.iter().any(|it| is_same(it, statement)) {
            all.push(statement);
        }
    }
    let is_list = matches!(kind, Kind::ServiceControl | Kind::ResourceControl);
    if is_list && !all.iter().any(|it| it.effect == Effect::Allow) {
        all.push(everything);
    }
    all
}

/// Returns whether two statements say the same, whatever their names are.
fn is_same(one: &Statement, other: &Statement) -> bool {
    one.actions == other.actions && one.resources == other.resources && is_rest_same(one, other)
}

/// Returns whether two statements differ at most in what one of their lists holds.
fn is_alike(one: &Statement, other: &Statement, list: List) -> bool {
    let is_same = match list {
        List::Actions => one.resources == other.resources,
        List::Resources => one.actions == other.actions,
    };
    is_same && is_rest_same(one, other)
}

/// Returns whether two statements are the same but for what they are about.
fn is_rest_same(one: &Statement, other: &Statement) -> bool {
    one.effect == other.effect
        && one.conditions == other.conditions
        && one.principals == other.principals
}

/// Returns what a list of some statements holds together, in order; nothing where one of them holds all but what it names.
fn union<'s, 'd: 's>(of: impl Iterator<Item = &'s Cow<'d, Statement>>, list: List) -> Vec<&'s str> {
    let mut all = Vec::new();
    for statement in of {
        let held = match list {
            List::Actions => Some(&statement.actions),
            List::Resources => statement.resources.as_ref(),
        };
        let Some(Listed::Only(held)) = held else { return Vec::new() };
        all.extend(held.iter().map(|it| &**it));
    }
    all.sort_unstable();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use serde_json::json;

    use super::*;

    /// Returns how many statements both have, only the first and only the second.
    fn counted(before: &Value, after: &Value) -> [usize; 3] {
        let read = |statements: &Value| {
            let text = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
            Document::parse(&text, Kind::Identity).unwrap()
        };
        let (before, after, everything) = (read(before), read(after), Statement::everything());
        let shared = Shared::of((&before, &after), Kind::Identity, &everything);
        [shared.both.len(), shared.gone.len(), shared.come.len()]
    }

    fn statement(effect: &str, actions: &Value, resources: &Value) -> Value {
        json!({"Effect": effect, "Action": actions, "Resource": resources})
    }

    #[test]
    fn a_list_may_be_split_into_statements() {
        let whole =
            statement("Allow", &json!(["s3:Get*", "s3:Put*"]), &json!(["*", "arn:aws:s3:::a"]));
        let gets = statement("Allow", &json!("s3:Get*"), &json!(["*", "arn:aws:s3:::a"]));
        let puts = statement("Allow", &json!("s3:Put*"), &json!(["*", "arn:aws:s3:::a"]));
        let both = json!([puts, gets]);
        assert_eq!(counted(&json!([whole]), &both), [1, 0, 0]);
        assert_eq!(counted(&both, &json!([whole])), [1, 0, 0]);
        let actions = json!(["s3:Get*", "s3:Put*"]);
        let parts = ["*", "arn:aws:s3:::a"].map(|it| statement("Allow", &actions, &json!(it)));
        assert_eq!(counted(&json!([whole]), &json!(parts)), [1, 0, 0]);
    }

    #[test]
    fn of_lists_that_differ_both_share_what_both_hold() {
        let on = |buckets: &[&str]| {
            let arns: Vec<String> = buckets.iter().map(|it| format!("arn:aws:s3:::{it}")).collect();
            statement("Allow", &json!("s3:Get*"), &json!(arns))
        };
        let (before, after) = (on(&["a", "b", "c"]), on(&["c", "d", "b"]));
        assert_eq!(counted(&json!([before]), &json!([after])), [1, 1, 1]);
        assert_eq!(counted(&json!([before]), &json!([on(&["b"])])), [1, 1, 0]);
        assert_eq!(counted(&json!([on(&["a"]), on(&["b"])]), &json!([before])), [1, 0, 1]);
        assert_eq!(counted(&json!([on(&["a"])]), &json!([on(&["b"])])), [0, 1, 1]);
    }

    #[test]
    fn what_says_less_or_more_is_not_shared() {
        let whole = statement("Allow", &json!(["s3:Get*", "s3:Put*"]), &json!("*"));
        let gets = statement("Allow", &json!("s3:Get*"), &json!("*"));
        let puts = statement("Deny", &json!("s3:Put*"), &json!("*"));
        let all = json!({"Effect": "Allow", "NotAction": ["s3:Get*", "s3:Put*"], "Resource": "*"});
        assert_eq!(counted(&json!([whole]), &json!([gets])), [1, 1, 0]);
        assert_eq!(counted(&json!([whole]), &json!([puts])), [0, 1, 1]);
        assert_eq!(counted(&json!([whole]), &json!([all])), [0, 1, 1]);
        assert_eq!(counted(&json!([whole, gets]), &json!([gets])), [1, 1, 0]);
    }
}
