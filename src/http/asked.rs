//! Checked queries for lists: a part of a history, a search, who holds a prefix. Errors name the field and its limit.

use super::cursor;
use super::fields::Fields;
use super::problem::Problem;
use super::request::resume_requested;
use crate::engine::decode::wire::VectorBytes;
use crate::engine::index::MAX_K;
use crate::engine::{EngineSettings, HistoryQuery, PrefixQuery, SearchFilter, SearchQuery, Sought};
use crate::model::event::TransferScope;
use crate::model::ids::{Name, SessionId, TenantId, UserId};
use crate::model::vector::{BadVector, UnitVector};
use serde::Deserialize;
use serde_json::Value;

/// Sessions of a page: most, and where nothing is said.
pub(super) const PAGE: (usize, usize) = (500, 50);
/// Nearest sessions where nothing is said; at most [`MAX_K`].
pub(super) const NEAREST: usize = 10;
/// Sessions that hold a prefix: most, and where nothing is said.
pub(super) const HOLDERS: (usize, usize) = (100, 10);

/// Parameters, fields and filters that are known.
const PARAMETERS: [&str; 7] = ["limit", "status", "active_since", "active_before", "cursor", "at_least", "wait_ms"];
const SEARCH: [&str; 8] = ["vector", "session_id", "space", "k", "filters", "except_session_id", "at_least", "wait_ms"];
const FILTERS: [&str; 5] = ["user_id", "status", "adapter", "active_since", "scope"];
const PREFIX_MATCH: [&str; 7] = ["cache", "prefix", "user_id", "except_session_id", "limit", "at_least", "wait_ms"];

/// Reads the query string of a history.
pub(super) fn history_query(tenant: TenantId, user: UserId, fields: Fields) -> Result<HistoryQuery, Problem> {
    let mut fields = fields.only(&PARAMETERS)?;
    let mut query = HistoryQuery {
        tenant,
        user,
        statuses: fields.statuses("status")?,
        active_since: fields.instant("active_since")?,
        active_before: fields.instant("active_before")?,
        after: None,
        limit: fields.count("limit", PAGE.0, PAGE.1)?,
    };
    query.after = fields
        .checked("cursor", |text| {
            cursor::decode(&query, text).map(Some).ok_or("is not what an earlier page of the same query gave")
        })?
        .flatten();
    Ok(query)
}

/// Reads the body of a search.
pub(super) fn search_query(engine: &EngineSettings, tenant: TenantId, fields: Fields) -> Result<SearchQuery, Problem> {
    let mut fields = fields.only(&SEARCH)?;
    let space = fields.checked("space", |text| match Name::new(text) {
        Ok(name) if engine.spaces.contains_key(&name) => Ok(name),
        _ => Err("is not a declared space"),
    })?;
    let session = fields.checked("session_id", SessionId::new)?;
    let sought = match (fields.take("vector"), session) {
        (Some(_), Some(_)) => return Err(fields.fault("vector", "either vector or session_id, not both")),
        (None, None) => return Err(fields.fault("vector", "a search needs vector or session_id")),
        (None, Some(session)) => Sought::Session(session, space),
        (Some(vector), None) => {
            let space = space.or_else(|| only_space(engine)).ok_or_else(|| {
                fields.fault("space", "is required with a vector where not exactly one space is declared")
            })?;
            let dim = engine.spaces.get(&space).copied().unwrap_or_default();
            let vector = unit_vector(vector, dim).map_err(|fault| fields.fault("vector", fault))?;
            Sought::Vector(space, vector)
        }
    };
    let k = fields.count("k", MAX_K, NEAREST)?;
    let except = fields.checked("except_session_id", SessionId::new)?;
    if except.is_some() && matches!(sought, Sought::Session(..)) {
        return Err(fields.fault("except_session_id", "is for a vector: a session itself is never among its hits"));
    }
    let mut filters = fields.object("filters", &FILTERS)?;
    let filter = SearchFilter {
        user: filters.checked("user_id", UserId::new)?,
        statuses: filters.statuses("status")?,
        adapter: filters.checked("adapter", Name::new)?,
        active_since: filters.instant("active_since")?,
        scope: filters.word("scope", TransferScope::ALL, TransferScope::label)?,
        except,
    };
    Ok(SearchQuery { tenant, sought, k, filter })
}

/// The space that is meant where none is named.
fn only_space(engine: &EngineSettings) -> Option<Name> {
    let mut spaces = engine.spaces.keys();
    spaces.next().filter(|_| spaces.next().is_none()).cloned()
}

fn unit_vector(value: Value, dim: usize) -> Result<UnitVector, String> {
    let shape = "must be numbers, or base64 of f32, little-endian";
    let VectorBytes(bytes) = VectorBytes::deserialize(value).map_err(|_| shape)?;
    let (components, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(shape.to_owned());
    }
    if components.len() != dim {
        return Err(BadVector::Dimension { got: components.len(), want: dim }.to_string());
    }
    UnitVector::of_le_bytes(components).map_err(|fault| fault.to_string())
}

/// Reads the body of a question for a prefix. Cache identity and prefix are read as those of an event.
pub(super) fn prefix_query(engine: &EngineSettings, tenant: TenantId, fields: Fields) -> Result<PrefixQuery, Problem> {
    let mut fields = fields.only(&PREFIX_MATCH)?;
    let user = fields.checked("user_id", UserId::new)?;
    let except = fields.checked("except_session_id", SessionId::new)?;
    let limit = fields.count("limit", HOLDERS.0, HOLDERS.1)?;
    let request = resume_requested(engine, &tenant, fields.rest())?;
    let cache = request.cache.ok_or_else(|| Problem::field("cache", "is required"))?;
    let prefix = request.prefix.ok_or_else(|| Problem::field("prefix", "is required"))?;
    if prefix.from_block != 0 {
        return Err(Problem::field("prefix.from_block", "must be 0"));
    }
    if prefix.hashes.is_empty() {
        return Err(Problem::field("prefix.hashes", "must hold at least one hash"));
    }
    let hashes = prefix.hashes.to_vec();
    Ok(PrefixQuery { tenant, cache, family: prefix.family, hashes, user, except, limit })
}
