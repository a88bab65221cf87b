//! Stand-in.
use crate::model::position::PartitionId;
/// Stand-in.
pub fn partition_of(_: &[u8], _: i32) -> PartitionId {
    PartitionId(0)
}
