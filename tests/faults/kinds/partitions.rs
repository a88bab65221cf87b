//! More partitions than there were: of the input, while the service runs or not, or of a topic that holds state.

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::config::ClientConfig;
use rekindle::engine::validate::murmur2;
use rekindle::model::verdict::RejectReason;

use super::Outcome;
use crate::load::Load;
use crate::odd::{Letters, Odd, Sender};
use crate::stage::Stage;
use crate::support::clients::{create_topics, each_message, eventually, settings, unique};

/// What every refusal refers to.
const WHAT_TO_DO: &str = "Changing the number of partitions";

/// Gives topics so many partitions.
fn raise(stage: &Stage<'_>, topics: &[&String], count: i32) {
    let admin: AdminClient<_> =
        ClientConfig::new().set("bootstrap.servers", &stage.broker.addresses).create().expect("admin");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let raises: Vec<_> = topics.iter().map(|topic| NewPartitions::new(topic, count as usize)).collect();
    let raised = runtime.block_on(admin.create_partitions(&raises, &AdminOptions::new())).expect("an answer");
    assert!(raised.iter().all(Result::is_ok), "{raised:?}");
}

/// A start ends, and says what to do.
fn refused(stage: &mut Stage<'_>, arguments: &[&str], words: &str) {
    let settings = stage.settings_of("a");
    // A broker may need a moment to show what was just changed.
    let ends = || {
        let mut run = stage.start_with(&settings, arguments, None);
        (!run.until_ended().success() && run.said(words) > 0 && run.said(WHAT_TO_DO) > 0, run.text())
    };
    let _ = eventually(words, ends, |(so, _)| *so);
}

/// The input is given more partitions, while it runs or between two runs: nothing is folded any more, neither by a
/// process that runs, nor by a start, nor by a rebuild, also when all topics were given as many. Copied to an input of
/// its own, everything is right.
pub fn input_raised(stage: &mut Stage<'_>) -> Outcome {
    stage.may_refuse = true;
    let then = stage.settings.topics.partitions;
    let now = then + 1 + stage.dice.below(3) as i32;
    // How soon a client sees it: five minutes if it is not told otherwise.
    stage.settings.kafka.properties.insert("topic.metadata.refresh.interval.ms".to_owned(), "500".to_owned());
    let topics = stage.settings.topics.clone();
    let running = stage.dice.below(2) == 0;
    let mut run = stage.start("a");
    stage.until_more(200);
    if running {
        raise(stage, &[&topics.events], now);
        assert!(!run.until_ended().success(), "it ends");
        assert!(run.said(WHAT_TO_DO) > 0, "it says what to do: {}", run.text());
    } else {
        run.stop();
        raise(stage, &[&topics.events], now);
    }
    let words = format!("partitions, the input has {now}");
    refused(stage, &[], &words);
    let first = stage.settings.clone();
    stage.settings = first.clone().in_generation(2);
    refused(stage, &["--rebuild"], &words);
    stage.settings = first.clone();
    let all = stage.dice.below(2) == 0;
    if all {
        let others = [&topics.states, &topics.vectors, &topics.bookkeeping, &topics.recovery];
        raise(stage, &[&others[..], &[&topics.transfer, &topics.dead_letters]].concat(), now);
        let words = format!("the input has {now} partitions, the state was made with {then}");
        stopped(stage, &[], &words, then);
        stage.settings = first.in_generation(2);
        // Of the new ones too.
        stopped(stage, &["--rebuild"], &words, now);
    }
    stage.load.stop();
    let copied = copy(stage, now);
    let run = stage.start("a");
    stage.until_caught_up();
    let letters = Letters::read(stage);
    assert_eq!(letters.count(RejectReason::Misrouted), 0, "everything is in its place");
    let seed = stage.dice.below(1 << 20);
    stage.load = Load::start(&stage.broker.addresses, &stage.settings.topics.events, seed);
    stage.until_sent_more(100);
    Outcome::Struck(
        format!("{then} to {now}, while it ran: {running}, all topics: {all}; {copied} records copied"),
        vec![run],
    )
}

/// A start stops so many partitions for this reason, and says what to do.
fn stopped(stage: &mut Stage<'_>, arguments: &[&str], words: &str, times: i32) {
    let run = stage.start_with(&stage.settings_of("a"), arguments, None);
    run.until_said("partition stopped", times as usize);
    assert!(run.said(words) >= times as usize && run.said(WHAT_TO_DO) >= times as usize, "{}", run.text());
    run.stop();
}

/// As the documentation says: all names anew, and every record where its key belongs, in the order of its partition.
fn copy(stage: &mut Stage<'_>, now: i32) -> usize {
    let (brokers, old) = (stage.broker.addresses.clone(), stage.settings.topics.events.clone());
    let mut new = settings(&brokers, &unique("copied"), now);
    new.kafka.properties.clone_from(&stage.settings.kafka.properties);
    new.workers = stage.settings.workers;
    create_topics(&new);
    stage.settings = new;
    let sender = Sender::to(stage);
    let mut records = Vec::new();
    for partition in 0..now {
        each_message(&brokers, &old, partition, |message| {
            use rdkafka::message::Message;
            let (key, value) = (message.key().map(<[u8]>::to_vec), message.payload().map(<[u8]>::to_vec));
            records.push(Odd { key, value });
        });
    }
    let places = sender.send(&records);
    for (odd, (partition, _)) in records.iter().zip(&places) {
        let key = odd.key.as_deref().expect("the load has keys");
        assert_eq!((murmur2(key) & 0x7fff_ffff) as i32 % now, *partition, "as Java clients place it");
    }
    records.len()
}

/// A topic that holds state, or one of the outputs, has more partitions than the input: refused; made anew, or in a
/// generation of its own, all is well.
pub fn output_raised(stage: &mut Stage<'_>) -> Outcome {
    stage.may_refuse = true;
    let first = stage.start("a");
    stage.until_more(300);
    first.stop();
    let topics = stage.settings.topics.clone();
    let topic = stage.any_state_topic();
    raise(stage, &[&topic], topics.partitions + 2);
    let words = format!("{topic} has {} partitions, the input has {}", topics.partitions + 2, topics.partitions);
    refused(stage, &[], &words);
    stage.settings = stage.settings.clone().in_generation(2);
    let rebuilt = stage.start_with(&stage.settings_of("a"), &["--rebuild"], None);
    rebuilt.until_said("rebuilt; publishing", topics.partitions as usize);
    stage.until_more(100);
    Outcome::Struck(format!("{topic}: refused, rebuilt"), vec![rebuilt])
}
