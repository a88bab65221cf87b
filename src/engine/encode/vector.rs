//! A session's embedding as its private record.

use std::borrow::Cow;

use half::f16;
use serde::{Deserialize, Serialize};

use super::codecs::VECTOR;
use super::positional;
use super::read::{DecodeError, name, small};
use crate::engine::decode::codec::EncodeError;
use crate::model::ids::Name;
use crate::model::vector::UnitVector;

/// Lengths and the turn, at most.
const OVERHEAD_BYTES: usize = 20;

#[derive(Serialize, Deserialize)]
#[serde(rename = "SessionVector")]
struct VectorRecord<'a> {
    space: &'a str,
    covers_turn: i64,
    #[serde(borrow, with = "serde_bytes")]
    vector: Cow<'a, [u8]>,
}

/// The Avro body of a vector record: the components as f16, little-endian.
pub fn vector(space: &Name, covers_turn: u32, vector: &UnitVector) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = vec![0; 2 * vector.dim()];
    for (bytes, component) in bytes.chunks_exact_mut(2).zip(vector.as_slice()) {
        bytes.copy_from_slice(&component.to_le_bytes());
    }
    let record = VectorRecord { space: space.as_str(), covers_turn: covers_turn.into(), vector: bytes.into() };
    let mut body = Vec::with_capacity(OVERHEAD_BYTES + record.space.len() + record.vector.len());
    positional::write(&mut body, &record)?;
    Ok(body)
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
