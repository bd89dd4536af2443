//! Delivers a day: cuts calls and flows into files as AWS does, writes and compresses them, puts them on the shelf.
//!
//! CloudTrail delivers about every five minutes per account and region; some files come late, some records come again.
//!
//! Invariant: which file a record is in, and what the file is called, depend on the plan alone; threads only share the
//! work. Files of a day go out in the order of their delivery.

pub mod pack;

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;

use crate::model::Seconds;
use crate::simulate::Pace;
use crate::simulate::Plan;
use crate::simulate::Shelf;
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
        self.put_all(&files)?;
        self.written.files += files.len() as u64;
        self.pace.told(day, self.written.records);
        Ok(())
    }

    /// Puts what stands after the last day: what came again later, the broker's messages, the truth, and IAM's state.
    ///
    /// # Errors
    /// When a file could not be put on the shelf.
    pub fn end(mut self, diary: Diary) -> io::Result<Written> {
        let files = self.files(Vec::new(), i64::MAX);
        self.put_all(&files)?;
        self.written.files += files.len() as u64;
        let mut messages = diary.messages;
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
        lines.clear();
        for truth in &diary.truths {
            lines.push_str(&serde_json::to_string(truth).map_err(io::Error::other)?);
            lines.push('\n');
        }
        self.lines("truth.ndjson", &lines)?;
        let mut changes = diary.changes;
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
            self.written.records += (file.calls.len() + file.again.len()) as u64;
        }
        files.sort_by_key(|file| (file.delivered, file.place, file.slot));
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

    fn put_all(&mut self, files: &[File]) -> io::Result<()> {
        let next = AtomicUsize::new(0);
        let bytes = AtomicU64::new(0);
        let failed: Mutex<Option<io::Error>> = Mutex::new(None);
        let this = &*self;
        let work = || {
            let (mut text, mut packer) = (String::new(), pack::Packer::new());
            while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                this.pace.wait_for(file.delivered);
                let packed = packer.gzip(this.text(file, &mut text).as_bytes());
                let put = this.shelf.put(&this.key(file), &packed);
                bytes.fetch_add(packed.len() as u64, Ordering::Relaxed);
                if let Err(error) = put {
                    next.store(files.len(), Ordering::Relaxed);
                    failed.lock().expect("no writer panics with the lock").get_or_insert(error);
                }
            }
        };
        thread::scope(|scope| {
            for _ in 1..this.threads {
                scope.spawn(work);
            }
            work();
        });
        self.written.bytes += bytes.into_inner();
        match failed.into_inner().expect("no writer panics with the lock") {
            Some(error) => Err(error),
            None => Ok(()),
        }
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
