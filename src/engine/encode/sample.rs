//! A session as most are, for tests of size, form and stored bytes.

use std::sync::Arc;

use litemap::LiteMap;

use crate::model::bookkeeping::{Checkpoint, Decision, HistoryEntry, Ruling, TopicDigest};
use crate::model::event::TransferScope;
use crate::model::ids::{EventId, Name, SessionId, SuggestionId, TenantId, UserId};
use crate::model::kv::*;
use crate::model::position::{Offset, PartitionId, Position};
use crate::model::score::Features;
use crate::model::session::*;
use crate::model::stamp::{Register, Stamp};
use crate::model::suggestion::*;
use crate::model::time::{EventTime, Millis};

const START: i64 = 1_762_339_000_000;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn stamp(n: u64) -> Arc<Stamp> {
    let event_id = EventId::new(&format!("0191d5c4-7d3e-7c3a-9c55-00000000{n:04}")).unwrap();
    let digest = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Arc::new(Stamp { at: EventTime(START + n as i64 * 1000), seq: n + 1, event_id, digest })
}

fn register<T>(stamp: &Arc<Stamp>, value: T) -> Register<T> {
    Register { stamp: Arc::clone(stamp), value }
}

fn copy() -> Arc<KvCopy> {
    Arc::new(KvCopy {
        tier: Tier::Warm,
        medium: Some(name("CPU")),
        location: Location::Disk { path: name("kv/9"), offset: 0 },
        cached_tokens: 2304,
        kv_bytes: Some(301_989_888),
        quantization: Quantization::Hybrid {
            tail_length: 256,
            tail_precision: name("FP16"),
            store_precision: name("Q4"),
        },
        created_at: EventTime(START + 9000),
        worker: Some(name("w-2.pool-a.example")),
        worker_epoch: Some(5),
        dp_rank: None,
        cache: CacheIdentity { namespace: name("llama-3-70b/fp8"), adapter: Some(adapter()), salt_id: None },
    })
}

fn adapter() -> Adapter {
    Adapter { id: name("lora-7"), version: Some(name("3")) }
}

/// View, facets and bookkeeping of one session.
pub(super) fn session() -> (SessionView, Facets, Book) {
    let [started, turn, drift, stop] = [stamp(0), stamp(4), stamp(3), stamp(5)];
    let cache = copy().cache.clone();
    let metadata = [("plan", "\"pro\""), ("tries", "3"), ("tags", "[\"a\",\"b\"]")];
    let mut metadata: Vec<(Arc<str>, Arc<str>)> =
        metadata.into_iter().map(|(k, v)| (Arc::from(k), Arc::from(v))).collect();
    metadata.sort();
    let facets = Facets {
        status: Some(register(&stop, LiveStatus::Interrupted(crate::model::event::InterruptReason::Timeout, Some(4)))),
        turn_count: 4,
        last_turn: Some(LastTurn {
            turn: 4,
            stamp: Arc::clone(&turn),
            context_tokens: Some(2410),
            worker: copy().worker.clone(),
            worker_epoch: Some(5),
            dp_rank: None,
            model: Some(name("llama-3-70b")),
        }),
        started_at: Some(EventTime(START)),
        last_active: Some(EventTime(START + 5000)),
        touched_at: EventTime(START + 5000),
        user: Some(register(&started, UserId::new("0191d5c4-7d3e-7c3a-9c55-aaaaaaaaaaaa").unwrap())),
        transfer_scope: Some(register(&started, Some(TransferScope::User))),
        idle_timeout: Some(register(&started, Some(Millis(1_800_000)))),
        activation: Some(register(&turn, Some(adapter()))),
        cache: Some(register(&turn, Some(cache.clone()))),
        metadata: metadata.iter().map(|(k, v)| (k.clone(), register(&started, Some(v.clone())))).collect(),
        context: Some(ContextFacet { space: name("default"), covers_turn: 4, stamp: Arc::clone(&turn) }),
        placements: LiteMap::from_iter([(copy().place(), register(&turn, copy()))]),
        ..Facets::default()
    };
    let as_of = Position { partition: PartitionId(1), offset: Offset(5120) };
    let open = vec![SuggestionId::new("00112233445566778899aabbccddeeff").unwrap()];
    let book = Book {
        producers: vec![SeenSeqs { id: name("gw-1"), epoch: 3, intervals: vec![(1, 6)], overflowed: false }],
        triggers: LiteMap::from_iter([(TriggerKind::SessionInterrupted, stop), (TriggerKind::ContextDrift, drift)]),
        drift: 0.25,
        open: open.clone(),
        as_of,
        as_of_time: EventTime(START + 5000),
        ..Book::default()
    };
    let view = SessionView {
        tenant: TenantId::new("acme").unwrap(),
        session: SessionId::new("0191d5c4-7d3e-7c3a-9c55-bbbbbbbbbbbb").unwrap(),
        user: facets.user.as_ref().map(|r| r.value.clone()),
        status: Some(Status::Interrupted),
        end_reason: None,
        turn_count: 4,
        context_tokens: Some(2410),
        started_at: facets.started_at,
        last_active: facets.last_active,
        idle_timeout: Millis(1_800_000),
        active_adapter: Some(adapter()),
        cache: Some(cache),
        kv_copies: vec![copy()],
        residency: Some(Residency::Reported),
        context: Some((name("default"), 4)),
        transfer_scope: TransferScope::User,
        parent: None,
        continues: None,
        taken_up_by: None,
        context_ref: None,
        metadata,
        gapped: false,
        open_suggestions: open,
        as_of,
    };
    (view, facets, book)
}

/// A recovery and a transfer for that session.
pub(super) fn suggestions() -> [Suggestion; 2] {
    let (view, ..) = session();
    let source = RecoverySource {
        session: view.session.clone(),
        kv_cache: Some(copy()),
        residency: Some(Residency::Reported),
        endpoint: Some(name("http://w-2")),
        dp_rank: Some(0),
        model: Some(name("llama-3-70b")),
        cache: Some(copy().cache.clone()),
        adapter: Some(adapter()),
        context_ref: None,
        turn_count: 4,
        last_active: view.last_active,
    };
    let recovery = Recovery {
        plan: RecoveryPlan::RestoreKv,
        basis: MatchBasis::OwnKv,
        matched_tokens: Some(2304),
        missing_tokens: Some(106),
        source,
        estimate: Some(Estimate {
            restore_ms: 40.0,
            recompute_ms: 310.0,
            saved_ms: 270.0,
            basis: EstimateBasis::Configured,
        }),
        alternatives: vec![Alternative {
            session: SessionId::new("s-4").unwrap(),
            plan: RecoveryPlan::ContextOnly,
            score: 0.42,
        }],
        rejected: vec![RejectedCandidate {
            session: SessionId::new("s-2").unwrap(),
            reason: CandidateFault::WorkerEpochDead,
        }],
    };
    let transfer = Transfer {
        plan: TransferPlan::UseAdapter,
        adapter: Some((adapter(), None)),
        source: SessionId::new("s-4").unwrap(),
        similarity: 0.71,
        context_ref: None,
        support: Some(Support { sessions: 9, for_it: 7, against: 1 }),
        consent: TransferScope::Tenant,
        prefix: None,
    };
    let of = |advice, kind, n| Suggestion {
        id: view.open_suggestions[0].clone(),
        tenant: view.tenant.clone(),
        session: view.session.clone(),
        user: view.user.clone(),
        trigger: Trigger {
            kind,
            event_id: Some(stamp(n).event_id.clone()),
            occurred_at: Some(stamp(n).at),
            due_at: None,
        },
        advice,
        score: Score { total: 0.91, features: Features { recency: Some(0.98), ..Features::default() } },
        valid_until: Some(EventTime(START + 605_000)),
        supersedes: None,
        as_of: view.as_of,
        policy: name("00ff"),
        delivery: Delivery::Stream,
    };
    [
        of(Advice::Recovery(Box::new(recovery)), TriggerKind::SessionInterrupted, 5),
        of(Advice::Transfer(Box::new(transfer)), TriggerKind::ContextDrift, 3),
    ]
}

/// A checkpoint.
pub(super) fn checkpoint() -> Checkpoint {
    Checkpoint {
        next_offset: Offset(5121),
        stream_time: EventTime(START + 5000),
        partition_count: 8,
        states: TopicDigest { live_keys: 1, sum: u128::MAX - 1 },
        vectors: TopicDigest { live_keys: 1, sum: 2 },
        bookkeeping: TopicDigest { live_keys: 0, sum: 0 },
        engine_version: "0.1.0".to_owned(),
        policy: name("00ff"),
    }
}

/// A decision.
pub(super) fn decision() -> Decision {
    let ruling = Ruling::Schema(7, Some("\"é\"".into()));
    Decision { offset: Offset(5119), ruling, at: EventTime(START + 5000) }
}

/// What held from an offset on.
pub(super) fn history() -> HistoryEntry {
    HistoryEntry {
        offset: Offset(5119),
        at: EventTime::MIN,
        engine_version: "0.1.0".to_owned(),
        policy: name("00ff"),
        settings: "{}".to_owned(),
    }
}
