//! `topics create` and `produce` on a real broker, read back by a plain consumer.

#[path = "support/broker.rs"]
#[allow(dead_code)]
mod broker;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use rekindle::engine::validate::murmur2;

const PARTITIONS: i32 = 3;

fn rekindle(prefix: &str, args: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_rekindle"))
        .args(args)
        .env("REKINDLE_KAFKA__BROKERS", broker::brokers())
        .env("REKINDLE_TOPICS__PREFIX", prefix)
        .env("REKINDLE_TOPICS__PARTITIONS", PARTITIONS.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// What a partition holds: key, value, `traceparent`.
type Read = (String, Vec<u8>, Option<String>);

fn read(topic: &str) -> BTreeMap<i32, Vec<Read>> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", broker::brokers())
        .set("group.id", "reader")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    let mut all = TopicPartitionList::new();
    (0..PARTITIONS).for_each(|p| all.add_partition_offset(topic, p, Offset::Beginning).unwrap());
    consumer.assign(&all).unwrap();
    let high = |p| consumer.fetch_watermarks(topic, p, Duration::from_secs(10)).unwrap().1;
    let expected: i64 = (0..PARTITIONS).map(high).sum();
    let mut found: BTreeMap<i32, Vec<Read>> = BTreeMap::new();
    for _ in 0..expected {
        let message = consumer.poll(Duration::from_secs(20)).expect("a record in time").unwrap();
        let trace = message.headers().and_then(|h| h.iter().find(|h| h.key == "traceparent")?.value);
        found.entry(message.partition()).or_default().push((
            String::from_utf8(message.key().unwrap().to_vec()).unwrap(),
            message.payload().unwrap().to_vec(),
            trace.map(|t| String::from_utf8(t.to_vec()).unwrap()),
        ));
    }
    found
}

#[test]
fn where_no_broker_answers_the_address_is_named() {
    let (code, _, err) = rekindle("", &["topics", "create", "--set", "kafka.brokers=127.0.0.1:1"], "");
    assert!(code == Some(1) && err.contains("no broker answers at 127.0.0.1:1 (kafka.brokers)"), "{err}");
}

/// Sessions that are lost with time are better told of at the start than by a refused restart.
#[test]
fn state_topics_from_which_records_vanish_are_told_of() {
    let (code, _, err) = rekindle("vanish.", &["topics", "create"], "");
    assert_eq!(code, Some(0), "{err}");
    let admin: AdminClient<_> = ClientConfig::new().set("bootstrap.servers", broker::brokers()).create().unwrap();
    let change =
        AlterConfig::new(ResourceSpecifier::Topic("vanish.session-vectors")).set("cleanup.policy", "compact,delete");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(admin.alter_configs([&change], &AdminOptions::new())).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_rekindle"))
        .args(["run", "--set", "http.listen=127.0.0.1:0", "--set", "topics.prefix=vanish."])
        .args(["--set", &format!("kafka.brokers={}", broker::brokers())])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let told = lines.by_ref().find(|line| line.contains("cleanup.policy") || line.contains("restored"));
    child.kill().unwrap();
    child.wait().unwrap();
    let told = told.expect("an end only by us");
    assert!(told.contains("vanish.session-vectors has cleanup.policy compact,delete: sessions"), "{told}");
}

#[test]
fn topics_are_created_once_and_differences_reported() {
    let (code, out, err) = rekindle("create.", &["topics", "create", "--dry-run"], "");
    assert_eq!((code, out.matches("would be created").count()), (Some(0), 8), "{err}");
    assert!(out.contains("create.rekindle-owners           would be created with partitions: 1"), "{out}");
    let (code, out, err) = rekindle("create.", &["topics", "create"], "");
    assert_eq!((code, out.matches(" created").count()), (Some(0), 8), "{out}{err}");
    let (code, out, _) = rekindle("create.", &["topics", "create"], "");
    assert_eq!((code, out.matches(" exists\n").count()), (Some(0), 8), "{out}");
    let more = ["topics", "create", "--set", "topics.partitions=5"];
    for args in [&more[..], &[&more[..], &["--dry-run"]].concat()] {
        let (code, out, _) = rekindle("create.", args, "");
        assert!(code == Some(1) && out.contains("wanted 5"), "{out}");
    }
}

#[test]
fn records_go_where_their_key_belongs_with_their_bytes_untouched() {
    let prefix = "keys.";
    assert_eq!(rekindle(prefix, &["topics", "create"], "").0, Some(0));
    let tenants: Vec<String> = (0..20).map(|n| format!("tenant-{n}")).collect();
    let event = |tenant: &str| format!(r#"{{ "tenant_id":"{tenant}", "n": 1.50 }}"#);
    let mut input: String = tenants.iter().map(|t| event(t) + "\n").collect();
    input += "{\"_key\":\"acme#1\",\"_headers\":{\"traceparent\":\"00-1\"},\"tenant_id\":\"acme\"}\n";
    input += "{\"_key\":\"raw\",\"_value\":\"AP8\"}\n";
    let (code, _, err) = rekindle(prefix, &["produce", "-"], &input);
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains("22 records sent to keys.session-events, 0 not delivered"), "{err}");
    let mut found = 0;
    for (partition, records) in read("keys.session-events") {
        for (key, value, trace) in records {
            found += 1;
            assert_eq!((murmur2(key.as_bytes()) & 0x7fff_ffff) as i32 % PARTITIONS, partition, "{key}");
            let (expected, traced) = match key.as_str() {
                "acme#1" => (br#"{"tenant_id":"acme"}"#.to_vec(), Some("00-1")),
                "raw" => (vec![0, 255], None),
                tenant => (event(tenant).into_bytes(), None),
            };
            assert_eq!((value, trace.as_deref()), (expected, traced), "{key}");
        }
    }
    assert_eq!(found, 22);
}

#[test]
fn events_of_all_tenants_need_to_be_broadcast() {
    let prefix = "broadcast.";
    assert_eq!(rekindle(prefix, &["topics", "create"], "").0, Some(0));
    let input = "{\"tenant_id\":\"acme\"}\n\n{\"tenant_id\":\"*\",\"type\":\"tick\"}\n{\"tenant_id\":\"acme\"}\n";
    let (code, _, err) = rekindle(prefix, &["produce", "-"], input);
    assert!(code == Some(2) && err.contains("line 3") && err.contains("--broadcast"), "{err}");
    let (code, _, err) = rekindle(prefix, &["produce", "-", "--broadcast"], input);
    assert_eq!(code, Some(0), "{err}");
    let all = read("broadcast.session-events");
    let of = |key: &str| all.values().map(|r| r.iter().filter(|(k, ..)| k == key).count()).collect::<Vec<_>>();
    assert_eq!(of("*"), [1, 1, 1]);
    assert_eq!(of("acme").iter().sum::<usize>(), 3, "one before the refusal, two with the flag");
}

#[test]
fn what_cannot_be_sent_is_named_by_its_line() {
    let (code, _, err) = rekindle("absent.", &["produce", "-"], "{\"tenant_id\":\"acme\"}\n");
    assert!(code == Some(1) && err.contains("absent.session-events does not exist"), "{err}");
    assert_eq!(rekindle("refused.", &["topics", "create"], "").0, Some(0));
    let large = format!("{{\"tenant_id\":\"acme\",\"x\":\"{}\"}}", "x".repeat(1_200_000));
    let input = format!("{{\"tenant_id\":\"acme\"}}\n{{\"x\":1}}\n{large}\n");
    let (code, _, err) = rekindle("refused.", &["produce", "-"], &input);
    assert_eq!(code, Some(1), "{err}");
    for part in ["line 2: has neither tenant_id nor _key", "line 3: not delivered", "1 not delivered, 1 lines refused"]
    {
        assert!(err.contains(part), "{part} in\n{err}");
    }
    assert_eq!(read("refused.session-events").values().map(Vec::len).sum::<usize>(), 1);
}
