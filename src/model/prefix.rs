//! Prefix chains: chained block hashes, each of which identifies all tokens up to it.

use super::ids::Name;

/// Most positions (hashes) a session may hold.
pub const MAX_PREFIX_POSITIONS: usize = 16_384;

/// How a chain was made. Chains of different families cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PrefixFamily {
    /// Hash algorithm and seed, by name.
    pub algorithm: Name,
    /// Tokens a block, ≥ 1.
    pub block_tokens: u32,
    /// Every how many blocks a hash is sent, ≥ 1.
    pub stride: u32,
}

/// A part of a chain as a producer sent it. `from_block` n keeps blocks before n and replaces the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrefixUpdate {
    /// Family of the chain.
    pub family: PrefixFamily,
    /// First block replaced, a multiple of the stride.
    pub from_block: u64,
    /// Low 64 bits of each hash; hash i stands at block `from_block + i · stride`.
    pub hashes: Vec<u64>,
}
