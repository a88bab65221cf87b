//! The positional reader against the Avro crate's: on any bytes, both refuse or both give the same event. There
//! is no exception to list: what one ignores (the length before a block, the bytes a varint has too many, a
//! NaN's digits), the other does, too; both refuse a key that comes twice, for the type they read says so.

use std::sync::Arc;

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;
use proptest::prelude::*;

use super::arbitrary_datum::datum;
use super::codec::{DatumFault, EVENT};
use super::wire::{SessionEvent, Unpacked};
use crate::engine::record::Record;
use crate::engine::{Engine, positional};
use crate::model::position::{PartitionId, Position};

#[derive(Debug, PartialEq)]
enum Reading {
    /// Written out, so that a NaN equals itself; the digest sees every bit of the body.
    Event(String, Option<u64>),
    Malformed,
    Trailing(usize),
}

fn event(record: Unpacked<'_>) -> Reading {
    Reading::Event(format!("{record:?}"), record.body.map(|body| body.digest()))
}

fn by_position(bytes: &[u8]) -> Reading {
    match positional::read_record(bytes) {
        Ok(record) => event(record),
        Err(DatumFault::Malformed(_)) => Reading::Malformed,
        Err(DatumFault::Trailing(left)) => Reading::Trailing(left),
    }
}

fn by_name(bytes: &[u8]) -> Reading {
    let reader = GenericDatumReader::builder(EVENT.schema).build().unwrap();
    let mut rest = bytes;
    match reader.read_deser::<SessionEvent<'static>>(&mut rest) {
        Ok(record) if rest.is_empty() => event(record.into()),
        Ok(_) => Reading::Trailing(rest.len()),
        Err(_) => Reading::Malformed,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn readers_agree(datum in datum(), more in prop::collection::vec(any::<u8>(), 1..3)) {
        let whole = by_position(&datum);
        prop_assert!(matches!(whole, Reading::Event(_, Some(_))), "{:?}", whole);
        prop_assert_eq!(whole, by_name(&datum));
        let (count, longer) = (more.len(), [&datum[..], &more].concat());
        prop_assert_eq!((by_position(&longer), by_name(&longer)), (Reading::Trailing(count), Reading::Trailing(count)));
    }

    #[test]
    fn a_glimpse_is_of_whom_the_event_is_and_of_any_bytes_harmless(datum in datum(), at: prop::sample::Index) {
        let Unpacked { envelope, .. } = positional::read_record(&datum).unwrap();
        let framed = |body: &[u8]| [&[0, 0, 0, 0, 7][..], body].concat();
        let whole = framed(&datum);
        let front = super::glimpse(&whole).expect("its front");
        prop_assert_eq!((front.tenant_id, front.session_id), (envelope.tenant_id, envelope.session_id));
        let damaged = framed(&[&datum[..at.index(datum.len())], &[0xff; 3]].concat());
        let engine = Engine::new(Arc::default(), PartitionId(0), 1);
        engine.look_ahead([&damaged[..], &damaged[..4], b"{}", b""].into_iter());
    }

    #[test]
    fn readers_agree_on_datums_cut_short(datum in datum(), at: prop::sample::Index) {
        let cut = &datum[..at.index(datum.len())];
        prop_assert_eq!((by_position(cut), by_name(cut)), (Reading::Malformed, Reading::Malformed));
    }

    #[test]
    fn readers_agree_on_damaged_bytes(datum in datum(), damage in prop::collection::vec(damage(), 1..4)) {
        let mut damaged = datum;
        for (at, byte) in damage {
            let at = at.index(damaged.len());
            damaged[at] = byte;
        }
        let reading = by_position(&damaged);
        prop_assert_eq!(&reading, &by_name(&damaged));
        // A refusal can say at which field.
        let field = EVENT.stopped_at::<SessionEvent<'static>>(&damaged);
        prop_assert_eq!(field.is_some_and(|path| path.len() > 1), reading == Reading::Malformed);
    }

    #[test]
    fn readers_agree_on_keys_that_come_twice(datum in datum()) {
        let mut doubled = datum.clone();
        let second = datum.windows(6).enumerate().filter(|(_, bytes)| bytes == b"key-02");
        second.for_each(|(at, _)| doubled[at + 5] = b'1');
        let reading = by_position(&doubled);
        prop_assert_eq!(&reading, &by_name(&doubled));
        prop_assert_eq!(reading == Reading::Malformed, doubled != datum);
    }
}

/// Any byte, or one that can be the number of a branch or a short length.
fn damage() -> impl Strategy<Value = (prop::sample::Index, u8)> {
    (any::<prop::sample::Index>(), prop_oneof![any::<u8>(), 0u8..8])
}

#[test]
fn a_refusal_names_the_field_and_nothing_of_the_payload() {
    let text = br#"{"event_id":"e","tenant_id":"t","session_id":"s","occurred_at":1,"type":"session_snapshot",
        "kv_copies":[{"tier":"hot","location":"evicted","cached_tokens":1,"created_at":1,"cache":{"namespace":"n"},
        "quantization":{"quantized_store":{"precision":"Q4","compression_ratio":4}}}],"metadata":{"secret":"secret"}}"#;
    let event = super::json::read(text).unwrap();
    let datum = crate::engine::encode::event(event.clone()).unwrap();
    let writer = GenericDatumWriter::builder(EVENT.schema).build().unwrap();
    let by_schema = writer.write_ser_to_vec(&SessionEvent::from(event)).unwrap();
    assert_eq!(datum, by_schema, "written by position as by the schema");
    let header = crate::engine::encode::event_single_object_header();
    let messages = (0..datum.len()).map(|cut| {
        let value = [&header[..], &datum[..cut]].concat();
        let record = Record {
            position: Position::default(),
            timestamp: None,
            key: None,
            value: Some(&value),
            traceparent: None,
            writer: None,
        };
        super::decode(&record).unwrap_err().message
    });
    let mut messages: Vec<String> = messages.collect();
    messages.dedup();
    assert!(!messages.iter().any(|message| message.contains("secret")), "{messages:?}");
    for field in ["event_id", "session_snapshot.kv_copies[0].cache.namespace", "session_snapshot.metadata", "tick"] {
        let message = format!("no datum of its schema: stopped at {field}");
        assert!(messages.contains(&message), "{field}: {messages:#?}");
    }
}
