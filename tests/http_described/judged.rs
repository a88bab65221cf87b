//! Runs `schemathesis`. Its version, its seed and the number of its requests are fixed.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::mocking::MockCluster;
use rekindle::http::HttpServer;
use rekindle::http::auth::{Grant, KeyHash, Role, Tenants};
use rekindle::http::settings::{AuthSettings, HttpSettings};
use rekindle::runtime::start;
use rekindle::telemetry::Metrics;
use serde_json::{Map, Value, json};

use crate::http_double::{on_loopback, serve_as};
use crate::sample::{self, KEY};
use crate::support::clients::eventually;
use crate::support::python;

/// The version, and whether it is there.
const PACKAGE: &str = "schemathesis==4.32.5";
const IS_THERE: &str = "import importlib.metadata as m, schemathesis; assert m.version('schemathesis') == '4.32.5'";

#[test]
fn the_service_does_as_its_description_says() {
    judge("described", false);
}

#[test]
fn with_keys_it_does_too_and_lets_nobody_in_without_one() {
    judge("guarded", true);
}

fn judge(name: &str, guarded: bool) {
    let python = python::with("schemathesis", &[PACKAGE], IS_THERE);
    let cluster = MockCluster::new(1).expect("embedded broker");
    let settings = sample::on(&cluster, name);
    let service = start(settings.clone(), Arc::new(Metrics::new())).expect("start");
    let _ = eventually("ready", || service.port().ready(), Result::is_ok);
    let server = serve_as(&edge(guarded), service.port(), (*settings.engine).clone()).expect("a free port");
    sample::fold(&settings, &server);
    let folder = tempfile::tempdir().expect("a folder");
    let subjects = subjects(&server);
    let mut document = closed(&server, guarded);
    with_examples(&mut document, &subjects);
    std::fs::write(folder.path().join("openapi.json"), document.to_string()).expect("written");
    std::fs::write(folder.path().join("schemathesis.toml"), rules(&subjects, guarded)).expect("written");
    let output = Command::new(python)
        .current_dir(folder.path())
        .args(["-m", "schemathesis.cli", "run", "openapi.json", "--no-color", "--continue-on-failure"])
        .args(["--phases", "examples,coverage,fuzzing"])
        .args(["--url", &server.url(), "--seed", "1", "--max-examples", "15", "--request-timeout", "10"])
        .output()
        .expect("Python runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let all = operations(&mut document).count();
    assert!(said.contains(&format!("{all} selected / {all} total")), "all operations: {said}");
    every_operation_was_answered(&server, &document);
    server.stop();
    service.shutdown().expect("clean");
}

fn edge(guarded: bool) -> HttpSettings {
    let mut settings = on_loopback();
    // What waits for a record that never comes waits no longer than that.
    settings.limits.request = Duration::from_secs(1);
    if guarded {
        let grant = Grant { who: "key:all".into(), tenants: Tenants::All, role: Some(Role::Admin), by_token: true };
        settings.auth = AuthSettings { keys: vec![(KeyHash::of_key(KEY), grant)], jwt: None };
    }
    settings
}

/// Schemas that others add to, and those that add to them.
const ADDED_TO: [&str; 3] = ["RecoverySuggestion", "TransferSuggestion", "Trigger"];
const MADE_OF_SEVERAL: [&str; 3] = ["SuggestionPublished", "SuggestionTold", "TriggerTold"];

/// The description, with answers that may hold nothing but what it says, and tokens where they are asked for.
fn closed(server: &HttpServer, guarded: bool) -> Value {
    let mut document = sample::ask(server, "GET", "/openapi.json", "").json();
    let schemas = document["components"]["schemas"].as_object_mut().expect("schemas");
    for (name, schema) in schemas {
        if MADE_OF_SEVERAL.contains(&name.as_str()) {
            schema["unevaluatedProperties"] = false.into();
        } else {
            let added_to = ADDED_TO.contains(&name.as_str());
            let fields = schema.as_object_mut().expect("a schema");
            fields.values_mut().for_each(close);
            if !added_to && fields.contains_key("properties") {
                fields.entry("additionalProperties").or_insert(false.into());
            }
        }
    }
    if !guarded {
        for operation in operations(&mut document) {
            operation.as_object_mut().expect("an operation").remove("security");
        }
    }
    document
}

/// Closes the objects within a schema.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.values_mut().for_each(close);
            if fields.get("properties").is_some_and(Value::is_object) && fields.contains_key("required") {
                fields.entry("additionalProperties").or_insert(false.into());
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

/// What there is, by the name of the parameter.
fn subjects(server: &HttpServer) -> Vec<(&'static str, Vec<String>)> {
    let (open, ended) = sample::suggestions(server);
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    vec![
        ("tenant", texts(&["acme"])),
        ("session", texts(&["s-open", "s-ended", "s-other"])),
        ("user", texts(&["u-1", "u-2"])),
        ("suggestion", vec![open, ended]),
        ("erasure", vec![sample::erasure(server)]),
    ]
}

/// Examples of requests that find something.
fn with_examples(document: &mut Value, subjects: &[(&str, Vec<String>)]) {
    document["components"]["schemas"]["AtLeastText"]["example"] = "0:0".into();
    let bodies = sample::bodies();
    for operation in operations(document) {
        for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
            let known = subjects.iter().find(|(name, _)| parameter["name"] == *name);
            for (n, subject) in known.into_iter().flat_map(|(_, all)| all.iter().enumerate()) {
                parameter["examples"][n.to_string()] = json!({"value": subject});
            }
        }
        let of_this = bodies.iter().filter(|(name, _)| operation["operationId"] == *name);
        let examples: Map<String, Value> =
            of_this.enumerate().map(|(n, (_, body))| (n.to_string(), json!({"value": body}))).collect();
        if !examples.is_empty() {
            operation["requestBody"]["content"]["application/json"]["examples"] = examples.into();
        }
    }
}

fn operations(document: &mut Value) -> impl Iterator<Item = &mut Value> {
    let methods = document["paths"].as_object_mut().expect("paths").values_mut();
    methods.flat_map(|methods| methods.as_object_mut().expect("methods").values_mut())
}

/// An operation that only ever refuses shows nothing of its answers.
fn every_operation_was_answered(server: &HttpServer, document: &Value) {
    let metrics = sample::ask(server, "GET", "/metrics", "").body;
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let status = if operation["operationId"] == "erase" { 202 } else { 200 };
            let labels =
                [format!("route=\"{path}\""), format!("method=\"{}\"", method.to_uppercase()), format!("\"{status}\"")];
            let counted = metrics.lines().any(|line| labels.iter().all(|label| line.contains(label)));
            assert!(counted, "{method} {path} was never answered:\n{metrics}");
        }
    }
}

/// Which subjects to ask about, so that there are answers, and which checks are meant.
fn rules(subjects: &[(&str, Vec<String>)], guarded: bool) -> String {
    let dictionaries = subjects.iter().map(|(name, all)| format!("[dictionaries.{name}]\nvalues = {all:?}\n"));
    let auth = if guarded { format!("[auth.openapi]\ntoken = {{ bearer = \"{KEY}\" }}\n") } else { String::new() };
    let rules = include_str!("rules.toml").replace("GUARDED", if guarded { "true" } else { "false" });
    dictionaries.collect::<String>() + &rules + &auth
}
