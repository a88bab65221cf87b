//! No room left: on the broker's disk, and in a producer's queue.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::Outcome;
use crate::stage::Stage;
use crate::support::proxy::Way;

/// The broker cannot write on: one of its files may not grow, in the middle of a record if it comes to that. It gives its
/// log folder up and ends; then there is room again, and it comes back.
///
/// A limit of the process stands for the full disk: a small file system would have to be mounted, which only root may.
pub fn disk(stage: &mut Stage<'_>) -> Outcome {
    let mut run = stage.start("a");
    stage.until_more(100);
    stage.moment(1000);
    let data = stage.broker.folder().join("data");
    let topics = &stage.settings.topics;
    let topic = [&topics.events, &topics.states, &topics.recovery][stage.dice.below(3) as usize].clone();
    let Some(size) = longest(&data, &topic) else { return Outcome::Missed(format!("{topic} has no log")) };
    let limit = size + stage.dice.below(5000);
    let pid = stage.broker.pid().to_string();
    match Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={limit}:")]).output() {
        Ok(done) if done.status.success() => {}
        Ok(done) => return Outcome::Missed(String::from_utf8_lossy(&done.stderr).into_owned()),
        Err(fault) => return Outcome::Missed(format!("unavailable without `prlimit` of util-linux: {fault}")),
    }
    let status = stage.broker.until_ended();
    assert_eq!(run.ended(), None, "it waits for the broker");
    stage.moment(4000);
    stage.broker.begin();
    stage.broker.wait();
    stage.until_more(100);
    let role = topic.rsplit('.').next().unwrap_or(&topic);
    Outcome::Struck(format!("no file beyond {limit} bytes, where {role} stood: broker {status}"), vec![run])
}

/// Bytes of the longest log of a topic's partitions.
fn longest(data: &Path, topic: &str) -> Option<u64> {
    let of_topic = |folder: &PathBuf| folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with(topic));
    let size = |folder: PathBuf| Some(std::fs::metadata(folder.join("00000000000000000000.log")).ok()?.len());
    let folders = std::fs::read_dir(data).ok()?.flatten().map(|entry| entry.path());
    folders.filter(of_topic).filter_map(size).max()
}

/// The producer's queue holds less than a batch while the broker is slow: it waits for room and goes on.
pub fn queue(stage: &mut Stage<'_>) -> Outcome {
    stage.proxied = true;
    let room = 1 + stage.dice.below(60);
    stage.settings.kafka.properties.insert("queue.buffering.max.messages".to_owned(), room.to_string());
    let run = stage.start_with(&stage.settings_of("a"), &["--set", "log.level=rekindle=debug"], None);
    stage.until_more(100);
    let delay = Duration::from_millis(1 + stage.dice.below(20));
    stage.broker.proxy.set(Way::Slow(delay));
    stage.until_sent_more(600);
    stage.until_more(600);
    let struck = stage.broker.proxy.set(Way::Open);
    let waits = run.said("the producer's queue is full");
    match waits.min(struck) {
        0 => Outcome::Missed(format!("{struck} slow answers, {waits} waits for room")),
        _ => Outcome::Struck(format!("{waits} waits for room for {room} records, {struck} slow answers"), vec![run]),
    }
}
