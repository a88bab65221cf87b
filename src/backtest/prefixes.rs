//! Whether the engine finds the deepest prefix that a session of the tenant holds: compared, request by request, with
//! an exhaustive look at all chains.

use hashbrown::HashMap;

use serde::Serialize;

use crate::engine::Engine;
use crate::engine::decode::wire::{self, Body, Event};
use crate::engine::prefix::Kind;
use crate::model::event::TransferScope;
use crate::model::ids::{Name, SessionId, TenantId};
use crate::model::kv::{Adapter, CacheIdentity};
use crate::model::prefix::PrefixFamily;
use crate::model::session::SessionView;

/// How many hashes of a request's chain some session holds that lets the whole tenant profit, as the engine finds it.
pub fn engine_prefix_depth(
    engine: &Engine,
    tenant: &TenantId,
    cache: &CacheIdentity,
    family: &PrefixFamily,
    hashes: &[u64],
) -> usize {
    engine.prefix_match(tenant, cache, family, hashes, None, None, 1).first().map_or(0, |deepest| deepest.depth)
}

/// Every chain that is held, hash by hash.
#[derive(Debug, Default)]
pub struct Prefixes {
    tenants: HashMap<TenantId, Tenant>,
    /// What came of the requests.
    pub compared: Compared,
}

#[derive(Debug, Default)]
struct Tenant {
    /// By kind, place and hash: how many sessions hold it.
    holders: HashMap<Kind, HashMap<(usize, u64), usize>>,
    chains: HashMap<SessionId, (Kind, Vec<u64>)>,
}

/// Requests with a prefix.
#[derive(Debug, Default, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// All of them.
    pub requests: u64,
    /// Those where the engine finds as much as the exhaustive look.
    pub exact: u64,
    /// Blocks asked for.
    pub blocks: u64,
    /// Blocks that some session held.
    pub held_blocks: u64,
}

impl Compared {
    /// exact / requests; `None` without requests.
    pub fn share(&self) -> Option<f64> {
        (self.requests > 0).then(|| self.exact as f64 / self.requests as f64)
    }
}

impl Prefixes {
    /// Compares what is held of the prefix that an event carries, before the engine sees it.
    pub fn compare(&mut self, engine: &Engine, tenant: &TenantId, session: &SessionId, event: &Event<'_>) {
        let Some((kind, chain)) = requested(engine, tenant, session, event) else { return };
        let found = self.depth(tenant, &kind, &chain);
        let stride = u64::from(kind.family.stride);
        let compared = &mut self.compared;
        compared.requests += 1;
        compared.blocks += chain.len() as u64 * stride;
        compared.held_blocks += found as u64 * stride;
        compared.exact += u64::from(engine_prefix_depth(engine, tenant, &kind.cache, &kind.family, &chain) == found);
    }

    fn depth(&self, tenant: &TenantId, kind: &Kind, chain: &[u64]) -> usize {
        let held = self.tenants.get(tenant).and_then(|tenant| tenant.holders.get(kind));
        let Some(held) = held else { return 0 };
        chain.iter().enumerate().take_while(|(place, hash)| held.contains_key(&(*place, **hash))).count()
    }

    /// Takes over a session's chain as the engine holds it now.
    pub fn update(&mut self, engine: &Engine, tenant: &TenantId, session: &SessionId) {
        let open = |view: &SessionView| view.transfer_scope == TransferScope::Tenant;
        let cache = engine.session(tenant, session).filter(open).and_then(|view| view.cache);
        let chain = engine.prefix(tenant, session);
        let held = cache.zip(chain).map(|(cache, (family, chain))| (Kind { cache, family }, chain));
        self.tenants.entry(tenant.clone()).or_default().put(session, held);
    }

    /// Forgets a session, by the key of its state.
    pub fn forget(&mut self, key: &[u8]) {
        let key = std::str::from_utf8(key).ok().and_then(|key| key.split_once('/'));
        let Some((tenant, session)) = key else { return };
        if let (Some(tenant), Ok(session)) = (self.tenants.get_mut(tenant), SessionId::new(session)) {
            tenant.put(&session, None);
        }
    }
}

impl Tenant {
    fn put(&mut self, session: &SessionId, chain: Option<(Kind, Vec<u64>)>) {
        if let Some((kind, old)) = self.chains.remove(session)
            && let Some(held) = self.holders.get_mut(&kind)
        {
            for place in old.into_iter().enumerate() {
                let left = held.get_mut(&place).map_or(0, |count| {
                    *count -= 1;
                    *count
                });
                if left == 0 {
                    held.remove(&place);
                }
            }
        }
        if let Some((kind, chain)) = chain {
            let held = self.holders.entry(kind.clone()).or_default();
            chain.iter().enumerate().for_each(|(place, hash)| *held.entry((place, *hash)).or_default() += 1);
            self.chains.insert(session.clone(), (kind, chain));
        }
    }
}

/// The whole chain that a request asks for. `None`: it has none, or not its beginning, or no cache identity.
fn requested(engine: &Engine, tenant: &TenantId, session: &SessionId, event: &Event<'_>) -> Option<(Kind, Vec<u64>)> {
    let (cache, prefix) = match &event.body {
        Body::TurnCompleted(turn) => (&turn.cache, turn.prefix.as_ref()?),
        Body::ResumeRequested(request) => (&request.cache, request.prefix.as_ref()?),
        _ => return None,
    };
    let cache = match cache {
        Some(cache) => identity(cache)?,
        None => engine.session(tenant, session)?.cache?,
    };
    let small = |n: i64| u32::try_from(n).ok().filter(|n| *n > 0);
    let stride = small(prefix.stride.unwrap_or(1))?;
    let algorithm = Name::new(&prefix.algorithm).ok()?;
    let family = PrefixFamily { algorithm, block_tokens: small(prefix.block_tokens)?, stride };
    let kept = usize::try_from(prefix.from_block.unwrap_or(0)).ok()? / stride as usize;
    let held = engine.prefix(tenant, session).filter(|(held, _)| *held == family).map(|(_, chain)| chain);
    let mut chain = held.unwrap_or_default();
    if chain.len() < kept {
        return None;
    }
    chain.truncate(kept);
    let (hashes, _) = prefix.hashes.0.as_chunks::<8>();
    chain.extend(hashes.iter().map(|hash| u64::from_be_bytes(*hash)));
    Some((Kind { cache, family }, chain))
}

fn identity(cache: &wire::CacheIdentity<wire::Text<'_>>) -> Option<CacheIdentity> {
    let name = |text: &wire::Text<'_>| Name::new(text).ok();
    let adapter = match &cache.adapter {
        Some(adapter) => Some(Adapter { id: name(&adapter.id)?, version: adapter.version.as_ref().and_then(name) }),
        None => None,
    };
    Some(CacheIdentity { namespace: name(&cache.namespace)?, adapter, salt_id: cache.salt_id.as_ref().and_then(name) })
}
