//! The id of an erasure: what is erased and where that was written, so that whichever process is asked can say how it
//! stands, after a restart too. Good for its tenant alone.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::model::event::ErasureScope;
use crate::model::ids::{SessionId, TenantId, UserId};
use crate::model::position::Offset;
use crate::model::time::EventTime;

/// Bytes of the digest that ties an id to its tenant.
const CHECK_BYTES: usize = 8;

/// An erasure that was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The subject.
    pub scope: ErasureScope,
    /// When it was asked for.
    pub occurred_at: EventTime,
    /// Where it lies in each partition, from 0 on.
    pub offsets: Vec<Offset>,
}

/// The same, short.
#[derive(Serialize, Deserialize)]
struct Wire {
    s: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    i: Option<String>,
    t: i64,
    o: Vec<i64>,
}

impl Written {
    /// Its id.
    pub fn id(&self, tenant: &TenantId) -> String {
        let wire = Wire {
            s: self.scope.label().to_owned(),
            i: self.scope.id().map(str::to_owned),
            t: self.occurred_at.0,
            o: self.offsets.iter().map(|offset| offset.0).collect(),
        };
        let json = serde_json::to_vec(&wire).unwrap_or_default();
        let mut bytes = check(tenant, &json).to_vec();
        bytes.extend_from_slice(&json);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads an id; `None` if it is none of this tenant.
    pub fn of_id(tenant: &TenantId, id: &str) -> Option<Written> {
        let bytes = URL_SAFE_NO_PAD.decode(id).ok()?;
        let (found, json) = bytes.split_first_chunk::<CHECK_BYTES>()?;
        if *found != check(tenant, json) {
            return None;
        }
        let Wire { s, i, t, o } = serde_json::from_slice(json).ok()?;
        Some(Written {
            scope: scope(&s, i.as_deref()).ok()??,
            occurred_at: EventTime(t),
            offsets: o.into_iter().map(Offset).collect(),
        })
    }
}

/// A scope by its word; `None`: there is no such word, or its id is missing or too many.
pub fn scope(word: &str, id: Option<&str>) -> Result<Option<ErasureScope>, crate::model::ids::InvalidId> {
    Ok(match (word, id) {
        ("session", Some(id)) => Some(ErasureScope::Session(SessionId::new(id)?)),
        ("user", Some(id)) => Some(ErasureScope::User(UserId::new(id)?)),
        ("tenant", None) => Some(ErasureScope::Tenant),
        _ => None,
    })
}

fn check(tenant: &TenantId, json: &[u8]) -> [u8; CHECK_BYTES] {
    let mut hash = Sha256::new();
    hash.update((tenant.as_str().len() as u64).to_be_bytes());
    hash.update(tenant.as_str());
    hash.update(json);
    std::array::from_fn({
        let digest = hash.finalize();
        move |n| digest[n]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back_for_its_tenant_alone() {
        let tenant = |text: &str| TenantId::new(text).expect("an id");
        for (word, subject) in [("session", Some("s-1")), ("user", Some("u-1")), ("tenant", None)] {
            let scope = scope(word, subject).expect("an id").expect("a scope");
            let written = Written { scope, occurred_at: EventTime(5), offsets: vec![Offset(7), Offset(0)] };
            let id = written.id(&tenant("acme"));
            assert_eq!(Written::of_id(&tenant("acme"), &id), Some(written));
            assert_eq!(Written::of_id(&tenant("other"), &id), None);
            for wrong in ["", "x", "%", &id[1..], &id[..id.len() - 2], &format!("{id}AAAA")] {
                assert_eq!(Written::of_id(&tenant("acme"), wrong), None, "{wrong}");
            }
        }
    }
}
