//! Times in a report's JSON: as text, like everywhere outside.

use serde::Serializer;

use crate::model::Seconds;

pub(in crate::grants) fn time<S: Serializer>(time: &Seconds, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(time)
}

pub(super) fn maybe<S: Serializer>(time: &Option<Seconds>, to: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => to.collect_str(time),
        None => to.serialize_none(),
    }
}
