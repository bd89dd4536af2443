//! pipeline

pub mod dispatch;
