//! Random states, rows and suggestions for property tests. Test support only.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

pub use super::arbitrary_view::view;

use crate::model::event::{EndReason, InterruptReason, PauseReason, TransferScope};
use crate::model::ids::{EventId, Name, SessionId, SuggestionId, TenantId, UserId};
use crate::model::kv::*;
use crate::model::position::{Offset, PartitionId, Position};
use crate::model::session::*;
use crate::model::stamp::{Register, Stamp};
use crate::model::time::{EventTime, Millis};
use crate::model::topic::Topic;
use crate::model::trial::{Group, Trial};
use crate::model::window::Window;

/// Ids, from few values so that collisions happen.
macro_rules! ids {
    ($($function:ident -> $ty:ty),+ $(,)?) => {
        $(
            /// A random id.
            pub fn $function() -> BoxedStrategy<$ty> {
                "[a-z<&\"]{1,3}".prop_map(|text| <$ty>::new(&text).expect("visible ASCII")).boxed()
            }
        )+
    };
}

ids!(
    tenant -> TenantId,
    session -> SessionId,
    user -> UserId,
    event_id -> EventId,
    suggestion_id -> SuggestionId,
);

/// A random name; names may hold any UTF-8.
pub fn name() -> BoxedStrategy<Name> {
    "[a-c/é✓ ]{1,4}".prop_map(|text| Name::new(&text).expect("not empty")).boxed()
}

/// One of a closed list.
pub fn word<T: Copy + std::fmt::Debug + 'static>(all: &'static [T]) -> BoxedStrategy<T> {
    select(all).boxed()
}

/// A random instant, also before 1970.
pub fn time() -> BoxedStrategy<EventTime> {
    prop_oneof![(-5i64..2_000_000_000_000).prop_map(EventTime), Just(EventTime::MIN)].boxed()
}

/// A random stamp, shared as the fold shares them.
pub fn stamp() -> BoxedStrategy<Arc<Stamp>> {
    (time(), any::<u64>(), event_id(), any::<u64>())
        .prop_map(|(at, seq, event_id, digest)| Arc::new(Stamp { at, seq, event_id, digest }))
        .boxed()
}

/// A random register.
pub fn register<T: std::fmt::Debug + Clone + 'static>(
    value: impl Strategy<Value = T> + Clone + 'static,
) -> BoxedStrategy<Register<T>> {
    (stamp(), value).prop_map(|(stamp, value)| Register { stamp, value }).boxed()
}

/// A random finite float, any bits.
pub fn float() -> BoxedStrategy<f64> {
    prop_oneof![proptest::num::f64::NORMAL, Just(0.0), Just(-0.0), Just(0.1 + 0.2)].boxed()
}

/// A random adapter.
pub fn adapter() -> BoxedStrategy<Adapter> {
    (name(), of(name())).prop_map(|(id, version)| Adapter { id, version }).boxed()
}

/// A random cache identity.
pub fn cache() -> BoxedStrategy<CacheIdentity> {
    (name(), of(adapter()), of(name()))
        .prop_map(|(namespace, adapter, salt_id)| CacheIdentity { namespace, adapter, salt_id })
        .boxed()
}

fn location() -> BoxedStrategy<Location> {
    prop_oneof![
        any::<u64>().prop_map(|offset| Location::Memory { offset }),
        (name(), any::<u64>()).prop_map(|(path, offset)| Location::Disk { path, offset }),
        (name(), name(), of(name()), of(name())).prop_map(|(provider, instance, endpoint, handle)| {
            Location::External { provider, instance, endpoint, handle }
        }),
        Just(Location::Evicted),
    ]
    .boxed()
}

fn quantization() -> BoxedStrategy<Quantization> {
    prop_oneof![
        (any::<u64>(), name())
            .prop_map(|(tail_length, precision)| Quantization::HighPrecisionTail { tail_length, precision }),
        (name(), float())
            .prop_map(|(precision, compression_ratio)| Quantization::QuantizedStore { precision, compression_ratio }),
        (any::<u64>(), name(), name()).prop_map(|(tail_length, tail_precision, store_precision)| {
            Quantization::Hybrid { tail_length, tail_precision, store_precision }
        }),
        (any::<u64>(), name(), float()).prop_map(|(tail_length, tail_precision, turbo_bits)| {
            Quantization::TurboQuantHybrid { tail_length, tail_precision, turbo_bits }
        }),
    ]
    .boxed()
}

/// A random copy.
pub fn kv_copy() -> BoxedStrategy<Arc<KvCopy>> {
    (
        (word(Tier::ALL), of(name()), location(), any::<u64>(), of(any::<u64>()), quantization()),
        (time(), of(name()), of(any::<u64>()), of(any::<u32>()), cache()),
    )
        .prop_map(|(a, b)| KvCopy {
            tier: a.0,
            medium: a.1,
            location: a.2,
            cached_tokens: a.3,
            kv_bytes: a.4,
            quantization: a.5,
            created_at: b.0,
            worker: b.1,
            worker_epoch: b.2,
            dp_rank: b.3,
            cache: b.4,
        })
        .prop_map(Arc::new)
        .boxed()
}

fn evicted_place() -> BoxedStrategy<EvictedPlace> {
    (of(name()), of(name()), of(any::<u64>()), of(any::<u32>()), of(word(Tier::ALL)))
        .prop_map(|(worker, instance, worker_epoch, dp_rank, tier)| EvictedPlace {
            worker,
            instance,
            worker_epoch,
            dp_rank,
            tier,
        })
        .boxed()
}

fn live_status() -> BoxedStrategy<LiveStatus> {
    prop_oneof![
        Just(LiveStatus::Active),
        (word(PauseReason::ALL), of(time())).prop_map(|(reason, until)| LiveStatus::Paused(reason, until)),
        (word(InterruptReason::ALL), of(any::<u32>())).prop_map(|(reason, turn)| LiveStatus::Interrupted(reason, turn)),
    ]
    .boxed()
}

fn last_turn() -> BoxedStrategy<LastTurn> {
    (any::<u32>(), stamp(), of(any::<u64>()), of(name()), of(any::<u64>()), of(any::<u32>()), of(name()))
        .prop_map(|(turn, stamp, context_tokens, worker, worker_epoch, dp_rank, model)| LastTurn {
            turn,
            stamp,
            context_tokens,
            worker,
            worker_epoch,
            dp_rank,
            model,
        })
        .boxed()
}

pub(super) fn json_text() -> BoxedStrategy<Arc<str>> {
    "[a-z\"\\\\ é]{0,5}".prop_map(|text| Arc::from(serde_json::Value::from(text).to_string())).boxed()
}

/// Random facets, without prefix segments: those have rows of their own.
pub fn facets() -> BoxedStrategy<Facets> {
    let scalars = (
        of(register(live_status())),
        of(register(of(word(EndReason::ALL)))),
        any::<u32>(),
        of(last_turn()),
        of(time()),
        of(time()),
        time(),
    );
    let registers = (
        of(register(user())),
        of(register(of(word(TransferScope::ALL)))),
        of(register(of((1000i64..1_000_000).prop_map(Millis)))),
        of(register(of(adapter()))),
        of(register(of(session()))),
        of(register(of(session()))),
        of(register(session())),
        of(register(of(name()))),
        of(register(of(cache()))),
    );
    let context = (name(), any::<u32>(), stamp()).prop_map(|(space, covers_turn, stamp)| ContextFacet {
        space,
        covers_turn,
        stamp,
    });
    let evicted = (any::<u64>(), word(EvictReason::ALL))
        .prop_map(|(remaining_tokens, reason)| Evicted { remaining_tokens, reason });
    let collections = (
        btree_map(name(), stamp(), 0..4),
        btree_map("[a-z]{1,3}".prop_map(Arc::from), register(of(json_text())), 0..4),
        of(stamp()),
        of(context),
        vec(register(kv_copy()), 0..4),
        btree_map(evicted_place(), register(evicted), 0..3),
    );
    (scalars, registers, collections)
        .prop_map(|(s, r, c)| Facets {
            status: s.0,
            end: s.1,
            turn_count: s.2,
            last_turn: s.3,
            started_at: s.4,
            last_active: s.5,
            touched_at: s.6,
            user: r.0,
            transfer_scope: r.1,
            idle_timeout: r.2,
            activation: r.3,
            parent: r.4,
            continues: r.5,
            resumed_from: r.6,
            context_ref: r.7,
            cache: r.8,
            deactivations: c.0.into_iter().collect(),
            metadata: c.1.into_iter().collect(),
            metadata_cleared: c.2,
            context: c.3,
            placements: c.4.into_iter().map(|r| (r.value.place(), r)).collect(),
            evictions: c.5.into_iter().collect(),
            prefix: BTreeMap::new(),
        })
        .boxed()
}

/// Random bookkeeping of a session.
pub fn book() -> BoxedStrategy<Book> {
    let seen = (name(), any::<u64>(), vec(any::<(u64, u64)>(), 0..4), any::<bool>())
        .prop_map(|(id, epoch, intervals, overflowed)| SeenSeqs { id, epoch, intervals, overflowed });
    (
        vec(seen, 0..4),
        btree_map(word(TriggerKind::ALL), stamp(), 0..4),
        float(),
        vec(1..=0xffu8, 0..2),
        vec(suggestion_id(), 0..3),
        (any::<i64>(), 0..3u64),
        of((word(Group::ALL), time(), time())),
        position(),
        time(),
    )
        .prop_map(|(producers, triggers, drift, seen, open, (number, count), trial, as_of, as_of_time)| Book {
            producers,
            triggers: triggers.into_iter().collect(),
            drift,
            topic: topic(&seen),
            open,
            opened: if count > 0 { Window { number, count } } else { Window::default() },
            trial: trial.map(|(group, since, until)| Trial { group, since, until }),
            as_of,
            as_of_time,
        })
        .boxed()
}

fn topic(turns: &[u8]) -> Topic {
    let mut topic = Topic::default();
    for turn in turns {
        let signs: Vec<_> = (0..128).map(|at| half::f16::from_f32(f32::from(turn >> (at % 8) & 1) - 0.5)).collect();
        topic.see(&signs);
    }
    topic
}

/// A random position.
pub fn position() -> BoxedStrategy<Position> {
    (0..100i32, any::<i64>())
        .prop_map(|(partition, offset)| Position { partition: PartitionId(partition), offset: Offset(offset) })
        .boxed()
}
