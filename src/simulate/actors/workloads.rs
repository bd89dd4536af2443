//! Instances, functions and tasks: each calls AWS in its own rhythm, with a session that AWS renews in time.
//!
//! Invariant: every call is made with credentials that have not ended; how much a service of ours calls follows Zipf's
//! law over the services of its account.

use std::sync::Arc;

use serde_json::json;

use crate::model::Seconds;
use crate::simulate::Plan;
use crate::simulate::actors::Actor;
use crate::simulate::actors::crossing;
use crate::simulate::actors::renewal;
use crate::simulate::actors::renewal::Taking;
use crate::simulate::call::Place;
use crate::simulate::call::Written;
use crate::simulate::caller::Caller;
use crate::simulate::caller::Session;
use crate::simulate::catalogue::GET_SECRET_VALUE;
use crate::simulate::catalogue::machines;
use crate::simulate::catalogue::machines::Mix;
use crate::simulate::chance::Chance;
use crate::simulate::chance::Ranks;
use crate::simulate::diary::Diary;
use crate::simulate::diary::Scene;
use crate::simulate::organisation::HOME;
use crate::simulate::organisation::Organisation;
use crate::simulate::organisation::REGIONS;
use crate::simulate::organisation::workloads::Kind;
use crate::simulate::organisation::workloads::Rhythm;
use crate::simulate::organisation::workloads::Workload;

/// The exponent of Zipf's law over the services of an account.
pub const ZIPF: f64 = 1.0;

/// How many calls the workloads of an account make on a weekday at volume 1: in production and elsewhere.
const CALLS: (f64, f64) = (5_600.0, 2_600.0);

/// How many the few functions of management and security make.
const CENTRAL_CALLS: f64 = 320.0;

/// Weights of the hours of a day (UTC) for what serves people.
const OFFICE: [f64; 24] = [
    0.05, 0.04, 0.04, 0.04, 0.06, 0.15, 0.5, 1.2, 1.8, 2.0, 2.0, 1.8, 1.6, 1.9, 2.0, 1.9, 1.6, 1.1,
    0.8, 0.6, 0.4, 0.25, 0.15, 0.08,
];

/// Every workload that calls.
pub struct Workloads {
    machines: Vec<Machine>,
}

/// One of them.
struct Machine {
    account: usize,
    workload: usize,
    /// The calls of a weekday.
    calls: f64,
    mix: Mix,
    ranks: Ranks,
    hours: Ranks,
    chance: Chance,
    /// What it calls with, the latest last; those that ended are dropped.
    seats: Vec<Seat>,
}

/// A session of a machine, from the moment on at which the machine uses it.
struct Seat {
    from: Seconds,
    ends: Seconds,
    /// Over the internet.
    plain: Arc<Caller>,
    /// Through the VPC's gateway endpoint, where there is one.
    gateway: Arc<Caller>,
    /// The agent of Systems Manager.
    agent: Arc<Caller>,
    /// Secrets Manager, for the machine.
    secrets: Arc<Caller>,
    /// S3, for the machine.
    storage: Arc<Caller>,
}

impl Workloads {
    /// Returns the workloads of `org`.
    pub fn new(plan: &Plan, org: &Organisation) -> Self {
        let mut machines = Vec::new();
        for (ix, account) in org.accounts.iter().enumerate() {
            let mut services: Vec<&str> = Vec::new();
            for workload in account.workloads.iter().filter(|it| it.calls()) {
                if !services.contains(&workload.service.as_str()) {
                    services.push(&workload.service);
                }
            }
            let shares = Ranks::zipf(services.len(), ZIPF);
            let whole = match account.workloads.iter().any(|it| it.kind == Kind::Instance) {
                true if ix == usize::from(org.production().0) => CALLS.0,
                true => CALLS.1,
                false => CENTRAL_CALLS,
            };
            for (place, workload) in account.workloads.iter().enumerate() {
                let Some(rank) = services.iter().position(|it| *it == workload.service) else {
                    continue;
                };
                let alike =
                    account.workloads.iter().filter(|it| it.service == workload.service).count();
                let calls = whole * plan.volume * shares.share(rank) / alike as f64;
                machines.push(Machine::of(org, (ix, place), calls));
            }
        }
        Self { machines }
    }
}

impl Actor for Workloads {
    fn live(&mut self, org: &Organisation, diary: &mut Diary, day: i64) {
        for machine in &mut self.machines {
            let mut scene = Scene::with(org, diary, machine.chance.clone());
            machine.live(&mut scene, day);
            machine.chance = scene.chance;
        }
    }
}

impl Machine {
    fn of(org: &Organisation, (account, place): (usize, usize), calls: f64) -> Self {
        let workload = &org.accounts[account].workloads[place];
        let mix = machines::mix(&workload.service);
        let weights: Vec<f64> = mix.iter().map(|(_, weight)| *weight).collect();
        Self {
            account,
            workload: place,
            calls,
            mix,
            ranks: Ranks::weighted(&weights),
            hours: hours(workload.rhythm),
            chance: Chance::of(org.seed, &format!("machine/{account}/{place}")),
            seats: Vec::new(),
        }
    }

    fn live(&mut self, scene: &mut Scene<'_>, day: i64) {
        let workload = &scene.org.accounts[self.account].workloads[self.workload];
        let (midnight, end) = (scene.org.midnight(day), scene.org.midnight(day + 1));
        self.renew(scene, workload, (midnight, end));
        if workload.kind == Kind::Instance {
            self.report(scene, workload, (midnight, end));
        }
        if workload.service == "metrics-rollup" {
            self.stumble(scene, workload, midnight);
        }
        if let (crossing::SERVICE, Rhythm::Nightly(hour)) = (&*workload.service, workload.rhythm)
            && workload.account == scene.org.production()
        {
            let at = Seconds(midnight.0 + hour * 3_600 + scene.chance.between(600, 900));
            crossing::cross(scene, (workload, &self.seat(at).plain), at);
        }
        let share = share_of(workload.rhythm, midnight);
        let good_day = 0.85 + 0.3 * scene.chance.share();
        // A job is a few calls in a row.
        let jobs = scene.chance.times(self.calls * share * good_day / 3.0);
        for _ in 0..jobs {
            let mut at = moment(&mut scene.chance, (workload.rhythm, &self.hours), midnight);
            for _ in 0..scene.chance.between(1, 6) {
                self.call(scene, workload, at);
                at = Seconds((at.0 + scene.chance.between(0, 3)).min(end.0 - 1));
            }
        }
    }

    fn call(&self, scene: &mut Scene<'_>, workload: &Workload, at: Seconds) {
        let (routine, _) = self.mix[scene.chance.rank(&self.ranks)];
        let seat = self.seat(at);
        debug_assert!(seat.from <= at && at < seat.ends, "{} at {at}", workload.id);
        let by = match routine.service {
            "s3" | "dynamodb" => &seat.gateway,
            _ => &seat.plain,
        };
        let place = scene.org.place(workload.account, workload.region, routine.service);
        let (error, share) = machines::failure(routine);
        if scene.chance.holds(share) {
            scene.refused(at, place, by, (routine, error));
            return;
        }
        scene.routine(at, place, by, routine);
        // What the service does in turn, in the caller's name.
        if std::ptr::eq(routine, &raw const GET_SECRET_VALUE) {
            scene.routine(at, place, &seat.secrets, &machines::DECRYPT_SECRET);
        } else if std::ptr::eq(routine, &raw const machines::PUT_OBJECT) && at.0 % 2 == 0 {
            scene.routine(at, place, &seat.storage, &machines::GENERATE_DATA_KEY);
        }
    }

    /// Returns the session in use at `at`.
    fn seat(&self, at: Seconds) -> &Seat {
        let after = self.seats.partition_point(|seat| seat.from <= at);
        &self.seats[after.saturating_sub(1)]
    }

    /// Has the agent of Systems Manager report every five minutes.
    fn report(&self, scene: &mut Scene<'_>, workload: &Workload, (from, end): (Seconds, Seconds)) {
        let place = Place { account: workload.account, region: HOME };
        let mut at = from.0 + (workload.rank as i64 * 37) % 300;
        while at < end.0 {
            let by = &self.seat(Seconds(at)).agent;
            scene.routine(Seconds(at), place, by, &machines::UPDATE_INSTANCE_INFORMATION);
            at += 300;
        }
    }

    /// Asks every hour for a parameter that nobody gave it, and is refused: jobs are like that.
    fn stumble(&self, scene: &mut Scene<'_>, workload: &Workload, midnight: Seconds) {
        let Rhythm::Hourly(minute) = workload.rhythm else {
            return;
        };
        let (id, role) = (&scene.org.account(workload.account).id, &workload.role);
        let message = format!(
            "User: arn:aws:sts::{id}:assumed-role/{role}/{} is not authorized to perform: ssm:GetParameter on resource: \
             arn:aws:ssm:{}:{id}:parameter/app/rollup/limits because no identity-based policy allows the ssm:GetParameter action",
            workload.id,
            REGIONS[usize::from(workload.region.0)],
        );
        let place = Place { account: workload.account, region: workload.region };
        for hour in 0..24 {
            let at = Seconds(midnight.0 + hour * 3_600 + minute * 60 + 3);
            let written = Written::read("ssm", "GetParameter")
                .asking(json!({"name": "/app/rollup/limits", "withDecryption": false}))
                .failing("AccessDeniedException", &message);
            scene.call(at, place, &self.seat(at).plain, written);
        }
    }

    /// Renews the session up to `end`.
    fn renew(
        &mut self,
        scene: &mut Scene<'_>,
        workload: &Workload,
        (from, end): (Seconds, Seconds),
    ) {
        let (service, hours) = match workload.kind {
            Kind::Instance => ("ec2.amazonaws.com", 6),
            Kind::Function => ("lambda.amazonaws.com", 12),
            _ => ("ecs-tasks.amazonaws.com", 6),
        };
        let place = (workload.account, workload.region);
        let taking =
            Taking { service, place, role: &workload.role, path: "/", name: &workload.id, hours };
        if self.seats.is_empty() {
            // From before the first day: its record is in no file of ours.
            let before = Seconds(from.0 - scene.chance.between(60, 1_800));
            let session = renewal::session(scene, &taking, before);
            self.seats.push(Seat::of(scene.org, workload, &session));
        }
        // Calls of this day need none but the latest session of the day before.
        let latest = self.seats.len() - 1;
        self.seats.drain(..latest);
        let mut last = self.seats[0].from;
        loop {
            last = next_renewal(&mut scene.chance, workload, last).max(from);
            if last >= end {
                break;
            }
            let session = renewal::take(scene, &taking, last);
            self.seats.push(Seat::of(scene.org, workload, &session));
        }
    }
}

/// Returns how the work of a day falls on its hours.
pub(super) fn hours(rhythm: Rhythm) -> Ranks {
    let weights = OFFICE.map(|weight| match rhythm {
        Rhythm::Steady => 1.2 + weight,
        Rhythm::Office => weight,
        Rhythm::Nightly(_) | Rhythm::Hourly(_) => 1.0,
    });
    Ranks::weighted(&weights)
}

/// Returns how much work there is on the day that begins at `midnight`: 1 on weekdays.
pub(super) fn share_of(rhythm: Rhythm, midnight: Seconds) -> f64 {
    let is_weekend = matches!((midnight.0.div_euclid(86_400) + 4).rem_euclid(7), 0 | 6);
    match (is_weekend, rhythm) {
        (false, _) => 1.0,
        (true, Rhythm::Office) => 0.2,
        (true, Rhythm::Steady) => 0.7,
        (true, Rhythm::Nightly(_) | Rhythm::Hourly(_)) => 0.9,
    }
}

/// Draws when a piece of work begins.
pub(super) fn moment(
    chance: &mut Chance,
    (rhythm, hours): (Rhythm, &Ranks),
    midnight: Seconds,
) -> Seconds {
    let within = match rhythm {
        Rhythm::Steady | Rhythm::Office => {
            chance.rank(hours) as i64 * 3_600 + chance.between(0, 3_600)
        }
        Rhythm::Nightly(hour) => hour * 3_600 + chance.between(0, 5_400),
        Rhythm::Hourly(minute) => {
            chance.between(0, 24) * 3_600 + minute * 60 + chance.between(0, 240)
        }
    };
    Seconds(midnight.0 + within)
}

/// Returns when the session of `workload` is renewed that was issued at `last`.
fn next_renewal(chance: &mut Chance, workload: &Workload, last: Seconds) -> Seconds {
    let every = |period: i64, offset: i64| last.0 + period - (last.0 - offset).rem_euclid(period);
    Seconds(match (workload.kind, workload.rhythm) {
        (Kind::Function, Rhythm::Hourly(minute)) => every(3_600, minute * 60 - 2),
        (Kind::Function, Rhythm::Nightly(hour)) => every(86_400, hour * 3_600 - 2),
        (Kind::Function, _) => last.0 + chance.between(3_600, 7_200),
        (Kind::Instance, _) => last.0 + 3_600 + chance.between(-90, 90),
        _ => last.0 + chance.between(12_000, 18_000),
    })
}

impl Seat {
    fn of(org: &Organisation, workload: &Workload, session: &Session) -> Self {
        let software = match workload.kind {
            Kind::Instance => {
                "aws-sdk-java/2.31.0 md/io#sync md/http#Apache ua/2.1 os/Linux#6.1.119 lang/java#21.0.6"
            }
            Kind::Function => {
                "Boto3/1.38.0 md/Botocore#1.38.0 ua/2.1 os/linux#5.10 lang/python#3.13.2 exec-env/AWS_Lambda_python3.13"
            }
            _ => {
                "aws-sdk-js/3.758.0 ua/2.1 os/linux#6.1.119 lang/js md/nodejs#22.14.0 exec-env/AWS_ECS_FARGATE"
            }
        };
        let address = workload.public.to_string();
        let plain = session.caller(&address, software);
        let gateway = match workload.kind {
            Kind::Function => Arc::clone(&plain),
            _ => {
                let inside =
                    Caller::new(&session.identity(), &workload.private.to_string(), software);
                let endpoint = gateway_endpoint(org, workload);
                Arc::new(Caller { endpoint, ..inside })
            }
        };
        let for_it = |service: &str| {
            let session = Session { invoked_by: service.to_owned(), ..session.clone() };
            session.caller(service, service)
        };
        Self {
            from: session.started,
            ends: session.ends,
            plain,
            gateway,
            agent: session.caller(
                &address,
                "aws-sdk-go/1.55.5 (go1.23.4; linux; amd64) amazon-ssm-agent/3.3.2299.0",
            ),
            secrets: for_it("secretsmanager.amazonaws.com"),
            storage: for_it("AWS Internal"),
        }
    }
}

/// Returns the gateway endpoint of the VPC that `workload` is in: `vpce-…`.
fn gateway_endpoint(org: &Organisation, workload: &Workload) -> String {
    let purpose = format!("gateway-endpoint/{}", workload.account.0);
    format!("vpce-0{}", Chance::of(org.seed, &purpose).hex(16))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;

    use super::*;
    use crate::simulate::call::Call;
    use crate::simulate::call::What;
    use crate::simulate::organisation::workloads::tests::plan;
    use crate::simulate::record;

    /// The calls of the first days, and the organisation.
    fn days(many: i64) -> (Organisation, Vec<Call>) {
        let (plan, mut calls) = (plan(), Vec::new());
        let org = Organisation::draw(&plan);
        let mut diary = Diary::new(plan.start);
        let mut actor = Workloads::new(&plan, &org);
        for day in 0..many {
            actor.live(&org, &mut diary, day);
            calls.extend(diary.take(day).calls);
        }
        (org, calls)
    }

    /// The calls that a workload makes of itself, by the workload's place in production.
    fn own(org: &Organisation, calls: &[Call]) -> BTreeMap<String, Vec<Seconds>> {
        let mut found: BTreeMap<String, Vec<Seconds>> = BTreeMap::new();
        for call in calls.iter().filter(|call| call.place.account == org.production()) {
            let What::Routine(routine, _) = &call.what else {
                continue;
            };
            if routine.name != "UpdateInstanceInformation" && !call.by.session_name().is_empty() {
                let session = call.by.session_name();
                let all = &org.account(org.production()).workloads;
                let service = all.iter().find(|it| it.id == session).unwrap().service.clone();
                found.entry(service).or_default().push(call.at);
            }
        }
        found
    }

    #[test]
    fn how_much_services_call_follows_zipfs_law() {
        let (org, calls) = days(7);
        let mut volumes: Vec<f64> =
            own(&org, &calls).values().map(|times| times.len() as f64).collect();
        volumes.sort_by(|a, b| b.total_cmp(a));
        assert_eq!(volumes.len(), 16);
        let points: Vec<(f64, f64)> =
            (1..).zip(&volumes).map(|(rank, volume)| (f64::from(rank).ln(), volume.ln())).collect();
        let count = points.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
        let (x, y) = (mean(|it| it.0), mean(|it| it.1));
        let above: f64 = points.iter().map(|(a, b)| (a - x) * (b - y)).sum();
        let below: f64 = points.iter().map(|(a, _)| (a - x) * (a - x)).sum();
        let exponent = -above / below;
        assert!((exponent - ZIPF).abs() < 0.25, "{exponent} of {volumes:?}");
    }

    #[test]
    fn each_keeps_its_hours_and_its_weekend() {
        let (org, calls) = days(7);
        let own = own(&org, &calls);
        let hour = |at: &Seconds| at.0.rem_euclid(86_400) / 3_600;
        let is_weekend = |at: &Seconds| (at.0 - org.start.0) / 86_400 >= 5;
        let share = |service: &str, of: &dyn Fn(&Seconds) -> bool| {
            let times = &own[service];
            times.iter().filter(|at| of(at)).count() as f64 / times.len() as f64
        };
        // Two of seven days: 2 * 0.2 of 5.4, 2 * 0.7 of 6.4.
        assert!((share("search", &is_weekend) - 0.4 / 5.4).abs() < 0.03);
        assert!((share("orders-api", &is_weekend) - 1.4 / 6.4).abs() < 0.04);
        assert!(share("search", &|at| (7..18).contains(&hour(at))) > 0.8);
        let by_day = share("orders-api", &|at| (7..18).contains(&hour(at)));
        assert!((0.5..0.75).contains(&by_day), "{by_day}");
        assert!(share("reporting", &|at| (3..5).contains(&hour(at))) > 0.999);
        let in_time = |at: &Seconds| (5..11).contains(&(at.0.rem_euclid(3_600) / 60));
        assert!(share("invoices", &in_time) > 0.999);
    }

    #[test]
    fn renewals_never_gap_and_every_session_is_told_of_when_it_is_issued() {
        let (org, calls) = days(2);
        let (mut text, mut issued) = (String::new(), BTreeMap::new());
        let mut written: Vec<Value> = Vec::new();
        for call in &calls {
            text.clear();
            record::write(&org, call, &mut text);
            written.push(serde_json::from_str(&text).unwrap());
        }
        for record in written.iter().filter(|it| it["eventName"] == "AssumeRole") {
            let key = record["responseElements"]["credentials"]["accessKeyId"].clone();
            issued.insert(key.as_str().unwrap().to_owned(), record["eventTime"].clone());
        }
        let start = org.start.to_string();
        let mut renewals: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for record in written.iter().filter(|it| it["userIdentity"]["type"] == "AssumedRole") {
            let user = &record["userIdentity"];
            let created = user["sessionContext"]["attributes"]["creationDate"].as_str().unwrap();
            let at = Seconds::parse(record["eventTime"].as_str().unwrap()).unwrap();
            let began = Seconds::parse(created).unwrap();
            assert!(began <= at && at.0 < began.0 + 12 * 3_600, "{record}");
            if created >= start.as_str() {
                assert_eq!(issued[user["accessKeyId"].as_str().unwrap()], created, "{record}");
            }
            if !user["sessionContext"]["ec2RoleDelivery"].is_null() {
                assert!(at.0 < began.0 + 4_000, "about every hour: {record}");
                let principal = user["principalId"].as_str().unwrap().to_owned();
                renewals.entry(principal).or_default().push(began.0);
            }
        }
        for (instance, mut times) in renewals {
            times.sort_unstable();
            times.dedup();
            assert!(times.windows(2).all(|pair| pair[1] - pair[0] < 4_000), "{instance}");
        }
    }
}
