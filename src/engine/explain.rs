//! A suggestion asked about: its score taken apart, and the blocks that it is about. Read only.

use std::sync::Arc;

use crate::engine::endings::Told;
use crate::engine::fold::prefix::visible;
use crate::engine::process::Engine;
use crate::engine::suggest::prefix::tokens;
use crate::engine::suggest::terms::Parts;
use crate::engine::view::identity;
use crate::model::ids::{SessionId, SuggestionId, TenantId};
use crate::model::kv::CacheIdentity;
use crate::model::prefix::PrefixFamily;
use crate::model::suggestion::Suggestion;

/// A suggestion with what it was judged by.
#[derive(Debug, PartialEq)]
pub struct Explained {
    /// The suggestion.
    pub told: Told,
    /// Its score by the weights that it was decided with; `None`: they are not known any more.
    pub score: Option<Parts>,
    /// The floor of that policy, as far as it is known.
    pub floor: Option<f64>,
}

/// A chain of blocks, from the first one on.
#[derive(Debug, Clone, PartialEq)]
pub struct Blocks {
    /// The session whose chain it is.
    pub session: SessionId,
    /// Identity of the KV.
    pub cache: Option<CacheIdentity>,
    /// Family of the hashes.
    pub family: PrefixFamily,
    /// The hashes.
    pub hashes: Vec<u64>,
}

impl Engine {
    /// Whether a session is held.
    pub(super) fn holds(&self, tenant: &TenantId, session: &SessionId) -> bool {
        self.store.tenants.get(tenant).is_some_and(|tenant| tenant.holds(session))
    }

    /// A session's open suggestions that are published, the oldest first; `None` if it is unknown.
    pub fn open_suggestions(&self, tenant: &TenantId, session: &SessionId) -> Option<Vec<Arc<Suggestion>>> {
        let tenant = self.store.tenants.get(tenant)?;
        let held = tenant.session(session)?;
        let open = held.book.open.iter().filter_map(|id| tenant.open.get(id));
        Some(open.filter(|suggestion| !suggestion.is_withheld()).cloned().collect())
    }

    /// An open suggestion that is published.
    pub fn open_suggestion(&self, tenant: &TenantId, id: &SuggestionId) -> Option<Arc<Suggestion>> {
        let open = self.store.tenants.get(tenant)?.open.get(id);
        open.filter(|suggestion| !suggestion.is_withheld()).cloned()
    }

    /// Takes a suggestion's score apart: by the policy that holds, or the one that held where it was decided.
    pub fn explain(&self, told: Told) -> Explained {
        let suggestion = &told.suggestion;
        let earlier = || self.annals.settings(suggestion.as_of.offset)?.ok().map(Arc::new);
        let current = (suggestion.policy == self.policy).then(|| Arc::clone(&self.settings));
        let settings = current.or_else(earlier).filter(|settings| settings.policy_digest() == suggestion.policy);
        let policy = settings.as_ref().map(|settings| &settings.policy);
        let score = policy.map(|policy| {
            let weights = if suggestion.is_recovery() { &policy.weights } else { &policy.transfer_weights };
            Parts::of(&suggestion.score, weights)
        });
        let floor = policy.map(|policy| policy.floor);
        Explained { told, score, floor }
    }

    /// A session's visible chain; an inner `None`: it has none. `None`: the session is unknown.
    pub fn blocks(&self, tenant: &TenantId, session: &SessionId) -> Option<Option<Blocks>> {
        let held = self.store.session(tenant, session)?;
        let Some((family, hashes)) = visible(&held.facets.prefix) else { return Some(None) };
        let cache = identity(&held.facets).cloned();
        Some(Some(Blocks { session: session.clone(), cache, family: family.clone(), hashes }))
    }

    /// The beginning of its source's chain that an open suggestion's copy holds, as far as it was matched. `None`: it draws
    /// on no KV, or nothing is known of a chain.
    pub fn blocks_of(&self, suggestion: &Suggestion) -> Option<Blocks> {
        let (copy, matched) = suggestion.kv_copy()?;
        let mut blocks = self.blocks(&suggestion.tenant, suggestion.from_session())??;
        let held = blocks.hashes.len();
        blocks.hashes.truncate((1..=held).take_while(|&depth| tokens(&blocks.family, depth) <= matched).count());
        blocks.cache = Some(copy.cache.clone());
        Some(blocks)
    }
}
