//! Producers that send twice, out of order and with clocks that are off, and one that leaves a transaction open.

use std::collections::BTreeSet;
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rekindle::model::verdict::RejectReason;
use serde_json::{Value, json};

use super::Outcome;
use crate::load::Load;
use crate::odd::{Letters, Odd, Sender, event};
use crate::run::Run;
use crate::stage::Stage;
use crate::support::clients::{PATIENCE, eventually, read_all};
use crate::support::events::{Dice, now_ms, workload};
use crate::support::oracle::assert_verified;

const MINUTE: i64 = 60_000;
const DAY: i64 = 86_400_000;

/// Records among which the order is lost.
const WINDOW: usize = 150;

/// A record, and whether its clock is so far off that it is refused.
type Skewed = (Odd, Option<RejectReason>);

/// The same event by a clock that is off, now and then.
fn skewed(dice: &mut Dice, key: String, value: Vec<u8>) -> Skewed {
    let mut event: Value = serde_json::from_slice(&value).expect("an event");
    let minutes = |n: u64| n as i64 * MINUTE;
    let (at, reason) = match dice.below(10) {
        // The limit is five minutes; the broker's clock goes on until the record arrives.
        0 => (now_ms() + minutes(dice.below(4)), None),
        1 => (now_ms() + minutes(30 + dice.below(600)), Some(RejectReason::TooEarly)),
        // The retention is seven days, by stream time, which lies between an hour ago and now.
        2 => (now_ms() - minutes(60 + dice.below(6 * 1440)), None),
        3 => (now_ms() - 8 * DAY - minutes(dice.below(1440)), Some(RejectReason::TooLate)),
        _ => return (Odd::new(&key, value), None),
    };
    event["occurred_at"] = json!(at);
    (Odd::new(&key, event.to_string()), reason)
}

/// Records as such producers send them, and how many of them are repetitions.
fn mess(dice: &mut Dice, seed: u64) -> (Vec<Skewed>, usize) {
    let events = workload(seed, 400);
    let mut records: Vec<_> = events.into_iter().map(|(key, value)| skewed(dice, key, value)).collect();
    let whole = records.len();
    for at in 0..whole {
        if dice.below(4) == 0 {
            // At once, or much later.
            let again = records[at].clone();
            let place = if dice.below(2) == 0 { at } else { dice.below(records.len() as u64) as usize };
            (0..1 + dice.below(3)).for_each(|_| records.insert(place, again.clone()));
        }
    }
    let doubled = records.len() - whole;
    for window in records.chunks_mut(WINDOW) {
        for at in (1..window.len()).rev() {
            window.swap(at, dice.below(at as u64 + 1) as usize);
        }
    }
    (records, doubled)
}

/// All of it at once, while instances come and go.
pub fn odd(stage: &mut Stage<'_>) -> Outcome {
    let mut runs: [Option<Run>; 3] = [Some(stage.start("a")), Some(stage.start("b")), None];
    // Every partition knows what time it is.
    eventually("all work", || stage.offsets(), |offsets| offsets.iter().all(|offset| *offset > 20));
    let seed = 9_000_000_000 + stage.dice.below(1 << 30);
    let (records, doubled) = mess(&mut stage.dice, seed);
    let senders = [Sender::to(stage), Sender::to(stage), Sender::to(stage)];
    let (mut sent, mut changes) = (Vec::new(), 0);
    for chunk in records.chunks(60) {
        let odds: Vec<Odd> = chunk.iter().map(|(odd, _)| odd.clone()).collect();
        let places = senders[stage.dice.below(3) as usize].send(&odds);
        sent.extend(places.into_iter().zip(chunk).map(|(place, (odd, reason))| (place, odd, *reason)));
        let which = stage.dice.below(3) as usize;
        match runs[which].take() {
            None => runs[which] = Some(stage.start(["a", "b", "c"][which])),
            Some(run) if stage.dice.below(2) == 0 => run.kill(),
            Some(run) => run.stop(),
        }
        changes += 1;
        stage.moment(600);
    }
    if runs.iter().all(Option::is_none) {
        runs[0] = Some(stage.start("a"));
    }
    stage.until_caught_up();
    let letters = Letters::read(stage);
    let mut refused = 0;
    for (place, odd, reason) in &sent {
        // Of others some were erased meanwhile.
        if let Some(reason) = reason {
            letters.check(stage, *place, odd, *reason);
            refused += 1;
        }
    }
    let facts = format!("{} records, {doubled} repetitions, {refused} with impossible times", sent.len());
    match refused * doubled {
        0 => Outcome::Missed(facts),
        _ => {
            Outcome::Struck(format!("{facts}; {changes} instances came or went"), runs.into_iter().flatten().collect())
        }
    }
}

/// How a foreign transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Commit,
    Abort,
    /// By the broker, once its time is over.
    Timeout,
}

/// A producer with a transaction that nobody has ended.
struct Foreign {
    producer: BaseProducer,
    /// Where its first record lies, by partition.
    first: Vec<Option<i64>>,
    sessions: BTreeSet<String>,
}

impl Foreign {
    /// Sends a few good events to each partition and leaves the transaction open.
    fn begin(stage: &mut Stage<'_>, name: &str, timeout: Duration) -> Foreign {
        let (brokers, topics) = (stage.broker.addresses.clone(), stage.settings.topics.clone());
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", &brokers)
            .set("transactional.id", format!("{}-{name}", stage.settings.kafka.group_id))
            .set("transaction.timeout.ms", timeout.as_millis().to_string())
            .set("partitioner", "murmur2_random")
            .create()
            .expect("a producer");
        producer.init_transactions(PATIENCE).expect("its turn");
        producer.begin_transaction().expect("begun");
        let mut sessions = BTreeSet::new();
        for n in 0..30 {
            let (tenant, session) = (format!("foreign-{}", n % 10), format!("{name}-{n}"));
            let started = event(&session, &tenant, &session, json!({"type": "session_started"})).to_string();
            let record = BaseRecord::to(&topics.events).key(&tenant).payload(&started);
            producer.send(record).map_err(|(error, _)| error).expect("room");
            sessions.insert(format!("{tenant}/{session}"));
        }
        producer.flush(PATIENCE).expect("stored");
        let first = (0..topics.partitions).map(|partition| stable_end(stage, partition)).collect();
        Foreign { producer, first, sessions }
    }

    fn end(&self, how: End) {
        match how {
            End::Commit => self.producer.commit_transaction(PATIENCE).expect("committed"),
            End::Abort => self.producer.abort_transaction(PATIENCE).expect("aborted"),
            End::Timeout => {}
        }
    }
}

/// The first offset that a `read_committed` reader cannot reach because of an open transaction; `None`: it reaches the end.
fn stable_end(stage: &Stage<'_>, partition: i32) -> Option<i64> {
    let end = |isolation: &str| {
        let reader: rdkafka::consumer::BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &stage.broker.addresses)
            .set("isolation.level", isolation)
            .create()
            .expect("a consumer");
        let ask = || {
            rdkafka::consumer::Consumer::fetch_watermarks(
                &reader,
                &stage.settings.topics.events,
                partition,
                Duration::from_secs(5),
            )
        };
        eventually("an end", ask, Result::is_ok).expect("just seen").1
    };
    let stable = end("read_committed");
    (stable < end("read_uncommitted")).then_some(stable)
}

/// A foreign transaction stays open on the input: nobody reads beyond it until it ends, however it does.
pub fn open_transaction(stage: &mut Stage<'_>) -> Outcome {
    let how = [End::Commit, End::Abort, End::Timeout][stage.dice.below(3) as usize];
    let mut run = stage.start("a");
    stage.until_more(100);
    let timeout = Duration::from_secs(if how == End::Timeout { 8 } else { 60 });
    let foreign = Foreign::begin(stage, "held", timeout);
    let barred = |stage: &Stage<'_>| {
        let beyond = |(now, first): (&i64, &Option<i64>)| first.is_some_and(|first| *now > first);
        !stage.offsets().iter().zip(&foreign.first).any(beyond)
    };
    if foreign.first.iter().all(Option::is_none) {
        return Outcome::Missed("it had ended before anybody looked".to_owned());
    }
    let reached =
        |now: &Vec<i64>| now.iter().zip(&foreign.first).all(|(now, first)| first.is_none_or(|first| *now >= first));
    let before = eventually("it comes to the transaction", || stage.offsets(), reached);
    let killed = stage.dice.below(2) == 0;
    if killed {
        run.kill();
        run = stage.start("a");
        // What the next owner restores waits for nothing of a foreign producer's.
        run.until_said("restored", stage.settings.topics.partitions as usize);
    }
    if how != End::Timeout {
        stage.until_sent_more(300);
        assert!(barred(stage), "it read beyond {:?}: {:?}", foreign.first, stage.offsets());
    }
    foreign.end(how);
    let past = |now: &Vec<i64>| now.iter().zip(&before).all(|(now, before)| now > before);
    eventually("it goes on", || stage.offsets(), past);
    let behind = ends_with_a_marker(stage);
    stage.until_caught_up();
    effects(stage, &foreign.sessions, how == End::Commit);
    Outcome::Struck(
        format!("{how:?} at {:?}, killed meanwhile: {killed}; then {behind:?} at the end", foreign.first),
        vec![run],
    )
}

/// The input ends with the marker of a transaction: the group stands before it, and that is no fault.
fn ends_with_a_marker(stage: &mut Stage<'_>) -> End {
    stage.load.stop();
    let how = [End::Commit, End::Abort][stage.dice.below(2) as usize];
    let foreign = Foreign::begin(stage, "last", Duration::from_secs(60));
    foreign.end(how);
    let last = |stage: &Stage<'_>, partition: i32| {
        let mut next = 0;
        let (brokers, topic) = (&stage.broker.addresses, &stage.settings.topics.events);
        crate::support::clients::each_message(brokers, topic, partition, |message| {
            next = rdkafka::message::Message::offset(message) + 1;
        });
        next
    };
    let expected: Vec<i64> = (0..stage.settings.topics.partitions).map(|partition| last(stage, partition)).collect();
    let ends = stage.ends();
    assert!(expected.iter().zip(&ends).all(|(next, end)| next < end), "markers are the last: {expected:?} {ends:?}");
    let there = |now: &Vec<i64>| now.iter().zip(&expected).all(|(now, next)| now >= next);
    eventually("everything readable is committed", || stage.offsets(), there);
    assert_verified(&stage.settings);
    effects(stage, &foreign.sessions, how == End::Commit);
    let seed = stage.dice.below(1 << 20);
    stage.load = Load::start(&stage.broker.addresses, &stage.settings.topics.events, seed);
    stage.until_sent_more(300);
    how
}

/// Whether all or none of these sessions have a state.
fn effects(stage: &Stage<'_>, sessions: &BTreeSet<String>, expected: bool) {
    let topics = &stage.settings.topics;
    let states = read_all(&stage.broker.addresses, &topics.states, topics.partitions);
    let began = |key: &String| states.iter().any(|state| state.key.as_deref() == Some(key.as_bytes()));
    let count = sessions.iter().filter(|key| began(key)).count();
    assert_eq!(count, if expected { sessions.len() } else { 0 }, "of {} sessions", sessions.len());
}
