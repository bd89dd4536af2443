//! What people call: what the pages of the console ask, what is typed at the command line, by topic.
//!
//! Invariant: within a topic the calls that are made most often come first. No topic asks ten of the questions that a
//! newcomer asks, as nobody at work does.

mod delivery;
mod elevated;
mod oversight;
mod software;

use crate::simulate::call::CallError;
use crate::simulate::call::Routine;
use crate::simulate::call::Sort;

pub use delivery::BUCKETS;
pub use delivery::GET_TABLE;
pub use delivery::PIPELINES;
pub use delivery::QUERIES;
pub use delivery::SETTINGS;
pub use delivery::STACKS;
pub use delivery::START_QUERY;
pub use elevated::ADMINISTRATION;
pub use elevated::OPERATION;
pub use elevated::REPAIR;
pub use oversight::BILL;
pub use oversight::COSTS;
pub use oversight::FINDINGS;
pub use oversight::REVIEW;
pub use oversight::RIGHTS;
pub use oversight::TRAIL;
pub use software::ALARMS;
pub use software::CONTAINERS;
pub use software::DATABASES;
pub use software::FUNCTIONS;
pub use software::LOGS;
pub use software::MACHINES;

/// Something that people look after, mostly one service.
#[derive(Debug)]
pub struct Topic {
    /// What they read, the most usual first.
    pub reads: &'static [Routine],
    /// What they change, likewise.
    pub writes: &'static [Routine],
    /// What a typing error leads to, in each of `reads`.
    pub typo: &'static CallError,
}

/// Denied by a service that speaks JSON.
pub static DENIED_JSON: CallError = CallError {
    code: "AccessDeniedException",
    message: "User: $arn is not authorized to perform: $action because no identity-based policy allows the $action action",
};

/// Denied by a service that speaks XML.
pub static DENIED: CallError = CallError {
    code: "AccessDenied",
    message: "User: $arn is not authorized to perform: $action because no identity-based policy allows the $action action",
};

/// Denied by EC2.
pub static DENIED_BY_EC2: CallError = CallError {
    code: "Client.UnauthorizedOperation",
    message: "You are not authorized to perform this operation. User: $arn is not authorized to perform: $action because no identity-based policy allows the $action action",
};

/// Returns how `routine` is denied.
pub fn denial(routine: &Routine) -> &'static CallError {
    match routine.service {
        "ec2" => &DENIED_BY_EC2,
        "iam"
        | "s3"
        | "rds"
        | "monitoring"
        | "cloudformation"
        | "autoscaling"
        | "elasticloadbalancing" => &DENIED,
        _ => &DENIED_JSON,
    }
}

const fn read(service: &'static str, name: &'static str, request: &'static str) -> Routine {
    Routine { service, name, sort: Sort::Read, request, response: "", resources: "" }
}

const fn write(
    service: &'static str,
    name: &'static str,
    (request, response): (&'static str, &'static str),
) -> Routine {
    Routine { service, name, sort: Sort::Write, request, response, resources: "" }
}

static NOT_FOUND: CallError = CallError {
    code: "ResourceNotFoundException",
    message: "The specified resource does not exist.",
};
static INVALID: CallError = CallError {
    code: "ValidationException",
    message: "1 validation error detected: Value at 'name' failed to satisfy constraint",
};
static NO_SUCH_ENTITY: CallError = CallError {
    code: "NoSuchEntityException",
    message: "The entity with the name that was given cannot be found.",
};
static NO_INSTANCE: CallError = CallError {
    code: "Client.InvalidInstanceID.NotFound",
    message: "The instance ID 'i-0123456789abcdef0' does not exist",
};
static NO_BUCKET: CallError =
    CallError { code: "NoSuchBucket", message: "The specified bucket does not exist" };

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::record;

    #[test]
    fn every_line_is_json_of_known_words() {
        let topics = [
            &MACHINES,
            &FUNCTIONS,
            &LOGS,
            &ALARMS,
            &CONTAINERS,
            &DATABASES,
            &BUCKETS,
            &STACKS,
            &PIPELINES,
            &SETTINGS,
            &QUERIES,
            &FINDINGS,
            &RIGHTS,
            &TRAIL,
            &COSTS,
            &BILL,
            &REVIEW,
            &OPERATION,
            &ADMINISTRATION,
            &REPAIR,
        ];
        let own = [&START_QUERY, &GET_TABLE];
        for routine in topics.iter().flat_map(|it| it.reads.iter().chain(it.writes)).chain(own) {
            assert!(record::unknown_words(routine).is_empty(), "{routine:?}");
            for text in [routine.request, routine.response, routine.resources] {
                let is_json = serde_json::from_str::<serde_json::Value>(text).is_ok();
                assert!(text.is_empty() || is_json, "{routine:?}");
            }
        }
    }
}
