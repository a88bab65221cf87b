//! What sessions share: the clock, the fleet, the tenants, the tasks left unfinished, and the way out for
//! events.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::bodies::set;
use super::fleet::Fleet;
use super::rng::Rng;
use super::session::Session;
use super::topics::Topics;
use super::{GeneratedEvent, GeneratorOptions};
use crate::model::time::EventTime;

/// A tenant, and how it lets its sessions be used.
pub struct Tenant {
    /// Its id.
    pub id: &'static str,
    /// How many users it has.
    pub users: usize,
    /// Share of sessions whose scope is `tenant`; half of the rest is `user`, then `none`.
    pub open: f64,
}

/// By size, the largest first.
pub const TENANTS: [Tenant; 6] = [
    Tenant { id: "acme", users: 40, open: 0.7 },
    Tenant { id: "northwind", users: 25, open: 0.4 },
    Tenant { id: "globex", users: 20, open: 0.6 },
    Tenant { id: "initech", users: 12, open: 0.0 },
    Tenant { id: "vandelay", users: 8, open: 0.8 },
    Tenant { id: "hooli", users: 5, open: 0.2 },
];

/// A task that someone left unfinished, for a later session to take up.
#[derive(Debug, Clone)]
pub struct Unfinished {
    /// Index into [`TENANTS`].
    pub tenant: usize,
    /// The user.
    pub user: String,
    /// The session that was left.
    pub session: String,
    /// Its topic.
    pub topic: usize,
    /// Its direction within the topic.
    pub thread: Vec<f64>,
    /// Its prefix chain.
    pub chain: u64,
    /// Tokens it held.
    pub tokens: u64,
    /// Its model.
    pub model: usize,
}

/// Most unfinished tasks remembered; the oldest are never taken up.
const MAX_UNFINISHED: usize = 200;
/// Share of events that a producer sends twice, and that it loses.
const RETRIED: f64 = 0.006;
const LOST: f64 = 0.002;

/// Everything sessions share.
pub struct World {
    /// Chance.
    pub rng: Rng,
    /// Virtual time.
    pub now: EventTime,
    /// Mean pause between two steps of a session, ms.
    pub gap: f64,
    /// The machines.
    pub fleet: Fleet,
    /// The subjects.
    pub topics: Topics,
    /// What was left, oldest first.
    pub unfinished: VecDeque<Unfinished>,
    /// Events on their way out.
    pub out: VecDeque<GeneratedEvent>,
    events: u64,
    sessions: u64,
}

impl World {
    /// A world before its first event.
    pub fn new(options: &GeneratorOptions) -> World {
        let mut rng = Rng::new(options.seed);
        let topics = Topics::new(&mut rng, options.dim.max(1));
        World {
            rng,
            now: options.start,
            gap: options.mean_gap.0.max(1) as f64,
            fleet: Fleet::new(),
            topics,
            unfinished: VecDeque::new(),
            out: VecDeque::new(),
            events: 0,
            sessions: 0,
        }
    }

    /// A new session's id.
    pub fn session_id(&mut self) -> String {
        self.sessions += 1;
        format!("s-{:05}", self.sessions)
    }

    /// Remembers a task for a later session.
    pub fn leave(&mut self, task: Unfinished) {
        if self.unfinished.len() == MAX_UNFINISHED {
            self.unfinished.pop_front();
        }
        self.unfinished.push_back(task);
    }

    /// An event of the gateway: numbered, now and then lost or sent twice.
    pub fn gateway(&mut self, session: &mut Session, body: Value) {
        session.seq += 1;
        let mut json = self.envelope(Some(session), body);
        set(&mut json, "producer", json!({"id": "gw-1", "epoch": 1, "seq": session.seq}));
        if self.rng.chance(LOST) {
            return;
        }
        let event = self.event(TENANTS[session.tenant].id, json);
        if self.rng.chance(RETRIED) {
            self.out.push_back(event.clone());
        }
        self.out.push_back(event);
    }

    /// An event of a serving engine about a session. Engines know no users and number nothing.
    pub fn engine(&mut self, session: &Session, body: Value) {
        let mut json = self.envelope(Some(session), body);
        if let Value::Object(map) = &mut json {
            map.remove("user_id");
        }
        let event = self.event(TENANTS[session.tenant].id, json);
        self.out.push_back(event);
    }

    /// An event of a tenant that names no session in its envelope, or not as its subject.
    pub fn tenant(&mut self, tenant: usize, body: Value) {
        let mut json = self.envelope(None, body);
        set(&mut json, "tenant_id", json!(TENANTS[tenant].id));
        let event = self.event(TENANTS[tenant].id, json);
        self.out.push_back(event);
    }

    /// An event for all tenants.
    pub fn broadcast(&mut self, body: Value) {
        let mut json = self.envelope(None, body);
        set(&mut json, "tenant_id", json!("*"));
        let event = self.event("*", json);
        self.out.push_back(event);
    }

    fn envelope(&mut self, session: Option<&Session>, mut body: Value) -> Value {
        self.events += 1;
        set(&mut body, "event_id", json!(format!("e-{}", self.events)));
        set(&mut body, "occurred_at", json!(self.now.0));
        if let Some(session) = session {
            set(&mut body, "tenant_id", json!(TENANTS[session.tenant].id));
            set(&mut body, "session_id", json!(session.id));
            set(&mut body, "user_id", json!(session.user));
        }
        body
    }

    fn event(&self, key: &str, json: Value) -> GeneratedEvent {
        GeneratedEvent { at: self.now, key: key.to_owned(), broadcast: key == "*", json }
    }
}
