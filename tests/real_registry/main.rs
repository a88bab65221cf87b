//! The service beside a real schema registry (Apicurio, by its Confluent API) and a real broker: its outputs' schemas
//! are registered, events in three versions of the event schema are read, an unknown id is refused, and a registry that
//! ends and comes back is waited for. Needs Maven and Java 21 or later, and downloads 160 MB once; so it does nothing
//! unless it is asked to:
//!
//!     cargo test --locked --test real_registry -- --run

mod apicurio;
#[path = "../support/instance.rs"]
mod instance;
#[path = "../support/mod.rs"]
mod support;

use std::process::ExitCode;

use apicurio::Apicurio;
use instance::Instance;
use rekindle::engine::encode;
use rekindle::kafka::settings::RegistrySettings;
use rekindle::runtime::settings::RuntimeSettings;
use serde_json::{Value, json};
use support::clients::{Seen, committed, create_topics, eventually, produce, read_all, settings, unique};
use support::events::now_ms;
use support::oracle::{assert_same, assert_verified, published, replayed};
use support::own_broker::OwnBroker;
use support::wire::{avro, framed};

/// An id that no registry has given out yet.
const UNKNOWN: u32 = 4_000_000;

fn main() -> ExitCode {
    if !std::env::args().any(|word| word == "--run") {
        println!("real_registry: nothing was tested; `cargo test --locked --test real_registry -- --run` does");
        return ExitCode::SUCCESS;
    }
    let (mut registry, broker) = match (Apicurio::start(), OwnBroker::start()) {
        (Ok(registry), Ok(broker)) => (registry, broker),
        (registry, broker) => {
            for fault in [registry.err(), broker.err()].into_iter().flatten() {
                eprintln!("the registry's test needs `java` (21 or later) and `mvn`: {fault}");
            }
            return ExitCode::FAILURE;
        }
    };
    beside(&mut registry, &broker);
    println!("real_registry: passed");
    ExitCode::SUCCESS
}

/// An event whose schema id is put before its body.
fn event(id: &str, session: &str, body: Value) -> Value {
    let mut event = json!({"event_id": id, "tenant_id": "acme", "session_id": session, "occurred_at": now_ms()});
    let (Value::Object(all), Value::Object(body)) = (&mut event, body) else { unreachable!("both are objects") };
    all.extend(body);
    event
}

/// Our schema without its last field, and with a field more behind it: what a producer of an earlier or a later version
/// would have registered. The body of the first lacks the last byte, which says that this field is not set.
fn versions() -> (String, String) {
    let mut older: Value = serde_json::from_str(encode::event_schema_text()).expect("JSON");
    let mut newer = older.clone();
    let fields = older["fields"].as_array_mut().expect("fields");
    assert_eq!(fields.pop().expect("a field")["type"][0], "null", "the last field is optional");
    let more = json!({"name": "more", "type": ["null", "string"], "default": null});
    newer["fields"].as_array_mut().expect("fields").push(more);
    (older.to_string(), newer.to_string())
}

struct Scene<'a> {
    settings: RuntimeSettings,
    broker: &'a OwnBroker,
    sent: i64,
}

impl Scene<'_> {
    fn send(&mut self, values: &[Vec<u8>]) {
        produce(&self.broker.addresses, &self.settings.topics.events, values.iter().map(|v| ("acme", v.as_slice())));
        self.sent += values.len() as i64;
    }

    fn offset(&self) -> Option<i64> {
        committed(&self.broker.addresses, &self.settings.kafka.group_id, &self.settings.topics.events, 1)[0]
    }

    fn until_all(&self) {
        eventually("all is committed", || self.offset(), |offset| *offset == Some(self.sent));
    }

    fn all(&self, topic: &str) -> Vec<Seen> {
        read_all(&self.broker.addresses, topic, 1)
    }
}

fn beside(registry: &mut Apicurio, broker: &OwnBroker) {
    let mut settings = settings(&broker.addresses, &unique("registry"), 1);
    settings.registry = RegistrySettings { url: Some(registry.url()) };
    create_topics(&settings);
    let subject = format!("{}-value", settings.topics.events);
    let (older, newer) = versions();
    let ids =
        [older.as_str(), encode::event_schema_text(), newer.as_str()].map(|text| registry.register(&subject, text));
    let [of_older, of_ours, of_newer] = ids;
    assert!(of_older != of_ours && of_ours != of_newer && of_older != of_newer, "three ids: {ids:?}");
    let mut scene = Scene { settings: settings.clone(), broker, sent: 0 };

    let instance = Instance::start(&settings);
    let started = |session: &str| event(&format!("{session}-1"), session, json!({"type": "session_started"}));
    let turn = |session: &str| {
        let body = json!({"type": "turn_completed", "turn": 3, "input_tokens": 9, "output_tokens": 1});
        event(&format!("{session}-2"), session, body)
    };
    let interrupted = || event("ours-3", "ours", json!({"type": "session_interrupted", "reason": "timeout"}));
    let shorter = |event: &Value| {
        let mut body = avro(event);
        assert_eq!(body.pop(), Some(0), "the last field is null");
        body
    };
    let longer = |event: &Value| [&avro(event)[..], &[0x02, 0x06], b"new"].concat();
    scene.send(&[
        framed(of_older, &shorter(&started("older"))),
        framed(of_older, &shorter(&turn("older"))),
        framed(of_ours, &avro(&started("ours"))),
        framed(of_ours, &avro(&turn("ours"))),
        framed(of_ours, &avro(&interrupted())),
        framed(of_newer, &longer(&started("newer"))),
        framed(of_newer, &longer(&turn("newer"))),
        framed(UNKNOWN, &avro(&started("unknown"))),
    ]);
    scene.until_all();
    outputs(&scene, registry);

    // The registry ends. What needs no answer goes on; what needs one waits for it, and is not refused.
    let of_later = registry.register(&subject, &newer.replace("\"more\"", "\"still_more\""));
    registry.end();
    scene.send(&[framed(of_ours, &avro(&started("known")))]);
    scene.until_all();
    let waits_at = scene.sent;
    scene.send(&[framed(of_later, &longer(&started("waits"))), framed(of_ours, &avro(&turn("known")))]);
    eventually("it comes to the record", || scene.offset(), |offset| *offset == Some(waits_at));
    registry.begin().expect("the registry");
    scene.until_all();
    assert_eq!(scene.all(&settings.topics.dead_letters).len(), 1, "down is not absent");
    let states = scene.all(&settings.topics.states);
    assert!(states.iter().any(|state| state.key.as_deref() == Some(b"acme/waits")), "what waited was folded");
    instance.stop();
    assert_same(&published(&settings), &replayed(&settings));
    assert_verified(&settings);
}

/// What was published after the first events.
fn outputs(scene: &Scene<'_>, registry: &Apicurio) {
    let topics = &scene.settings.topics;
    let states = scene.all(&topics.states);
    for session in ["older", "ours", "newer"] {
        let key = format!("acme/{session}").into_bytes();
        assert!(states.iter().any(|state| state.key.as_ref() == Some(&key)), "{session} was folded");
    }
    let letters = scene.all(&topics.dead_letters);
    let reasons: Vec<_> = letters.iter().map(|l| l.header("__connect.errors.exception.class.name")).collect();
    assert_eq!(reasons, [Some("unknown_schema")]);
    // Whoever reads an output finds its schema by the id before it.
    for (topic, name) in [(&topics.states, "SessionState"), (&topics.recovery, "RecoverySuggestion")] {
        let seen = scene.all(topic).into_iter().find_map(|seen| seen.value).expect("a record");
        let id = u32::from_be_bytes([seen[1], seen[2], seen[3], seen[4]]);
        assert_eq!(seen[0], 0, "framed");
        assert!(registry.schema(id).contains(name), "{topic}: {id}");
    }
}
