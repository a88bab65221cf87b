//! What only the inside can show: an unreadable stored value is refused by name.

use super::row::{Entry, decode, encode_deleted, encode_stored};
use super::*;
use crate::model::ids::Name;
use crate::model::kv::{CacheIdentity, KvCopy, Location, Quantization, Tier};
use crate::model::time::EventTime;

fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

fn state() -> SessionState {
    let tenant = TenantId::new("acme").expect("an id");
    let mut state = SessionState::new(tenant, SessionId::new("s-1").expect("an id"), EventTime(7));
    state.kv_cache_ref = Some(KvCopy {
        tier: Tier::Cold,
        medium: None,
        location: Location::Evicted,
        cached_tokens: 3,
        kv_bytes: None,
        quantization: Quantization::HighPrecisionTail { tail_length: 1, precision: name("FP16") },
        created_at: EventTime(6),
        worker: None,
        worker_epoch: None,
        dp_rank: None,
        cache: CacheIdentity { namespace: name("llama"), adapter: None, salt_id: None },
    });
    state
}

fn replaced(bytes: &[u8], old: &str, new: &str) -> Vec<u8> {
    assert_eq!(old.len(), new.len(), "a length would change");
    let at = bytes.windows(old.len()).position(|w| w == old.as_bytes()).expect("the word is there");
    let mut bytes = bytes.to_vec();
    bytes[at..at + new.len()].copy_from_slice(new.as_bytes());
    bytes
}

/// Seed defect 13: an unreadable KV reference became the default.
#[test]
fn defect_13_an_unreadable_stored_value_is_an_error_that_names_the_field() {
    let bytes = encode_stored(&state()).expect("encodes");
    assert_eq!(decode(&bytes), Ok(Entry::Stored(Box::new(state()))));
    for (old, new, field) in [
        ("cold", "cool", "kv_cache_ref.tier"),
        ("acme", "ac/e", "tenant_id"),
        ("s-1", "s#1", "session_id"),
        ("active", "asleep", "status"),
        ("user", "usex", "transfer_scope"),
    ] {
        let fault = decode(&replaced(&bytes, old, new)).expect_err("unreadable");
        assert_eq!(fault.field, field);
    }
}

#[test]
fn a_record_cut_anywhere_or_longer_than_itself_is_an_error() {
    let mut bytes = encode_stored(&state()).expect("encodes");
    for cut in 0..bytes.len() {
        assert!(decode(&bytes[..cut]).is_err(), "cut at {cut}");
    }
    bytes.push(0);
    assert_eq!(decode(&bytes).expect_err("trailing").field, "record");
}

#[test]
fn a_deletion_is_read_back() {
    let (tenant, session) = (TenantId::new("t").expect("an id"), SessionId::new("s").expect("an id"));
    let bytes = encode_deleted(&tenant, &session).expect("encodes");
    assert_eq!(decode(&bytes), Ok(Entry::Deleted(tenant, session)));
}
