//! What no producer should send: a record for every reason of refusal, garbage, and records that make the engine panic.

use rekindle::engine::{Record, decode, encode};
use rekindle::model::position::Position;
use rekindle::model::verdict::RejectReason;
use serde_json::json;

use super::Outcome;
use crate::odd::{Letters, Odd, Place, Sender, event, usual_time};
use crate::run::{Run, was_killed};
use crate::stage::Stage;
use crate::support::clients::{eventually, read_all};
use crate::support::events::{Dice, now_ms, workload};

/// The event at which the engine panics, and what brings that about.
const BOOM: &str = "boom";
const PANIC_AT_BOOM: &str = "event boom panic";

const DAY: i64 = 86_400_000;

/// The `n`th record that is refused for `reason`, last, after what has to precede it.
fn refused_for(reason: RejectReason, n: u64) -> Vec<Odd> {
    let (tenant, session, id) = (format!("odd-{n}"), format!("{reason}-{n}"), format!("{reason}-{n}"));
    let turn = json!({"type": "turn_completed", "turn": 1, "input_tokens": 9, "output_tokens": 1});
    let with = |patch| event(&id, &tenant, &session, patch).to_string();
    let good = event(&format!("{id}-good"), &tenant, &session, turn.clone()).to_string();
    let at = |time: i64| {
        let mut late = event(&id, &tenant, &session, turn.clone());
        late["occurred_at"] = json!(time);
        late.to_string()
    };
    let odd = |value: &str| Odd::new(&tenant, value);
    match reason {
        RejectReason::Malformed => vec![odd(&good[..good.len() - 1])],
        RejectReason::TrailingBytes => vec![odd(&format!("{good}{good}"))],
        RejectReason::UnknownSchema => vec![Odd::new(&tenant, [0xC3, 0x01, 1, 2, 3, 4, 5, 6, 7, 8, 9])],
        RejectReason::UnknownType => vec![odd(&with(json!({"type": "session_imagined"})))],
        RejectReason::MissingField => vec![odd(&with(json!({"type": "turn_completed", "turn": 1})))],
        RejectReason::InvalidField => {
            vec![odd(&with(json!({"type": "transfer_scope_changed", "transfer_scope": "everyone"})))]
        }
        RejectReason::TooLarge => vec![odd(&format!("{good}{}", " ".repeat((1 << 20) + 1 - good.len())))],
        RejectReason::TooLate => vec![odd(&good), odd(&at(usual_time() - 8 * DAY))],
        RejectReason::TooEarly => vec![odd(&at(now_ms() + 600_000))],
        RejectReason::Misrouted => vec![Odd::new("somebody-else", good)],
        RejectReason::PrefixTooLong => {
            let prefix = json!({"algorithm": "a", "block_tokens": 16, "hashes": vec!["1"; 16_385]});
            vec![odd(&with(json!({"type": "resume_requested", "prefix": prefix})))]
        }
        RejectReason::BadContext => {
            vec![odd(&with(
                json!({"type": "context_embedded", "space": "elsewhere", "vector": [1.0], "covers_turn": 1}),
            ))]
        }
        RejectReason::Erased => {
            let erased = event(
                &format!("{id}-erased"),
                &tenant,
                &session,
                json!({"type": "subject_erased", "scope": "session"}),
            );
            vec![odd(&good), odd(&erased.to_string()), odd(&with(turn.clone()))]
        }
        RejectReason::Poison => vec![odd(&event(BOOM, &tenant, &session, turn.clone()).to_string())],
        RejectReason::Skipped => vec![odd(&good)],
    }
}

/// Every reason of the contract, under load, sometimes with a crash in between.
pub fn reasons(stage: &mut Stage<'_>) -> Outcome {
    let sender = Sender::to(stage);
    let mut sent: Vec<(Place, Odd, RejectReason)> = Vec::new();
    let mut send = |reason: RejectReason, n: u64| {
        let records = refused_for(reason, n);
        let places = sender.send(&records);
        let (Some(record), Some(&place)) = (records.into_iter().next_back(), places.last()) else { unreachable!() };
        sent.push((place, record, reason));
        place
    };
    // Before the start, since the operator has to name them.
    let skipped: Vec<Place> = (0..3).map(|n| send(RejectReason::Skipped, n)).collect();
    let arguments: Vec<String> = skipped.iter().flat_map(|(p, o)| ["--skip".to_owned(), format!("{p}:{o}")]).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let start = |stage: &mut Stage<'_>| stage.start_with(&stage.settings_of("a"), &arguments, Some(PANIC_AT_BOOM));
    let mut run = start(stage);
    stage.until_more(30);
    let mut wanted: Vec<(RejectReason, u64)> = Vec::new();
    let others = RejectReason::ALL.iter().filter(|reason| **reason != RejectReason::Skipped);
    others.for_each(|reason| wanted.extend((0..1 + stage.dice.below(3)).map(|n| (*reason, n))));
    let mut kills = 0;
    while !wanted.is_empty() {
        let (reason, n) = wanted.swap_remove(stage.dice.below(wanted.len() as u64) as usize);
        send(reason, n);
        stage.moment(200);
        if stage.dice.below(12) == 0 {
            run.kill();
            kills += 1;
            run = start(stage);
        }
    }
    stage.until_caught_up();
    let letters = Letters::read(stage);
    for (place, record, reason) in &sent {
        letters.check(stage, *place, record, *reason);
    }
    assert!(RejectReason::ALL.iter().all(|reason| sent.iter().any(|(_, _, of)| of == reason)), "every reason");
    Outcome::Struck(format!("{} records for {} reasons, {kills} kills", sent.len(), RejectReason::ALL.len()), vec![run])
}

/// What becomes of a piece of garbage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is refused.
    Refused,
    /// A flipped bit may be one that nobody looks at, or may change what is said.
    Either,
}

/// Garbage with the key of one of the load's tenants, mostly.
fn garbage(dice: &mut Dice, seed: u64) -> (Odd, Fate) {
    let (tenant, json) = workload(seed, 1).remove(0);
    let mut valid = if dice.below(2) == 0 { json } else { single_object(&json) };
    let mut noise = |below| (0..dice.below(below)).map(|_| dice.below(256) as u8).collect::<Vec<u8>>();
    let random = noise(4096);
    let bits = valid.len() as u64 * 8;
    let key = Some(tenant.into_bytes());
    match dice.below(8) {
        0 | 1 => (Odd { key, value: Some(random) }, Fate::Refused),
        2 => (Odd { key, value: Some([&[0, 0, 0, 0, 1][..], &random].concat()) }, Fate::Refused),
        3 => {
            valid.truncate(dice.below(bits / 8) as usize);
            (Odd { key, value: Some(valid) }, Fate::Refused)
        }
        4 => (Odd { key, value: None }, Fate::Refused),
        // Keys by themselves tell that a record is not its tenant's.
        5 => (Odd { key: Some(random), value: Some(valid) }, Fate::Refused),
        6 => (Odd { key: None, value: Some(valid) }, Fate::Refused),
        _ => {
            for _ in 0..1 + dice.below(3) {
                let bit = dice.below(bits);
                valid[(bit / 8) as usize] ^= 1 << (bit % 8);
            }
            (Odd { key, value: Some(valid) }, Fate::Either)
        }
    }
}

/// The same event as an Avro single object.
fn single_object(json: &[u8]) -> Vec<u8> {
    let record = Record {
        position: Position::default(),
        timestamp: None,
        key: None,
        value: Some(json),
        traceparent: None,
        writer: None,
    };
    let body = encode::event(decode::decode(&record).expect("a good event")).expect("encodable");
    [&encode::event_single_object_header()[..], &body].concat()
}

/// One percent of the load is garbage, while an instance is killed and started again.
pub fn with_garbage(stage: &mut Stage<'_>) -> Outcome {
    let sender = Sender::to(stage);
    let (mut sent, mut behind) = (Vec::new(), 0);
    let mut run = stage.start("a");
    for cycle in 0..5 + stage.dice.below(4) {
        stage.until_sent_more(300);
        for n in 0..3 + stage.dice.below(3) {
            let seed = 7_000_000_000 + cycle * 1000 + n;
            let (odd, fate) = garbage(&mut stage.dice, seed);
            sent.push((sender.send(std::slice::from_ref(&odd))[0], odd, fate));
        }
        if cycle == 1 || stage.dice.below(3) == 0 {
            stage.moment(300);
            run.signal("KILL");
            if !was_killed(run.until_ended()) {
                return Outcome::Missed("it ended by itself".to_owned());
            }
            behind = behind.max(stage.ends().iter().sum::<i64>() - stage.consumed());
            run = stage.start("a");
        }
    }
    stage.until_caught_up();
    let letters = Letters::read(stage);
    let mut refused = 0;
    for (place, odd, fate) in &sent {
        if *fate == Fate::Refused || !letters.of(*place).is_empty() {
            let (_, reason) = letters.only(*place);
            assert!(!matches!(reason, RejectReason::Poison | RejectReason::Skipped), "{reason}: {odd:?}");
            letters.check(stage, *place, odd, reason);
            refused += 1;
        }
    }
    let (all, load) = (sent.len(), stage.load.sent());
    Outcome::Struck(
        format!("{all} pieces of garbage in {load} events, {refused} refused; killed {behind} records behind at most"),
        vec![run],
    )
}

/// The engine panics at some records, while instances are killed; then a rebuild folds everything anew. The decision
/// that was taken first holds: nothing is judged anew, and nothing is dead-lettered twice.
pub fn with_panics(stage: &mut Stage<'_>) -> Outcome {
    let sender = Sender::to(stage);
    let start = |stage: &mut Stage<'_>| stage.start_with(&stage.settings_of("a"), &[], Some(PANIC_AT_BOOM));
    let panicked = |run: &Run| run.said("processing a record panicked");
    let mut run = start(stage);
    stage.until_more(30);
    let (mut sent, mut panics) = (Vec::new(), 0);
    for n in 0..3 + stage.dice.below(4) {
        let odd = Odd::new(
            &format!("odd-{n}"),
            event(BOOM, &format!("odd-{n}"), &format!("panics-{n}"), json!({"type": "session_started"})).to_string(),
        );
        sent.push((sender.send(std::slice::from_ref(&odd))[0], odd));
        stage.moment(400);
        if n == 0 || stage.dice.below(2) == 0 {
            // Sometimes between the panic and the commit of what was decided, sometimes later.
            let before = panicked(&run);
            let what = || (panicked(&run) > before || stage.consumed() >= stage.ends().iter().sum(), ());
            let _ = eventually("it panics, or did", what, |(so, ())| *so);
            stage.moment(150);
            panics += panicked(&run);
            run.kill();
            run = start(stage);
        }
    }
    stage.until_caught_up();
    panics += panicked(&run);
    let check = |stage: &Stage<'_>| {
        let letters = Letters::read(stage);
        sent.iter().for_each(|(place, odd)| letters.check(stage, *place, odd, RejectReason::Poison));
        let (brokers, topics) = (&stage.broker.addresses, &stage.settings.topics);
        let began = |key: &[u8]| key.windows(8).any(|part| part == b"/panics-");
        let states = read_all(brokers, &topics.states, topics.partitions);
        assert!(!states.iter().any(|state| state.key.as_deref().is_some_and(began)), "nothing came of it");
    };
    check(stage);
    run.stop();
    stage.settings = stage.settings.clone().in_generation(2);
    // With the same fault in the engine: only who does not look at the records gets past them.
    let point = [None, Some(PANIC_AT_BOOM)][stage.dice.below(2) as usize];
    let rebuilt = stage.start_with(&stage.settings_of("a"), &["--rebuild"], point);
    rebuilt.until_said("rebuilt; publishing", stage.settings.topics.partitions as usize);
    stage.until_caught_up();
    assert_eq!(panicked(&rebuilt), 0, "the decision was repeated");
    check(stage);
    match panics {
        0 => Outcome::Missed("nothing panicked".to_owned()),
        _ => Outcome::Struck(
            format!("{} records, {panics} panics; rebuilt, the engine still faulty: {}", sent.len(), point.is_some()),
            vec![rebuilt],
        ),
    }
}
