//! Delivers a day: cuts calls and flows into files as AWS does, writes and compresses them, puts them on the shelf.
//!
//! CloudTrail delivers about every five minutes per account and region; some files come late, some records come again.
//!
//! Invariant: which file a record is in, and what the file is called, depend on the plan alone; threads only share the
//! work. Files of a day go out in the order of their delivery.

pub mod flows;
pub mod pack;

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;

use crate::model::Seconds;
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
use crate::simulate::diary::Day;
use crate::simulate::diary::Diary;
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
    later: Vec<File>,
    /// What happened and was not delivered.
    left_out: Vec<EventId>,
}

/// A record that comes again.
struct Again {
    call: Call,
    how: How,
}

/// How a record comes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// The same record once more.
    Same,
    /// A later version of it, which names the first.
    Addendum,
}

/// One CloudTrail file.
struct File {
    delivered: Seconds,
    place: Place,
    slot: i64,
    calls: Vec<Call>,
    again: Vec<Again>,
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
            left_out: Vec::new(),
        }
    }

    /// Puts what stands before the first day: the state of IAM in each account.
    ///
    /// # Errors
    /// When it could not be put on the shelf.
    pub fn begin(&mut self) -> io::Result<()> {
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
        let last_slot = (day + 1) * 86_400 / SLOT;
        let files = self.files(happened.calls, last_slot);
        self.put_all(files, self.org.midnight(day + 1))?;
        self.pace.told(day, self.written.records);
        Ok(())
    }

    /// Puts what stands after the last day: what came again later, the broker's messages, the truth, and IAM's state.
    ///
    /// # Errors
    /// When a file could not be put on the shelf.
    pub fn end(mut self, mut diary: Diary) -> io::Result<Written> {
        let files = self.files(Vec::new(), i64::MAX);
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

    /// Cuts calls into files; what is to come again before `last_slot` goes in with them.
    fn files(&mut self, calls: Vec<Call>, last_slot: i64) -> Vec<File> {
        let mut files: BTreeMap<(i64, Place), File> = BTreeMap::new();
        for call in calls {
            let key = ((call.at.0 - self.plan.start.0).div_euclid(SLOT), call.place);
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
        files
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
    fn put_all(&mut self, mut files: Vec<File>, end: Seconds) -> io::Result<()> {
        files.append(&mut self.later);
        files.sort_by_key(|file| (file.delivered, file.place, file.slot));
        self.later = files.split_off(files.partition_point(|file| file.delivered < end));
        let next = AtomicUsize::new(0);
        let done = Mutex::new((Written::default(), Vec::new(), None));
        let this = &*self;
        let work = || {
            let (mut text, mut packer) = (String::new(), pack::Packer::new());
            while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                let put = match this.pace.wait_for(file.delivered) {
                    Turn::LeaveOut => Ok(None),
                    Turn::Deliver => {
                        let packed = packer.gzip(this.text(file, &mut text).as_bytes());
                        this.shelf.put(&this.key(file), &packed).map(|()| Some(packed.len()))
                    }
                };
                let mut done = done.lock().expect("no writer panics with the lock");
                let (written, left_out, failed) = &mut *done;
                match put {
                    Ok(Some(bytes)) => {
                        written.files += 1;
                        written.records += (file.calls.len() + file.again.len()) as u64;
                        written.bytes += bytes as u64;
                    }
                    Ok(None) => left_out.extend(file.calls.iter().map(|call| call.id)),
                    Err(error) => {
                        next.store(files.len(), Ordering::Relaxed);
                        failed.get_or_insert(error);
                    }
                }
            }
        };
        thread::scope(|scope| {
            for _ in 1..this.threads {
                scope.spawn(work);
            }
            work();
        });
        let (written, left_out, failed) = done.into_inner().expect("no writer panics");
        self.written.files += written.files;
        self.written.records += written.records;
        self.written.bytes += written.bytes;
        self.left_out.extend(left_out);
        failed.map_or(Ok(()), Err)
    }

    fn text<'t>(&self, file: &File, text: &'t mut String) -> &'t str {
        text.clear();
        text.push_str(r#"{"Records":["#);
        for call in &file.calls {
            record::write(self.org, call, text);
            text.push(',');
        }
        for again in &file.again {
            match again.how {
                How::Same => record::write(self.org, &again.call, text),
                How::Addendum => addendum(self.org, &again.call, text),
            }
            text.push(',');
        }
        text.pop();
        text.push_str("]}");
        text
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

/// Writes a later version of a record, with an id of its own, that names the first.
fn addendum(org: &Organisation, call: &Call, text: &mut String) {
    let original = call.id;
    let call = Call { id: EventId(original.0.rotate_left(64) ^ 1), ..call.clone() };
    record::write(org, &call, text);
    text.pop();
    text.push_str(r#","addendum":{"reason":"UPDATED_DATA","updatedFields":"responseElements","originalEventID":""#);
    text.push_str(&original.to_string());
    text.push_str(r#""}}"#);
}
