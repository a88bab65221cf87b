//! The Kafka edge by itself: what the runtime's guarantees are built on.

use std::sync::Arc;
use std::time::Duration;

use rekindle::kafka::admin::{Admin, Difference};
use rekindle::kafka::groups::{ClassicGroup, Groups};
use rekindle::kafka::producer::{Outgoing, TransactionFault, TransactionalProducer};
use rekindle::kafka::reader::StateReader;
use rekindle::model::position::{Offset, PartitionId};
use rekindle::runtime::start;
use rekindle::telemetry::Metrics;

use crate::support::broker::brokers;
use crate::support::clients::{create_topics, eventually, read_all, settings, unique};

const NEVER: &dyn Fn() -> bool = &|| false;

fn send(producer: &TransactionalProducer, topic: &str, key: &str) {
    let outgoing =
        Outgoing { topic, partition: PartitionId(0), key: Some(key.as_bytes()), value: Some(b"v"), headers: None };
    assert_eq!(producer.send(outgoing, NEVER), Ok(None), "queued");
}

#[test]
fn a_full_queue_is_waited_for_no_longer_than_there_is_time() {
    let name = unique("full");
    let mut settings = settings(brokers(), &name, 1);
    create_topics(&settings);
    settings.kafka.properties = [("queue.buffering.max.messages".to_owned(), "1".to_owned())].into();
    let producer = TransactionalProducer::new(&settings.kafka, &name, 1 << 20).unwrap();
    producer.init(NEVER).unwrap();
    producer.begin().unwrap();
    let record = || Outgoing {
        topic: &settings.topics.recovery,
        partition: PartitionId(0),
        key: None,
        value: None,
        headers: None,
    };
    // There is room for one; with time there is room for each.
    assert_eq!(producer.send(record(), &|| true), Ok(None));
    assert_eq!(producer.send(record(), &|| true), Err(TransactionFault::GaveUp));
    assert_eq!(producer.send(record(), NEVER), Ok(None));
    producer.abort(NEVER).unwrap();
}

#[test]
fn topics_are_created_once_and_compared_afterwards() {
    let name = unique("topics");
    let mut settings = settings(brokers(), &name, 2);
    create_topics(&settings);
    let admin = Admin::new(&settings.kafka).unwrap();
    let again = admin.create_topics(&settings.topics).unwrap();
    assert_eq!(again.len(), 8);
    assert!(again.iter().all(|r| !r.created && r.differences.is_empty()), "{again:?}");

    settings.topics.partitions = 3;
    settings.topics.compaction_lag = Duration::from_secs(60);
    let differing = admin.create_topics(&settings.topics).unwrap();
    let states = differing.iter().find(|r| r.topic == settings.topics.states).unwrap();
    let difference = |name: &str, wanted: &str, found: &str| Difference {
        name: name.to_owned(),
        wanted: wanted.to_owned(),
        found: found.to_owned(),
    };
    let expected = [difference("partitions", "3", "2"), difference("max.compaction.lag.ms", "60000", "86400000")];
    assert_eq!(states.differences, expected);
    let topics = [settings.topics.dead_letters.as_str(), settings.topics.events.as_str()];
    let found = admin.configurations(topics, Duration::from_secs(10)).unwrap();
    let [dead_letters, input] = found.map(|c| c.max_message_bytes().unwrap());
    assert_eq!(dead_letters, input + (64 << 10));
}

#[test]
fn an_aborted_transaction_is_never_read_and_a_fenced_producer_is_told_so() {
    let name = unique("transactions");
    let settings = settings(brokers(), &name, 1);
    create_topics(&settings);
    let topic = &settings.topics.recovery;
    let first = TransactionalProducer::new(&settings.kafka, &name, 1 << 20).unwrap();
    first.init(NEVER).unwrap();
    for (key, commit) in [("a", true), ("b", false), ("c", true)] {
        first.begin().unwrap();
        send(&first, topic, key);
        assert!(first.drain(NEVER).unwrap().is_empty());
        if commit { first.commit(NEVER).unwrap() } else { first.abort(NEVER).unwrap() }
    }
    let keys: Vec<_> = read_all(brokers(), topic, 1).into_iter().map(|r| r.key.unwrap()).collect();
    assert_eq!(keys, [b"a", b"c"]);

    // An abort right after sending, before anything is delivered, must not block.
    first.begin().unwrap();
    send(&first, topic, "d");
    first.abort(NEVER).unwrap();

    first.begin().unwrap();
    send(&first, topic, "e");
    let second = TransactionalProducer::new(&settings.kafka, &name, 1 << 20).unwrap();
    second.init(NEVER).unwrap();
    let outcome = first.drain(NEVER).map(|_| ()).and_then(|()| first.commit(NEVER));
    assert!(matches!(outcome, Err(TransactionFault::Fenced(_))), "{outcome:?}");
    assert_eq!(read_all(brokers(), topic, 1).len(), 2);
}

#[test]
fn a_record_too_large_for_its_topic_is_a_permanent_fault() {
    let name = unique("too-large");
    let settings = settings(brokers(), &name, 1);
    create_topics(&settings);
    let producer = TransactionalProducer::new(&settings.kafka, &name, 8 << 20).unwrap();
    producer.init(NEVER).unwrap();
    producer.begin().unwrap();
    let value: Vec<u8> = (0..4u32 << 20).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let outgoing = Outgoing {
        topic: &settings.topics.recovery,
        partition: PartitionId(0),
        key: None,
        value: Some(&value),
        headers: None,
    };
    assert_eq!(producer.send(outgoing, NEVER), Ok(None), "queued");
    let faults = producer.drain(NEVER).unwrap();
    assert_eq!(faults.len(), 1);
    assert!(faults[0].permanent, "{faults:?}");
    assert_eq!(faults[0].partition, PartitionId(0));
    producer.abort(NEVER).unwrap();
}

#[test]
fn the_state_reader_waits_for_open_transactions_and_reads_to_the_end() {
    let name = unique("reader");
    let settings = settings(brokers(), &name, 1);
    create_topics(&settings);
    let (topic, partition) = (&settings.topics.states, PartitionId(0));
    let reader = StateReader::new(&settings.kafka).unwrap();
    assert_eq!(reader.group_offset(&settings.topics.events, partition).unwrap(), None);

    let producer = TransactionalProducer::new(&settings.kafka, &name, 1 << 20).unwrap();
    producer.init(NEVER).unwrap();
    producer.begin().unwrap();
    send(&producer, topic, "a");
    producer.drain(NEVER).unwrap();
    let extent = reader.extent(topic, partition).unwrap();
    assert_eq!((extent.begin, extent.end), (Offset(0), Offset(1)), "an open transaction counts");
    assert!(!reader.settled(topic, partition, extent.end).unwrap());
    producer.commit(NEVER).unwrap();
    eventually(
        "settled after the commit",
        || reader.settled(topic, partition, extent.end).unwrap(),
        |settled| *settled,
    );
    // The commit marker lies behind the record: the end is reached although no record is there.
    let mut keys = Vec::new();
    let whole = reader
        .read(topic, partition, |message| {
            keys.extend(message.and_then(|m| rdkafka::Message::key(m).map(<[u8]>::to_vec)));
            true
        })
        .unwrap();
    assert!(whole);
    assert_eq!(keys, [b"a"]);
}

#[test]
fn members_are_described_under_both_group_protocols() {
    for protocol in ["classic", "consumer"] {
        let name = unique(protocol);
        let mut settings = settings(brokers(), &name, 1);
        settings.kafka.properties = [("group.protocol".to_owned(), protocol.to_owned())].into();
        create_topics(&settings);
        let mut groups = Groups::new(&settings.kafka);
        // A broker that has just started may not be the group's coordinator yet.
        let _ = eventually("no such group", || groups.members(&name), |members| *members == Ok(0));
        let service = start(settings.clone(), Arc::new(Metrics::new())).expect("start");
        let _ = eventually("ready", || service.port().ready(), Result::is_ok);
        // The coordinator describes what is replicated, which follows what the member was told.
        let _ = eventually(protocol, || groups.members(&name), |members| *members == Ok(1));
        if protocol == "classic" {
            let all = [(settings.topics.events.clone(), PartitionId(0))];
            let is_sole = |group: &ClassicGroup| {
                group.stable && group.members.iter().map(|member| &member.partitions[..]).eq([&all[..]])
            };
            let group = eventually("described", || groups.classic(&name), |group| group.as_ref().is_ok_and(is_sole));
            assert!(group.expect("just seen").members[0].is(&settings.kafka.member(0)));
        }
        service.shutdown().expect("clean");
        if protocol == "classic" {
            // Under the newer protocol a static member is kept until its session times out.
            let _ = eventually("left", || groups.members(&name), |members| *members == Ok(0));
        }
        assert_eq!(groups.offset(&name, &settings.topics.events, PartitionId(0)), Ok(None));
        let topics = [settings.topics.events.clone(), format!("{name}.none")];
        assert_eq!(groups.existing(&name, topics.into_iter()), Ok(vec![true, false]));
    }
}
