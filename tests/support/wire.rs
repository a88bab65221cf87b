//! Events as producers frame them.

use rekindle::engine::{Record, decode, encode};
use rekindle::model::position::Position;

/// The Avro body, in our schema, of an event in JSON.
pub fn avro(event: &(impl ToString + ?Sized)) -> Vec<u8> {
    let text = event.to_string();
    let record = Record {
        position: Position::default(),
        timestamp: None,
        key: None,
        value: Some(text.as_bytes()),
        traceparent: None,
        writer: None,
    };
    encode::event(decode::decode(&record).expect("a good event")).expect("encodable")
}

/// A body behind the id of its schema, as Confluent's clients send it.
pub fn framed(id: u32, body: &[u8]) -> Vec<u8> {
    [&[0][..], &id.to_be_bytes(), body].concat()
}
