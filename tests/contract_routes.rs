//! Records lie where their tenant's records belong.

mod contract_support;

use contract_support::{event, judge, started};
use rekindle::engine::validate::{check_route, murmur2};
use rekindle::model::position::PartitionId;
use rekindle::model::verdict::RejectReason;
use serde_json::json;

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
