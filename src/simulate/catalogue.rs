//! The calls that are made all day, by the service that is called.
//!
//! Invariant: a line is what CloudTrail records, not what the API takes; `record.rs` knows every `$` word.

pub mod machines;
pub mod people;
pub mod pipeline;
pub mod services;

use crate::simulate::call::Routine;
use crate::simulate::call::Sort;

/// Reads a list of instances.
pub static DESCRIBE_INSTANCES: Routine = Routine {
    service: "ec2",
    name: "DescribeInstances",
    sort: Sort::Read,
    request: r#"{"instancesSet":{},"filterSet":{}}"#,
    response: "",
    resources: "",
};

/// Reads a secret.
pub static GET_SECRET_VALUE: Routine = Routine {
    service: "secretsmanager",
    name: "GetSecretValue",
    sort: Sort::Read,
    request: r#"{"secretId":"$secret"}"#,
    response: "",
    resources: "",
};
