//! What is answered when something is not done: `application/problem+json` (RFC 9457), naming line and field.
//!
//! Invariant: each kind has a heading in docs/api.md of its name, which its `type` links to; nothing that is answered
//! holds a token or a secret.

use axum::http::HeaderName;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;

use crate::grants::message::MessageError;

/// Where the kinds are explained.
const EXPLAINED: &str = "https://github.com/grantwatch/grantwatch/blob/main/docs/api.md";

/// A kind of problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nobody who may ask, as far as the request shows.
    Unauthenticated,
    /// Who asks may not do this.
    Forbidden,
    /// A signature is missing, wrong, or too old.
    BadSignature,
    /// The very same signed request came before.
    Replayed,
    /// The body is not what it is said to be.
    Unreadable,
    /// Messages are understood, and wrong.
    BadMessage,
    /// The query is wrong.
    BadQuery,
    /// There is no such thing.
    NotFound,
    /// There is such a thing, and this cannot be done to it.
    MethodNotAllowed,
    /// The grant is over already.
    AlreadyOver,
    /// The body is too large.
    TooLarge,
    /// The body came too slowly.
    TooSlow,
    /// The body is of a type that is not read.
    UnsupportedType,
    /// Not now.
    Unavailable,
    /// A fault of ours.
    Internal,
}

impl Kind {
    /// Every kind.
    #[cfg(test)]
    const ALL: [Self; 15] = [
        Self::Unauthenticated,
        Self::Forbidden,
        Self::BadSignature,
        Self::Replayed,
        Self::Unreadable,
        Self::BadMessage,
        Self::BadQuery,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::AlreadyOver,
        Self::TooLarge,
        Self::TooSlow,
        Self::UnsupportedType,
        Self::Unavailable,
        Self::Internal,
    ];

    /// Returns its name.
    pub(super) fn name(self) -> &'static str {
        self.told().0
    }

    /// Returns its name, its title and the status.
    fn told(self) -> (&'static str, &'static str, StatusCode) {
        match self {
            Self::Unauthenticated => {
                ("unauthenticated", "No valid token", StatusCode::UNAUTHORIZED)
            }
            Self::Forbidden => {
                ("forbidden", "The token does not allow this", StatusCode::FORBIDDEN)
            }
            Self::BadSignature => {
                ("bad-signature", "The signature does not hold", StatusCode::UNAUTHORIZED)
            }
            Self::Replayed => {
                ("replayed", "This request was received before", StatusCode::CONFLICT)
            }
            Self::Unreadable => ("unreadable", "The body cannot be read", StatusCode::BAD_REQUEST),
            Self::BadMessage => {
                ("bad-message", "A message is wrong", StatusCode::UNPROCESSABLE_ENTITY)
            }
            Self::BadQuery => ("bad-query", "The query is wrong", StatusCode::BAD_REQUEST),
            Self::NotFound => ("not-found", "There is no such thing", StatusCode::NOT_FOUND),
            Self::MethodNotAllowed => {
                ("method-not-allowed", "This cannot be done to it", StatusCode::METHOD_NOT_ALLOWED)
            }
            Self::AlreadyOver => ("already-over", "The grant is over", StatusCode::CONFLICT),
            Self::TooLarge => ("too-large", "The body is too large", StatusCode::PAYLOAD_TOO_LARGE),
            Self::TooSlow => ("too-slow", "The body came too slowly", StatusCode::REQUEST_TIMEOUT),
            Self::UnsupportedType => (
                "unsupported-type",
                "The body's type is not read",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ),
            Self::Unavailable => ("unavailable", "Not now", StatusCode::SERVICE_UNAVAILABLE),
            Self::Internal => ("internal", "A fault of ours", StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
}

/// A problem, ready to be answered.
#[derive(Debug)]
pub(super) struct Problem {
    kind: Kind,
    detail: String,
    errors: Vec<Wrong>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// What is wrong at one place of a body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Wrong {
    /// The line, from 1.
    pub(super) line: usize,
    /// The grant's id, if that could be read.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) id: String,
    /// The field; empty for the message as a whole.
    pub(super) field: String,
    /// What is wrong with it.
    pub(super) detail: String,
}

impl Problem {
    /// Returns the problem of `kind` that `detail` tells of.
    pub(super) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let mut headers = Vec::new();
        match kind {
            Kind::Unauthenticated => {
                headers.push((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
            }
            Kind::Unavailable => {
                headers.push((header::RETRY_AFTER, HeaderValue::from_static("1")));
            }
            _ => {}
        }
        Self { kind, detail: detail.into(), errors: Vec::new(), headers }
    }

    /// Returns this problem with the places where something is wrong.
    pub(super) fn at(mut self, errors: Vec<Wrong>) -> Self {
        self.errors = errors;
        self
    }

    /// Returns which it is.
    #[cfg(test)]
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    fn body(&self) -> Value {
        let (name, title, status) = self.kind.told();
        let mut body = json!({
            "type": format!("{EXPLAINED}#{name}"),
            "title": title,
            "status": status.as_u16(),
            "detail": self.detail,
        });
        if !self.errors.is_empty() {
            body["errors"] = json!(self.errors);
        }
        body
    }
}

/// Returns what is wrong with a message, field by field.
pub(super) fn wrongs(error: &MessageError) -> impl Iterator<Item = Wrong> {
    error.mistakes.iter().map(|mistake| Wrong {
        line: error.line,
        id: error.id.clone(),
        field: mistake.field.clone(),
        detail: mistake.what.clone(),
    })
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (_, _, status) = self.kind.told();
        let mut answer = (status, format!("{:#}\n", self.body())).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        answer.headers_mut().insert(header::CONTENT_TYPE, kind);
        for (name, value) in self.headers {
            answer.headers_mut().insert(name, value);
        }
        answer.extensions_mut().insert(self.kind);
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_explained_under_its_own_heading() {
        let document = include_str!("../../docs/api.md");
        for kind in Kind::ALL {
            let (name, _, status) = kind.told();
            let row = format!("### {name}\n");
            assert!(document.contains(&row), "docs/api.md has no heading `{name}`");
            let explained = document.split(&row).nth(1).unwrap().split("\n### ").next().unwrap();
            let status = status.as_u16().to_string();
            assert!(explained.contains(&status), "`{name}` does not say {status}");
        }
    }

    #[test]
    fn a_problem_names_line_and_field() {
        let mut error = MessageError { line: 3, id: "g-1".to_owned(), mistakes: Vec::new() };
        error.mistakes.push(crate::grants::message::Mistake::new("window.not_after", "is missing"));
        let problem = Problem::new(Kind::BadMessage, "one is wrong").at(wrongs(&error).collect());
        let body = problem.body();
        let told =
            json!({"line": 3, "id": "g-1", "field": "window.not_after", "detail": "is missing"});
        assert_eq!(body["errors"], json!([told]));
        assert_eq!(body["status"], 422);
        let answer = Problem::new(Kind::Unauthenticated, "no").into_response();
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        assert_eq!(answer.headers()["www-authenticate"], "Bearer");
    }
}
