//! Acts of which the tags of their resources decide whether they are on the surface.
//!
//! Invariant: what is not told here to hang on tags has the same answer whatever its resources are tagged with.

use crate::grants::config::By;
use crate::grants::surface::Surface;
use crate::grants::surface::meant;
use crate::grants::verdict::Act;
use crate::model::actions;

impl Surface {
    /// Returns whether the answer on `act` may be another one with other tags of its resources.
    pub fn hangs_on_tags(&self, act: &Act<'_>) -> bool {
        if act.resources.is_empty() || !actions::is_action(act.action) {
            return false;
        }
        if self.exemptions.iter().any(|exemption| exemption.hangs_on_tags(act)) {
            return true;
        }
        let by = By::of(act.identity);
        let meant = meant(&self.entries, act.action, actions::level(act.action));
        let mut entries = meant
            .entries
            .iter()
            .filter_map(|place| self.entries.get(*place))
            .filter(|entry| entry.by.contains(&by));
        // The first that fits whatever the tags are ends the search.
        let first = entries.find(|entry| entry.at.fits_but_tags(act));
        first.is_some_and(|entry| entry.at.asks_tags())
    }
}
