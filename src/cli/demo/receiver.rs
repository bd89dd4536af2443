//! The other end of the demo's webhook: takes what is signed, and keeps it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::routing::post;
use tokio::net::TcpListener;
use url::Url;

use crate::model::Alert;
use crate::model::AlertId;
use crate::pipeline::dispatch::Clock as _;
use crate::pipeline::dispatch::WallClock;
use crate::sink::Secret;
use crate::sink::webhook;
use crate::sink::webhook::Signed;

/// A receiver on loopback; it ends with the runtime.
pub(super) struct Receiver {
    url: Url,
    kept: Arc<Kept>,
}

struct Kept {
    secret: Secret,
    alerts: Mutex<BTreeMap<AlertId, Alert>>,
}

impl Receiver {
    /// Starts a receiver that takes what is signed with `secret`.
    pub(super) async fn start(secret: &str) -> anyhow::Result<Self> {
        let secret = Secret::parse(secret).context("the demo's secret is none")?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("could not listen on loopback")?;
        let address = listener.local_addr().context("the listener has no address")?;
        let url = Url::parse(&format!("http://{address}/alerts")).context("an odd address")?;
        let kept = Arc::new(Kept { secret, alerts: Mutex::default() });
        let router = Router::new().route("/alerts", post(take)).with_state(Arc::clone(&kept));
        tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the receiver ended");
            }
        });
        Ok(Self { url, kept })
    }

    pub(super) fn url(&self) -> Url {
        self.url.clone()
    }

    /// Returns every alert that has arrived, as it stands.
    pub(super) fn alerts(&self) -> Vec<Alert> {
        let alerts = self.kept.alerts.lock().unwrap_or_else(PoisonError::into_inner);
        alerts.values().cloned().collect()
    }
}

async fn take(State(kept): State<Arc<Kept>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    let signed = Signed {
        id: header(webhook::ID),
        timestamp: header(webhook::TIMESTAMP),
        signature: header(webhook::SIGNATURE),
    };
    let verified =
        webhook::verify(std::slice::from_ref(&kept.secret), signed, &body, WallClock.now());
    if verified.is_err() {
        return StatusCode::UNAUTHORIZED;
    }
    let message: Result<serde_json::Value, _> = serde_json::from_slice(&body);
    let alert = message.and_then(|mut message| serde_json::from_value(message["data"].take()));
    let alert: Result<Alert, _> = alert;
    let Ok(alert) = alert else { return StatusCode::BAD_REQUEST };
    let mut alerts = kept.alerts.lock().unwrap_or_else(PoisonError::into_inner);
    let is_newer = alerts.get(&alert.id).is_none_or(|known| known.revision <= alert.revision);
    if is_newer {
        alerts.insert(alert.id.clone(), alert);
    }
    StatusCode::NO_CONTENT
}
