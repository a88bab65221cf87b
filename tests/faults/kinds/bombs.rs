//! Small records that claim to be huge, records that are huge, schema ids that nobody knows, and a registry that is down.

use rekindle::engine::encode;
use rekindle::kafka::settings::RegistrySettings;
use rekindle::model::verdict::RejectReason;
use serde_json::json;

use super::Outcome;
use crate::odd::{Letters, Odd, Place, Sender, event};
use crate::run::Run;
use crate::stage::Stage;
use crate::support::clients::{alter_topic, eventually, read_all};
use crate::support::registry::RegistryDouble;
use crate::support::wire::{avro, framed};

/// Our schema, a version of it with an array of nulls, and our schema again, not asked for until the registry is down.
const OURS: u32 = 7;
const WITH_NULLS: u32 = 8;
const LATER: u32 = 9;
/// An id that the registry does not know.
const UNKNOWN: u32 = 4_000_000_000;

/// The most memory the process may ever have: its two workers' clients each keep up to 64 MiB of fetched records
/// (librdkafka's `queued.max.messages.kbytes`) beside what is unpacked and in flight, and the rest of the process takes
/// a fraction of that. The smallest lie that would be noticed claims a gigabyte.
const LIMIT_KIB: u64 = 400 << 10;

/// A zigzag varint.
fn varint(value: i64) -> Vec<u8> {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    let mut bytes = Vec::new();
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

fn turn(id: &str, tenant: &str) -> serde_json::Value {
    let body = json!({"type": "turn_completed", "turn": 1, "input_tokens": 9, "output_tokens": 1});
    event(id, tenant, id, body)
}

/// Everything that claims to be larger, longer or deeper than it is, with the reason of its refusal.
fn bombs(tenant: &str) -> Vec<(Odd, RejectReason)> {
    let context = json!({"type": "context_embedded", "space": "default", "vector": [1.0], "covers_turn": 1});
    let whole = avro(&event("e", tenant, "s", context));
    let space = b"\x0edefault";
    let vector_at = whole.windows(space.len()).position(|w| w == space).expect("its space") + space.len();
    let vector = |lie: &[u8]| [&whole[..vector_at], &[0x02], lie, &[0x00; 16]].concat();
    let mut bodies = Vec::new();
    let mut nulls = Vec::new();
    for lie in [1 << 20, 1 << 30, 1 << 40, i64::MAX, -1, -(1 << 40), i64::MIN] {
        bodies.push(varint(lie));
        bodies.push(vector(&varint(lie)));
        // A block of a negative count says how many bytes it has.
        bodies.push(vector(&[varint(-5), varint(lie)].concat()));
        bodies.push(vector(&[varint(lie), varint(1 << 40)].concat()));
        nulls.push([&varint(1)[..], b"e", &varint(lie), &[0x00]].concat());
    }
    let header = encode::event_single_object_header();
    let forms = |body: &Vec<u8>| [[&header[..], body].concat(), framed(OURS, body), framed(WITH_NULLS, body)];
    let mut values: Vec<Vec<u8>> = bodies.iter().flat_map(forms).collect();
    values.extend(nulls.iter().map(|body| framed(WITH_NULLS, body)));
    let deep = |open: &str, times| format!("{{\"a\":{}", open.repeat(times)).into_bytes();
    values.extend([deep("[", 1_000_000), deep("{\"a\":", 200_000), "[".repeat(1 << 20).into_bytes()]);
    values.into_iter().map(|value| (Odd::new(tenant, value), RejectReason::Malformed)).collect()
}

/// Records at and above the limit, and those of ids that nobody knows.
fn large(tenant: &str, n: u64) -> Vec<(Odd, Option<RejectReason>)> {
    let small = turn(&format!("large-{n}"), tenant).to_string();
    let padded = |bytes: usize| Odd::new(tenant, format!("{small}{}", " ".repeat(bytes - small.len())));
    vec![
        (padded(1 << 20), None),
        (padded((1 << 20) + 1), Some(RejectReason::TooLarge)),
        // Still fits into the dead letters' topic, and does not any more.
        (padded(1_113_000), Some(RejectReason::TooLarge)),
        (padded((3 << 20) + 77), Some(RejectReason::TooLarge)),
        (Odd::new(tenant, framed(UNKNOWN, &avro(&turn("unknown", tenant)))), Some(RejectReason::UnknownSchema)),
    ]
}

/// The input takes records of four MiB from now on; what else its topic was created with stays.
fn raise_the_topics_limit(stage: &Stage<'_>) {
    let settings = [("max.message.bytes", "4194304"), ("message.timestamp.type", "LogAppendTime")];
    alter_topic(&stage.broker.addresses, &stage.settings.topics.events, &settings);
}

/// Bombs, large records and unknown ids under load; then the registry goes down, and an instance with it or beside it.
pub fn bombs_and_outage(stage: &mut Stage<'_>) -> Outcome {
    // For as long as the process lives: the stage may start the service once more.
    let double: &RegistryDouble = Box::leak(Box::new(RegistryDouble::start()));
    let ours = encode::event_schema_text();
    let first = "{\"name\": \"event_id\", \"type\": \"string\"}";
    let nulls = format!(
        "{first}, {{\"name\": \"nulls\", \"type\": {{\"type\": \"array\", \"items\": \"null\"}}, \"default\": []}}"
    );
    let newer = ours.replacen(first, &nulls, 1);
    assert_ne!(newer, ours);
    double.put(OURS, ours);
    double.put(WITH_NULLS, &newer);
    double.put(LATER, ours);
    stage.settings.registry = RegistrySettings { url: Some(double.url.clone()) };
    let raised = stage.dice.below(2) == 0;
    if raised {
        raise_the_topics_limit(stage);
    }
    let mut run = stage.start("a");
    stage.until_more(30);
    let sender = Sender::to(stage);
    let mut sent: Vec<(Place, Odd, Option<RejectReason>)> = Vec::new();
    for n in 0..3 {
        let tenant = format!("bomb-{n}");
        let records = bombs(&tenant).into_iter().map(|(odd, reason)| (odd, Some(reason)));
        let (odds, reasons): (Vec<_>, Vec<_>) = records.chain(large(&tenant, n)).unzip();
        let places = sender.send(&odds);
        sent.extend(places.into_iter().zip(odds).zip(reasons).map(|((place, odd), reason)| (place, odd, reason)));
        if stage.dice.below(2) == 0 {
            stage.moment(500);
            check_memory(&run);
            run.kill();
            run = stage.start("a");
        }
    }
    let (run, outage) = outage(stage, &sender, double, run);
    stage.until_caught_up();
    let peak = check_memory(&run);
    check(stage, &sent);
    Outcome::Struck(format!("{} records, limit raised: {raised}; {outage}; {peak} KiB at most", sent.len()), vec![run])
}

fn check_memory(run: &Run) -> u64 {
    let peak = run.peak_kib();
    assert!(peak < LIMIT_KIB, "{peak} KiB");
    peak
}

/// The registry is down while an id is asked for that is not known yet: its partition waits, the others go on.
fn outage(stage: &mut Stage<'_>, sender: &Sender, double: &RegistryDouble, run: Run) -> (Run, String) {
    // What was sent before has an answer.
    stage.until_caught_up();
    double.set_down(true);
    let body = avro(&turn("waits", "bomb-0"));
    let (partition, offset) = sender.send(&[Odd::new("bomb-0", framed(LATER, &body))])[0];
    let at = |stage: &Stage<'_>| stage.offsets()[partition as usize];
    eventually("it comes to the record", || at(stage), |now| *now == offset);
    run.until_said("waiting for the schema registry", 1);
    let others = stage.consumed();
    stage.until_sent_more(200);
    stage.until_more(50);
    assert_eq!(at(stage), offset, "it waits");
    let others = stage.consumed() - others;
    let mut run = run;
    let mut how = format!("{others} records went by beside the one that waited");
    if stage.dice.below(2) == 0 {
        run.kill();
        let mut refused = stage.start("a");
        assert!(!refused.until_ended().success(), "it cannot register what it writes");
        assert!(refused.said("schema registry") > 0, "{}", refused.text());
        assert_eq!(at(stage), offset, "it waits");
        double.set_down(false);
        run = stage.start("a");
        how = format!("{how}, a start without a registry was refused");
    } else {
        double.set_down(false);
    }
    eventually("it goes on", || at(stage), |now| *now > offset);
    (run, how)
}

/// What was refused is in the dead letters, what was not has an effect.
fn check(stage: &Stage<'_>, sent: &[(Place, Odd, Option<RejectReason>)]) {
    let letters = Letters::read(stage);
    let topics = &stage.settings.topics;
    let states = read_all(&stage.broker.addresses, &topics.states, topics.partitions);
    let began = |key: &str| states.iter().any(|state| state.key.as_deref() == Some(key.as_bytes()));
    for (place, odd, reason) in sent {
        let Some(reason) = reason else {
            assert!(letters.of(*place).is_empty(), "{place:?} is within the limit");
            continue;
        };
        let (letter, found) = letters.only(*place);
        assert_eq!(found, *reason, "{place:?}");
        match letter.header("truncated") {
            None => letters.check(stage, *place, odd, *reason),
            Some(length) => {
                let value = odd.value.as_deref().expect("a value");
                assert_eq!(length, value.len().to_string());
                assert!(letter.value.as_deref() == Some(&value[..64 << 10]), "{place:?}: its first 64 KiB");
                assert!(value.len() > 1 << 20 && letter.header("sha256").is_some_and(|hash| hash.len() == 64));
            }
        }
    }
    assert!(letters.truncated() > 0, "one was too large for the dead letters");
    assert!((0..3).all(|n| began(&format!("bomb-{n}/large-{n}"))) && began("bomb-0/waits"), "what is good was folded");
}
