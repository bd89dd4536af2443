//! Maps whose keys are hashes, which need not be hashed again.
//!
//! Invariant: what is kept under a hash is compared, or the hash is of something nobody outside may choose.

use std::hash::BuildHasherDefault;
use std::hash::Hasher;

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Leaves hashes as they are: the keys of these maps are hashes already.
#[derive(Debug, Default)]
pub struct AsIs(u64);

/// For maps whose keys are hashes.
pub type Plain = BuildHasherDefault<AsIs>;

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
