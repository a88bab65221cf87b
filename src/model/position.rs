//! Places in the log: partitions, offsets, and what part of the log an answer covers.

use std::fmt;
use std::str::FromStr;

/// A partition's number, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PartitionId(pub i32);

/// A record's offset within its partition, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Offset(pub i64);

/// One record's place in the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// The partition.
    pub partition: PartitionId,
    /// The offset of the last record that counts.
    pub offset: Offset,
}

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.partition, self.offset)
    }
}

/// A text is no position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be PARTITION:OFFSET, both from 0")]
pub struct NoPosition;

impl FromStr for Position {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Position, NoPosition> {
        let (partition, offset) = text.split_once(':').ok_or(NoPosition)?;
        let (partition, offset) = (partition.parse().map_err(|_| NoPosition)?, offset.parse().map_err(|_| NoPosition)?);
        let position = Position { partition: PartitionId(partition), offset: Offset(offset) };
        if partition >= 0 && offset >= 0 { Ok(position) } else { Err(NoPosition) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_is_shown() {
        for text in ["0:0", "3:1024"] {
            assert_eq!(text.parse::<Position>().map(|at| at.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "3", "3:", ":3", "-1:3", "3:-1", "a:b", "1:2:3", "4294967296:0"] {
            assert_eq!(text.parse::<Position>(), Err(NoPosition), "{text}");
        }
    }
}
