//! The events that a session's state stands on: of each facet the one that set it, and no other.

use serde_json::{Value, json};

use super::living::{BASE, LAG, Living, event};
use super::subjects::broken_off;
use crate::http_double::get;

const EVENTS: &str = "/v1/tenants/acme/sessions/s-1/events";

/// What each event of an answer set, and when it occurred.
fn told(body: &Value) -> Vec<(i64, Vec<String>)> {
    let facet = |set: &Value| {
        let name = set["facet"].as_str().expect("a facet");
        set["value"].as_str().map_or_else(|| name.to_owned(), |value| format!("{name} {value}"))
    };
    let event = |event: &Value| {
        let at = event["occurred_at"].as_i64().expect("an instant") - BASE;
        assert_eq!(event["event_id"], format!("e-acme-s-1-{at}"));
        (at, event["sets"].as_array().expect("a list").iter().map(facet).collect())
    };
    body["events"].as_array().expect("a list").iter().map(event).collect()
}

#[test]
fn each_facet_names_the_event_that_set_it() {
    let (living, server) = Living::serve(&broken_off("acme", "s-1"));
    let body = get(&server, EVENTS).json();
    assert_eq!((&body["as_of"]["offset"], &body["lag"]), (&json!(2), &json!(LAG)));
    let texts = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let of_turn =
        ["turn 1", "context default", "cache m/fp8", "kv_placed w-1, warm", "prefix", "trigger first_context"];
    let mut expected = vec![
        (0, texts(&["user u-1", "transfer_scope tenant", "context_ref conv/1", "trigger session_started"])),
        (1, texts(&of_turn)),
        (2, texts(&["status interrupted (client_disconnect)", "trigger session_interrupted"])),
    ];
    assert_eq!(told(&body), expected);
    // A later turn takes the place of what it sets again; what it leaves is still the earlier one's.
    let turn = json!({"type": "turn_completed", "turn": 2, "input_tokens": 10, "output_tokens": 9});
    let ended = json!({"type": "session_ended", "reason": "completed"});
    living.feed(&[event("acme", "s-1", 5, turn), event("acme", "s-1", 6, ended)]);
    expected[1].1.remove(0);
    expected[2].1.remove(0);
    expected.push((5, texts(&["status active", "turn 2"])));
    expected.push((6, texts(&["ended completed"])));
    assert_eq!(told(&get(&server, EVENTS).json()), expected);
}

#[test]
fn of_what_is_unknown_erased_or_anothers_there_are_none() {
    let (living, server) = Living::serve(&broken_off("acme", "s-1"));
    for path in ["/v1/tenants/acme/sessions/s-2/events", "/v1/tenants/other/sessions/s-1/events"] {
        get(&server, path).is_problem(404, "no such session");
    }
    get(&server, &format!("{EVENTS}?limit=1")).is_problem(400, "limit");
    let erased = json!({"type": "subject_erased", "scope": "session"});
    living.feed(&[event("acme", "s-1", 9, erased)]);
    get(&server, EVENTS).is_problem(404, "no such session");
}
