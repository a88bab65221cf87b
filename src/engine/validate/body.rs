//! Bodies of one session.

use std::sync::Arc;

use super::field::{At, Checked, word};
use super::{Limits, context, kv, metadata, prefix};
use crate::engine::decode::wire;
use crate::model::event::{
    ClearableFacet, EndReason, InterruptReason, PauseReason, ResumeOutcome, ResumeRequested, Resumed, SessionBody,
    Snapshot, SnapshotStatus, Started, TransferScope, Turn,
};
use crate::model::ids::{SessionId, SuggestionId};
use crate::model::kv::Adapter;

/// Checks a session's body. `fault` is set where an unusable embedding was dropped from it.
pub(super) fn check(body: wire::Body<'_>, limits: &Limits<'_>, fault: &mut Option<String>) -> Checked<SessionBody> {
    use wire::Body as B;
    Ok(match &body {
        B::SessionStarted(b) => SessionBody::Started(started(b)?),
        B::TurnCompleted(b) => SessionBody::Turn(Box::new(turn(b, limits, fault)?)),
        B::ContextEmbedded(b) => SessionBody::ContextEmbedded(context::alone(b, limits)?),
        B::KvCachePlaced(b) => {
            let (copy, chain) = kv::copy(&At::BODY, b, limits)?;
            SessionBody::KvPlaced(Arc::new(copy), chain)
        }
        B::KvCacheEvicted(b) => SessionBody::KvEvicted(kv::evicted(b)?),
        B::AdapterActivated(b) => SessionBody::AdapterActivated(adapter_use(b)?),
        B::AdapterDeactivated(b) => SessionBody::AdapterDeactivated(adapter_use(b)?),
        B::SessionPaused(b) => SessionBody::Paused(
            word!(At::field("reason"), &b.reason, PauseReason)?,
            At::field("expected_resume_at").optional(&b.expected_resume_at, |at, v| at.instant(v.0))?,
        ),
        B::SessionInterrupted(b) => SessionBody::Interrupted(
            word!(At::field("reason"), &b.reason, InterruptReason)?,
            At::field("last_good_turn").optional_small(&b.last_good_turn)?,
        ),
        B::ResumeRequested(b) => SessionBody::ResumeRequested(ResumeRequested {
            cache: At::field("cache").optional(&b.cache, kv::cache)?,
            prefix: At::field("prefix").optional(&b.prefix, prefix::check)?,
            context: context::optional(&b.context, limits, fault)?,
        }),
        B::SessionResumed(b) => SessionBody::Resumed(resumed(b)?),
        B::SessionEnded(b) => SessionBody::Ended(word!(At::field("reason"), &b.reason, EndReason)?),
        B::SessionSnapshot(b) => SessionBody::Snapshot(Box::new(snapshot(b, limits, fault)?)),
        B::MetadataChanged(b) => SessionBody::MetadataChanged(metadata::check(&b.metadata)?),
        B::TransferScopeChanged(b) => {
            SessionBody::ScopeChanged(word!(At::field("transfer_scope"), &b.transfer_scope, TransferScope)?)
        }
        // The caller has taken these out before.
        B::SubjectErased(_) | B::WorkerStarted(_) | B::WorkerLost(_) | B::WorkerCacheCleared(_) => {
            return Err(At::field("type").invalid("is no session event"));
        }
        B::AdapterPublished(_) | B::AdapterRetired(_) | B::Tick(_) => {
            return Err(At::field("type").invalid("is no session event"));
        }
    })
}

fn session(name: &'static str, id: &Option<wire::Text<'_>>) -> Checked<Option<SessionId>> {
    At::field(name).optional(id, |at, v| at.check(SessionId::new(v)))
}

fn suggestion(id: &Option<wire::Text<'_>>) -> Checked<Option<SuggestionId>> {
    At::field("suggestion_id").optional(id, |at, v| at.check(SuggestionId::new(v)))
}

fn scope(scope: &Option<wire::Text<'_>>) -> Checked<Option<TransferScope>> {
    At::field("transfer_scope").optional(scope, |at, v| word!(at, v, TransferScope))
}

fn adapter_use(b: &wire::AdapterUse<'_>) -> Checked<Adapter> {
    Ok(Adapter {
        id: At::field("adapter_id").name(&b.adapter_id)?,
        version: At::field("version").optional_name(&b.version)?,
    })
}

fn started(b: &wire::SessionStarted<'_>) -> Checked<Started> {
    Ok(Started {
        parent: session("parent_session_id", &b.parent_session_id)?,
        continues: session("continues_session_id", &b.continues_session_id)?,
        cache: At::field("cache").optional(&b.cache, kv::cache)?,
        context_ref: At::field("context_ref").optional_name(&b.context_ref)?,
        idle_timeout: At::field("idle_timeout_ms").optional(&b.idle_timeout_ms, |at, v| at.idle_timeout(*v))?,
        transfer_scope: scope(&b.transfer_scope)?.unwrap_or(TransferScope::User),
        metadata: metadata::optional(&b.metadata)?,
    })
}

fn turn(b: &wire::TurnCompleted<'_>, limits: &Limits<'_>, fault: &mut Option<String>) -> Checked<Turn> {
    let input_tokens = At::field("input_tokens").count(b.input_tokens)?;
    let output_tokens = At::field("output_tokens").count(b.output_tokens)?;
    let cached_tokens = At::field("cached_tokens").optional_count(&b.cached_tokens)?;
    if cached_tokens.is_some_and(|cached| cached > input_tokens) {
        return Err(At::field("cached_tokens").invalid("must not exceed input_tokens"));
    }
    let context_tokens = At::field("context_tokens").optional_count(&b.context_tokens)?;
    let sent_copy = At::field("kv_cache").optional(&b.kv_cache, |at, v| kv::copy(at, v, limits))?;
    let (kv_cache, copy_chain) = sent_copy.map_or((None, None), |(copy, chain)| (Some(Arc::new(copy)), chain));
    Ok(Turn {
        turn: At::field("turn").small(b.turn)?,
        request_id: At::field("request_id").optional_name(&b.request_id)?,
        model: At::field("model").optional_name(&b.model)?,
        input_tokens,
        output_tokens,
        cached_tokens,
        context_tokens: context_tokens.unwrap_or(input_tokens + output_tokens),
        finish_reason: At::field("finish_reason").optional_name(&b.finish_reason)?,
        worker: At::field("worker").optional_name(&b.worker)?,
        worker_epoch: At::field("worker_epoch").optional_count(&b.worker_epoch)?,
        dp_rank: At::field("dp_rank").optional_small(&b.dp_rank)?,
        ttft_ms: At::field("ttft_ms").optional_span(&b.ttft_ms)?,
        suggestion_id: suggestion(&b.suggestion_id)?,
        cache: At::field("cache").optional(&b.cache, kv::cache)?,
        // The turn's own chain, else the one its copy covers.
        prefix: At::field("prefix").optional(&b.prefix, prefix::check)?.or(copy_chain),
        context: context::optional(&b.context, limits, fault)?,
        kv_cache,
        adapter: At::field("adapter").optional(&b.adapter, kv::adapter)?,
    })
}

fn resumed(b: &wire::SessionResumed<'_>) -> Checked<Resumed> {
    Ok(Resumed {
        suggestion_id: suggestion(&b.suggestion_id)?,
        from_session: session("from_session_id", &b.from_session_id)?,
        restored_tokens: At::field("restored_tokens").optional_count(&b.restored_tokens)?,
        recomputed_tokens: At::field("recomputed_tokens").optional_count(&b.recomputed_tokens)?,
        restore_ms: At::field("restore_ms").optional_span(&b.restore_ms)?,
        ttft_ms: At::field("ttft_ms").optional_span(&b.ttft_ms)?,
        outcome: word!(At::field("outcome"), &b.outcome, ResumeOutcome)?,
    })
}

fn snapshot(b: &wire::SessionSnapshot<'_>, limits: &Limits<'_>, fault: &mut Option<String>) -> Checked<Snapshot> {
    let past = |at: &At<'_>, v: &wire::Moment| at.past(v.0, limits.latest);
    let sent = b.kv_copies.as_deref().unwrap_or_default();
    let mut chain = At::field("prefix").optional(&b.prefix, prefix::check)?;
    let mut kv_copies = Vec::with_capacity(sent.len());
    for copy in sent {
        let (copy, copy_chain) = kv::copy(&At::field("kv_copies"), copy, limits)?;
        kv_copies.push(Arc::new(copy));
        chain = chain.or(copy_chain);
    }
    let clear = b.clear.as_deref().unwrap_or_default();
    let mut clear = clear.iter().map(|v| word!(At::field("clear"), v, ClearableFacet)).collect::<Checked<Vec<_>>>()?;
    clear.sort_unstable();
    clear.dedup();
    Ok(Snapshot {
        status: At::field("status").optional(&b.status, |at, v| word!(at, v, SnapshotStatus))?,
        turn: At::field("turn").optional_small(&b.turn)?,
        context_tokens: At::field("context_tokens").optional_count(&b.context_tokens)?,
        started_at: At::field("started_at").optional(&b.started_at, past)?,
        last_active: At::field("last_active").optional(&b.last_active, past)?,
        idle_timeout: At::field("idle_timeout_ms").optional(&b.idle_timeout_ms, |at, v| at.idle_timeout(*v))?,
        adapter: At::field("adapter").optional(&b.adapter, kv::adapter)?,
        cache: At::field("cache").optional(&b.cache, kv::cache)?,
        kv_copies,
        prefix: chain,
        context: context::optional(&b.context, limits, fault)?,
        transfer_scope: scope(&b.transfer_scope)?,
        parent: session("parent_session_id", &b.parent_session_id)?,
        continues: session("continues_session_id", &b.continues_session_id)?,
        context_ref: At::field("context_ref").optional_name(&b.context_ref)?,
        metadata: metadata::optional(&b.metadata)?,
        clear,
    })
}
