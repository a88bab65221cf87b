//! Erasure: who may ask for it, what is refused, and what is told of it.

use std::sync::{Arc, Mutex, OnceLock};

use rekindle::engine::Remains;
use rekindle::http::HttpServer;
use rekindle::http::port::NotWritten;
use rekindle::model::bookkeeping::ErasureMarker;
use rekindle::model::event::ErasureScope;
use rekindle::model::ids::UserId;
use rekindle::model::position::Offset;
use rekindle::model::time::EventTime;
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use crate::given::{ACME, ADMIN, ALL, ask, bearer, get, metric, serve, with_keys};
use crate::http_double::{Double, Reply};

const JSON: &str = "content-type: application/json\r\n";

fn erase(server: &HttpServer, tenant: &str, token: &str, body: &Value) -> Reply {
    let lines = format!("{JSON}{}", bearer(token));
    ask(server, "POST", &format!("/v1/tenants/{tenant}/erasures"), &lines, &body.to_string())
}

fn of_user() -> Value {
    json!({"scope": "user", "id": "u-1", "request_id": "r-1"})
}

/// A partition in which the erasure is folded.
fn erased() -> Double {
    let marker = ErasureMarker { cut: EventTime(i64::MAX), dead: false, expires_at: EventTime(i64::MAX) };
    Double { left: Remains { marker: Some(marker), ..Remains::default() }, ..Double::default() }
}

#[test]
fn an_erasure_is_written_and_told_where() {
    let double = Double::default();
    let written = double.erased.clone();
    let server = serve(&with_keys(), double);
    let reply = erase(&server, "acme", ADMIN, &of_user());
    assert_eq!(reply.status, 202, "{}", reply.body);
    let (answer, again) = (reply.json(), erase(&server, "acme", ADMIN, &of_user()).json());
    let offsets: Vec<i64> = (0..4).map(|n| answer["written"][n]["offset"].as_i64().expect("an offset")).collect();
    assert_eq!((offsets, &answer["written"][3]["partition"]), (vec![5119, 5120, 5121, 5122], &json!(3)));
    let other = erase(&server, "acme", ADMIN, &json!({"scope": "user", "id": "u-1", "request_id": "r-2"})).json();
    let tenants = erase(&server, "acme", ADMIN, &json!({"scope": "tenant"})).json();
    assert_eq!(tenants["scope"], "tenant");
    let written = written.lock().expect("no test panics here");
    let user = ErasureScope::User(UserId::new("u-1").expect("an id"));
    let scopes: Vec<_> = written.iter().map(|erasure| erasure.scope.clone()).collect();
    assert_eq!(scopes, [user.clone(), user.clone(), user, ErasureScope::Tenant]);
    assert_eq!(answer["event_id"], written[0].event_id.as_str());
    assert!(answer["event_id"] == again["event_id"] && answer["event_id"] != other["event_id"]);
    assert!(!answer["event_id"].as_str().is_some_and(|id| id.contains("u-1")));
}

#[test]
fn only_an_admin_of_the_tenant_erases() {
    let double = Double::default();
    let written = double.erased.clone();
    let server = serve(&with_keys(), double);
    erase(&server, "acme", ACME, &of_user()).is_problem(403, "needs the role admin");
    assert_eq!(erase(&server, "acme", "another", &of_user()).status, 401);
    erase(&server, "other", ADMIN, &of_user()).is_problem(404, "no such tenant");
    assert!(written.lock().expect("no test panics here").is_empty());
    assert_eq!(metric(&server, "rekindle_http_refused_total{reason=\"tenant\"}"), 1.0);
    let id = erase(&server, "acme", ALL, &of_user()).json()["erasure_id"].as_str().expect("an id").to_owned();
    let at = |tenant: &str| format!("/v1/tenants/{tenant}/erasures/{id}");
    assert_eq!(get(&server, &at("acme"), ACME).status, 200, "reading is enough to look");
    let foreign = get(&server, &at("other"), ACME);
    foreign.is_problem(404, "no such erasure");
    for path in [at("other"), "/v1/tenants/acme/erasures/x".to_owned()] {
        assert_eq!(get(&server, &path, ALL).body, foreign.body, "{path}");
    }
}

#[test]
fn what_is_no_erasure_is_refused_by_name() {
    let double = Double::default();
    let written = double.erased.clone();
    let server = serve(&with_keys(), double);
    for (body, field, detail) in [
        (json!({"id": "u-1"}), "scope", "is required"),
        (json!({"scope": "everything", "id": "u-1"}), "scope", "must be one of session, user, tenant"),
        (json!({"scope": 1, "id": "u-1"}), "scope", "must be a string"),
        (json!({"scope": "user"}), "id", "is required with scope user"),
        (json!({"scope": "session", "id": null}), "id", "is required with scope session"),
        (json!({"scope": "user", "id": "a/b"}), "id", "must be visible ASCII"),
        (json!({"scope": "session", "id": "x".repeat(257)}), "id", "at most 256 bytes"),
        (json!({"scope": "tenant", "id": "acme"}), "id", "must be left out"),
        (json!({"scope": "user", "id": "u-1", "request_id": ""}), "request_id", "must not be empty"),
        (json!({"scope": "user", "id": "u-1", "user_id": "u-1"}), "user_id", "unknown field"),
    ] {
        let reply = erase(&server, "acme", ADMIN, &body);
        reply.is_problem(400, detail);
        assert_eq!(reply.json()["field"], field, "{body}");
    }
    let path = "/v1/tenants/acme/erasures";
    for kind in ["", "content-type: text/plain\r\n"] {
        let reply = ask(&server, "POST", path, &format!("{kind}{}", bearer(ADMIN)), &of_user().to_string());
        reply.is_problem(415, "application/json");
    }
    assert!(written.lock().expect("no test panics here").is_empty());
}

#[test]
fn what_cannot_be_written_is_asked_for_again() {
    let fault = Some(NotWritten("partition 2: timed out".to_owned()));
    let server = serve(&with_keys(), Double { not_written: fault, ..Double::default() });
    let reply = erase(&server, "acme", ADMIN, &of_user());
    reply.is_problem(503, "partition 2: timed out");
    assert!(reply.header("retry-after").is_some());
}

#[test]
fn an_erasure_stands_where_its_partitions_stand() {
    // The double has partition 1, which has folded 5120, where the erasure lies.
    let stands = |double: Double| {
        let server = serve(&with_keys(), double);
        let id = erase(&server, "acme", ADMIN, &of_user()).json()["erasure_id"].as_str().expect("an id").to_owned();
        let reply = get(&server, &format!("/v1/tenants/acme/erasures/{id}"), ACME);
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.json()
    };
    let done = stands(erased());
    assert_eq!(done["state"], "unknown", "others are elsewhere");
    assert_eq!(done["partitions"][0]["state"], "unknown");
    assert!(done["partitions"][0]["detail"].as_str().is_some_and(|d| d.contains("not owned by this process")));
    let here = &done["partitions"][1];
    assert_eq!((&here["state"], &here["folded"], &here["committed"]), (&json!("done"), &json!(true), &json!(true)));
    let left = json!({"sessions": 0, "vectors": 0, "prefixes": 0, "open_suggestions": 0, "tombstones": 0});
    assert_eq!((&here["left"], &here["as_of"]["offset"]), (&left, &json!(5120)));
    for change in [
        |left: &mut Remains| left.sessions = 1,
        |left: &mut Remains| left.vectors = 1,
        |left: &mut Remains| left.prefixes = 1,
        |left: &mut Remains| left.open_suggestions = 1,
        |left: &mut Remains| left.unwritten = 1,
        |left: &mut Remains| left.buried_at = Some(Offset(5121)),
    ] {
        let mut double = erased();
        change(&mut double.left);
        assert_eq!(stands(double)["state"], "pending");
    }
    assert_eq!(stands(Double::default())["state"], "refused", "folded, and yet there is no marker");
}

#[test]
fn topics_tell_how_long_they_keep_what_is_erased() {
    let server = serve(&with_keys(), erased());
    let id = erase(&server, "acme", ADMIN, &of_user()).json()["erasure_id"].as_str().expect("an id").to_owned();
    let path = format!("/v1/tenants/acme/erasures/{id}");
    assert_eq!(get(&server, &path, ACME).json().get("topics"), None);
    get(&server, &format!("{path}?include=all"), ACME).is_problem(400, "must be topics");
    let topics = get(&server, &format!("{path}?include=topics"), ACME).json()["topics"].clone();
    let told = |topic, policy, within, reason| json!({"topic": topic, "cleanup_policy": policy, "gone_within_ms": within, "gone_by": null, "reason": reason});
    let within = Some(5);
    let expected = json!([
        told("states", "compact", within, "the erasure is not done"),
        told("events", "delete", None, "retention.ms is -1"),
    ]);
    assert_eq!(topics, expected);
}

/// What is logged for audit in this process, by any of its tests.
fn audited() -> &'static Lines {
    static LINES: OnceLock<Lines> = OnceLock::new();
    LINES.get_or_init(|| {
        let lines = Lines::default();
        let subscriber = tracing_subscriber::fmt().json().with_writer(lines.clone()).with_env_filter("off,audit=info");
        tracing::subscriber::set_global_default(subscriber.finish()).expect("nobody else has");
        lines
    })
}

/// Lines of a log, kept.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no test panics here").extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Lines;

    fn make_writer(&self) -> Lines {
        self.clone()
    }
}

#[test]
fn an_erasure_is_in_the_audit_log_without_its_subject() {
    let lines = audited();
    let server = serve(&with_keys(), Double::default());
    let body = json!({"scope": "user", "id": "u-secret", "request_id": "r-secret"});
    let answer = erase(&server, "audited", ALL, &body);
    assert_eq!(answer.status, 202, "{}", answer.body);
    assert_eq!(erase(&server, "audited", ALL, &json!({"scope": "user", "id": "secret/"})).status, 400);
    assert_eq!(erase(&server, "audited", ACME, &body).status, 403);
    let id = answer.json()["erasure_id"].as_str().expect("an id").to_owned();
    assert_eq!(get(&server, &format!("/v1/tenants/audited/erasures/{id}"), ALL).status, 200);
    // A line is written before the answer goes out.
    let text = String::from_utf8(lines.0.lock().expect("no test panics here").clone()).expect("text");
    let written: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let own = written.iter().filter(|line| line["fields"]["tenant"] == "audited").map(|line| &line["fields"]);
    let call = |key: &str, status: u16| {
        json!({"message": "call", "who": format!("key:{key}"), "role": "admin", "method": "POST",
            "route": "/v1/tenants/{tenant}/erasures", "tenant": "audited", "status": status})
    };
    assert_eq!(own.cloned().collect::<Vec<_>>(), [call(ALL, 202), call(ALL, 400), call(ACME, 403)], "not of reading");
    assert!(!text.contains("secret") && !text.contains(&id), "{text}");
}
