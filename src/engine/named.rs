//! The events that a session's state still names: of each facet the one that set it, and those that made something be
//! suggested. An event that later ones have replaced in everything is not among them; no list of events is kept. Read only.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::fold::prefix::visible;
use crate::engine::process::Engine;
use crate::model::ids::{SessionId, TenantId};
use crate::model::kv::KvCopy;
use crate::model::session::{Book, Facets, LiveStatus};
use crate::model::stamp::{Register, Stamp};

/// An event that a state names.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedEvent {
    /// The event, and when it occurred.
    pub stamp: Arc<Stamp>,
    /// What it set: a facet, and the value where it is a short one.
    pub sets: Vec<(&'static str, Option<String>)>,
}

impl Engine {
    /// The events that a session's state names, in their order. `None`: the session is unknown.
    pub fn named_events(&self, tenant: &TenantId, session: &SessionId) -> Option<Vec<NamedEvent>> {
        let held = self.store.session(tenant, session)?;
        let mut named = Naming::default();
        named.life(&held.facets);
        named.belongings(&held.facets);
        named.copies(&held.facets);
        named.triggers(&held.book);
        Some(named.0.into_iter().map(|(stamp, sets)| NamedEvent { stamp, sets }).collect())
    }
}

/// What is set by each event, in their order.
#[derive(Default)]
struct Naming(BTreeMap<Arc<Stamp>, Vec<(&'static str, Option<String>)>>);

impl Naming {
    fn note(&mut self, stamp: &Arc<Stamp>, facet: &'static str, value: Option<String>) {
        let sets = self.0.entry(Arc::clone(stamp)).or_default();
        if !sets.iter().any(|(name, held)| (*name, held) == (facet, &value)) {
            sets.push((facet, value));
        }
    }

    /// Of a register that may be set, with what is told of its value.
    fn register<T>(
        &mut self,
        facet: &'static str,
        register: &Option<Register<T>>,
        told: impl Fn(&T) -> Option<String>,
    ) {
        if let Some(Register { stamp, value }) = register {
            self.note(stamp, facet, told(value));
        }
    }

    fn life(&mut self, facets: &Facets) {
        self.register("status", &facets.status, |status| {
            Some(match status {
                LiveStatus::Active => "active".to_owned(),
                LiveStatus::Paused(why, _) => format!("paused ({})", why.label()),
                LiveStatus::Interrupted(why, _) => format!("interrupted ({})", why.label()),
            })
        });
        self.register("ended", &facets.end, |reason| reason.map(|reason| reason.label().to_owned()));
        if let Some(turn) = &facets.last_turn {
            self.note(&turn.stamp, "turn", Some(turn.turn.to_string()));
        }
        if let Some(context) = &facets.context {
            self.note(&context.stamp, "context", Some(context.space.to_string()));
        }
    }

    fn belongings(&mut self, facets: &Facets) {
        let id = |id: &Option<SessionId>| id.as_ref().map(SessionId::to_string);
        self.register("user", &facets.user, |user| Some(user.to_string()));
        self.register("transfer_scope", &facets.transfer_scope, |scope| scope.map(|scope| scope.label().to_owned()));
        self.register("idle_timeout", &facets.idle_timeout, |span| span.map(|span| format!("{} ms", span.0)));
        self.register("adapter", &facets.activation, |adapter| adapter.as_ref().map(|a| a.id.to_string()));
        for (adapter, stamp) in facets.deactivations.iter() {
            self.note(stamp, "adapter_removed", Some(adapter.to_string()));
        }
        self.register("parent", &facets.parent, id);
        self.register("continues", &facets.continues, id);
        self.register("resumed_from", &facets.resumed_from, |session| Some(session.to_string()));
        self.register("context_ref", &facets.context_ref, |name| name.as_ref().map(|name| name.to_string()));
        self.register("cache", &facets.cache, |cache| cache.as_ref().map(|cache| cache.namespace.to_string()));
        for register in facets.metadata.values() {
            self.note(&register.stamp, "metadata", None);
        }
        if let Some(stamp) = &facets.metadata_cleared {
            self.note(stamp, "metadata_cleared", None);
        }
    }

    fn copies(&mut self, facets: &Facets) {
        for register in facets.placements.values() {
            self.note(&register.stamp, "kv_placed", Some(place(&register.value)));
        }
        for (place, register) in facets.evictions.iter() {
            let at = place.worker.as_ref().or(place.instance.as_ref());
            let of = at.map_or_else(String::new, |at| format!("{at}, "));
            self.note(&register.stamp, "kv_evicted", Some(format!("{of}{}", register.value.reason.label())));
        }
        let Some((family, _)) = visible(&facets.prefix) else { return };
        for segment in facets.prefix.get(family).into_iter().flat_map(|segments| segments.values()) {
            self.note(&segment.stamp, "prefix", None);
        }
    }

    fn triggers(&mut self, book: &Book) {
        for (kind, stamp) in book.triggers.iter() {
            self.note(stamp, "trigger", Some(kind.label().to_owned()));
        }
    }
}

/// Where a copy lies.
fn place(copy: &KvCopy) -> String {
    let place = copy.place();
    let at = place.worker.or(place.instance);
    at.map_or_else(|| place.tier.label().to_owned(), |at| format!("{at}, {}", place.tier.label()))
}
