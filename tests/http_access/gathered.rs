//! Questions about a tenant that lives in partitions of several instances: who is asked, with what, and what comes of it.

use std::io::{Read, Write};
use std::net::TcpListener;

use rekindle::http::HttpServer;
use rekindle::http::port::{QueryError, Whereabouts};
use rekindle::http::settings::{BaseUrl, Forward, HttpSettings};
use rekindle::model::position::PartitionId;
use serde_json::json;

use crate::given::{ACME, ask, bearer, get, metric, serve, with_keys};
use crate::http_double::{Double, on_loopback};

const SESSION: &str = "/v1/tenants/acme/sessions/s-9";
const HISTORY: &str = "/v1/tenants/acme/users/u-1/sessions?limit=1";
const SEARCH: &str = "/v1/tenants/acme/search";
const PREFIX: &str = "/v1/tenants/acme/prefix-match";

fn prefix() -> String {
    json!({"cache": {"namespace": "m"}, "prefix": {"algorithm": "a", "block_tokens": 16, "hashes": ["a0"]}}).to_string()
}

/// One that holds partition 1, and knows where others are.
pub fn beside(others: &[(i32, Option<&str>)], fault: Option<QueryError>) -> Double {
    let mut places = vec![(PartitionId(1), Whereabouts::Here)];
    places.extend(others.iter().map(|(partition, url)| {
        let place = url.map_or(Whereabouts::Nowhere, |url| Whereabouts::At(BaseUrl::new(url).expect("a URL")));
        (PartitionId(*partition), place)
    }));
    Double { places, fault, ..Double::default() }
}

pub fn leading(settings: HttpSettings, double: Double) -> HttpServer {
    serve(&HttpSettings { forward: Some(Forward::Redirect), ..settings }, double)
}

fn count(server: &HttpServer, result: &str) -> f64 {
    metric(server, &format!("rekindle_http_forwarded_total{{result=\"{result}\"}}"))
}

fn silent() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    format!("http://{}", listener.local_addr().expect("bound"))
}

#[test]
fn others_are_asked_with_the_token_and_both_answers_become_one() {
    let other = leading(with_keys(), Double::default());
    let server = leading(with_keys(), beside(&[(2, Some(&other.url()))], None));
    let told = ask(&server, "POST", PREFIX, &bearer(ACME), &prefix());
    assert_eq!(told.status, 200, "{}", told.body);
    let answer = told.json();
    assert_eq!(answer["matches"].as_array().map(Vec::len), Some(2), "one of each: {answer}");
    assert_eq!((answer["shards"].as_array().map(Vec::len), &answer["lag"]), (Some(2), &json!(12)));
    assert_eq!((count(&server, "gathered"), count(&other, "gathered")), (1.0, 0.0));
    // One answer is given as it is, without what instances tell each other.
    let one = get(&server, SESSION, ACME);
    assert_eq!((one.status, &one.body, one.header("rekindle-rank")), (200, &get(&other, SESSION, ACME).body, None));
    // A limit is one of all.
    let few = prefix().replace("{\"cache\"", "{\"limit\":1,\"cache\"");
    let told = ask(&server, "POST", PREFIX, &bearer(ACME), &few).json();
    assert_eq!(told["matches"].as_array().map(Vec::len), Some(1), "{told}");
}

#[test]
fn nobody_else_is_asked_what_is_refused_or_not_to_be_seen() {
    let server = leading(with_keys(), beside(&[(2, Some(&silent()))], None));
    get(&server, SESSION, "no-key").is_problem(401, "");
    get(&server, "/v1/tenants/globex/sessions/s-9", ACME).is_problem(404, "no such session");
    get(&server, "/v1/tenants/acme/sessions/a%20b", ACME).is_problem(400, "session_id");
    ask(&server, "POST", PREFIX, &bearer(ACME), "{}").is_problem(400, "cache");
    let large = format!("{{\"session_id\":\"{}\"}}", "x".repeat(1 << 20));
    ask(&server, "POST", SEARCH, &bearer(ACME), &large).is_problem(413, "");
    assert_eq!(count(&server, "failed"), 0.0);
}

#[test]
fn who_is_asked_in_part_tells_what_its_answer_counts_for_and_asks_nobody() {
    let server = leading(on_loopback(), beside(&[(2, Some(&silent()))], None));
    let part = ask(&server, "GET", SESSION, "rekindle-partitions: 1,3\r\n", "");
    assert_eq!(part.status, 200);
    let rank: serde_json::Value =
        serde_json::from_str(&part.header("rekindle-rank").expect("it is told")).expect("JSON");
    assert_eq!(rank["certain"], true);
    assert_eq!((count(&server, "gathered"), count(&server, "failed")), (0.0, 0.0));
    for wrong in ["a", "1,", "-1", "1;2"] {
        let refused = ask(&server, "GET", SESSION, &format!("rekindle-partitions: {wrong}\r\n"), "");
        refused.is_problem(400, "rekindle-partitions");
    }
    let elsewhere =
        leading(on_loopback(), Double { owner: None, ..beside(&[], Some(QueryError::NotOwned(PartitionId(1)))) });
    ask(&elsewhere, "GET", SESSION, "rekindle-partitions: 1\r\n", "").is_problem(503, "not owned");
}

/// Somebody who gives every request this answer; ends with the process.
fn answering(lines: &'static str, body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (mut stream, mut read) = (&stream, [0; 4096]);
            // Small requests come as one.
            let _ = stream.read(&mut read);
            let length = body.len();
            let _ =
                write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n{lines}connection: close\r\n\r\n{body}");
        }
    });
    url
}

#[test]
fn an_answer_that_is_not_understood_is_none() {
    let rank = "rekindle-rank: {\"certain\":true,\"order\":[],\"session\":\"\",\"place\":[true,1]}\r\n";
    for (lines, body) in [("", "{\"matches\":[]}"), ("rekindle-rank: 7\r\n", "{}"), (rank, "[]"), (rank, "")] {
        let server = leading(on_loopback(), beside(&[(2, Some(&answering(lines, body)))], None));
        ask(&server, "POST", PREFIX, "", &prefix()).is_problem(503, "not understood");
        assert_eq!(get(&server, SESSION, "").status, 200, "it is known here");
    }
    for body in ["{}", "{\"as_of\":7,\"matches\":[7,[]]}", "{\"shards\":[7],\"matches\":{}}"] {
        let server = leading(on_loopback(), beside(&[(2, Some(&answering(rank, body)))], None));
        assert_eq!(ask(&server, "POST", PREFIX, "", &prefix()).status, 200, "whatever it says");
        assert_eq!(ask(&server, "POST", SEARCH, "", "{\"session_id\":\"s-9\"}").status, 404);
    }
}

#[test]
fn who_does_not_answer_is_missed_where_it_may_know_more() {
    let restoring = || Some(QueryError::Restoring(PartitionId(2), 0.5));
    let broken = leading(on_loopback(), Double { fault: restoring(), ..Double::default() });
    let (url, silent) = (broken.url(), silent());
    for (places, partition, detail) in [
        (vec![(2, Some(url.as_str()))], 2, "being restored"),
        (vec![(3, Some(silent.as_str()))], 3, "does not answer"),
        (vec![(0, None)], 0, "owned by no instance"),
    ] {
        let server = leading(on_loopback(), beside(&places, None));
        let list = ask(&server, "POST", PREFIX, "", &prefix());
        list.is_problem(503, detail);
        assert_eq!(list.json()["partition"], partition);
        assert_eq!(get(&server, SESSION, "").status, 200, "it is known here");
        let missing = leading(on_loopback(), beside(&places, Some(QueryError::NotFound)));
        get(&missing, SESSION, "").is_problem(503, detail);
        // Here it is not covered what the answer is to cover.
        let record = format!("{SESSION}?at_least={partition}:7&wait_ms=0");
        get(&server, &record, "").is_problem(503, detail);
    }
    let nobody = leading(on_loopback(), Double { fault: Some(QueryError::NotFound), ..Double::default() });
    let missing = leading(on_loopback(), beside(&[(2, Some(&nobody.url()))], Some(QueryError::NotFound)));
    get(&missing, SESSION, "").is_problem(404, "no such session");
    let elsewhere = leading(on_loopback(), Double::default());
    let missing = leading(on_loopback(), beside(&[(2, Some(&elsewhere.url()))], Some(QueryError::NotFound)));
    assert_eq!(get(&missing, SESSION, "").status, 200, "it is known there");
    assert_eq!(get(&missing, HISTORY, "").status, 200);
    // Known, but without an embedding.
    ask(&missing, "POST", SEARCH, "", "{\"session_id\":\"s-9\"}").is_problem(404, "no embedding");
}
