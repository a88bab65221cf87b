//! Answers that are to cover a record: at once, after a wait, or not in time.

use std::time::{Duration, Instant};

use rekindle::http::port::QueryError;
use rekindle::model::position::PartitionId;
use serde_json::{Value, json};

use super::double::refused;
use super::living::{BASE, DIM, Living, acme, event, session_id};
use super::subjects::broken_off;
use crate::http_double::{Double, Reply, get, post, serve_double};

/// Every read, each to cover the record at this offset of partition 0.
fn reads(offset: i64, wait_ms: Option<u64>) -> Vec<(&'static str, Option<Value>)> {
    let query = match wait_ms {
        Some(wait) => format!("at_least=0:{offset}&wait_ms={wait}"),
        None => format!("at_least=0:{offset}"),
    };
    let leak = |path: &str| -> &'static str { format!("/v1/tenants/acme/{path}?{query}").leak() };
    let with = |mut body: Value| {
        body["at_least"] = json!({"partition": 0, "offset": offset});
        wait_ms.iter().for_each(|wait| body["wait_ms"] = json!(wait));
        Some(body)
    };
    let prefix = json!({"algorithm": "a", "block_tokens": 16, "hashes": ["1"]});
    vec![
        (leak("sessions/s-1"), None),
        (leak("sessions/s-1/suggestions"), None),
        (leak("sessions/s-1/blocks"), None),
        (leak("users/u-1/sessions"), None),
        ("/v1/tenants/acme/search", with(json!({"vector": vec![1.0; DIM]}))),
        ("/v1/tenants/acme/prefix-match", with(json!({"cache": {"namespace": "m/fp8"}, "prefix": prefix}))),
        ("/v1/tenants/acme/recovery", with(json!({"session_id": "s-1"}))),
    ]
}

fn ask(server: &rekindle::http::HttpServer, (path, body): &(&'static str, Option<Value>)) -> Reply {
    match body {
        None => get(server, path),
        Some(body) => post(server, path, &body.to_string()),
    }
}

#[test]
fn what_is_folded_already_is_answered_at_once_and_what_is_not_refused_in_time() {
    let (living, server) = Living::serve(&broken_off("acme", "s-1"));
    let view = living.look(|engine, _| engine.session(&acme(), &session_id("s-1")).expect("it is held"));
    let id = &view.open_suggestions[0];
    let of_one = |rest: &str, offset: i64| {
        get(&server, &format!("/v1/tenants/acme/suggestions/{id}{rest}?at_least=0:{offset}&wait_ms=0"))
    };
    for read in reads(2, None).into_iter().chain(reads(0, Some(30_000))) {
        let reply = ask(&server, &read);
        assert_eq!(reply.status, 200, "{read:?}: {}", reply.body);
        assert_eq!(reply.json()["as_of"]["offset"], 2);
    }
    assert_eq!((of_one("", 2).status, of_one("/blocks", 2).status), (200, 200));
    let early = |reply: Reply| {
        reply.is_problem(409, "has not folded offset 3");
        let problem = reply.json();
        let as_of = json!({"partition": 0, "offset": 2, "stream_time": BASE + 2});
        assert_eq!((&problem["field"], &problem["as_of"], &problem["lag"]), (&json!("at_least"), &as_of, &json!(3)));
    };
    for read in reads(3, Some(0)) {
        early(ask(&server, &read));
    }
    early(of_one("", 3));
    early(of_one("/blocks", 3));
    let begun = Instant::now();
    early(ask(&server, &reads(3, Some(60))[0]));
    assert!(begun.elapsed() >= Duration::from_millis(60), "{:?}", begun.elapsed());
    early(ask(&server, &reads(3, None)[0]));
    assert!(begun.elapsed() >= Duration::from_millis(1_060), "a second, where nothing is said");
}

#[test]
fn many_wait_until_the_record_is_folded_and_hold_nobody_up() {
    let (living, server) = Living::serve(&broken_off("acme", "s-1"));
    let is_waited = |count: usize| {
        let begun = Instant::now();
        while living.waiting() != count {
            assert!(begun.elapsed() < Duration::from_secs(20), "{} wait, and not {count}", living.waiting());
            std::thread::yield_now();
        }
    };
    let turn = |n: i64| event("acme", "s-1", 2 + n, json!({"type": "session_paused", "reason": "other"}));
    std::thread::scope(|scope| {
        let next: Vec<_> = (0..5).flat_map(|_| reads(3, Some(30_000))).collect();
        let after = reads(4, Some(30_000));
        let waiting = |all: &[(&'static str, Option<Value>)]| -> Vec<_> {
            let server = &server;
            all.iter().cloned().map(|read| scope.spawn(move || ask(server, &read))).collect()
        };
        let (next, after) = (waiting(&next), waiting(&after));
        is_waited(next.len() + after.len());
        assert_eq!(get(&server, "/v1/tenants/acme/sessions/s-1").json()["as_of"]["offset"], 2, "others are answered");
        living.feed(&[turn(1)]);
        for reply in next {
            let reply = reply.join().expect("no panic");
            assert_eq!((reply.status, &reply.json()["as_of"]["offset"]), (200, &json!(3)), "{}", reply.body);
        }
        is_waited(after.len());
        living.feed(&[turn(2)]);
        for reply in after {
            let reply = reply.join().expect("no panic");
            assert_eq!((reply.status, &reply.json()["as_of"]["offset"]), (200, &json!(4)), "{}", reply.body);
        }
    });
    is_waited(0);
    // One that waits in vain is told how far it has come meanwhile.
    std::thread::scope(|scope| {
        let reply = scope.spawn(|| ask(&server, &reads(9, Some(300))[0]));
        is_waited(1);
        living.feed(&[turn(3)]);
        let reply = reply.join().expect("no panic");
        reply.is_problem(409, "offset 9 within 300 ms");
        assert_eq!(reply.json()["as_of"]["offset"], 5);
    });
}

#[test]
fn what_cannot_be_waited_for_names_the_field_and_the_limit() {
    let server = serve_double(Double::default());
    for (query, field, limit) in [
        ("at_least=", "at_least", "PARTITION:OFFSET"),
        ("at_least=7", "at_least", "PARTITION:OFFSET"),
        ("at_least=1:-1", "at_least", "PARTITION:OFFSET"),
        ("at_least=1:x", "at_least", "PARTITION:OFFSET"),
        ("at_least=4:7", "at_least.partition", "no partition 4, but 4 from 0 on"),
        ("at_least=1:7&wait_ms=-1", "wait_ms", "0..=30000"),
        ("at_least=1:7&wait_ms=30001", "wait_ms", "0..=30000"),
        ("at_least=1:7&wait_ms=soon", "wait_ms", "0..=30000"),
        ("wait_ms=5", "wait_ms", "needs at_least"),
        ("at_least=1:7&at_least=1:8", "at_least", "twice"),
    ] {
        for path in
            ["sessions/s-9", "sessions/s-9/suggestions", "sessions/s-9/blocks", "suggestions/00", "users/u/sessions"]
        {
            refused(&get(&server, &format!("/v1/tenants/acme/{path}?{query}")), field, limit, query);
        }
    }
    let fits = json!({"partition": 1, "offset": 5120});
    for (at_least, wait, field, limit) in [
        (json!([1, 7]), json!(5), "at_least", "PARTITION:OFFSET"),
        (json!({}), json!(5), "at_least.partition", "required"),
        (json!({"partition": 1}), json!(5), "at_least.offset", "required"),
        (json!({"partition": "1", "offset": 7}), json!(5), "at_least.partition", "0..=2147483647"),
        (json!({"partition": 2_147_483_648_u32, "offset": 7}), json!(5), "at_least.partition", "0..=2147483647"),
        (json!({"partition": 1, "offset": -1}), json!(5), "at_least.offset", "0..=9223372036854775807"),
        (json!({"partition": 1, "offset": 1.5}), json!(5), "at_least.offset", "0..=9223372036854775807"),
        (json!({"partition": 1, "offset": 7, "time": 1}), json!(5), "at_least.time", "known are partition, offset"),
        (fits.clone(), json!(1.5), "wait_ms", "0..=30000"),
        (json!(null), json!(5), "wait_ms", "needs at_least"),
    ] {
        let body = json!({"session_id": "s-9", "at_least": at_least, "wait_ms": wait});
        for path in ["recovery", "search", "prefix-match"] {
            let reply = post(&server, &format!("/v1/tenants/acme/{path}"), &body.to_string());
            refused(&reply, field, limit, &body.to_string());
        }
    }
    let body = json!({"session_id": "s-9", "at_least": fits, "wait_ms": 0});
    assert_eq!(post(&server, "/v1/tenants/acme/recovery", &body.to_string()).status, 200);
}

#[test]
fn a_partition_that_is_restored_is_not_waited_for() {
    let partition = PartitionId(1);
    for (fault, progress) in [
        (QueryError::Restoring(partition, 0.25), json!(0.25)),
        (QueryError::NotOwned(partition), json!(null)),
        (QueryError::Stopped(partition, "gone".to_owned()), json!(null)),
    ] {
        let server = serve_double(Double { fault: Some(fault), ..Double::default() });
        for path in [
            "sessions/s-9",
            "sessions/s-9/suggestions",
            "sessions/s-9/blocks",
            "suggestions/00",
            "suggestions/00/blocks",
        ] {
            for query in ["", "?at_least=1:6000&wait_ms=30000"] {
                let reply = get(&server, &format!("/v1/tenants/acme/{path}{query}"));
                reply.is_problem(503, "partition 1");
                assert!(reply.header("retry-after").is_some(), "{path}{query}");
                assert_eq!((&reply.json()["progress"], &reply.json()["partition"]), (&progress, &json!(1)));
            }
        }
    }
}
