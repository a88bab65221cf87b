//! A session's state as Avro: the public fields, and the fold record that a restore reads.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::codecs::STATE;
use super::copies::{adapter, cache, copy, text, texts};
use super::fold::*;
use crate::engine::decode::wire::{Adapter, KvCopy, Text};
use crate::model::ids::{Name, SessionId};
use crate::model::session::{Book, Facets, LiveStatus, SessionView};
use crate::model::stamp::{Register, Stamp};

#[derive(Serialize, Deserialize)]
#[serde(rename = "SessionState")]
pub(super) struct State<'a> {
    pub tenant_id: Text<'a>,
    pub session_id: Text<'a>,
    pub user_id: Option<Text<'a>>,
    pub status: Option<Text<'a>>,
    pub end_reason: Option<Text<'a>>,
    pub turn_count: i64,
    pub context_tokens: Option<i64>,
    pub started_at: Option<i64>,
    pub last_active: Option<i64>,
    pub active_adapter: Option<Adapter<'a>>,
    pub kv_cache_ref: Option<KvCopy<'a>>,
    pub kv_copies: Vec<KvCopy<'a>>,
    pub residency: Option<Text<'a>>,
    pub context: Option<ContextRef<'a>>,
    pub transfer_scope: Text<'a>,
    pub parent_session_id: Option<Text<'a>>,
    pub continues_session_id: Option<Text<'a>>,
    pub taken_up_by: Option<Text<'a>>,
    pub metadata: BTreeMap<Text<'a>, Text<'a>>,
    pub gapped: bool,
    pub open_suggestions: Vec<Text<'a>>,
    pub as_of: WirePosition,
    pub fold: Fold<'a>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ContextRef<'a> {
    pub space: Text<'a>,
    pub covers_turn: i64,
}

/// Avro body of a state. `view` must be derived from `facets` and `book`.
pub fn state(view: &SessionView, facets: &Facets, book: &Book) -> Vec<u8> {
    let wire = State {
        tenant_id: view.tenant.as_str().into(),
        session_id: view.session.as_str().into(),
        user_id: view.user.as_ref().map(|id| id.as_str().into()),
        status: view.status.map(|status| status.label().into()),
        end_reason: view.end_reason.map(|reason| reason.label().into()),
        turn_count: view.turn_count.into(),
        context_tokens: view.context_tokens.map(|tokens| tokens as i64),
        started_at: view.started_at.map(|at| at.0),
        last_active: view.last_active.map(|at| at.0),
        active_adapter: view.active_adapter.as_ref().map(adapter),
        kv_cache_ref: view.kv_cache_ref.as_ref().map(copy),
        kv_copies: view.kv_copies.iter().map(copy).collect(),
        residency: view.residency.map(|residency| residency.label().into()),
        context: view
            .context
            .as_ref()
            .map(|(space, covers)| ContextRef { space: text(space), covers_turn: (*covers).into() }),
        transfer_scope: view.transfer_scope.label().into(),
        parent_session_id: session_text(view.parent.as_ref()),
        continues_session_id: session_text(view.continues.as_ref()),
        taken_up_by: session_text(view.taken_up_by.as_ref()),
        metadata: view.metadata.iter().map(|(key, value)| ((&**key).into(), (&**value).into())).collect(),
        gapped: view.gapped,
        open_suggestions: view.open_suggestions.iter().map(|id| id.as_str().into()).collect(),
        as_of: WirePosition { partition: view.as_of.partition.0, offset: view.as_of.offset.0 },
        fold: fold(facets, book),
    };
    STATE.write_own(&wire)
}

fn session_text(id: Option<&SessionId>) -> Option<Text<'_>> {
    id.map(|id| id.as_str().into())
}

fn fold<'a>(facets: &'a Facets, book: &'a Book) -> Fold<'a> {
    let table = &mut StampTable::default();
    let mut fold = Fold {
        stamps: Vec::new(),
        status: facets.status.as_ref().map(|r| status(table, r)),
        end: facets.end.as_ref().map(|r| text_register(table, &r.stamp, r.value.map(|v| v.label()))),
        turn_count: facets.turn_count.into(),
        last_turn: facets.last_turn.as_ref().map(|turn| WireLastTurn {
            turn: turn.turn.into(),
            stamp: table.index(&turn.stamp),
            context_tokens: turn.context_tokens.map(|tokens| tokens as i64),
            worker: texts(turn.worker.as_ref()),
            worker_epoch: turn.worker_epoch.map(|epoch| epoch as i64),
            dp_rank: turn.dp_rank.map(i64::from),
            model: texts(turn.model.as_ref()),
        }),
        started_at: facets.started_at.map(|at| at.0),
        last_active: facets.last_active.map(|at| at.0),
        touched_at: facets.touched_at.0,
        user: facets.user.as_ref().map(|r| text_register(table, &r.stamp, Some(r.value.as_str()))),
        transfer_scope: facets
            .transfer_scope
            .as_ref()
            .map(|r| text_register(table, &r.stamp, r.value.map(|v| v.label()))),
        idle_timeout_ms: facets
            .idle_timeout
            .as_ref()
            .map(|r| LongRegister { stamp: table.index(&r.stamp), value: r.value.map(|v| v.0) }),
        activation: facets
            .activation
            .as_ref()
            .map(|r| AdapterRegister { stamp: table.index(&r.stamp), value: r.value.as_ref().map(adapter) }),
        deactivations: Vec::new(),
        parent: session_register(table, facets.parent.as_ref()),
        continues: session_register(table, facets.continues.as_ref()),
        resumed_from: facets.resumed_from.as_ref().map(|r| text_register(table, &r.stamp, Some(r.value.as_str()))),
        context_ref: facets
            .context_ref
            .as_ref()
            .map(|r| text_register(table, &r.stamp, r.value.as_ref().map(Name::as_str))),
        cache: facets
            .cache
            .as_ref()
            .map(|r| CacheRegister { stamp: table.index(&r.stamp), value: r.value.as_ref().map(cache) }),
        metadata: Vec::new(),
        metadata_cleared: facets.metadata_cleared.as_ref().map(|stamp| table.index(stamp)),
        context: facets.context.as_ref().map(|c| ContextRegister {
            stamp: table.index(&c.stamp),
            space: text(&c.space),
            covers_turn: c.covers_turn.into(),
        }),
        placements: Vec::new(),
        evictions: Vec::new(),
        producers: Vec::new(),
        triggers: Vec::new(),
        drift: book.drift,
        open: book.open.iter().map(|id| id.as_str().into()).collect(),
        as_of: WirePosition { partition: book.as_of.partition.0, offset: book.as_of.offset.0 },
        as_of_time: book.as_of_time.0,
    };
    fold_lists(table, facets, book, &mut fold);
    fold.stamps = table.wire();
    fold
}

fn fold_lists<'a>(table: &mut StampTable<'a>, facets: &'a Facets, book: &'a Book, fold: &mut Fold<'a>) {
    fold.deactivations.extend(
        facets.deactivations.iter().map(|(id, stamp)| Deactivation { stamp: table.index(stamp), adapter_id: text(id) }),
    );
    fold.metadata.extend(facets.metadata.iter().map(|(key, r)| MetadataRegister {
        stamp: table.index(&r.stamp),
        key: Cow::Borrowed(key),
        value: r.value.as_deref().map(Cow::Borrowed),
    }));
    fold.placements
        .extend(facets.placements.values().map(|r| Placement { stamp: table.index(&r.stamp), copy: copy(&r.value) }));
    fold.evictions.extend(facets.evictions.iter().map(|(place, r)| Eviction {
        stamp: table.index(&r.stamp),
        worker: texts(place.worker.as_ref()),
        instance: texts(place.instance.as_ref()),
        worker_epoch: place.worker_epoch.map(|epoch| epoch as i64),
        dp_rank: place.dp_rank.map(i64::from),
        tier: place.tier.map(|tier| tier.label().into()),
        remaining_tokens: r.value.remaining_tokens as i64,
        reason: r.value.reason.label().into(),
    }));
    fold.producers.extend(book.producers.iter().map(|seen| WireSeqs {
        id: text(&seen.id),
        epoch: seen.epoch as i64,
        intervals: seen.intervals.iter().flat_map(|(low, high)| [*low as i64, *high as i64]).collect(),
        overflowed: seen.overflowed,
    }));
    fold.triggers.extend(
        book.triggers.iter().map(|(kind, stamp)| LastTrigger { stamp: table.index(stamp), kind: kind.label().into() }),
    );
}

fn status<'a>(table: &mut StampTable<'a>, register: &'a Register<LiveStatus>) -> StatusRegister<'a> {
    let (value, reason, until, last_good_turn) = match &register.value {
        LiveStatus::Active => ("active", None, None, None),
        LiveStatus::Paused(reason, until) => ("paused", Some(reason.label()), until.map(|at| at.0), None),
        LiveStatus::Interrupted(reason, turn) => ("interrupted", Some(reason.label()), None, turn.map(i64::from)),
    };
    StatusRegister {
        stamp: table.index(&register.stamp),
        value: value.into(),
        reason: reason.map(Cow::Borrowed),
        until,
        last_good_turn,
    }
}

fn text_register<'a>(table: &mut StampTable<'a>, stamp: &'a Arc<Stamp>, value: Option<&'a str>) -> TextRegister<'a> {
    TextRegister { stamp: table.index(stamp), value: value.map(Cow::Borrowed) }
}

fn session_register<'a>(
    table: &mut StampTable<'a>,
    register: Option<&'a Register<Option<SessionId>>>,
) -> Option<TextRegister<'a>> {
    register.map(|r| text_register(table, &r.stamp, r.value.as_ref().map(SessionId::as_str)))
}
