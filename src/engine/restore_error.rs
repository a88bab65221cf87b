//! Why an engine cannot be built from the state topics. What to do about it is said here and nowhere else, so that no
//! refusal comes without.

use std::fmt;

use crate::engine::restore::StateTopic;
use crate::model::position::Offset;

/// Why the state cannot be used. Displayed: what is wrong and with what, then what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestoreError {
    /// A record of a state topic cannot be read.
    Unreadable {
        /// Where.
        topic: StateTopic,
        /// Its key, printable part.
        key: String,
        /// What is wrong.
        fault: String,
    },
    /// State exists, but no checkpoint.
    NoCheckpoint,
    /// The group has an offset, but there is no state.
    NoState {
        /// The group's.
        group: i64,
    },
    /// Counts or digests differ from the checkpoint.
    DigestMismatch {
        /// Where.
        topic: StateTopic,
        /// Live keys found.
        found: u64,
        /// Live keys recorded.
        expected: u64,
    },
    /// The group's committed offset is not the checkpoint's.
    OffsetMismatch {
        /// The group's.
        group: i64,
        /// The checkpoint's.
        checkpoint: i64,
    },
    /// The input's partition count changed under live state.
    PartitionCountChanged {
        /// Now.
        now: i32,
        /// At the checkpoint.
        then: i32,
    },
    /// The input does not hold the offset at which it has to go on.
    InputGone {
        /// The next offset to read.
        next: Offset,
        /// The first that the input holds.
        begin: Offset,
        /// Behind the last that it holds.
        end: Offset,
    },
}

impl RestoreError {
    /// A record that cannot be read, and why. Of its key the first 200 printable characters are kept.
    pub fn unreadable(topic: StateTopic, key: &[u8], fault: impl fmt::Display) -> RestoreError {
        let key = String::from_utf8_lossy(key).chars().filter(|c| !c.is_control()).take(200).collect();
        RestoreError::Unreadable { topic, key, fault: fault.to_string() }
    }

    /// Whether it is of the states themselves.
    pub(super) fn is_of_states(&self) -> bool {
        matches!(self, RestoreError::Unreadable { topic: StateTopic::States, .. })
    }

    /// What an operator can do about it.
    fn advice(&self) -> &'static str {
        match self {
            RestoreError::Unreadable { .. }
            | RestoreError::NoCheckpoint
            | RestoreError::NoState { .. }
            | RestoreError::DigestMismatch { .. }
            | RestoreError::InputGone { .. } => "rebuild from the input (docs/operations.md, \"Rebuilding\")",
            RestoreError::OffsetMismatch { .. } => {
                "set the group's offset to the checkpoint's, or rebuild from the input (docs/operations.md, \"Rebuilding\")"
            }
            RestoreError::PartitionCountChanged { .. } => {
                "copy the input to one of its own (docs/operations.md, \"Changing the number of partitions\")"
            }
        }
    }

    fn cause(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RestoreError::Unreadable { topic, key, fault } => write!(f, "{topic:?} record of key {key}: {fault}"),
            RestoreError::NoCheckpoint => write!(f, "state records exist but no checkpoint"),
            RestoreError::NoState { group } => write!(
                f,
                "the group's offset is {group}, but the state topics are empty: they were deleted or belong to another \
                 group"
            ),
            RestoreError::DigestMismatch { topic, found, expected } => write!(
                f,
                "{topic:?} holds {found} live keys, the checkpoint says {expected}, or their contents differ: records \
                 are missing, extra or damaged"
            ),
            RestoreError::OffsetMismatch { group, checkpoint } => write!(
                f,
                "the group's offset is {group}, the checkpoint's {checkpoint}: the offsets were reset or the state \
                 belongs to another group"
            ),
            RestoreError::PartitionCountChanged { now, then } => write!(
                f,
                "the input has {now} partitions, the state was made with {then}: keys live elsewhere now, also for a \
                 rebuild"
            ),
            RestoreError::InputGone { next, begin, end } => write!(
                f,
                "the next input offset is {next}, the input holds {begin} to {end}: records were deleted before they \
                 were read, or the topic was made anew"
            ),
        }
    }
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause(f)?;
        write!(f, "; {}", self.advice())
    }
}

impl std::error::Error for RestoreError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_says_what_is_wrong_with_what_and_what_to_do() {
        let topic = StateTopic::Vectors;
        let rebuild = "rebuild from the input (docs/operations.md, \"Rebuilding\")";
        let copy = "copy the input to one of its own (docs/operations.md, \"Changing the number of partitions\")";
        let either = format!("set the group's offset to the checkpoint's, or {rebuild}");
        let gone = RestoreError::InputGone { next: Offset(3), begin: Offset(5), end: Offset(9) };
        for (error, what, advice) in [
            (
                RestoreError::unreadable(topic, b"t/s\n", "no such session"),
                "Vectors record of key t/s: no such",
                rebuild,
            ),
            (RestoreError::NoCheckpoint, "no checkpoint", rebuild),
            (RestoreError::NoState { group: 7 }, "the group's offset is 7, but the state topics are empty", rebuild),
            (RestoreError::DigestMismatch { topic, found: 1, expected: 2 }, "Vectors holds 1 live keys", rebuild),
            (gone, "the next input offset is 3, the input holds 5 to 9", rebuild),
            (RestoreError::OffsetMismatch { group: 7, checkpoint: 8 }, "offset is 7, the checkpoint's 8", &either),
            (RestoreError::PartitionCountChanged { now: 4, then: 3 }, "the input has 4 partitions", copy),
        ] {
            let said = error.to_string();
            assert!(said.contains(what) && said.ends_with(&format!("; {advice}")), "{said}");
        }
    }
}
