//! What goes into a [`SessionIndex`](super::SessionIndex) and what comes out. Plain data and its checks; no I/O.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::error::FieldFault;
use crate::model::event::TransferScope;
use crate::model::ids::{SessionId, TenantId, UserId};
use crate::model::kv::{Adapter, KvCopy, Quantization};
use crate::model::session::Status;
use crate::model::suggestion::Support;
use crate::model::time::EventTime;
use crate::model::vector::{self, BadVector};

/// Deepest nesting of a metadata value, inclusive; a plain value has depth 1.
pub const MAX_METADATA_DEPTH: usize = 16;

/// All that is kept of a session. Storing replaces the whole.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionState {
    /// Tenant; sessions of different tenants never meet.
    pub tenant_id: TenantId,
    /// Session, unique within its tenant.
    pub session_id: SessionId,
    /// User, for recovery, history and consent.
    pub user_id: Option<UserId>,
    /// Embedding of the context: as many finite components as the index has dimensions, of any non-zero
    /// length. `None`: the session is kept, but no similarity search finds it.
    pub context_embedding: Option<Vec<f32>>,
    /// The KV copy to restore from, with worker, epoch, cache identity and adapter version where known.
    pub kv_cache_ref: Option<KvCopy>,
    /// Adapter in use.
    pub active_adapter: Option<Adapter>,
    /// Turns completed.
    pub turn_count: u32,
    /// Latest sign of life.
    pub last_active: EventTime,
    /// Status; [`Status::Ended`] is final.
    pub status: Status,
    /// Which other sessions may profit from this one.
    pub transfer_scope: TransferScope,
    /// Anything else, at most [`MAX_METADATA_DEPTH`] deep.
    pub metadata: BTreeMap<String, Value>,
}

/// What became of a state given to `store`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Stored {
    /// It is what the index now holds.
    Applied,
    /// The index holds a newer state of the session; nothing changed.
    Stale,
    /// The session has ended and the state would revive it; nothing changed.
    AfterEnd,
}

/// A session found by similarity.
#[derive(Debug, Clone, PartialEq)]
pub struct Match {
    /// The state as it was stored, with its own embedding.
    pub state: Arc<SessionState>,
    /// Cosine of the query and that embedding, -1..1 (f32 rounding: about 1e-6).
    pub similarity: f32,
}

/// What other sessions offer to one.
#[derive(Debug, Clone, PartialEq)]
pub struct TransferAdvice {
    /// The nearest sessions that allow it, best first.
    pub nearest: Vec<Match>,
    /// The adapter most of them speak for; `None` if no adapter has more votes for than against it.
    pub adapter: Option<AdapterVote>,
}

/// An adapter and the sessions behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct AdapterVote {
    /// The adapter.
    pub adapter: Adapter,
    /// How many were asked, and how they voted.
    pub support: Support,
}

impl Stored {
    /// Whether the index took the state.
    pub fn is_applied(self) -> bool {
        self == Stored::Applied
    }
}

impl SessionState {
    /// An active session without turns, open to its own user's other sessions; set the other fields as known.
    pub fn new(tenant_id: TenantId, session_id: SessionId, last_active: EventTime) -> SessionState {
        SessionState {
            tenant_id,
            session_id,
            user_id: None,
            context_embedding: None,
            kv_cache_ref: None,
            active_adapter: None,
            turn_count: 0,
            last_active,
            status: Status::Active,
            transfer_scope: TransferScope::User,
            metadata: BTreeMap::new(),
        }
    }

    /// The order in which states of a session replace one another.
    pub(super) fn version(&self) -> (u32, EventTime) {
        (self.turn_count, self.last_active)
    }

    /// Whether a session of `user` may profit from this one.
    pub(super) fn consents(&self, user: Option<&UserId>) -> bool {
        self.transfer_scope.allows(self.user_id.as_ref(), user)
    }

    /// Checks what the types leave open. Returns the embedding at unit length.
    pub(super) fn check(&self, dim: usize) -> Result<Option<Vec<f32>>, FieldFault> {
        if self.metadata.values().any(|value| !is_within_depth(value, MAX_METADATA_DEPTH)) {
            return Err(FieldFault::new("metadata", format!("nested deeper than {MAX_METADATA_DEPTH}")));
        }
        let ratio = match self.kv_cache_ref.as_ref().map(|kv| &kv.quantization) {
            Some(Quantization::QuantizedStore { compression_ratio, .. }) => {
                Some(("compression_ratio", compression_ratio))
            }
            Some(Quantization::TurboQuantHybrid { turbo_bits, .. }) => Some(("turbo_bits", turbo_bits)),
            _ => None,
        };
        if let Some((name, value)) = ratio
            && !(value.is_finite() && *value > 0.0)
        {
            return Err(FieldFault::new("kv_cache_ref.quantization", format!("{name} must be finite and above 0")));
        }
        self.context_embedding.as_deref().map(|e| unit("context_embedding", e, dim)).transpose()
    }
}

/// `components` at unit length, or why they are no embedding of `dim` dimensions.
pub(super) fn unit(field: &'static str, components: &[f32], dim: usize) -> Result<Vec<f32>, FieldFault> {
    if components.len() != dim {
        return Err(FieldFault::new(field, BadVector::Dimension { got: components.len(), want: dim }));
    }
    vector::normalised(components).map_err(|fault| FieldFault::new(field, fault))
}

fn is_within_depth(value: &Value, depth: usize) -> bool {
    match value {
        _ if depth == 0 => false,
        Value::Array(items) => items.iter().all(|v| is_within_depth(v, depth - 1)),
        Value::Object(fields) => fields.values().all(|v| is_within_depth(v, depth - 1)),
        _ => true,
    }
}
