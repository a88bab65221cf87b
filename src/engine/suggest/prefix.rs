//! Whose KV begins as a chain does: sessions that let the asking one profit, under an equal cache identity and by the same
//! hashes, block by block. Nothing here goes by similarity.
//!
//! Sessions that let the whole tenant profit are found in the tenant's index; the asking user's others are compared one by
//! one. Of very many that share as much the latest are looked at.

use std::cmp::Reverse;
use std::sync::Arc;

use super::Scene;
use super::own::{mismatch, reject};
use super::score::{flag, recency};
use crate::engine::chains::backed;
use crate::engine::fold::prefix::{Chains, visible};
use crate::engine::prefix::Kind;
use crate::engine::store::{Session, Tenant};
use crate::engine::view::{identity, scope};
use crate::model::event::TransferScope;
use crate::model::ids::{SessionId, TenantId, UserId};
use crate::model::kv::{KvCopy, Residency, Tier};
use crate::model::prefix::PrefixFamily;
use crate::model::score::Features;
use crate::model::suggestion::{CandidateFault, Estimate, RejectedCandidate};
use crate::model::time::EventTime;

/// Sessions that are looked at for a chain: those that share most, of these the latest.
pub const MOST_LOOKED_AT: usize = 128;
/// Sessions of a user whose chains are compared: the latest.
pub const MOST_COMPARED: usize = 4096;

/// A chain, and who asks for sessions that begin like it.
pub struct Request<'a> {
    /// Tenant.
    pub tenant: &'a TenantId,
    /// Identity and family that are asked for.
    pub kind: Kind,
    /// Hashes from the first block on.
    pub hashes: &'a [u64],
    /// The user who is to profit.
    pub user: Option<&'a UserId>,
    /// A session that is left out: the asking one.
    pub except: Option<&'a SessionId>,
}

/// A session that shares the beginning of a chain.
#[derive(Debug, Clone)]
pub struct Match {
    /// The session.
    pub session: SessionId,
    /// Positions of the chain that it shares, > 0.
    pub depth: usize,
    /// Its latest sign of life.
    pub at: EventTime,
    /// Tokens shared, as far as the copy holds them.
    pub tokens: u64,
    /// Its cheapest live copy of the identity asked for that can be reached.
    pub copy: Option<(Arc<KvCopy>, Option<Residency>)>,
    /// Whether it has such copies, and none can be reached.
    pub out_of_reach: bool,
}

/// A match with a copy that saves time.
#[derive(Debug, Clone)]
pub struct Usable {
    /// The session.
    pub session: SessionId,
    /// Tokens that the copy holds of the chain.
    pub tokens: u64,
    /// The copy.
    pub copy: Arc<KvCopy>,
    /// Whether it is reported or predicted.
    pub residency: Option<Residency>,
    /// What it saves.
    pub estimate: Estimate,
}

impl Usable {
    /// What it is scored by. Whether its session ended or was broken off does not matter to its KV.
    pub(super) fn features(
        &self,
        scene: &Scene<'_>,
        tenant: &TenantId,
        source: &Session,
        whole: u64,
        similarity: Option<f64>,
    ) -> Features {
        Features {
            similarity,
            recency: recency(&scene.settings.policy, source.facets.last_active, scene.now),
            own_session: flag(false),
            prefix_match: Some(self.tokens as f64 / whole as f64),
            kv_value: Some(scene.costs(tenant, &self.copy.cache.namespace).saved_share(whole, &self.estimate)),
            ..Features::default()
        }
    }
}

/// Tokens that the first `depth` positions of a chain identify: each hash stands for all tokens up to the end of its
/// block, and only every `stride`-th block has one.
pub fn tokens(family: &PrefixFamily, depth: usize) -> u64 {
    let Some(strides) = depth.checked_sub(1) else { return 0 };
    let blocks = (strides as u64).saturating_mul(u64::from(family.stride)).saturating_add(1);
    blocks.saturating_mul(u64::from(family.block_tokens))
}

/// Positions that two chains share from the first one on.
pub fn shared(one: &[u64], other: &[u64]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

/// How good a usable match is: tokens, positions, tier, latest sign of life, session.
type Rank = (u64, usize, Reverse<Tier>, EventTime, SessionId);
/// A session with what it shares, in the order in which they are looked at, backwards.
type Place = (usize, EventTime, SessionId);

/// Sessions that allow it and share a beginning, those that share most first, of these the latest first.
/// `faults` gets the user's sessions that share a beginning under another identity.
fn places<'a>(
    tenant: &'a Tenant,
    request: &'a Request<'_>,
    faults: &mut Vec<RejectedCandidate>,
) -> impl Iterator<Item = Place> + 'a {
    let indexed = tenant.prefixes.sharers(&request.kind, request.hashes);
    let mut indexed = indexed
        .filter(|sharer| Some(sharer.session) != request.except)
        .map(|sharer| (sharer.depth, sharer.at, sharer.session.clone()))
        .peekable();
    let mut of_user = of_user(tenant, request, faults, false).into_iter().peekable();
    std::iter::from_fn(move || match (indexed.peek(), of_user.peek()) {
        (Some(one), Some(other)) if one < other => of_user.next(),
        (None, _) => of_user.next(),
        _ => indexed.next(),
    })
}

/// The same of the asking user's sessions alone: those that the index does not hold, or `all`.
fn of_user(tenant: &Tenant, request: &Request<'_>, faults: &mut Vec<RejectedCandidate>, all: bool) -> Vec<Place> {
    let Some(sessions) = request.user.and_then(|user| tenant.users.get(user)) else { return Vec::new() };
    let (mut places, mut others) = (Vec::new(), Vec::new());
    for (at, id) in sessions.iter().rev().take(MOST_COMPARED) {
        if Some(id) == request.except || !all && tenant.prefixes.holds(&request.kind, id) {
            continue;
        }
        let depth = tenant.chains(id).map_or(0, |chains| depth(chains, &request.kind.family, request.hashes));
        if depth == 0 {
            continue;
        }
        let Some(session) = tenant.session(id) else { continue };
        let Some(held) = identity(&session.facets).filter(|_| scope(&session.facets) != TransferScope::None) else {
            continue;
        };
        match mismatch(&request.kind.cache, held) {
            None => places.push((depth, *at, id.clone())),
            Some(fault) => others.push((depth, *at, id.clone(), fault)),
        }
    }
    places.sort_unstable_by(|one, other| other.cmp(one));
    others.sort_unstable_by(|one, other| (other.0, other.1, &other.2).cmp(&(one.0, one.1, &one.2)));
    others.into_iter().for_each(|(_, _, id, fault)| reject(faults, &id, fault));
    places
}

/// Positions that a session's visible chain shares with a chain of this family.
fn depth(chains: &Chains, family: &PrefixFamily, hashes: &[u64]) -> usize {
    // Most differ in their first block: that is seen without putting the chain together.
    let first = chains.get(family).and_then(|segments| segments.get(&0)?.hashes.first());
    if first.is_none() || first != hashes.first() {
        return 0;
    }
    visible(chains).filter(|(held, _)| *held == family).map_or(0, |(_, held)| shared(&held, hashes))
}

fn look(scene: &Scene<'_>, request: &Request<'_>, (depth, at, session): Place) -> Option<Match> {
    let tenant = scene.store.tenants.get(request.tenant)?;
    let held = tenant.session(&session)?;
    let (copies, residency) = scene.copies(request.tenant, &held.facets);
    let family = &request.kind.family;
    let backed = backed(&held.facets, family).min(depth);
    let live = |copy: &&Arc<KvCopy>| copy.cache == request.kind.cache && backed > 0;
    let copy = copies.iter().filter(live).find(|copy| scene.reaches(copy)).cloned();
    let out_of_reach = copy.is_none() && copies.iter().any(|copy| live(&copy));
    let shared = tokens(family, if copy.is_some() { backed } else { depth });
    let tokens = copy.as_ref().map_or(shared, |copy| shared.min(copy.cached_tokens));
    Some(Match { session, depth, at, tokens, copy: copy.map(|copy| (copy, residency)), out_of_reach })
}

/// At most `limit` sessions that share a beginning: the deepest first, of these the ones with a live copy, the faster tier
/// first, then the latest, ties by session id.
pub fn matches(scene: &Scene<'_>, request: &Request<'_>, limit: usize) -> Vec<Match> {
    let Some(tenant) = scene.store.tenants.get(request.tenant) else { return Vec::new() };
    let mut found: Vec<Match> = Vec::new();
    for place in places(tenant, request, &mut Vec::new()).take(MOST_LOOKED_AT) {
        if found.len() >= limit && found.last().is_some_and(|last| last.depth > place.0) {
            break;
        }
        found.extend(look(scene, request, place));
    }
    in_order(&mut found);
    found.truncate(limit);
    found
}

fn in_order(found: &mut [Match]) {
    found.sort_by_cached_key(|m| {
        let tier = m.copy.as_ref().map(|(copy, _)| copy.tier);
        Reverse((m.depth, tier.is_some(), Reverse(tier), m.at, m.session.clone()))
    });
}

/// The match whose copy holds most of the chain, among those that save time: ties go to the deeper one, the faster tier,
/// the later one, the larger id. `faults` gets the user's sessions that begin alike under another identity, and those whose
/// copies are all out of reach.
pub fn usable(scene: &Scene<'_>, request: &Request<'_>, faults: &mut Vec<RejectedCandidate>) -> Option<Usable> {
    let tenant = scene.store.tenants.get(request.tenant)?;
    let mut best: Option<(Rank, Usable)> = None;
    // Nothing that follows can be better: those that share as much come latest first.
    let settled = |best: &Usable, of: usize, next: usize| {
        best.tokens >= tokens(&request.kind.family, next) && (next < of || best.copy.tier == Tier::Hot)
    };
    for place in places(tenant, request, faults).take(MOST_LOOKED_AT) {
        if best.as_ref().is_some_and(|((_, of, ..), best)| settled(best, *of, place.0)) {
            break;
        }
        let Some(Match { session, depth, at, tokens, copy, out_of_reach }) = look(scene, request, place) else {
            continue;
        };
        if out_of_reach {
            reject(faults, &session, CandidateFault::WorkerEpochDead);
        }
        let Some((copy, residency)) = copy else { continue };
        // What a copy holds beyond the match need not be brought.
        let estimate = scene.costs(request.tenant, &copy.cache.namespace).estimate(&copy, tokens);
        let rank = (tokens, depth, Reverse(copy.tier), at, session.clone());
        if estimate.saved_ms > 0.0 && best.as_ref().is_none_or(|(held, _)| *held < rank) {
            best = Some((rank, Usable { session, tokens, copy, residency, estimate }));
        }
    }
    best.map(|(_, best)| best)
}

/// The session that a request goes on with, or goes back in: its whole chain is in the request, or the request in it. Of
/// several the one that comes first among [`matches`]; the user's own if a user asks.
pub fn extended(scene: &Scene<'_>, request: &Request<'_>) -> Option<Match> {
    let tenant = scene.store.tenants.get(request.tenant)?;
    let places: Vec<Place> = match request.user {
        Some(_) => of_user(tenant, request, &mut Vec::new(), true),
        None => places(tenant, request, &mut Vec::new()).take(MOST_LOOKED_AT).collect(),
    };
    let within = |(depth, _, id): &Place| {
        let held = tenant.chains(id).and_then(visible).map_or(0, |(_, chain)| chain.len());
        *depth == held || *depth == request.hashes.len()
    };
    let mut places = places.into_iter().filter(within).peekable();
    let deepest = places.peek()?.0;
    let deepest = places.take_while(|place| place.0 == deepest).take(MOST_LOOKED_AT);
    let mut found: Vec<_> = deepest.filter_map(|place| look(scene, request, place)).collect();
    in_order(&mut found);
    found.into_iter().next()
}
