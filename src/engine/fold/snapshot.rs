//! A snapshot asserts many facets at once; what it leaves out is left alone.

use std::sync::Arc;

use super::{Change, adapter, be_alive, join_context, join_end, join_last_turn, join_prefix, join_present};
use super::{join_started_at, join_status, kv, metadata};
use crate::model::event::{ClearableFacet, InterruptReason, PauseReason, Snapshot, SnapshotStatus};
use crate::model::session::{Facets, LastTurn, LiveStatus};
use crate::model::stamp::{Register, Stamp};

/// Folds a snapshot. Each facet takes its own time where it has one (KV `created_at`), else the snapshot's.
pub fn fold_snapshot<'a>(facets: &mut Facets, stamp: &Arc<Stamp>, snapshot: &'a Snapshot, change: &mut Change<'a>) {
    match snapshot.status {
        Some(SnapshotStatus::Active) => join_status(facets, stamp, LiveStatus::Active, change),
        Some(SnapshotStatus::Paused) => {
            join_status(facets, stamp, LiveStatus::Paused(PauseReason::Other, None), change);
        }
        Some(SnapshotStatus::Interrupted) => {
            join_status(facets, stamp, LiveStatus::Interrupted(InterruptReason::Other, None), change);
        }
        Some(SnapshotStatus::Ended) => join_end(facets, stamp, None, change),
        None => {}
    }
    fold_counts(facets, stamp, snapshot, change);
    if let Some(at) = snapshot.started_at {
        join_started_at(facets, at, change);
    }
    if let Some(at) = snapshot.last_active {
        be_alive(facets, at, change);
    }
    for facet in &snapshot.clear {
        clear(facets, stamp, *facet, snapshot, change);
    }
    change.any |= join_present(&mut facets.idle_timeout, stamp, snapshot.idle_timeout.as_ref());
    change.any |= join_present(&mut facets.cache, stamp, snapshot.cache.as_ref());
    change.any |= join_present(&mut facets.parent, stamp, snapshot.parent.as_ref());
    change.any |= join_present(&mut facets.continues, stamp, snapshot.continues.as_ref());
    change.any |= join_present(&mut facets.context_ref, stamp, snapshot.context_ref.as_ref());
    change.scope |= join_present(&mut facets.transfer_scope, stamp, snapshot.transfer_scope.as_ref());
    if let Some(adapter) = &snapshot.adapter {
        change.any |= adapter::activate(facets, stamp, adapter);
    }
    for copy in &snapshot.kv_copies {
        let own = Arc::new(Stamp { at: copy.created_at, ..(**stamp).clone() });
        change.placed |= kv::join_placement(facets, &own, copy);
    }
    change.any |= metadata::join_patch(facets, stamp, &snapshot.metadata);
    join_prefix(facets, stamp, snapshot.prefix.as_ref(), change);
    join_context(facets, stamp, snapshot.context.as_ref(), change);
}

/// Turns raise the count; tokens count as of the snapshot's turn (0 if it names none).
fn fold_counts(facets: &mut Facets, stamp: &Arc<Stamp>, snapshot: &Snapshot, change: &mut Change<'_>) {
    let turn = snapshot.turn.unwrap_or(0);
    if turn > facets.turn_count {
        facets.turn_count = turn;
        change.any = true;
    }
    if snapshot.context_tokens.is_some() {
        let last_turn = LastTurn {
            turn,
            stamp: Arc::clone(stamp),
            context_tokens: snapshot.context_tokens,
            worker: None,
            worker_epoch: None,
            dp_rank: None,
            model: None,
        };
        join_last_turn(facets, last_turn, change);
    }
}

/// Clears a facet, unless the same snapshot sets it: then that value stands.
fn clear(facets: &mut Facets, stamp: &Arc<Stamp>, facet: ClearableFacet, snapshot: &Snapshot, change: &mut Change<'_>) {
    fn unless<T>(set: bool, slot: &mut Option<Register<Option<T>>>, stamp: &Arc<Stamp>, changed: &mut bool) {
        if !set {
            *changed |= Register::join(slot, stamp, None);
        }
    }
    let any = &mut change.any;
    match facet {
        ClearableFacet::Adapter => unless(snapshot.adapter.is_some(), &mut facets.activation, stamp, any),
        ClearableFacet::Cache => unless(snapshot.cache.is_some(), &mut facets.cache, stamp, any),
        ClearableFacet::ContextRef => unless(snapshot.context_ref.is_some(), &mut facets.context_ref, stamp, any),
        ClearableFacet::ContinuesSessionId => {
            unless(snapshot.continues.is_some(), &mut facets.continues, stamp, any);
        }
        ClearableFacet::IdleTimeoutMs => {
            unless(snapshot.idle_timeout.is_some(), &mut facets.idle_timeout, stamp, any);
        }
        ClearableFacet::ParentSessionId => unless(snapshot.parent.is_some(), &mut facets.parent, stamp, any),
        ClearableFacet::TransferScope => {
            unless(snapshot.transfer_scope.is_some(), &mut facets.transfer_scope, stamp, &mut change.scope);
        }
        ClearableFacet::Metadata => *any |= metadata::join_clear(facets, stamp),
    }
}
