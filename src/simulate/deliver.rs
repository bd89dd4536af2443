//! Delivers a day: cuts calls and flows into files as AWS does, writes and compresses them, puts them on the shelf.
//!
//! CloudTrail delivers about every five minutes per account and region; some files come late, some records come again.
//!
//! Invariant: which file a record is in, and what the file is called, depend on the plan alone; threads only share the
//! work. Files of a day go out in the order of their delivery.

pub mod digest;
pub mod flows;
pub mod pack;
pub mod parcel;

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;

use crate::model::Seconds;
use crate::simulate::Flows;
use crate::simulate::Pace;
use crate::simulate::Plan;
use crate::simulate::Shelf;
use crate::simulate::Turn;
use crate::simulate::Written;
use crate::simulate::call::AccountIx;
use crate::simulate::call::Call;
use crate::simulate::call::EventId;
use crate::simulate::call::Place;
use crate::simulate::chance::Chance;
use crate::simulate::deliver::digest::Digests;
use crate::simulate::deliver::digest::Log;
use crate::simulate::deliver::pack::Packer;
use crate::simulate::deliver::parcel::Again;
use crate::simulate::deliver::parcel::Done;
use crate::simulate::deliver::parcel::Fate;
use crate::simulate::deliver::parcel::File;
use crate::simulate::deliver::parcel::How;
use crate::simulate::deliver::parcel::Parcel;
use crate::simulate::deliver::parcel::Put;
use crate::simulate::diary::Day;
use crate::simulate::diary::Diary;
use crate::simulate::flow::Flow;
use crate::simulate::iam::state;
use crate::simulate::organisation::Organisation;
use crate::simulate::organisation::REGIONS;
use crate::simulate::record;
use crate::simulate::truth;
use crate::simulate::truth::Simulation;

/// The seconds that one CloudTrail file covers.
const SLOT: i64 = 300;

/// Delivers one day after the other.
pub struct Deliverer<'a> {
    plan: &'a Plan,
    org: &'a Organisation,
    shelf: &'a dyn Shelf,
    pace: &'a dyn Pace,
    threads: usize,
    written: Written,
    /// Records that come again, by the file they come again in.
    again: BTreeMap<(i64, Place), Vec<Again>>,
    /// Files that are delivered on a later day than they are written.
    later: Vec<Parcel>,
    /// Flows that began on a day and end on the next: they are in a file of that one.
    lasting: Vec<Flow>,
    /// What happened and was not delivered.
    left_out: Vec<EventId>,
    /// The chains of digests.
    digests: Digests,
}

impl<'a> Deliverer<'a> {
    /// Returns a deliverer of `plan` to `shelf`.
    pub fn new(
        plan: &'a Plan,
        org: &'a Organisation,
        shelf: &'a dyn Shelf,
        pace: &'a dyn Pace,
        threads: usize,
    ) -> Self {
        Self {
            plan,
            org,
            shelf,
            pace,
            threads: threads.max(1),
            written: Written::default(),
            again: BTreeMap::new(),
            later: Vec::new(),
            lasting: Vec::new(),
            left_out: Vec::new(),
            digests: Digests::default(),
        }
    }

    /// Puts what stands before the first day: the state of IAM in each account, and the key of the digests.
    ///
    /// # Errors
    /// When it could not be put on the shelf.
    pub fn begin(&mut self) -> io::Result<()> {
        self.lines("digest-public-key.pem", &self.digests.public_key())?;
        self.snapshots("start", &[])
    }

    fn snapshots(
        &mut self,
        when: &str,
        changes: &[(Seconds, crate::simulate::iam::Change)],
    ) -> io::Result<()> {
        for ix in 0..self.org.accounts.len() as u16 {
            let account = AccountIx(ix);
            let snapshot = state::snapshot(self.org, account, changes);
            let text = format!("{snapshot:#}\n");
            let id = &self.org.account(account).id;
            self.shelf.put(&format!("snapshot/{when}/{id}.json"), text.as_bytes())?;
            self.written.bytes += text.len() as u64;
        }
        Ok(())
    }

    /// Delivers what happened on `day`.
    ///
    /// # Errors
    /// When a file could not be put on the shelf.
    pub fn deliver(&mut self, day: i64, happened: Day) -> io::Result<()> {
        let (first_slot, last_slot) = (day * 86_400 / SLOT, (day + 1) * 86_400 / SLOT);
        self.digests.taken.extend(happened.taken);
        let slots = (if day == 0 { i64::MIN } else { first_slot }, last_slot);
        let mut files = self.files(happened.calls, slots);
        files.extend(self.flow_files(happened.flows, self.org.midnight(day + 1)));
        self.put_all(files, self.org.midnight(day + 1))?;
        self.pace.told(day, self.written.records);
        Ok(())
    }

    /// Puts what stands after the last day: what came again later, the broker's messages, the truth, and IAM's state.
    ///
    /// # Errors
    /// When a file could not be put on the shelf.
    pub fn end(mut self, mut diary: Diary) -> io::Result<Written> {
        let mut files = self.files(Vec::new(), (i64::MAX, i64::MAX));
        files.extend(self.flow_files(Vec::new(), Seconds(i64::MAX)));
        self.put_all(files, Seconds(i64::MAX))?;
        // What somebody does beyond the last day happens in no delivery.
        self.left_out.extend(diary.take(i64::MAX - 1).calls.iter().map(|call| call.id));
        let part = self.pace.part_of((self.plan.start, self.plan.end()));
        let mut messages = diary.messages;
        messages.retain(|message| message.arrives < part.1);
        messages.sort_by(|a, b| {
            (a.arrives, a.message.to_string()).cmp(&(b.arrives, b.message.to_string()))
        });
        self.written.messages = messages.len() as u64;
        let mut lines = String::new();
        for message in &messages {
            lines.push_str(&message.message.to_string());
            lines.push('\n');
        }
        self.lines("grants.ndjson", &lines)?;
        for (key, truth) in &self.digests.gone {
            diary.truths[*truth].objects.push(key.clone());
        }
        if self.plan.flows == Flows::LeftOut {
            // What only flows tell has left no trace.
            diary.truths.retain(|truth| !truth.events.is_empty() || truth.addresses.is_empty());
        }
        let signatures = self.digests.signatures();
        self.lines("digest-signatures.ndjson", &signatures)?;
        let truths = truth::delivered(diary.truths, &self.left_out, part);
        let simulation = Simulation::of(self.plan, &self.org.id, part);
        self.lines("truth.ndjson", &truth::lines(&simulation, &truths)?)?;
        let mut changes = diary.changes;
        changes.retain(|(at, _)| *at < part.1);
        changes.sort_by_key(|(at, _)| *at);
        self.snapshots("end", &changes)?;
        Ok(self.written)
    }

    fn lines(&mut self, key: &str, lines: &str) -> io::Result<()> {
        self.written.bytes += lines.len() as u64;
        self.shelf.put(key, lines.as_bytes())
    }

    /// Cuts calls into files; what is to come again before the last slot goes in with them.
    ///
    /// What is told only now of an earlier day goes into the first slot: the file of its own is out already.
    fn files(&mut self, calls: Vec<Call>, (first_slot, last_slot): (i64, i64)) -> Vec<Parcel> {
        let mut files: BTreeMap<(i64, Place), File> = BTreeMap::new();
        for call in calls {
            let slot = (call.at.0 - self.plan.start.0).div_euclid(SLOT);
            let key = (slot.max(first_slot), call.place);
            self.may_come_again(&call, key.0);
            files.entry(key).or_insert_with(|| self.file(key)).calls.push(call);
        }
        let later = self.again.split_off(&(
            last_slot,
            Place { account: AccountIx(0), region: crate::simulate::organisation::HOME },
        ));
        for (key, again) in std::mem::replace(&mut self.again, later) {
            files.entry(key).or_insert_with(|| self.file(key)).again.extend(again);
        }
        let mut files: Vec<File> = files.into_values().collect();
        for file in &mut files {
            // AWS keeps no order within a file.
            file.calls.sort_by_key(|call| call.id);
        }
        files.into_iter().map(Parcel::Trail).collect()
    }

    /// Cuts flows into files, those that end before `end`.
    fn flow_files(&mut self, flows: Vec<Flow>, end: Seconds) -> Vec<Parcel> {
        if self.plan.flows == Flows::LeftOut {
            return Vec::new();
        }
        let mut due = std::mem::take(&mut self.lasting);
        due.extend(flows);
        let (due, lasting) = due.into_iter().partition(|flow| flow.end < end);
        self.lasting = lasting;
        flows::files(self.org, due).into_iter().map(Parcel::Flows).collect()
    }

    fn file(&self, (slot, place): (i64, Place)) -> File {
        let mut chance = self.chance_of(slot, place);
        let mut delivered = self.plan.start.0 + (slot + 1) * SLOT + chance.between(60, 420);
        if chance.holds(self.plan.disorder.late_files) {
            delivered += chance.between(900, 7_200);
        }
        File { delivered: Seconds(delivered), place, slot, calls: Vec::new(), again: Vec::new() }
    }

    fn chance_of(&self, slot: i64, place: Place) -> Chance {
        Chance::of(self.plan.seed, &format!("file/{}/{}/{slot}", place.account.0, place.region.0))
    }

    fn may_come_again(&mut self, call: &Call, slot: i64) {
        let drawn = (call.id.0 >> 17) as u32;
        let share = f64::from(drawn) / f64::from(u32::MAX);
        let disorder = self.plan.disorder;
        let how = match share {
            it if it < disorder.duplicates => How::Same,
            it if it < disorder.duplicates + disorder.addenda => How::Addendum,
            _ => return,
        };
        let later = slot + 1 + i64::from(drawn % 12);
        let again = Again { call: call.clone(), how };
        self.again.entry((later, call.place)).or_default().push(again);
    }

    /// Puts `files`, and those of earlier days, in the order of their delivery, as far as they are due before `end`.
    fn put_all(&mut self, mut files: Vec<Parcel>, end: Seconds) -> io::Result<()> {
        files.append(&mut self.later);
        files.sort_by_key(Parcel::order);
        self.later = files.split_off(files.partition_point(|file| file.delivered() < end));
        // Hour by hour: what a digest says stands once all files of its hour are put.
        loop {
            let begins = self.digests.next_hour(self.org);
            let is_empty = files.iter().all(|file| matches!(file, Parcel::Digest(_)));
            let is_over = end == Seconds(i64::MAX) && is_empty && !self.digests.is_behind();
            if is_over || begins >= end {
                break;
            }
            let later = files.split_off(files.partition_point(|file| file.delivered() < begins));
            self.put_hour(&std::mem::replace(&mut files, later))?;
            files.extend(self.digests.due(self.org).into_iter().map(Parcel::Digest));
            files.sort_by_key(Parcel::order);
        }
        self.put_hour(&files)
    }

    /// Puts `files`.
    fn put_hour(&mut self, files: &[Parcel]) -> io::Result<()> {
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Done::default());
        let this = &*self;
        let work = || {
            let (mut text, mut packer) = (String::new(), Packer::new());
            while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                let put = match this.pace.wait_for(file.delivered()) {
                    Turn::LeaveOut => Ok(Put::LeftOut),
                    Turn::Deliver => this.put(file, &mut text, &mut packer),
                };
                let mut done = done.lock().expect("no writer panics with the lock");
                if done.take(file, put) == Fate::Failed {
                    next.store(files.len(), Ordering::Relaxed);
                }
            }
        };
        thread::scope(|scope| {
            for _ in 1..this.threads.min(files.len()) {
                scope.spawn(work);
            }
            work();
        });
        let done = done.into_inner().expect("no writer panics");
        self.written.files += done.written.files;
        self.written.records += done.written.records;
        self.written.flows += done.written.flows;
        self.written.bytes += done.written.bytes;
        self.left_out.extend(done.left_out);
        self.digests.name(done.logs);
        self.digests.chain(done.links);
        done.failed.map_or(Ok(()), Err)
    }

    /// Writes `parcel` and puts it on the shelf, unless somebody takes it away.
    fn put(&self, parcel: &Parcel, text: &mut String, packer: &mut Packer) -> io::Result<Put> {
        match parcel {
            Parcel::Trail(file) => {
                self.text(file, text);
                let log = Log {
                    delivered: file.delivered,
                    place: file.place,
                    key: self.key(file),
                    hash: digest::sha256(text.as_bytes()),
                    times: file.times(),
                    taken: self.digests.taker(file.place, (self.begin_of(file), SLOT)),
                };
                if log.taken.is_some() {
                    return Ok(Put::TakenAway(log));
                }
                let packed = packer.gzip(text.as_bytes());
                self.shelf.put(&log.key, &packed)?;
                Ok(Put::Trail(packed.len(), log))
            }
            Parcel::Flows(file) => {
                file.write(self.org, text);
                let packed = packer.gzip(text.as_bytes());
                self.shelf.put(&file.key(self.org), &packed)?;
                Ok(Put::Flows(packed.len()))
            }
            Parcel::Digest(due) => {
                let (text, link) = self.digests.write(self.org, due, self.shelf.bucket());
                let packed = packer.gzip(text.as_bytes());
                if due.taken.is_none() {
                    self.shelf.put_signed(&link.key, &packed, &link.signature)?;
                }
                Ok(Put::Digest(packed.len(), link))
            }
        }
    }

    fn begin_of(&self, file: &File) -> Seconds {
        Seconds(self.plan.start.0 + file.slot * SLOT)
    }

    fn text(&self, file: &File, text: &mut String) {
        text.clear();
        text.push_str(r#"{"Records":["#);
        for call in &file.calls {
            record::write(self.org, call, text);
            text.push(',');
        }
        for again in &file.again {
            match again.how {
                How::Same => record::write(self.org, &again.call, text),
                How::Addendum => record::addendum(self.org, &again.call, text),
            }
            text.push(',');
        }
        text.pop();
        text.push_str("]}");
    }

    /// `AWSLogs/o-…/ACCOUNT/CloudTrail/REGION/YYYY/MM/DD/ACCOUNT_CloudTrail_REGION_YYYYMMDDTHHmmZ_16letters.json.gz`
    fn key(&self, file: &File) -> String {
        let (org, account) = (&self.org.id, &self.org.account(file.place.account).id);
        let region = REGIONS[usize::from(file.place.region.0)];
        let (day, minute) = path_time(file.delivered);
        let mut chance = self.chance_of(file.slot, file.place);
        let unique =
            chance.letters(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789");
        format!(
            "AWSLogs/{org}/{account}/CloudTrail/{region}/{day}/{account}_CloudTrail_{region}_{minute}_{unique}.json.gz"
        )
    }
}

/// Returns a moment as paths spell it: `2026/03/02` and `20260302T0805Z`.
pub fn path_time(at: Seconds) -> (String, String) {
    let text = at.to_string();
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let (day, time) = digits.split_at(8);
    let (hour_minute, _) = time.split_at(4);
    let (year, month_day) = day.split_at(4);
    let (month, day_of_month) = month_day.split_at(2);
    (format!("{year}/{month}/{day_of_month}"), format!("{day}T{hour_minute}Z"))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::simulate::Disorder;
    use crate::simulate::diary::Scene;
    use crate::simulate::flow::Action;
    use crate::simulate::flow::Direction;
    use crate::simulate::organisation::HOME;
    use crate::simulate::organisation::workloads::tests::plan;

    /// Remembers what was put, in that order.
    #[derive(Default)]
    struct Row(Mutex<Vec<(String, usize)>>);

    impl Shelf for Row {
        fn put(&self, key: &str, bytes: &[u8]) -> io::Result<()> {
            self.0.lock().unwrap().push((key.to_owned(), bytes.len()));
            Ok(())
        }
    }

    /// Remembers what it was asked to wait for, and never waits.
    #[derive(Default)]
    struct Asked(Mutex<Vec<Seconds>>);

    impl Pace for Asked {
        fn wait_for(&self, moment: Seconds) -> Turn {
            self.0.lock().unwrap().push(moment);
            Turn::Deliver
        }

        fn told(&self, _: i64, _: u64) {}
    }

    fn flow(start: i64, end: i64) -> Flow {
        let (near, far) = (Ipv4Addr::new(10, 22, 0, 10), Ipv4Addr::new(198, 19, 204, 1));
        Flow {
            account: AccountIx(2),
            interface: "eni-0a".to_owned(),
            instance: "-".to_owned(),
            subnet: 0,
            from: (near, 40_000),
            to: (far, 443),
            protocol: 6,
            packets: 1,
            bytes: 60,
            start: Seconds(start),
            end: Seconds(end),
            action: Action::Accept,
            direction: Direction::Egress,
            flags: 2,
            service: "-",
        }
    }

    #[test]
    fn trail_and_flow_files_go_out_in_one_order_and_no_flow_is_lost_at_midnight() {
        let plan = Plan { days: 2, disorder: Disorder::NONE, ..plan() };
        let org = Organisation::draw(&plan);
        let (row, asked) = (Row::default(), Asked::default());
        let mut deliverer = Deliverer::new(&plan, &org, &row, &asked, 1);
        let mut diary = Diary::new(plan.start);
        let by = crate::simulate::caller::Caller::service("ec2.amazonaws.com");
        let second = org.midnight(1).0;
        let mut scene = Scene::of(&org, &mut diary, "test");
        for at in (plan.start.0..org.midnight(2).0).step_by(1_800) {
            let place = Place { account: AccountIx(2), region: HOME };
            let routine = &crate::simulate::catalogue::DESCRIBE_INSTANCES;
            scene.routine(Seconds(at), place, &by, routine);
            scene.diary.flow(flow(at, at + 30));
        }
        // One begins before midnight and ends after; the next day has another in that very window.
        scene.diary.flow(flow(second - 10, second + 40));
        for day in 0..2 {
            deliverer.deliver(day, diary.take(day)).unwrap();
        }
        let written = deliverer.end(diary).unwrap();
        let asked = asked.0.into_inner().unwrap();
        assert!(asked.is_sorted(), "{asked:?}");
        let row = row.0.into_inner().unwrap();
        let mut keys: Vec<&String> = row.iter().map(|(key, _)| key).collect();
        let put = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), put, "no file is put over another");
        assert_eq!(keys.iter().filter(|key| key.contains("vpcflowlogs")).count(), 96);
        assert_eq!((written.records, written.flows), (96, 97));
    }

    #[test]
    fn what_is_told_late_of_yesterday_is_put_over_nothing() {
        let plan = Plan { days: 2, disorder: Disorder::NONE, ..plan() };
        let org = Organisation::draw(&plan);
        let (row, asked) = (Row::default(), Asked::default());
        let mut deliverer = Deliverer::new(&plan, &org, &row, &asked, 1);
        let mut diary = Diary::new(plan.start);
        let by = crate::simulate::caller::Caller::service("ec2.amazonaws.com");
        let place = Place { account: AccountIx(2), region: HOME };
        for day in 0..2 {
            let mut scene = Scene::of(&org, &mut diary, "test");
            let evening = Seconds(org.midnight(1).0 - 1_700);
            scene.routine(evening, place, &by, &crate::simulate::catalogue::DESCRIBE_INSTANCES);
            deliverer.deliver(day, diary.take(day)).unwrap();
        }
        let written = deliverer.end(diary).unwrap();
        assert_eq!((written.records, written.files), (2, 2));
        let row = row.0.into_inner().unwrap();
        let trail = row.iter().map(|(key, _)| key).filter(|key| key.contains("/CloudTrail/"));
        let keys: std::collections::BTreeSet<&String> = trail.collect();
        assert_eq!(keys.len(), 2, "{keys:?}");
    }

    #[test]
    fn flows_are_left_out_where_the_plan_says_so() {
        let plan = Plan { flows: Flows::LeftOut, ..plan() };
        let org = Organisation::draw(&plan);
        let (row, asked) = (Row::default(), Asked::default());
        let mut deliverer = Deliverer::new(&plan, &org, &row, &asked, 2);
        let flows = vec![flow(plan.start.0, plan.start.0 + 9)];
        deliverer.deliver(0, Day { flows, ..Day::default() }).unwrap();
        assert_eq!(deliverer.end(Diary::new(plan.start)).unwrap().flows, 0);
        assert!(row.0.into_inner().unwrap().iter().all(|(key, _)| !key.contains("vpcflowlogs")));
    }
}
