//! When a session is scored: once as it opens, and once behind its second turn. What is weighed there is what the
//! engine would weigh for a suggestion, those below the floor included.

use std::rc::Rc;

use hashbrown::HashMap;

use super::curve::{Origin, Scored};
use super::truth::Truth;
use crate::engine::decode::wire::Body;
use crate::engine::{Engine, Weighed};
use crate::model::ids::{SessionId, TenantId};
use crate::model::session::TriggerKind;
use crate::model::suggestion::RecoveryPlan;

/// A session at one of its two points.
#[derive(Debug)]
pub struct Point {
    /// What would have set off a suggestion.
    pub trigger: TriggerKind,
    /// The session it really takes up, if any.
    pub origin: Option<SessionId>,
    /// Whether the log showed that session before.
    pub known: Origin,
    /// All candidates, best first.
    pub weighed: Vec<Weighed>,
}

impl Point {
    /// What counts of it.
    pub fn scored(&self) -> Scored {
        let place = self.weighed.iter().position(|w| Some(&w.session) == self.origin.as_ref());
        let best = self.weighed.first().map(|best| best.score.total);
        Scored { origin: self.known, best, rank: place.map(|place| place as u32 + 1) }
    }

    /// Plan of the best candidate.
    pub fn plan(&self) -> Option<RecoveryPlan> {
        self.weighed.first().map(|best| best.plan)
    }
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// With the first embedding, if that comes until the first turn is over; else as the session starts.
    First,
    /// Behind the second turn.
    Second,
}

/// What the log has shown of the sessions so far.
#[derive(Debug, Default)]
pub struct Sessions {
    tenants: HashMap<TenantId, Tenant>,
}

#[derive(Debug, Default)]
struct Tenant {
    sessions: HashMap<SessionId, Shown>,
    /// Sessions with an embedding whose intents are told.
    comparable: usize,
}

#[derive(Debug, Default)]
struct Shown {
    /// The first point as it would be without an embedding, until it is settled.
    opening: Option<Box<Point>>,
    opened: bool,
    second: bool,
    embedded: bool,
    intents: Option<Rc<[String]>>,
}

impl Sessions {
    /// Whether a session will not be scored any more, so that the engine may learn what it took up.
    pub fn is_over(&self, truth: &Truth, tenant: &TenantId, session: &SessionId) -> bool {
        let shown = self.tenants.get(tenant).and_then(|t| t.sessions.get(session));
        shown.is_some_and(|s| s.second || (s.opened && !truth.has_second_turn(tenant, session)))
    }

    /// Notes a record that the engine has just folded. Returns the points that it reached.
    pub fn note(
        &mut self,
        engine: &Engine,
        truth: &Truth,
        (tenant, session): (&TenantId, &SessionId),
        body: &Body<'_>,
        intents: Option<Vec<String>>,
    ) -> Vec<(Turn, Point)> {
        let origin = truth.origin(tenant, session);
        let held = self.tenants.entry(tenant.clone()).or_default();
        let known = match origin {
            None => Origin::Nothing,
            Some(origin) if held.sessions.contains_key(origin) => Origin::Known,
            Some(_) => Origin::Unseen,
        };
        let point = |trigger| Point { trigger, origin: origin.cloned(), known, weighed: engine.weigh(tenant, session) };
        let is_new = !held.sessions.contains_key(session);
        let shown = held.sessions.entry(session.clone()).or_default();
        if is_new {
            shown.opening = Some(Box::new(point(TriggerKind::SessionStarted)));
            shown.intents = intents.map(Rc::from);
        }
        if !shown.embedded && engine.vector(tenant, session).is_some() {
            shown.embedded = true;
            held.comparable += usize::from(shown.intents.is_some());
        }
        let turn = match body {
            Body::TurnCompleted(turn) => turn.turn,
            _ => 0,
        };
        let mut reached = Vec::new();
        if !shown.opened && (shown.embedded || turn >= 1) {
            shown.opened = true;
            let opening = shown.opening.take().map(|opening| *opening);
            let first = if shown.embedded { Some(point(TriggerKind::FirstContext)) } else { opening };
            reached.extend(first.map(|first| (Turn::First, first)));
        }
        if !shown.second && turn >= 2 {
            shown.second = true;
            reached.push((Turn::Second, point(TriggerKind::Query)));
        }
        reached
    }

    /// The first points of those sessions that never came to one, by tenant and session.
    pub fn finish(self) -> Vec<Point> {
        let sessions = |(tenant, held): (TenantId, Tenant)| {
            held.sessions.into_iter().filter_map(move |(id, shown)| Some((tenant.clone(), id, *shown.opening?)))
        };
        let mut left: Vec<_> = self.tenants.into_iter().flat_map(sessions).collect();
        // In no order of a map: what is drawn and summed must be the same each time.
        left.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
        left.into_iter().map(|(_, _, point)| point).collect()
    }

    /// What a session is about, if the log tells.
    pub fn intents(&self, tenant: &TenantId, session: &SessionId) -> Option<&Rc<[String]>> {
        self.tenants.get(tenant)?.sessions.get(session)?.intents.as_ref()
    }

    /// Sessions of a tenant that could be compared with one of them.
    pub fn others(&self, tenant: &TenantId, session: &SessionId) -> usize {
        let Some(held) = self.tenants.get(tenant) else { return 0 };
        let itself = held.sessions.get(session).is_some_and(|s| s.embedded && s.intents.is_some());
        held.comparable - usize::from(itself)
    }
}
