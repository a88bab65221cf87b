//! A session's embedding as its private record.

use serde::Deserialize;
use zerocopy::IntoBytes;

use super::codecs::VECTOR;
use super::read::{DecodeError, name, small};
use crate::engine::positional::Writer;
use crate::model::ids::Name;
use crate::model::vector::UnitVector;

/// A vector record as it is read back.
#[derive(Deserialize)]
struct VectorRecord<'a> {
    space: &'a str,
    covers_turn: i64,
    #[serde(with = "serde_bytes")]
    vector: &'a [u8],
}

/// Appends the Avro body of a vector record: the components as f16, little-endian.
pub fn vector(bytes: &mut Vec<u8>, space: &Name, covers_turn: u32, vector: &UnitVector) {
    let mut out = Writer::new(bytes);
    out.name(space);
    out.long(covers_turn.into());
    if cfg!(target_endian = "little") {
        return out.counted(vector.as_slice().as_bytes());
    }
    out.filled(2 * vector.dim(), |bytes| {
        for (bytes, component) in bytes.chunks_exact_mut(2).zip(vector.as_slice()) {
            bytes.copy_from_slice(&component.to_le_bytes());
        }
    });
}

/// Reads the Avro body of a vector record: space, covered turn, vector.
pub fn decode_vector(bytes: &[u8]) -> Result<(Name, u32, UnitVector), DecodeError> {
    let record: VectorRecord<'_> = VECTOR.read(bytes)?;
    let (components, rest) = record.vector.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(DecodeError::Field("vector"));
    }
    let vector = UnitVector::of_half_le_bytes(components).map_err(|_| DecodeError::Field("vector"))?;
    Ok((name("space", record.space)?, small("covers_turn", record.covers_turn)?, vector))
}
