//! How fast a simulation is written, against the floor of only compressing the same text in the same run.
//!
//! The floor is what no writer can do without: the same files, already written as text, compressed by the same packer on
//! as many threads. What is left is planning and writing. Nothing goes to disk.
//!
//! `cargo bench --bench simulate [-- DAYS ROUNDS]`

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark may panic, and prints its result"
)]

use std::io;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Instant;

use grantwatch::decode;
use grantwatch::model::Seconds;
use grantwatch::simulate;
use grantwatch::simulate::Disorder;
use grantwatch::simulate::Flows;
use grantwatch::simulate::Pace;
use grantwatch::simulate::Plan;
use grantwatch::simulate::Shelf;
use grantwatch::simulate::Turn;
use grantwatch::simulate::deliver::pack::Packer;

/// The figure is promised for two cores.
const THREADS: usize = 2;

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<u32>().ok());
    let (days, rounds) = (numbers.next().unwrap_or(14), numbers.next().unwrap_or(5));
    let plan = Plan {
        seed: 7,
        start: Seconds(1_772_409_600),
        days: days.into(),
        accounts: 4,
        people: 60,
        // Workloads make up most of what a large organisation delivers.
        volume: 4.0,
        incidents: Vec::new(),
        flows: Flows::LeftOut,
        disorder: Disorder::default(),
    };
    let texts = texts(&plan);
    let bytes: usize = texts.iter().map(Vec::len).sum();
    let (mut floors, mut runs, mut records) = (Vec::new(), Vec::new(), 0);
    for _ in 0..rounds {
        floors.push(seconds(|| compress(&texts)));
        runs.push(seconds(|| {
            let weighed = Weighed::default();
            records = simulate::simulate(&plan, &weighed, &AtOnce, THREADS).unwrap().records;
        }));
    }
    let (floor, run) = (median(floors), median(runs));
    println!("{records} records in {} files, {:.0} MB of text", texts.len(), bytes as f64 / 1e6);
    println!("floor, {THREADS} threads     {floor:>7.3} s");
    println!(
        "simulate, {THREADS} threads  {run:>7.3} s  {:>9.0} records/s  {:.2} x floor",
        records as f64 / run,
        run / floor,
    );
}

/// Returns the texts of all files.
fn texts(plan: &Plan) -> Vec<Vec<u8>> {
    let kept = Kept::default();
    simulate::simulate(plan, &kept, &AtOnce, THREADS).unwrap();
    let packed = kept.0.into_inner().unwrap();
    packed.into_iter().map(|bytes| decode::inflate(bytes, usize::MAX).unwrap()).collect()
}

/// Compresses `texts` on all threads.
fn compress(texts: &[Vec<u8>]) {
    let (next, bytes) = (AtomicUsize::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let mut packer = Packer::new();
                while let Some(text) = texts.get(next.fetch_add(1, Ordering::Relaxed)) {
                    bytes.fetch_add(packer.gzip(text).len() as u64, Ordering::Relaxed);
                }
            });
        }
    });
    assert!(bytes.into_inner() > 0, "nothing was written");
}

/// Keeps the files of CloudTrail.
#[derive(Default)]
struct Kept(Mutex<Vec<Vec<u8>>>);

impl Shelf for Kept {
    fn put(&self, key: &str, bytes: &[u8]) -> io::Result<()> {
        if key.contains("/CloudTrail/") {
            self.0.lock().unwrap().push(bytes.to_vec());
        }
        Ok(())
    }
}

/// Only weighs what it is given.
#[derive(Default)]
struct Weighed(AtomicU64);

impl Shelf for Weighed {
    fn put(&self, _: &str, bytes: &[u8]) -> io::Result<()> {
        self.0.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}

struct AtOnce;

impl Pace for AtOnce {
    fn wait_for(&self, _: Seconds) -> Turn {
        Turn::Deliver
    }

    fn told(&self, _: i64, _: u64) {}
}

fn seconds(work: impl FnOnce()) -> f64 {
    let began = Instant::now();
    work();
    began.elapsed().as_secs_f64()
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
