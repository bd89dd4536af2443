//! What the use of grants gives to tell: signals once time has come.

use crate::grants::usage::Reach;
use crate::model::Seconds;
use crate::pipeline::core::Core;
use crate::rules::Service;

impl Core {
    /// Tells of what was done with grants, or not done, as far as time has come.
    pub(super) fn tell_of_usage(&mut self, watermark: Seconds) {
        let reach = Reach { oldest: self.oldest, newest: self.newest, watermark };
        let registry = &self.registry;
        let told = self.protect.tell_of_usage(reach, &|account| registry.has_account(account));
        for told in told {
            self.signal(&Service::Grants, &told.signal, &told.object);
        }
    }
}
