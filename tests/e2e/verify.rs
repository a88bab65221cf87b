//! `rekindle verify` finds what was forged, and names it; and what cannot be known it does not call wrong.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::config::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use rekindle::engine::Topic;
use rekindle::runtime::settings::RuntimeSettings;
use rekindle::runtime::start;
use rekindle::telemetry::Metrics;
use rekindle::verify::{Outcome, PartitionReport, Request, verify};

use crate::instance;
use crate::support::broker::brokers;
use crate::support::clients::{
    PATIENCE, Seen, committed, create_topics, eventually, produce, producer, read_all, set_offsets, settings, unique,
};
use crate::support::events::workload;
use crate::support::oracle::assert_verified;

/// A partition of a service that has done its work: suggestions, transfers, erasures, dead letters.
pub fn worked(name: &str, events: usize) -> RuntimeSettings {
    let settings = settings(brokers(), &unique(name), 1);
    create_topics(&settings);
    let service = start(settings.clone(), Arc::new(Metrics::new())).expect("start");
    let events = workload(21, events);
    produce(brokers(), &settings.topics.events, events.iter().map(|(key, value)| (key.as_str(), value.as_slice())));
    let bad: [(&str, &[u8]); 3] = [("tenant-1", b"{"), ("tenant-2", b"}"), ("tenant-3", b"?")];
    produce(brokers(), &settings.topics.events, bad);
    let total = (events.len() + bad.len()) as i64;
    let offset = || committed(brokers(), &settings.kafka.group_id, &settings.topics.events, 1)[0];
    eventually("all is committed", offset, |offset| *offset == Some(total));
    service.shutdown().expect("clean");
    settings
}

/// The same for every test that only reads.
pub fn done() -> &'static RuntimeSettings {
    static DONE: OnceLock<RuntimeSettings> = OnceLock::new();
    DONE.get_or_init(|| worked("verify", 1500))
}

fn name(settings: &mut RuntimeSettings, topic: Topic) -> &mut String {
    let topics = &mut settings.topics;
    match topic {
        Topic::States => &mut topics.states,
        Topic::Vectors => &mut topics.vectors,
        Topic::Bookkeeping => &mut topics.bookkeeping,
        Topic::Recovery => &mut topics.recovery,
        Topic::Transfer => &mut topics.transfer,
        Topic::DeadLetters => &mut topics.dead_letters,
    }
}

/// Settings that point to a forged copy of one topic.
pub fn forged(topic: Topic, forge: impl FnOnce(&mut Vec<Seen>)) -> RuntimeSettings {
    let mut pointed = done().clone();
    let mut records = read_all(brokers(), name(&mut pointed, topic), 1);
    assert!(records.len() > 2, "{topic:?} has something to forge");
    forge(&mut records);
    let mut copy = settings(brokers(), &unique("forged"), 1);
    create_topics(&copy);
    let copied = name(&mut copy, topic).clone();
    let producer = producer(brokers());
    for seen in &records {
        let add = |headers: OwnedHeaders, (key, value): &(String, Vec<u8>)| {
            headers.insert(Header { key, value: Some(value) })
        };
        let headers = seen.headers.iter().fold(OwnedHeaders::new(), add);
        let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&copied).partition(0).headers(headers);
        (record.key, record.payload) = (seen.key.as_deref(), seen.value.as_deref());
        producer.send(record).map_err(|(error, _)| error).expect("room in the queue");
    }
    producer.flush(PATIENCE).expect("acknowledged");
    *name(&mut pointed, topic) = copied;
    pointed
}

pub fn report(settings: &RuntimeSettings) -> (Outcome, PartitionReport) {
    let mut report = verify(settings, &Request::default()).expect("an answer");
    (report.outcome, report.partitions.remove(0))
}

/// What a report says: class, name and fields of each example.
pub fn said(report: &PartitionReport) -> Vec<String> {
    let of_sequences = report.sequences().into_iter().flat_map(|(role, s)| {
        s.examples.iter().map(move |e| format!("{role}: {} {} {} {}", e.class, e.id, e.status, e.fields.join(",")))
    });
    let of_tables = report.tables().into_iter().flat_map(|(role, t)| {
        t.examples.iter().map(move |e| format!("{role}: {} {} {}", e.class, e.key, e.fields.join(",")))
    });
    of_sequences.chain(of_tables).map(|line| line.trim_end().to_owned()).collect()
}

#[test]
fn what_a_service_published_is_equal_and_a_command_says_so() {
    assert_verified(done());
    let (code, text) = instance::verify(done(), &[]);
    assert!(code == Some(0) && text.contains("1 of 1 partitions equal"), "{text}");
    let (_, found) = report(done());
    assert!(found.recovery.equal > 50 && found.transfer.equal > 5 && found.dead_letters.equal >= 3, "{found:?}");
    assert!(found.states.equal > 50 && found.vectors.equal > 20 && found.bookkeeping.equal > 50, "{found:?}");
    assert_eq!((found.input.replayed, found.input.behind, found.cut.from), (1503, 0, 1503));
    let (code, text) = instance::verify(done(), &["--partition", "0", "--report", "-"]);
    let json: serde_json::Value = serde_json::from_str(&text).expect("nothing but the report");
    assert_eq!(
        (code, &json["outcome"], &json["partitions"][0]["states"]["missing"]),
        (Some(0), &"equal".into(), &0.into())
    );
    let (code, text) = instance::verify(done(), &["--partition", "7"]);
    assert!(code == Some(2) && text.contains("the input has 1 partitions"), "{text}");
    let (code, text) = instance::verify(&settings(brokers(), &unique("nothing"), 1), &[]);
    assert!(code == Some(1) && text.contains("missing topics"), "{text}");
}

#[test]
fn a_forged_sequence_is_told_by_the_record_that_was_forged() {
    type Forge = fn(&mut Vec<Seen>) -> usize;
    let cases: [(&str, Topic, Forge); 6] = [
        ("missing", Topic::Recovery, |all| {
            all.remove(20);
            20
        }),
        ("doubled", Topic::Recovery, |all| {
            all.push(all[7].clone());
            7
        }),
        ("doubled", Topic::Transfer, |all| {
            all.insert(4, all[3].clone());
            3
        }),
        ("different", Topic::Recovery, |all| {
            all[20].value = all[21].value.clone();
            20
        }),
        ("different", Topic::Transfer, |all| {
            all[3].key = Some(b"tenant-1/other".to_vec());
            3
        }),
        ("missing", Topic::DeadLetters, |all| {
            all.remove(1);
            1
        }),
    ];
    for (class, topic, forge) in cases {
        let mut before = done().clone();
        let original = read_all(brokers(), name(&mut before, topic), 1);
        let mut at = 0;
        let settings = forged(topic, |all| at = forge(all));
        let (outcome, found) = report(&settings);
        assert_eq!(outcome, Outcome::Different);
        let (role, id) = match topic {
            Topic::DeadLetters => {
                ("dead letters", format!("0:{}", original[at].header("__connect.errors.offset").expect("an offset")))
            }
            topic => (
                if topic == Topic::Recovery { "recovery" } else { "transfer" },
                original[at].header("rekindle-suggestion-id").expect("an id").to_owned(),
            ),
        };
        let lines = said(&found);
        assert!(
            lines.len() == 1 && lines[0].starts_with(&format!("{role}: {class} {id}")),
            "{class} {topic:?}: {lines:?}"
        );
        let (code, text) = instance::verify(&settings, &[]);
        assert!(code == Some(1) && text.contains(&id) && text.contains(class), "{text}");
    }
}

#[test]
fn a_forged_state_is_told_by_its_key_and_fields() {
    let last = |all: &[Seen]| -> Seen {
        let latest: BTreeMap<_, _> = all.iter().map(|seen| (seen.key.clone(), seen.clone())).collect();
        latest.into_values().find(|seen| seen.value.is_some()).expect("a live key")
    };
    let key = |seen: &Seen| String::from_utf8(seen.key.clone().expect("a key")).expect("text");
    for (topic, role) in [(Topic::States, "states"), (Topic::Vectors, "vectors"), (Topic::Bookkeeping, "bookkeeping")] {
        let mut forged_key = String::new();
        let gone = forged(topic, |all| {
            let victim = last(all);
            forged_key = key(&victim);
            all.push(Seen { value: None, ..victim });
        });
        let (outcome, found) = report(&gone);
        assert_eq!((outcome, said(&found)), (Outcome::Different, vec![format!("{role}: missing {forged_key}")]));

        let more = forged(topic, |all| all.push(Seen { key: Some(b"worker/*/ghost".to_vec()), ..last(all) }));
        let (outcome, found) = report(&more);
        assert_eq!((outcome, said(&found)), (Outcome::Different, vec![format!("{role}: unexpected worker/*/ghost")]));
    }
    let altered = forged(Topic::States, |all| {
        // An earlier state of a session that changed since.
        let later = |at: usize| all[at + 1..].iter().rev().find(|s| s.key == all[at].key).map(|s| s.value.clone());
        let at = (0..all.len())
            .find(|&at| all[at].value.is_some() && later(at).flatten().is_some_and(|v| Some(v) != all[at].value));
        all.push(all[at.expect("a session that changed")].clone());
    });
    let (outcome, found) = report(&altered);
    let lines = said(&found);
    assert!(outcome == Outcome::Different && lines.len() == 1, "{lines:?}");
    assert!(lines[0].starts_with("states: different tenant-") && lines[0].contains("as_of"), "{lines:?}");

    let turned = forged(Topic::Vectors, |all| {
        let mut victim = last(all);
        let value = victim.value.as_mut().expect("a body");
        // The sign of the last component: still a unit vector.
        *value.last_mut().expect("bytes") ^= 0x80;
        all.push(victim);
    });
    let (outcome, found) = report(&turned);
    let lines = said(&found);
    assert!(outcome == Outcome::Different && lines.len() == 1, "{lines:?}");
    assert!(lines[0].starts_with("vectors: different tenant-") && lines[0].ends_with(" vector"), "{lines:?}");
}

#[test]
fn a_group_that_is_behind_or_was_reset_is_told() {
    let settings = worked("behind", 200);
    let commit = |offset: i64| set_offsets(brokers(), &settings.kafka.group_id, &settings.topics.events, &[offset]);
    commit(150);
    let (outcome, found) = report(&settings);
    assert_eq!((outcome, found.input.behind, found.input.first_behind), (Outcome::Different, 53, Some(150)));
    assert!(
        found.checkpoint[0].starts_with("the group's offset is 150, the checkpoint's 203"),
        "{:?}",
        found.checkpoint
    );
    commit(203);
    assert_verified(&settings);
    // What comes while nobody works.
    produce(brokers(), &settings.topics.events, [("tenant-1", &b"{}"[..])]);
    assert_eq!(report(&settings).1.input.behind, 1);
}

pub fn delete_below(topic: &str, offset: i64) {
    let admin: AdminClient<_> = ClientConfig::new().set("bootstrap.servers", brokers()).create().expect("admin client");
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Offset(offset)).expect("a partition");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(admin.delete_records(&list, &AdminOptions::new())).expect("an answer");
}

#[test]
fn what_retention_took_is_not_called_wrong() {
    let settings = worked("retention", 400);
    let recoveries = read_all(brokers(), &settings.topics.recovery, 1);
    delete_below(&settings.topics.recovery, recoveries[9].offset);
    let (outcome, found) = report(&settings);
    assert_eq!((outcome, found.recovery.expired), (Outcome::Equal, 9), "{:?}", said(&found));

    delete_below(&settings.topics.events, 50);
    let (code, text) = instance::verify(&settings, &[]);
    assert!(code == Some(3) && text.contains("not provable before offset 50"), "{text}");
    let (outcome, found) = report(&settings);
    assert_eq!((outcome, found.not_provable[0].before_offset), (Outcome::NotProvable, Some(50)));
    // What can be said all the same: that the state fits together.
    produce(brokers(), &settings.topics.states, [("tenant-1/ghost", &b"\xC3\x01garbage"[..])]);
    let (outcome, found) = report(&settings);
    assert!(outcome == Outcome::Different && found.checkpoint[0].contains("restored"), "{:?}", found.checkpoint);
}
