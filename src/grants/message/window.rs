//! When a grant holds: a window with two ends.

use serde_json::Value;

use crate::grants::grant::Window;
use crate::grants::message::Limits;
use crate::grants::message::fields::NO_END;
use crate::grants::message::fields::Need;
use crate::grants::message::fields::Reader;
use crate::grants::message::fields::path;
use crate::grants::message::fields::there;
use crate::model::Seconds;

impl Reader {
    /// Reads the window; one that is not needed and not there is nothing from `emitted_at` on.
    pub(super) fn window(
        &mut self,
        value: Option<&Value>,
        need: Need,
        emitted_at: Seconds,
        limits: &Limits,
    ) -> Window {
        let nothing = Window { from: emitted_at, until: emitted_at };
        let Some(fields) = self.object("window", value) else {
            if need == Need::Must && value.is_none() {
                self.wrong("window", NO_END);
            }
            return nothing;
        };
        self.only("window", fields, &["not_before", "not_after"]);
        let mut bound = |name: &str| {
            let field = path("window", name);
            let found = there(fields, name);
            if found.is_none() && need == Need::Must {
                let what = if name == "not_after" { NO_END } else { "is missing" };
                self.wrong(field.as_str(), what);
            }
            found.and_then(|value| self.moment(&field, value))
        };
        let (Some(from), Some(until)) = (bound("not_before"), bound("not_after")) else {
            return nothing;
        };
        let length = until.since(from);
        if length > limits.max_duration {
            let most = limits.max_duration;
            self.wrong(
                "window.not_after",
                format!("is {length} after not_before, at most {most} may be"),
            );
        } else if until < from || (until == from && need == Need::Must) {
            self.wrong("window.not_after", "is not after not_before");
        }
        Window { from, until }
    }
}
