//! Queries about suggestions: those of a session, one with its explanation, and the blocks that it is about.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::answer::Placed;
use super::openapi;
use super::problem::Problem;
use super::queries::{self, Parameters, not_found, with_place};
use super::seen::Seen;
use crate::engine::{Blocks, ChainOf, Explained, Told, encode};
use crate::model::ids::{SuggestionId, TenantId};
use crate::model::suggestion::Publication;

/// Hashes of a page: most, and where nothing is said.
pub(super) const PAGE: (usize, usize) = (16_384, 1_000);
/// Parameters that are known of blocks.
const BLOCKS: [&str; 4] = ["limit", "cursor", "at_least", "wait_ms"];

/// `GET /v1/tenants/{tenant}/sessions/{session}/suggestions`: the open ones, and those that ended lately.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/sessions/{session}/suggestions", operation_id = "listSuggestions", tag = "suggestions",
    summary = "Suggestions of a session, open and lately ended",
    params(openapi::OfSession, openapi::Fresh),
    responses((status = 200, description = "The suggestions", body = openapi::SuggestionsAnswer)))]
pub(super) async fn of_session(
    seen: Seen,
    path: Result<Path<(String, String)>, PathRejection>,
    query: Parameters,
) -> Result<Placed, Problem> {
    let (tenant, session) = queries::session_ids(path)?;
    queries::freshly(&seen, &tenant, query).await?;
    let answer = seen.suggestions(&tenant, &session).map_err(queries::unless_session)?;
    let (open, ended): (Vec<_>, Vec<_>) = answer.value.iter().partition(|told| told.end.is_none());
    let open: Vec<Value> = open.into_iter().map(published).collect();
    let ended: Vec<Value> = ended.into_iter().map(told_json).collect();
    Ok(with_place(json!({"suggestions": open, "ended": ended}), &answer))
}

/// `GET /v1/tenants/{tenant}/suggestions/{suggestion}`: what it says, why, and what became of it.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/suggestions/{suggestion}", operation_id = "getSuggestion", tag = "suggestions",
    summary = "A suggestion, and why it was made",
    params(openapi::OfSuggestion, openapi::Fresh),
    responses((status = 200, description = "The suggestion", body = openapi::SuggestionAnswer)))]
pub(super) async fn one(
    seen: Seen,
    path: Result<Path<(String, String)>, PathRejection>,
    query: Parameters,
) -> Result<Placed, Problem> {
    let (tenant, id) = queries::ids(path, "suggestion_id", SuggestionId::new)?;
    queries::freshly(&seen, &tenant, query).await?;
    let answer = seen.suggestion(&tenant, &id).map_err(not_found(UNKNOWN))?;
    let Explained { told, score, floor } = &answer.value;
    let suggestion = told_json(told);
    let mut trigger = suggestion["trigger"].clone();
    trigger["partition"] = told.suggestion.as_of.partition.0.into();
    trigger["offset"] = told.suggestion.as_of.offset.0.into();
    let explanation = json!({
        "trigger": trigger,
        "policy": told.suggestion.policy.as_str(),
        "floor": floor,
        "score": score,
        "alternatives": suggestion["alternatives"],
        "rejected": suggestion["rejected"],
    });
    Ok(with_place(json!({"suggestion": suggestion, "explanation": explanation}), &answer))
}

/// `GET /v1/tenants/{tenant}/sessions/{session}/blocks`: its visible chain, by pages.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/sessions/{session}/blocks", operation_id = "getSessionBlocks", tag = "sessions",
    summary = "Block hashes of a session, by pages",
    params(openapi::OfSession, openapi::BlocksParameters, openapi::Fresh),
    responses((status = 200, description = "A page", body = openapi::BlocksAnswer)))]
pub(super) async fn session_blocks(
    seen: Seen,
    path: Result<Path<(String, String)>, PathRejection>,
    query: Parameters,
) -> Result<Placed, Problem> {
    let (tenant, session) = queries::session_ids(path)?;
    chain(&seen, &tenant, &ChainOf::Session(session), query, "no such session").await
}

/// `GET /v1/tenants/{tenant}/suggestions/{suggestion}/blocks`: what its copy holds of its source's chain, by pages.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/suggestions/{suggestion}/blocks", operation_id = "getSuggestionBlocks", tag = "suggestions",
    summary = "Block hashes that an open suggestion draws on, by pages",
    params(openapi::OfSuggestion, openapi::BlocksParameters, openapi::Fresh),
    responses((status = 200, description = "A page", body = openapi::BlocksAnswer)))]
pub(super) async fn blocks(
    seen: Seen,
    path: Result<Path<(String, String)>, PathRejection>,
    query: Parameters,
) -> Result<Placed, Problem> {
    let (tenant, id) = queries::ids(path, "suggestion_id", SuggestionId::new)?;
    chain(&seen, &tenant, &ChainOf::Suggestion(id), query, UNKNOWN).await
}

const UNKNOWN: &str = "no suggestion of this id is open, or known to have ended lately";

/// A suggestion as it was published last.
fn published(told: &Told) -> Value {
    let publication = told.end.as_ref().and_then(|end| end.publication.as_ref());
    encode::suggestion_json(&told.suggestion, publication.unwrap_or(&Publication::Open))
}

/// The same with what became of it. Of one that ran out nothing was published.
fn told_json(told: &Told) -> Value {
    let mut json = published(told);
    if told.end.as_ref().is_some_and(|end| end.publication.is_none()) {
        json["status"] = "closed".into();
    }
    json["outcome"] = json!(told.outcome().map(|outcome| outcome.label()));
    json["ended_at"] = json!(told.end.as_ref().map(|end| end.at.0));
    json
}

async fn chain(
    seen: &Seen,
    tenant: &TenantId,
    of: &ChainOf,
    query: Parameters,
    unknown: &'static str,
) -> Result<Placed, Problem> {
    let mut fields = queries::parameters(query)?.only(&BLOCKS)?;
    let at_least = fields.at_least()?;
    let limit = fields.count("limit", PAGE.0, PAGE.1)?;
    let from = fields.checked("cursor", |text| decode(text).ok_or("is not what an earlier page gave"))?;
    seen.until(tenant, at_least).await?;
    let answer = seen.blocks(tenant, of).map_err(not_found(unknown))?;
    let json = page(answer.value.as_ref(), from, limit)?;
    Ok(with_place(json, &answer))
}

/// Hashes told so far, and the last of them, which stands for all that is before it.
type Place = (usize, u64);

fn page(blocks: Option<&Blocks>, after: Option<Place>, limit: usize) -> Result<Value, Problem> {
    let moved = || Problem::new(StatusCode::CONFLICT, "the chain has changed since the page before: begin anew");
    let Some(Blocks { session, cache, family, hashes }) = blocks else {
        let empty = json!({"session_id": null, "cache": null, "prefix": null, "total": 0, "next_cursor": null});
        return if after.is_none() { Ok(empty) } else { Err(moved()) };
    };
    let from = match after {
        Some((told, last)) if told.checked_sub(1).and_then(|n| hashes.get(n)) == Some(&last) => told,
        Some(_) => return Err(moved()),
        None => 0,
    };
    let to = hashes.len().min(from + limit);
    let next = (to < hashes.len()).then(|| encode_place((to, hashes[to - 1])));
    let prefix = json!({
        "algorithm": family.algorithm.as_str(),
        "block_tokens": family.block_tokens,
        "stride": family.stride,
        "from_block": from as u64 * u64::from(family.stride),
        "hashes": hashes[from..to].iter().map(|hash| format!("{hash:016x}")).collect::<Vec<_>>(),
    });
    let cache = cache.as_ref().map(encode::cache_json);
    Ok(
        json!({"session_id": session.as_str(), "cache": cache, "prefix": prefix, "total": hashes.len(), "next_cursor": next}),
    )
}

fn encode_place((told, last): Place) -> String {
    let bytes: Vec<u8> = (told as u64).to_be_bytes().into_iter().chain(last.to_be_bytes()).collect();
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(text: &str) -> Option<Place> {
    let bytes: [u8; 16] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
    let (told, last) = bytes.split_first_chunk::<8>()?;
    let told = usize::try_from(u64::from_be_bytes(*told)).ok()?;
    Some((told, u64::from_be_bytes(last.try_into().ok()?)))
}
