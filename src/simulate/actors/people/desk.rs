//! Somebody at work: signed in at the portal, with the sessions they have open, calling from where they are.
//!
//! Invariant: no session is used after it ended, none of elevated access after the access ended; whoever needs a role again
//! takes it again, and signs in again when the portal has forgotten them.

use std::sync::Arc;

use serde_json::json;

use crate::model::Seconds;
use crate::simulate::actors::grants::Errand;
use crate::simulate::actors::people::Life;
use crate::simulate::actors::people::habits::Seat;
use crate::simulate::actors::portal;
use crate::simulate::actors::portal::Portal;
use crate::simulate::actors::portal::Slip;
use crate::simulate::actors::portal::Target;
use crate::simulate::call::AccountIx;
use crate::simulate::call::Routine;
use crate::simulate::call::Sort;
use crate::simulate::call::Written;
use crate::simulate::caller::Caller;
use crate::simulate::caller::Session;
use crate::simulate::catalogue::people as topics;
use crate::simulate::catalogue::people::Topic;
use crate::simulate::chance::Ranks;
use crate::simulate::diary::Scene;
use crate::simulate::organisation::GLOBAL;
use crate::simulate::organisation::HOME;
use crate::simulate::organisation::PermissionSet;
use crate::simulate::organisation::SECOND;
use crate::simulate::organisation::people::Calling;

/// How long the portal remembers a sign-in.
const REMEMBERED: i64 = 8 * 3_600;

/// How often a sign-in goes wrong first.
const SLIPS: f64 = 0.05;

/// How often a call is denied, and how often mistyped.
const DENIED: f64 = 0.006;
const MISTYPED: f64 = 0.008;

/// What somebody works at.
#[derive(Debug)]
pub enum Work<'a> {
    /// Everyday work.
    Usual(&'a Seat),
    /// What they asked the broker for.
    Elevated(&'a Errand),
}

/// How somebody uses a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    Console,
    Program,
}

struct Open {
    role: String,
    account: AccountIx,
    tool: Tool,
    session: Session,
    caller: Arc<Caller>,
}

/// Somebody at work.
pub struct Desk<'a> {
    life: &'a Life,
    address: &'a str,
    portal: Option<(Portal, Seconds)>,
    open: Vec<Open>,
    /// When they are done with what they are doing.
    busy: Seconds,
}

impl<'a> Desk<'a> {
    /// Returns the desk of somebody who has just come to `address`.
    pub fn at(life: &'a Life, address: &'a str) -> Self {
        Self { life, address, portal: None, open: Vec::new(), busy: Seconds(i64::MIN) }
    }

    /// Writes some `calls` of `work` from `at` on, or as soon as the work before is done.
    pub fn work(&mut self, scene: &mut Scene<'_>, at: Seconds, work: &Work<'_>, calls: usize) {
        let at = at.max(self.busy);
        match work {
            Work::Usual(seat) => {
                let role = scene.org.reserved_role(seat.account, seat.set);
                let topic = seat.topics[scene.chance.rank(&seat.ranks)];
                let doing = Doing {
                    account: seat.account,
                    topic,
                    writes: seat.writes,
                    until: Seconds(i64::MAX),
                };
                self.go_on(scene, at, (role, seat.set), (&doing, calls));
            }
            Work::Elevated(errand) => {
                let Some((_, until)) = errand.in_use() else { return };
                let topic = match errand.set.name {
                    "DatabaseAdmin" => &topics::REPAIR,
                    "Admin" => &topics::ADMINISTRATION,
                    _ => &topics::OPERATION,
                };
                let doing = Doing { account: errand.account, topic, writes: 0.5, until };
                self.go_on(scene, at, (errand.role.clone(), errand.set), (&doing, calls));
            }
        }
    }

    fn go_on(
        &mut self,
        scene: &mut Scene<'_>,
        mut at: Seconds,
        (role, set): (String, &'static PermissionSet),
        (doing, calls): (&Doing, usize),
    ) {
        let clicks = scene.chance.holds(self.life.habits.clicks);
        let tool = if clicks { Tool::Console } else { Tool::Program };
        let region = if scene.chance.holds(0.12) { SECOND } else { HOME };
        let ranks = Ranks::zipf(doing.topic.reads.len(), 0.8);
        let mut open = None;
        for _ in 0..calls {
            if at.0 + 30 >= doing.until.0 {
                break;
            }
            let place = match open {
                Some(place) if at.0 + 60 < self.open_at(place).session.ends.0 => place,
                _ => self.session(scene, &mut at, (&role, doing.account, set), tool),
            };
            open = Some(place);
            let step = doing.step(
                scene,
                (self.open_at(place), self.life.person.calling),
                (at, region),
                &ranks,
            );
            let pause = match tool {
                // A page asks several things at once.
                Tool::Console if scene.chance.holds(0.6) => scene.chance.between(0, 2),
                Tool::Console => scene.chance.wait(40.0).min(240),
                Tool::Program => scene.chance.wait(18.0).min(240),
            };
            at = Seconds(at.0 + step + pause);
        }
        self.busy = Seconds(at.0 + 5);
    }

    fn open_at(&self, place: usize) -> &Open {
        &self.open[place]
    }

    /// Returns the place of a session with `role`; takes the role if there is none any more, which takes a while.
    fn session(
        &mut self,
        scene: &mut Scene<'_>,
        at: &mut Seconds,
        (role, account, set): (&str, AccountIx, &'static PermissionSet),
        tool: Tool,
    ) -> usize {
        self.open.retain(|open| at.0 + 60 < open.session.ends.0);
        let is_it = |open: &Open| open.role == role && open.account == account && open.tool == tool;
        if let Some(place) = self.open.iter().position(is_it) {
            return place;
        }
        let signed_in = self.signed_in(scene, at);
        let target = Target { person: &self.life.person, account, set, role: role.to_owned() };
        let (session, caller) = match tool {
            Tool::Console => {
                let session = portal::open_console(scene, &signed_in, &target, *at);
                let caller = session.in_console(self.address, portal::BROWSER);
                (session, caller)
            }
            Tool::Program => {
                let session = portal::take(scene, &signed_in, &target, *at);
                let caller = session.caller(self.address, self.life.habits.program);
                (session, caller)
            }
        };
        *at = Seconds(at.0 + 5);
        self.open.push(Open { role: role.to_owned(), account, tool, session, caller });
        self.open.len() - 1
    }

    fn signed_in(&mut self, scene: &mut Scene<'_>, at: &mut Seconds) -> Portal {
        if let Some((portal, until)) = &self.portal
            && *at < *until
        {
            return portal.clone();
        }
        let person = &self.life.person;
        if scene.chance.holds(SLIPS) {
            let slip = if scene.chance.holds(0.6) { Slip::Password } else { Slip::SecondFactor };
            portal::fail_to_sign_in(scene, person, (*at, self.address, slip));
            *at = Seconds(at.0 + 20);
        }
        let portal = portal::sign_in(scene, person, *at, self.address);
        *at = Seconds(at.0 + 20);
        self.portal = Some((portal.clone(), Seconds(at.0 + REMEMBERED)));
        portal
    }
}

/// What is done in one stretch.
struct Doing {
    account: AccountIx,
    topic: &'static Topic,
    writes: f64,
    until: Seconds,
}

impl Doing {
    /// Writes one call and what follows from it; returns the seconds it takes.
    fn step(
        &self,
        scene: &mut Scene<'_>,
        (open, calling): (&Open, Calling),
        (at, region): (Seconds, crate::simulate::call::RegionIx),
        ranks: &Ranks,
    ) -> i64 {
        let reads = &self.topic.reads[scene.chance.rank(ranks)];
        let place = |scene: &Scene<'_>, routine: &Routine| {
            let is_billing = matches!(routine.service, "ce" | "budgets" | "cur");
            let region = match routine.service {
                _ if is_billing => GLOBAL,
                "sso" | "identitystore" => HOME,
                _ => region,
            };
            scene.org.place(self.account, region, routine.service)
        };
        let is_query = std::ptr::eq(self.topic, &topics::QUERIES) && calling == Calling::Analyst;
        if is_query && scene.chance.holds(0.12) {
            let start = &topics::START_QUERY;
            scene.routine(at, place(scene, start), &open.caller, start);
            self.query(scene, &open.session, at);
            return 3;
        }
        let fate = scene.chance.share();
        let denied = if self.writes == 0.0 { self.topic.writes.first() } else { None };
        if fate < DENIED {
            let routine = denied.unwrap_or(reads);
            let refused = (routine, topics::denial(routine));
            scene.refused(at, place(scene, routine), &open.caller, refused);
        } else if fate < DENIED + MISTYPED && reads.request.len() > 30 {
            scene.refused(at, place(scene, reads), &open.caller, (reads, self.topic.typo));
        } else if scene.chance.holds(self.writes) && !self.topic.writes.is_empty() {
            let routine = scene.chance.pick(self.topic.writes);
            scene.routine(at, place(scene, routine), &open.caller, routine);
        } else {
            scene.routine(at, place(scene, reads), &open.caller, reads);
        }
        1
    }

    /// Writes what Athena does for a query with the session of whoever asked.
    fn query(&self, scene: &mut Scene<'_>, session: &Session, at: Seconds) {
        const ATHENA: &str = "athena.amazonaws.com";
        let forwarded = Session { invoked_by: ATHENA.to_owned(), ..session.clone() };
        let by = forwarded.caller(ATHENA, ATHENA);
        let org = scene.org;
        let place = org.place(self.account, HOME, "glue");
        scene.routine(Seconds(at.0 + 1), place, &by, &topics::GET_TABLE);
        let account = org.account(self.account);
        // The second bucket holds the orders; reads of such contents are in the trail.
        let Some(bucket) = account.buckets.get(1) else { return };
        for _ in 0..scene.chance.between(1, 4) {
            let key = format!("year=2026/part-{}.parquet", scene.chance.hex(8));
            let read = Written::data("s3", "GetObject", Sort::DataRead)
                .asking(json!({"bucketName": bucket, "key": key, "Host": format!("{bucket}.s3.eu-central-1.amazonaws.com")}))
                .with("resources", json!([
                    {"type": "AWS::S3::Object", "ARN": format!("arn:aws:s3:::{bucket}/{key}")},
                    {"accountId": account.id, "type": "AWS::S3::Bucket", "ARN": format!("arn:aws:s3:::{bucket}")},
                ]));
            scene.call(Seconds(at.0 + 2), place, &by, read);
        }
    }
}
