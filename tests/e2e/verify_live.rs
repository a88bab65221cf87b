//! A verification beside a service at work: whatever is under way, nothing is called wrong.

use std::sync::Arc;

use rekindle::runtime::start;
use rekindle::telemetry::Metrics;
use rekindle::verify::Outcome;

use crate::support::broker::brokers;
use crate::support::clients::{create_topics, produce, settings, unique};
use crate::support::events::workload;
use crate::verify::report;

#[test]
fn a_service_at_work_is_verified_up_to_a_cut() {
    let settings = settings(brokers(), &unique("live"), 1);
    create_topics(&settings);
    let service = start(settings.clone(), Arc::new(Metrics::new())).expect("start");
    let events = workload(23, 1500);
    let (mut cuts, mut open) = (Vec::new(), 0);
    std::thread::scope(|scope| {
        // In small portions, each acknowledged: there is always something under way.
        let sending = scope.spawn(|| {
            for part in events.chunks(30) {
                let records = part.iter().map(|(key, value)| (key.as_str(), value.as_slice()));
                produce(brokers(), &settings.topics.events, records);
            }
        });
        while !sending.is_finished() {
            let (outcome, found) = report(&settings);
            assert_eq!(outcome, Outcome::Equal, "{found:#?}");
            cuts.push(found.cut.from);
            open += found.cut.to - found.cut.from;
        }
    });
    assert!(cuts.len() > 1 && cuts.is_sorted() && open > 0, "it was cut while it moved: {cuts:?}, {open}");
    service.shutdown().expect("clean");
    let (outcome, found) = report(&settings);
    assert_eq!((outcome, found.cut.from, found.cut.to), (Outcome::Equal, 1500, 1500), "{found:#?}");
}
