//! What a session is judged by as a neighbour of another one. There are many neighbours to each decision, and most are
//! at rest, so it is read without unpacking them.

use crate::engine::fold::active_adapter;
use crate::engine::packed::{Held, Packed};
use crate::engine::store::{Session, Tenant};
use crate::engine::view::{base_status, identity, scope};
use crate::model::event::{EndReason, TransferScope};
use crate::model::ids::SessionId;
use crate::model::kv::Adapter;
use crate::model::session::Status;
use crate::model::time::EventTime;
use crate::model::topic::Topic;

/// An adapter's id and version.
pub type AdapterKey<'s> = (&'s str, Option<&'s str>);

/// What a session is judged by.
#[derive(Debug, PartialEq)]
pub struct Glance<'s> {
    /// Largest turn number.
    pub turn_count: u32,
    /// Latest sign of life.
    pub last_active: Option<EventTime>,
    /// What its embeddings have in common.
    pub topic: &'s Topic,
    /// Status without regard to idle expiry.
    pub status: Option<Status>,
    /// Why it ended, if it did and the reason is known.
    pub end: Option<EndReason>,
    /// The adapter in use.
    pub adapter: Option<AdapterKey<'s>>,
    /// Namespace of its KV.
    pub namespace: Option<&'s str>,
    /// Who may profit from it.
    pub scope: TransferScope,
    /// Pointer into the user's own conversation store.
    pub context_ref: Option<&'s str>,
}

/// An adapter as glances name it.
pub fn adapter_key(adapter: &Adapter) -> AdapterKey<'_> {
    (adapter.id.as_str(), adapter.version.as_ref().map(|version| version.as_str()))
}

impl Session {
    /// What it is judged by.
    pub fn glance(&self) -> Glance<'_> {
        let Session { facets, book, .. } = self;
        Glance {
            turn_count: facets.turn_count,
            last_active: facets.last_active,
            topic: &book.topic,
            status: base_status(facets),
            end: facets.end.as_ref().and_then(|end| end.value),
            adapter: active_adapter(facets).map(adapter_key),
            namespace: identity(facets).map(|cache| cache.namespace.as_str()),
            scope: scope(facets),
            context_ref: facets.context_ref.as_ref().and_then(|r| r.value.as_ref()).map(|name| name.as_str()),
        }
    }
}

impl Tenant {
    /// What sessions are judged by, in the order asked; `None` for one that is not held. Memory of all is asked for
    /// before the first is looked at, so that they are waited for together.
    pub fn glances<'i>(&self, ids: impl Iterator<Item = &'i SessionId>) -> Vec<Option<Glance<'_>>> {
        let held: Vec<_> = ids.map(|id| self.held(id)).collect();
        for held in held.iter().flatten() {
            match held {
                Held::Open(session) => session.warm(),
                Held::AtRest(packed) => packed.warm_front(),
            }
        }
        for held in held.iter().flatten() {
            if let Held::AtRest(packed) = held {
                packed.warm_card();
            }
        }
        let glance = |held| match held {
            Held::Open(session) => Session::glance(session),
            Held::AtRest(packed) => Packed::glance(packed),
        };
        held.into_iter().map(|held| held.map(glance)).collect()
    }
}
