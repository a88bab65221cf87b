//! What `rekindle verify` cannot know it says so: other versions of the engine, and sequences whose beginning is gone.

use std::sync::Arc;

use rekindle::engine::encode::{self, Row};
use rekindle::engine::{EngineSettings, Topic};
use rekindle::model::ids::EventId;
use rekindle::runtime::settings::RuntimeSettings;
use rekindle::verify::Outcome;

use crate::instance;
use crate::support::broker::brokers;
use crate::support::clients::{Seen, read_all};
use crate::verify::{delete_below, done, forged, report, said, worked};

/// Bytes before the body: Avro's single-object encoding.
const HEADER: usize = 10;

/// The same topics, but bookkeeping says that another version folded everything.
fn of_another_version() -> RuntimeSettings {
    forged(Topic::Bookkeeping, |all| {
        let is_history = |seen: &&mut Seen| seen.key.as_ref().is_some_and(|key| key.starts_with(b"history/"));
        let entry = all.iter_mut().find(is_history).expect("a history");
        let value = entry.value.as_mut().expect("a row");
        let Ok(Row::History(mut history)) = encode::decode_row(&value[HEADER..]) else {
            panic!("no entry of a history")
        };
        history.engine_version = "0.0.9".to_owned();
        value.truncate(HEADER);
        value.extend(encode::row(&Row::History(history)).expect("a row"));
    })
}

#[test]
fn what_another_version_folded_is_doubted_but_never_called_wrong() {
    let mut foreign = of_another_version();
    let (code, text) = instance::verify(&foreign, &[]);
    let why = "not provable from offset 0 on: engine 0.0.9 was in force";
    assert!(code == Some(3) && text.contains(why) && text.contains("0 different"), "{text}");

    foreign.topics.recovery = forged(Topic::Recovery, |all| drop(all.remove(20))).topics.recovery;
    let (outcome, found) = report(&foreign);
    assert_eq!((outcome, found.recovery.missing, found.recovery.unprovable), (Outcome::NotProvable, 0, 1));
}

#[test]
fn a_replay_that_panics_leaves_its_partition_unproven() {
    let mut settings = done().clone();
    let read = |seen: Seen| serde_json::from_slice::<serde_json::Value>(&seen.value?).ok();
    let mut events = read_all(brokers(), &settings.topics.events, 1).into_iter().filter_map(read);
    let id = events.find_map(|event| event["event_id"].as_str().map(str::to_owned)).expect("an event in JSON");
    let panic_on = Some(EventId::new(&id).expect("an id"));
    settings.engine = Arc::new(EngineSettings { panic_on, ..(*settings.engine).clone() });
    let (outcome, found) = report(&settings);
    assert_eq!((outcome, found.not_provable.len()), (Outcome::NotProvable, 1));
    let why = &found.not_provable[0];
    assert!(why.from_offset.is_some() && why.reason.contains("panicked"), "{why:?}");
}

#[test]
fn dead_letters_that_expired_are_not_missing() {
    let settings = worked("expired-letters", 200);
    let letters = read_all(brokers(), &settings.topics.dead_letters, 1);
    assert!(letters.len() >= 3, "{}", letters.len());
    let last = letters.last().expect("three at least").offset;
    delete_below(&settings.topics.dead_letters, letters[1].offset + 1);
    let (outcome, found) = report(&settings);
    let letters = (found.dead_letters.expired, found.dead_letters.missing);
    assert_eq!((outcome, letters), (Outcome::Equal, (2, 0)), "{:?}", said(&found));
    // All of them.
    delete_below(&settings.topics.dead_letters, last + 1);
    let (outcome, found) = report(&settings);
    assert_eq!((outcome, found.dead_letters.missing), (Outcome::Equal, 0), "{:?}", said(&found));
}
