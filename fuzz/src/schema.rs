//! What a registry answers: its status and JSON, the schema in it, and a record written with that schema.

use rekindle::engine::decode::decode;
use rekindle::engine::{Record, encode};
use rekindle::kafka::registry::{KnownSchema, schema_of};
use rekindle::model::position::Position;
use rekindle::model::verdict::Rejection;

use super::script::Script;

/// The first byte chooses: an answer as it is, a schema as it is, or our own schema with edits; then a body.
pub fn run(input: &[u8]) {
    let mut script = Script::new(input);
    match script.byte() % 3 {
        0 => {
            let status = script.pick(&[200, 404, 500, 301]);
            let answer = String::from_utf8_lossy(script.rest()).into_owned();
            if let Ok(Some(schema)) = schema_of(7, status, &answer) {
                read(&schema, b"");
            }
        }
        1 => {
            let len = script.short();
            let schema = String::from_utf8_lossy(script.take(len)).into_owned();
            read(&schema, script.rest());
        }
        _ => {
            let schema = edited(&mut script);
            read(&schema, script.rest());
        }
    }
}

/// The embedded schema after up to four replacements.
fn edited(script: &mut Script<'_>) -> String {
    let mut text = encode::event_schema_text().as_bytes().to_vec();
    for _ in 0..script.byte() % 5 {
        let at = script.short() % (text.len() + 1);
        let end = (at + usize::from(script.byte())).min(text.len());
        let len = usize::from(script.byte());
        text.splice(at..end, script.take(len).iter().copied());
    }
    String::from_utf8_lossy(&text).into_owned()
}

fn read(schema: &str, body: &[u8]) {
    let Ok(known) = KnownSchema::parse(schema) else { return };
    let value = [&[0, 0, 0, 0, 7][..], body].concat();
    let record = Record {
        position: Position::default(),
        timestamp: None,
        key: None,
        value: Some(&value),
        traceparent: None,
        writer: Some(&known.writer),
    };
    match decode(&record) {
        Ok(event) => drop(encode::event(event).expect("what was read can be written")),
        Err(refusal) => assert!(refusal.message.len() <= Rejection::MAX_MESSAGE_BYTES),
    }
}
