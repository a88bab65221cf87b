//! Queries: one session, and what to restore. Each answer says which part of the log it covers.

use std::time::Instant;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::answer::Placed;
use super::fields::Fields;
use super::openapi;
use super::parameters::NoParameters;
use super::port::{Answer, Embedding, QueryError};
use super::problem::{Place, Problem};
use super::request;
use super::seen::Seen;
use super::server::App;
use crate::engine::encode;
use crate::model::ids::{InvalidId, SessionId, TenantId};
use crate::model::suggestion::Publication;

/// Parameters that are known of one session.
const PARAMETERS: [&str; 3] = ["include", "at_least", "wait_ms"];

/// Parameters of a request, in the order in which they came.
pub(super) type Parameters = Result<Query<Vec<(String, String)>>, QueryRejection>;

/// `GET /v1/tenants/{tenant}/sessions/{session}`
#[utoipa::path(get, path = "/v1/tenants/{tenant}/sessions/{session}", operation_id = "getSession", tag = "sessions",
    summary = "A session as it stands",
    params(openapi::OfSession, openapi::WithVector, openapi::Fresh),
    responses((status = 200, description = "The session", body = openapi::SessionAnswer)))]
pub(super) async fn session(
    seen: Seen,
    path: Result<Path<(String, String)>, PathRejection>,
    query: Parameters,
) -> Result<Placed, Problem> {
    let (tenant, session) = session_ids(path)?;
    let mut parameters = parameters(query)?.only(&PARAMETERS)?;
    let include = parameters.text("include")?;
    if !matches!(include.as_deref(), None | Some("vector")) {
        return Err(Problem::field("include", "must be vector"));
    }
    let at_least = parameters.at_least()?;
    seen.until(&tenant, at_least).await?;
    match include {
        None => {
            let answer = seen.session(&tenant, &session).map_err(unless_session)?;
            let fields = json!({"session": encode::state_json(&answer.value, true)});
            Ok(with_place(fields, &answer))
        }
        Some(_) => {
            let answer = seen.session_and_vector(&tenant, &session).map_err(unless_session)?;
            let (view, vector) = &answer.value;
            let fields = json!({"session": encode::state_json(view, true), "vector": vector.as_ref().map(vector_json)});
            Ok(with_place(fields, &answer))
        }
    }
}

/// `POST /v1/tenants/{tenant}/recovery`
#[utoipa::path(post, path = "/v1/tenants/{tenant}/recovery", operation_id = "queryRecovery", tag = "suggestions",
    summary = "What to restore for a request",
    params(openapi::OfTenant),
    request_body = openapi::RecoveryBody,
    responses((status = 200, description = "The suggestion; nothing is changed or published", body = openapi::RecoveryAnswer)))]
pub(super) async fn recovery(
    State(app): State<App>,
    seen: Seen,
    path: Result<Path<String>, PathRejection>,
    _: NoParameters,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Placed, Problem> {
    let tenant = tenant_id(path)?;
    let mut fields = Fields::of_body(&json_body(&headers, body)?)?;
    let at_least = fields.at_least()?;
    let query = request::recovery_query(&app.engine, tenant, fields)?;
    seen.until(&query.tenant, at_least).await?;
    let begun = Instant::now();
    let answer = seen.recovery(&query);
    app.metrics.search(begun.elapsed());
    let answer = answer
        .map_err(not_found("neither the session nor the user is known, or nothing of the user is worth taking up"))?;
    let suggestion = encode::suggestion_json(&answer.value, &Publication::Open);
    Ok(with_place(json!({"suggestion": suggestion}), &answer))
}

/// An embedding as it is kept, widened: what a search takes as its vector.
pub(super) fn vector_json((space, vector): &Embedding) -> Value {
    let bytes: Vec<u8> = vector.to_f32().into_iter().flat_map(f32::to_le_bytes).collect();
    json!({"space": space.as_str(), "dim": vector.dim(), "base64": STANDARD.encode(bytes)})
}

/// Tenant and session of a path.
pub(super) fn session_ids(
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<(TenantId, SessionId), Problem> {
    ids(path, "session_id", SessionId::new)
}

/// Tenant of a path, and what comes behind it by its name.
pub(super) fn ids<T>(
    path: Result<Path<(String, String)>, PathRejection>,
    name: &'static str,
    read: fn(&str) -> Result<T, InvalidId>,
) -> Result<(TenantId, T), Problem> {
    let Path((tenant, id)) = path.map_err(bad_path)?;
    let tenant = TenantId::new(&tenant).map_err(|e| Problem::field("tenant_id", e))?;
    Ok((tenant, read(&id).map_err(|e| Problem::field(name, e))?))
}

/// Tenant of a path.
pub(super) fn tenant_id(path: Result<Path<String>, PathRejection>) -> Result<TenantId, Problem> {
    let Path(tenant) = path.map_err(bad_path)?;
    TenantId::new(&tenant).map_err(|e| Problem::field("tenant_id", e))
}

/// The parameters as fields.
pub(super) fn parameters(query: Parameters) -> Result<Fields, Problem> {
    let Query(pairs) = query.map_err(|e| Problem::new(e.status(), e.body_text()))?;
    Fields::of_query(pairs)
}

/// Waits for the record that a request names, if it does; it takes no other parameters.
pub(super) async fn freshly(seen: &Seen, tenant: &TenantId, query: Parameters) -> Result<(), Problem> {
    seen.until(tenant, parameters(query)?.only(&["at_least", "wait_ms"])?.at_least()?).await
}

/// A body, of whatever type.
pub(super) fn whole(body: Result<Bytes, BytesRejection>) -> Result<Bytes, Problem> {
    body.map_err(|e| Problem::new(e.status(), e.body_text()))
}

/// A body that is JSON as far as its type says, if it says one.
pub(super) fn json_body(headers: &HeaderMap, body: Result<Bytes, BytesRejection>) -> Result<Bytes, Problem> {
    if says_json(headers) == Some(false) {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body must be application/json"));
    }
    whole(body)
}

/// Whether a body says that it is JSON; `None` if it says nothing.
pub(super) fn says_json(headers: &HeaderMap) -> Option<bool> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().unwrap_or_default();
    Some(kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json"))
}

pub(super) fn bad_path(rejection: PathRejection) -> Problem {
    Problem::new(rejection.status(), rejection.body_text())
}

/// What is said where nothing is known of the subject.
pub(super) fn not_found(detail: &'static str) -> impl Fn(QueryError) -> Problem {
    move |error| match error {
        QueryError::NotFound => Problem::new(StatusCode::NOT_FOUND, detail),
        other => other.into(),
    }
}

/// The same of a session.
pub(super) fn unless_session(error: QueryError) -> Problem {
    not_found("no such session")(error)
}

/// An answer's fields, the part of the log that they cover, and what is behind it.
pub(super) fn with_place<T>(mut fields: Value, answer: &Answer<T>) -> Placed {
    let Place { as_of, lag, shards } = Place::of(answer);
    fields["as_of"] = as_of;
    fields["lag"] = lag;
    if let Some(shards) = shards {
        fields["shards"] = shards;
    }
    Placed { fields, rank: answer.rank.clone() }
}
