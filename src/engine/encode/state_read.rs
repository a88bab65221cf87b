//! A state back from its Avro body.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::codecs::STATE;
use super::copies::{name, names, read_adapter, read_cache, read_copy};
use super::fault::{ReadFault, known};
use super::fold::*;
use super::state::State;
use crate::model::event::{EndReason, InterruptReason, PauseReason, TransferScope};
use crate::model::ids::{InvalidId, SessionId, SuggestionId, TenantId, UserId};
use crate::model::kv::{EvictReason, EvictedPlace, Tier};
use crate::model::position::{Offset, PartitionId, Position};
use crate::model::session::{Book, ContextFacet, Evicted, Facets, LastTurn, LiveStatus, SeenSeqs, TriggerKind};
use crate::model::stamp::Register;
use crate::model::time::{EventTime, Millis};

/// Reads a state's Avro body: whose it is, its facets (the prefix chain has records of its own) and its book.
pub fn decode_state(body: &[u8]) -> Result<(TenantId, SessionId, Facets, Book), ReadFault> {
    let state: State<'static> = STATE.read(body)?;
    let tenant = TenantId::new(&state.tenant_id)?;
    let session = SessionId::new(&state.session_id)?;
    let stamps = Stamps::read(&state.fold.stamps)?;
    let facets = facets(&state.fold, &stamps)?;
    let book = book(&state.fold, &stamps)?;
    Ok((tenant, session, facets, book))
}

fn facets(fold: &Fold<'_>, stamps: &Stamps) -> Result<Facets, ReadFault> {
    let mut facets = Facets {
        status: fold.status.as_ref().map(|wire| status(wire, stamps)).transpose()?,
        end: word_register(fold.end.as_ref(), stamps, EndReason::parse, "end")?,
        turn_count: known(u32::try_from(fold.turn_count).ok(), "turn_count")?,
        last_turn: fold.last_turn.as_ref().map(|wire| last_turn(wire, stamps)).transpose()?,
        started_at: fold.started_at.map(EventTime),
        last_active: fold.last_active.map(EventTime),
        touched_at: EventTime(fold.touched_at),
        user: id_register(fold.user.as_ref(), stamps, UserId::new)?,
        transfer_scope: word_register(fold.transfer_scope.as_ref(), stamps, TransferScope::parse, "transfer_scope")?,
        parent: optional_register(fold.parent.as_ref(), stamps, SessionId::new)?,
        continues: optional_register(fold.continues.as_ref(), stamps, SessionId::new)?,
        resumed_from: id_register(fold.resumed_from.as_ref(), stamps, SessionId::new)?,
        context_ref: optional_register(fold.context_ref.as_ref(), stamps, name)?,
        metadata_cleared: fold.metadata_cleared.map(|index| stamps.get(index)).transpose()?,
        ..Facets::default()
    };
    if let Some(wire) = &fold.idle_timeout_ms {
        facets.idle_timeout = Some(Register { stamp: stamps.get(wire.stamp)?, value: wire.value.map(Millis) });
    }
    if let Some(wire) = &fold.activation {
        let value = wire.value.as_ref().map(read_adapter).transpose()?;
        facets.activation = Some(Register { stamp: stamps.get(wire.stamp)?, value });
    }
    if let Some(wire) = &fold.cache {
        let value = wire.value.as_ref().map(read_cache).transpose()?;
        facets.cache = Some(Register { stamp: stamps.get(wire.stamp)?, value });
    }
    if let Some(wire) = &fold.context {
        facets.context = Some(ContextFacet {
            space: name(&wire.space)?,
            covers_turn: known(u32::try_from(wire.covers_turn).ok(), "covers_turn")?,
            stamp: stamps.get(wire.stamp)?,
        });
    }
    keyed_facets(fold, stamps, &mut facets)?;
    Ok(facets)
}

fn keyed_facets(fold: &Fold<'_>, stamps: &Stamps, facets: &mut Facets) -> Result<(), ReadFault> {
    for wire in &fold.deactivations {
        facets.deactivations.insert(name(&wire.adapter_id)?, stamps.get(wire.stamp)?);
    }
    for wire in &fold.metadata {
        let value = wire.value.as_ref().map(|value| Arc::from(&**value));
        facets.metadata.insert(Arc::from(&*wire.key), Register { stamp: stamps.get(wire.stamp)?, value });
    }
    for wire in &fold.placements {
        let value = read_copy(&wire.copy)?;
        facets.placements.insert(value.place(), Register { stamp: stamps.get(wire.stamp)?, value });
    }
    for wire in &fold.evictions {
        let tier = wire.tier.as_ref().map(|tier| known(Tier::parse(tier), "tier")).transpose()?;
        let place = EvictedPlace {
            worker: names(wire.worker.as_ref())?,
            instance: names(wire.instance.as_ref())?,
            worker_epoch: wire.worker_epoch.map(|epoch| epoch as u64),
            dp_rank: rank(wire.dp_rank)?,
            tier,
        };
        let reason = known(EvictReason::parse(&wire.reason), "reason")?;
        let value = Evicted { remaining_tokens: wire.remaining_tokens as u64, reason };
        facets.evictions.insert(place, Register { stamp: stamps.get(wire.stamp)?, value });
    }
    Ok(())
}

fn book(fold: &Fold<'_>, stamps: &Stamps) -> Result<Book, ReadFault> {
    let mut triggers = BTreeMap::new();
    for wire in &fold.triggers {
        triggers.insert(known(TriggerKind::parse(&wire.kind), "trigger")?, stamps.get(wire.stamp)?);
    }
    let mut producers = Vec::with_capacity(fold.producers.len());
    for wire in &fold.producers {
        let (pairs, rest) = wire.intervals.as_chunks::<2>();
        known(rest.is_empty().then_some(()), "intervals")?;
        producers.push(SeenSeqs {
            id: name(&wire.id)?,
            epoch: wire.epoch as u64,
            intervals: pairs.iter().map(|[low, high]| (*low as u64, *high as u64)).collect(),
            overflowed: wire.overflowed,
        });
    }
    Ok(Book {
        producers,
        triggers,
        drift: fold.drift,
        open: fold.open.iter().map(|id| SuggestionId::new(id)).collect::<Result<_, _>>()?,
        as_of: Position { partition: PartitionId(fold.as_of.partition), offset: Offset(fold.as_of.offset) },
        as_of_time: EventTime(fold.as_of_time),
    })
}

fn status(wire: &StatusRegister<'_>, stamps: &Stamps) -> Result<Register<LiveStatus>, ReadFault> {
    let reason = wire.reason.as_deref().unwrap_or_default();
    let value = match &*wire.value {
        "active" => LiveStatus::Active,
        "paused" => LiveStatus::Paused(known(PauseReason::parse(reason), "status")?, wire.until.map(EventTime)),
        "interrupted" => {
            let turn = wire.last_good_turn.map(|turn| known(u32::try_from(turn).ok(), "last_good_turn"));
            LiveStatus::Interrupted(known(InterruptReason::parse(reason), "status")?, turn.transpose()?)
        }
        _ => return Err(ReadFault::Field("status")),
    };
    Ok(Register { stamp: stamps.get(wire.stamp)?, value })
}

fn last_turn(wire: &WireLastTurn<'_>, stamps: &Stamps) -> Result<LastTurn, ReadFault> {
    Ok(LastTurn {
        turn: known(u32::try_from(wire.turn).ok(), "turn")?,
        stamp: stamps.get(wire.stamp)?,
        context_tokens: wire.context_tokens.map(|tokens| tokens as u64),
        worker: names(wire.worker.as_ref())?,
        worker_epoch: wire.worker_epoch.map(|epoch| epoch as u64),
        dp_rank: rank(wire.dp_rank)?,
        model: names(wire.model.as_ref())?,
    })
}

fn rank(wire: Option<i64>) -> Result<Option<u32>, ReadFault> {
    wire.map(|rank| known(u32::try_from(rank).ok(), "dp_rank")).transpose()
}

fn optional_register<T>(
    wire: Option<&TextRegister<'_>>,
    stamps: &Stamps,
    parse: impl Fn(&str) -> Result<T, InvalidId>,
) -> Result<Option<Register<Option<T>>>, ReadFault> {
    let Some(wire) = wire else { return Ok(None) };
    let value = wire.value.as_deref().map(parse).transpose()?;
    Ok(Some(Register { stamp: stamps.get(wire.stamp)?, value }))
}

fn id_register<T>(
    wire: Option<&TextRegister<'_>>,
    stamps: &Stamps,
    parse: impl Fn(&str) -> Result<T, InvalidId>,
) -> Result<Option<Register<T>>, ReadFault> {
    let Some(register) = optional_register(wire, stamps, parse)? else { return Ok(None) };
    Ok(Some(Register { stamp: register.stamp, value: known(register.value, "id")? }))
}

fn word_register<T>(
    wire: Option<&TextRegister<'_>>,
    stamps: &Stamps,
    parse: impl Fn(&str) -> Option<T>,
    field: &'static str,
) -> Result<Option<Register<Option<T>>>, ReadFault> {
    let Some(wire) = wire else { return Ok(None) };
    let value = wire.value.as_deref().map(|word| known(parse(word), field)).transpose()?;
    Ok(Some(Register { stamp: stamps.get(wire.stamp)?, value }))
}
