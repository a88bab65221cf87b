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
