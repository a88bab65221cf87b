//! Blocks are known by what is chained here out of the hashes that came, so that where a block is held, so are all before
//! it, whatever a producer calls a chained hash.

/// What the blocks of a chain are known by: each by itself and all before it.
pub(super) fn keys(chain: &[u64]) -> Vec<u64> {
    let chained = |last: &mut u64, hash: &u64| {
        let wide = u128::from(*last ^ hash ^ 0x2545_F491_4F6C_DD1D) * 0x9E37_79B9_7F4A_7C15;
        *last = wide as u64 ^ (wide >> 64) as u64;
        Some(*last)
    };
    chain.iter().scan(0, chained).collect()
}
