//! Compresses what is delivered.
//!
//! Invariant: the same bytes give the same gzip: no name, no time in its header.

use libdeflater::CompressionLvl;
use libdeflater::Compressor;

/// Compresses one file after the other.
pub struct Packer {
    compressor: Compressor,
}

impl Packer {
    /// Returns a packer. It is quick rather than thorough: what it writes is read once.
    pub fn new() -> Self {
        let level = CompressionLvl::new(3).expect("libdeflate has levels 0 to 12");
        Self { compressor: Compressor::new(level) }
    }

    /// Returns `bytes` as one gzip member.
    pub fn gzip(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut packed = vec![0; self.compressor.gzip_compress_bound(bytes.len())];
        let length = self
            .compressor
            .gzip_compress(bytes, &mut packed)
            .expect("the bound is libdeflate's own");
        packed.truncate(length);
        packed
    }
}

impl Default for Packer {
    fn default() -> Self {
        Self::new()
    }
}
