//! Embeddings as Avro bodies: the very bits that were rounded on arrival.

use half::f16;
use serde::{Deserialize, Serialize};

use super::codecs::VECTOR;
use super::copies::{name, text};
use super::fault::{ReadFault, known};
use crate::engine::decode::wire::Text;
use crate::model::ids::Name;
use crate::model::vector::UnitVector;

#[derive(Serialize, Deserialize)]
struct SessionVector<'a> {
    space: Text<'a>,
    covers_turn: i64,
    #[serde(with = "serde_bytes")]
    vector: Vec<u8>,
}

/// Avro body of an embedding.
pub fn vector(space: &Name, covers_turn: u32, vector: &UnitVector) -> Vec<u8> {
    let bytes = vector.as_slice().iter().flat_map(|c| c.to_le_bytes()).collect();
    VECTOR.write_own(&SessionVector { space: text(space), covers_turn: covers_turn.into(), vector: bytes })
}

/// Reads an embedding's Avro body: space, covered turn, vector.
pub fn decode_vector(body: &[u8]) -> Result<(Name, u32, UnitVector), ReadFault> {
    let wire: SessionVector<'static> = VECTOR.read(body)?;
    let (pairs, rest) = wire.vector.as_chunks::<2>();
    known(rest.is_empty().then_some(()), "vector")?;
    let bits: Box<[f16]> = pairs.iter().map(|pair| f16::from_le_bytes(*pair)).collect();
    let vector = known(UnitVector::from_bits(bits).ok(), "vector")?;
    Ok((name(&wire.space)?, known(u32::try_from(wire.covers_turn).ok(), "covers_turn")?, vector))
}
