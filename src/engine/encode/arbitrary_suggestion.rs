//! Random suggestions and bookkeeping rows for property tests. Test support only.

use std::sync::Arc;

use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;

use super::arbitrary::*;
use super::{PrefixRow, Row};
use crate::model::bookkeeping::*;
use crate::model::calibration::{CalibrationRow, Observed, Rate};
use crate::model::event::TransferScope;
use crate::model::kv::{Residency, Tier};
use crate::model::position::Offset;
use crate::model::prefix::PrefixFamily;
use crate::model::score::{FEATURES, Features};
use crate::model::session::{PrefixSegment, TriggerKind};
use crate::model::suggestion::*;
use crate::model::verdict::{RejectReason, Rejection};
use crate::model::window::Window;

fn recovery() -> BoxedStrategy<Advice> {
    let source = (
        (session(), of(kv_copy()), of(word(Residency::ALL)), of(name()), of(any::<u32>()), of(name())),
        (of(cache()), of(adapter()), of(name()), any::<u32>(), of(time())),
    )
        .prop_map(|(a, b)| RecoverySource {
            session: a.0,
            kv_cache: a.1,
            residency: a.2,
            endpoint: a.3,
            dp_rank: a.4,
            model: a.5,
            cache: b.0,
            adapter: b.1,
            context_ref: b.2,
            turn_count: b.3,
            last_active: b.4,
        });
    let estimate = (float(), float(), float(), word(EstimateBasis::ALL))
        .prop_map(|(restore_ms, recompute_ms, saved_ms, basis)| Estimate { restore_ms, recompute_ms, saved_ms, basis });
    let alternative = (session(), word(RecoveryPlan::ALL), float()).prop_map(|(session, plan, score)| Alternative {
        session,
        plan,
        score,
    });
    let rejected =
        (session(), word(CandidateFault::ALL)).prop_map(|(session, reason)| RejectedCandidate { session, reason });
    (
        (word(RecoveryPlan::ALL), word(MatchBasis::ALL), of(any::<u64>()), of(any::<u64>())),
        source,
        of(estimate),
        vec(alternative, 0..3),
        vec(rejected, 0..3),
    )
        .prop_map(|(m, source, estimate, alternatives, rejected)| {
            let (plan, basis, matched_tokens, missing_tokens) = m;
            Advice::Recovery(Box::new(Recovery {
                plan,
                basis,
                matched_tokens,
                missing_tokens,
                source,
                estimate,
                alternatives,
                rejected,
            }))
        })
        .boxed()
}

fn transfer() -> BoxedStrategy<Advice> {
    let prefix_reuse = (any::<u64>(), any::<u64>(), kv_copy())
        .prop_map(|(matched_tokens, missing_tokens, copy)| PrefixReuse { matched_tokens, missing_tokens, copy });
    let support =
        any::<(u32, u32, u32)>().prop_map(|(sessions, for_it, against)| Support { sessions, for_it, against });
    (
        word(TransferPlan::ALL),
        of((adapter(), of(name()))),
        session(),
        float(),
        of(name()),
        of(support),
        word(TransferScope::ALL),
        of(prefix_reuse),
    )
        .prop_map(|(plan, adapter, source, similarity, context_ref, support, consent, prefix)| {
            Advice::Transfer(Box::new(Transfer {
                plan,
                adapter,
                source,
                similarity,
                context_ref,
                support,
                consent,
                prefix,
            }))
        })
        .boxed()
}

/// A random suggestion of either kind, as it is published.
pub fn suggestion() -> BoxedStrategy<Suggestion> {
    let trigger = (word(TriggerKind::ALL), of(event_id()), of(time()), of(time()))
        .prop_map(|(kind, event_id, occurred_at, due_at)| Trigger { kind, event_id, occurred_at, due_at });
    let values = proptest::array::uniform::<_, { FEATURES.len() }>(of(float()));
    let score = (float(), values).prop_map(|(total, values)| {
        let mut values = values.into_iter();
        Score { total, features: Features::of(|_| values.next().flatten()) }
    });
    (
        (suggestion_id(), tenant(), session(), of(user())),
        trigger,
        prop_oneof![recovery(), transfer()],
        score,
        (of(time()), of(suggestion_id()), position(), name(), word(Delivery::ALL)),
    )
        .prop_map(|(ids, trigger, advice, score, rest)| Suggestion {
            id: ids.0,
            tenant: ids.1,
            session: ids.2,
            user: ids.3,
            trigger,
            advice,
            score,
            valid_until: rest.0,
            supersedes: rest.1,
            as_of: rest.2,
            policy: rest.3,
            delivery: rest.4,
        })
        .boxed()
}

/// A random publication, except the one that is redacted.
pub fn publication() -> BoxedStrategy<Publication> {
    let reason = word(RevokeReason::ALL).prop_filter("redacted", |reason| *reason != RevokeReason::Erased);
    let actual = (of(any::<u64>()), of(any::<u64>()), of(float()), of(float()), of(float()), word(OutcomeBasis::ALL))
        .prop_map(|(restored_tokens, recomputed_tokens, restore_ms, ttft_ms, saved_ms, basis)| Actual {
            restored_tokens,
            recomputed_tokens,
            restore_ms,
            ttft_ms,
            saved_ms,
            basis,
        });
    prop_oneof![
        Just(Publication::Open),
        reason.prop_map(Publication::Revoked),
        (word(Outcome::ALL), actual).prop_map(|(outcome, actual)| Publication::Closed(outcome, actual)),
    ]
    .boxed()
}

fn checkpoint() -> BoxedStrategy<Row> {
    let digest = || any::<(u64, u128)>().prop_map(|(live_keys, sum)| TopicDigest { live_keys, sum });
    ((any::<i64>(), time(), any::<i32>()), digest(), digest(), digest(), "[0-9.]{1,6}", name())
        .prop_map(|(numbers, states, vectors, bookkeeping, engine_version, policy)| {
            Row::Partition(Checkpoint {
                next_offset: Offset(numbers.0),
                stream_time: numbers.1,
                partition_count: numbers.2,
                states,
                vectors,
                bookkeeping,
                engine_version,
                policy,
            })
        })
        .boxed()
}

fn worker() -> BoxedStrategy<Row> {
    let started = (any::<u64>(), stamp(), of(name()), of(name()), of(any::<u32>()))
        .prop_map(|(epoch, stamp, endpoint, model, dp_size)| WorkerStart { epoch, stamp, endpoint, model, dp_size });
    let cleared = btree_map(of(word(Tier::ALL)), (time(), any::<u64>()), 0..4);
    (of(any::<u64>()), of(any::<u64>()), of(time()), of(time()), cleared, of(started))
        .prop_map(|(epoch, lost_epoch, lost_at, lost_all_at, cleared, started)| {
            Row::Worker(WorkerRow { epoch, lost_epoch, lost_at, lost_all_at, cleared, started })
        })
        .boxed()
}

fn adapter_row() -> BoxedStrategy<Row> {
    let published = (of(name()), of(name()), of(name()), of(name()))
        .prop_map(|(version, digest, base_model, uri)| AdapterPublication { version, digest, base_model, uri });
    (of(register(published)), of(register(of(name()))))
        .prop_map(|(published, retired)| Row::Adapter(AdapterRow { published, retired }))
        .boxed()
}

fn prefix() -> BoxedStrategy<Row> {
    (name(), any::<u32>(), any::<u32>(), any::<u64>(), stamp(), vec(any::<u64>(), 0..9))
        .prop_map(|(algorithm, block_tokens, stride, from_block, stamp, hashes)| {
            Row::Prefix(PrefixRow {
                family: PrefixFamily { algorithm, block_tokens, stride },
                from_block,
                segment: PrefixSegment { stamp, hashes: Arc::from(hashes) },
            })
        })
        .boxed()
}

fn work() -> BoxedStrategy<Row> {
    let lost = (name(), stamp(), word(RevokeReason::ALL)).prop_map(|(worker, stamp, reason)| WorkTask::WorkerLost {
        worker,
        stamp,
        reason,
    });
    (prop_oneof![Just(WorkTask::Erase), lost], any::<i64>(), vec((tenant(), session()), 0..5))
        .prop_map(|(task, offset, sessions)| Row::Work(WorkChunk { task, offset: Offset(offset), sessions }))
        .boxed()
}

fn decision() -> BoxedStrategy<Row> {
    let text = || "[a-z{\"é]{0,9}";
    let ruling = prop_oneof![
        (any::<u32>(), of(text())).prop_map(|(id, text)| Ruling::Schema(id, text.map(Arc::from))),
        (word(&[RejectReason::Poison, RejectReason::Skipped]), text())
            .prop_map(|(reason, message)| Ruling::DeadLettered(Rejection::new(reason, message))),
    ];
    (any::<i64>(), ruling, time())
        .prop_map(|(offset, ruling, at)| Row::Decision(Decision { offset: Offset(offset), ruling, at }))
        .boxed()
}

fn history() -> BoxedStrategy<Row> {
    (any::<i64>(), time(), "[0-9.]{1,6}", name(), "[a-z{\"é]{0,9}")
        .prop_map(|(offset, at, engine_version, policy, settings)| {
            Row::History(HistoryEntry { offset: Offset(offset), at, engine_version, policy, settings })
        })
        .boxed()
}

fn calibration() -> BoxedStrategy<Row> {
    (name(), word(Rate::ALL), any::<u64>(), 0..=i64::MAX as u64, float(), time())
        .prop_map(|(namespace, rate, against, count, mean, at)| {
            let observed = Observed { against, count, mean, at };
            Row::Calibration(CalibrationRow { namespace, rate, observed })
        })
        .boxed()
}

/// A random row of any kind.
pub fn row() -> BoxedStrategy<Row> {
    let erased = (time(), any::<bool>(), time())
        .prop_map(|(cut, dead, expires_at)| Row::Erased(ErasureMarker { cut, dead, expires_at }));
    prop_oneof![
        checkpoint(),
        suggestion().prop_map(|suggestion| Row::Open(Box::new(suggestion))),
        worker(),
        adapter_row(),
        erased,
        prefix(),
        work(),
        decision(),
        calibration(),
        history(),
        (any::<i64>(), 0..=i64::MAX as u64).prop_map(|(number, count)| Row::Opened(Window { number, count })),
        any::<i64>().prop_map(|offset| Row::Rebuild(Rebuild { publish_from: Offset(offset) })),
    ]
    .boxed()
}
