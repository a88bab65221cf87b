//! A user's history by pages: nothing left out, nothing twice, whatever the limits and filters, while sessions move.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use rekindle::engine::encode;
use rekindle::http::HttpServer;
use rekindle::model::session::Status;
use serde_json::{Value, json};

use super::living::{BASE, LAG, Living, event};
use crate::http_double::get;

fn started(session: &str, at: i64) -> Value {
    event("acme", session, at, json!({"type": "session_started", "user_id": "u-1"}))
}

/// A page, and its cursor if there is another one.
fn page(server: &HttpServer, query: &str) -> (Vec<Value>, Option<String>) {
    let reply = get(server, &format!("/v1/tenants/acme/users/u-1/sessions?{query}"));
    assert_eq!(reply.status, 200, "{query}: {}", reply.body);
    let body = reply.json();
    assert_eq!(body["lag"], LAG, "{body}");
    let next = body["next_cursor"].as_str().map(str::to_owned);
    let safe = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
    assert!(
        next.as_ref().is_none_or(|next| next.bytes().all(safe)) && (next.is_some() || body["next_cursor"].is_null())
    );
    (body["sessions"].as_array().expect("a list").clone(), next)
}

/// All pages, each with the next of the limits.
fn pages(server: &HttpServer, filters: &str, limits: &[usize]) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    for limit in limits.iter().cycle() {
        let (sessions, next) = page(server, &format!("limit={limit}{filters}{cursor}"));
        assert!(sessions.len() <= *limit && (next.is_none() || sessions.len() == *limit), "pages of so few are full");
        all.extend(sessions);
        let Some(next) = next else { break };
        cursor = format!("&cursor={next}");
    }
    all
}

fn ids(sessions: &[Value]) -> Vec<&str> {
    sessions.iter().map(|session| session["session_id"].as_str().expect("an id")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn pages_together_are_the_whole_history(
        lives in prop::collection::vec((0i64..12, select(vec!["", "session_ended", "session_paused"]), 0..4u8), 0..40),
        limits in prop::collection::vec(1usize..8, 1..4),
        statuses in subsequence(Status::ALL, 0..=3),
        since in prop::option::of(0i64..3_700_000), before in prop::option::of(0i64..14_000),
    ) {
        let mut events = Vec::new();
        for (n, (at, then, user)) in lives.iter().enumerate() {
            // Of four sessions one is another user's.
            let (id, user) = (format!("s-{n}"), if *user == 0 { "u-2" } else { "u-1" });
            let at = at * 1000;
            events.push(event("acme", &id, at, json!({"type": "session_started", "user_id": user})));
            if !then.is_empty() {
                let reason = if *then == "session_ended" { "completed" } else { "tool_call" };
                events.push(event("acme", &id, at + 1, json!({"type": then, "reason": reason})));
            }
        }
        // Whoever is idle is expired by now, but for the last one.
        events.push(started("s-last", 3_600_000));
        let (living, server) = Living::serve(&events);
        let words: Vec<&str> = statuses.iter().map(|status| status.label()).collect();
        let mut filters = String::new();
        if !words.is_empty() {
            filters += &format!("&status={}", words.join(","));
        }
        let (since, before) = (since.map(|at| BASE + at), before.map(|at| BASE + at));
        since.iter().for_each(|at| filters += &format!("&active_since={at}"));
        before.iter().for_each(|at| filters += &format!("&active_before={at}"));
        let mut expected = living.look(|engine, _| engine.sessions());
        expected.retain(|view| {
            let at = view.last_active.expect("they live").0;
            view.user.as_ref().is_some_and(|user| user.as_str() == "u-1")
                && (statuses.is_empty() || view.status.is_some_and(|status| statuses.contains(&status)))
                && since.is_none_or(|since| at >= since) && before.is_none_or(|before| at < before)
        });
        expected.sort_by(|a, b| (b.last_active, &b.session).cmp(&(a.last_active, &a.session)));
        let expected: Vec<Value> = expected.iter().map(|view| encode::state_json(view, true)).collect();
        prop_assert_eq!(pages(&server, &filters, &limits), expected);
    }
}

#[test]
fn what_stays_is_neither_left_out_nor_told_twice_while_others_move() {
    let many: Vec<Value> = (0..30).map(|n| started(&format!("s-{n:02}"), n / 3)).collect();
    let (living, server) = Living::serve(&many);
    let (mut told, mut cursor) = (Vec::new(), String::new());
    for round in 0.. {
        let (sessions, next) = page(&server, &format!("limit=7{cursor}"));
        told.extend(sessions);
        let Some(next) = next else { break };
        cursor = format!("&cursor={next}");
        // One that was told, one that was not, and the last one told move to the front; a new one comes.
        let last = ids(&told)[told.len() - 1].to_owned();
        for id in [format!("s-{:02}", 29 - round), format!("s-{round:02}"), last, format!("new-{round}")] {
            living.feed(&[started(&id, 100 + round)]);
        }
    }
    let moved = |id: &str| {
        living.look(|engine, _| {
            let all = engine.sessions();
            all.iter().any(|view| view.session.as_str() == id && view.last_active.is_some_and(|at| at.0 >= BASE + 100))
        })
    };
    let stayed: Vec<String> = (0..30).rev().map(|n| format!("s-{n:02}")).filter(|id| !moved(id)).collect();
    let of_these: Vec<&str> = ids(&told).into_iter().filter(|id| !moved(id)).collect();
    assert!(stayed.len() > 10, "{stayed:?}");
    assert_eq!(of_these, stayed);
}

#[test]
fn a_page_looks_at_so_many_and_no_more_and_goes_on_behind_them() {
    let mut events = vec![started("s-oldest", 0)];
    for n in 0..2_100 {
        events.push(started(&format!("s-{n}"), 1 + n));
        events.push(event(
            "acme",
            &format!("s-{n}"),
            1 + n,
            json!({"type": "session_ended", "event_id": format!("end-{n}"), "reason": "completed"}),
        ));
    }
    let (_, server) = Living::serve(&events);
    let (first, next) = page(&server, "status=active");
    assert_eq!(first, Vec::<Value>::new());
    let (second, none) = page(&server, &format!("status=active&cursor={}", next.expect("there is more")));
    assert_eq!((ids(&second), none), (vec!["s-oldest"], None));
}

#[test]
fn what_was_never_active_comes_last_and_was_active_neither_since_nor_before() {
    let silent = json!({"type": "transfer_scope_changed", "user_id": "u-1", "transfer_scope": "user"});
    let (_, server) = Living::serve(&[started("s-lively", 0), event("acme", "s-silent", 5, silent)]);
    for (query, expected) in [
        ("limit=5".to_owned(), vec!["s-lively", "s-silent"]),
        ("active_since=0".to_owned(), vec!["s-lively"]),
        (format!("active_before={}", BASE + 1), vec!["s-lively"]),
        (format!("active_before={BASE}"), vec![]),
        (
            "active_since=2025-11-05T10:53:20%2B00:00&active_before=2025-11-05T10:53:20.001Z".to_owned(),
            vec!["s-lively"],
        ),
    ] {
        assert_eq!(ids(&page(&server, &query).0), expected, "{query}");
    }
}

#[test]
fn a_cursor_is_good_for_its_query_alone() {
    let events: Vec<Value> = (0..3)
        .flat_map(|n| {
            let of = |tenant, user| {
                event(tenant, &format!("{user}-{n}"), n, json!({"type": "session_started", "user_id": user}))
            };
            [of("acme", "u-1"), of("acme", "u-2"), of("other", "u-1")]
        })
        .collect();
    let (_, server) = Living::serve(&events);
    let (_, next) = page(&server, "limit=1&status=active");
    let cursor = next.expect("there is more");
    assert_eq!(page(&server, &format!("limit=500&status=active&cursor={cursor}")).0.len(), 2, "another limit is fine");
    let mut altered = cursor.clone().into_bytes();
    let middle = altered.len() / 2;
    altered[middle] = if altered[middle] == b'A' { b'B' } else { b'A' };
    let altered = String::from_utf8(altered).expect("ASCII");
    for (path, query) in [
        ("acme/users/u-1", format!("cursor={cursor}")),
        ("acme/users/u-1", format!("status=active,ended&cursor={cursor}")),
        ("acme/users/u-1", format!("status=active&active_since=0&cursor={cursor}")),
        ("acme/users/u-1", format!("status=active&active_before={}&cursor={cursor}", BASE + 9)),
        ("acme/users/u-2", format!("status=active&cursor={cursor}")),
        ("other/users/u-1", format!("status=active&cursor={cursor}")),
        ("acme/users/u-1", format!("status=active&cursor={altered}")),
        ("acme/users/u-1", format!("status=active&cursor={cursor}AAAA")),
        ("acme/users/u-1", format!("status=active&cursor={}", &cursor[..20])),
        ("acme/users/u-1", "status=active&cursor=".to_owned()),
        ("acme/users/u-1", "status=active&cursor=%FF".to_owned()),
    ] {
        let reply = get(&server, &format!("/v1/tenants/{path}/sessions?{query}"));
        reply.is_problem(400, "cursor");
        assert_eq!(reply.json()["field"], "cursor", "{query}");
    }
}
