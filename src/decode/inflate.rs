//! Inflating gzip, with a bound on what comes out.
//!
//! libdeflate inflates a whole member at once and is about twice as fast as any streaming inflater, but stops
//! behind the first member without saying so, and needs to know the size beforehand. It is therefore given only
//! objects that can hold no second member, and its result is taken only if its length is what the object's last
//! four bytes promise; anything else goes the slow way. (libdeflate checks the member's CRC-32 itself.)
//!
//! Invariant: this is the only place that inflates, and nothing it returns is longer than the limit.

use std::cell::RefCell;
use std::io::Read;

use flate2::read::MultiGzDecoder;
use libdeflater::Decompressor;

use crate::decode::DecodeError;

/// Deflate cannot do better than 1032 to 1 (RFC 1951: 258 bytes from two bits); a trailer that claims more lies.
const MAX_DEFLATE_RATIO: usize = 1032;

/// A gzip member is at least header and trailer.
const MIN_MEMBER: usize = 18;

thread_local! {
    static DECOMPRESSOR: RefCell<Decompressor> = RefCell::new(Decompressor::new());
}

/// Returns the content of `bytes`: inflated if it is gzip (any number of members), as it is otherwise.
///
/// # Errors
/// [`DecodeError::TooLarge`] when more than `max_bytes` would come out, [`DecodeError::Gzip`] when the object is
/// truncated or damaged.
pub fn inflate(bytes: Vec<u8>, max_bytes: usize) -> Result<Vec<u8>, DecodeError> {
    if !is_gzip(&bytes) {
        if bytes.len() > max_bytes {
            return Err(DecodeError::TooLarge { limit: max_bytes });
        }
        return Ok(bytes);
    }
    match whole(&bytes, max_bytes) {
        Some(content) => Ok(content),
        None => streamed(&bytes, max_bytes),
    }
}

/// Returns whether `bytes` begin like gzip (RFC 1952).
pub fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

/// The fast way: one member, whose size the trailer tells. `None` means only "take the other way".
fn whole(bytes: &[u8], max_bytes: usize) -> Option<Vec<u8>> {
    let trailer = bytes.len().checked_sub(4).filter(|at| *at >= MIN_MEMBER - 4)?;
    let size = u32::from_le_bytes(bytes.get(trailer..)?.try_into().ok()?) as usize;
    if size > max_bytes || size / MAX_DEFLATE_RATIO > bytes.len() || may_hold_more(bytes) {
        return None;
    }
    let mut content = vec![0; size];
    let inflated = DECOMPRESSOR
        .with_borrow_mut(|decompressor| decompressor.gzip_decompress(bytes, &mut content))
        .ok()?;
    (inflated == size).then_some(content)
}

/// Returns whether a second member may begin somewhere: its magic and method stand behind the first's.
///
/// By chance they also stand in one of some 16 MB of compressed bytes; the slow way reads those as well.
fn may_hold_more(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes.get(1..).unwrap_or_default(), &[0x1f, 0x8b, 0x08]).is_some()
}

/// The slow way: any number of members. It is gone through twice, first only to learn how much would come out: what
/// is too large then costs time, but no memory.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the bounded inflater that the ban points to"
)]
fn streamed(bytes: &[u8], max_bytes: usize) -> Result<Vec<u8>, DecodeError> {
    let limit = (max_bytes as u64).saturating_add(1);
    let mut counted = MultiGzDecoder::new(bytes).take(limit);
    let size = std::io::copy(&mut counted, &mut std::io::sink()).map_err(DecodeError::Gzip)?;
    if size == limit {
        return Err(DecodeError::TooLarge { limit: max_bytes });
    }
    let mut content = Vec::with_capacity(usize::try_from(size).unwrap_or(max_bytes));
    MultiGzDecoder::new(bytes).take(limit).read_to_end(&mut content).map_err(DecodeError::Gzip)?;
    Ok(content)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    /// Returns `content` as one gzip member.
    pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    proptest! {
        #[test]
        fn gives_back_what_was_packed(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..4)) {
            let packed: Vec<u8> = parts.iter().flat_map(|part| gzip(part)).collect();
            let content = parts.concat();
            prop_assert_eq!(inflate(packed, 1 << 20).unwrap(), content);
        }

        #[test]
        fn damage_is_an_error_or_nothing_at_all(content in prop::collection::vec(any::<u8>(), 1..300), at: prop::sample::Index, bit in 0u8..8) {
            let mut packed = gzip(&content);
            let at = at.index(packed.len());
            packed[at] ^= 1 << bit;
            // Bits of the header (name, time, OS) may change nothing; otherwise damage shows.
            if let Ok(found) = inflate(packed.clone(), 1 << 20) {
                prop_assert!(found == content || !is_gzip(&packed));
            }
        }
    }

    #[test]
    fn two_members_of_equal_size_are_both_read() {
        let packed = [gzip(b"first\n"), gzip(b"other\n")].concat();
        assert_eq!(inflate(packed, 100).unwrap(), b"first\nother\n");
        let same = [gzip(b"again\n"), gzip(b"again\n")].concat();
        assert_eq!(inflate(same, 100).unwrap(), b"again\nagain\n");
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bomb = gzip(&vec![b' '; 5_000_000]);
        assert!(bomb.len() < 50_000);
        assert!(matches!(
            inflate(bomb, 1_000_000),
            Err(DecodeError::TooLarge { limit: 1_000_000 })
        ));
    }

    #[test]
    fn a_trailer_that_lies_about_the_size_gains_nothing() {
        let mut packed = gzip(&vec![b' '; 5_000_000]);
        let at = packed.len() - 4;
        packed[at..].copy_from_slice(&10u32.to_le_bytes());
        assert!(inflate(packed, 1_000_000).is_err());
    }

    #[test]
    fn a_truncated_member_is_an_error() {
        let mut packed = gzip(b"{\"Records\":[]}");
        packed.truncate(packed.len() - 5);
        assert!(matches!(inflate(packed, 1_000), Err(DecodeError::Gzip(_))));
    }
}
