//! Record keys. Ids hold no `/`, names may: they come last.

use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::Xxh3;

use crate::model::event::ErasureScope;
use crate::model::ids::{Name, SessionId, SuggestionId, TenantId};
use crate::model::position::Offset;
use crate::model::prefix::PrefixFamily;

/// Key of the checkpoint.
pub const PARTITION: &[u8] = b"partition";

/// What a bookkeeping key names.
#[derive(Debug, Clone, PartialEq)]
pub enum RowKey {
    /// `open/<tenant>/<session>/<suggestion>`
    Open(TenantId, SessionId, SuggestionId),
    /// `worker/<tenant or *>/<worker>`
    Worker(Option<TenantId>, Name),
    /// `adapter/<id>`
    Adapter(Name),
    /// `erased/<hash>`
    Erased,
    /// `prefix/<tenant>/<session>/<family>/<first block>`
    Prefix(TenantId, SessionId),
    /// `work/<input offset>/<chunk>`
    Work(Offset, u32),
}

/// `<tenant>/<session>`: states, vectors, suggestions.
pub fn session(tenant: &TenantId, session: &SessionId) -> Vec<u8> {
    [tenant.as_str(), "/", session.as_str()].concat().into_bytes()
}

/// Reads a session key; `None` if it is none.
pub fn parse_session(key: &[u8]) -> Option<(TenantId, SessionId)> {
    let (tenant, session) = std::str::from_utf8(key).ok()?.split_once('/')?;
    Some((TenantId::new(tenant).ok()?, SessionId::new(session).ok()?))
}

/// Key of an open suggestion.
pub fn open(tenant: &TenantId, session: &SessionId, suggestion: &SuggestionId) -> Vec<u8> {
    format!("open/{tenant}/{session}/{suggestion}").into_bytes()
}

/// Key of a worker's row, as all (`None`) or one tenant told.
pub fn worker(tenant: Option<&TenantId>, worker: &Name) -> Vec<u8> {
    format!("worker/{}/{worker}", tenant.map_or("*", TenantId::as_str)).into_bytes()
}

/// Key of an adapter's row.
pub fn adapter(adapter: &Name) -> Vec<u8> {
    format!("adapter/{adapter}").into_bytes()
}

/// Key of an erasure marker: the first 128 bits of SHA-256 over scope, tenant and id, each preceded by its
/// length, so that the key itself holds nothing of the subject.
pub fn erased(tenant: &TenantId, scope: &ErasureScope) -> Vec<u8> {
    let (scope, id) = match scope {
        ErasureScope::Session(id) => ("session", id.as_str()),
        ErasureScope::User(id) => ("user", id.as_str()),
        ErasureScope::Tenant => ("tenant", ""),
    };
    let mut hasher = Sha256::new();
    for part in [scope, tenant.as_str(), id] {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    format!("erased/{}", hex::encode(&hasher.finalize()[..16])).into_bytes()
}

/// Key of a prefix segment. The family enters by a hash, since its algorithm's name may hold anything.
pub fn prefix(tenant: &TenantId, session: &SessionId, family: &PrefixFamily, from_block: u64) -> Vec<u8> {
    let mut hasher = Xxh3::new();
    hasher.update(&family.block_tokens.to_be_bytes());
    hasher.update(&family.stride.to_be_bytes());
    hasher.update(family.algorithm.as_str().as_bytes());
    format!("prefix/{tenant}/{session}/{:016x}/{from_block}", hasher.digest()).into_bytes()
}

/// Key of a chunk of a work list.
pub fn work(offset: Offset, chunk: u32) -> Vec<u8> {
    format!("work/{:020}/{chunk:08}", offset.0).into_bytes()
}

/// Reads a bookkeeping key other than [`PARTITION`]; `None` if it is none.
pub fn parse_row(key: &[u8]) -> Option<RowKey> {
    let (kind, rest) = std::str::from_utf8(key).ok()?.split_once('/')?;
    match kind {
        "open" => {
            let mut parts = rest.splitn(3, '/');
            let (tenant, session, id) = (parts.next()?, parts.next()?, parts.next()?);
            let (tenant, session) = (TenantId::new(tenant).ok()?, SessionId::new(session).ok()?);
            Some(RowKey::Open(tenant, session, SuggestionId::new(id).ok()?))
        }
        "worker" => {
            let (tenant, worker) = rest.split_once('/')?;
            let tenant = if tenant == "*" { None } else { Some(TenantId::new(tenant).ok()?) };
            Some(RowKey::Worker(tenant, Name::new(worker).ok()?))
        }
        "adapter" => Some(RowKey::Adapter(Name::new(rest).ok()?)),
        "erased" => Some(RowKey::Erased),
        "prefix" => {
            let mut parts = rest.splitn(3, '/');
            let (tenant, session) = (parts.next()?, parts.next()?);
            Some(RowKey::Prefix(TenantId::new(tenant).ok()?, SessionId::new(session).ok()?))
        }
        "work" => {
            let (offset, chunk) = rest.split_once('/')?;
            Some(RowKey::Work(Offset(offset.parse().ok()?), chunk.parse().ok()?))
        }
        _ => None,
    }
}
