//! The registry client against a double of the registry's HTTP: what it believes, and what it asks again.

#[path = "support/registry.rs"]
mod registry;

use registry::RegistryDouble;
use rekindle::kafka::registry::{Registry, Resolution};

const EVENT_SCHEMA: &str = include_str!("../schemas/session-event.avsc");

fn said(resolution: &Resolution) -> &'static str {
    match resolution {
        Resolution::Known(_) => "known",
        Resolution::Absent => "absent",
        Resolution::Unavailable(_) => "unavailable",
    }
}

#[test]
fn an_id_is_known_absent_or_not_to_be_had_now() {
    let double = RegistryDouble::start();
    double.put(7, EVENT_SCHEMA);
    double.put(8, r#"{"type":"record","name":"Other","fields":[{"name":"x","type":"int"}]}"#);
    for (id, expected) in [(7, "known"), (8, "absent"), (9, "absent")] {
        let client = Registry::new(&double.url);
        assert_eq!(said(&client.resolve(id)), expected, "id {id}");
        let asked = double.requests();
        assert_eq!(said(&client.resolve(id)), expected, "id {id} again");
        assert_eq!(double.requests(), asked, "id {id} is remembered");
    }
}

#[test]
fn a_failure_is_never_taken_for_an_absent_id() {
    let double = RegistryDouble::start();
    double.put(7, EVENT_SCHEMA);
    double.set_down(true);
    let client = Registry::new(&double.url);
    assert_eq!(said(&client.resolve(7)), "unavailable");
    let asked = double.requests();
    assert_eq!(said(&client.resolve(8)), "unavailable");
    assert_eq!(double.requests(), asked, "no second request right after a failure");

    // A 404 that the registry did not give: a wrong path, a proxy.
    double.set_down(false);
    let elsewhere = Registry::new(&format!("{}/elsewhere", double.url));
    assert_eq!(said(&elsewhere.resolve(7)), "unavailable");

    let gone = RegistryDouble::start().url.clone();
    let nobody = Registry::new(&gone);
    assert!(matches!(nobody.resolve(7), Resolution::Unavailable(_)));
}

#[test]
fn our_schemas_are_registered_under_their_subject() {
    let double = RegistryDouble::start();
    let client = Registry::new(&format!("{}/", double.url));
    let first = client.register("states-value", r#""bytes""#).unwrap();
    assert_eq!(client.register("states-value", r#""bytes""#).unwrap(), first);
    assert_eq!(double.subjects(), [("states-value".to_owned(), first), ("states-value".to_owned(), first)]);
    double.set_down(true);
    assert!(client.register("states-value", r#""bytes""#).is_err());
}
