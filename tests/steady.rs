//! An engine through which sessions come and go holds no more after a long time than after a short one: whatever it
//! keeps of a session, a record or an erasure goes with it.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, Ordering::Relaxed};

use rekindle::engine::{Effects, Engine, EngineSettings, Record};
use rekindle::model::position::{Offset, PartitionId, Position};
use rekindle::model::time::{EventTime, Millis};
use support::events::{Dice, workload};

/// Counts what is held.
struct Counting;

static HELD: AtomicIsize = AtomicIsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: both hand through to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size() as isize, Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size() as isize, Relaxed);
        unsafe { System.dealloc(place, layout) }
    }
}

/// How long sessions, suggestions and markers are kept.
const KEPT: Millis = Millis(60_000);
/// Events of sessions that others follow: 150 s of the stream.
const AGE: usize = 3000;
const AGES: usize = 24;

#[test]
fn an_engine_holds_no_more_after_many_sessions_than_after_few() {
    let mut policy = EngineSettings::default().policy.clone();
    policy.valid_for = Millis(30_000);
    let settings = EngineSettings {
        idle_timeout: KEPT,
        retention: KEPT,
        erasure_marker: KEPT,
        policy,
        ..EngineSettings::default()
    };
    let mut engine = Engine::new(Arc::new(settings), PartitionId(0), 1);
    let mut effects = Effects::new();
    let mut dice = Dice::new(7);
    let mut held = Vec::new();
    let events = workload(11, AGES * AGE);
    for (age, events) in events.chunks(AGE).enumerate() {
        for (n, (key, value)) in events.iter().enumerate() {
            let offset = Offset((age * AGE + n) as i64);
            let session = format!("\"session_id\":\"s{age}-");
            let mut value = String::from_utf8_lossy(value).replace("\"session_id\":\"s-", &session).into_bytes();
            if dice.below(50) == 0 {
                value = (0..dice.below(200)).map(|_| dice.below(256) as u8).collect();
            }
            let position = Position { partition: PartitionId(0), offset };
            let timestamp = None::<EventTime>;
            let (key, value) = (Some(key.as_bytes()), Some(&value[..]));
            engine.process(Record { position, timestamp, key, value, traceparent: None, writer: None }, &mut effects);
            if n % 50 == 49 {
                engine.seal(Offset(offset.0 + 1), &mut effects);
                effects.clear();
            }
        }
        held.push(HELD.load(Relaxed));
    }
    let mean = |ages: &[isize]| ages.iter().sum::<isize>() / ages.len() as isize;
    let (early, late) = (mean(&held[AGES / 4..AGES / 2]), mean(&held[3 * AGES / 4..]));
    assert!(engine.sessions().len() < 1000, "sessions go: {}", engine.sessions().len());
    let more = late - early;
    assert!(more < 64 << 10, "{more} bytes more in the last quarter of the ages than in the second: {held:?}");
}
