//! Keys of the output records, and what a bookkeeping key says. Names may hold `/`, so they come last.

use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::xxh3_64;

use crate::model::calibration::Rate;
use crate::model::event::ErasureScope;
use crate::model::ids::{Name, SessionId, SuggestionId, TenantId};
use crate::model::position::Offset;
use crate::model::prefix::PrefixFamily;

/// Key of a session's state, vector and suggestions: `tenant/session`.
pub fn session(tenant: &TenantId, session: &SessionId) -> Vec<u8> {
    let mut key = Vec::new();
    write_session(&mut key, tenant, session);
    key
}

/// Appends [`session`].
pub fn write_session(bytes: &mut Vec<u8>, tenant: &TenantId, session: &SessionId) {
    for part in [tenant.as_str(), "/", session.as_str()] {
        bytes.extend_from_slice(part.as_bytes());
    }
}

/// Whether a key is that of a session.
pub fn is_session(key: &[u8], tenant: &TenantId, session: &SessionId) -> bool {
    let rest = key.strip_prefix(tenant.as_str().as_bytes()).and_then(|rest| rest.strip_prefix(b"/"));
    rest == Some(session.as_str().as_bytes())
}

/// Reads [`session`] back; `None` if it is no such key.
pub fn parse_session(key: &[u8]) -> Option<(TenantId, SessionId)> {
    let (tenant, session) = std::str::from_utf8(key).ok()?.split_once('/')?;
    Some((TenantId::new(tenant).ok()?, SessionId::new(session).ok()?))
}

/// Key of a bookkeeping row.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BookKey {
    /// `partition`
    Partition,
    /// `open/<tenant>/<session>/<suggestion_id>`
    Open(TenantId, SessionId, SuggestionId),
    /// `worker/<tenant>/<worker>`; `None`: as told for all tenants, `worker/*/<worker>`.
    Worker(Option<TenantId>, Name),
    /// `adapter/<id>`
    Adapter(Name),
    /// `erased/<hash>`
    Erased(String),
    /// `prefix/<tenant>/<session>/<digest of the family>/<from_block>`
    Prefix(TenantId, SessionId, u64, u64),
    /// `work/<input offset>/<chunk>`
    Work(Offset, u32),
    /// `calibration/<tenant>/<rate>/<namespace>`
    Calibration(TenantId, Rate, Name),
    /// `decision/<input offset>`
    Decision(Offset),
    /// `history/<input offset>`
    History(Offset),
    /// `rebuild`
    Rebuild,
    /// `rate/<tenant>`
    Rate(TenantId),
}

impl BookKey {
    /// The key of a prefix segment.
    pub fn prefix(tenant: &TenantId, session: &SessionId, family: &PrefixFamily, from_block: u64) -> BookKey {
        BookKey::Prefix(tenant.clone(), session.clone(), family_digest(family), from_block)
    }

    /// The key of an erasure's marker.
    pub fn erased(tenant: &TenantId, scope: &ErasureScope) -> BookKey {
        BookKey::Erased(erasure_hash(tenant, scope))
    }

    /// Whether a key's row tells how far and under which decisions the log was folded.
    pub fn is_of_annals(key: &[u8]) -> bool {
        matches!(key, b"partition" | b"rebuild") || key.starts_with(b"decision/")
    }

    /// The key's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            BookKey::Partition => "partition".to_owned(),
            BookKey::Open(tenant, session, suggestion) => format!("open/{tenant}/{session}/{suggestion}"),
            BookKey::Worker(Some(tenant), worker) => format!("worker/{tenant}/{worker}"),
            BookKey::Worker(None, worker) => format!("worker/*/{worker}"),
            BookKey::Adapter(id) => format!("adapter/{id}"),
            BookKey::Erased(hash) => format!("erased/{hash}"),
            BookKey::Prefix(tenant, session, family, from_block) => {
                format!("prefix/{tenant}/{session}/{family:016x}/{from_block}")
            }
            BookKey::Work(offset, chunk) => format!("work/{:020}/{chunk:08}", offset.0),
            BookKey::Calibration(tenant, rate, namespace) => {
                format!("calibration/{tenant}/{}/{namespace}", rate.label())
            }
            BookKey::Decision(offset) => format!("decision/{:020}", offset.0),
            BookKey::History(offset) => format!("history/{:020}", offset.0),
            BookKey::Rebuild => "rebuild".to_owned(),
            BookKey::Rate(tenant) => format!("rate/{tenant}"),
        }
        .into_bytes()
    }

    /// Reads a key back; `None` if it is none of this version.
    pub fn parse(key: &[u8]) -> Option<BookKey> {
        let text = std::str::from_utf8(key).ok()?;
        match text {
            "partition" => return Some(BookKey::Partition),
            "rebuild" => return Some(BookKey::Rebuild),
            _ => {}
        }
        let (kind, rest) = text.split_once('/')?;
        match kind {
            "open" => {
                let mut parts = rest.splitn(3, '/');
                let (tenant, session) = (TenantId::new(parts.next()?), SessionId::new(parts.next()?));
                Some(BookKey::Open(tenant.ok()?, session.ok()?, SuggestionId::new(parts.next()?).ok()?))
            }
            "worker" => {
                let (tenant, worker) = rest.split_once('/')?;
                let tenant = if tenant == "*" { None } else { Some(TenantId::new(tenant).ok()?) };
                Some(BookKey::Worker(tenant, Name::new(worker).ok()?))
            }
            "adapter" => Some(BookKey::Adapter(Name::new(rest).ok()?)),
            "erased" => (rest.len() == ERASURE_HASH_DIGITS).then(|| BookKey::Erased(rest.to_owned())),
            "prefix" => {
                let mut parts = rest.splitn(4, '/');
                let (tenant, session) = (TenantId::new(parts.next()?), SessionId::new(parts.next()?));
                let family = u64::from_str_radix(parts.next()?, 16).ok()?;
                Some(BookKey::Prefix(tenant.ok()?, session.ok()?, family, parts.next()?.parse().ok()?))
            }
            "work" => {
                let (offset, chunk) = rest.split_once('/')?;
                Some(BookKey::Work(Offset(offset.parse().ok()?), chunk.parse().ok()?))
            }
            "calibration" => {
                let mut parts = rest.splitn(3, '/');
                let (tenant, rate) = (TenantId::new(parts.next()?), Rate::parse(parts.next()?)?);
                Some(BookKey::Calibration(tenant.ok()?, rate, Name::new(parts.next()?).ok()?))
            }
            "decision" => Some(BookKey::Decision(Offset(rest.parse().ok()?))),
            "rate" => Some(BookKey::Rate(TenantId::new(rest).ok()?)),
            "history" => Some(BookKey::History(Offset(rest.parse().ok()?))),
            _ => None,
        }
    }
}

/// Hexadecimal digits of an erasure's hash.
const ERASURE_HASH_DIGITS: usize = 32;

/// What a marker keeps of the erased ids: the first 32 hexadecimal digits of SHA-256 over the scope and the
/// ids, each preceded by its length.
pub fn erasure_hash(tenant: &TenantId, scope: &ErasureScope) -> String {
    let mut hash = Sha256::new();
    for part in [scope.label(), tenant.as_str(), scope.id().unwrap_or_default()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut digits = hex::encode(hash.finalize());
    digits.truncate(ERASURE_HASH_DIGITS);
    digits
}

/// 64-bit digest of a prefix family, for keys.
pub fn family_digest(family: &PrefixFamily) -> u64 {
    let mut bytes = Vec::with_capacity(family.algorithm.as_str().len() + 8);
    bytes.extend_from_slice(&family.block_tokens.to_be_bytes());
    bytes.extend_from_slice(&family.stride.to_be_bytes());
    bytes.extend_from_slice(family.algorithm.as_str().as_bytes());
    xxh3_64(&bytes)
}
