//! What to restore for a session: its own KV or context, another session's KV that begins exactly as its chain does, or
//! an earlier session of the same user.
//!
//! Similarity only nominates: a session that is merely similar yields at most its adapter and a reference to its context.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::own::{self, Candidate};
use super::rivals::{Nominee, Rivals};
use super::score::{flag, pays, recency, score, turns};
use super::{Scene, away, is_asked_for, is_interrupted, prefix};
use crate::engine::fold::active_adapter;
use crate::engine::fold::prefix::visible;
use crate::engine::index::{Consent, Wanted};
use crate::engine::prefix::Kind;
use crate::engine::store::{Session, Tenant, took_up};
use crate::engine::view::{base_status, context_tokens, identity, scope};
use crate::model::event::TransferScope;
use crate::model::ids::{Name, SessionId, TenantId, UserId};
use crate::model::kv::{Adapter, CacheIdentity};
use crate::model::prefix::PrefixFamily;
use crate::model::score::Features;
use crate::model::session::{Status, TriggerKind};
use crate::model::suggestion::{Alternative, CandidateFault, MatchBasis, Recovery, RecoveryPlan, RejectedCandidate};
use crate::model::vector::UnitVector;

/// Alternatives published.
const MAX_ALTERNATIVES: usize = 3;
/// Rejected candidates published.
const MAX_REJECTED: usize = 8;

/// What is asked.
pub struct Ask<'a> {
    /// Tenant.
    pub tenant: &'a TenantId,
    /// The session, if there is one.
    pub session: Option<&'a SessionId>,
    /// Its user, if known.
    pub user: Option<&'a UserId>,
    /// Why it is asked.
    pub trigger: TriggerKind,
    /// Embedding of the request; the session's stored one stands in.
    pub context: Option<(&'a Name, &'a UnitVector)>,
    /// Identity of the KV the request wants.
    pub cache: Option<&'a CacheIdentity>,
    /// Chain of the request; the session's own stands in.
    pub prefix: Option<(&'a PrefixFamily, &'a [u64])>,
}

/// Decides. Error: nothing is likely enough to be worth suggesting; what lost, and why.
pub fn decide(scene: &Scene<'_>, ask: &Ask<'_>) -> Result<Candidate, Vec<RejectedCandidate>> {
    let Some(tenant) = scene.store.tenants.get(ask.tenant) else { return Err(Vec::new()) };
    let asking = ask.session.and_then(|id| tenant.session(id));
    let asking = asking.as_deref();
    let mut rejected = Vec::new();
    let mut own = None;
    if let (Some(id), Some(session)) = (ask.session, asking)
        && allows_own(ask.trigger)
    {
        let declared = is_asked_for(ask.trigger);
        let fits = ask.prefix.and_then(|prefix| fits(session, prefix));
        own = own::candidate(scene, ask.tenant, id, session, ask.cache, fits, declared);
        if let (Some(own), Some((family, hashes))) = (&mut own, ask.prefix)
            && let Some(matched) = own.recovery.matched_tokens
        {
            let held = context_tokens(&session.facets).filter(|_| fits.is_none()).unwrap_or(0);
            let whole = prefix::tokens(family, hashes.len()).max(held).max(matched);
            own.recovery.missing_tokens = Some(whole - matched);
        }
    }
    if let Some(own) = &mut own {
        rejected.append(&mut own.recovery.rejected);
    }
    let prefix = by_prefix(scene, ask, asking, own.as_ref(), &mut rejected);
    let mut candidates = match away::is_about_kv(ask.trigger) {
        true => Vec::new(),
        false => others(scene, tenant, ask, asking, &mut rejected),
    };
    if let Some(prefix) = &prefix {
        candidates.retain(|c| c.recovery.source.session != prefix.recovery.source.session);
    }
    // What a session holds itself restores it, or an exact prefix if that saves more; others only stand in for it.
    let saved = |c: &Option<Candidate>| c.as_ref().and_then(|c| c.recovery.estimate).map_or(0.0, |e| e.saved_ms);
    let mut kv = if saved(&prefix) > saved(&own) { [prefix, own] } else { [own, prefix] };
    for candidate in kv.iter_mut().flatten() {
        candidate.recovery.plan = away::plan(scene, ask.trigger, asking, candidate.recovery.plan);
    }
    scene.observer.recovery(ask, kv.iter().flatten().chain(&candidates), &rejected);
    let ranked = kv.into_iter().flatten().chain(candidates);
    let policy = &scene.settings.policy;
    let good_enough =
        |c: &Candidate| c.score.total >= policy.floor && pays(policy, &c.score, c.recovery.estimate.as_ref());
    let (good, weak): (Vec<_>, Vec<_>) = ranked.partition(good_enough);
    let below =
        |c: Candidate| RejectedCandidate { session: c.recovery.source.session, reason: CandidateFault::BelowFloor };
    rejected.extend(weak.into_iter().map(below));
    rejected.truncate(MAX_REJECTED);
    let mut good = good.into_iter();
    let best = good.next().filter(|best| away::is_time(scene, ask.trigger, asking, best.recovery.plan));
    let Some(mut best) = best else { return Err(rejected) };
    let alternative =
        |c: Candidate| Alternative { session: c.recovery.source.session, plan: c.recovery.plan, score: c.score.total };
    best.recovery.alternatives = good.take(MAX_ALTERNATIVES).map(alternative).collect();
    best.recovery.rejected = rejected;
    Ok(best)
}

/// The other sessions that could stand in for the asking one, best first; those below the floor too.
pub fn weigh(scene: &Scene<'_>, ask: &Ask<'_>) -> Vec<Candidate> {
    let Some(tenant) = scene.store.tenants.get(ask.tenant) else { return Vec::new() };
    let asking = ask.session.and_then(|id| tenant.session(id));
    others(scene, tenant, ask, asking.as_deref(), &mut Vec::new())
}

/// A session that just began has nothing of its own to restore.
fn allows_own(trigger: TriggerKind) -> bool {
    !matches!(trigger, TriggerKind::SessionStarted | TriggerKind::FirstContext)
}

/// How many tokens of a session's own chain a request's shares, where it leaves it; `None`: it goes on with it, or nothing
/// is known.
fn fits(session: &Session, (family, hashes): (&PrefixFamily, &[u64])) -> Option<u64> {
    let (held, chain) = visible(&session.facets.prefix)?;
    let shared = prefix::shared(&chain, hashes);
    (held == family && shared < chain.len()).then(|| prefix::tokens(family, shared))
}

/// Another session's KV that begins as the request does; where nothing is requested, as the session's own chain does, if it
/// has no KV of its own left or asks for KV itself. What just began is told by a transfer.
fn by_prefix(
    scene: &Scene<'_>,
    ask: &Ask<'_>,
    asking: Option<&Session>,
    own: Option<&Candidate>,
    rejected: &mut Vec<RejectedCandidate>,
) -> Option<Candidate> {
    let stored;
    let (family, hashes, held) = match ask.prefix {
        Some((family, hashes)) => (family, hashes, 0),
        None => {
            let session = asking.filter(|_| allows_own(ask.trigger))?;
            let has_kv = own.is_some_and(|own| own.recovery.estimate.is_some());
            if has_kv && ask.trigger != TriggerKind::ResumeRequested {
                return None;
            }
            stored = visible(&session.facets.prefix)?;
            (stored.0, &stored.1[..], context_tokens(&session.facets).unwrap_or(0))
        }
    };
    let cache = ask.cache.or_else(|| asking.and_then(|session| identity(&session.facets)))?.clone();
    let kind = Kind { cache, family: family.clone() };
    let request = prefix::Request { tenant: ask.tenant, kind, hashes, user: ask.user, except: ask.session };
    let found = prefix::usable(scene, &request, rejected)?;
    let session = scene.store.session(ask.tenant, &found.session)?;
    let whole = held.max(prefix::tokens(family, hashes.len()));
    let mut source = scene.source(&found.session, &session, Some(Arc::clone(&found.copy)));
    source.residency = found.residency;
    let recovery = Recovery {
        plan: own::plan_of(&found.copy),
        basis: MatchBasis::Prefix,
        matched_tokens: Some(found.tokens),
        missing_tokens: Some(whole - found.tokens),
        source,
        estimate: Some(found.estimate),
        alternatives: Vec::new(),
        rejected: Vec::new(),
    };
    let score = score(&scene.settings.policy.weights, &found.features(scene, ask.tenant, &session, whole, None));
    Some(Candidate { recovery, score, until: scene.believed_until(&found.copy, found.residency) })
}

/// The same user's other sessions, the nearest ones and the latest ones, by score, then the latest first, then by id.
fn others(
    scene: &Scene<'_>,
    tenant: &Tenant,
    ask: &Ask<'_>,
    asking: Option<&Session>,
    rejected: &mut Vec<RejectedCandidate>,
) -> Vec<Candidate> {
    let Some(user) = ask.user else { return Vec::new() };
    let k = scene.settings.policy.k;
    let stored = ask.session.and_then(|id| tenant.vector(id));
    let context = ask.context.or(stored.as_ref().map(|(space, vector)| (*space, vector)));
    let mut nominated: BTreeSet<SessionId> = BTreeSet::new();
    if let Some((space, vector)) = context {
        let consent = Consent::AtLeast(TransferScope::User);
        let wanted = Wanted { user: Some(user), consent, except: ask.session, ..Wanted::default() };
        nominated.extend(tenant.nearest(space, vector, k, &wanted).into_iter().map(|hit| hit.session));
    }
    let latest = tenant.users.get(user).into_iter().flat_map(|sessions| sessions.iter().rev().take(k));
    nominated.extend(latest.map(|(_, id)| id.clone()));
    let mut nominees = Vec::new();
    for id in nominated {
        let Some(session) = tenant.session(&id) else { continue };
        if !is_candidate(ask, asking, &id, &session) {
            continue;
        }
        let declared = asking.is_some_and(|asking| takes_up(asking, &id));
        if !declared && scene.store.taken_up_by(ask.tenant, &id).is_some_and(|taker| Some(taker) != ask.session) {
            rejected.push(RejectedCandidate { session: id, reason: CandidateFault::TakenUp });
            continue;
        }
        let similarity = context.and_then(|(space, vector)| tenant.spaces.get(space)?.similarity(vector, &id));
        let ended = base_status(&session.facets) == Some(Status::Ended);
        nominees.push(Nominee { id, session, similarity, declared, ended });
    }
    let rivals = Rivals::of(&nominees);
    let weigh = |nominee| other(scene, asking, nominee, &rivals);
    let mut candidates: Vec<_> = nominees.iter().map(weigh).collect();
    candidates.sort_by(|a, b| {
        let (one, two) = (&a.recovery.source, &b.recovery.source);
        let order = b.score.total.total_cmp(&a.score.total).then_with(|| two.last_active.cmp(&one.last_active));
        order.then_with(|| one.session.cmp(&two.session))
    });
    candidates
}

/// Whether a session of the user may be considered at all: another one, that lets others profit, has turns
/// or an adapter to offer, and is not merely the one that spawned the asking session.
fn is_candidate(ask: &Ask<'_>, asking: Option<&Session>, id: &SessionId, session: &Session) -> bool {
    let facets = &session.facets;
    let parent = asking.and_then(|asking| asking.facets.parent.as_ref()?.value.as_ref());
    let offers = facets.turn_count > 0 || facets.context.is_some() || active_adapter(facets).is_some();
    Some(id) != ask.session && parent != Some(id) && scope(facets) != TransferScope::None && offers
}

/// Whether a session itself says that it takes up `source`.
pub fn takes_up(session: &Session, source: &SessionId) -> bool {
    took_up(&session.facets).any(|(taken, _)| taken == source)
}

fn other(scene: &Scene<'_>, asking: Option<&Session>, nominee: &Nominee<'_>, rivals: &Rivals<'_>) -> Candidate {
    let Nominee { id, session, similarity, declared, ended } = nominee;
    let facets = &session.facets;
    let features = Features {
        similarity: *similarity,
        margin: rivals.margin(nominee),
        recency: recency(&scene.settings.policy, facets.last_active, scene.now),
        interrupted: flag(is_interrupted(session)),
        ended: flag(*ended),
        turns: turns(facets.turn_count),
        own_session: flag(false),
        declared: flag(*declared),
        adapter_match: same_adapter(active_adapter(facets), asking.and_then(|a| active_adapter(&a.facets))),
        ..Features::default()
    };
    let only_adapter = facets.turn_count == 0 && facets.context.is_none();
    let recovery = Recovery {
        plan: if only_adapter { RecoveryPlan::AdapterOnly } else { RecoveryPlan::ContextOnly },
        basis: if similarity.is_some() { MatchBasis::Similarity } else { MatchBasis::Recency },
        matched_tokens: None,
        missing_tokens: None,
        source: scene.source(id, session, None),
        estimate: None,
        alternatives: Vec::new(),
        rejected: Vec::new(),
    };
    Candidate { recovery, score: score(&scene.settings.policy.weights, &features), until: None }
}

/// 1 if both use the same adapter, 0 if different ones, `None` if either is unknown.
pub fn same_adapter(one: Option<&Adapter>, other: Option<&Adapter>) -> Option<f64> {
    one.zip(other).and_then(|(one, other)| flag(one.id == other.id))
}
