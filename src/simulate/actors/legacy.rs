//! The old IAM user with a long-lived key: a script on a machine in an office that fetches a copy of what matters, every
//! night.
//!
//! Invariant: it calls from one address, at one hour, for the same few things.

use crate::model::Seconds;
use crate::simulate::actors::Actor;
use crate::simulate::call::CallError;
use crate::simulate::caller::UserKey;
use crate::simulate::catalogue::machines;
use crate::simulate::diary::Diary;
use crate::simulate::diary::Scene;
use crate::simulate::iam::census;
use crate::simulate::organisation::HOME;
use crate::simulate::organisation::Organisation;

/// The user's name.
pub const USER: &str = census::OLD_USER;

/// Where the script runs: a machine in the office in Hamburg.
pub const ADDRESS: &str = "198.19.0.9";

/// How the script calls itself.
pub const AGENT: &str = "aws-cli/1.18.69 Python/3.8.10 Linux/5.4.0-216-generic botocore/1.16.19";

static TIMED_OUT: CallError = CallError {
    code: "RequestTimeout",
    message: "Your socket connection to the server was not read from or written to within the timeout period. Idle connections will be closed.",
};

/// The script.
pub struct Legacy;

/// Returns the user with the key; both are in the production account.
pub fn key(org: &Organisation) -> UserKey {
    UserKey {
        account: org.account(org.production()).id.clone(),
        name: USER.to_owned(),
        id: census::user_id(org, org.production(), USER),
        key: census::old_key(org),
    }
}

impl Actor for Legacy {
    fn live(&mut self, org: &Organisation, diary: &mut Diary, day: i64) {
        let scene = &mut Scene::of(org, diary, &format!("legacy/{day}"));
        let by = key(org).caller(ADDRESS, AGENT);
        let account = org.production();
        let mut at = org.midnight(day).0 + 2 * 3_600 + 30 * 60 + scene.chance.between(0, 4);
        let whoami = &machines::GET_CALLER_IDENTITY;
        scene.routine(Seconds(at), org.place(account, HOME, whoami.service), &by, whoami);
        let many = scene.chance.between(90, 150);
        for nth in 0..many {
            at += scene.chance.wait(9.0);
            let routine = match nth % 30 {
                0 => &machines::LIST_OBJECTS,
                _ => &machines::GET_OBJECT,
            };
            let place = org.place(account, HOME, routine.service);
            if scene.chance.holds(0.004) {
                scene.refused(Seconds(at), place, &by, (routine, &TIMED_OUT));
            } else {
                scene.routine(Seconds(at), place, &by, routine);
            }
        }
    }
}
