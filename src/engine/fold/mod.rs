//! Joins one event into a session's facets. Each join is commutative, associative and idempotent, so any
//! order of the same events, with any repetition, gives the same facets. Reads no time and no other session.

mod adapter;
pub mod gaps;
mod kv;
mod metadata;
pub mod prefix;
mod snapshot;

use std::sync::Arc;

use crate::engine::fold::prefix::PrefixTouch;
use crate::model::event::{Context, SessionBody, Started, Turn};
use crate::model::ids::UserId;
use crate::model::prefix::PrefixUpdate;
use crate::model::session::{ContextFacet, Facets, LastTurn, LiveStatus};
use crate::model::stamp::{Register, Stamp};
use crate::model::time::EventTime;

pub use adapter::active_adapter;

/// What an event changed, as far as later stages care.
#[derive(Debug, Default)]
pub struct Change<'a> {
    /// Anything at all.
    pub any: bool,
    /// The liveness register.
    pub status: bool,
    /// The session ended by this event.
    pub ended: bool,
    /// The embedding, with the one to index.
    pub context: Option<&'a Context>,
    /// KV placements.
    pub placed: bool,
    /// KV evictions.
    pub evicted: bool,
    /// Who may profit from it.
    pub scope: bool,
    /// Its user.
    pub user: bool,
    /// The event named another user than the session's.
    pub user_conflict: bool,
    /// Prefix segments written or dropped.
    pub prefix: Vec<PrefixTouch>,
    /// Prefix segments were dropped for room.
    pub prefix_overflow: bool,
}

/// Folds one event of a session.
pub fn fold<'a>(facets: &mut Facets, stamp: &Arc<Stamp>, user: Option<&UserId>, body: &'a SessionBody) -> Change<'a> {
    let mut change = Change::default();
    if stamp.at > facets.touched_at {
        facets.touched_at = stamp.at;
        change.any = true;
    }
    if let Some(user) = user {
        join_user(facets, stamp, user, &mut change);
    }
    fold_body(facets, stamp, body, &mut change);
    change.any |= change.status
        || change.ended
        || change.context.is_some()
        || change.placed
        || change.evicted
        || change.scope
        || change.user
        || !change.prefix.is_empty();
    change
}

fn fold_body<'a>(facets: &mut Facets, stamp: &Arc<Stamp>, body: &'a SessionBody, change: &mut Change<'a>) {
    match body {
        SessionBody::Started(started) => fold_started(facets, stamp, started, change),
        SessionBody::Turn(turn) => fold_turn(facets, stamp, turn, change),
        SessionBody::ContextEmbedded(context) => join_context(facets, stamp, Some(context), change),
        SessionBody::KvPlaced(copy, chain) => {
            change.placed |= kv::join_placement(facets, stamp, copy);
            join_prefix(facets, stamp, chain.as_ref(), change);
        }
        SessionBody::KvEvicted(evicted) => change.evicted |= kv::join_eviction(facets, stamp, evicted),
        SessionBody::AdapterActivated(adapter) => change.any |= adapter::activate(facets, stamp, adapter),
        SessionBody::AdapterDeactivated(adapter) => change.any |= adapter::deactivate(facets, stamp, adapter),
        SessionBody::Paused(reason, back_at) => {
            be_alive(facets, stamp.at, change);
            join_status(facets, stamp, LiveStatus::Paused(*reason, *back_at), change);
        }
        SessionBody::Interrupted(reason, last_good_turn) => {
            be_alive(facets, stamp.at, change);
            join_status(facets, stamp, LiveStatus::Interrupted(*reason, *last_good_turn), change);
        }
        SessionBody::ResumeRequested(request) => {
            be_alive(facets, stamp.at, change);
            change.any |= join_present(&mut facets.cache, stamp, request.cache.as_ref());
            join_prefix(facets, stamp, request.prefix.as_ref(), change);
            join_context(facets, stamp, request.context.as_ref(), change);
        }
        SessionBody::Resumed(resumed) => {
            be_alive(facets, stamp.at, change);
            join_status(facets, stamp, LiveStatus::Active, change);
            if let Some(from) = &resumed.from_session {
                change.any |= Register::join(&mut facets.resumed_from, stamp, from.clone());
            }
        }
        SessionBody::Ended(reason) => {
            be_alive(facets, stamp.at, change);
            join_end(facets, stamp, Some(*reason), change);
        }
        SessionBody::Snapshot(snapshot) => snapshot::fold_snapshot(facets, stamp, snapshot, change),
        SessionBody::MetadataChanged(patch) => change.any |= metadata::join_patch(facets, stamp, patch),
        SessionBody::ScopeChanged(scope) => {
            change.scope |= Register::join(&mut facets.transfer_scope, stamp, Some(*scope));
        }
    }
}

fn fold_started(facets: &mut Facets, stamp: &Arc<Stamp>, started: &Started, change: &mut Change<'_>) {
    be_alive(facets, stamp.at, change);
    join_status(facets, stamp, LiveStatus::Active, change);
    join_started_at(facets, stamp.at, change);
    change.any |= join_present(&mut facets.parent, stamp, started.parent.as_ref());
    change.any |= join_present(&mut facets.continues, stamp, started.continues.as_ref());
    change.any |= join_present(&mut facets.cache, stamp, started.cache.as_ref());
    change.any |= join_present(&mut facets.context_ref, stamp, started.context_ref.as_ref());
    change.any |= join_present(&mut facets.idle_timeout, stamp, started.idle_timeout.as_ref());
    change.scope |= Register::join(&mut facets.transfer_scope, stamp, Some(started.transfer_scope));
    change.any |= metadata::join_patch(facets, stamp, &started.metadata);
}

fn fold_turn<'a>(facets: &mut Facets, stamp: &Arc<Stamp>, turn: &'a Turn, change: &mut Change<'a>) {
    be_alive(facets, stamp.at, change);
    join_status(facets, stamp, LiveStatus::Active, change);
    join_last_turn(
        facets,
        LastTurn {
            turn: turn.turn,
            stamp: Arc::clone(stamp),
            context_tokens: Some(turn.context_tokens),
            worker: turn.worker.clone(),
            worker_epoch: turn.worker_epoch,
            dp_rank: turn.dp_rank,
            model: turn.model.clone(),
        },
        change,
    );
    change.any |= join_present(&mut facets.cache, stamp, turn.cache.as_ref());
    if let Some(adapter) = &turn.adapter {
        change.any |= adapter::activate(facets, stamp, adapter);
    }
    if let Some(copy) = &turn.kv_cache {
        change.placed |= kv::join_placement(facets, stamp, copy);
    }
    join_prefix(facets, stamp, turn.prefix.as_ref(), change);
    join_context(facets, stamp, turn.context.as_ref(), change);
}

/// Joins a newest-wins facet if the event carries it; absent leaves it alone.
fn join_present<T: Clone>(slot: &mut Option<Register<Option<T>>>, stamp: &Arc<Stamp>, value: Option<&T>) -> bool {
    value.is_some_and(|value| Register::join(slot, stamp, Some(value.clone())))
}

fn join_user(facets: &mut Facets, stamp: &Arc<Stamp>, user: &UserId, change: &mut Change<'_>) {
    match &facets.user {
        Some(held) if held.stamp <= *stamp => change.user_conflict = held.value != *user,
        held => {
            change.user = held.as_ref().is_none_or(|held| held.value != *user);
            change.any = true;
            facets.user = Some(Register { stamp: Arc::clone(stamp), value: user.clone() });
        }
    }
}

fn join_status(facets: &mut Facets, stamp: &Arc<Stamp>, status: LiveStatus, change: &mut Change<'_>) {
    change.status |= Register::join(&mut facets.status, stamp, status);
}

/// The end absorbs; of several the first one, by stamp, tells the reason.
fn join_end(
    facets: &mut Facets,
    stamp: &Arc<Stamp>,
    reason: Option<crate::model::event::EndReason>,
    change: &mut Change<'_>,
) {
    match &facets.end {
        Some(held) if held.stamp <= *stamp => {}
        held => {
            change.ended = held.is_none();
            change.any = true;
            facets.end = Some(Register { stamp: Arc::clone(stamp), value: reason });
        }
    }
}

fn be_alive(facets: &mut Facets, at: EventTime, change: &mut Change<'_>) {
    if facets.last_active.is_none_or(|held| held < at) {
        facets.last_active = Some(at);
        change.any = true;
    }
}

fn join_started_at(facets: &mut Facets, at: EventTime, change: &mut Change<'_>) {
    if facets.started_at.is_none_or(|held| at < held) {
        facets.started_at = Some(at);
        change.any = true;
    }
}

fn join_last_turn(facets: &mut Facets, turn: LastTurn, change: &mut Change<'_>) {
    if turn.turn > facets.turn_count {
        facets.turn_count = turn.turn;
        change.any = true;
    }
    let newer = facets.last_turn.as_ref().is_none_or(|held| (held.turn, &held.stamp) < (turn.turn, &turn.stamp));
    if newer {
        facets.last_turn = Some(turn);
        change.any = true;
    }
}

/// The largest (covers_turn, stamp) wins, over all spaces: a late turn 3 never overwrites turn 9.
fn join_context<'a>(facets: &mut Facets, stamp: &Arc<Stamp>, context: Option<&'a Context>, change: &mut Change<'a>) {
    let Some(context) = context else { return };
    let newer =
        facets.context.as_ref().is_none_or(|held| (held.covers_turn, &held.stamp) < (context.covers_turn, stamp));
    if newer {
        facets.context = Some(ContextFacet {
            space: context.space.clone(),
            covers_turn: context.covers_turn,
            stamp: Arc::clone(stamp),
        });
        change.context = Some(context);
    }
}

fn join_prefix(facets: &mut Facets, stamp: &Arc<Stamp>, update: Option<&PrefixUpdate>, change: &mut Change<'_>) {
    if let Some(update) = update {
        change.prefix_overflow |= prefix::join(&mut facets.prefix, stamp, update, &mut change.prefix);
    }
}
