//! What there is to ask for: each route once, with what serves it.
//!
//! Invariant: `openapi.json` describes these routes and no others; a test holds the two together.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;
use axum::middleware;
use axum::middleware::Next;
use axum::response::IntoResponse;
use axum::response::Response;
use axum::routing::MethodRouter;
use axum::routing::get;
use axum::routing::post;
use axum::routing::put;
use serde_json::Value;
use serde_json::json;

use crate::api::config::Scope;
use crate::api::problem::Kind;
use crate::api::problem::Problem;
use crate::api::read;
use crate::api::revoke;
use crate::api::shared::Peer;
use crate::api::shared::Shared;
use crate::api::write;
use crate::telemetry::metrics::MEDIA_TYPE;

/// The document of the routes.
const OPENAPI: &str = include_str!("openapi.json");

/// A method of a path.
struct Route {
    #[cfg_attr(not(test), expect(dead_code, reason = "only the document's test compares it"))]
    method: &'static str,
    path: &'static str,
    serve: fn() -> MethodRouter<Arc<Shared>>,
}

/// Every route.
const ROUTES: [Route; 9] = [
    Route { method: "get", path: "/v1/grants", serve: || get(read::list) },
    Route { method: "post", path: "/v1/grants", serve: || post(write::post) },
    Route { method: "get", path: "/v1/grants/{id}", serve: || get(read::get) },
    Route { method: "put", path: "/v1/grants/{id}", serve: || put(write::put) },
    Route { method: "post", path: "/v1/grants/{id}/revoke", serve: || post(revoke::revoke) },
    Route { method: "post", path: "/v1/hooks/{preset}", serve: || post(write::hook) },
    Route { method: "get", path: "/v1/openapi.json", serve: || get(openapi) },
    Route { method: "get", path: "/healthz", serve: || get(health) },
    Route { method: "get", path: "/metrics", serve: || get(metrics) },
];

/// Returns the router over all routes.
pub(super) fn router(shared: &Arc<Shared>) -> Router {
    let mut router = Router::new();
    for Route { path, serve, .. } in ROUTES {
        router = router.route(path, serve());
    }
    router
        .fallback(async || {
            Problem::new(Kind::NotFound, "there is no such path; see /v1/openapi.json")
        })
        .method_not_allowed_fallback(async || {
            Problem::new(Kind::MethodNotAllowed, "the path is right and the method is not")
        })
        .layer(middleware::from_fn_with_state(Arc::clone(shared), watched))
        .with_state(Arc::clone(shared))
}

/// Returns 200 with `body` as JSON.
pub(super) fn answer(body: &Value) -> Response {
    json_of(StatusCode::OK, body.to_string() + "\n")
}

fn json_of(status: StatusCode, text: String) -> Response {
    of_type("application/json", status, text)
}

fn of_type(kind: &'static str, status: StatusCode, text: String) -> Response {
    let mut answer = (status, text).into_response();
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

async fn openapi() -> Response {
    json_of(StatusCode::OK, OPENAPI.to_owned())
}

/// `GET /healthz`: whether requests are taken.
async fn health(State(shared): State<Arc<Shared>>) -> Response {
    match shared.is_stopping() {
        false => answer(&json!({"status": "ok"})),
        true => Problem::new(Kind::Unavailable, "the daemon is stopping").into_response(),
    }
}

/// `GET /metrics`: the daemon's numbers, as Prometheus reads them.
async fn metrics(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    shared.gate().admit(&headers, Scope::Metrics, shared.now())?;
    Ok(of_type(MEDIA_TYPE, StatusCode::OK, shared.metrics.text()))
}

/// Lets the log know of what is refused, and keeps answers out of caches.
async fn watched(
    State(shared): State<Arc<Shared>>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let from = request.extensions().get::<Peer>().copied();
    let path = request.uri().path().to_owned();
    let mut answer = next.run(request).await;
    let is_told = matches!(answer.status().as_u16(), 401 | 403 | 409 | 413 | 500..);
    if is_told && let Some(kind) = answer.extensions().get::<Kind>() {
        shared.tell_refused(kind.name(), from, &path);
    }
    let never = HeaderValue::from_static("no-store");
    answer.headers_mut().insert(header::CACHE_CONTROL, never);
    answer
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::grants::message;
    use crate::grants::message::Limits;

    fn document() -> Value {
        serde_json::from_str(OPENAPI).unwrap()
    }

    #[test]
    fn the_document_describes_the_routes_that_are_served() {
        let document = document();
        let mut described = BTreeSet::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            let methods = methods.as_object().unwrap().keys().filter(|key| *key != "parameters");
            described.extend(methods.map(|method| (method.clone(), path.clone())));
        }
        let served = ROUTES.iter().map(|it| (it.method.to_owned(), it.path.to_owned()));
        assert_eq!(described, served.collect::<BTreeSet<_>>());
    }

    #[test]
    fn the_documents_example_is_a_message() {
        let document = document();
        let schema = &document["components"]["schemas"]["Grant"];
        let example = &schema["example"];
        message::read(example, &Limits::default()).unwrap();
        let named: BTreeSet<&String> = schema["properties"].as_object().unwrap().keys().collect();
        let shown: BTreeSet<&String> = example.as_object().unwrap().keys().collect();
        assert_eq!(named, shown, "every field has its example");
        let mut odd = example.clone();
        odd["surprise"] = json!(1);
        assert!(message::read(&odd, &Limits::default()).is_err(), "no other field is read");
    }

    #[test]
    fn every_reference_in_the_document_leads_somewhere() {
        let document = document();
        let text = document.to_string();
        let references = text.split("\"$ref\":\"#").skip(1);
        for reference in references.map(|rest| rest.split('"').next().unwrap()) {
            assert!(document.pointer(reference).is_some(), "{reference}");
        }
    }
}
