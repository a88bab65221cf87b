//! What happened besides the records. Plain values: who counts them, and under which names, is not known here.

use crate::engine::endings::Told;
use crate::model::ids::TenantId;
use crate::model::suggestion::Outcome;
use crate::model::trial::Group;

/// What happened besides the records, for metrics and logs.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// A suggestion was opened, revoked or closed: kind, plan, status.
    Suggestion(&'static str, &'static str, &'static str),
    /// The same of one that was withheld: it was counted like any other, but nothing was published.
    Withheld(&'static str, &'static str, &'static str),
    /// A suggestion's life ended: group, plan, outcome.
    Outcome(Group, &'static str, Outcome),
    /// The same, with the suggestion: of whoever it speaks is still held.
    Ended(Box<Told>),
    /// A subject of this tenant was erased: what is remembered of suggestions may speak of it.
    Erased(TenantId),
    /// The next turn of a session that had an open recovery.
    GroupTurn(Group, TurnFigures),
    /// A suggestion was not opened, since as many were as the policy allows.
    Limited(RateScope),
    /// Time saved, in ms, with its basis: `reported` or `inferred`.
    Saved(f64, &'static str),
    /// Time that was predicted to be saved, in ms, where the time saved is known; with the basis of that.
    Predicted(f64, &'static str),
    /// Time of a restore by the predicted one.
    Restore(f64),
    /// An event named another user than the session's.
    UserConflict,
    /// Old prefix segments were dropped for room.
    PrefixOverflow,
    /// A session was forgotten after the retention.
    Forgotten,
}

/// What a turn says of how its input was served.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TurnFigures {
    /// Tokens of the input.
    pub input_tokens: u64,
    /// Of these, found in cache; `None`: not reported.
    pub cached_tokens: Option<u64>,
    /// Time to the first token, ms, if reported.
    pub ttft_ms: Option<f64>,
}

/// What a limit of suggestions is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateScope {
    /// Those opened to a session.
    Session,
    /// Those opened to a tenant's sessions.
    Tenant,
}

impl RateScope {
    /// Both.
    pub const ALL: [RateScope; 2] = [RateScope::Session, RateScope::Tenant];

    /// Metric label.
    pub fn label(self) -> &'static str {
        match self {
            RateScope::Session => "session",
            RateScope::Tenant => "tenant",
        }
    }
}
