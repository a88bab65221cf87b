//! Why a restore did not come to an engine. A refusal is never a text made up on the spot: each kind says what to do.

use rdkafka::error::KafkaError;

use crate::engine::RestoreError;

/// What kept a restore from its end.
pub(super) enum Fault {
    /// Nobody wants it any more.
    Cancelled,
    /// The partition was committed by another member meanwhile: once more, unless it is taken away.
    Overtaken,
    /// The cluster did not answer: once more, with a new client.
    Again(KafkaError),
    /// Trying again is no use.
    Refused(Refusal),
}

/// Why a partition cannot be worked on, and what to do.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// What the topics hold does not fit together.
    #[error(transparent)]
    State(#[from] RestoreError),
    /// A later generation publishes.
    #[error(
        "generation {later} has come as far as this one ({own}) and publishes in its place: set application.generation \
         to {later}"
    )]
    Overtaken {
        /// This one.
        own: u32,
        /// The later one.
        later: u32,
    },
    /// Nobody asked for a rebuild.
    #[error("generation {number} has not been begun here; `rekindle run --rebuild` begins it")]
    NotBegun {
        /// The generation.
        number: u32,
    },
}

impl From<KafkaError> for Fault {
    fn from(error: KafkaError) -> Fault {
        Fault::Again(error)
    }
}

impl From<RestoreError> for Fault {
    fn from(error: RestoreError) -> Fault {
        Fault::Refused(error.into())
    }
}
