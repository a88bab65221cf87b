//! An event in any wire format: decoded, checked, written and read again, and read a second time by the Avro
//! crate with its schema.

use std::sync::LazyLock;

use rekindle::engine::decode::{decode, wire};
use rekindle::engine::validate::validate;
use rekindle::engine::{EngineSettings, Record, WriterSchema, encode};
use rekindle::model::ids::Name;
use rekindle::model::position::Position;
use rekindle::model::time::EventTime;
use rekindle::model::verdict::{RejectReason, Rejection};

/// Our own schema as a registry gives it: records of it take the fast reader.
static OURS: LazyLock<WriterSchema> = LazyLock::new(|| {
    WriterSchema::parse(encode::event_schema_text()).expect("the event schema is a version of itself")
});

/// The same layout under another fingerprint (bytes and strings look the same): records of it are read by the Avro
/// crate and resolved.
static ALIKE: LazyLock<WriterSchema> = LazyLock::new(|| {
    let (text, bytes) = (r#"{"name": "event_id", "type": "string"}"#, r#"{"name": "event_id", "type": "bytes"}"#);
    let ours = encode::event_schema_text();
    assert!(ours.contains(text), "the event schema is written otherwise");
    WriterSchema::parse(&ours.replacen(text, bytes, 1)).expect("bytes may be read as a string")
});

/// A record in Confluent framing with any id.
const FRAME: [u8; 5] = [0, 0, 0, 0, 7];

/// The first byte says what stands before the rest: nothing, the header of a single object, or a schema id.
pub fn run(input: &[u8]) {
    let Some((form, body)) = input.split_first() else { return };
    match form % 3 {
        0 => drop(judged(body, Some(&OURS))),
        1 => drop(judged(&[&encode::event_single_object_header()[..], body].concat(), None)),
        _ => both_readers(body),
    }
}

/// Our reader and the Avro crate's take the same bodies, and for the same event.
fn both_readers(body: &[u8]) {
    let framed = [&FRAME[..], body].concat();
    let (fast, slow) = (judged(&framed, Some(&OURS)), judged(&framed, Some(&ALIKE)));
    match (fast, slow) {
        (Ok(fast), Ok(slow)) => assert_eq!(fast, slow),
        // That the id is no text is seen when all of it was walked through.
        (Err(fast), Err(slow)) if slow.reason == RejectReason::TrailingBytes => {
            assert!(matches!(fast.reason, RejectReason::TrailingBytes | RejectReason::Malformed), "{fast} | {slow}");
        }
        (Err(fast), Err(slow)) => assert_eq!(fast.reason, slow.reason, "{fast} | {slow}"),
        (fast, slow) => panic!("ours: {fast:?}, the Avro crate's: {slow:?}"),
    }
}

/// What a record says, as text (equal texts are equal bits, NaN too), after everything that must hold of it.
fn judged(value: &[u8], writer: Option<&WriterSchema>) -> Result<String, Rejection> {
    let record = Record {
        position: Position::default(),
        timestamp: Some(EventTime(1_762_340_000_000)),
        key: Some(b"acme"),
        value: Some(value),
        traceparent: None,
        writer,
    };
    let event = decode(&record).inspect_err(check_refusal)?;
    let text = format!("{event:?}");
    assert_eq!(decode(&record).map(|again| format!("{again:?}")).as_ref(), Ok(&text), "read twice");
    written_and_read(&event, &text);
    let _ = validate(event, &settings(), record.timestamp).inspect_err(check_refusal);
    Ok(text)
}

fn written_and_read(event: &wire::Event<'_>, text: &str) {
    let body = encode::event(event.clone()).expect("what was read can be written");
    let value = [&encode::event_single_object_header()[..], &body].concat();
    let record = Record {
        position: Position::default(),
        timestamp: None,
        key: None,
        value: Some(&value),
        traceparent: None,
        writer: None,
    };
    match decode(&record) {
        Ok(again) => assert_eq!(format!("{again:?}"), text, "written and read"),
        // Numbers take more bytes in JSON than in Avro, but not always.
        Err(refusal) => assert_eq!(refusal.reason, RejectReason::TooLarge, "{refusal}"),
    }
}

fn check_refusal(refusal: &Rejection) {
    assert!(refusal.message.len() <= Rejection::MAX_MESSAGE_BYTES, "a message of {} bytes", refusal.message.len());
}

fn settings() -> EngineSettings {
    let spaces = [("default", 3), ("other", 1)].map(|(name, dim)| (Name::new(name).expect("a name"), dim));
    EngineSettings { spaces: spaces.into(), ..EngineSettings::default() }
}
