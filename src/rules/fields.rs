//! The facts that this room sets: what correlations count, and what was undone.
//!
//! Invariant: each is set on an event of our own, never on a record's.

use crate::model::Field;
use crate::model::Scope;

/// Facts that this room sets: on the alert of a correlation, and on the signal that a match was undone.
pub const FIELDS: &[Field] = &[
    Field {
        name: "gw.correlation.count",
        kind: "whole",
        scope: Scope::Event,
        meaning: "How many events (or distinct values) a correlation counted when it fired.",
        example: "12",
    },
    Field {
        name: "gw.correlation.timespan_seconds",
        kind: "whole",
        scope: Scope::Event,
        meaning: "The length of the correlation's window, in seconds.",
        example: "600",
    },
    Field {
        name: "gw.undoes.alert",
        kind: "text",
        scope: Scope::Event,
        meaning: "Of the signal `MatchUndone`: the alert that told of what was undone.",
        example: "7f1c0b1e-6f4c-5a53-9d0c-3f4b1f0c6f10",
    },
    Field {
        name: "gw.undoes.detector",
        kind: "text",
        scope: Scope::Event,
        meaning: "Of the signal `MatchUndone`: the detector that told of it, by name.",
        example: "trail_stopped",
    },
    Field {
        name: "gw.undoes.by",
        kind: "text",
        scope: Scope::Event,
        meaning: "Of the signal `MatchUndone`: who had done what was undone.",
        example: "person:alice@example.com",
    },
    Field {
        name: "gw.undoes.stood_seconds",
        kind: "whole",
        scope: Scope::Event,
        meaning: "Of the signal `MatchUndone`: how long it had stood.",
        example: "180",
    },
    Field {
        name: "gw.correlation.group",
        kind: "texts",
        scope: Scope::Event,
        meaning: "What the correlation counted by, as `field=value`.",
        example: "gw.identity.name=person:alice@example.com",
    },
];
