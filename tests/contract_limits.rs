//! Every limit of the contract, at the limit and beyond it, and every reason a record is refused for.

mod contract_support;

use contract_support::{BODIES, decode_bytes, decode_with, event_json};
use rekindle::engine::validate::{check_route, murmur2, validate};
use rekindle::engine::{EngineSettings, Record};
use rekindle::model::event::{ErasureScope, SessionBody, Subject, TransferScope, ValidEvent};
use rekindle::model::ids::Name;
use rekindle::model::position::PartitionId;
use rekindle::model::time::EventTime;
use rekindle::model::verdict::{RejectReason, Rejection};
use serde_json::{Value, json};

const AT: i64 = 1_762_340_000_000;

fn settings() -> EngineSettings {
    EngineSettings { spaces: [(Name::new("default").unwrap(), 3)].into(), ..EngineSettings::default() }
}

fn judge(event: &Value) -> Result<ValidEvent, Rejection> {
    validate(decode_bytes(event.to_string().as_bytes())?, &settings(), Some(EventTime(AT)))
}

/// A body with the envelope, and a patch over both.
fn event(body: Value, patch: Value) -> Value {
    let mut event: Value = serde_json::from_str(&event_json(&body.to_string())).unwrap();
    event.as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
    event
}

fn started(patch: Value) -> Value {
    event(json!({"type": "session_started"}), patch)
}

fn turn(patch: Value) -> Value {
    event(json!({"type": "turn_completed", "turn": 1, "input_tokens": 10, "output_tokens": 5}), patch)
}

fn placed(patch: Value) -> Value {
    let copy = json!({"type": "kv_cache_placed", "tier": "hot", "location": {"memory": {"offset": 0}}, "cached_tokens": 1,
        "quantization": {"quantized_store": {"precision": "Q4", "compression_ratio": 4.0}}, "created_at": AT,
        "cache": {"namespace": "n"}});
    event(copy, patch)
}

fn prefixed(prefix: Value) -> Value {
    let mut whole = json!({"algorithm": "a", "block_tokens": 16, "hashes": ["1", "2"]});
    whole.as_object_mut().unwrap().extend(prefix.as_object().unwrap().clone());
    event(json!({"type": "resume_requested"}), json!({"prefix": whole}))
}

fn hashes(count: usize) -> Value {
    json!(vec!["1"; count])
}

#[test]
fn accepted_up_to_the_limit() {
    let cases = [
        started(json!({"event_id": "e".repeat(256), "tenant_id": "<t>", "session_id": "!", "user_id": "~"})),
        started(json!({"idle_timeout_ms": 1000})),
        started(json!({"idle_timeout_ms": 2_592_000_000i64})),
        started(json!({"metadata": {"k".repeat(64): "v".repeat(254)}})),
        started(
            json!({"metadata": (0..32).map(|i| (format!("{i:064}"), json!("v".repeat(190)))).collect::<serde_json::Map<_, _>>()}),
        ),
        started(json!({"context_ref": "é".repeat(512)})),
        started(json!({"occurred_at": AT + 300_000})),
        started(json!({"occurred_at": 0})),
        started(json!({"producer": {"id": "p", "epoch": 0, "seq": 1}})),
        turn(json!({"turn": 4_294_967_295u32, "cached_tokens": 10, "ttft_ms": 0})),
        placed(json!({"location": {"disk": {"path": "a/..b/c..", "offset": 0}}, "created_at": AT + 300_000})),
        prefixed(json!({"hashes": hashes(16_384)})),
        prefixed(json!({"stride": 4, "from_block": 65_528, "hashes": hashes(2)})),
        prefixed(json!({"hashes": []})),
        event(json!({"type": "kv_cache_evicted", "reason": "other"}), json!({})),
    ];
    for case in cases {
        judge(&case).unwrap_or_else(|e| panic!("{case}: {e}"));
    }
}

#[test]
fn refused_beyond_the_limit() {
    use RejectReason::{InvalidField, MissingField, PrefixTooLong, TooEarly, UnknownType};
    let cases: Vec<(Value, RejectReason, &str)> = vec![
        (started(json!({"event_id": ""})), InvalidField, "event_id"),
        (started(json!({"event_id": "e".repeat(257)})), InvalidField, "event_id"),
        (started(json!({"tenant_id": "a/b"})), InvalidField, "tenant_id"),
        (started(json!({"tenant_id": "a#b"})), InvalidField, "tenant_id"),
        (started(json!({"tenant_id": ".."})), InvalidField, "tenant_id"),
        (started(json!({"tenant_id": "*"})), InvalidField, "tenant_id"),
        (started(json!({"session_id": "a b"})), InvalidField, "session_id"),
        (started(json!({"session_id": "é"})), InvalidField, "session_id"),
        (started(json!({"session_id": null})), MissingField, "session_id"),
        (started(json!({"user_id": "*"})), InvalidField, "user_id"),
        (started(json!({"type": "session_begun"})), UnknownType, "type"),
        (started(json!({"type": 1})), InvalidField, "type"),
        (started(json!({"occurred_at": null})), MissingField, "occurred_at"),
        (started(json!({"occurred_at": -1})), InvalidField, "occurred_at"),
        (started(json!({"occurred_at": 4.0})), InvalidField, "occurred_at"),
        (started(json!({"occurred_at": "yesterday"})), InvalidField, "occurred_at"),
        (started(json!({"occurred_at": u64::MAX})), InvalidField, "occurred_at"),
        (started(json!({"occurred_at": AT + 300_001})), TooEarly, "occurred_at"),
        (started(json!({"producer": {"id": "p", "epoch": 1}})), MissingField, "producer.seq"),
        (started(json!({"producer": {"id": "p", "epoch": 1, "seq": 0}})), InvalidField, "producer.seq"),
        (started(json!({"producer": {"id": "p", "epoch": -1, "seq": 1}})), InvalidField, "producer.epoch"),
        (started(json!({"producer": {"id": "", "epoch": 1, "seq": 1}})), InvalidField, "producer.id"),
        (started(json!({"idle_timeout_ms": 999})), InvalidField, "idle_timeout_ms"),
        (started(json!({"idle_timeout_ms": 2_592_000_001i64})), InvalidField, "idle_timeout_ms"),
        (started(json!({"transfer_scope": "all"})), InvalidField, "transfer_scope"),
        (started(json!({"context_ref": "é".repeat(513)})), InvalidField, "context_ref"),
        (started(json!({"parent_session_id": "a/b"})), InvalidField, "parent_session_id"),
        (started(json!({"cache": {"namespace": ""}})), InvalidField, "cache.namespace"),
        (started(json!({"cache": {}})), MissingField, "cache.namespace"),
        (started(json!({"cache": {"namespace": "n", "adapter": {"id": 1}}})), InvalidField, "cache.adapter.id"),
        (started(json!({"metadata": {"k".repeat(65): 1}})), InvalidField, "metadata"),
        (started(json!({"metadata": {"": 1}})), InvalidField, "metadata"),
        (started(json!({"metadata": {"k": "v".repeat(255)}})), InvalidField, "metadata"),
        (
            started(json!({"metadata": (0..33).map(|i| (i.to_string(), json!(1))).collect::<serde_json::Map<_, _>>()})),
            InvalidField,
            "metadata",
        ),
        (
            started(
                json!({"metadata": (0..32).map(|i| (format!("{i:064}"), json!("v".repeat(191)))).collect::<serde_json::Map<_, _>>()}),
            ),
            InvalidField,
            "metadata",
        ),
        (started(json!({"metadata": []})), InvalidField, "metadata"),
        (turn(json!({"turn": null})), MissingField, "turn"),
        (turn(json!({"turn": 4_294_967_296i64})), InvalidField, "turn"),
        (turn(json!({"input_tokens": -1})), InvalidField, "input_tokens"),
        (turn(json!({"output_tokens": "5"})), InvalidField, "output_tokens"),
        (turn(json!({"cached_tokens": 11})), InvalidField, "cached_tokens"),
        (turn(json!({"ttft_ms": -0.5})), InvalidField, "ttft_ms"),
        (turn(json!({"dp_rank": -1})), InvalidField, "dp_rank"),
        (turn(json!({"worker": ""})), InvalidField, "worker"),
        (turn(json!({"kv_cache": {"tier": "hot"}})), MissingField, "kv_cache.location"),
        (
            turn(json!({"context": {"space": "default", "vector": [1, "2"], "covers_turn": 1}})),
            InvalidField,
            "context.vector[1]",
        ),
        (
            turn(json!({"context": {"space": "default", "vector": "!", "covers_turn": 1}})),
            InvalidField,
            "context.vector",
        ),
        (
            turn(json!({"context": {"space": "default", "vector": [1, 2, 3], "covers_turn": -1}})),
            InvalidField,
            "context.covers_turn",
        ),
        (placed(json!({"tier": "lukewarm"})), InvalidField, "tier"),
        (placed(json!({"cached_tokens": -1})), InvalidField, "cached_tokens"),
        (placed(json!({"created_at": AT + 300_001})), TooEarly, "created_at"),
        (placed(json!({"location": {"disk": {"path": "/etc", "offset": 0}}})), InvalidField, "location.disk.path"),
        (placed(json!({"location": {"disk": {"path": "a/../b", "offset": 0}}})), InvalidField, "location.disk.path"),
        (placed(json!({"location": {"disk": {"path": "..\\b", "offset": 0}}})), InvalidField, "location.disk.path"),
        (placed(json!({"location": {"disk": {"path": "c:b", "offset": 0}}})), InvalidField, "location.disk.path"),
        (placed(json!({"location": {"memory": {"offset": -1}}})), InvalidField, "location.memory.offset"),
        (placed(json!({"location": {"memory": {"offset": 0}, "evicted": {}}})), InvalidField, "location"),
        (placed(json!({"location": {}})), InvalidField, "location"),
        (placed(json!({"location": {"tape": {}}})), InvalidField, "location"),
        (placed(json!({"location": "memory"})), InvalidField, "location"),
        (placed(json!({"quantization": {"none": {}}})), InvalidField, "quantization"),
        (
            placed(json!({"quantization": {"quantized_store": {"precision": "Q4", "compression_ratio": 0}}})),
            InvalidField,
            "quantization.quantized_store.compression_ratio",
        ),
        (prefixed(json!({"block_tokens": 0})), InvalidField, "prefix.block_tokens"),
        (prefixed(json!({"stride": 0})), InvalidField, "prefix.stride"),
        (prefixed(json!({"stride": 2, "from_block": 3})), InvalidField, "prefix.from_block"),
        (prefixed(json!({"hashes": "AAAA"})), InvalidField, "prefix.hashes"),
        (prefixed(json!({"hashes": ["00000000000000001"]})), InvalidField, "prefix.hashes"),
        (prefixed(json!({"hashes": ["+1"]})), InvalidField, "prefix.hashes"),
        (prefixed(json!({"hashes": hashes(16_385)})), PrefixTooLong, "prefix"),
        (prefixed(json!({"from_block": 16_383})), PrefixTooLong, "prefix"),
        (prefixed(json!({"from_block": i64::MAX})), PrefixTooLong, "prefix"),
        (event(json!({"type": "session_paused", "reason": "coffee"}), json!({})), InvalidField, "reason"),
        (event(json!({"type": "session_interrupted"}), json!({})), MissingField, "reason"),
        (event(json!({"type": "session_ended", "reason": "done"}), json!({})), InvalidField, "reason"),
        (event(json!({"type": "session_resumed", "outcome": "expired"}), json!({})), InvalidField, "outcome"),
        (event(json!({"type": "session_snapshot", "status": "expired"}), json!({})), InvalidField, "status"),
        (event(json!({"type": "session_snapshot", "clear": ["context"]}), json!({})), InvalidField, "clear"),
        (event(json!({"type": "session_snapshot", "last_active": AT + 300_001}), json!({})), TooEarly, "last_active"),
        (event(json!({"type": "subject_erased", "scope": "world"}), json!({})), InvalidField, "scope"),
        (
            event(json!({"type": "subject_erased", "scope": "session"}), json!({"session_id": null})),
            MissingField,
            "session_id",
        ),
        (event(json!({"type": "subject_erased", "scope": "user"}), json!({"user_id": null})), MissingField, "user_id"),
        (event(json!({"type": "tick"}), json!({})), InvalidField, "tenant_id"),
        (event(json!({"type": "worker_lost", "worker": "w"}), json!({})), InvalidField, "tenant_id"),
        (
            event(json!({"type": "subject_erased", "scope": "tenant"}), json!({"tenant_id": "*"})),
            InvalidField,
            "tenant_id",
        ),
    ];
    for (case, reason, field) in cases {
        let refusal = judge(&case).expect_err(&format!("{case}"));
        assert_eq!(refusal.reason, reason, "{case}: {refusal}");
        assert!(refusal.message.starts_with(field), "{case}: {refusal}");
        assert!(refusal.message.len() <= 200, "{refusal}");
    }
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
    let valid = validate(wire, &settings, None).unwrap();
    assert!(valid.context_fault.is_some_and(|fault| fault.contains("space")));
}

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
    let Subject::Session { body, .. } = judge(&alone).unwrap().subject else { panic!() };
    assert_eq!(body, SessionBody::ContextEmbedded(None));
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

#[test]
fn murmur2_is_kafkas() {
    // From the tests of Kafka's own Java client.
    let cases: [(&str, i32); 6] = [
        ("21", -973_932_308),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ("abc", 479_470_107),
    ];
    for (key, hash) in cases {
        assert_eq!(murmur2(key.as_bytes()) as i32, hash, "{key}");
    }
}

#[test]
fn keys_lead_to_their_tenants_partition() {
    let session = judge(&started(json!({}))).unwrap();
    let tick = judge(&event(json!({"type": "tick"}), json!({"tenant_id": "*"}))).unwrap();
    let home = |key: &str| PartitionId(((murmur2(key.as_bytes()) & 0x7fff_ffff) % 8) as i32);
    let away = |key: &str| PartitionId((home(key).0 + 1) % 8);
    // key, event, partition, whether the partition is checked, accepted
    let cases = [
        (Some("acme"), &session, home("acme"), true, true),
        (Some("acme"), &session, away("acme"), true, false),
        (Some("acme"), &session, away("acme"), false, true),
        (Some("acme#12"), &session, home("acme#12"), true, true),
        (Some("acme#"), &session, home("acme#"), true, false),
        (Some("acme#x"), &session, home("acme#x"), true, false),
        (Some("acmes"), &session, home("acmes"), false, false),
        (Some("other"), &session, home("other"), false, false),
        (Some("*"), &session, home("*"), false, false),
        (Some(""), &session, home(""), false, false),
        (None, &session, away("acme"), true, true),
        (Some("*"), &tick, PartitionId(0), true, true),
        (Some("*"), &tick, PartitionId(7), true, true),
        (Some("acme"), &tick, home("acme"), true, false),
    ];
    for (key, event, partition, check_partition, accepted) in cases {
        let result = check_route(key.map(str::as_bytes), event, partition, 8, check_partition);
        assert_eq!(result.is_ok(), accepted, "{key:?} in {partition}");
    }
    let refusal = check_route(Some(b"other"), &session, PartitionId(0), 8, true).unwrap_err();
    assert_eq!(refusal.reason, RejectReason::Misrouted);
}
