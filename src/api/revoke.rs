//! Grants taken back over HTTP.
//!
//! Invariant: a revocation is a version like any other, above all that its source said before; it overwrites nothing.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::Request;
use axum::response::Response;
use serde::Deserialize;

use crate::api::body;
use crate::api::config::Scope;
use crate::api::problem::Kind;
use crate::api::problem::Problem;
use crate::api::problem::Wrong;
use crate::api::problem::wrongs;
use crate::api::read;
use crate::api::shared::Peer;
use crate::api::shared::Shared;
use crate::api::write::Name;
use crate::api::write::Told;
use crate::api::write::name;
use crate::api::write::not_yours;
use crate::api::write::results;
use crate::api::write::take;
use crate::api::write::verified;
use crate::grants::GrantId;
use crate::grants::Status;
use crate::grants::Version;
use crate::grants::message;
use crate::model::Became;

/// Why a grant was taken back.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Revocation {
    reason: String,
}

/// `POST /v1/grants/{id}/revoke`: the next version of a grant, which takes it back from now on.
pub(super) async fn revoke(
    State(shared): State<Arc<Shared>>,
    id: Name,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let id = GrantId(name(id)?.into());
    let (gate, now) = (shared.gate(), shared.now());
    let (head, body) = request.into_parts();
    let holder = gate.admit(&head.headers, Scope::Write, now)?;
    let bytes = body::read(&head.headers, body, shared.bounds).await?;
    let revocation: Revocation = match bytes.as_slice() {
        b"" => Revocation::default(),
        bytes => serde_json::from_slice(bytes).map_err(|error| {
            let what = "a body is `{\"reason\": \"…\"}`, or there is none";
            let detail = error.to_string();
            let at = Wrong {
                line: error.line().max(1),
                id: String::new(),
                field: String::new(),
                detail,
            };
            Problem::new(Kind::BadMessage, what).at(vec![at])
        })?,
    };
    let signed = |source: &str| match gate.signer(source) {
        Some(signer) => verified(&shared, signer, &head.headers, &bytes),
        None => Ok(None),
    };
    let latest = read::latest(&shared, &id).await?;
    if !holder.writes_for(&latest.source) {
        return Err(not_yours(1, &latest));
    }
    let signed = signed(&latest.source)?.into_iter().collect();
    match latest.status {
        Status::Revoked => return Ok(results(&[(1, &latest)], &[Became::Duplicate], &[])),
        status if status.is_final() => {
            let what = format!("`{}` is over already: its source said `{}`", id.0, status.name());
            return Err(Problem::new(Kind::AlreadyOver, what));
        }
        _ => {}
    }
    let reason = match revocation.reason.trim() {
        "" => format!("revoked over the API by {}", holder.name),
        reason => reason.to_owned(),
    };
    let mut revoked = Version {
        // Above the broker's, so that what it said before and comes late does not give the access again.
        revision: latest.revision.saturating_add(1),
        emitted_at: now.max(latest.emitted_at),
        status: Status::Revoked,
        justification: reason.into(),
        ..latest
    };
    // A window that was longer than is believed today must not keep a grant from being taken back.
    let longest = revoked.window.from.plus(shared.limits.max_duration);
    revoked.window.until = revoked.window.until.min(longest);
    let versions = vec![(1, readable(&shared, revoked)?)];
    let from = head.extensions.get::<Peer>().copied();
    let told = Told { by: holder.name.clone(), from, versions, passed: Vec::new(), signed };
    take(shared, told).await
}

/// Returns `version` as its message is read.
fn readable(shared: &Shared, version: Version) -> Result<Version, Problem> {
    message::read(&message::written(&version), &shared.limits).map_err(|error| {
        let errors = wrongs(&message::MessageError { line: 1, ..error }).collect();
        Problem::new(Kind::BadMessage, "the grant cannot be told of like this").at(errors)
    })
}
