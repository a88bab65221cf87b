//! The Avro body of a state record back to what the fold holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use litemap::LiteMap;

use super::codecs::STATE;
use super::kv::{read_adapter, read_cache, read_copy};
use super::read::*;
use super::state_wire::*;
use crate::model::event::{EndReason, InterruptReason, PauseReason, TransferScope};
use crate::model::ids::{EventId, SessionId, SuggestionId, TenantId, UserId};
use crate::model::kv::{EvictReason, EvictedPlace, Tier};
use crate::model::session::{self, Book, ContextFacet, Evicted, Facets, LiveStatus, TriggerKind};
use crate::model::shared::shared;
use crate::model::stamp::{Register, Stamp};
use crate::model::time::{EventTime, Millis};
use crate::model::topic::Topic;
use crate::model::trial::{Group, Trial};
use crate::model::window::Window;

/// A session as read back. Its prefix segments and its vector come from records of their own.
#[derive(Debug, Clone, PartialEq)]
pub struct Restored {
    /// Its tenant.
    pub tenant: TenantId,
    /// The session.
    pub session: SessionId,
    /// Its facets, without prefix segments.
    pub facets: Facets,
    /// Its bookkeeping.
    pub book: Book,
}

/// Reads the Avro body of a state record.
pub fn decode_state(bytes: &[u8]) -> Result<Restored, DecodeError> {
    let (tenant, session, fold) = split_state(bytes)?;
    let (facets, book) = decode_fold(fold)?;
    Ok(Restored { tenant, session, facets, book })
}

/// Reads of the Avro body of a state record whose it is, and where the fold lies in it, which may not be readable.
pub fn split_state(bytes: &[u8]) -> Result<(TenantId, SessionId, &[u8]), DecodeError> {
    let (head, fold): (StateHead<'_>, _) = STATE.read_head(bytes)?;
    let tenant = id("tenant_id", TenantId::new(head.tenant_id))?;
    Ok((tenant, id("session_id", SessionId::new(head.session_id))?, fold))
}

/// Reads the field `fold` of a state.
pub fn decode_fold(bytes: &[u8]) -> Result<(Facets, Book), DecodeError> {
    let fold: Fold<&str> = STATE.read(bytes)?;
    let stamps = list(&fold.stamps, read_stamp)?;
    Ok((facets(&fold, &stamps)?, book(&fold, &stamps)?))
}

pub(super) fn read_stamp(record: &StampRecord<&str>) -> Read<Arc<Stamp>> {
    Ok(Arc::new(Stamp {
        at: EventTime(record.at),
        seq: count(record.seq),
        event_id: id("event_id", EventId::new(record.event_id))?,
        digest: record.digest as u64,
    }))
}

/// What the records say, with room for no more: there is one of these for each of very many sessions.
fn list<R, T>(records: &[R], read: impl Fn(&R) -> Read<T>) -> Read<Vec<T>> {
    let mut items = Vec::with_capacity(records.len());
    for record in records {
        items.push(read(record)?);
    }
    Ok(items)
}

fn map<R, K: Ord, V>(records: &[R], read: impl Fn(&R) -> Read<(K, V)>) -> Read<LiteMap<K, V>> {
    let mut map = LiteMap::with_capacity(records.len());
    for record in records {
        let (key, value) = read(record)?;
        map.insert(key, value);
    }
    Ok(map)
}

fn register<T>(stamps: &[Arc<Stamp>], index: i32, value: T) -> Read<Register<T>> {
    Ok(Register { stamp: stamp_at(stamps, index)?, value })
}

/// A text register whose value may have been cleared.
fn texts<T>(
    stamps: &[Arc<Stamp>],
    record: &Option<TextRegister<&str>>,
    read: impl FnOnce(&str) -> Read<T>,
) -> Read<Option<Register<Option<T>>>> {
    let Some(record) = record else { return Ok(None) };
    register(stamps, record.stamp, record.value.map(read).transpose()?).map(Some)
}

/// A text register whose value is never cleared.
fn kept<T>(field: &'static str, register: Option<Register<Option<T>>>) -> Read<Option<Register<T>>> {
    let keep = |r: Register<Option<T>>| Ok(Register { stamp: r.stamp, value: word(field, r.value)? });
    register.map(keep).transpose()
}

fn status(record: &StatusRegister<&str>, stamps: &[Arc<Stamp>]) -> Read<Register<LiveStatus>> {
    let reason = record.reason.unwrap_or_default();
    let value = match record.value {
        "active" => LiveStatus::Active,
        "paused" => LiveStatus::Paused(word("reason", PauseReason::parse(reason))?, record.until.map(EventTime)),
        "interrupted" => LiveStatus::Interrupted(
            word("reason", InterruptReason::parse(reason))?,
            optional_small("last_good_turn", record.last_good_turn)?,
        ),
        _ => return Err(DecodeError::Field("status")),
    };
    register(stamps, record.stamp, value)
}

fn facets(fold: &Fold<&str>, stamps: &[Arc<Stamp>]) -> Read<Facets> {
    let session_id = |text: &str| id("session", SessionId::new(text));
    Ok(Facets {
        status: fold.status.as_ref().map(|r| status(r, stamps)).transpose()?,
        end: texts(stamps, &fold.end, |v| word("end", EndReason::parse(v)))?,
        turn_count: small("turn_count", fold.turn_count)?,
        last_turn: fold.last_turn.as_ref().map(|r| last_turn(r, stamps)).transpose()?,
        started_at: fold.started_at.map(EventTime),
        last_active: fold.last_active.map(EventTime),
        touched_at: EventTime(fold.touched_at),
        user: kept("user", texts(stamps, &fold.user, |v| id("user", UserId::new(v)))?)?,
        transfer_scope: texts(stamps, &fold.transfer_scope, |v| word("transfer_scope", TransferScope::parse(v)))?,
        idle_timeout: (fold.idle_timeout_ms.as_ref())
            .map(|r| register(stamps, r.stamp, r.value.map(Millis)))
            .transpose()?,
        activation: (fold.activation.as_ref())
            .map(|r| register(stamps, r.stamp, r.value.as_ref().map(read_adapter).transpose()?))
            .transpose()?,
        deactivations: map(&fold.deactivations, |r| {
            Ok((name("adapter_id", r.adapter_id)?, stamp_at(stamps, r.stamp)?))
        })?,
        parent: texts(stamps, &fold.parent, session_id)?,
        continues: texts(stamps, &fold.continues, session_id)?,
        resumed_from: kept("resumed_from", texts(stamps, &fold.resumed_from, session_id)?)?,
        context_ref: texts(stamps, &fold.context_ref, |v| name("context_ref", v))?,
        cache: (fold.cache.as_ref())
            .map(|r| register(stamps, r.stamp, r.value.as_ref().map(read_cache).transpose()?))
            .transpose()?,
        metadata: map(&fold.metadata, |r| Ok((shared(r.key), register(stamps, r.stamp, r.value.map(Arc::from))?)))?,
        metadata_cleared: fold.metadata_cleared.map(|index| stamp_at(stamps, index)).transpose()?,
        context: fold.context.as_ref().map(|r| context(r, stamps)).transpose()?,
        placements: map(&fold.placements, |r| {
            let copy = Arc::new(read_copy(&r.copy)?);
            Ok((copy.place(), register(stamps, r.stamp, copy)?))
        })?,
        evictions: map(&fold.evictions, |r| eviction(r, stamps))?,
        prefix: BTreeMap::new(),
    })
}

fn last_turn(record: &LastTurn<&str>, stamps: &[Arc<Stamp>]) -> Read<session::LastTurn> {
    Ok(session::LastTurn {
        turn: small("turn", record.turn)?,
        stamp: stamp_at(stamps, record.stamp)?,
        context_tokens: record.context_tokens.map(count),
        worker: optional_name("worker", record.worker)?,
        worker_epoch: record.worker_epoch.map(count),
        dp_rank: optional_small("dp_rank", record.dp_rank)?,
        model: optional_name("model", record.model)?,
    })
}

fn context(record: &ContextRegister<&str>, stamps: &[Arc<Stamp>]) -> Read<ContextFacet> {
    Ok(ContextFacet {
        space: name("space", record.space)?,
        covers_turn: small("covers_turn", record.covers_turn)?,
        stamp: stamp_at(stamps, record.stamp)?,
    })
}

fn eviction(record: &Eviction<&str>, stamps: &[Arc<Stamp>]) -> Read<(EvictedPlace, Register<Evicted>)> {
    let place = EvictedPlace {
        worker: optional_name("worker", record.worker)?,
        instance: optional_name("instance", record.instance)?,
        worker_epoch: record.worker_epoch.map(count),
        dp_rank: optional_small("dp_rank", record.dp_rank)?,
        tier: optional_word("tier", record.tier, Tier::parse)?,
    };
    let evicted = Evicted {
        remaining_tokens: count(record.remaining_tokens),
        reason: word("reason", EvictReason::parse(record.reason))?,
    };
    Ok((place, register(stamps, record.stamp, evicted)?))
}

fn book(fold: &Fold<&str>, stamps: &[Arc<Stamp>]) -> Read<Book> {
    Ok(Book {
        producers: list(&fold.producers, seen_seqs)?,
        triggers: map(&fold.triggers, |r| Ok((word("kind", TriggerKind::parse(r.kind))?, stamp_at(stamps, r.stamp)?)))?,
        drift: fold.drift,
        topic: fold
            .topic
            .as_deref()
            .map_or(Some(Topic::default()), |bytes| Topic::from_bytes(bytes))
            .ok_or(DecodeError::Field("topic"))?,
        open: list(&fold.open, |v| id("open", SuggestionId::new(v)))?,
        opened: fold.opened.as_ref().map_or(Window::default(), |r| Window { number: r.hour, count: count(r.count) }),
        trial: fold.trial.as_ref().map(trial).transpose()?,
        as_of: (&fold.as_of).into(),
        as_of_time: EventTime(fold.as_of_time),
    })
}

fn trial(record: &TrialRecord<&str>) -> Read<Trial> {
    Ok(Trial {
        group: word("group", Group::parse(record.group))?,
        since: EventTime(record.since),
        until: EventTime(record.until),
    })
}

fn seen_seqs(record: &SeenSeqs<&str>) -> Read<session::SeenSeqs> {
    let (pairs, rest) = record.intervals.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(DecodeError::Field("intervals"));
    }
    Ok(session::SeenSeqs {
        id: name("id", record.id)?,
        epoch: count(record.epoch),
        intervals: pairs.iter().map(|[first, last]| (count(*first), count(*last))).collect(),
        overflowed: record.overflowed,
    })
}
