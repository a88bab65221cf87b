//! What can go wrong with a transaction, sorted by what must be done about it.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::model::position::PartitionId;

/// What must be done about a failed transactional call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransactionFault {
    /// Abort, then publish the same batch again.
    #[error("transaction must be aborted: {0}")]
    Abortable(String),
    /// Another producer took over the transactional id. A new producer is needed.
    #[error("fenced: {0}")]
    Fenced(String),
    /// The producer is of no more use, or the fate of the call is unknown. A new producer is needed.
    #[error("producer must be replaced: {0}")]
    Fatal(String),
    /// The caller asked to give up waiting; the fate of the call is unknown.
    #[error("gave up waiting")]
    GaveUp,
}

/// One record that could not be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryFault {
    /// Where it should have gone.
    pub topic: String,
    /// And to which partition.
    pub partition: PartitionId,
    /// Why.
    pub cause: String,
    /// Whether trying again cannot help (too large, not authorised, topic gone).
    pub permanent: bool,
}

/// Whether trying again cannot help.
pub(super) fn is_permanent(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as C;
    matches!(
        error.rdkafka_error_code(),
        Some(
            C::MessageSizeTooLarge
                | C::TopicAuthorizationFailed
                | C::UnknownTopicOrPartition
                | C::UnknownTopic
                | C::UnknownPartition
                | C::InvalidTopic
                | C::InvalidRecord
                | C::PolicyViolation
        )
    )
}

/// What a failed call comes to; `None`: make the same call again.
pub(super) fn classify(error: KafkaError) -> Option<TransactionFault> {
    let KafkaError::Transaction(fault) = &error else {
        return match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::OperationTimedOut) => None,
            _ => Some(TransactionFault::Fatal(error.to_string())),
        };
    };
    let text = fault.string();
    use RDKafkaErrorCode as C;
    if matches!(fault.code(), C::Fenced | C::ProducerFenced | C::InvalidProducerEpoch) {
        Some(TransactionFault::Fenced(text))
    } else if fault.is_fatal() {
        Some(TransactionFault::Fatal(text))
    } else if fault.txn_requires_abort() {
        Some(TransactionFault::Abortable(text))
    } else if fault.is_retriable() {
        None
    } else {
        Some(TransactionFault::Fatal(text))
    }
}
