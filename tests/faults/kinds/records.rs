//! Single records of the state that are missing or damaged, and group offsets that are gone or elsewhere.

use std::collections::BTreeMap;

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseRecord, Producer};

use super::Outcome;
use super::state::{emptied, rebuild};
use crate::stage::Stage;
use crate::support::clients::{PATIENCE, committed, eventually, producer, read_all};

/// The latest values of a compacted topic, by partition and key.
type Latest = BTreeMap<(i32, Vec<u8>), Vec<u8>>;

fn latest(stage: &Stage<'_>, topic: &str) -> Latest {
    let mut latest = Latest::new();
    for seen in read_all(&stage.broker.addresses, topic, stage.settings.topics.partitions) {
        let key = (seen.partition, seen.key.expect("a compacted topic has keys"));
        match seen.value {
            Some(value) => latest.insert(key, value),
            None => latest.remove(&key),
        };
    }
    latest
}

/// Partition, key and value; no value: a tombstone.
type Written<'a> = (i32, &'a [u8], Option<&'a [u8]>);

/// Writes records where they are told to lie.
fn write(stage: &Stage<'_>, topic: &str, records: &[Written<'_>]) {
    let producer = producer(&stage.broker.addresses);
    for (partition, key, value) in records {
        let mut record = BaseRecord::<[u8], [u8]>::to(topic).key(*key).partition(*partition);
        record.payload = *value;
        producer.send(record).map_err(|(error, _)| error).expect("room");
    }
    producer.flush(PATIENCE).expect("acknowledged");
}

/// One record of a topic, by dice.
fn chosen(stage: &mut Stage<'_>, topic: &str) -> ((i32, Vec<u8>), Vec<u8>) {
    let all = latest(stage, topic);
    let which = stage.dice.below(all.len() as u64) as usize;
    all.into_iter().nth(which).expect("there are records")
}

/// A record of a state topic is taken away or damaged while the service is stopped. The start is refused, with what
/// to do, and a rebuild makes it right.
pub fn missing(stage: &mut Stage<'_>) -> Outcome {
    stage.may_refuse = true;
    let first = stage.start("a");
    stage.until_more(400);
    first.stop();
    let topics = stage.settings.topics.clone();
    let topic = &stage.any_state_topic();
    let which = stage.dice.below(4);
    let ((partition, key), value) = match which {
        0 => chosen_checkpoint(stage),
        _ => chosen(stage, topic),
    };
    let shown = String::from_utf8_lossy(&key).into_owned();
    let how = match which {
        0 => {
            write(stage, &topics.bookkeeping, &[(partition, &key, None)]);
            format!("no checkpoint in {partition}")
        }
        1 => {
            write(stage, topic, &[(partition, &key, None)]);
            format!("{topic}: {shown} has a tombstone")
        }
        2 => {
            let mut damaged = value;
            let bit = stage.dice.below(damaged.len() as u64 * 8);
            damaged[(bit / 8) as usize] ^= 1 << (bit % 8);
            write(stage, topic, &[(partition, &key, Some(&damaged))]);
            format!("{topic}: bit {bit} of {shown} is another")
        }
        _ => {
            let mut all = latest(stage, topic);
            all.remove(&(partition, key));
            emptied(stage, topic);
            let all: Vec<_> = all.iter().map(|((p, key), value)| (*p, &key[..], Some(&value[..]))).collect();
            write(stage, topic, &all);
            format!("{topic}: made anew without {shown}")
        }
    };
    rebuild(stage, &how)
}

/// The checkpoint of a partition.
fn chosen_checkpoint(stage: &mut Stage<'_>) -> ((i32, Vec<u8>), Vec<u8>) {
    let rows = latest(stage, &stage.settings.topics.bookkeeping.clone());
    let partition = stage.dice.below(stage.settings.topics.partitions as u64) as i32;
    rows.into_iter().find(|((p, key), _)| *p == partition && key == b"partition").expect("a checkpoint")
}

/// The group's offsets lie ahead of the checkpoint: refused; back at the checkpoint, as the refusal says, all is well.
pub fn ahead(stage: &mut Stage<'_>) -> Outcome {
    stage.may_refuse = true;
    let first = stage.start("a");
    stage.until_more(200);
    first.stop();
    let checkpoint = stage.offsets();
    let by = 1 + stage.dice.below(20) as i64;
    stage.until_sent_more(300);
    stage.set_offsets(&checkpoint.iter().map(|offset| offset + by).collect::<Vec<_>>());
    let refused = stage.start("a");
    refused.until_said("partition stopped", checkpoint.len());
    for at in &checkpoint {
        let words = format!("the group's offset is {}, the checkpoint's {at}", at + by);
        let text = refused.text();
        let line = text.lines().find(|line| line.contains(&words)).unwrap_or_else(|| panic!("{words}: {text}"));
        assert!(line.contains("set the group's offset to the checkpoint's"), "it says what to do: {line}");
    }
    refused.stop();
    stage.set_offsets(&checkpoint);
    let run = stage.start("a");
    run.until_said("restored", checkpoint.len());
    Outcome::Struck(format!("ahead by {by}: refused; then set back"), vec![run])
}

/// The group's offsets are gone, of all partitions or of some: it goes on at its checkpoint.
pub fn offsets_gone(stage: &mut Stage<'_>) -> Outcome {
    let first = stage.start("a");
    stage.until_more(300);
    first.stop();
    let before = stage.offsets();
    let (kafka, topics) = (stage.settings.kafka.clone(), stage.settings.topics.clone());
    let some = stage.dice.below(2) == 0;
    let gone: Vec<usize> =
        if some { vec![stage.dice.below(before.len() as u64) as usize] } else { (0..before.len()).collect() };
    if some {
        let of = format!("{}:{}", topics.events, gone[0]);
        let tool = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
        let arguments = ["--bootstrap-server", &stage.broker.addresses, "--group", &kafka.group_id];
        let delete = ["--delete-offsets", "--topic", &of];
        let delete = || stage.broker.tool(tool, &[&arguments[..], &delete[..]].concat());
        // Refused while the coordinator still holds a leaving member; so is the whole group below.
        let _ = eventually("the offsets are deleted", delete, |said| !said.contains("Error"));
    } else {
        let admin: AdminClient<_> =
            ClientConfig::new().set("bootstrap.servers", &stage.broker.addresses).create().expect("admin");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let delete = || runtime.block_on(admin.delete_groups(&[&kafka.group_id], &AdminOptions::new()));
        let done = |answer: &Result<Vec<_>, _>| answer.as_ref().is_ok_and(|groups| groups.iter().all(Result::is_ok));
        let _ = eventually("the group is deleted", delete, done);
    }
    let left = || committed(&stage.broker.addresses, &kafka.group_id, &topics.events, topics.partitions);
    let is_gone = |left: &Vec<Option<i64>>| left.iter().enumerate().all(|(p, at)| at.is_none() == gone.contains(&p));
    eventually("they are gone", left, is_gone);
    let run = stage.start("a");
    run.until_said("restored", before.len());
    for (partition, next) in before.iter().enumerate() {
        let words = format!("restored partition={partition} next_offset={next} ");
        assert_eq!(run.said(&words), 1, "it goes on at its checkpoint: {words}: {}", run.text());
    }
    Outcome::Struck(format!("of {} partitions; it went on at its checkpoint", gone.len()), vec![run])
}
