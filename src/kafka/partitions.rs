//! Whether the topics exist and fit together: outputs go to the partition their input came from.

use std::time::Duration;

use super::admin::{Admin, AdminError};
use super::settings::TopicSettings;

/// Partitions of the topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Partitions {
    /// All have so many.
    Equal(i32),
    /// These do not exist.
    Missing(Vec<String>),
    /// One has another number than the input.
    Unequal {
        /// The topic that differs.
        topic: String,
        /// Its partitions.
        found: i32,
        /// The input's.
        expected: i32,
    },
}

impl Admin {
    /// Looks at every topic once.
    pub fn partitions(&self, topics: &TopicSettings, timeout: Duration) -> Result<Partitions, AdminError> {
        let counts = self.partition_counts(&topics.names(), timeout)?;
        let missing: Vec<_> = counts.iter().filter(|(_, n)| **n == 0).map(|(name, _)| (*name).to_owned()).collect();
        if !missing.is_empty() {
            return Ok(Partitions::Missing(missing));
        }
        let expected = counts[topics.events.as_str()];
        Ok(match counts.iter().find(|(_, n)| **n != expected) {
            Some((topic, &found)) => Partitions::Unequal { topic: (*topic).to_owned(), found, expected },
            None => Partitions::Equal(expected),
        })
    }
}
