//! Hostile Avro: small inputs must not take much memory or time, and must be refused as malformed. The
//! allocator of this test counts.

mod contract_support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use contract_support::{BODIES, decode_bytes, decode_with, event_json, framed};
use proptest::prelude::*;
use rekindle::engine::{WriterSchema, encode};
use rekindle::model::verdict::RejectReason;

/// Remembers the largest single request: threads of the test harness share the count, and ask for little.
struct Counting;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: hands every call on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is ours.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is ours.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        LARGEST.fetch_max(new_size, Ordering::Relaxed);
        // SAFETY: the caller's promise is ours.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Our own schema, as a registry would give it.
static OURS: LazyLock<WriterSchema> = LazyLock::new(|| WriterSchema::parse(encode::event_schema_text()).unwrap());

/// Most that one request may ask for while hostile input is read.
const CAP: usize = 8 * 1024 * 1024;

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

#[test]
fn lengths_that_lie_are_refused_cheaply() {
    let header = encode::event_single_object_header();
    let newer = encode::event_schema_text().replacen(
        "{\"name\": \"event_id\", \"type\": \"string\"}",
        "{\"name\": \"event_id\", \"type\": \"string\"}, {\"name\": \"nulls\", \"type\": {\"type\": \"array\", \"items\": \"null\"}, \"default\": []}",
        1,
    );
    let newer = WriterSchema::parse(&newer).unwrap();
    let lengths = [1 << 20, 1 << 30, 1 << 40, i64::MAX, -1, -(1 << 40), i64::MIN];
    let context = decode_bytes(event_json(BODIES[4]).as_bytes()).unwrap();
    let whole = encode::event(context).unwrap();
    // Everything before the vector's union branch.
    let space = b"\x0edefault";
    let vector_at = whole.windows(space.len()).position(|w| w == space).unwrap() + space.len();
    LARGEST.store(0, Ordering::Relaxed);
    for length in lengths {
        let text = varint(length);
        let array = [&whole[..vector_at], &[0x02], &varint(length), &[0x00; 16]].concat();
        let sized = [&whole[..vector_at], &[0x02], &varint(-5), &varint(length), &[0x00; 16]].concat();
        for body in [text, array, sized] {
            let bytes = [&header[..], &body].concat();
            assert_eq!(decode_bytes(&bytes).unwrap_err().reason, RejectReason::Malformed, "{length}");
            for writer in [&*OURS, &newer] {
                assert_eq!(decode_with(&framed(&body), Some(writer)).unwrap_err().reason, RejectReason::Malformed);
            }
        }
        // An array of nulls holds any number of items in no bytes.
        let nulls = [&varint(1)[..], b"e", &varint(length), &[0x00]].concat();
        assert_eq!(decode_with(&framed(&nulls), Some(&newer)).unwrap_err().reason, RejectReason::Malformed);
    }
    assert!(LARGEST.load(Ordering::Relaxed) <= CAP, "one request of {} bytes", LARGEST.load(Ordering::Relaxed));
}

/// Our schema with one more field after the first, whose type is `ty`, and the event's body with `datum` in it.
fn with_field(ty: &str, datum: &[u8]) -> (String, Vec<u8>) {
    let first = "{\"name\": \"event_id\", \"type\": \"string\"}";
    let field = format!("{first}, {{\"name\": \"bomb\", \"type\": {ty}}}");
    let event = decode_bytes(event_json(BODIES[1]).as_bytes()).unwrap();
    let id_len = 1 + event.envelope.event_id.len();
    let ours = encode::event(event).unwrap();
    let body = [&ours[..id_len], datum, &ours[id_len..]].concat();
    (encode::event_schema_text().replacen(first, &field, 1), body)
}

/// `count` records, each of the form `form` with `#` for its number and `@` for the record before it.
fn chained(count: usize, form: &str, last: &str) -> String {
    let link = |n: usize| form.replace('#', &n.to_string()).replace('@', &format!("T{}", n.wrapping_sub(1)));
    let fields: Vec<String> = (1..count).map(|n| format!(r#"{{"name":"f{n}","type":{}}}"#, link(n))).collect();
    let first = r#"{"name":"f0","type":{"type":"record","name":"T0","fields":[]}}"#;
    format!(r#"{{"type":"record","name":"Bomb","fields":[{first},{},{last}]}}"#, fields.join(","))
}

#[test]
fn schemas_of_a_registry_ask_for_no_more_than_their_data_hold() {
    LARGEST.store(0, Ordering::Relaxed);
    // What the schema announces was allocated before a byte was looked at.
    let (schema, body) = with_field(r#"{"type":"fixed","name":"F","size":1099511627776}"#, b"");
    let writer = WriterSchema::parse(&schema).unwrap();
    assert_eq!(decode_with(&framed(&body), Some(&writer)).unwrap_err().reason, RejectReason::Malformed);
    // Arrays of arrays of nulls: the outer ones cost four bytes each, the inner items none.
    let inner = [&varint(30_000)[..], &[0]].concat();
    let datum = [&varint(30_000)[..], &inner.repeat(30_000), &[0]].concat();
    let nested = r#"{"type":"array","items":{"type":"array","items":"null"}}"#;
    let (schema, body) = with_field(nested, &datum);
    let writer = WriterSchema::parse(&schema).unwrap();
    let many = "malformed: the datum holds more than 524288 values";
    assert_eq!(decode_with(&framed(&body), Some(&writer)).unwrap_err().to_string(), many);
    // Each record holds the one before it twice: 2^40 of them in no bytes.
    let twice = r##"{"type":"record","name":"T#","fields":[{"name":"a","type":"@"},{"name":"b","type":"@"}]}"##;
    let (schema, body) = with_field(&chained(40, twice, r#"{"name":"z","type":"null"}"#), b"");
    let writer = WriterSchema::parse(&schema).unwrap();
    assert_eq!(decode_with(&framed(&body), Some(&writer)).unwrap_err().to_string(), many);
    assert!(LARGEST.load(Ordering::Relaxed) <= CAP, "one request of {} bytes", LARGEST.load(Ordering::Relaxed));
}

#[test]
fn schemas_that_nest_by_name_are_refused() {
    // No record lies within another one's text, but each holds the one before it: reading went as deep as the
    // schema is long, through the end of the stack.
    let once = r##"{"type":"record","name":"T#","fields":[{"name":"a","type":"@"}]}"##;
    let (schema, _) = with_field(&chained(20_000, once, r#"{"name":"z","type":"T19999"}"#), b"");
    assert_eq!(WriterSchema::parse(&schema).unwrap_err(), "is nested deeper than 64");
}

#[test]
fn a_map_that_names_a_key_twice_is_refused_whatever_its_schema() {
    // Our reader refused it, the Avro crate took the last value: one record was judged in two ways.
    let datum = [&varint(2)[..], b"\x02a\x02\x02b\x04", &[0]].concat();
    let (schema, body) = with_field(r#"{"type":"map","values":"long"}"#, &datum);
    let writer = WriterSchema::parse(&schema).unwrap();
    decode_with(&framed(&body), Some(&writer)).unwrap();
    let at = body.iter().position(|b| *b == b'b').unwrap();
    let twice = [&body[..at], b"a", &body[at + 1..]].concat();
    assert_eq!(decode_with(&framed(&twice), Some(&writer)).unwrap_err().reason, RejectReason::Malformed);
}

#[test]
fn data_that_end_early_are_refused_whatever_their_schema() {
    // The Avro crate takes the end of the bytes for nulls: an event cut before its last optional fields was taken
    // as one without them.
    let (schema, body) = with_field(r#"["null","string"]"#, &[0]);
    let writer = WriterSchema::parse(&schema).unwrap();
    decode_with(&framed(&body), Some(&writer)).unwrap();
    for end in 0..body.len() {
        let refusal = decode_with(&framed(&body[..end]), Some(&writer)).unwrap_err();
        assert_eq!(refusal.reason, RejectReason::Malformed, "cut at {end}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..64)) {
        let single = [&encode::event_single_object_header()[..], &noise].concat();
        let _ = decode_bytes(&noise);
        let _ = decode_bytes(&single);
        let _ = decode_with(&framed(&noise), Some(&OURS));
        prop_assert!(LARGEST.load(Ordering::Relaxed) <= CAP);
    }

    #[test]
    fn damaged_events_never_panic(which: prop::sample::Index, at: prop::sample::Index, byte: u8, cut: bool) {
        let body = BODIES[which.index(BODIES.len())];
        let event = decode_bytes(event_json(body).as_bytes()).unwrap();
        let avro = encode::event(event).unwrap();
        let json = event_json(body).into_bytes();
        for mut bytes in [[&encode::event_single_object_header()[..], &avro].concat(), json] {
            let index = at.index(bytes.len());
            bytes[index] = byte;
            let end = if cut { index } else { bytes.len() };
            if let Err(refusal) = decode_bytes(&bytes[..end]) {
                prop_assert!(refusal.message.len() <= 200, "{}", refusal);
            }
        }
    }
}
