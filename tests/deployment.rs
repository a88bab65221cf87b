//! The deployment files: they parse, refer to each other's names rightly, and every metric and label a dashboard
//! asks for is one the program has.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use rekindle::engine::EngineStats;
use rekindle::model::position::PartitionId;
use rekindle::telemetry::{Metrics, PartitionGauges};

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn yaml(name: &str) -> Value {
    let value: serde_yaml_ng::Value = serde_yaml_ng::from_str(&read(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    serde_json::to_value(value).unwrap()
}

/// Every series name with its labels, as scraped.
fn series() -> BTreeMap<String, BTreeSet<String>> {
    let metrics = Metrics::new();
    let stats = EngineStats::default();
    metrics.http_request(None, "GET", 200, std::time::Duration::ZERO);
    metrics.set_gauges(true, &[PartitionGauges { partition: PartitionId(0), lag: Some(0), restored: 1.0, stats }]);
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in metrics.render().lines().filter(|l| !l.starts_with('#')) {
        let (name, labels) = line.split_once(['{', ' ']).unwrap();
        let labels = labels.split(',').filter_map(|l| Some(l.split_once('=')?.0.to_owned()));
        found.entry(name.to_owned()).or_default().extend(labels);
    }
    found
}

/// The metric names of a query, each with the labels of its selector and of the grouping before it.
fn asked(query: &str) -> Vec<(String, Vec<String>)> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = |list: &str| {
        list.split(',').map(|l| l.trim().chars().take_while(|c| word(*c)).collect()).collect::<Vec<String>>()
    };
    let mut asked = Vec::new();
    for (at, _) in query.match_indices("rekindle_") {
        let rest = &query[at..];
        let end = rest.find(|c| !word(c)).unwrap_or(rest.len());
        let selector = rest[end..].strip_prefix('{').and_then(|s| s.split_once('}')).map_or("", |(s, _)| s);
        let group = query[..at].rsplit_once("by (").and_then(|(_, g)| g.split_once(')')).map_or("", |(g, _)| g);
        let mut labels = words(selector);
        labels.extend(words(group));
        labels.retain(|l| !["", "job", "instance"].contains(&l.as_str()));
        asked.push((rest[..end].to_owned(), labels));
    }
    asked
}

#[test]
fn every_query_of_the_dashboard_asks_for_what_there_is() {
    let dashboard: Value = serde_json::from_str(&read("dashboards/rekindle.json")).unwrap();
    let series = series();
    let (mut queries, mut ids) = (0, BTreeSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "panel id {} twice", panel["id"]);
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().unwrap();
            let asked = asked(query);
            assert!(!asked.is_empty(), "{query} names no metric");
            queries += 1;
            for (name, labels) in asked {
                let has = series.get(&name).unwrap_or_else(|| panic!("{name} of {} is no metric", panel["title"]));
                for label in labels {
                    assert!(has.contains(&label), "{name} has no label {label} ({})", panel["title"]);
                }
            }
        }
    }
    assert!(queries > 15, "only {queries} queries");
}

#[test]
fn the_dashboard_shows_what_operators_rely_on() {
    let dashboard = read("dashboards/rekindle.json");
    for name in [
        "rekindle_records_total",
        "rekindle_rejections_total",
        "rekindle_suggestions_total",
        "rekindle_outcomes_total",
        "rekindle_sessions{",
        "rekindle_event_to_commit_seconds",
        "rekindle_search_seconds",
        "rekindle_transaction_seconds",
        "rekindle_transactions_total",
        "rekindle_consumer_lag_records",
        "rekindle_restore_progress_ratio",
        "rekindle_saved_seconds_total",
        "rekindle_predicted_saved_seconds_total",
        "rekindle_gapped_sessions",
        "sum by (plan) (increase(rekindle_outcomes_total",
        "rekindle_group_cached_tokens_total",
        "rekindle_group_input_tokens_total",
        "rekindle_group_ttft_seconds_bucket",
        "rekindle_group_turns_total",
        "rekindle_suggestions_withheld_total",
        "rekindle_suggestions_limited_total",
        "sum by (route) (rate(rekindle_http_requests_total",
        "sum by (status) (rate(rekindle_http_requests_total",
        "rekindle_http_request_seconds_bucket",
        "rekindle_http_connections",
        "no_token|bad_token|expired_token|no_keys|role|tenant|handshake",
        "rate|busy|timeout|slow_connection|connections",
        "route=~\\\".*/erasures\\\"",
        "rekindle_http_tls_reloads_total",
    ] {
        assert!(dashboard.contains(name), "no panel shows {name}");
    }
}

#[test]
fn the_compose_file_fits_the_files_it_mounts() {
    let compose = yaml("docker-compose.yml");
    let services = compose["services"].as_object().unwrap();
    for service in ["kafka", "registry", "topics", "rekindle", "prometheus", "grafana"] {
        assert!(services.contains_key(service), "no service {service}");
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, service) in services {
        for volume in service["volumes"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let source = volume.split(':').next().unwrap();
            let exists = match source.strip_prefix("./") {
                Some(path) => root.join(path).exists(),
                None => compose["volumes"].as_object().unwrap().contains_key(source),
            };
            assert!(exists, "{name} mounts {source}, which does not exist");
        }
        for port in service["ports"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            assert!(port.starts_with("127.0.0.1:"), "{name} publishes {port} beyond this machine");
        }
        let after = service["depends_on"].as_object().into_iter().flat_map(|d| d.keys());
        after.for_each(|other| assert!(services.contains_key(other), "{name} waits for {other}"));
    }
    let targets = &yaml("dashboards/prometheus.yml")["scrape_configs"][0]["static_configs"][0]["targets"][0];
    assert_eq!(targets, "rekindle:8080");
    let source = &yaml("dashboards/provisioning/datasources/prometheus.yml")["datasources"][0];
    assert_eq!(source["url"], "http://prometheus:9090");
    let provider = &yaml("dashboards/provisioning/dashboards/rekindle.yml")["providers"][0];
    assert_eq!(provider["options"]["path"], "/var/lib/grafana/dashboards");
}

#[test]
fn settings_in_the_compose_file_are_settings() {
    let compose = yaml("docker-compose.yml");
    for service in ["topics", "rekindle"] {
        let mut env: Vec<(String, String)> = vec![];
        let given = compose["services"][service]["environment"].as_object().unwrap();
        let merged = given.get("<<").and_then(Value::as_object).into_iter().flatten();
        for (key, value) in given.iter().chain(merged).filter(|(k, _)| *k != "<<") {
            env.push((key.clone(), value.as_str().unwrap().to_owned()));
        }
        assert!(!env.is_empty());
        let sources = rekindle::config::Sources { env, ..Default::default() };
        let config = rekindle::config::Config::load(sources, rekindle::config::Needs::Cluster).unwrap();
        assert_eq!(config.runtime.kafka.brokers, "kafka:9092");
    }
}

#[test]
fn a_query_is_taken_apart_rightly() {
    let query = "sum by (le, plan) (rate(rekindle_a_total{x=\"1\",job=~\"$job\"}[5m])) / rekindle_b";
    let expected = [
        ("rekindle_a_total".to_owned(), vec!["x".to_owned(), "le".to_owned(), "plan".to_owned()]),
        ("rekindle_b".to_owned(), vec!["le".to_owned(), "plan".to_owned()]),
    ];
    assert_eq!(asked(query), expected);
}
