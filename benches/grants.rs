//! What a verdict costs among a million grants: `cargo bench --bench grants`.

fn main() {}
