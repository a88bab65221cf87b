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

/// What became of a request for what another instance holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forwarded {
    /// Who asked was told where.
    Redirected,
    /// It was sent on and answered.
    Proxied,
    /// Answers of several instances were put together.
    Gathered,
    /// The other instance did not answer.
    Failed,
    /// It had been sent on already.
    Refused,
}

impl Forwarded {
    /// Every one.
    pub const ALL: [Forwarded; 5] =
        [Forwarded::Redirected, Forwarded::Proxied, Forwarded::Gathered, Forwarded::Failed, Forwarded::Refused];

    /// Metric label.
    pub fn label(self) -> &'static str {
        match self {
            Forwarded::Redirected => "redirected",
            Forwarded::Proxied => "proxied",
            Forwarded::Gathered => "gathered",
            Forwarded::Failed => "failed",
            Forwarded::Refused => "refused",
        }
    }
}

/// Why a request was refused, or a connection closed, before anything was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No token where one is needed.
    NoToken,
    /// A token that is not good.
    BadToken,
    /// A token whose time is over.
    ExpiredToken,
    /// The keys by which tokens are checked could not be read.
    NoKeys,
    /// The role does not suffice.
    Role,
    /// The tenant is another one's.
    Tenant,
    /// More requests than the token may make.
    Rate,
    /// More requests under way than may be.
    Busy,
    /// A request that took too long.
    Timeout,
    /// A connection that was silent or slow for too long.
    SlowConnection,
    /// A connection closed so that another one has room.
    Connections,
    /// No TLS, or no certificate that is trusted.
    Handshake,
}

impl Refusal {
    /// Every reason.
    pub const ALL: [Refusal; 12] = [
        Refusal::NoToken,
        Refusal::BadToken,
        Refusal::ExpiredToken,
        Refusal::NoKeys,
        Refusal::Role,
        Refusal::Tenant,
        Refusal::Rate,
        Refusal::Busy,
        Refusal::Timeout,
        Refusal::SlowConnection,
        Refusal::Connections,
        Refusal::Handshake,
    ];

    /// Metric label.
    pub fn label(self) -> &'static str {
        match self {
            Refusal::NoToken => "no_token",
            Refusal::BadToken => "bad_token",
            Refusal::ExpiredToken => "expired_token",
            Refusal::NoKeys => "no_keys",
            Refusal::Role => "role",
            Refusal::Tenant => "tenant",
            Refusal::Rate => "rate",
            Refusal::Busy => "busy",
            Refusal::Timeout => "timeout",
            Refusal::SlowConnection => "slow_connection",
            Refusal::Connections => "connections",
            Refusal::Handshake => "handshake",
        }
    }
}
