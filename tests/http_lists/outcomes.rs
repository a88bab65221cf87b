//! What became of suggestions, why they were made, and the blocks that they are about.

use rekindle::model::score::Weights;
use serde_json::{Value, json};

use super::living::{BASE, LAG, Living, event};
use super::subjects::broken_off;
use crate::http_double::{get, post};
use crate::http_lists::double::refused;

fn open_of(server: &rekindle::http::HttpServer, session: &str) -> Vec<Value> {
    let body = get(server, &format!("/v1/tenants/acme/sessions/{session}/suggestions")).json();
    body["suggestions"].as_array().expect("a list").clone()
}

fn ended_of(server: &rekindle::http::HttpServer, session: &str) -> Vec<Value> {
    let body = get(server, &format!("/v1/tenants/acme/sessions/{session}/suggestions")).json();
    body["ended"].as_array().expect("a list").clone()
}

fn id(suggestion: &Value) -> String {
    suggestion["suggestion_id"].as_str().expect("an id").to_owned()
}

#[test]
fn what_became_of_a_suggestion_is_told_until_it_is_erased() {
    let (living, server) = Living::serve(&broken_off("acme", "s-1"));
    let one = |id: &str| get(&server, &format!("/v1/tenants/acme/suggestions/{id}"));
    let open = open_of(&server, "s-1").remove(0);
    assert_eq!(ended_of(&server, "s-1"), Vec::<Value>::new());
    let body = one(&id(&open)).json();
    let mut expected = open.clone();
    expected["outcome"] = json!(null);
    expected["ended_at"] = json!(null);
    assert_eq!((&body["suggestion"], &body["lag"]), (&expected, &json!(LAG)));
    let resumed = json!({"type": "session_resumed", "suggestion_id": id(&open), "restored_tokens": 6000,
        "recomputed_tokens": 0, "restore_ms": 40, "outcome": "restored"});
    let again = json!({"type": "session_interrupted", "reason": "client_disconnect"});
    living.feed(&[event("acme", "s-1", 3, resumed), event("acme", "s-1", 4, again.clone())]);
    let second = open_of(&server, "s-1").remove(0);
    assert_ne!(id(&second), id(&open));
    let first = ended_of(&server, "s-1").remove(0);
    assert_eq!(
        (&first["status"], &first["outcome"], &first["ended_at"]),
        (&json!("closed"), &json!("restored"), &json!(BASE + 3))
    );
    assert_eq!((&first["actual"]["restored_tokens"], &first["score"]), (&json!(6000), &open["score"]));
    assert_eq!(one(&id(&open)).json()["suggestion"], first);
    // The next one revokes it, and runs out itself.
    living.feed(&[event("acme", "s-1", 5, again)]);
    let third = open_of(&server, "s-1").remove(0);
    living.feed(&[event("acme", "s-2", 900_000, json!({"type": "session_started", "user_id": "u-2"}))]);
    let ended = ended_of(&server, "s-1");
    let told: Vec<_> =
        ended.iter().map(|s| (id(s), s["status"].clone(), s["reason"].clone(), s["outcome"].clone())).collect();
    assert_eq!(
        told,
        [
            (id(&third), json!("closed"), json!(null), json!("expired")),
            (id(&second), json!("revoked"), json!("superseded"), json!("superseded")),
            (id(&open), json!("closed"), json!(null), json!("restored")),
        ],
        "the latest first"
    );
    assert_eq!(open_of(&server, "s-1"), Vec::<Value>::new());
    let mut erased = event("acme", "", 900_001, json!({"type": "subject_erased", "scope": "user", "user_id": "u-1"}));
    erased.as_object_mut().expect("an object").remove("session_id");
    living.feed(&[erased]);
    get(&server, "/v1/tenants/acme/sessions/s-1/suggestions").is_problem(404, "no such session");
    // A session of the same name begins with nothing.
    living.feed(&[event("acme", "s-1", 900_002, json!({"type": "session_started", "user_id": "u-1"}))]);
    assert_eq!(ended_of(&server, "s-1"), Vec::<Value>::new());
    for gone in [&open, &second, &third] {
        one(&id(gone)).is_problem(404, "no suggestion of this id");
    }
}

#[test]
fn of_very_many_that_ended_the_latest_are_known() {
    let interrupted =
        |n: i64| event("acme", "s-1", n, json!({"type": "session_interrupted", "reason": "client_disconnect"}));
    let (living, server) = Living::serve(&broken_off("acme", "s-1"));
    let status = |id: &str| get(&server, &format!("/v1/tenants/acme/suggestions/{id}")).status;
    let first = id(&open_of(&server, "s-1")[0]);
    // Each supersedes the one before.
    living.feed(&(3..1003).map(interrupted).collect::<Vec<_>>());
    assert_eq!(status(&first), 200, "the last of a thousand");
    living.feed(&[interrupted(1003)]);
    assert_eq!(status(&first), 404);
    let ended = ended_of(&server, "s-1");
    let offsets: Vec<i64> = ended.iter().filter_map(|s| s["as_of"]["offset"].as_i64()).collect();
    assert_eq!(offsets, (903..1003).rev().collect::<Vec<_>>());
}

#[test]
fn what_an_erasure_revoked_is_not_kept() {
    let mut events = broken_off("acme", "s-1");
    events.push(event("acme", "s-2", 3, json!({"type": "session_started", "user_id": "u-1"})));
    let (living, server) = Living::serve(&events);
    let open = open_of(&server, "s-2");
    assert_eq!(open[0]["source"]["session_id"], "s-1");
    living.feed(&[event("acme", "s-1", 4, json!({"type": "subject_erased", "scope": "session"}))]);
    assert_eq!((open_of(&server, "s-2").len(), ended_of(&server, "s-2").len()), (0, 0));
    get(&server, &format!("/v1/tenants/acme/suggestions/{}", id(&open[0]))).is_problem(404, "no suggestion");
}

#[test]
fn a_suggestion_is_explained_by_the_shares_that_its_score_adds_up_from() {
    let (_, server) = Living::serve(&broken_off("acme", "s-1"));
    let open = open_of(&server, "s-1").remove(0);
    let body = get(&server, &format!("/v1/tenants/acme/suggestions/{}", id(&open))).json();
    let why = &body["explanation"];
    let mut trigger = open["trigger"].clone();
    (trigger["partition"], trigger["offset"]) = (json!(0), json!(2));
    assert_eq!((&why["trigger"], &why["policy"], &why["floor"]), (&trigger, &open["policy"], &json!(0.35)));
    assert_eq!((&why["alternatives"], &why["rejected"]), (&json!([]), &json!([])));
    assert_eq!(why["score"]["total"], open["score"]["total"]);
    let terms = why["score"]["terms"].as_array().expect("terms");
    let names: Vec<_> = Weights::RECOVERY.list().iter().map(|(name, _)| json!(name)).collect();
    assert_eq!(terms.iter().map(|term| term["name"].clone()).collect::<Vec<_>>(), names);
    let sum: f64 = terms.iter().map(|term| term["share"].as_f64().expect("a number")).sum();
    let total = 1.0 / (1.0 + (-sum).exp());
    assert!((total - open["score"]["total"].as_f64().expect("a number")).abs() < 1e-5, "{sum}");
    let own = terms.iter().find(|term| term["name"] == "own_session").expect("it is its own");
    assert_eq!(own, &json!({"name": "own_session", "value": 1.0, "weight": 7.0, "share": 7.0}));
}

/// A session whose chain has five blocks of 16 tokens, of which its copy holds `tokens`, broken off.
fn chained(tokens: u64, session: &str) -> Vec<Value> {
    let mut events = broken_off("acme", session);
    events[1]["kv_cache"]["cached_tokens"] = json!(tokens);
    events[1]["prefix"]["block_tokens"] = json!(1000);
    events[1]["prefix"]["hashes"] = json!(["1", "2", "a0", "ffffffffffffffff", "5"]);
    events
}

#[test]
fn the_blocks_of_a_suggestion_are_those_that_its_copy_holds() {
    let all = ["0000000000000001", "0000000000000002", "00000000000000a0", "ffffffffffffffff", "0000000000000005"];
    for (tokens, held) in [(4999, 4), (5000, 5), (6000, 5)] {
        let (_, server) = Living::serve(&chained(tokens, "s-1"));
        let open = open_of(&server, "s-1").remove(0);
        let body = get(&server, &format!("/v1/tenants/acme/suggestions/{}/blocks", id(&open))).json();
        let prefix =
            json!({"algorithm": "a", "block_tokens": 1000, "stride": 1, "from_block": 0, "hashes": all[..held]});
        assert_eq!(
            (&body["prefix"], &body["total"], &body["session_id"]),
            (&prefix, &json!(held), &json!("s-1")),
            "{tokens}"
        );
        assert_eq!((&body["cache"], &body["next_cursor"]), (&open["source"]["cache"], &json!(null)));
        assert_eq!((&body["as_of"]["offset"], &body["lag"]), (&json!(2), &json!(LAG)));
        // What comes out can be asked with.
        let query = json!({"cache": {"namespace": "m/fp8"}, "prefix": body["prefix"]});
        let matches = post(&server, "/v1/tenants/acme/prefix-match", &query.to_string()).json()["matches"].clone();
        assert_eq!((&matches[0]["session_id"], &matches[0]["depth"]), (&json!("s-1"), &json!(held)));
    }
}

#[test]
fn a_chain_comes_by_pages_and_says_when_it_has_changed_between_them() {
    let (living, server) = Living::serve(&chained(6000, "s-1"));
    let blocks = "/v1/tenants/acme/sessions/s-1/blocks";
    let page = |query: &str| get(&server, &format!("{blocks}?{query}"));
    let (mut told, mut cursor) = (Vec::new(), String::new());
    let mut pages = Vec::new();
    loop {
        let body = page(&format!("limit=2{cursor}")).json();
        told.extend(body["prefix"]["hashes"].as_array().expect("hashes").clone());
        pages.push(body["prefix"]["from_block"].clone());
        let Some(next) = body["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!((json!(told), pages), (page("").json()["prefix"]["hashes"].clone(), vec![json!(0), json!(2), json!(4)]));
    // The first three stay, the rest is another one.
    let prefix = json!({"algorithm": "a", "block_tokens": 1000, "from_block": 3, "hashes": ["7", "8"]});
    let turn = json!({"type": "turn_completed", "turn": 2, "input_tokens": 1, "output_tokens": 1, "prefix": prefix});
    let second = page("limit=2").json()["next_cursor"].as_str().expect("a cursor").to_owned();
    living.feed(&[event("acme", "s-1", 3, turn)]);
    page(&cursor[1..]).is_problem(409, "changed");
    let rest = page(&format!("cursor={second}")).json()["prefix"]["hashes"].clone();
    assert_eq!(rest, json!(["00000000000000a0", "0000000000000007", "0000000000000008"]));
    for (query, field, limit) in [
        ("limit=0", "limit", "1..=16384"),
        ("limit=16385", "limit", "1..=16384"),
        ("cursor=here", "cursor", "earlier page"),
        ("cursor=", "cursor", "earlier page"),
        ("from=1", "from", "known are limit, cursor"),
    ] {
        refused(&page(query), field, limit, query);
    }
    let none = json!({"session_id": null, "cache": null, "prefix": null, "total": 0, "next_cursor": null});
    living.feed(&[event("acme", "s-2", 4, json!({"type": "session_started"}))]);
    let body = get(&server, "/v1/tenants/acme/sessions/s-2/blocks").json();
    assert!(none.as_object().expect("an object").iter().all(|(name, value)| body[name] == *value), "{body}");
    get(&server, "/v1/tenants/acme/sessions/s-3/blocks").is_problem(404, "no such session");
    get(&server, "/v1/tenants/acme/suggestions/00/blocks").is_problem(404, "no suggestion");
    refused(&get(&server, "/v1/tenants/acme/suggestions/a%20b"), "suggestion_id", "visible ASCII", "a space");
    refused(&get(&server, "/v1/tenants/acme/suggestions/00?other=1"), "other", "known are at_least", "unknown");
}
