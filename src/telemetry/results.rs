//! Closed lists of how something ended, as metrics label it.

/// How an attempt to publish a batch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionResult {
    /// Committed.
    Committed,
    /// Aborted; the same batch is published again.
    Aborted,
    /// Its fate had to be read back from the committed offset.
    Unknown,
    /// Another producer took over the transactional id.
    Fenced,
    /// A permanent error stopped the partition.
    Failed,
}

impl TransactionResult {
    /// Every result.
    pub const ALL: [TransactionResult; 5] = [
        TransactionResult::Committed,
        TransactionResult::Aborted,
        TransactionResult::Unknown,
        TransactionResult::Fenced,
        TransactionResult::Failed,
    ];

    /// Metric label.
    pub fn label(self) -> &'static str {
        match self {
            TransactionResult::Committed => "committed",
            TransactionResult::Aborted => "aborted",
            TransactionResult::Unknown => "unknown",
            TransactionResult::Fenced => "fenced",
            TransactionResult::Failed => "failed",
        }
    }
}

/// What became of a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TickResult {
    /// It is in the input.
    Appended,
    /// It is not.
    Failed,
}

impl TickResult {
    /// Every result.
    pub const ALL: [TickResult; 2] = [TickResult::Appended, TickResult::Failed];

    /// Metric label.
    pub fn label(self) -> &'static str {
        match self {
            TickResult::Appended => "appended",
            TickResult::Failed => "failed",
        }
    }
}
