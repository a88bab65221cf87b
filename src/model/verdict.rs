//! What `process` says of a record, and why a record is refused. Both lists are closed: adding to one
//! makes every match that counts or routes them be looked at again.

use std::fmt;

/// What became of one record. Also the label of the metric that counts records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Changed at least one facet, or (a trigger without a facet, a tick) took effect otherwise.
    Applied,
    /// Seen before: it changed nothing.
    Duplicate,
    /// Everything it says is already outdated by newer events.
    Stale,
    /// The session had ended before; facets still fold, nothing is triggered.
    AfterEnd,
    /// Applied, but its embedding was unusable and dropped.
    ContextDropped,
    /// Refused; it goes to the dead letters and changes nothing.
    Rejected(RejectReason),
}

impl Verdict {
    /// Metric label.
    pub fn label(&self) -> &'static str {
        match self {
            Verdict::Applied => "applied",
            Verdict::Duplicate => "duplicate",
            Verdict::Stale => "stale",
            Verdict::AfterEnd => "after_end",
            Verdict::ContextDropped => "context_dropped",
            Verdict::Rejected(_) => "rejected",
        }
    }

    /// Every label, for metrics that start at zero.
    pub const LABELS: [&'static str; 6] = ["applied", "duplicate", "stale", "after_end", "context_dropped", "rejected"];
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $label:literal),+ $(,)?) => {
        /// Why a record is refused: the dead letter's exception class.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum RejectReason { $($(#[$doc])* $variant),+ }

        impl RejectReason {
            /// Every reason, in the order of the contract.
            pub const ALL: &'static [RejectReason] = &[$(RejectReason::$variant),+];

            /// The reason as the dead letter's header and the metric name it.
            pub fn label(self) -> &'static str {
                match self { $(RejectReason::$variant => $label),+ }
            }
        }
    };
}

reasons! {
    /// Not parseable as its wire format.
    Malformed = "malformed",
    /// A whole event, and bytes after it.
    TrailingBytes = "trailing_bytes",
    /// Schema id or fingerprint that is not known.
    UnknownSchema = "unknown_schema",
    /// `type` names no body of the contract.
    UnknownType = "unknown_type",
    /// A required field is absent.
    MissingField = "missing_field",
    /// A field's value breaks its limits.
    InvalidField = "invalid_field",
    /// The record is larger than 1 MiB.
    TooLarge = "too_large",
    /// Older than the retention, by stream time.
    TooLate = "too_late",
    /// More than five minutes ahead of the broker's timestamp.
    TooEarly = "too_early",
    /// The key is not its tenant's, or the key does not hash to this partition.
    Misrouted = "misrouted",
    /// More prefix positions than a session may have.
    PrefixTooLong = "prefix_too_long",
    /// An unusable embedding where the configuration says to reject it.
    BadContext = "bad_context",
    /// Its subject was erased.
    Erased = "erased",
    /// Processing it panicked.
    Poison = "poison",
    /// Skipped by the operator.
    Skipped = "skipped",
}

impl fmt::Display for RejectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// A refusal: the reason and a message of at most 512 bytes that names the field and the limit,
/// never the payload and never a schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {message}")]
pub struct Rejection {
    /// Reason of the closed list.
    pub reason: RejectReason,
    /// For a person; see the type for what it may hold.
    pub message: String,
}

impl Rejection {
    /// Longest message in bytes.
    pub const MAX_MESSAGE_BYTES: usize = 512;

    /// Builds a refusal, cutting the message at [`Self::MAX_MESSAGE_BYTES`] on a character boundary.
    pub fn new(reason: RejectReason, message: impl Into<String>) -> Rejection {
        let mut message = message.into();
        if message.len() > Self::MAX_MESSAGE_BYTES {
            let cut = (0..=Self::MAX_MESSAGE_BYTES).rev().find(|&i| message.is_char_boundary(i)).unwrap_or(0);
            message.truncate(cut);
        }
        Rejection { reason, message }
    }
}
