//! Lists that are asked for: a user's history by parts, what a search finds. Read only.

use std::sync::Arc;

use crate::engine::process::Engine;
use crate::engine::query::{Found, HistoryPage, HistoryPlace, HistoryQuery, SearchFilter, SearchQuery, Sought};
use crate::engine::tenants::Guests;
use crate::engine::view;
use crate::model::ids::{SessionId, TenantId, UserId};
use crate::model::time::EventTime;

/// Sessions looked at for one part of a history. Where few have a status that is wanted, a part has fewer than its limit.
const MOST_LOOKED_AT: usize = 2000;
/// The smallest id there is.
const LEAST_ID: &str = "!";
/// The earliest instant at which anything was active.
const EARLIEST: EventTime = EventTime(EventTime::MIN.0 + 1);

impl Engine {
    /// Whether anything is held of a tenant.
    pub fn knows_tenant(&self, tenant: &TenantId) -> bool {
        self.store.tenants.contains_key(tenant)
    }

    /// The tenants that are held though their home is another partition.
    pub fn guests(&self) -> &Arc<Guests> {
        self.store.tenants.guests()
    }

    /// The latest sign of life of a user's sessions; `None`: none is held.
    pub fn user_active(&self, tenant: &TenantId, user: &UserId) -> Option<EventTime> {
        self.store.tenants.get(tenant)?.users.get(user)?.iter().next_back().map(|(at, _)| *at)
    }

    /// The same of one session.
    pub fn session_active(&self, tenant: &TenantId, session: &SessionId) -> Option<EventTime> {
        self.store.session(tenant, session).map(|held| view::alive_at(&held.facets))
    }

    /// A part of a user's history, ended sessions too, the newest `last_active` first; empty of an unknown user. It costs
    /// what the part holds, and not what the history does: with `statuses` at most 2,000 sessions are looked at, so that
    /// a part may be short, or empty, and yet have one behind it. While sessions come and go, none that stays as it is is
    /// left out or told twice.
    pub fn history(&self, query: &HistoryQuery) -> HistoryPage {
        let mut page = HistoryPage::default();
        let Some(tenant) = self.store.tenants.get(&query.tenant) else { return page };
        let Some(sessions) = tenant.users.get(&query.user) else { return page };
        let before = query.active_before.and_then(|at| Some((at, SessionId::new(LEAST_ID).ok()?)));
        let end = [query.after.clone(), before.clone()].into_iter().flatten().min();
        // What was never active was not active before an instant either.
        let since = query.active_since.max(before.map(|_| EARLIEST)).unwrap_or(EventTime::MIN);
        let scene = self.scene();
        let lens = scene.lens(&query.tenant);
        let (mut told, mut seen): (Option<&HistoryPlace>, Option<&HistoryPlace>) = (None, None);
        let newest = sessions.newest(end.as_ref()).take_while(|(at, _)| *at >= since);
        for (looked_at, place) in newest.enumerate() {
            if looked_at == MOST_LOOKED_AT {
                page.next = seen.cloned();
                break;
            }
            seen = Some(place);
            let Some(held) = self.store.session(&query.tenant, &place.1) else { continue };
            let status = view::status(&held.facets, lens.settings, lens.now);
            if !query.statuses.is_empty() && !status.is_some_and(|status| query.statuses.contains(&status)) {
                continue;
            }
            if page.sessions.len() == query.limit {
                page.next = told.cloned();
                break;
            }
            let taken_up_by = self.store.taken_up_by(&query.tenant, &place.1);
            page.sessions.push(lens.view(&place.1, &held.facets, &held.book, &tenant.open, taken_up_by));
            told = Some(place);
        }
        page
    }

    /// What [`Engine::search`] finds, with what a caller wants to know of each. `None`: the session to compare with is
    /// unknown, or has no embedding (in the space asked for).
    pub fn find(&self, query: &SearchQuery) -> Option<Vec<Found>> {
        let SearchQuery { tenant, sought, k, filter } = query;
        let hits = match sought {
            Sought::Vector(space, vector) => self.search(tenant, space, vector, *k, filter),
            Sought::Session(session, wanted) => {
                let (space, vector) = self.vector(tenant, session)?;
                if wanted.as_ref().is_some_and(|wanted| *wanted != space) {
                    return None;
                }
                let filter = SearchFilter { except: Some(session.clone()), ..filter.clone() };
                self.search(tenant, &space, &vector, *k, &filter)
            }
        };
        let found = hits.into_iter().filter_map(|hit| {
            let held = self.store.session(tenant, &hit.session)?;
            let status = view::status(&held.facets, &self.settings, self.stream_time);
            Some(Found { status, last_active: held.facets.last_active, hit })
        });
        Some(found.collect())
    }
}
