//! Questions to the engine: read only, answered by the functions that also publish.

use crate::engine::chains::backed;
use crate::engine::fold::prefix::visible;
use crate::engine::index::{Consent, Wanted};
use crate::engine::prefix::Kind;
use crate::engine::process::Engine;
use crate::engine::query::{EngineStats, PrefixMatch, RecoveryQuery, SearchFilter, SearchHit, Weighed};
use crate::engine::store::{Session, Tenant};
use crate::engine::suggest::recovery::{self, Ask};
use crate::engine::suggest::{Scene, identity, own, prefix, transfer};
use crate::model::ids::{Name, SessionId, TenantId, UserId};
use crate::model::kv::CacheIdentity;
use crate::model::position::{Offset, Position};
use crate::model::prefix::{PrefixFamily, PrefixUpdate};
use crate::model::session::{SessionView, TriggerKind};
use crate::model::suggestion::{
    Advice, Delivery, MatchBasis, Recovery, RecoveryPlan, RecoverySource, RejectedCandidate, Score, Suggestion,
    Transfer, Trigger,
};
use crate::model::time::EventTime;
use crate::model::vector::UnitVector;

impl Engine {
    /// The last record folded; offset -1 before the first.
    pub fn as_of(&self) -> Position {
        let last = self.next_offset.map_or(-1, |next| next.0 - 1);
        Position { partition: self.partition, offset: Offset(last) }
    }

    /// One session as of now.
    pub fn session(&self, tenant: &TenantId, session: &SessionId) -> Option<SessionView> {
        let held = self.store.session(tenant, session)?;
        let taken_up_by = self.store.taken_up_by(tenant, session);
        let open = &self.store.tenants.get(tenant)?.open;
        Some(self.scene().lens(tenant).view(session, &held.facets, &held.book, open, taken_up_by))
    }

    /// All sessions as of now, sorted by tenant and session.
    pub fn sessions(&self) -> Vec<SessionView> {
        let ids = self.store.tenants.iter().flat_map(|(t, tenant)| tenant.ids().map(move |s| (t, s)));
        let mut ids: Vec<_> = ids.collect();
        ids.sort();
        ids.into_iter().filter_map(|(tenant, session)| self.session(tenant, session)).collect()
    }

    /// A user's sessions, ended ones too, newest `last_active` first, at most `limit`.
    pub fn user_history(&self, tenant: &TenantId, user: &UserId, limit: usize) -> Vec<SessionView> {
        let sessions = self.store.tenants.get(tenant).and_then(|tenant| tenant.users.get(user));
        let newest = sessions.into_iter().flat_map(|sessions| sessions.iter().rev()).take(limit);
        newest.filter_map(|(_, session)| self.session(tenant, session)).collect()
    }

    /// The nearest sessions of a tenant in a space, best first, ties by session id. `k` is clamped to
    /// 1..=1000. An unknown space or a vector of another dimension finds nothing.
    pub fn search(
        &self,
        tenant: &TenantId,
        space: &Name,
        vector: &UnitVector,
        k: usize,
        filter: &SearchFilter,
    ) -> Vec<SearchHit> {
        let wanted = Wanted {
            user: filter.user.as_ref(),
            statuses: (&filter.statuses, self.stream_time),
            adapter: filter.adapter.as_ref(),
            active_since: filter.active_since,
            consent: filter.scope.map_or(Consent::Any, Consent::AtLeast),
            except: filter.except.as_ref(),
        };
        let tenant = self.store.tenants.get(tenant);
        tenant.map(|tenant| tenant.nearest(space, vector, k, &wanted)).unwrap_or_default()
    }

    /// The stored embedding of a session, with its space.
    pub fn vector(&self, tenant: &TenantId, session: &SessionId) -> Option<(Name, UnitVector)> {
        let (space, vector) = self.store.tenants.get(tenant)?.vector(session)?;
        Some((space.clone(), vector))
    }

    /// The visible prefix chain of a session: its family and hashes from block 0 up to the first hole.
    pub fn prefix(&self, tenant: &TenantId, session: &SessionId) -> Option<(PrefixFamily, Vec<u64>)> {
        let session = self.store.session(tenant, session)?;
        let (family, chain) = visible(&session.facets.prefix)?;
        Some((family.clone(), chain))
    }

    /// Sessions that hold the beginning of a chain and let this user profit: at most `limit`, the deepest first, of these
    /// those with a live copy of the same identity, the faster tier first, then the latest, ties by session id. Of very
    /// many at most [`prefix::MOST_LOOKED_AT`] are looked at. `hashes` begins with block 0.
    #[allow(clippy::too_many_arguments)] // what is asked, and by whom
    pub fn prefix_match(
        &self,
        tenant: &TenantId,
        cache: &CacheIdentity,
        family: &PrefixFamily,
        hashes: &[u64],
        user: Option<&UserId>,
        except: Option<&SessionId>,
        limit: usize,
    ) -> Vec<PrefixMatch> {
        let kind = Kind { cache: cache.clone(), family: family.clone() };
        let found = prefix::matches(&self.scene(), &prefix::Request { tenant, kind, hashes, user, except }, limit);
        found.into_iter().map(told).collect()
    }

    /// Positions of a session's visible chain that it can hold KV of: without what it asked for since its last turn and
    /// its newest copy.
    pub fn backed_prefix(&self, tenant: &TenantId, session: &SessionId) -> usize {
        let Some(session) = self.store.session(tenant, session) else { return 0 };
        let chain = visible(&session.facets.prefix);
        chain.map_or(0, |(family, chain)| chain.len().min(backed(&session.facets, family)))
    }

    /// The session that a query means which names none: that of the chain which its request goes on with.
    pub fn goes_on(&self, query: &RecoveryQuery) -> Option<PrefixMatch> {
        let (None, Some(cache)) = (&query.session, &query.request.cache) else { return None };
        let (family, hashes) = joined(None, query.request.prefix.as_ref()?)?;
        let kind = Kind { cache: cache.clone(), family };
        let user = query.user.as_ref();
        let asked = prefix::Request { tenant: &query.tenant, kind, hashes: &hashes, user, except: None };
        prefix::extended(&self.scene(), &asked).map(told)
    }

    /// What to restore, decided by the function that also publishes. A known session for which nothing is worth restoring
    /// is answered with `recompute`. Without a session, that of the chain which the request goes on with is meant, if it
    /// has a prefix and a cache identity. `None`: neither the session nor, with the session unknown or left out, any
    /// session of the user is known, and nothing begins as the request does.
    pub fn recovery(&self, query: &RecoveryQuery) -> Option<Suggestion> {
        let request = &query.request;
        let held = query.session.as_ref().and_then(|id| self.store.session(&query.tenant, id));
        let known_user = held.as_ref().and_then(|session| session.facets.user.as_ref().map(|r| &r.value));
        let user = known_user.or(query.user.as_ref());
        let tenant = self.store.tenants.get(&query.tenant)?;
        let chain = request.prefix.as_ref().and_then(|sent| joined(held.as_deref(), sent));
        let named = self.goes_on(query).map(|found| found.session);
        let session = query.session.as_ref().or(named.as_ref());
        let known = held.is_some() || named.is_some() || user.is_some_and(|user| tenant.users.contains_key(user));
        let ask = Ask {
            tenant: &query.tenant,
            session,
            user,
            trigger: TriggerKind::Query,
            context: request.context.as_ref().map(|c| (&c.space, &c.vector)),
            cache: request.cache.as_ref(),
            prefix: chain.as_ref().map(|(family, hashes)| (family, &hashes[..])),
        };
        let scene = Scene { within: query.candidate_workers.as_ref(), ..self.scene() };
        let found = recovery::decide(&scene, &ask);
        if found.is_err() && !known {
            return None;
        }
        let session = session.cloned().or_else(|| Some(found.as_ref().ok()?.recovery.source.session.clone()))?;
        let found = found.unwrap_or_else(|rejected| recompute(&session, rejected));
        let trigger = Trigger { kind: TriggerKind::Query, event_id: None, occurred_at: None, due_at: None };
        let advice = Advice::Recovery(Box::new(found.recovery));
        Some(Suggestion {
            id: identity::suggestion_id(&query.tenant, &session, &advice, &trigger, self.policy.as_str())?,
            tenant: query.tenant.clone(),
            session,
            user: user.cloned(),
            trigger,
            advice,
            score: found.score,
            valid_until: None,
            supersedes: None,
            as_of: self.as_of(),
            policy: self.policy.clone(),
            delivery: Delivery::Query,
        })
    }

    /// Which earlier sessions of its user a session could take up, best first: those below the floor
    /// too, and without what the session holds itself. Its own embedding is compared.
    pub fn weigh(&self, tenant: &TenantId, session: &SessionId) -> Vec<Weighed> {
        let user = self.store.session(tenant, session).and_then(|s| s.facets.user.as_ref().map(|r| r.value.clone()));
        let trigger = TriggerKind::Query;
        let ask = Ask {
            tenant,
            session: Some(session),
            user: user.as_ref(),
            trigger,
            context: None,
            cache: None,
            prefix: None,
        };
        let weighed = recovery::weigh(&self.scene(), &ask).into_iter();
        weighed
            .map(|own::Candidate { recovery: Recovery { source, plan, basis, .. }, score, .. }| Weighed {
                session: source.session,
                plan,
                basis,
                score,
            })
            .collect()
    }

    /// The sessions of its tenant that are near a session and let it profit, by how likely it is that they are about the
    /// same, at most `policy.k`; none if it has no embedding.
    pub fn neighbours(&self, tenant: &TenantId, session: &SessionId) -> Vec<(SessionId, Score)> {
        let neighbours = self.ask_transfer(tenant, session, |held, ask| {
            let asking = held.session(session)?;
            let neighbours = transfer::neighbours(&self.scene(), held, ask, &asking, -1.0).into_iter();
            Some(neighbours.map(|near| (near.id().clone(), near.score)).collect())
        });
        neighbours.flatten().unwrap_or_default()
    }

    /// The transfers that would be suggested to a session now: at most one of each plan.
    pub fn transfers(&self, tenant: &TenantId, session: &SessionId) -> Vec<Transfer> {
        let candidates = self.ask_transfer(tenant, session, |_, ask| transfer::decide(&self.scene(), ask));
        candidates.into_iter().flatten().map(|candidate| candidate.transfer).collect()
    }

    /// Asks for a session with its own embedding; `None` if it has none.
    fn ask_transfer<T>(
        &self,
        tenant: &TenantId,
        session: &SessionId,
        answer: impl FnOnce(&Tenant, &transfer::Ask<'_>) -> T,
    ) -> Option<T> {
        let held = self.store.tenants.get(tenant)?;
        let (space, vector) = held.vector(session)?;
        Some(answer(held, &transfer::Ask { tenant, session, space, vector: &vector, except: None }))
    }

    /// Before this instant nothing falls due by time alone; at once, while listed work is pending. `None`: nothing ever
    /// does. A session that was active since its deadline was entered has a later one, which a tick of this instant enters.
    pub fn next_deadline(&self) -> Option<EventTime> {
        let deadline = self.store.spanning.deadlines.first().map(|deadline| deadline.0);
        let marker = self.marker_deadlines.first().map(|(at, _)| *at);
        let work = (!self.work.is_empty()).then_some(self.stream_time);
        [deadline, marker, work].into_iter().flatten().min()
    }

    /// Gauges.
    pub fn stats(&self) -> EngineStats {
        let sum = |of: fn(&Tenant) -> usize| self.store.tenants.values().map(|tenant| of(tenant) as u64).sum();
        let spanning = &self.store.spanning;
        EngineStats {
            sessions: spanning.by_status,
            gapped: spanning.gapped,
            open_suggestions: sum(|tenant| tenant.open.len()),
            prefix_blocks: sum(|tenant| tenant.prefixes.blocks()),
            prefix_left_out: sum(|tenant| tenant.prefixes.left_out()),
        }
    }
}

fn told(found: prefix::Match) -> PrefixMatch {
    let prefix::Match { session, depth, tokens, copy, at, .. } = found;
    PrefixMatch { session, depth, tokens, copy: copy.map(|(copy, _)| copy), at }
}

/// A request's chain from block 0 on: what it sent, behind what it keeps of its session's own chain. `None`: there is a hole.
fn joined(session: Option<&Session>, sent: &PrefixUpdate) -> Option<(PrefixFamily, Vec<u64>)> {
    let kept = (sent.from_block / u64::from(sent.family.stride)) as usize;
    let mut chain = match session.and_then(|session| visible(&session.facets.prefix)) {
        Some((family, chain)) if *family == sent.family => chain,
        _ => Vec::new(),
    };
    if chain.len() < kept {
        return None;
    }
    chain.truncate(kept);
    chain.extend_from_slice(&sent.hashes);
    Some((sent.family.clone(), chain))
}

/// The answer that every engine gives by itself.
fn recompute(session: &SessionId, rejected: Vec<RejectedCandidate>) -> own::Candidate {
    let source = RecoverySource {
        session: session.clone(),
        kv_cache: None,
        residency: None,
        endpoint: None,
        dp_rank: None,
        model: None,
        cache: None,
        adapter: None,
        context_ref: None,
        turn_count: 0,
        last_active: None::<EventTime>,
    };
    let recovery = Recovery {
        plan: RecoveryPlan::Recompute,
        basis: MatchBasis::OwnSession,
        matched_tokens: None,
        missing_tokens: None,
        source,
        estimate: None,
        alternatives: Vec::new(),
        rejected,
    };
    own::Candidate { recovery, score: Default::default(), until: None }
}
