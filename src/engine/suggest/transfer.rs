//! What to reuse of sessions of the same tenant that allow it: the adapter that served similar ones that went well, the
//! context most worth referring to, and KV of one that begins exactly alike. Never content.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::recovery::takes_up;
use super::score::{recency, score, turns};
use super::{Scene, prefix};
use crate::engine::fold::prefix::visible;
use crate::engine::glance::{AdapterKey, Glance};
use crate::engine::index::{Consent, Hit, Wanted};
use crate::engine::prefix::Kind;
use crate::engine::store::{Session, Tenant};
use crate::engine::view::{context_tokens, identity, scope};
use crate::model::event::EndReason;
use crate::model::ids::{Name, SessionId, TenantId};
use crate::model::kv::Adapter;
use crate::model::score::Features;
use crate::model::session::Status;
use crate::model::suggestion::{PrefixReuse, Score, Support, Transfer, TransferPlan};
use crate::model::time::EventTime;
use crate::model::vector::UnitVector;

/// A transfer with its score.
pub struct Candidate {
    /// What it would be published as.
    pub transfer: Transfer,
    /// Its score.
    pub score: Score,
    /// Until when its copy is believed in, if that is known.
    pub until: Option<EventTime>,
}

/// What is asked.
pub struct Ask<'a> {
    /// Tenant.
    pub tenant: &'a TenantId,
    /// The session that may profit.
    pub session: &'a SessionId,
    /// Space of its embedding.
    pub space: &'a Name,
    /// Its embedding.
    pub vector: &'a UnitVector,
    /// A session whose context it is referred to already.
    pub except: Option<&'a SessionId>,
}

/// A session that is near, with how likely it is that it is about the same.
pub struct Neighbour<'a> {
    hit: Hit,
    glance: Glance<'a>,
    /// The score of referring to it.
    pub score: Score,
}

impl Neighbour<'_> {
    /// Which session it is.
    pub fn id(&self) -> &SessionId {
        &self.hit.session
    }
}

/// Decides for a session with an embedding: at most one of each plan, best first by plan order.
pub fn decide(scene: &Scene<'_>, ask: &Ask<'_>) -> Vec<Candidate> {
    let Some(tenant) = scene.store.tenants.get(ask.tenant) else { return Vec::new() };
    let Some(asking) = tenant.session(ask.session) else { return Vec::new() };
    let policy = &scene.settings.policy;
    let neighbours = neighbours(scene, tenant, ask, &asking, policy.min_similarity);
    let adapter = vote(scene, ask.tenant, &asking, &neighbours);
    let context = refer(ask, &asking, &neighbours);
    let prefix = reuse(scene, tenant, ask, &asking);
    let asked = neighbours.iter().map(|n| (&n.hit, &n.score));
    scene.observer.transfer(ask, adapter.iter().chain(&context).chain(&prefix), asked);
    adapter.into_iter().chain(context).chain(prefix).filter(|candidate| candidate.score.total >= policy.floor).collect()
}

/// The nearest sessions of the tenant that let this one profit and are at least so similar, by score, then similarity.
pub fn neighbours<'a>(
    scene: &Scene<'_>,
    tenant: &'a Tenant,
    ask: &Ask<'_>,
    asking: &Session,
    least: f64,
) -> Vec<Neighbour<'a>> {
    let user = asking.facets.user.as_ref().map(|r| &r.value);
    let wanted = Wanted { consent: Consent::For(user), except: Some(ask.session), ..Wanted::default() };
    let mut hits = tenant.nearest(ask.space, ask.vector, scene.settings.policy.k, &wanted);
    hits.retain(|hit| hit.similarity >= least);
    let glances = tenant.glances(hits.iter().map(|hit| &hit.session));
    let rated = hits.into_iter().zip(glances).filter_map(|(hit, glance)| {
        let glance = glance?;
        let score = rate(scene, asking, &glance, hit.similarity, None);
        Some(Neighbour { hit, glance, score })
    });
    let mut neighbours: Vec<_> = rated.collect();
    // They come by similarity, and those of one score stay so. A probability is ordered as its bits are.
    neighbours.sort_by_cached_key(|neighbour| Reverse(neighbour.score.total.to_bits()));
    neighbours
}

/// Votes for one adapter.
#[derive(Default)]
struct Tally {
    weight: f64,
    well: u32,
    badly: u32,
}

/// The adapter with the heaviest vote of sessions that went well. A vote weighs its cosine, half of it where
/// the session has not completed yet. It needs `adapter_vote` sessions, and more for it than against.
fn vote(scene: &Scene<'_>, tenant: &TenantId, asking: &Session, neighbours: &[Neighbour<'_>]) -> Option<Candidate> {
    let own = asking.glance();
    let mut tallies: BTreeMap<AdapterKey<'_>, Tally> = BTreeMap::new();
    for neighbour in neighbours.iter().filter(|n| same_model(&own, &n.glance)) {
        let Some(adapter) = neighbour.glance.adapter else { continue };
        let tally = tallies.entry(adapter).or_default();
        match went(scene, tenant, neighbour) {
            Went::Well => (tally.weight, tally.well) = (tally.weight + neighbour.hit.similarity, tally.well + 1),
            Went::Unfinished => {
                (tally.weight, tally.well) = (tally.weight + neighbour.hit.similarity / 2.0, tally.well + 1);
            }
            Went::Badly => tally.badly += 1,
        }
    }
    let all_well: u32 = tallies.values().map(|tally| tally.well).sum();
    let (adapter, tally) = tallies
        .into_iter()
        .filter(|(adapter, _)| is_current(scene, *adapter))
        .max_by(|a, b| a.1.weight.total_cmp(&b.1.weight).then_with(|| b.0.cmp(&a.0)))?;
    let against = all_well - tally.well + tally.badly;
    let in_use = own.adapter == Some(adapter);
    if in_use || tally.well < scene.settings.policy.adapter_vote || tally.well <= against {
        return None;
    }
    let speaks_for = |n: &&Neighbour<'_>| {
        n.glance.adapter == Some(adapter) && same_model(&own, &n.glance) && went(scene, tenant, n) != Went::Badly
    };
    let nearest = neighbours.iter().find(speaks_for)?;
    let (id, version) = adapter;
    let uri = scene.adapters.get(id).and_then(|row| row.published.as_ref()?.value.uri.clone());
    let adapter = Adapter { id: Name::new(id).ok()?, version: version.and_then(|text| Name::new(text).ok()) };
    let support = Support { sessions: neighbours.len() as u32, for_it: tally.well, against };
    let share = f64::from(tally.well) / f64::from(tally.well + against);
    let transfer = Transfer {
        plan: TransferPlan::UseAdapter,
        adapter: Some((adapter, uri)),
        source: nearest.hit.session.clone(),
        similarity: nearest.hit.similarity,
        context_ref: None,
        support: Some(support),
        consent: nearest.glance.scope,
        prefix: None,
    };
    let score = rate(scene, asking, &nearest.glance, nearest.hit.similarity, Some(share));
    Some(Candidate { transfer, score, until: None })
}

/// The best neighbour whose context is worth referring to: one with turns, that the asking session neither
/// takes up already nor was spawned by.
fn refer(ask: &Ask<'_>, asking: &Session, neighbours: &[Neighbour<'_>]) -> Option<Candidate> {
    let parent = asking.facets.parent.as_ref().and_then(|r| r.value.as_ref());
    let worth = |n: &&Neighbour<'_>| {
        let known = takes_up(asking, &n.hit.session) || [parent, ask.except].contains(&Some(&n.hit.session));
        n.glance.turn_count > 0 && !known
    };
    let nearest = neighbours.iter().find(worth)?;
    let transfer = Transfer {
        plan: TransferPlan::ReferContext,
        adapter: None,
        source: nearest.hit.session.clone(),
        similarity: nearest.hit.similarity,
        context_ref: nearest.glance.context_ref.and_then(|text| Name::new(text).ok()),
        support: None,
        consent: nearest.glance.scope,
        prefix: None,
    };
    Some(Candidate { transfer, score: nearest.score, until: None })
}

/// KV of another session that begins as this one does, if it holds more of it than this one itself, and no open recovery
/// names KV already.
fn reuse(scene: &Scene<'_>, tenant: &Tenant, ask: &Ask<'_>, asking: &Session) -> Option<Candidate> {
    let facets = &asking.facets;
    let mut open = asking.book.open.iter().filter_map(|id| tenant.open.get(id));
    if open.any(|s| s.is_recovery() && s.kv_copy().is_some()) {
        return None;
    }
    let cache = identity(facets)?;
    let (family, hashes) = visible(&facets.prefix)?;
    let kind = Kind { cache: cache.clone(), family: family.clone() };
    let user = facets.user.as_ref().map(|r| &r.value);
    let request = prefix::Request { tenant: ask.tenant, kind, hashes: &hashes, user, except: Some(ask.session) };
    let found = prefix::usable(scene, &request, &mut Vec::new())?;
    let (copies, _) = scene.lens(ask.tenant).copies(facets);
    let held = copies.iter().filter(|copy| copy.cache == *cache).map(|copy| copy.cached_tokens).max();
    if held.is_some_and(|held| held >= found.tokens) {
        return None;
    }
    let session = tenant.session(&found.session)?;
    let similarity = tenant.spaces.get(ask.space).and_then(|space| space.similarity(ask.vector, &found.session));
    let whole = context_tokens(facets).unwrap_or(0).max(prefix::tokens(family, hashes.len()));
    let score =
        score(&scene.settings.policy.transfer_weights, &found.features(scene, ask.tenant, &session, whole, similarity));
    let until = scene.believed_until(&found.copy, found.residency);
    let transfer = Transfer {
        plan: TransferPlan::ReusePrefix,
        adapter: None,
        source: found.session,
        similarity: similarity.unwrap_or(0.0),
        context_ref: None,
        support: None,
        consent: scope(&session.facets),
        prefix: Some(PrefixReuse {
            matched_tokens: found.tokens,
            missing_tokens: whole - found.tokens,
            copy: found.copy,
        }),
    };
    Some(Candidate { transfer, score, until })
}

fn rate(scene: &Scene<'_>, asking: &Session, near: &Glance<'_>, similarity: f64, support: Option<f64>) -> Score {
    let features = Features {
        similarity: Some(similarity),
        topic: asking.book.topic.cosine(near.topic),
        recency: recency(&scene.settings.policy, near.last_active, scene.now),
        turns: turns(near.turn_count),
        support,
        ..Features::default()
    };
    score(&scene.settings.policy.transfer_weights, &features)
}

#[derive(PartialEq)]
enum Went {
    Well,
    Unfinished,
    Badly,
}

/// How a session went: completed is well; broken off and not taken up, cancelled or terminated is badly.
fn went(scene: &Scene<'_>, tenant: &TenantId, neighbour: &Neighbour<'_>) -> Went {
    let Neighbour { hit, glance, .. } = neighbour;
    match glance.status {
        Some(Status::Ended) => match glance.end {
            Some(EndReason::Completed) => Went::Well,
            None => Went::Unfinished,
            Some(EndReason::Cancelled | EndReason::Terminated | EndReason::Expired) => Went::Badly,
        },
        Some(Status::Interrupted) if scene.store.taken_up_by(tenant, &hit.session).is_none() => Went::Badly,
        _ => Went::Unfinished,
    }
}

/// Adapters fit one model: votes of sessions known to run another one do not count.
fn same_model(one: &Glance<'_>, other: &Glance<'_>) -> bool {
    one.namespace.zip(other.namespace).is_none_or(|(one, other)| one == other)
}

/// Whether an adapter may still be suggested: not retired since it was published, and of the version that
/// was published last.
fn is_current(scene: &Scene<'_>, (id, version): AdapterKey<'_>) -> bool {
    fn text(name: &Option<Name>) -> Option<&str> {
        name.as_ref().map(Name::as_str)
    }
    let Some(row) = scene.adapters.get(id) else { return true };
    let published = row.published.as_ref();
    let retired = row.retired.as_ref().is_some_and(|retired| {
        let concerns = retired.value.is_none() || text(&retired.value) == version;
        concerns && published.is_none_or(|p| p.stamp < retired.stamp)
    });
    let outdated =
        published.is_some_and(|p| p.value.version.is_some() && version.is_some() && text(&p.value.version) != version);
    !retired && !outdated
}
