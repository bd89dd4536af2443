//! Grants looked at over HTTP, as of the last commit.
//!
//! Invariant: a request looks at a bounded number of versions; a page that ends before the grants do says where to go
//! on, even if nothing on it fitted.

use std::sync::Arc;
use std::sync::PoisonError;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::Uri;
use axum::response::Response;
use serde_json::Value;
use serde_json::json;
use tracing::error;
use url::form_urlencoded;

use crate::api::config::Scope;
use crate::api::problem::Kind;
use crate::api::problem::Problem;
use crate::api::routes::answer;
use crate::api::shared::Shared;
use crate::api::write::name;
use crate::grants::Grant;
use crate::grants::GrantId;
use crate::grants::Ledger;
use crate::grants::Principal;
use crate::grants::Status;
use crate::grants::Version;
use crate::grants::message::written;
use crate::model::Seconds;
use crate::store::StoreError;
use crate::telemetry::chain;

/// Versions that are read at a time.
const STEP: usize = 1_000;
/// Versions that one request looks at.
const MAX_SEEN: usize = 20_000;
/// Grants on a page, if nobody says how many, and at most.
const PAGE: usize = 100;
const MAX_PAGE: usize = 1_000;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Query {
    user: Option<String>,
    account: Option<String>,
    status: Option<Status>,
    at: Option<Seconds>,
    after: String,
    limit: usize,
}

/// `GET /v1/grants`: the grants that fit, by name.
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    shared.gate().admit(&headers, Scope::Read, shared.now())?;
    let query = query(uri.query().unwrap_or_default())?;
    let now = shared.now();
    let (found, next) = look(&shared, move |connection| page(connection, &query, now)).await?;
    let mut body = json!({"grants": found});
    if let Some(next) = next {
        body["next"] = json!(next);
    }
    Ok(answer(&body))
}

/// `GET /v1/grants/{id}`: one grant with all that was said of it and where that came from.
pub(super) async fn get(
    State(shared): State<Arc<Shared>>,
    id: Result<axum::extract::Path<String>, axum::extract::rejection::PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    shared.gate().admit(&headers, Scope::Read, shared.now())?;
    let id = GrantId(name(id)?.into());
    let grant = one(&shared, &id).await?;
    let mut body = shown(&grant, shared.now());
    let versions = grant.versions().map(|(version, evidence)| {
        let evidence = json!({"from": evidence.from, "arrived": evidence.arrived.to_string()});
        json!({"message": written(version), "evidence": evidence})
    });
    body["versions"] = Value::Array(versions.collect());
    Ok(answer(&body))
}

/// Returns the last that was said of a grant.
pub(super) async fn latest(shared: &Arc<Shared>, id: &GrantId) -> Result<Version, Problem> {
    Ok(one(shared, id).await?.latest().clone())
}

async fn one(shared: &Arc<Shared>, id: &GrantId) -> Result<Grant, Problem> {
    let wanted = id.clone();
    let found = look(shared, move |connection| {
        let mut ledger = Ledger::default();
        ledger.load_one(connection, &wanted)?;
        Ok(ledger.get(&wanted).cloned())
    });
    let missing = || Problem::new(Kind::NotFound, format!("there is no grant `{}`", id.0));
    found.await?.ok_or_else(missing)
}

/// Looks into the store on a thread that may wait.
async fn look<T: Send + 'static>(
    shared: &Arc<Shared>,
    see: impl FnOnce(&crate::store::Connection) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Problem> {
    let shared = Arc::clone(shared);
    let looked = tokio::task::spawn_blocking(move || {
        let reader = shared.reader.lock().unwrap_or_else(PoisonError::into_inner);
        see(&reader)
    });
    let failed = || Problem::new(Kind::Internal, "the store cannot be read");
    match looked.await {
        Ok(Ok(seen)) => Ok(seen),
        Ok(Err(error)) => {
            error!(error = %chain(&error), "could not read grants for the API");
            Err(failed())
        }
        Err(error) => {
            error!(error = %chain(&error), "could not read grants for the API");
            Err(failed())
        }
    }
}

/// Returns the grants that fit, and where to go on if there may be more.
fn page(
    connection: &crate::store::Connection,
    query: &Query,
    now: Seconds,
) -> Result<(Vec<Value>, Option<GrantId>), StoreError> {
    let (mut found, mut after, mut seen) = (Vec::new(), query.after.clone(), 0);
    loop {
        let mut ledger = Ledger::default();
        let next = ledger.load_after(connection, &after, STEP)?;
        let mut grants = ledger.iter().peekable();
        while let Some(grant) = grants.next() {
            seen += grant.versions().count();
            if fits(grant, query, now) {
                found.push(shown(grant, query.at.unwrap_or(now)));
            }
            if found.len() >= query.limit {
                let is_last = next.is_none() && grants.peek().is_none();
                return Ok((found, (!is_last).then(|| grant.id().clone())));
            }
        }
        match next {
            Some(next) if seen < MAX_SEEN => after = next.0.into_string(),
            next => return Ok((found, next)),
        }
    }
}

fn shown(grant: &Grant, time: Seconds) -> Value {
    let version = grant.as_of(time).unwrap_or_else(|| grant.latest());
    let status = grant.state(time).unwrap_or(version.status);
    json!({"id": grant.id(), "status": status.name(), "message": written(version)})
}

fn fits(grant: &Grant, query: &Query, now: Seconds) -> bool {
    let time = query.at.unwrap_or(now);
    let (version, status) = match (grant.as_of(time), query.at) {
        (Some(version), _) => (version, grant.state(time)),
        (None, Some(_)) => return false,
        // What its source says of it lies ahead of our clock.
        (None, None) => (grant.latest(), Some(grant.latest().status)),
    };
    let is_user = |wanted: &String| {
        let wanted = wanted.to_lowercase();
        let mut names = version.principals.iter().flat_map(names);
        names.any(|name| name.to_lowercase() == wanted)
    };
    let is_account = |wanted: &String| {
        let accounts = version.scope.accounts.as_ref();
        accounts.is_none_or(|accounts| accounts.iter().any(|account| **account == **wanted))
    };
    query.user.as_ref().is_none_or(is_user)
        && query.account.as_ref().is_none_or(is_account)
        && query.status.is_none_or(|wanted| status == Some(wanted))
}

/// Returns what a principal is called: names, ids, ARNs.
fn names(principal: &Principal) -> Vec<&str> {
    let all: Vec<&str> = match principal {
        Principal::IdcUser { user_id, user_name, .. } => vec![user_id, user_name],
        Principal::IdcGroup { group_id, .. } => vec![group_id],
        Principal::IamUserArn { arn } | Principal::IamRoleArn { arn } => vec![arn],
        Principal::AssumedRole { role_arn, session_name } => vec![role_arn, session_name],
        Principal::SourceIdentity { value } => vec![value],
        Principal::SamlSubject { subject } | Principal::OidcSubject { subject, .. } => {
            vec![subject]
        }
        Principal::Account { account } => vec![account],
    };
    all.into_iter().filter(|name| !name.is_empty()).collect()
}

/// Reads the query of a list.
fn query(text: &str) -> Result<Query, Problem> {
    let mut query = Query {
        user: None,
        account: None,
        status: None,
        at: None,
        after: String::new(),
        limit: PAGE,
    };
    for (key, value) in form_urlencoded::parse(text.as_bytes()) {
        let wrong = |what: &str| Err(Problem::new(Kind::BadQuery, format!("`{key}`: {what}")));
        match &*key {
            "user" => query.user = Some(value.into_owned()),
            "account" => query.account = Some(value.into_owned()),
            "after" => query.after = value.into_owned(),
            "status" => match serde_json::from_value(json!(value)) {
                Ok(status) => query.status = Some(status),
                Err(_) => return wrong("is no state of a grant"),
            },
            "at" => match Seconds::parse(&value) {
                Some(at) => query.at = Some(at),
                None => return wrong("is no time; write it like 2026-03-01T08:00:00Z"),
            },
            "limit" => match value.parse() {
                Ok(limit @ 1..=MAX_PAGE) => query.limit = limit,
                _ => return wrong("is a number from 1 to 1000"),
            },
            _ => return wrong("there are `user`, `account`, `status`, `at`, `limit` and `after`"),
        }
    }
    Ok(query)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::testkit;

    fn ids(text: &str) -> (Vec<String>, Option<String>) {
        let folder = tempfile::tempdir().unwrap();
        let store = testkit::store(&folder, &["a-1", "a-2", "b-1", "b-2", "b-3"]);
        let query = query(text).unwrap();
        let (found, next) = page(store.connection(), &query, testkit::NOW).unwrap();
        let ids = found.iter().map(|grant| grant["id"].as_str().unwrap().to_owned()).collect();
        (ids, next.map(|next| next.0.into_string()))
    }

    #[test]
    fn pages_follow_one_another() {
        assert_eq!(ids("limit=2"), (vec!["a-1".into(), "a-2".into()], Some("a-2".into())));
        assert_eq!(
            ids("limit=2&after=a-2"),
            (vec!["b-1".into(), "b-2".into()], Some("b-2".into()))
        );
        assert_eq!(ids("limit=2&after=b-2"), (vec!["b-3".into()], None));
        assert_eq!(ids("limit=5").1, None, "nothing follows the last");
    }

    #[test]
    fn what_is_asked_for_has_to_fit() {
        let count = |text: &str| ids(text).0.len();
        assert_eq!(count("user=ALICE%40example.com"), 5);
        assert_eq!(count("user=alice"), 0, "a name is a name, not a part of it");
        assert_eq!(count("account=111122223333&status=active"), 5);
        assert_eq!(count("account=999988887777"), 0);
        assert_eq!(count("status=ended"), 0);
        assert_eq!(count("status=ended&at=2026-03-02T00:00:00Z"), 5, "by the clock");
        assert_eq!(count("at=2026-02-01T00:00:00Z"), 0, "nobody had heard of them");
    }

    #[test]
    fn a_query_that_is_wrong_names_its_key() {
        for text in ["status=on", "at=noon", "limit=0", "limit=1001", "users=a"] {
            let problem = query(text).unwrap_err();
            let key = text.split('=').next().unwrap();
            assert_eq!(problem.kind(), Kind::BadQuery);
            assert!(format!("{problem:?}").contains(&format!("`{key}`")), "{problem:?}");
        }
    }
}
