//! Under which of the two group protocols a round runs.

use std::time::Duration;

/// How members and their group agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// Clients share the partitions out, by cooperative-sticky assignment.
    Classic,
    /// The broker does (KIP-848).
    Consumer,
}

impl Protocol {
    /// By the value of `group.protocol`.
    pub fn named(name: &str) -> Option<Protocol> {
        [Protocol::Classic, Protocol::Consumer].into_iter().find(|protocol| protocol.name() == name)
    }

    /// As in `group.protocol`.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Classic => "classic",
            Protocol::Consumer => "consumer",
        }
    }

    /// Of a round in which `kinds` take turns: neighbours differ, and a kind has the other one the next time.
    pub fn of_round(number: u64, kinds: u64) -> Protocol {
        match (number / kinds + number % kinds).is_multiple_of(2) {
            true => Protocol::Classic,
            false => Protocol::Consumer,
        }
    }

    /// How long a member may be silent, by the properties below or by the broker's.
    pub fn session_timeout(self) -> Duration {
        match self {
            Protocol::Classic => Duration::from_millis(2000),
            Protocol::Consumer => Duration::from_millis(3000),
        }
    }

    /// What members are told, so that one that is gone is missed soon. Under the newer protocol the broker decides.
    pub fn properties(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Protocol::Classic => &[("session.timeout.ms", "2000"), ("heartbeat.interval.ms", "300")],
            Protocol::Consumer => &[("group.protocol", "consumer")],
        }
    }
}
