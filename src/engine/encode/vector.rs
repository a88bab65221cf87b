//! A session's embedding as its private record.

use half::f16;
use serde::{Deserialize, Serialize};

use super::codecs::VECTOR;
use super::read::{DecodeError, name, small};
use crate::engine::decode::codec::EncodeError;
use crate::model::ids::Name;
use crate::model::vector::UnitVector;

#[derive(Serialize, Deserialize)]
#[serde(rename = "SessionVector")]
struct VectorRecord<'a> {
    space: &'a str,
    covers_turn: i64,
    #[serde(with = "serde_bytes")]
    vector: Vec<u8>,
}

/// The Avro body of a vector record: the components as f16, little-endian.
pub fn vector(space: &Name, covers_turn: u32, vector: &UnitVector) -> Result<Vec<u8>, EncodeError> {
    VECTOR.write(&VectorRecord {
        space: space.as_str(),
        covers_turn: covers_turn.into(),
        vector: vector.as_slice().iter().flat_map(|c| c.to_le_bytes()).collect(),
    })
}

/// Reads the Avro body of a vector record: space, covered turn, vector.
pub fn decode_vector(bytes: &[u8]) -> Result<(Name, u32, UnitVector), DecodeError> {
    let record: VectorRecord<'_> = VECTOR.read(bytes)?;
    let (components, rest) = record.vector.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(DecodeError::Field("vector"));
    }
    let bits: Box<[f16]> = components.iter().map(|c| f16::from_le_bytes(*c)).collect();
    let vector = UnitVector::from_bits(bits).map_err(|_| DecodeError::Field("vector"))?;
    Ok((name("space", record.space)?, small("covers_turn", record.covers_turn)?, vector))
}
