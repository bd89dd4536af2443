//! What the core learns from messages about grants.

use std::sync::Arc;

use crate::grants::Applied;
use crate::grants::Evidence;
use crate::model::Became;
use crate::model::ObjectId;
use crate::pipeline::batch::Told;
use crate::pipeline::books::Counts;
use crate::pipeline::core::Core;

impl Core {
    /// Takes in messages about grants; returns what became of each.
    pub(super) fn learn(
        &mut self,
        told: Vec<Told>,
        source: &Arc<str>,
        object: &ObjectId,
        counts: &mut Counts,
    ) -> Vec<Became> {
        counts.read = told.len() as u64;
        let mut became = Vec::with_capacity(told.len());
        for Told { line, said, text } in told {
            let arrived = self.now_or_so();
            let from = format!("{}:{line}", object.location).into_boxed_str();
            let applied = said.map(|version| {
                let id = version.id.0.clone();
                (self.protect.learn(*version, Evidence { from, arrived }), id)
            });
            let reason = match applied {
                Ok((Applied::New, _)) => {
                    counts.kept += 1;
                    became.push(Became::New);
                    continue;
                }
                Ok((Applied::Duplicate, _)) => {
                    counts.duplicates += 1;
                    became.push(Became::Duplicate);
                    continue;
                }
                // Both are kept in the ledger; that they differ is for somebody to look at.
                Ok((Applied::Conflict, id)) => {
                    became.push(Became::Conflict);
                    format!(
                        "grant `{id}`: its source has said something else under the same revision and time"
                    )
                }
                Err(reason) => {
                    became.push(Became::Rejected);
                    reason
                }
            };
            counts.quarantined += 1;
            self.quarantine(source, object, Some(line), reason, text.into_bytes());
        }
        became
    }
}
