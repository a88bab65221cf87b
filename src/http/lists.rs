//! Queries answered with lists: a user's history, a search, who holds a prefix.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde_json::json;

use super::answer::Placed;
use super::fields::Fields;
use super::openapi;
use super::parameters::NoParameters;
use super::problem::Problem;
use super::queries::{self, Parameters, not_found, vector_json, with_place};
use super::seen::Seen;
use super::server::App;
use super::{asked, cursor};
use crate::engine::{Found, PrefixMatch, Sought, encode};
use crate::model::ids::UserId;
use crate::model::time::EventTime;

/// Said where there is nothing to compare with.
pub(super) const NOT_EMBEDDED: &str = "no such session, or it has no embedding in the space";

/// `GET /v1/tenants/{tenant}/users/{user}/sessions`: the newest first, by pages.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/users/{user}/sessions", operation_id = "listSessions", tag = "sessions",
    summary = "A user's sessions, the newest first, by pages",
    params(openapi::OfUser, openapi::HistoryParameters, openapi::Fresh),
    responses((status = 200, description = "A page", body = openapi::HistoryAnswer)))]
pub(super) async fn history(
    seen: Seen,
    path: Result<Path<(String, String)>, PathRejection>,
    query: Parameters,
) -> Result<Placed, Problem> {
    let (tenant, user) = queries::ids(path, "user_id", UserId::new)?;
    let mut fields = queries::parameters(query)?;
    let at_least = fields.at_least()?;
    let query = asked::history_query(tenant, user, fields)?;
    seen.until(&query.tenant, at_least).await?;
    let answer = seen.history(&query)?;
    let sessions = answer.value.sessions.iter().map(|view| encode::state_json(view, true));
    let next = answer.value.next.as_ref().map(|place| cursor::encode(&query, place));
    Ok(with_place(json!({"sessions": sessions.collect::<Vec<_>>(), "next_cursor": next}), &answer))
}

/// `POST /v1/tenants/{tenant}/search`: the nearest sessions by their embedding.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/search", operation_id = "search", tag = "sessions",
    summary = "The nearest sessions by their embedding",
    params(openapi::OfTenant),
    request_body = openapi::SearchBody,
    responses((status = 200, description = "The nearest sessions", body = openapi::SearchAnswer)))]
pub(super) async fn search(
    State(app): State<App>,
    seen: Seen,
    path: Result<Path<String>, PathRejection>,
    _: NoParameters,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Placed, Problem> {
    let tenant = queries::tenant_id(path)?;
    let mut fields = Fields::of_body(&queries::json_body(&headers, body)?)?;
    let at_least = fields.at_least()?;
    let query = asked::search_query(&app.engine, tenant, fields)?;
    seen.until(&query.tenant, at_least).await?;
    if let (true, Sought::Session(session, space)) = (seen.in_part, &query.sought) {
        // What is near to it is asked of all partitions, once it is known.
        let answer = seen.session_and_vector(&query.tenant, session).map_err(not_found(NOT_EMBEDDED))?;
        let own = answer.value.1.as_ref().filter(|(own, _)| space.as_ref().is_none_or(|space| space == own));
        return Ok(with_place(json!({"vector": own.map(vector_json)}), &answer));
    }
    let answer = seen.search(&query).map_err(not_found(NOT_EMBEDDED))?;
    let hits = answer.value.iter().map(|Found { hit, status, last_active }| {
        json!({
            "session_id": hit.session.as_str(),
            "similarity": hit.similarity,
            "status": status.map(|status| status.label()),
            "last_active": last_active.map(|at| at.0),
        })
    });
    Ok(with_place(json!({"hits": hits.collect::<Vec<_>>()}), &answer))
}

/// `POST /v1/tenants/{tenant}/prefix-match`: sessions that hold the beginning of a chain.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/prefix-match", operation_id = "matchPrefix", tag = "sessions",
    summary = "Sessions that hold the beginning of a chain",
    params(openapi::OfTenant),
    request_body = openapi::PrefixMatchBody,
    responses((status = 200, description = "The sessions", body = openapi::PrefixMatchAnswer)))]
pub(super) async fn prefix_match(
    State(app): State<App>,
    seen: Seen,
    path: Result<Path<String>, PathRejection>,
    _: NoParameters,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Placed, Problem> {
    let tenant = queries::tenant_id(path)?;
    let mut fields = Fields::of_body(&queries::json_body(&headers, body)?)?;
    let at_least = fields.at_least()?;
    let query = asked::prefix_query(&app.engine, tenant, fields)?;
    seen.until(&query.tenant, at_least).await?;
    let answer = seen.prefix_match(&query)?;
    let matches = answer.value.iter().map(|PrefixMatch { session, depth, tokens, copy, at }| {
        json!({
            "session_id": session.as_str(),
            "depth": depth,
            "matched_tokens": tokens,
            "kv_cache": copy.as_deref().map(encode::copy_json),
            "last_active": Some(at).filter(|at| **at != EventTime::MIN).map(|at| at.0),
        })
    });
    Ok(with_place(json!({"matches": matches.collect::<Vec<_>>()}), &answer))
}
