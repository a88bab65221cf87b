//! What is written comes back equal, and the public forms are what the contract says.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::arbitrary as any;
use super::arbitrary_suggestion as any_suggestion;
use super::keys::{self, BookKey};
use super::*;
use crate::engine::effects::{Effects, OutValue, Topic};
use crate::engine::process::Engine;
use crate::engine::record::Record;
use crate::model::calibration::Rate;
use crate::model::event::ErasureScope;
use crate::model::ids::{Name, SessionId, SuggestionId, TenantId, UserId};
use crate::model::position::{Offset, PartitionId};
use crate::model::session::{Book, Facets, SessionView};
use crate::model::suggestion::{Advice, Delivery, Publication, RevokeReason, Suggestion};
use crate::model::vector::UnitVector;
use crate::model::verdict::{RejectReason, Rejection};

/// Same kind, and the same bits where floats are compared by value.
fn kind_of(suggestion: &Suggestion) -> SuggestionKind {
    match suggestion.advice {
        Advice::Recovery(_) => SuggestionKind::Recovery,
        Advice::Transfer(_) => SuggestionKind::Transfer,
    }
}

fn state(view: &SessionView, facets: &Facets, book: &Book) -> Vec<u8> {
    let mut bytes = Vec::new();
    super::state(&mut bytes, &view.lent(), facets, book);
    bytes
}

/// What the Avro crate makes of a body with the topic's schema, written again.
fn by_schema(topic: Topic, bytes: &[u8]) -> Vec<u8> {
    let schema = apache_avro::Schema::parse_str(schema_text(topic).unwrap()).unwrap();
    let mut rest = bytes;
    let reader = apache_avro::reader::datum::GenericDatumReader::builder(&schema).build().unwrap();
    let value = reader.read_value(&mut rest).unwrap();
    assert!(rest.is_empty());
    let writer = apache_avro::writer::datum::GenericDatumWriter::builder(&schema).build().unwrap();
    writer.write_value_to_vec(value).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn states_come_back_equal(view in any::view(), facets in any::facets(), book in any::book()) {
        let bytes = state(&view, &facets, &book);
        // Maps come out of the Avro crate in any order.
        let by_schema = by_schema(Topic::States, &bytes);
        prop_assert_eq!(by_schema.len(), bytes.len());
        prop_assert_eq!(decode_state(&by_schema).unwrap().facets, facets.clone());
        let restored = decode_state(&bytes).unwrap();
        prop_assert_eq!(&restored.tenant, &view.tenant);
        prop_assert_eq!(&restored.session, &view.session);
        prop_assert_eq!(restored.book.drift.to_bits(), book.drift.to_bits());
        prop_assert_eq!(&restored.book, &book);
        prop_assert_eq!(&restored.facets, &facets);
        // What a session is packed into is what its record ends with.
        let mut packed = Vec::new();
        fold(&mut packed, &facets, &book);
        prop_assert_eq!(split_state(&bytes).unwrap().2, &packed[..]);
        // What is restored writes the same bytes again.
        prop_assert_eq!(state(&view, &restored.facets, &restored.book), bytes);
    }

    #[test]
    fn suggestions_come_back_equal(s in any_suggestion::suggestion(), p in any_suggestion::publication()) {
        let bytes = suggestion(&s, &p).unwrap();
        let topic = match kind_of(&s) {
            SuggestionKind::Recovery => Topic::Recovery,
            SuggestionKind::Transfer => Topic::Transfer,
        };
        // Maps come out of the Avro crate in any order.
        prop_assert_eq!(by_schema(topic, &bytes).len(), bytes.len());
        let (s2, p2) = decode_suggestion(kind_of(&s), &bytes).unwrap();
        prop_assert_eq!(&s2, &s);
        prop_assert_eq!(&p2, &p);
        prop_assert_eq!(suggestion(&s2, &p2).unwrap(), bytes);
        let json = suggestion_json(&s, &p);
        prop_assert_eq!(&json["plan"], s.plan());
        prop_assert_eq!(json["suggestion_id"].is_null(), s.delivery == Delivery::Query);
        prop_assert_eq!(json.get("reason").is_some(), matches!(p, Publication::Revoked(_)));
        prop_assert_eq!(json.get("actual").is_some(), matches!(p, Publication::Closed(..)));
        prop_assert_eq!(&json["score"]["total"], &json!(s.score.total));
    }

    #[test]
    fn rows_come_back_equal(sent in any_suggestion::row()) {
        let bytes = row(&sent).unwrap();
        prop_assert_eq!(by_schema(Topic::Bookkeeping, &bytes), bytes.clone());
        prop_assert_eq!(decode_row(&bytes).unwrap(), sent);
    }

    #[test]
    fn vectors_come_back_equal(space in any::name(), turn: u32, components in prop::collection::vec(-1.0f32..1.0, 1..40)) {
        prop_assume!(components.iter().any(|c| *c != 0.0));
        let unit = UnitVector::normalised(&components).unwrap();
        let mut bytes = Vec::new();
        vector(&mut bytes, &space, turn, &unit);
        prop_assert_eq!(by_schema(Topic::Vectors, &bytes), bytes.clone());
        prop_assert_eq!(decode_vector(&bytes).unwrap(), (space, turn, unit));
    }

    #[test]
    fn damaged_bytes_never_panic(
        view in any::view(), facets in any::facets(), book in any::book(), at: prop::sample::Index, byte: u8,
    ) {
        let mut bytes = state(&view, &facets, &book);
        let index = at.index(bytes.len());
        bytes[index] = byte;
        let _ = decode_state(&bytes);
        let _ = decode_state(&bytes[..index]);
        let _ = decode_row(&bytes);
        let _ = decode_vector(&bytes);
        let _ = decode_suggestion(SuggestionKind::Recovery, &bytes);
    }

    /// The revocation of what was erased says nothing that is not an id of the subject, the plan or the trigger's kind.
    #[test]
    fn what_was_erased_is_not_repeated(s in any_suggestion::suggestion()) {
        let p = Publication::Revoked(RevokeReason::Erased);
        let json = suggestion_json(&s, &p);
        for (name, value) in json.as_object().unwrap() {
            let kept = ["kind", "status", "reason", "delivery", "suggestion_id", "tenant_id", "session_id", "consumer",
                "trigger", "plan", "as_of", "policy"];
            let empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
            prop_assert!(empty || kept.contains(&name.as_str()), "{} is repeated", name);
        }
        prop_assert_eq!(&json["trigger"], &json!({"kind": s.trigger.kind.label(), "event_id": null, "occurred_at": null}));
        // The Avro body holds no more: two suggestions that agree in what is kept are the same bytes.
        let mut other = s.clone();
        other.user = Some(UserId::new("someone-else").unwrap());
        other.valid_until = None;
        other.supersedes = None;
        other.score.total = 0.5;
        match &mut other.advice {
            Advice::Recovery(advice) => advice.source.session = SessionId::new("another").unwrap(),
            Advice::Transfer(advice) => advice.source = SessionId::new("another").unwrap(),
        }
        prop_assert_eq!(suggestion(&s, &p).unwrap(), suggestion(&other, &p).unwrap());
        prop_assert!(decode_suggestion(kind_of(&s), &suggestion(&s, &p).unwrap()).is_err());
    }
}

#[test]
fn keys_say_what_they_are_of() {
    let tenant = || TenantId::new("acme").unwrap();
    let session = || SessionId::new("s<9").unwrap();
    let family =
        crate::model::prefix::PrefixFamily { algorithm: Name::new("a/b").unwrap(), block_tokens: 16, stride: 2 };
    let warm = BookKey::Calibration(tenant(), Rate::RestoreWarm, Name::new("m/fp8").unwrap());
    let cases = [
        (BookKey::Partition, "partition".to_owned()),
        (BookKey::Open(tenant(), session(), SuggestionId::new("ff").unwrap()), "open/acme/s<9/ff".to_owned()),
        (BookKey::Worker(None, Name::new("w/1").unwrap()), "worker/*/w/1".to_owned()),
        (BookKey::Worker(Some(tenant()), Name::new("w/1").unwrap()), "worker/acme/w/1".to_owned()),
        (BookKey::Adapter(Name::new("org/lora").unwrap()), "adapter/org/lora".to_owned()),
        (
            BookKey::prefix(&tenant(), &session(), &family, 32),
            format!("prefix/acme/s<9/{:016x}/32", keys::family_digest(&family)),
        ),
        (BookKey::Work(Offset(7), 3), "work/00000000000000000007/00000003".to_owned()),
        (warm, "calibration/acme/restore_warm/m/fp8".to_owned()),
        (BookKey::Decision(Offset(7)), "decision/00000000000000000007".to_owned()),
        (BookKey::History(Offset(7)), "history/00000000000000000007".to_owned()),
        (BookKey::Rebuild, "rebuild".to_owned()),
        (BookKey::Rate(tenant()), "rate/acme".to_owned()),
        (
            BookKey::erased(&tenant(), &ErasureScope::Session(session())),
            format!("erased/{}", keys::erasure_hash(&tenant(), &ErasureScope::Session(session()))),
        ),
    ];
    for (key, text) in cases {
        assert_eq!(String::from_utf8(key.to_bytes()).unwrap(), text);
        assert_eq!(BookKey::parse(text.as_bytes()), Some(key));
    }
    for text in " open/a/b worker/x erased/12 prefix/a/b/zz/1 work/1 calibration/a/b/c rate/ é".split(' ') {
        assert_eq!(BookKey::parse(text.as_bytes()), None, "{text}");
    }
    assert_eq!(keys::session(&tenant(), &session()), b"acme/s<9");
    assert_eq!(keys::parse_session(b"acme/s<9"), Some((tenant(), session())));
    assert_eq!(keys::parse_session(b"acme"), None);
}

#[test]
fn erasure_hashes_tell_subjects_apart() {
    let tenant = |t: &str| TenantId::new(t).unwrap();
    let hash = keys::erasure_hash;
    let session = ErasureScope::Session(SessionId::new("x").unwrap());
    let user = ErasureScope::User(UserId::new("x").unwrap());
    let hashes = [
        hash(&tenant("a"), &session),
        hash(&tenant("a"), &user),
        hash(&tenant("a"), &ErasureScope::Tenant),
        hash(&tenant("ax"), &ErasureScope::Tenant),
    ];
    let distinct: std::collections::BTreeSet<_> = hashes.iter().collect();
    assert_eq!(distinct.len(), hashes.len());
    // What lies in compacted topics must be found again by every later version.
    assert_eq!(hashes[0].len(), 32);
}

#[test]
fn frames_come_off_again() {
    for topic in [Topic::States, Topic::Vectors, Topic::Bookkeeping, Topic::Recovery, Topic::Transfer] {
        let header = single_object_header(topic).unwrap();
        assert_eq!(header[..2], [0xC3, 0x01]);
        assert!(schema_text(topic).unwrap().contains("\"namespace\": \"rekindle\""));
        assert_eq!(strip_frame(&[&header[..], b"body"].concat()), Some(&b"body"[..]));
    }
    assert_eq!(strip_frame(b"\0\0\0\0\x07body"), Some(&b"body"[..]));
    assert_eq!(strip_frame(b"{}"), None);
    assert_eq!(single_object_header(Topic::DeadLetters), None);
}

#[test]
fn dead_letters_keep_the_bytes() {
    let position = crate::model::position::Position { offset: Offset(42), ..Default::default() };
    let (key, value) = (Some(&b"k"[..]), Some(&b"\xff"[..]));
    let record = Record { position, timestamp: None, key, value, traceparent: None, writer: None };
    let engine = Engine::new(Arc::default(), PartitionId(0), 1);
    let mut effects = Effects::new();
    engine.dead_letter(&record, &Rejection::new(RejectReason::Malformed, "no"), &mut effects);
    let letter = effects.stream().next().unwrap();
    assert_eq!((letter.topic, letter.key), (Topic::DeadLetters, key));
    assert_eq!(letter.value, OutValue::Raw(value));
    let headers: Vec<_> = letter.headers.iter().map(|(n, v)| (*n, std::str::from_utf8(v).unwrap())).collect();
    let expected = [
        ("__connect.errors.topic", "session-events"),
        ("__connect.errors.partition", "0"),
        ("__connect.errors.offset", "42"),
        ("__connect.errors.exception.class.name", "malformed"),
        ("__connect.errors.exception.message", "no"),
    ];
    assert_eq!(headers, expected);

    // What came from Kafka without a key: it used to leave with an empty one.
    effects.clear();
    let keyless = Record { key: Some(b""), ..record };
    engine.dead_letter(&keyless, &Rejection::new(RejectReason::Misrouted, "no"), &mut effects);
    assert_eq!(effects.stream().next().unwrap().key, None);
}

/// Of a session as most are: one copy, an adapter, three metadata keys, UUIDs for event ids.
#[test]
fn a_typical_state_is_small() {
    let (view, facets, book) = super::sample::session();
    let bytes = state(&view, &facets, &book);
    assert!(bytes.len() <= 2048, "{} bytes", bytes.len());
    assert_eq!(decode_state(&bytes).unwrap().facets, facets);
}

#[test]
fn state_json_is_the_contract_form() {
    let (view, ..) = super::sample::session();
    let json = state_json(&view, true);
    assert_eq!(json["kv_cache_ref"]["location"], json!({"disk": {"path": "kv/9", "offset": 0}}));
    assert_eq!(json["metadata"], json!({"plan": "pro", "tries": 3, "tags": ["a", "b"]}));
    assert_eq!(json["as_of"], json!({"partition": 1, "offset": 5120}));
    assert_eq!(json["taken_up_by"], json!(null));
    let bare = state_json(&view, false);
    let missing = |name: &str| bare.get(name).is_none();
    assert!(missing("as_of") && missing("open_suggestions") && missing("fold"));
    assert_eq!(bare.as_object().unwrap().len() + 2, json.as_object().unwrap().len());
}

/// Bytes of the first version lie in compacted topics and must always be read as they were meant.
#[test]
fn old_bytes_still_decode() {
    let bytes = |text: &str| hex::decode(text.split_whitespace().collect::<String>()).unwrap();
    let (_, facets, book) = super::sample::session();
    let old = bytes(include_str!("../../../tests/data/state.hex"));
    let restored = decode_state(&old).unwrap();
    assert_eq!((restored.facets, restored.book), (facets, book));
    let [recovery, transfer] = super::sample::suggestions();
    let old = bytes(include_str!("../../../tests/data/recovery.hex"));
    assert_eq!(decode_suggestion(SuggestionKind::Recovery, &old).unwrap(), (recovery, Publication::Open));
    let old = bytes(include_str!("../../../tests/data/transfer.hex"));
    assert_eq!(decode_suggestion(SuggestionKind::Transfer, &old).unwrap(), (transfer, Publication::Open));
    let old = bytes(include_str!("../../../tests/data/partition.hex"));
    assert_eq!(decode_row(&old).unwrap(), Row::Partition(super::sample::checkpoint()));
    let old = bytes(include_str!("../../../tests/data/decision.hex"));
    assert_eq!(decode_row(&old).unwrap(), Row::Decision(super::sample::decision()));
    let old = bytes(include_str!("../../../tests/data/history.hex"));
    assert_eq!(decode_row(&old).unwrap(), Row::History(super::sample::history()));
    let (space, turn, unit) = decode_vector(&bytes(include_str!("../../../tests/data/vector.hex"))).unwrap();
    assert_eq!((space.as_str(), turn), ("default", 4));
    assert_eq!(unit, UnitVector::normalised(&[3.0, -4.0]).unwrap());
}
