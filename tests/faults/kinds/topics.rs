//! What others do to the topics of the service: a transaction on its state that stays open, and a limit that is lowered.

use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rekindle::kafka::admin::{DEAD_LETTER_ROOM, DEFAULT_MAX_MESSAGE_BYTES};

use super::Outcome;
use crate::stage::Stage;
use crate::support::clients::{PATIENCE, alter_topic, eventually, unique};

/// Less than any dead letter with its headers, more than the marker of a transaction's end: without room for that no
/// transaction would ever end.
const TINY: usize = 200;

/// While state is restored, a transaction of somebody else is open on its topics, before the end: a reader of what is
/// committed stops there, and comes to less than the group's offset says.
pub fn open_transaction(stage: &mut Stage<'_>) -> Outcome {
    let first = stage.start("a");
    stage.until_more(50);
    let stranger = stranger(stage);
    let before = stage.consumed();
    stage.until_more(200);
    first.stop();
    let second = stage.start("b");
    let seen = || (second.said("a transaction is open on a state topic"), second.said("restored"), stage.refused());
    let (waits, ..) =
        eventually("its restore", seen, |(waits, restored, refused)| *waits + *restored > 0 || refused.is_some());
    stage.moment(500);
    let restored = second.said("restored");
    stranger.abort_transaction(PATIENCE).expect("aborted");
    stage.until_more(20);
    assert!(waits > 0 && restored == 0, "it was restored {restored} times from less than everything");
    let behind = stage.consumed() - before;
    Outcome::Struck(format!("at least 200 of {behind} records lay behind it"), vec![second])
}

/// A transaction with a record in each partition of the state topics.
fn stranger(stage: &Stage<'_>) -> BaseProducer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &stage.broker.addresses).set("transactional.id", unique("stranger"));
    let producer: BaseProducer = config.create().expect("producer");
    producer.init_transactions(PATIENCE).expect("init");
    producer.begin_transaction().expect("begin");
    for topic in stage.settings.topics.state().map(|(_, topic)| topic) {
        for partition in 0..stage.settings.topics.partitions {
            let record = BaseRecord::to(topic).partition(partition).key("nobody/nothing").payload("never seen");
            producer.send(record).map_err(|(error, _)| error).expect("room");
        }
    }
    producer.flush(PATIENCE).expect("acknowledged");
    producer
}

/// For a while the topic of dead letters takes no record: where there is one, the partition stops, and the
/// transaction is aborted. What the other partitions had in it is published with the next.
pub fn refused_record(stage: &mut Stage<'_>) -> Outcome {
    stage.settings.workers = 1;
    let first = stage.start("a");
    stage.until_more(50);
    longest_dead_letter(stage, TINY);
    first.until_said("transaction aborted", 3);
    longest_dead_letter(stage, DEFAULT_MAX_MESSAGE_BYTES + DEAD_LETTER_ROOM);
    let stopped = first.said("cannot publish to");
    Outcome::Struck(format!("3 transactions aborted, partitions stopped {stopped} times"), vec![first])
}

/// Sets the limit of a record in the topic of dead letters.
fn longest_dead_letter(stage: &Stage<'_>, bytes: usize) {
    let limit = [("max.message.bytes", &*bytes.to_string())];
    alter_topic(&stage.broker.addresses, &stage.settings.topics.dead_letters, &limit);
}
