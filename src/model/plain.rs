//! Maps whose keys are hashes, which need not be hashed again.
//!
//! Invariant: what is kept under a hash is compared, or the hash is of something nobody outside may choose.

use std::hash::BuildHasherDefault;
use std::hash::Hasher;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Leaves hashes as they are: the keys of these maps are hashes already.
#[derive(Debug, Default)]
pub struct AsIs(u64);

/// For maps whose keys are hashes.
pub type Plain = BuildHasherDefault<AsIs>;

/// Returns a hash of where `shared` lies in memory. It stands for `shared` as long as that is kept.
pub fn place_of<T>(shared: &Arc<T>) -> u64 {
    // Places are multiples of some power of two: the product's high bits are the good ones.
    (Arc::as_ptr(shared).addr() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32)
}

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
