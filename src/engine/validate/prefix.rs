//! Prefix chains.

use super::field::{At, Checked};
use crate::engine::decode::wire;
use crate::model::prefix::{MAX_PREFIX_POSITIONS, PrefixFamily, PrefixUpdate};
use crate::model::verdict::{RejectReason, Rejection};

/// Checks a part of a chain. Errors: `invalid_field`, and `prefix_too_long` beyond 16,384 positions.
pub(super) fn check(at: &At<'_>, prefix: &wire::Prefix<'_>) -> Checked<PrefixUpdate> {
    let stride = at.to("stride").positive_small(prefix.stride.unwrap_or(1))?;
    let from_block = at.to("from_block").count(prefix.from_block.unwrap_or(0))?;
    if !from_block.is_multiple_of(u64::from(stride)) {
        return Err(at.to("from_block").invalid("must be a multiple of the stride"));
    }
    let (hashes, rest) = prefix.hashes.0.as_chunks::<8>();
    if !rest.is_empty() {
        return Err(at.to("hashes").invalid("must be whole hashes of 8 bytes"));
    }
    let positions = (from_block / u64::from(stride)).saturating_add(hashes.len() as u64);
    if positions > MAX_PREFIX_POSITIONS as u64 {
        let message = format!("{at}: must end within {MAX_PREFIX_POSITIONS} positions; a larger stride thins it");
        return Err(Rejection::new(RejectReason::PrefixTooLong, message));
    }
    Ok(PrefixUpdate {
        family: PrefixFamily {
            algorithm: at.to("algorithm").name(&prefix.algorithm)?,
            block_tokens: at.to("block_tokens").positive_small(prefix.block_tokens)?,
            stride,
        },
        from_block,
        hashes: hashes.iter().map(|hash| u64::from_be_bytes(*hash)).collect(),
    })
}
