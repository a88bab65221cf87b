//! Derives what is published of a session: status, live copies, adapter. Nothing of it is stored, so it
//! holds for the instant it is read at and does not depend on how the facets came about.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::engine::fold::{active_adapter, gaps};
use crate::engine::settings::EngineSettings;
use crate::engine::suggest::cost::Costs;
use crate::engine::workers::Workers;
use crate::model::event::{InterruptReason, TransferScope};
use crate::model::ids::{Name, SessionId, SuggestionId, TenantId};
use crate::model::kv::{CacheIdentity, EvictedPlace, KvCopy, Location, Quantization, Residency, Tier};
use crate::model::published::Published;
use crate::model::session::{Book, Facets, LiveStatus, SessionView, Status};
use crate::model::stamp::{Register, Stamp};
use crate::model::suggestion::Suggestion;
use crate::model::time::{EventTime, Millis};

/// What a view is derived with.
#[derive(Clone, Copy)]
pub struct Lens<'a> {
    /// Settings.
    pub settings: &'a EngineSettings,
    /// Worker table.
    pub workers: &'a Workers,
    /// The session's tenant.
    pub tenant: &'a TenantId,
    /// The instant.
    pub now: EventTime,
}

/// What became of a reported copy.
#[derive(Debug, Clone, PartialEq)]
pub enum CopyFate {
    /// It is there; partly evicted, it carries the tokens that are left.
    Alive(Arc<KvCopy>),
    /// It was evicted.
    Evicted,
    /// Its worker, or that worker's incarnation, is gone or was cleared.
    WorkerGone,
}

/// The idle timeout that applies.
pub fn idle_timeout(facets: &Facets, settings: &EngineSettings) -> Millis {
    facets.idle_timeout.as_ref().and_then(|r| r.value).unwrap_or(settings.idle_timeout)
}

/// When the session expires unless it shows life; `None` if it ended or never lived.
pub fn expires_at(facets: &Facets, settings: &EngineSettings) -> Option<EventTime> {
    if facets.end.is_some() {
        return None;
    }
    facets.last_active.map(|at| at.plus(idle_timeout(facets, settings)))
}

/// Status without regard to idle expiry.
pub fn base_status(facets: &Facets) -> Option<Status> {
    if facets.end.is_some() {
        return Some(Status::Ended);
    }
    facets.status.as_ref().map(|register| match register.value {
        LiveStatus::Active => Status::Active,
        LiveStatus::Paused(..) => Status::Paused,
        LiveStatus::Interrupted(..) => Status::Interrupted,
    })
}

/// Status at `now`: a session that was not lively for its idle timeout is expired.
pub fn status(facets: &Facets, settings: &EngineSettings, now: EventTime) -> Option<Status> {
    if expires_at(facets, settings).is_some_and(|at| at <= now) {
        return Some(Status::Expired);
    }
    base_status(facets)
}

/// Who may profit from the session; nobody until an event says so.
pub fn scope(facets: &Facets) -> TransferScope {
    facets.transfer_scope.as_ref().and_then(|register| register.value).unwrap_or(TransferScope::None)
}

/// Identity of a session's KV, if it said.
pub fn identity(facets: &Facets) -> Option<&CacheIdentity> {
    facets.cache.as_ref()?.value.as_ref()
}

/// A session's latest sign of life, as chains and users are ordered by it.
pub fn alive_at(facets: &Facets) -> EventTime {
    facets.last_active.unwrap_or(EventTime::MIN)
}

/// Tokens held after the last turn.
pub fn context_tokens(facets: &Facets) -> Option<u64> {
    facets.last_turn.as_ref().and_then(|turn| turn.context_tokens)
}

impl Lens<'_> {
    /// Whether a reported copy is still there: newer than every eviction that covers it, and its worker
    /// still holds it.
    pub fn fate(&self, facets: &Facets, copy: &Arc<KvCopy>, stamp: &Stamp) -> CopyFate {
        if copy.location == Location::Evicted {
            return CopyFate::Evicted;
        }
        let covers = |what: &EvictedPlace| what.covers(&copy.place());
        let evictions = facets.evictions.iter().filter(|(what, e)| *e.stamp > *stamp && covers(what));
        let left = evictions.map(|(_, e)| e.value.remaining_tokens).min().unwrap_or(u64::MAX);
        if left == 0 {
            return CopyFate::Evicted;
        }
        if !self.workers.holds(self.tenant, copy) {
            return CopyFate::WorkerGone;
        }
        CopyFate::Alive(cut_down(copy, left))
    }

    /// The live copies, cheapest first: by the time until the whole context stands, then tier, then place.
    pub fn copies(&self, facets: &Facets) -> (Vec<Arc<KvCopy>>, Option<Residency>) {
        if facets.placements.is_empty() && facets.evictions.is_empty() {
            let predicted: Vec<_> = self.predicted(facets).into_iter().map(Arc::new).collect();
            let residency = (!predicted.is_empty()).then_some(Residency::Predicted);
            return (predicted, residency);
        }
        let alive = |register: &Register<Arc<KvCopy>>| match self.fate(facets, &register.value, &register.stamp) {
            CopyFate::Alive(copy) => Some(copy),
            CopyFate::Evicted | CopyFate::WorkerGone => None,
        };
        let mut copies: Vec<_> = facets.placements.values().filter_map(alive).collect();
        let tokens = context_tokens(facets).unwrap_or(0);
        copies.sort_by(|a, b| {
            let ready =
                |copy: &Arc<KvCopy>| Costs::configured(self.settings, &copy.cache.namespace).ready_ms(copy, tokens);
            ready(a).total_cmp(&ready(b)).then_with(|| a.tier.cmp(&b.tier)).then_with(|| a.place().cmp(&b.place()))
        });
        let residency = (!copies.is_empty()).then_some(Residency::Reported);
        (copies, residency)
    }

    /// Where no KV event ever came: the last turn's worker is taken to hold its context for a while, unless
    /// the session was broken off in a way that costs the worker its copy.
    fn predicted(&self, facets: &Facets) -> Option<KvCopy> {
        let turn = facets.last_turn.as_ref()?;
        let cache = identity(facets)?.clone();
        let (worker, tokens) = (turn.worker.clone()?, turn.context_tokens.filter(|tokens| *tokens > 0)?);
        let created_at = turn.stamp.at;
        let lost = facets.status.as_ref().is_some_and(|status| {
            status.stamp > turn.stamp
                && matches!(&status.value, LiveStatus::Interrupted(reason, _) if frees_kv(*reason))
        });
        if lost || facets.end.is_some() || created_at.plus(self.settings.predicted_ttl) <= self.now {
            return None;
        }
        let precision = Name::new("FP16").ok()?;
        let copy = KvCopy {
            tier: Tier::Hot,
            medium: None,
            location: Location::Memory { offset: 0 },
            cached_tokens: tokens,
            kv_bytes: None,
            quantization: Quantization::HighPrecisionTail { tail_length: tokens, precision },
            created_at,
            worker: Some(worker),
            worker_epoch: turn.worker_epoch,
            dp_rank: turn.dp_rank,
            cache,
        };
        self.workers.holds(self.tenant, &copy).then_some(copy)
    }

    /// The published form.
    pub fn published<'s>(
        &'s self,
        session: &'s SessionId,
        facets: &'s Facets,
        book: &'s Book,
        open: &HashMap<SuggestionId, Arc<Suggestion>>,
        taken_up_by: Option<&'s SessionId>,
    ) -> Published<'s> {
        fn newest<T>(register: &Option<Register<Option<T>>>) -> Option<&T> {
            register.as_ref().and_then(|register| register.value.as_ref())
        }
        let (kv_copies, residency) = self.copies(facets);
        // Who reads of a suggestion looks for it on its topic.
        let is_public = |id: &SuggestionId| open.get(id).is_none_or(|s| !s.is_withheld());
        Published {
            tenant: self.tenant,
            session,
            user: facets.user.as_ref().map(|r| &r.value),
            status: status(facets, self.settings, self.now),
            end_reason: facets.end.as_ref().and_then(|r| r.value),
            turn_count: facets.turn_count,
            context_tokens: context_tokens(facets),
            started_at: facets.started_at,
            last_active: facets.last_active,
            idle_timeout: idle_timeout(facets, self.settings),
            active_adapter: active_adapter(facets),
            cache: newest(&facets.cache),
            kv_copies,
            residency,
            context: facets.context.as_ref().map(|c| (&c.space, c.covers_turn)),
            transfer_scope: scope(facets),
            parent: newest(&facets.parent),
            continues: newest(&facets.continues),
            taken_up_by,
            context_ref: newest(&facets.context_ref),
            metadata: facets.metadata.iter().filter_map(|(key, r)| Some((key, r.value.as_ref()?))).collect(),
            gapped: gaps::gapped(&book.producers),
            open_suggestions: book.open.iter().filter(|id| is_public(id)).collect(),
            as_of: book.as_of,
        }
    }

    /// The same, to keep.
    pub fn view(
        &self,
        id: &SessionId,
        facets: &Facets,
        book: &Book,
        open: &HashMap<SuggestionId, Arc<Suggestion>>,
        taken_up_by: Option<&SessionId>,
    ) -> SessionView {
        self.published(id, facets, book, open, taken_up_by).into()
    }
}

/// Whether an interruption means that the worker dropped the session's KV.
fn frees_kv(reason: InterruptReason) -> bool {
    match reason {
        InterruptReason::WorkerLost | InterruptReason::OutOfMemory | InterruptReason::Preempted => true,
        InterruptReason::ClientDisconnect | InterruptReason::Timeout | InterruptReason::Other => false,
    }
}

/// A copy of which at most `left` tokens remain; its bytes shrink in proportion.
pub fn cut_down(copy: &Arc<KvCopy>, left: u64) -> Arc<KvCopy> {
    if left >= copy.cached_tokens {
        return Arc::clone(copy);
    }
    let part = |bytes: u64| u128::from(bytes) * u128::from(left) / u128::from(copy.cached_tokens);
    let kv_bytes = copy.kv_bytes.map(|bytes| part(bytes) as u64);
    Arc::new(KvCopy { kv_bytes, cached_tokens: left, ..(**copy).clone() })
}
