//! A session to the Avro body of its state record.

use std::sync::Arc;

use super::codecs::STATE;
use super::kv;
use super::kv::{optional_text, text};
use super::read::long;
use super::state_wire::*;
use crate::engine::decode::codec::EncodeError;
use crate::model::ids::SessionId;
use crate::model::kv::Tier;
use crate::model::session::{Book, Facets, LiveStatus, SessionView};
use crate::model::stamp::{Register, Stamp};

/// The Avro body of a state: the public view, then everything the next fold needs except the vector and the
/// prefix segments, which have records of their own.
pub fn state(view: &SessionView, facets: &Facets, book: &Book) -> Result<Vec<u8>, EncodeError> {
    STATE.write(&StateRecord {
        tenant_id: view.tenant.as_str(),
        session_id: view.session.as_str(),
        user_id: view.user.as_ref().map(|v| v.as_str()),
        status: view.status.map(|v| v.label()),
        end_reason: view.end_reason.map(|v| v.label()),
        turn_count: view.turn_count.into(),
        context_tokens: view.context_tokens.map(long),
        started_at: view.started_at.map(|v| v.0),
        last_active: view.last_active.map(|v| v.0),
        active_adapter: view.active_adapter.as_ref().map(kv::adapter),
        kv_cache_ref: view.kv_cache_ref.as_deref().map(kv::copy),
        kv_copies: view.kv_copies.iter().map(|copy| kv::copy(copy)).collect(),
        residency: view.residency.map(|v| v.label()),
        context: view
            .context
            .as_ref()
            .map(|(space, turn)| ContextRef { space: text(space), covers_turn: (*turn).into() }),
        transfer_scope: view.transfer_scope.label(),
        parent_session_id: session(&view.parent),
        continues_session_id: session(&view.continues),
        taken_up_by: session(&view.taken_up_by),
        metadata: view.metadata.iter().map(|(k, v)| (&**k, &**v)).collect(),
        gapped: view.gapped,
        open_suggestions: view.open_suggestions.iter().map(|v| v.as_str()).collect(),
        as_of: view.as_of.into(),
        fold: fold(facets, book),
    })
}

fn session(id: &Option<SessionId>) -> Option<&str> {
    id.as_ref().map(|id| id.as_str())
}

/// The stamps met so far. One event usually sets several registers, so each stamp is written once.
#[derive(Default)]
struct StampTable<'a> {
    stamps: Vec<&'a Arc<Stamp>>,
}

impl<'a> StampTable<'a> {
    /// Equal stamps share an index even where they are held apart: the bytes depend on values alone.
    fn index(&mut self, stamp: &'a Arc<Stamp>) -> i32 {
        let known = self.stamps.iter().position(|held| Arc::ptr_eq(held, stamp) || held == &stamp);
        known.unwrap_or_else(|| {
            self.stamps.push(stamp);
            self.stamps.len() - 1
        }) as i32
    }

    fn text<T>(
        &mut self,
        register: &'a Option<Register<T>>,
        text: impl FnOnce(&'a T) -> Option<&'a str>,
    ) -> Option<TextRegister<&'a str>> {
        register.as_ref().map(|r| TextRegister { stamp: self.index(&r.stamp), value: text(&r.value) })
    }

    fn status(&mut self, register: &'a Register<LiveStatus>) -> StatusRegister<&'a str> {
        let (value, reason, until, last_good_turn) = match &register.value {
            LiveStatus::Active => ("active", None, None, None),
            LiveStatus::Paused(reason, until) => ("paused", Some(reason.label()), until.map(|v| v.0), None),
            LiveStatus::Interrupted(reason, turn) => ("interrupted", Some(reason.label()), None, turn.map(i64::from)),
        };
        let stamp = self.index(&register.stamp);
        StatusRegister { stamp, value, reason, until, last_good_turn }
    }
}

fn fold<'a>(facets: &'a Facets, book: &'a Book) -> Fold<&'a str> {
    let mut table = StampTable::default();
    let t = &mut table;
    let mut fold = Fold {
        stamps: Vec::new(),
        status: facets.status.as_ref().map(|r| t.status(r)),
        end: t.text(&facets.end, |v| v.map(|v| v.label())),
        turn_count: facets.turn_count.into(),
        last_turn: facets.last_turn.as_ref().map(|turn| LastTurn {
            turn: turn.turn.into(),
            stamp: t.index(&turn.stamp),
            context_tokens: turn.context_tokens.map(long),
            worker: optional_text(&turn.worker),
            worker_epoch: turn.worker_epoch.map(long),
            dp_rank: turn.dp_rank.map(i64::from),
            model: optional_text(&turn.model),
        }),
        started_at: facets.started_at.map(|v| v.0),
        last_active: facets.last_active.map(|v| v.0),
        touched_at: facets.touched_at.0,
        user: t.text(&facets.user, |v| Some(v.as_str())),
        transfer_scope: t.text(&facets.transfer_scope, |v| v.map(|v| v.label())),
        idle_timeout_ms: facets
            .idle_timeout
            .as_ref()
            .map(|r| LongRegister { stamp: t.index(&r.stamp), value: r.value.map(|v| v.0) }),
        activation: facets
            .activation
            .as_ref()
            .map(|r| AdapterRegister { stamp: t.index(&r.stamp), value: r.value.as_ref().map(kv::adapter) }),
        deactivations: Vec::new(),
        parent: t.text(&facets.parent, session),
        continues: t.text(&facets.continues, session),
        resumed_from: t.text(&facets.resumed_from, |v| Some(v.as_str())),
        context_ref: t.text(&facets.context_ref, optional_text),
        cache: facets
            .cache
            .as_ref()
            .map(|r| CacheRegister { stamp: t.index(&r.stamp), value: r.value.as_ref().map(kv::cache) }),
        metadata: Vec::new(),
        metadata_cleared: facets.metadata_cleared.as_ref().map(|stamp| t.index(stamp)),
        context: facets.context.as_ref().map(|context| ContextRegister {
            stamp: t.index(&context.stamp),
            space: text(&context.space),
            covers_turn: context.covers_turn.into(),
        }),
        placements: Vec::new(),
        evictions: Vec::new(),
        producers: Vec::new(),
        triggers: Vec::new(),
        drift: book.drift,
        open: book.open.iter().map(|id| id.as_str()).collect(),
        as_of: book.as_of.into(),
        as_of_time: book.as_of_time.0,
    };
    fold_collections(&mut fold, t, facets, book);
    fold.stamps = table.stamps.into_iter().map(|stamp| StampRecord::from(&**stamp)).collect();
    fold
}

fn fold_collections<'a>(fold: &mut Fold<&'a str>, t: &mut StampTable<'a>, facets: &'a Facets, book: &'a Book) {
    let deactivation = |(id, stamp)| Deactivation { stamp: t.index(stamp), adapter_id: text(id) };
    fold.deactivations = facets.deactivations.iter().map(deactivation).collect();
    let metadata = |(key, r): (&'a Arc<str>, &'a Register<Option<Arc<str>>>)| MetadataRegister {
        stamp: t.index(&r.stamp),
        key: &**key,
        value: r.value.as_deref(),
    };
    fold.metadata = facets.metadata.iter().map(metadata).collect();
    fold.placements =
        facets.placements.values().map(|r| Placement { stamp: t.index(&r.stamp), copy: kv::copy(&r.value) }).collect();
    fold.evictions = facets
        .evictions
        .iter()
        .map(|(place, r)| Eviction {
            stamp: t.index(&r.stamp),
            worker: optional_text(&place.worker),
            instance: optional_text(&place.instance),
            worker_epoch: place.worker_epoch.map(long),
            dp_rank: place.dp_rank.map(i64::from),
            tier: place.tier.map(Tier::label),
            remaining_tokens: long(r.value.remaining_tokens),
            reason: r.value.reason.label(),
        })
        .collect();
    fold.triggers =
        book.triggers.iter().map(|(kind, stamp)| LastTrigger { stamp: t.index(stamp), kind: kind.label() }).collect();
    fold.producers = book
        .producers
        .iter()
        .map(|seen| SeenSeqs {
            id: text(&seen.id),
            epoch: long(seen.epoch),
            intervals: seen.intervals.iter().flat_map(|(first, last)| [long(*first), long(*last)]).collect(),
            overflowed: seen.overflowed,
        })
        .collect();
}
