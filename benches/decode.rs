//! What the decode room costs: `cargo bench --bench decode`.

#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]

#[expect(dead_code, reason = "each benchmark takes of the corpus what it needs")]
mod corpus;

use std::fmt::Write as _;

use divan::Bencher;
use divan::counter::BytesCount;
use divan::counter::ItemsCount;
use grantwatch::decode::Config;
use grantwatch::decode::decode;
use grantwatch::decode::inflate;
use grantwatch::model::Format;

const MAX_BYTES: usize = 256 << 20;
const FLOW_LINES: usize = 10_000;

fn main() {
    divan::main();
}

/// One member, as CloudTrail writes its files.
#[divan::bench]
fn inflate_one_member(bencher: Bencher<'_, '_>) {
    let text = corpus::text(0);
    let file = corpus::gzip(text.as_bytes());
    bencher
        .counter(BytesCount::new(text.len()))
        .with_inputs(|| file.clone())
        .bench_values(|file| inflate(file, MAX_BYTES).unwrap());
}

/// Several members go the streaming way.
#[divan::bench]
fn inflate_two_members(bencher: Bencher<'_, '_>) {
    let text = corpus::text(0);
    let (head, tail) = text.as_bytes().split_at(text.len() / 2);
    let file = [corpus::gzip(head), corpus::gzip(tail)].concat();
    bencher
        .counter(BytesCount::new(text.len()))
        .with_inputs(|| file.clone())
        .bench_values(|file| inflate(file, MAX_BYTES).unwrap());
}

/// A file that is inflated already: one pass over its records.
#[divan::bench]
fn read_trail(bencher: Bencher<'_, '_>) {
    let text = corpus::text(0);
    bencher
        .counter(BytesCount::new(text.len()))
        .counter(ItemsCount::new(corpus::EVENTS_PER_FILE))
        .with_inputs(|| text.clone().into_bytes())
        .bench_values(|text| decode(Format::CloudTrail, text, &Config::default()).unwrap());
}

/// A file from its bytes to its records.
#[divan::bench]
fn decode_trail(bencher: Bencher<'_, '_>) {
    let text = corpus::text(0);
    let file = corpus::gzip(text.as_bytes());
    bencher
        .counter(BytesCount::new(text.len()))
        .counter(ItemsCount::new(corpus::EVENTS_PER_FILE))
        .with_inputs(|| file.clone())
        .bench_values(|file| decode(Format::CloudTrail, file, &Config::default()).unwrap());
}

/// Lines of a flow log in its default form, not compressed.
#[divan::bench]
fn read_flow(bencher: Bencher<'_, '_>) {
    let text = flow();
    bencher
        .counter(BytesCount::new(text.len()))
        .counter(ItemsCount::new(FLOW_LINES))
        .with_inputs(|| text.clone().into_bytes())
        .bench_values(|text| decode(Format::Flow, text, &Config::default()).unwrap());
}

fn flow() -> String {
    let mut text = String::from(
        "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status\n",
    );
    for line in 0..FLOW_LINES {
        let (host, port, start) = (line % 250, 32_768 + line % 28_000, 1_772_352_000 + line / 40);
        writeln!(
            text,
            "2 111122223333 eni-0a1b2c3d4e5f60001 203.0.113.{host} 10.0.1.5 {port} 443 6 17 {} {start} {} ACCEPT OK",
            4_000 + line,
            start + 60,
        )
        .unwrap();
    }
    text
}
