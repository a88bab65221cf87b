//! What is refused whatever its fields say, what costs only a part of an event, and what is filled in.

mod contract_support;

use contract_support::{AT, BODIES, decode_bytes, decode_with, event, event_json, judge, settings, started, turn};
use rekindle::engine::validate::validate;
use rekindle::engine::{EngineSettings, Record};
use rekindle::model::event::{ErasureScope, SessionBody, Subject, TransferScope};
use rekindle::model::ids::Name;
use rekindle::model::time::EventTime;
use rekindle::model::verdict::RejectReason;
use serde_json::{Value, json};

#[test]
fn refused_before_fields_are_looked_at() {
    use RejectReason::{Malformed, TooLarge, TrailingBytes, UnknownSchema};
    let whole = started(json!({})).to_string();
    let deep = |n: usize| format!("{{\"a\":{}1{}}}", "[".repeat(n), "]".repeat(n));
    let cases: Vec<(Vec<u8>, RejectReason)> = vec![
        (b"".to_vec(), Malformed),
        (b"[]".to_vec(), Malformed),
        (b"\"secret\"".to_vec(), Malformed),
        (b"{\"secret".to_vec(), Malformed),
        (b"{\"secret\":1,}".to_vec(), Malformed),
        (b"{\"a\":\"\xff\"}".to_vec(), Malformed),
        (b"{\"secret\":1,\"secret\":1}".to_vec(), Malformed),
        (b"{\"a\":{\"secret\":1,\"secret\":1}}".to_vec(), Malformed),
        (b"{\"a\":1e999}".to_vec(), Malformed),
        (deep(16).into_bytes(), Malformed),
        ("[".repeat(100_000).into_bytes(), Malformed),
        (format!("{{\"a\":{}", "[".repeat(900_000)).into_bytes(), Malformed),
        (format!("{whole}x").into_bytes(), TrailingBytes),
        (format!("{whole}{{}}").into_bytes(), TrailingBytes),
        (vec![b' '; 1024 * 1024 + 1], TooLarge),
        (vec![0, 0, 0, 0], Malformed),
        (vec![0, 0, 0, 0, 1], UnknownSchema),
        (vec![0xC3, 0x01, 1, 2, 3], Malformed),
        (vec![0xC3, 0x01, 1, 2, 3, 4, 5, 6, 7, 8, 9], UnknownSchema),
    ];
    for (bytes, reason) in cases {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned();
        let refusal = decode_bytes(&bytes).expect_err(&shown);
        assert_eq!(refusal.reason, reason, "{shown}: {refusal}");
        assert!(!refusal.message.contains("secret"), "{refusal}");
    }
    // One level less is deep enough.
    assert_eq!(decode_bytes(deep(15).as_bytes()).unwrap_err().reason, RejectReason::MissingField);
    let null = Record {
        position: Default::default(),
        timestamp: None,
        key: None,
        value: None,
        traceparent: None,
        writer: None,
    };
    assert_eq!(rekindle::engine::decode::decode(&null).unwrap_err().reason, Malformed);
    // A value of exactly 1 MiB is read.
    let padded = format!("{whole}{}", " ".repeat(1024 * 1024 - whole.len()));
    assert!(decode_with(padded.as_bytes(), None).is_ok());
}

#[test]
fn messages_never_quote_the_payload() {
    for patch in [
        json!({"event_id": "secret secret"}),
        json!({"occurred_at": "secret"}),
        json!({"type": "secret"}),
        json!({"transfer_scope": "secret"}),
        json!({"cache": "secret"}),
        json!({"idle_timeout_ms": "secret"}),
        json!({"metadata": {"secret": "s".repeat(300)}}),
        json!({"producer": {"id": "p", "epoch": "secret", "seq": 1}}),
    ] {
        let refusal = judge(&started(patch.clone())).expect_err(&patch.to_string());
        assert!(!refusal.message.contains("secret"), "{refusal}");
    }
}

#[test]
fn an_unusable_embedding_costs_the_context_alone() {
    // 4e38 fits no f32: it becomes infinite.
    let vectors = [
        json!([0, 0, 0]),
        json!([1, 2]),
        json!([1, 2, 3, 4]),
        json!([4e38, 0, 0]),
        json!("AACA"),
        json!("AADAfwAAwH8AAMB/"),
    ];
    for vector in vectors {
        let context = json!({"space": "default", "vector": vector, "covers_turn": 1});
        let sent = turn(json!({"context": context, "request_id": "r"}));
        let valid = judge(&sent).unwrap_or_else(|e| panic!("{vector}: {e}"));
        assert!(valid.context_fault.as_ref().is_some_and(|f| f.starts_with("context.vector")), "{vector}");
        let Subject::Session { body: SessionBody::Turn(body), .. } = valid.subject else { panic!("{vector}") };
        assert_eq!(body.context, None);
        assert_eq!(body.request_id, Some(Name::new("r").unwrap()));
        let strict = EngineSettings { reject_bad_context: true, ..settings() };
        let refusal = validate(decode_bytes(sent.to_string().as_bytes()).unwrap(), &strict, None).unwrap_err();
        assert_eq!(refusal.reason, RejectReason::BadContext);
    }
    let alone = event(
        json!({"type": "context_embedded", "space": "elsewhere", "vector": [1, 2, 3], "covers_turn": 1}),
        json!({}),
    );
    let refusal = judge(&alone).unwrap_err();
    assert_eq!(
        (refusal.reason, refusal.message.as_str()),
        (RejectReason::BadContext, "space: is not a declared space")
    );
}

#[test]
fn every_body_of_the_contract_is_valid() {
    let mut settings = settings();
    for body in BODIES {
        let wire = decode_bytes(event_json(body).as_bytes()).unwrap();
        validate(wire, &settings, Some(EventTime(AT))).unwrap_or_else(|e| panic!("{body}: {e}"));
    }
    settings.spaces.clear();
    let wire = decode_bytes(event_json(BODIES[4]).as_bytes()).unwrap();
    let context_fault = validate(wire, &settings, None).unwrap_err();
    assert_eq!(context_fault.reason, RejectReason::BadContext, "an event that is nothing but its embedding");
}

#[test]
fn defaults_are_filled_in() {
    let Subject::Session { body: SessionBody::Started(body), .. } = judge(&started(json!({}))).unwrap().subject else {
        panic!()
    };
    assert_eq!(body.transfer_scope, TransferScope::User);
    let Subject::Session { body: SessionBody::Turn(body), .. } = judge(&turn(json!({}))).unwrap().subject else {
        panic!()
    };
    assert_eq!(body.context_tokens, 15);
    let Subject::Erasure { scope, .. } =
        judge(&event(json!({"type": "subject_erased", "scope": "tenant"}), json!({}))).unwrap().subject
    else {
        panic!()
    };
    assert_eq!(scope, ErasureScope::Tenant);
}

#[test]
fn the_stamp_orders_by_time_seq_id_and_body() {
    let valid = |patch: Value| judge(&started(patch)).unwrap().stamp;
    let base = valid(json!({}));
    assert_eq!((base.at, base.seq, base.event_id.as_str()), (EventTime(AT), 5, "e-17"));
    assert_eq!(valid(json!({"producer": null})).seq, 0);
    assert_ne!(valid(json!({"context_ref": "x"})).digest, base.digest);
    // The envelope is no part of the body's digest.
    assert_eq!(valid(json!({"user_id": "u-2", "occurred_at": AT - 1})).digest, base.digest);
}
