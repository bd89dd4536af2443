//! The sheets that bear on one holder together: what allows, and what limits.
//!
//! Invariant: what is found every layer allows, and none denies in any case.

use crate::iam::escalation::reach::Asked;
use crate::iam::escalation::reach::Found;
use crate::iam::escalation::reach::Sheet;
use crate::iam::escalation::reach::join;
use crate::iam::escalation::reach::thin;
use crate::iam::force::Facts;

/// The sheets that bear on one holder: what allows, and what limits.
#[derive(Default)]
pub struct Layers<'a> {
    /// The holder's policies.
    pub identity: Sheet<'a>,
    /// The boundary, and each level of control policies.
    pub limits: Vec<Sheet<'a>>,
}

impl Layers<'_> {
    /// Returns what is allowed by all layers.
    pub fn find(&self, asked: &Asked<'_>, facts: &Facts<'_>) -> Vec<Found> {
        let mut found = self.identity.find(asked, facts);
        for limit in &self.limits {
            if found.is_empty() {
                break;
            }
            found = join(&found, &limit.find(asked, facts));
        }
        self.left(found, asked, facts)
    }

    /// Returns what the denying statements of all layers together leave: what one confines may be what another denies.
    fn left(&self, found: Vec<Found>, asked: &Asked<'_>, facts: &Facts<'_>) -> Vec<Found> {
        let sheets = || [&self.identity].into_iter().chain(&self.limits);
        let denying = sheets().filter(|sheet| sheet.denies(asked.action)).count();
        // Of one sheet the denying statements were asked together already.
        let found = match denying {
            0 | 1 => return found,
            _ => sheets().fold(found, |found, sheet| sheet.confine(found, asked, facts)),
        };
        thin(sheets().fold(found, |found, sheet| sheet.less(found, asked, facts)))
    }

    /// Returns what `sheet`, the policy of a resource, gives besides: the limits hold, from the number `from` on.
    pub fn besides(
        &self,
        (sheet, from): (&Sheet<'_>, usize),
        asked: &Asked<'_>,
        facts: &Facts<'_>,
    ) -> Vec<Found> {
        let mut found = sheet.find(asked, facts);
        for limit in self.limits.iter().skip(from) {
            found = join(&found, &limit.find(asked, facts));
        }
        found.into_iter().flat_map(|one| self.spare(one, asked, facts)).collect()
    }

    /// Returns whether a layer denies the action of something.
    pub fn denies(&self, action: usize) -> bool {
        let mut all = [&self.identity].into_iter().chain(&self.limits);
        all.any(|sheet| sheet.denies(action))
    }

    /// Returns what of something that is allowed by another policy the layers do not deny.
    pub fn spare(&self, found: Found, asked: &Asked<'_>, facts: &Facts<'_>) -> Vec<Found> {
        let sheets = [&self.identity].into_iter().chain(&self.limits);
        sheets.fold(vec![found], |left, sheet| sheet.less(left, asked, facts))
    }
}
