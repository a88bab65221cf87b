//! The broker and the way to it: gone, gone at the start, standing still, silent, slow, and answers lost.

use std::time::Duration;

use super::Outcome;
use crate::stage::Stage;
use crate::support::between::open_transaction;
use crate::support::clients::eventually;
use crate::support::proxy::Way;

/// It is a matter of milliseconds.
const MOST_KILLS: u32 = 25;

/// The broker is killed or stopped, and comes back after a moment.
pub fn bounce(stage: &mut Stage<'_>) -> Outcome {
    let signal = ["KILL", "TERM"][stage.dice.below(2) as usize];
    gone(stage, signal, 0, 6000)
}

/// The same for longer than any client's patience.
pub fn down(stage: &mut Stage<'_>) -> Outcome {
    gone(stage, "KILL", 70_000, 1)
}

fn gone(stage: &mut Stage<'_>, signal: &str, least_ms: u64, below_ms: u64) -> Outcome {
    let mut run = stage.start("a");
    stage.until_more(100);
    stage.moment(1000);
    stage.broker.end(signal);
    let errors = run.said("librdkafka") + run.said("WARN");
    std::thread::sleep(Duration::from_millis(least_ms));
    stage.moment(below_ms);
    assert_eq!(run.ended(), None, "it waits for the broker");
    stage.broker.begin();
    stage.broker.wait();
    stage.until_more(100);
    let noticed = run.said("librdkafka") + run.said("WARN") - errors;
    Outcome::Struck(format!("SIG{signal}; {noticed} warnings"), vec![run])
}

/// The broker is killed and comes back until it has forgotten to tell the group's coordinator how a transaction ended.
pub fn forgotten_end(stage: &mut Stage<'_>) -> Outcome {
    let run = stage.start("a");
    for times in 1..=MOST_KILLS {
        stage.until_more(100);
        stage.moment(500);
        stage.broker.end("KILL");
        stage.broker.begin();
        stage.broker.wait();
        stage.until_caught_up();
        if run.said("by a transaction that the brokers forgot") > 0 {
            return Outcome::Struck(format!("at the kill {times}"), vec![run]);
        }
    }
    run.stop();
    Outcome::Missed(format!("{MOST_KILLS} kills were not enough"))
}

/// A broker tells some of the places of a transaction that it is committed, is killed, and takes the transaction for
/// over when it comes back: what is left has to be committed, too.
pub fn half_told_end(stage: &mut Stage<'_>) -> Outcome {
    stage.settings.workers = 1;
    let settings = stage.settings_of("a");
    let (run, mark) = stage.start_holding(&settings, "before_commit", |_| String::new());
    let brokers = stage.broker.addresses.clone();
    let id = format!("{}-0", settings.kafka.transactional_id);
    let open = open_transaction(&brokers, &id).expect("its transaction");
    let topics = &stage.settings.topics;
    // One of these shows what became of the rest; whatever else is told is left to chance.
    let telling = ["__consumer_offsets", &topics.bookkeeping, &topics.states];
    let tell = telling[stage.dice.below(3) as usize].to_owned();
    let (told, left): (Vec<_>, Vec<_>) =
        open.places.iter().cloned().partition(|(topic, _)| *topic == tell || stage.dice.below(2) == 0);
    open.commit_at(&brokers, &told);
    open.forget(&brokers);
    stage.broker.end("KILL");
    stage.broker.begin();
    stage.broker.wait();
    std::fs::remove_file(mark).expect("it held");
    stage.until_caught_up();
    let ended = "by a transaction that the brokers forgot: ending it committed=true";
    match (left.len(), run.said(ended)) {
        (0, _) => Outcome::Missed("all of it was told".to_owned()),
        (left, 0) => panic!("{left} places were left, {told:?} told, and nothing of it was ended"),
        (left, _) => {
            Outcome::Struck(format!("{} places told, {left} left, {tell} among those told", told.len()), vec![run])
        }
    }
}

/// The service is started before the broker.
pub fn down_at_start(stage: &mut Stage<'_>) -> Outcome {
    let first = stage.start("a");
    stage.until_more(100);
    first.kill();
    stage.broker.end("KILL");
    let mut run = stage.start("a");
    stage.moment(5000);
    stage.broker.begin();
    stage.broker.wait();
    let seen = || (run.said("restored"), run.ended());
    let (_, ended) = eventually("it works or gives up", seen, |(restored, ended)| *restored >= 3 || ended.is_some());
    let Some(status) = ended else { return Outcome::Struck("it waited".to_owned(), vec![run]) };
    // It waits for fifteen seconds; then whoever supervises it starts it again.
    assert!(!status.success() && run.said("BrokerTransportFailure") > 0, "{status}: {}", run.text());
    Outcome::Struck("it gave up and said so".to_owned(), Vec::new())
}

/// The broker stands still for a while: nothing is closed, nothing answers.
pub fn frozen(stage: &mut Stage<'_>) -> Outcome {
    let run = stage.start("a");
    stage.until_more(100);
    stage.moment(1000);
    let seconds = 2 + stage.dice.below(10);
    stage.broker.signal("STOP");
    std::thread::sleep(Duration::from_secs(seconds));
    stage.broker.signal("CONT");
    stage.until_more(100);
    Outcome::Struck(format!("for {seconds} s"), vec![run])
}

/// Takes a way through the proxy for so many milliseconds at most, and counts what it met.
fn by(stage: &mut Stage<'_>, way: Way, least_ms: u64, below_ms: u64) -> Outcome {
    stage.proxied = true;
    // A lost answer is waited for this long.
    stage.settings.kafka.properties.insert("socket.timeout.ms".to_owned(), "3000".to_owned());
    let run = stage.start("a");
    stage.until_more(100);
    stage.moment(1000);
    stage.broker.proxy.set(way);
    std::thread::sleep(Duration::from_millis(least_ms));
    stage.moment(below_ms);
    let struck = stage.broker.proxy.set(Way::Open);
    stage.until_more(100);
    match struck {
        0 => Outcome::Missed(format!("nothing met {way:?}")),
        _ => Outcome::Struck(format!("{way:?} met {struck} times"), vec![run]),
    }
}

/// Everything is held back.
pub fn black_hole(stage: &mut Stage<'_>) -> Outcome {
    by(stage, Way::BlackHole, 1000, 12_000)
}

/// Each answer takes long.
pub fn slow(stage: &mut Stage<'_>) -> Outcome {
    let delay = Duration::from_millis(20 + stage.dice.below(400));
    by(stage, Way::Slow(delay), 4000, 4000)
}

/// Answers to EndTxn are lost.
pub fn lost_end(stage: &mut Stage<'_>) -> Outcome {
    by(stage, Way::LoseEndTxn, 1000, 6000)
}

/// Answers to EndTxn come when nobody waits for them any more, or nearly.
pub fn late_end(stage: &mut Stage<'_>) -> Outcome {
    let delay = Duration::from_millis(500 + stage.dice.below(4000));
    by(stage, Way::DelayEndTxn(delay), 1000, 6000)
}

/// The connection is closed instead of an answer to EndTxn.
pub fn cut_end(stage: &mut Stage<'_>) -> Outcome {
    by(stage, Way::CutEndTxn, 200, 3000)
}
