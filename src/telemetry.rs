//! Names of metrics, set-up of logs.
