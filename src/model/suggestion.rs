//! What is published: recovery and transfer suggestions, with everything that explains them.

use std::sync::Arc;

use super::event::TransferScope;
use super::ids::{Name, SessionId, SuggestionId, TenantId, UserId};
use super::kv::{Adapter, CacheIdentity, KvCopy, Residency};
use super::position::Position;
use super::time::EventTime;

pub use super::plans::*;
pub use super::score::Score;
pub use super::trigger::Trigger;

/// A suggestion as decided; what is published of it is a [`Publication`].
#[derive(Debug, Clone, PartialEq)]
pub struct Suggestion {
    /// Identity: a hash of what it says, where from and what set it off.
    pub id: SuggestionId,
    /// Tenant.
    pub tenant: TenantId,
    /// Whom it is for.
    pub session: SessionId,
    /// That session's user.
    pub user: Option<UserId>,
    /// What set it off.
    pub trigger: Trigger,
    /// What to do.
    pub advice: Advice,
    /// How likely it is to be taken up, and why.
    pub score: Score,
    /// Until when it holds; `None` only in the answer to a query.
    pub valid_until: Option<EventTime>,
    /// The suggestion it replaces.
    pub supersedes: Option<SuggestionId>,
    /// The record it was decided at.
    pub as_of: Position,
    /// Digest of the policy it was decided under.
    pub policy: Name,
    /// Whether it was published or asked for.
    pub delivery: Delivery,
}

/// The two kinds of advice.
#[derive(Debug, Clone, PartialEq)]
pub enum Advice {
    /// Restore this session.
    Recovery(Box<Recovery>),
    /// Reuse something of similar sessions.
    Transfer(Box<Transfer>),
}

/// A recovery: what to restore, from where, what it saves.
#[derive(Debug, Clone, PartialEq)]
pub struct Recovery {
    /// What to do.
    pub plan: RecoveryPlan,
    /// On what ground.
    pub basis: MatchBasis,
    /// Tokens the source holds; `None` if nothing is known of KV.
    pub matched_tokens: Option<u64>,
    /// Tokens left to compute; `None` if nothing is known of KV.
    pub missing_tokens: Option<u64>,
    /// Where from.
    pub source: RecoverySource,
    /// What it saves; `None` if nothing is known of KV.
    pub estimate: Option<Estimate>,
    /// The others that were good enough, best first.
    pub alternatives: Vec<Alternative>,
    /// The others that lost, and why.
    pub rejected: Vec<RejectedCandidate>,
}

/// Where a recovery restores from.
#[derive(Debug, Clone, PartialEq)]
pub struct RecoverySource {
    /// The session.
    pub session: SessionId,
    /// The copy to use.
    pub kv_cache: Option<Arc<KvCopy>>,
    /// Whether that copy is reported or predicted.
    pub residency: Option<Residency>,
    /// Where to reach its worker or store.
    pub endpoint: Option<Name>,
    /// Data-parallel rank.
    pub dp_rank: Option<u32>,
    /// Model of its last turn.
    pub model: Option<Name>,
    /// Identity of its KV.
    pub cache: Option<CacheIdentity>,
    /// Its adapter.
    pub adapter: Option<Adapter>,
    /// Pointer to its conversation.
    pub context_ref: Option<Name>,
    /// Its turns.
    pub turn_count: u32,
    /// Its latest sign of life.
    pub last_active: Option<EventTime>,
}

/// Times in milliseconds, ≥ 0 but for `saved_ms`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// To bring the copy to where it is used.
    pub restore_ms: f64,
    /// To compute anew what the copy holds of the context.
    pub recompute_ms: f64,
    /// `recompute_ms − restore_ms`.
    pub saved_ms: f64,
    /// Where the rates come from.
    pub basis: EstimateBasis,
}

/// A candidate that was good enough but not the best.
#[derive(Debug, Clone, PartialEq)]
pub struct Alternative {
    /// The session.
    pub session: SessionId,
    /// What could be done with it.
    pub plan: RecoveryPlan,
    /// Its total score.
    pub score: f64,
}

/// A candidate that lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedCandidate {
    /// The session.
    pub session: SessionId,
    /// Why.
    pub reason: CandidateFault,
}

/// A transfer: which adapter, context or prefix of similar sessions to reuse.
#[derive(Debug, Clone, PartialEq)]
pub struct Transfer {
    /// What to do.
    pub plan: TransferPlan,
    /// The adapter to use, with where to load it from.
    pub adapter: Option<(Adapter, Option<Name>)>,
    /// The session it comes from.
    pub source: SessionId,
    /// True cosine to that session; 0 for a prefix, where none is known.
    pub similarity: f64,
    /// Pointer to that session's conversation.
    pub context_ref: Option<Name>,
    /// Sessions that speak for and against, for `use_adapter`.
    pub support: Option<Support>,
    /// The scope that allows it.
    pub consent: TransferScope,
    /// What `reuse_prefix` is about.
    pub prefix: Option<PrefixReuse>,
}

/// KV of another session that begins exactly alike.
#[derive(Debug, Clone, PartialEq)]
pub struct PrefixReuse {
    /// Tokens of the beginning that the copy holds.
    pub matched_tokens: u64,
    /// Tokens left to compute.
    pub missing_tokens: u64,
    /// The copy.
    pub copy: Arc<KvCopy>,
}

/// A vote among similar sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Support {
    /// Sessions asked.
    pub sessions: u32,
    /// Those that speak for it.
    pub for_it: u32,
    /// Those that speak against it.
    pub against: u32,
}

/// A suggestion at one point of its life.
#[derive(Debug, Clone, PartialEq)]
pub enum Publication {
    /// It holds from now on.
    Open,
    /// It no longer holds.
    Revoked(RevokeReason),
    /// It was acted on, or not, and how that went.
    Closed(Outcome, Actual),
}

/// What really happened, as far as reported.
#[derive(Debug, Clone, PartialEq)]
pub struct Actual {
    /// Tokens restored from cache.
    pub restored_tokens: Option<u64>,
    /// Tokens computed anew.
    pub recomputed_tokens: Option<u64>,
    /// Time of the restore, ms.
    pub restore_ms: Option<f64>,
    /// Time to the first token, ms.
    pub ttft_ms: Option<f64>,
    /// Time saved, ms.
    pub saved_ms: Option<f64>,
    /// Whether the session reported it or it was inferred.
    pub basis: OutcomeBasis,
}

impl Suggestion {
    /// `recovery` or `transfer`.
    pub fn kind(&self) -> &'static str {
        match self.advice {
            Advice::Recovery(_) => "recovery",
            Advice::Transfer(_) => "transfer",
        }
    }

    /// The plan's word.
    pub fn plan(&self) -> &'static str {
        match &self.advice {
            Advice::Recovery(r) => r.plan.label(),
            Advice::Transfer(t) => t.plan.label(),
        }
    }

    /// Who should act on it.
    pub fn consumer(&self) -> Consumer {
        match &self.advice {
            Advice::Recovery(r) => match r.plan {
                RecoveryPlan::ResumeInPlace | RecoveryPlan::RestoreKv => Consumer::Router,
                RecoveryPlan::Prefetch | RecoveryPlan::Retain | RecoveryPlan::AdapterOnly => Consumer::Engine,
                RecoveryPlan::ContextOnly | RecoveryPlan::Recompute => Consumer::Agent,
            },
            Advice::Transfer(t) => match t.plan {
                TransferPlan::UseAdapter | TransferPlan::ReferContext => Consumer::Agent,
                TransferPlan::ReusePrefix => Consumer::Router,
            },
        }
    }

    /// The KV copy it draws on, with how many tokens of it.
    pub fn kv_copy(&self) -> Option<(&Arc<KvCopy>, u64)> {
        match &self.advice {
            Advice::Recovery(r) => r.source.kv_cache.as_ref().map(|copy| (copy, r.matched_tokens.unwrap_or(0))),
            Advice::Transfer(t) => t.prefix.as_ref().map(|prefix| (&prefix.copy, prefix.matched_tokens)),
        }
    }

    /// Whether it is a recovery.
    pub fn is_recovery(&self) -> bool {
        matches!(self.advice, Advice::Recovery(_))
    }

    /// Whether it is kept and not published.
    pub fn is_withheld(&self) -> bool {
        self.delivery == Delivery::Withheld
    }

    /// The session it restores or reuses.
    pub fn from_session(&self) -> &SessionId {
        match &self.advice {
            Advice::Recovery(r) => &r.source.session,
            Advice::Transfer(t) => &t.source,
        }
    }
}

impl Publication {
    /// How a life ended that ends with it; `None`: it does not.
    pub fn outcome(&self) -> Option<Outcome> {
        match self {
            Publication::Open => None,
            Publication::Revoked(RevokeReason::Superseded) => Some(Outcome::Superseded),
            Publication::Revoked(_) => Some(Outcome::Revoked),
            Publication::Closed(outcome, _) => Some(*outcome),
        }
    }

    /// `open`, `revoked` or `closed`.
    pub fn status(&self) -> &'static str {
        match self {
            Publication::Open => "open",
            Publication::Revoked(_) => "revoked",
            Publication::Closed(..) => "closed",
        }
    }
}
