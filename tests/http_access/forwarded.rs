//! Requests for what another instance holds: told where to go, or sent on, and never in a circle.

use rekindle::http::HttpServer;
use rekindle::http::port::QueryError;
use rekindle::http::settings::{BaseUrl, Forward, HttpSettings};
use rekindle::model::position::PartitionId;

use crate::given::{ACME, ask, bearer, get, metric, serve, with_keys};
use crate::http_double::{Double, Reply, on_loopback};

const SESSION: &str = "/v1/tenants/acme/sessions/s-9?include=vector&at_least=1:7&wait_ms=0";
const RECOVERY: &str = "/v1/tenants/acme/recovery";

/// One that holds nothing, and knows who does.
fn without(owner: Option<&str>) -> Double {
    let owner = owner.map(|url| BaseUrl::new(url).expect("a URL"));
    Double { fault: Some(QueryError::NotOwned(PartitionId(2))), owner, ..Double::default() }
}

fn leading(forward: Forward, settings: HttpSettings, double: Double) -> HttpServer {
    serve(&HttpSettings { forward: Some(forward), ..settings }, double)
}

fn count(server: &HttpServer, result: &str) -> f64 {
    metric(server, &format!("rekindle_http_forwarded_total{{result=\"{result}\"}}"))
}

/// An answer that names the partition, and when to ask again.
fn is_unavailable(reply: &Reply, detail: &str) {
    reply.is_problem(503, detail);
    assert_eq!((reply.json()["partition"].as_i64(), reply.header("location")), (Some(2), None));
    assert!(reply.header("retry-after").is_some());
}

#[test]
fn who_asks_is_told_where_with_path_and_query_as_they_came() {
    let server = leading(Forward::Redirect, on_loopback(), without(Some("https://b.example:8443")));
    for (method, target, body) in [
        ("GET", SESSION, ""),
        ("GET", "/v1/tenants/acme/users/u-1/sessions?status=active%2Cpaused", ""),
        ("POST", RECOVERY, "{\"session_id\":\"s-9\"}"),
        ("POST", "/v1/tenants/acme/search", "{\"session_id\":\"s-9\"}"),
    ] {
        let told = ask(&server, method, target, "", body);
        assert_eq!((told.status, told.body.as_str()), (307, ""), "{target}");
        assert_eq!(told.header("location"), Some(format!("https://b.example:8443{target}")));
    }
    // The host of an absolute target is anybody's.
    let absolute = ask(&server, "GET", &format!("http://evil.example{SESSION}"), "", "");
    assert_eq!(absolute.header("location"), Some(format!("https://b.example:8443{SESSION}")));
    assert_eq!((count(&server, "redirected"), count(&server, "proxied")), (5.0, 0.0));
}

#[test]
fn where_nobody_is_known_or_asked_it_is_as_ever() {
    is_unavailable(&get(&leading(Forward::Redirect, on_loopback(), without(None)), SESSION, ""), "not owned");
    is_unavailable(&get(&serve(&on_loopback(), without(Some("http://b"))), SESSION, ""), "not owned");
    let restoring = Double { fault: Some(QueryError::Restoring(PartitionId(2), 0.5)), ..without(Some("http://b")) };
    is_unavailable(&get(&leading(Forward::Redirect, on_loopback(), restoring), SESSION, ""), "being restored");
    let unsure = Double { fault: Some(QueryError::Unconfirmed(PartitionId(2))), ..without(Some("http://b")) };
    assert_eq!(get(&leading(Forward::Redirect, on_loopback(), unsure), SESSION, "").status, 307);
}

#[test]
fn nobody_is_sent_anywhere_before_token_and_request_are_looked_at() {
    for forward in [Forward::Redirect, Forward::Proxy] {
        let server = leading(forward, with_keys(), without(Some("http://127.0.0.1:1")));
        get(&server, SESSION, "no-key").is_problem(401, "");
        let other = "/v1/tenants/globex/sessions/s-9";
        let own = serve(&with_keys(), Double { fault: Some(QueryError::NotFound), ..Double::default() });
        let (unseen, absent) = (get(&server, other, ACME), get(&own, "/v1/tenants/acme/sessions/s-9", ACME));
        assert_eq!((unseen.status, unseen.header("location")), (404, None));
        assert_eq!(unseen.body, absent.body);
        get(&server, "/v1/tenants/acme/sessions/a%20b", ACME).is_problem(400, "session_id");
        ask(&server, "POST", RECOVERY, &bearer(ACME), "{}").is_problem(400, "session_id");
        let large = format!("{{\"session_id\":\"{}\"}}", "x".repeat(1 << 20));
        ask(&server, "POST", RECOVERY, &bearer(ACME), &large).is_problem(413, "");
    }
}

#[test]
fn a_request_is_sent_on_with_its_token_and_body_and_the_answer_handed_back() {
    let owner = serve(&with_keys(), Double::default());
    let server = leading(Forward::Proxy, with_keys(), without(Some(&owner.url())));
    for (method, target, body) in [
        ("GET", SESSION, ""),
        ("POST", RECOVERY, "{\"session_id\":\"s-9\",\"user_id\":\"u-1\"}"),
        ("GET", "/v1/tenants/acme/users/u-1/sessions?limit=1", ""),
    ] {
        let (here, there) =
            (ask(&server, method, target, &bearer(ACME), body), ask(&owner, method, target, &bearer(ACME), body));
        assert_eq!((here.status, &here.body), (200, &there.body), "{target}");
        assert_eq!(here.header("content-type"), there.header("content-type"));
    }
    assert_eq!(count(&server, "proxied"), 3.0);
    // What the owner refuses is refused by its words.
    let told = Double { fault: Some(QueryError::Restoring(PartitionId(2), 0.5)), ..Double::default() };
    let restoring = serve(&with_keys(), told);
    let server = leading(Forward::Proxy, with_keys(), without(Some(&restoring.url())));
    is_unavailable(&get(&server, SESSION, ACME), "being restored");
    let foreign = serve(&HttpSettings { auth: Default::default(), ..with_keys() }, without(None));
    let server = leading(Forward::Proxy, with_keys(), without(Some(&foreign.url())));
    is_unavailable(&get(&server, SESSION, ACME), "not owned");
}

#[test]
fn what_was_sent_on_once_is_not_sent_on_again() {
    for forward in [Forward::Redirect, Forward::Proxy] {
        let server = leading(forward, on_loopback(), without(Some("http://127.0.0.1:1")));
        is_unavailable(&ask(&server, "GET", SESSION, "rekindle-forwarded: 1\r\n", ""), "not owned");
        assert_eq!(count(&server, "refused"), 1.0);
    }
    // Two that each hold the other for the owner.
    let ports = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = ports.local_addr().expect("bound");
    drop(ports);
    let first = leading(Forward::Proxy, on_loopback(), without(Some(&format!("http://{address}"))));
    let there = HttpSettings { listen: address, ..on_loopback() };
    let second = leading(Forward::Proxy, there, without(Some(&first.url())));
    is_unavailable(&get(&first, SESSION, ""), "not owned");
    assert_eq!((count(&first, "proxied"), count(&second, "refused"), count(&second, "proxied")), (1.0, 1.0, 0.0));
}

#[test]
fn an_owner_that_does_not_answer_is_no_answer() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let server = leading(Forward::Proxy, on_loopback(), without(Some(&format!("http://{address}"))));
    is_unavailable(&get(&server, SESSION, ""), "partition 2 is at another instance, which does not answer");
    assert_eq!(count(&server, "failed"), 1.0);
    // One that takes connections and says nothing holds nobody longer than a request may take.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", silent.local_addr().expect("bound"));
    let mut settings = on_loopback();
    settings.limits.request = std::time::Duration::from_millis(300);
    let server = leading(Forward::Proxy, settings, without(Some(&url)));
    get(&server, SESSION, "").is_problem(503, "");
}
