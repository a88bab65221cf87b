//! Whether a record lies where its tenant's records belong.

use super::ALL_TENANTS;
use crate::model::event::{Subject, ValidEvent};
use crate::model::position::PartitionId;
use crate::model::verdict::{RejectReason, Rejection};

/// Checks the record's key against its tenant and, if `check_partition`, against its partition. A record
/// without a key (from a file) is not checked; broadcast records may lie in any partition.
pub fn check_route(
    key: Option<&[u8]>,
    event: &ValidEvent,
    partition: PartitionId,
    partition_count: i32,
    check_partition: bool,
) -> Result<(), Rejection> {
    let Some(key) = key else { return Ok(()) };
    let misrouted = |message: String| Err(Rejection::new(RejectReason::Misrouted, message));
    let tenant = match &event.subject {
        Subject::Broadcast(_) if key == ALL_TENANTS.as_bytes() => return Ok(()),
        Subject::Broadcast(_) => return misrouted("the key must be '*'".to_owned()),
        Subject::Session { tenant, .. } | Subject::Erasure { tenant, .. } => tenant,
    };
    let shard = key.strip_prefix(tenant.as_str().as_bytes());
    let is_tenants = shard.is_some_and(|shard| match shard {
        [] => true,
        [b'#', digits @ ..] => !digits.is_empty() && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    });
    if !is_tenants {
        return misrouted("the key must be the tenant_id, or the tenant_id, '#' and a number".to_owned());
    }
    let home = home_partition(key, partition_count);
    if check_partition && partition_count > 0 && home != partition {
        return misrouted(format!("the key belongs to partition {home} of {partition_count} by murmur2"));
    }
    Ok(())
}

/// Where Kafka's Java client places a key.
pub fn home_partition(key: &[u8], partition_count: i32) -> PartitionId {
    PartitionId((murmur2(key) & 0x7fff_ffff) as i32 % partition_count.max(1))
}

/// The hash by which Kafka's Java client chooses a partition (`org.apache.kafka.common.utils.Utils.murmur2`).
pub fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ data.len() as u32;
    let (words, tail) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    for (i, byte) in tail.iter().enumerate() {
        hash ^= u32::from(*byte) << (8 * i);
    }
    if !tail.is_empty() {
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}
