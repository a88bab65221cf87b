//! A history of events, from the decoder to what is published, with restarts in between. Times, tokens and offsets
//! reach to the ends of their ranges.

use rekindle::engine::{OutputFormat, Record, encode};
use rekindle::model::position::{Offset, Position};
use rekindle::model::time::EventTime;
use serde_json::Value;

use super::history::{self, BASE};
use super::script::Script;
use super::twin::{PARTITION, Twins};

/// More events than this only repeat what a shorter input shows.
const MOST_EVENTS: usize = 64;

pub fn run(input: &[u8]) {
    let mut script = Script::new(input);
    let mut twins = Twins::new(script.pick(&[OutputFormat::Avro, OutputFormat::Json]));
    let mut clock = BASE;
    let mut events: Vec<Value> = Vec::new();
    let mut offset = 0;
    while !script.is_done() && events.len() < MOST_EVENTS {
        let again = script.one_in(16) && !events.is_empty();
        let event = match again {
            true => events[usize::from(script.byte()) % events.len()].clone(),
            false => history::event(&mut script, events.len(), &mut clock),
        };
        let late = script.pick(&[None, Some(0), Some(1_000), Some(-1_000), Some(-600_000)]);
        let bytes = event.to_string().into_bytes();
        twins.process(Record {
            position: Position { partition: PARTITION, offset: Offset(offset) },
            timestamp: late.map(|late| EventTime(clock.saturating_add(late))),
            key: None,
            value: Some(&bytes),
            traceparent: None,
            writer: None,
        });
        events.push(event);
        offset += 1;
        if script.one_in(4) {
            twins.seal(Offset(offset));
        }
    }
    twins.seal(Offset(offset));
    for view in twins.engine().sessions() {
        encode::state_json(&view, true);
        twins.engine().vector(&view.tenant, &view.session);
        let (tenant, user) = (&view.tenant, view.user.as_ref());
        if let (Some((family, chain)), Some(cache)) = (twins.engine().prefix(tenant, &view.session), &view.cache) {
            let found = twins.engine().prefix_match(tenant, cache, &family, &chain, user, Some(&view.session), 9);
            assert!(found.iter().all(|found| found.depth <= chain.len()), "{found:?}");
        }
    }
}
