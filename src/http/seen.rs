//! What a request may see: the query port, behind what its token grants. Handlers of tenants' data reach the port
//! through this alone, so another tenant's data is answered as data that does not exist, by the same words. The token
//! alone decides, before anything is looked up: neither the answer nor its time depends on whether the tenant exists.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;

use super::auth::{Grant, Tenants};
use super::port::{Answer, Embedding, FeedItem, Left, QueryError, QueryPort};
use super::problem::Problem;
use super::server::App;
use super::spread;
use crate::engine::{
    Blocks, ChainOf, Explained, Found, HistoryPage, HistoryQuery, NamedEvent, PrefixMatch, PrefixQuery, RecoveryQuery,
    SearchQuery, Told,
};
use crate::model::event::ErasureScope;
use crate::model::ids::{SessionId, SuggestionId, TenantId};
use crate::model::position::PartitionId;
use crate::model::session::SessionView;
use crate::model::suggestion::Suggestion;
use crate::telemetry::{Metrics, Refusal};

/// The port as one request may use it.
pub(super) struct Seen {
    port: Arc<dyn QueryPort>,
    grant: Arc<Grant>,
    metrics: Arc<Metrics>,
    /// How long a request may wait for a record at most.
    pub patience: Duration,
    /// Whether some partitions are asked alone.
    pub in_part: bool,
}

impl FromRequestParts<App> for Seen {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Seen, Problem> {
        // Every route is behind the gate that leaves a grant; one that were not would answer nobody.
        let grant = parts.extensions.get::<Arc<Grant>>().cloned();
        let grant = grant.ok_or_else(|| Problem::new(StatusCode::FORBIDDEN, "nothing is granted"))?;
        let within = spread::within(&parts.headers)?;
        let (in_part, port) = (within.is_some(), Arc::clone(&app.port));
        let port = within.map_or_else(|| Arc::clone(&port), |within| Arc::clone(&port).only(within));
        Ok(Seen { port, grant, metrics: Arc::clone(&app.metrics), patience: app.patience, in_part })
    }
}

impl Seen {
    /// Whether all of it is seen.
    pub fn all(&self) -> bool {
        self.grant.tenants == Tenants::All
    }

    /// The port, if a tenant may be seen.
    pub fn port(&self, tenant: &TenantId) -> Option<&dyn QueryPort> {
        self.grant.tenants.cover(tenant.as_str()).then_some(&*self.port)
    }

    fn of(&self, tenant: &TenantId) -> Result<&dyn QueryPort, QueryError> {
        if let Some(port) = self.port(tenant) {
            return Ok(port);
        }
        self.metrics.http_refused(Refusal::Tenant);
        Err(QueryError::NotFound)
    }

    pub fn session(&self, tenant: &TenantId, session: &SessionId) -> Result<Answer<SessionView>, QueryError> {
        self.of(tenant)?.session(tenant, session)
    }

    pub fn session_and_vector(
        &self,
        tenant: &TenantId,
        session: &SessionId,
    ) -> Result<Answer<(SessionView, Option<Embedding>)>, QueryError> {
        self.of(tenant)?.session_and_vector(tenant, session)
    }

    pub fn events(&self, tenant: &TenantId, session: &SessionId) -> Result<Answer<Vec<NamedEvent>>, QueryError> {
        self.of(tenant)?.events(tenant, session)
    }

    pub fn suggestions(&self, tenant: &TenantId, session: &SessionId) -> Result<Answer<Vec<Told>>, QueryError> {
        self.of(tenant)?.suggestions(tenant, session)
    }

    pub fn suggestion(&self, tenant: &TenantId, id: &SuggestionId) -> Result<Answer<Explained>, QueryError> {
        self.of(tenant)?.suggestion(tenant, id)
    }

    pub fn blocks(&self, tenant: &TenantId, of: &ChainOf) -> Result<Answer<Option<Blocks>>, QueryError> {
        self.of(tenant)?.blocks(tenant, of)
    }

    pub fn history(&self, query: &HistoryQuery) -> Result<Answer<HistoryPage>, QueryError> {
        self.of(&query.tenant)?.history(query)
    }

    pub fn search(&self, query: &SearchQuery) -> Result<Answer<Vec<Found>>, QueryError> {
        self.of(&query.tenant)?.search(query)
    }

    pub fn prefix_match(&self, query: &PrefixQuery) -> Result<Answer<Vec<PrefixMatch>>, QueryError> {
        self.of(&query.tenant)?.prefix_match(query)
    }

    pub fn recovery(&self, query: &RecoveryQuery) -> Result<Answer<Suggestion>, QueryError> {
        self.of(&query.tenant)?.recovery(query)
    }

    /// The port, to write to.
    pub fn writer(&self, tenant: &TenantId) -> Result<Arc<dyn QueryPort>, QueryError> {
        self.of(tenant).map(|_| Arc::clone(&self.port))
    }

    pub fn left(
        &self,
        partition: PartitionId,
        tenant: &TenantId,
        scope: &ErasureScope,
    ) -> Result<Answer<Left>, QueryError> {
        self.of(tenant)?.left(partition, tenant, scope)
    }

    /// The newest suggestions after a number, of the tenants that may be seen, and the number of the newest of all.
    pub fn feed(&self, after: u64) -> (u64, Vec<(u64, FeedItem)>) {
        let mut items = self.port.feed(after);
        let last = items.last().map_or(after, |(number, _)| *number);
        items.retain(|(_, item)| self.grant.tenants.cover(&item.tenant));
        (last, items)
    }
}
