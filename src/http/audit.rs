//! What is written down of calls that do more than read: when, who, which, for whom, and how it ended. Never a body,
//! and of the path nothing but its template and the tenant.

use std::sync::Arc;

use axum::extract::{FromRequestParts, MatchedPath, RawPathParams, Request};
use axum::http::{Method, StatusCode};

use super::auth::{Grant, Role};
use crate::model::ids::TenantId;

/// A call that is written down when it has ended.
pub(super) struct Call {
    grant: Arc<Grant>,
    role: Role,
    method: Method,
    route: String,
    tenant: Option<TenantId>,
}

impl Call {
    /// What can be said of a request; and the request again.
    pub async fn of(grant: &Arc<Grant>, role: Role, request: Request) -> (Call, Request) {
        let (mut parts, body) = request.into_parts();
        let route = parts.extensions.get::<MatchedPath>().map_or(String::new(), |path| path.as_str().to_owned());
        let params = RawPathParams::from_request_parts(&mut parts, &()).await;
        let tenant = params.ok().and_then(|params| {
            let (_, tenant) = params.iter().find(|(name, _)| *name == "tenant")?;
            TenantId::new(tenant).ok()
        });
        let call = Call { grant: Arc::clone(grant), role, method: parts.method.clone(), route, tenant };
        (call, Request::from_parts(parts, body))
    }

    /// Writes it down.
    pub fn ended(self, status: StatusCode) {
        tracing::info!(
            target: "audit",
            who = self.grant.who.as_str(),
            role = self.role.label(),
            method = self.method.as_str(),
            route = self.route.as_str(),
            tenant = self.tenant.as_ref().map(TenantId::as_str),
            status = status.as_u16(),
            "call"
        );
    }
}
