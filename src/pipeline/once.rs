//! One run over deliveries that end: `scan`, the demo's first half, tests and benchmarks.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::model::Delivery;
use crate::pipeline::MIGRATIONS;
use crate::pipeline::books::Books;
use crate::pipeline::core::Core;
use crate::pipeline::core::Witness;
use crate::pipeline::engine::End;
use crate::pipeline::engine::Engine;
use crate::pipeline::engine::Gait;
use crate::pipeline::settings::Settings;
use crate::rules::Rules;
use crate::store;
use crate::store::Store;
use crate::store::StoreError;

/// Runs everything that `feed` sends through the core and returns the books, with what `feed` returned.
///
/// The alerts are in the store afterwards. `witness` is told of every verdict.
///
/// # Errors
/// When the store cannot be opened, read or written.
pub async fn once<T, F: Future<Output = T>>(
    at: &store::Config,
    settings: Settings,
    rules: Arc<Rules>,
    gait: Gait,
    witness: Option<Witness>,
    feed: impl FnOnce(mpsc::Sender<Delivery>) -> F,
) -> Result<(Books, T), StoreError> {
    let store = Store::open(&at.path, MIGRATIONS)?;
    let mut core = Core::open(store, settings, Arc::clone(&rules))?;
    if let Some(witness) = witness {
        core.tell_verdicts(witness);
    }
    let (engine, deliveries) = Engine::start(core, rules, gait);
    let fed = feed(deliveries).await;
    let books = engine.finish(End::Complete, std::future::ready(())).await?;
    Ok((books, fed))
}
