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
use serde_json::Value;

use crate::http_double::{on_loopback, serve_as};
use crate::sample::{self, KEY};
use crate::support::clients::eventually;
use crate::support::python;

/// The version, and what it is asked to do.
const PACKAGE: &str = "schemathesis==4.32.5";
const IS_THERE: &str = "import importlib.metadata as m, schemathesis; assert m.version('schemathesis') == '4.32.5'";
const MOST_SECONDS: &str = "60";

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
    std::fs::write(folder.path().join("openapi.json"), closed(&server, guarded).to_string()).expect("written");
    std::fs::write(folder.path().join("schemathesis.toml"), rules(&server, guarded)).expect("written");
    let output = Command::new(python)
        .current_dir(folder.path())
        .args(["-m", "schemathesis.cli", "run", "openapi.json", "--no-color", "--continue-on-failure"])
        .args(["--phases", "examples,coverage,fuzzing"])
        .args(["--url", &server.url(), "--seed", "1", "--max-examples", "8", "--max-time", MOST_SECONDS])
        .output()
        .expect("Python runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("18 selected / 18 total"), "all operations: {said}");
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
        let methods = document["paths"].as_object_mut().expect("paths").values_mut();
        for operation in methods.flat_map(|m| m.as_object_mut().expect("methods").values_mut()) {
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

/// Which subjects to ask about, so that there are answers, and which checks are meant.
fn rules(server: &HttpServer, guarded: bool) -> String {
    let (open, ended) = sample::suggestions(server);
    let erasure = sample::erasure(server);
    let auth = if guarded { format!("[auth.openapi]\ntoken = {{ bearer = \"{KEY}\" }}\n") } else { String::new() };
    include_str!("rules.toml")
        .replace("OPEN", &open)
        .replace("ENDED", &ended)
        .replace("ERASURE", &erasure)
        .replace("GUARDED", if guarded { "true" } else { "false" })
        + &auth
}
