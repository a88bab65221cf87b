//! What an index ought to hold and answer, kept plainly, and how to make some at random.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rekindle::engine::index::{Columns, Consent, Hit, MAX_K, Wanted};
use rekindle::model::event::TransferScope;
use rekindle::model::ids::{Name, SessionId, UserId};
use rekindle::model::session::Status;
use rekindle::model::time::EventTime;
use rekindle::model::vector::{UnitVector, cosine};

/// Components of a vector.
pub const DIM: usize = 24;

/// What is known of a session, with everything owned.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    pub user: Option<u8>,
    pub status: Option<Status>,
    pub expires_at: Option<i64>,
    pub adapter: Option<u8>,
    pub scope: TransferScope,
    pub last_active: Option<i64>,
}

/// Names to borrow from.
pub struct Names {
    pub users: Vec<UserId>,
    pub adapters: Vec<Name>,
}

/// What a search asks for.
#[derive(Debug, Clone)]
pub struct Ask {
    pub user: Option<u8>,
    pub statuses: Vec<Status>,
    pub now: i64,
    pub adapter: Option<u8>,
    pub active_since: Option<i64>,
    pub consent: Asked,
    pub except: Option<u16>,
}

#[derive(Debug, Clone, Copy)]
pub enum Asked {
    Any,
    AtLeast(TransferScope),
    For(Option<u8>),
}

#[derive(Debug, Clone)]
pub enum Step {
    Upsert(u16, Vec<f32>, Known),
    Replace(u16, Vec<f32>, Known),
    SetColumns(u16, Known),
    Remove(u16),
}

pub type Model = BTreeMap<SessionId, (UnitVector, Known)>;

impl Names {
    pub fn new() -> Names {
        let users = (0..4).map(|n| UserId::new(&format!("u-{n}")).expect("an id"));
        let adapters = (0..4).map(|n| Name::new(&format!("a-{n}")).expect("a name"));
        Names { users: users.collect(), adapters: adapters.collect() }
    }

    pub fn columns(&self, known: &Known) -> Columns<'_> {
        Columns {
            user: known.user.map(|n| &self.users[usize::from(n)]),
            status: known.status,
            expires_at: known.expires_at.map(EventTime),
            adapter: known.adapter.map(|n| &self.adapters[usize::from(n)]),
            scope: known.scope,
            last_active: known.last_active.map(EventTime),
        }
    }

    pub fn wanted<'a>(&'a self, ask: &'a Ask, except: Option<&'a SessionId>) -> Wanted<'a> {
        Wanted {
            user: ask.user.map(|n| &self.users[usize::from(n)]),
            statuses: (&ask.statuses, EventTime(ask.now)),
            adapter: ask.adapter.map(|n| &self.adapters[usize::from(n)]),
            active_since: ask.active_since.map(EventTime),
            consent: match ask.consent {
                Asked::Any => Consent::Any,
                Asked::AtLeast(scope) => Consent::AtLeast(scope),
                Asked::For(user) => Consent::For(user.map(|n| &self.users[usize::from(n)])),
            },
            except,
        }
    }
}

impl Ask {
    pub fn passes(&self, names: &Names, known: &Known) -> bool {
        let expired = known.expires_at.is_some_and(|at| at <= self.now);
        let status = if expired { Some(Status::Expired) } else { known.status };
        let user = |n: Option<u8>| n.map(|n| &names.users[usize::from(n)]);
        let consents = match self.consent {
            Asked::Any => true,
            Asked::AtLeast(scope) => known.scope >= scope,
            Asked::For(asking) => known.scope.allows(user(known.user), user(asking)),
        };
        self.user.is_none_or(|user| known.user == Some(user))
            && (self.statuses.is_empty() || status.is_some_and(|status| self.statuses.contains(&status)))
            && self.adapter.is_none_or(|adapter| known.adapter == Some(adapter))
            && self.active_since.is_none_or(|since| known.last_active.is_some_and(|at| at >= since))
            && consents
    }
}

pub fn id(n: u16) -> SessionId {
    SessionId::new(&format!("s-{n}")).expect("an id")
}

pub fn vector() -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(-1.0f32..1.0, DIM).prop_filter("has a direction", |v| v.iter().any(|x| x.abs() > 0.01))
}

pub fn status() -> impl Strategy<Value = Status> {
    prop::sample::select(Status::ALL.to_vec())
}

pub fn scope() -> impl Strategy<Value = TransferScope> {
    prop::sample::select(vec![TransferScope::None, TransferScope::User, TransferScope::Tenant])
}

pub fn known() -> impl Strategy<Value = Known> {
    let option = |range| prop::option::of(range);
    (
        option(0u8..4),
        prop::option::of(status()),
        prop::option::of(0i64..9),
        option(0u8..4),
        scope(),
        prop::option::of(0i64..9),
    )
        .prop_map(|(user, status, expires_at, adapter, scope, last_active)| Known {
            user,
            status,
            expires_at,
            adapter,
            scope,
            last_active,
        })
}

pub fn ask() -> impl Strategy<Value = Ask> {
    let consent =
        prop_oneof![Just(Asked::Any), scope().prop_map(Asked::AtLeast), prop::option::of(0u8..4).prop_map(Asked::For),];
    let rarely = |range: std::ops::Range<u8>| prop::option::weighted(0.3, range);
    let statuses = prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(status(), 1..4)];
    (
        rarely(0..4),
        statuses,
        0i64..9,
        rarely(0..4),
        prop::option::weighted(0.3, 0i64..9),
        consent,
        prop::option::of(0u16..40),
    )
        .prop_map(|(user, statuses, now, adapter, active_since, consent, except)| Ask {
            user,
            statuses,
            now,
            adapter,
            active_since,
            consent,
            except,
        })
}

pub fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0u16..40, vector(), known()).prop_map(|(n, v, known)| Step::Upsert(n, v, known)),
        3 => (0u16..40, vector(), known()).prop_map(|(n, v, known)| Step::Replace(n, v, known)),
        1 => (0u16..40, known()).prop_map(|(n, known)| Step::SetColumns(n, known)),
        1 => (0u16..40).prop_map(Step::Remove),
    ]
}

/// Exact search over the model, in the same arithmetic.
pub fn expected<'m>(
    model: impl Iterator<Item = (&'m SessionId, &'m UnitVector)>,
    query: &UnitVector,
    k: usize,
) -> Vec<Hit> {
    let wide = query.to_f32();
    let similarity = |v: &UnitVector| cosine(&wide, query.inverse_norm(), v.as_slice(), v.inverse_norm());
    let mut hits: Vec<Hit> =
        model.map(|(session, v)| Hit { session: session.clone(), similarity: similarity(v) }).collect();
    hits.sort_by(|a, b| b.similarity.total_cmp(&a.similarity).then_with(|| a.session.cmp(&b.session)));
    hits.truncate(k.clamp(1, MAX_K));
    hits
}
