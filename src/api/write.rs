//! Grants told over HTTP: one, many, or in a broker's own words.
//!
//! Invariant: a body is taken in whole or not at all. Nothing is handed over before all of it is read, and its sender
//! may speak for every source it names.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Path;
use axum::extract::State;
use axum::extract::rejection::PathRejection;
use axum::http::HeaderMap;
use axum::http::Request;
use axum::http::header;
use axum::http::request::Parts;
use axum::response::Response;
use serde_json::Value;
use serde_json::json;
use tracing::info;

use crate::api::body;
use crate::api::config::Scope;
use crate::api::gate::Gate;
use crate::api::problem::Kind;
use crate::api::problem::Problem;
use crate::api::problem::Wrong;
use crate::api::problem::wrongs;
use crate::api::routes::answer;
use crate::api::shared::Peer;
use crate::api::shared::Shared;
use crate::api::signature::Refused;
use crate::api::signature::Signer;
use crate::api::signature::UnderWay;
use crate::grants::Heard;
use crate::grants::Version;
use crate::grants::heard;
use crate::grants::message;
use crate::grants::message::Form;
use crate::model::Became;
use crate::model::bounded;

/// How many grants the log names of one write.
const MAX_NAMED: usize = 20;

/// A path with one name in it.
pub(super) type Name = Result<Path<String>, PathRejection>;

/// What a request told, and by whom.
pub(super) struct Told {
    /// Who, for log and evidence.
    pub(super) by: String,
    /// From where, for the log.
    pub(super) from: Option<Peer>,
    /// What, with the line of each.
    pub(super) versions: Vec<(usize, Version)>,
    /// Lines that a preset passed over.
    pub(super) passed: Vec<usize>,
    /// The signatures that it came with.
    pub(super) signed: Vec<UnderWay>,
}

/// `PUT /v1/grants/{id}`: one message about the grant of that name.
pub(super) async fn put(
    State(shared): State<Arc<Shared>>,
    id: Name,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let id = name(id)?;
    let told = neutral(&shared, request, |found| match found {
        [(line, version)] if *version.id.0 != *id => {
            let detail = format!("is `{}`, and the path says `{id}`", version.id.0);
            Err(wrong(*line, version, "id", detail))
        }
        [_] => Ok(()),
        several => {
            let what = format!("there are {} messages; PUT takes one", several.len());
            Err(Problem::new(Kind::BadMessage, what))
        }
    });
    let told = told.await?;
    take(shared, told).await
}

/// `POST /v1/grants`: messages, as a JSON object, a JSON array or a line each.
pub(super) async fn post(
    State(shared): State<Arc<Shared>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let told = neutral(&shared, request, |_| Ok(())).await?;
    take(shared, told).await
}

/// `POST /v1/hooks/{preset}`: messages in a broker's own words.
pub(super) async fn hook(
    State(shared): State<Arc<Shared>>,
    preset: Name,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let preset = name(preset)?;
    let (gate, now) = (shared.gate(), shared.now());
    let (head, body) = request.into_parts();
    // Whoever has no token hears nothing of which presets there are, unless one is open to signatures.
    let found = shared.presets.get(&preset);
    let source = found.map(|preset| preset.name().to_owned()).unwrap_or_default();
    let signer = gate.signer(&source).filter(|_| found.is_some());
    let holder = match signer {
        Some(_) => None,
        None => Some(gate.admit(&head.headers, Scope::Write, now)?),
    };
    let Some(found) = found else {
        let what = format!("there is no preset `{preset}`; `grantwatch grants presets` lists them");
        return Err(Problem::new(Kind::NotFound, what));
    };
    let bytes = body::read(&head.headers, body, shared.bounds).await?;
    let signed = match signer {
        Some(signer) => vec![verified(&shared, signer, &head.headers, &bytes)?],
        None => Vec::new(),
    };
    let text = text(bytes)?;
    let heard = heard(&text, Form::told_by(&text), Some(found), &shared.limits);
    let (versions, passed) = understood(heard)?;
    for (line, version) in &versions {
        let may_write = match &holder {
            Some(holder) => holder.writes_for(&version.source),
            None => *version.source == *source,
        };
        if !may_write {
            return Err(not_yours(*line, version));
        }
    }
    let by = holder.map_or_else(|| format!("webhook:{source}"), |holder| holder.name.clone());
    let from = head.extensions.get::<Peer>().copied();
    let signed = signed.into_iter().flatten().collect();
    take(shared, Told { by, from, versions, passed, signed }).await
}

/// Reads our own messages from a request; `fits` says whether they are what the path is for.
async fn neutral(
    shared: &Shared,
    request: Request<Body>,
    fits: impl FnOnce(&[(usize, Version)]) -> Result<(), Problem>,
) -> Result<Told, Problem> {
    let gate = shared.gate();
    let (head, body) = request.into_parts();
    let holder = gate.admit(&head.headers, Scope::Write, shared.now())?;
    is_json(&head)?;
    let bytes = body::read(&head.headers, body, shared.bounds).await?;
    let text = text(bytes)?;
    let heard = heard(&text, Form::told_by(&text), None, &shared.limits);
    let (versions, passed) = understood(heard)?;
    fits(&versions)?;
    for (line, version) in &versions {
        if !holder.writes_for(&version.source) {
            return Err(not_yours(*line, version));
        }
    }
    let signed = signatures(shared, &gate, &versions, &head.headers, text.as_bytes())?;
    let from = head.extensions.get::<Peer>().copied();
    Ok(Told { by: holder.name.clone(), from, versions, passed, signed })
}

/// Checks the signature of each source that has to sign.
fn signatures(
    shared: &Shared,
    gate: &Gate,
    versions: &[(usize, Version)],
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Vec<UnderWay>, Problem> {
    let mut sources: Vec<&str> = versions.iter().map(|(_, version)| &*version.source).collect();
    sources.sort_unstable();
    sources.dedup();
    let mut signed = Vec::new();
    for signer in sources.into_iter().filter_map(|source| gate.signer(source)) {
        signed.extend(verified(shared, signer, headers, body)?);
    }
    Ok(signed)
}

pub(super) fn verified(
    shared: &Shared,
    signer: &Signer,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Option<UnderWay>, Problem> {
    let now = shared.now();
    let refuse = |refused: Refused| {
        let kind = match refused {
            Refused::Replayed => Kind::Replayed,
            Refused::Full => Kind::Unavailable,
            Refused::Missing(_) | Refused::Unverified(_) => Kind::BadSignature,
        };
        Problem::new(kind, refused.to_string())
    };
    let seen = signer.verify(headers, body, now).map_err(refuse)?;
    seen.map(|seen| shared.received.begin(seen, now)).transpose().map_err(refuse)
}

/// Hands over what was told and answers with what became of it. It goes on where the client goes away: what is
/// committed stands in the log.
pub(super) async fn take(shared: Arc<Shared>, told: Told) -> Result<Response, Problem> {
    let taken = tokio::spawn(async move {
        let Told { by, from, versions, passed, signed } = told;
        let (lines, versions): (Vec<usize>, Vec<Version>) = versions.into_iter().unzip();
        let became = match versions.is_empty() {
            true => Vec::new(),
            false => shared.commit(&by, &versions).await?,
        };
        signed.into_iter().for_each(UnderWay::keep);
        note(&by, from, &versions, &became);
        let told: Vec<(usize, &Version)> = lines.into_iter().zip(&versions).collect();
        Ok(results(&told, &became, &passed))
    });
    taken.await.unwrap_or_else(|_| Err(Problem::new(Kind::Internal, "taking it in failed")))
}

/// Tells the log who told of which grants.
fn note(by: &str, from: Option<Peer>, versions: &[Version], became: &[Became]) {
    let count = |wanted: Became| became.iter().filter(|became| **became == wanted).count();
    let named = versions.iter().take(MAX_NAMED).map(|version| &*version.id.0);
    let mut grants = named.collect::<Vec<_>>().join(" ");
    if versions.len() > MAX_NAMED {
        grants += &format!(" and {} more", versions.len() - MAX_NAMED);
    }
    let from = from.map(|peer| peer.0.to_string()).unwrap_or_default();
    info!(
        by,
        from,
        grants,
        new = count(Became::New),
        known = count(Became::Duplicate),
        contradicting = count(Became::Conflict),
        "grants were told over the API"
    );
}

/// Returns the answer: what became of each message, by line.
pub(super) fn results(told: &[(usize, &Version)], became: &[Became], passed: &[usize]) -> Response {
    let mut results: Vec<(usize, Value)> = Vec::new();
    for (index, (line, version)) in told.iter().enumerate() {
        let result = match became.get(index) {
            Some(Became::New) => "new",
            Some(Became::Conflict) => "conflict",
            Some(Became::Rejected) => "rejected",
            // A delivery that was known says nothing of its messages: they are.
            Some(Became::Duplicate) | None => "duplicate",
        };
        let revision = version.revision;
        let result =
            json!({"line": line, "id": version.id, "revision": revision, "result": result});
        results.push((*line, result));
    }
    results
        .extend(passed.iter().map(|line| (*line, json!({"line": line, "result": "passed_over"}))));
    results.sort_by_key(|(line, _)| *line);
    let results: Vec<Value> = results.into_iter().map(|(_, result)| result).collect();
    answer(&json!({"results": results}))
}

/// What was understood, each with its line, and the lines that were passed over.
type Understood = (Vec<(usize, Version)>, Vec<usize>);

/// Returns what was heard if all of it was understood.
fn understood(heard: Vec<Heard>) -> Result<Understood, Problem> {
    if heard.is_empty() {
        return Err(Problem::new(Kind::Unreadable, "there is no message in it"));
    }
    let (count, mut errors) = (heard.len(), Vec::new());
    let (mut versions, mut passed) = (Vec::new(), Vec::new());
    for Heard { line, said } in heard {
        match said {
            Ok(Some(version)) => versions.push((line, version)),
            Ok(None) => passed.push(line),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() {
        return Ok((versions, passed));
    }
    let is_no_message = |error: &message::MessageError| {
        error.id.is_empty() && error.mistakes.iter().all(|mistake| mistake.field.is_empty())
    };
    let kind = match errors.len() == count && errors.iter().all(is_no_message) {
        true => Kind::Unreadable,
        false => Kind::BadMessage,
    };
    let what = format!("{} of {count} messages cannot be read; nothing was taken in", errors.len());
    Err(Problem::new(kind, what).at(errors.iter().flat_map(wrongs).collect()))
}

fn wrong(line: usize, version: &Version, field: &str, detail: String) -> Problem {
    let (id, field) = (version.id.0.to_string(), field.to_owned());
    Problem::new(Kind::BadMessage, "nothing was taken in").at(vec![Wrong {
        line,
        id,
        field,
        detail,
    }])
}

pub(super) fn not_yours(line: usize, version: &Version) -> Problem {
    let detail = format!("`{}` is no source that may be written for with this", version.source);
    let (id, field) = (version.id.0.to_string(), "source".to_owned());
    let at = vec![Wrong { line, id, field, detail }];
    Problem::new(Kind::Forbidden, "nothing was taken in").at(at)
}

/// Refuses a body that says of itself that it is something else than JSON.
fn is_json(head: &Parts) -> Result<(), Problem> {
    let Some(value) = head.headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let value = value.to_str().unwrap_or_default().to_ascii_lowercase();
    let kind = value.split(';').next().unwrap_or_default().trim();
    let is_known =
        ["application/json", "application/x-ndjson", "application/ndjson", "application/jsonl"]
            .contains(&kind)
            || kind.ends_with("+json");
    if is_known {
        return Ok(());
    }
    let shown = bounded(kind, 100);
    let what = format!("`{shown}` is not read; send application/json or application/x-ndjson");
    Err(Problem::new(Kind::UnsupportedType, what))
}

fn text(bytes: Vec<u8>) -> Result<String, Problem> {
    String::from_utf8(bytes).map_err(|_| Problem::new(Kind::Unreadable, "it is not UTF-8"))
}

/// Returns the name in a path.
pub(super) fn name(name: Name) -> Result<String, Problem> {
    match name {
        Ok(Path(name)) => Ok(name),
        Err(_) => Err(Problem::new(Kind::NotFound, "the path is not UTF-8")),
    }
}
