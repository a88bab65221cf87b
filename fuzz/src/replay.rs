//! A file of JSON lines as `replay` reads it: record fields, events in every wire format, the whole engine.

use std::sync::LazyLock;

use rekindle::engine::{OutputFormat, Record, WriterSchema, encode};
use rekindle::model::position::{Offset, Position};
use rekindle::model::time::EventTime;

use super::lines::Line;
use super::twin::{PARTITION, Twins};

/// Lines taken of one input.
const MOST_LINES: usize = 32;

static OURS: LazyLock<WriterSchema> = LazyLock::new(|| {
    WriterSchema::parse(encode::event_schema_text()).expect("the event schema is a version of itself")
});

pub fn run(input: &[u8]) {
    let mut twins = Twins::new(OutputFormat::Json);
    let lines = input.split(|&b| b == b'\n').map(<[u8]>::trim_ascii_end).filter(|line| !line.is_empty());
    let mut next = 0;
    for text in lines.take(MOST_LINES) {
        let Ok(line) = Line::parse(text) else { continue };
        // Offsets of a log rise.
        next = line.offset.map_or(next, |offset| offset.max(next));
        let value = line.value.as_deref();
        twins.process(Record {
            position: Position { partition: PARTITION, offset: Offset(next) },
            timestamp: line.timestamp.map(EventTime),
            key: line.key.as_deref().map(str::as_bytes),
            value,
            traceparent: line.headers.get("traceparent").map(String::as_bytes),
            writer: Some(&*OURS),
        });
        next = next.saturating_add(1);
        twins.seal(Offset(next));
    }
}
