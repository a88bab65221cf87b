//! The digest of a body: XXH3 of its type and fields in the order of the contract. Long fields, embeddings and
//! prefix chains, are hashed where they lie and stand in with their own hash, so that nothing large is copied.

use serde::Serialize;
use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64;

/// Bytes that nearly every body fits in without its long fields.
const ROOM: usize = 1024;
/// Bytes from which a field is long.
const LONG: usize = 256;

#[derive(Default)]
struct Digest(SmallVec<[u8; ROOM]>);

impl postcard::ser_flavors::Flavor for Digest {
    type Output = u64;

    fn try_extend(&mut self, data: &[u8]) -> postcard::Result<()> {
        match data.len() {
            0..LONG => self.0.extend_from_slice(data),
            // Its length was written before it, and tells which of the two follows.
            LONG.. => self.0.extend_from_slice(&xxh3_64(data).to_le_bytes()),
        }
        Ok(())
    }

    fn try_push(&mut self, data: u8) -> postcard::Result<()> {
        self.0.push(data);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<u64> {
        Ok(xxh3_64(&self.0))
    }
}

/// The digest of a body of the type `label`.
pub(super) fn digest<T: Serialize>(label: &str, body: &T) -> u64 {
    // Writing plain structs to memory fails only for sequences of unknown length, which no body has.
    postcard::serialize_with_flavor(&(label, body), Digest::default()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::decode::wire::VectorBytes;

    #[test]
    fn every_byte_counts_and_so_does_the_length() {
        let of = |bytes: &[u8]| digest("context_embedded", &VectorBytes(bytes.into()));
        let mut seen = std::collections::HashSet::new();
        for len in [0, 1, LONG - 1, LONG, LONG + 1, 4 * LONG] {
            let mut bytes = vec![7; len];
            assert!(seen.insert(of(&bytes)), "{len} bytes");
            for at in 0..len {
                bytes[at] = 8;
                assert!(seen.insert(of(&bytes)), "{len} bytes, the one at {at}");
                bytes[at] = 7;
            }
        }
        assert!(seen.insert(digest("turn_completed", &VectorBytes(vec![7].into()))));
    }
}
