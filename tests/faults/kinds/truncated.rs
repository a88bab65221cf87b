//! Topics that lose their beginning: one that holds state, and with it the only value of some keys, or the input.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::Outcome;
use super::state::rebuild;
use crate::stage::Stage;
use crate::support::clients::{alter_topic, each_message, eventually, read_all};

/// Deletes what lies below an offset, and shows that it is gone.
fn delete_below(stage: &Stage<'_>, topic: &str, partition: i32, offset: i64) {
    let client = || {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &stage.broker.addresses);
        config
    };
    let admin: AdminClient<_> = client().create().expect("admin");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(offset)).expect("a partition");
    runtime.block_on(admin.delete_records(&list, &AdminOptions::new())).expect("an answer");
    let consumer: BaseConsumer = client().create().expect("consumer");
    let begin = || consumer.fetch_watermarks(topic, partition, Duration::from_secs(5)).map(|(begin, _)| begin);
    let _ = eventually("it begins there", begin, |begin| *begin == Ok(offset));
}

/// What is to be done with old segments of a topic. Brokers delete records of none that is compacted only.
fn policy(stage: &Stage<'_>, topic: &str, policy: &str) {
    alter_topic(&stage.broker.addresses, topic, &[("cleanup.policy", policy), ("retention.ms", "-1")]);
}

/// Where the latest values of live keys lie, by partition, in order.
fn live(stage: &Stage<'_>, topic: &str) -> Vec<(i32, Vec<i64>)> {
    let mut latest = BTreeMap::new();
    for seen in read_all(&stage.broker.addresses, topic, stage.settings.topics.partitions) {
        let key = (seen.partition, seen.key.expect("a compacted topic has keys"));
        match seen.value {
            Some(_) => latest.insert(key, seen.offset),
            None => latest.remove(&key),
        };
    }
    let mut places: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
    latest.into_iter().for_each(|((partition, _), offset)| places.entry(partition).or_default().push(offset));
    places.values_mut().for_each(|offsets| offsets.sort_unstable());
    places.into_iter().collect()
}

/// What is overwritten may be deleted; with the only value of a key the start is refused, until a rebuild.
pub fn state(stage: &mut Stage<'_>) -> Outcome {
    stage.may_refuse = true;
    let first = stage.start("a");
    stage.until_more(400);
    first.stop();
    let topics = stage.settings.topics.clone();
    let topic = &stage.any_state_topic();
    policy(stage, topic, "compact,delete");
    for (partition, offsets) in live(stage, topic) {
        delete_below(stage, topic, partition, offsets[0]);
    }
    let unharmed = stage.start("a");
    unharmed.until_said("restored", topics.partitions as usize);
    stage.until_more(100);
    assert_eq!(unharmed.said("partition stopped"), 0, "nothing that counts was deleted: {}", unharmed.text());
    unharmed.stop();
    let mut places = live(stage, topic);
    let (partition, offsets) = places.swap_remove(stage.dice.below(places.len() as u64) as usize);
    let last = stage.dice.below(offsets.len() as u64) as usize;
    delete_below(stage, topic, partition, offsets[last] + 1);
    policy(stage, topic, "compact");
    rebuild(stage, &format!("{topic}: {} of {} keys of partition {partition} lost", last + 1, offsets.len()))
}

/// What is folded may be deleted from the input, as retention does: it goes on, and is right; only `verify` cannot say so.
pub fn input(stage: &mut Stage<'_>) -> Outcome {
    let topics = stage.settings.topics.clone();
    let first = stage.start("a");
    let folded = |offsets: &Vec<i64>| offsets.iter().all(|offset| *offset > 50);
    eventually("all partitions are at work", || stage.offsets(), folded);
    let running = stage.dice.below(2) == 0;
    let first = if running {
        Some(first)
    } else {
        first.stop();
        None
    };
    let cuts: Vec<i64> = stage.offsets().into_iter().map(|offset| 1 + stage.dice.below(offset as u64) as i64).collect();
    for (partition, cut) in (0..).zip(&cuts) {
        let mut deleted = Vec::new();
        each_message(&stage.broker.addresses, &topics.events, partition, |message| {
            if message.offset() < *cut {
                deleted.push(message.detach());
            }
        });
        delete_below(stage, &topics.events, partition, *cut);
        stage.deleted.push(deleted);
    }
    let run = first.unwrap_or_else(|| stage.start("a"));
    stage.until_more(100);
    run.kill();
    let run = stage.start("a");
    run.until_said("restored", cuts.len());
    Outcome::Struck(format!("below {cuts:?}, while it ran: {running}"), vec![run])
}
