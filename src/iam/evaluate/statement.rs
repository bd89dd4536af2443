//! What the statements of one policy say of a request.
//!
//! Invariant: a statement counts if all its parts hold; of one that may hold it is kept what that depends on.

use crate::iam::evaluate::condition;
use crate::iam::evaluate::principal;
use crate::iam::evaluate::principal::Named;
use crate::iam::evaluate::scene::Scene;
use crate::iam::evaluate::truth::Truth;
use crate::iam::evaluate::variable::How;
use crate::iam::evaluate::variable::fits;
use crate::iam::pattern::matches;
use crate::iam::pattern::segments;
use crate::iam::policy::Document;
use crate::iam::policy::Effect;
use crate::iam::policy::Language;
use crate::iam::policy::Listed;
use crate::iam::policy::Statement;

/// What one statement says.
#[derive(Debug, Clone)]
pub(in crate::iam) struct Said {
    /// Which statement, from 0.
    pub at: usize,
    /// Whether it allows or denies.
    pub effect: Effect,
    /// How it names who acts; a policy that names nobody is about its holder, directly.
    pub named: Named,
}

/// Returns the statements that hold of a request, or may.
pub(in crate::iam) fn said<'a>(
    scene: &'a Scene<'_>,
    document: &'a Document,
) -> impl Iterator<Item = Said> + 'a {
    let statements = document.statements.iter().enumerate();
    statements.filter_map(move |(at, statement)| {
        let holds = holds(scene, document.language, statement);
        if holds == Truth::False {
            return None;
        }
        let named = match &statement.principals {
            Some(principals) => principal::named(scene, statement.effect, principals),
            None => Named { direct: Truth::True, role: Truth::False, account: Truth::False },
        };
        let named = Named {
            direct: named.direct.and(holds.clone()),
            role: named.role.and(holds.clone()),
            account: named.account.and(holds),
        };
        let is_about = named.clone().at_all() != Truth::False;
        is_about.then_some(Said { at, effect: statement.effect, named })
    })
}

/// Returns whether actions, resources and conditions of a statement fit a request.
fn holds(scene: &Scene<'_>, language: Language, statement: &Statement) -> Truth {
    let is_action = match &statement.actions {
        Listed::Only(list) => list.iter().any(|action| matches(action, &scene.action)),
        Listed::AllBut(list) => !list.iter().any(|action| matches(action, &scene.action)),
    };
    if !is_action {
        return Truth::False;
    }
    let one = |written: &str| resource(scene, language, written);
    let is_resource = match &statement.resources {
        None => Truth::True,
        Some(Listed::Only(list)) => Truth::any(list.iter().map(|written| one(written))),
        Some(Listed::AllBut(list)) => Truth::any(list.iter().map(|written| one(written))).not(),
    };
    if is_resource == Truth::False {
        return Truth::False;
    }
    let conditions = statement.conditions.iter();
    is_resource.and(Truth::all(conditions.map(|one| condition::holds(scene, language, one))))
}

fn resource(scene: &Scene<'_>, language: Language, written: &str) -> Truth {
    let asked = scene.request.resource;
    // API Gateway completes what its policies write short: `execute-api:/stage/GET/*` is of the API that has the policy.
    if let (Some(short), Some(segments)) = (written.strip_prefix("execute-api:/"), segments(asked))
    {
        let path = segments[5].split_once('/').map_or("", |(_, path)| path);
        let is_api = segments[2] == "execute-api";
        return Truth::from(is_api).and(fits(scene, language, short, path, How::Like));
    }
    fits(scene, language, written, asked, How::Arn)
}
