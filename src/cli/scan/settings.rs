//! What a scan is configured with: its arguments, on top of a configuration of the daemon if one is named.
//!
//! Invariant: of that configuration only what says who is who, what is protected and what policies are held against is taken;
//! nothing of it opens a file of grants, a store, a source or a sink.

use std::time::Duration;

use crate::cli::scan::ScanArgs;
use crate::config;
use crate::config::Config;
use crate::grants;
use crate::model;
use crate::model::Glob;

/// Returns the configuration that the arguments come to.
pub(super) fn configured(args: &ScanArgs) -> anyhow::Result<Config> {
    let mut config = match &args.config {
        None => Config::default(),
        Some(path) => {
            let Config { identity, grants, policies, .. } = config::read(path)?;
            let grants = grants::Config { paths: Vec::new(), preset: Vec::new(), ..grants };
            Config { identity, grants, policies, ..Config::default() }
        }
    };
    // The alerts are printed from the store at the end, however long ago they were.
    config.alert.keep = model::Duration(Duration::MAX);
    config.identity.brokers.extend(args.broker.iter().cloned().map(Glob));
    config.identity.accounts.extend(args.account.iter().cloned());
    config.grants.from_cloudtrail |= args.grants_from_cloudtrail;
    config.policies.snapshots.extend(args.policies.iter().cloned());
    if args.baseline.is_some() {
        config.policies.baseline.clone_from(&args.baseline);
    }
    config.policies.pipelines.extend(args.pipeline.iter().cloned().map(Glob));
    if let Some((_, why)) = config.policies.check().into_iter().next() {
        anyhow::bail!("--pipeline: {why}");
    }
    if let Some((_, why)) = config.grants.check_brokers(&config.identity.brokers).into_iter().next()
    {
        anyhow::bail!("--broker: {why}");
    }
    Ok(config)
}
