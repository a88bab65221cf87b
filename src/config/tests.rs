//! Tests of the configuration: precedence, every fault at once, secrets, limits.

use super::*;
use crate::engine::settings::{EngineSettings, OutputFormat};
use crate::model::ids::Name;
use crate::telemetry::logs::{LogFormat, LogSettings};

pub(super) fn load(file: &str, env: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Config, Faults> {
    let own = |s: &str| s.to_owned();
    let sources = Sources {
        file: Some((own("rekindle.toml"), own(file))),
        env: env.iter().map(|(k, v)| (own(k), own(v))).collect(),
        flags: flags.iter().map(|(k, v)| (format!("--set {k}"), own(k), own(v))).collect(),
    };
    Config::load(sources, Needs::Nothing)
}

pub(super) fn faults(file: &str, env: &[(&str, &str)], flags: &[(&str, &str)]) -> Vec<String> {
    match load(file, env, flags) {
        Ok(config) => panic!("no fault found:\n{}", config.to_toml()),
        Err(Faults(faults)) => faults.iter().map(Fault::to_string).collect(),
    }
}

#[test]
fn the_defaults_are_the_engines_own() {
    let config = load("", &[], &[]).unwrap();
    assert_eq!(**config.engine(), EngineSettings::default());
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.runtime.batch.max_bytes, 4 << 20);
    assert_eq!(config.runtime.topics.dead_letters, "session-events-dlq");
    assert_eq!(config.runtime.kafka.transactional_id, format!("rekindle-{}", config.runtime.kafka.instance_id));
    assert_eq!(config.log, LogSettings { format: LogFormat::Text, filter: "info".to_owned() });
}

#[test]
fn environment_is_above_the_file_and_flags_above_both() {
    let file = "[policy]\nfloor = 0.1\nk = 5\nadapter_vote = 4";
    let env = [("REKINDLE_POLICY__FLOOR", "0.2"), ("REKINDLE_POLICY__K", "6"), ("OTHER_POLICY__K", "x")];
    let config = load(file, &env, &[("policy.floor", "0.3")]).unwrap();
    let policy = &config.engine().policy;
    assert_eq!((policy.floor, policy.k, policy.adapter_vote), (0.3, 6, 4));
    let text = config.to_toml();
    for line in ["floor = 0.3  #flag --set policy.floor", "k = 6 # environment REKINDLE_POLICY__K"] {
        let squeeze = |s: &str| s.split_whitespace().collect::<String>();
        assert!(squeeze(&text).contains(&squeeze(line)), "{line} in\n{text}");
    }
    assert!(text.contains("# rekindle.toml line 4"), "{text}");
}

#[test]
fn every_fault_is_reported_at_once_with_key_limit_and_origin() {
    let file = "[policy]\nfloor = 1.7\nflor = 0.5\n[batch]\nmax_bytes = \"4 parsecs\"\n[wroker]\ncount = 2\n[output]\nformat = 7";
    let found = faults(file, &[("REKINDLE_POLICY__K", "many")], &[("session.retention_ms", "61000")]);
    let expected = [
        "session.retention_ms: must be at least session.idle_timeout_ms, 1800000 (flag --set session.retention_ms)",
        "output.format: must be one of \"avro\", \"json\", is 7 (rekindle.toml line 9)",
        "policy.floor: must be a number from 0 to 1, is 1.7 (rekindle.toml line 2)",
        "policy.k: must be a whole number from 1 to 1000, is \"many\" (environment REKINDLE_POLICY__K)",
        "batch.max_bytes: must be a size from 1024 to 1073741824 bytes, as 65536 or \"4MiB\", is \"4 parsecs\" (rekindle.toml line 5)",
        "policy.flor: is not a setting; did you mean policy.floor? (rekindle.toml line 3)",
        "wroker.count: is not a setting; did you mean worker.count? (rekindle.toml line 7)",
    ];
    assert_eq!(found, expected);
}

#[test]
fn each_of_these_is_refused() {
    let cases = [
        ("[policy]\nmode = \"off\"", "policy.mode: must be one of \"on\", \"shadow\""),
        ("[policy]\nholdout = 1.1", "policy.holdout: must be a number from 0 to 1"),
        ("[policy]\nsession_per_hour = -1", "policy.session_per_hour: must be a whole number from 0"),
        ("[policy]\ntenant_per_minute = 0.5", "policy.tenant_per_minute: must be a whole number from 0"),
        ("[tick]\nafter_ms = 999", "tick.after_ms: must be a whole number from 1000 to 86400000"),
        ("[http]\nlisten = \"0.0.0.0:8080\"", "--allow-remote-http"),
        ("[spaces.small]", "spaces.small.dim: is required"),
        ("[spaces.small]\ndim = 0", "from 1 to 65536"),
        ("[spaces.small]\ndims = 3", "spaces.small.dim: is required"),
        ("[policy]\nfloor = nan", "from 0 to 1"),
        ("[policy]\nfloor = \"0.5\"", "is \"0.5\""),
        ("[policy]\nk = 2.5", "whole number"),
        ("[topics]\nstates = \"session-events\"", "must differ from topics.events"),
        ("[topics]\nprefix = \"a b\"", "at most 100"),
        ("[kafka.properties]\n\"enable.idempotence\" = false", "set by rekindle itself"),
        ("[kafka.properties]\nacks = 1", "set by rekindle itself"),
        ("[kafka]\nbrokers = [\"a:1\"]", "must be a string"),
        ("[kafka]\nbrokers = \"a:1,,b:2\"", "host:port"),
        ("[registry]\nurl = \"file:///etc\"", "http"),
        ("[application]\ngeneration = 0", "application.generation: must be a whole number from 1 to 999"),
        ("[log]\nlevel = \"rekindle=loud\"", "log.level"),
        ("[session]\nerasure_marker_ms = 60000", "session.retention_ms"),
        ("[polcy]", "is not a setting"),
        ("policy = 3", "is not a setting"),
        ("[cost.x.hot]\nmss = 3", "did you mean cost.x.hot.ms?"),
        ("[policy]\nfloor = ", "rekindle.toml line 2"),
        ("[policy]\nk = 1\nk = 2", "rekindle.toml line 3"),
    ];
    for (file, part) in cases {
        let found = faults(file, &[], &[]).join("\n");
        assert!(found.contains(part), "{file}\n→ {found}");
    }
}

#[test]
fn a_cluster_is_required_where_one_is_used() {
    let empty = Config::load(Sources::default(), Needs::Cluster);
    assert_eq!(empty.unwrap_err().0[0].key, "kafka.brokers");
}

#[test]
fn a_remote_address_needs_to_be_allowed() {
    let file = "[http]\nlisten = \"0.0.0.0:80\"\nallow_remote = true";
    assert_eq!(load(file, &[], &[]).unwrap().http.listen.port(), 80);
}

#[test]
fn secrets_come_from_files_and_are_never_shown() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("password");
    std::fs::write(&path, "hunter2\n").unwrap();
    let path = path.to_str().unwrap();
    let env = [
        ("REKINDLE_KAFKA__PROPERTIES__SASL.PASSWORD_FILE", path),
        ("REKINDLE_KAFKA__PROPERTIES__SASL_USERNAME", "user3"),
        ("REKINDLE_REGISTRY__URL", "http://me:hunter2@registry:8081/base/"),
    ];
    let config = load("[kafka.properties]\nsecurity.protocol = \"SASL_SSL\"", &env, &[]).unwrap();
    let properties = &config.runtime.kafka.properties;
    let expected = [("sasl.password", "hunter2"), ("sasl.username", "user3"), ("security.protocol", "SASL_SSL")];
    assert!(properties.iter().map(|(k, v)| (k.as_str(), v.as_str())).eq(expected), "{properties:?}");
    let text = config.to_toml();
    assert!(!text.contains("hunter2") && !text.contains("user3"), "{text}");
    assert!(text.contains("\"sasl.password\" = \"<redacted>\""), "{text}");
    assert!(text.contains("http://<redacted>@registry:8081/base"), "{text}");
}

#[test]
fn a_secret_given_twice_or_unreadable_is_a_fault() {
    let both = [("REKINDLE_KAFKA__BROKERS", "a:1"), ("REKINDLE_KAFKA__BROKERS_FILE", "/dev/null")];
    assert!(faults("", &both, &[])[0].contains("set one of the two"));
    let missing = [("REKINDLE_KAFKA__BROKERS_FILE", "/nowhere/at/all")];
    assert!(faults("", &missing, &[])[0].contains("cannot be read"));
}

#[test]
fn one_underscore_too_few_is_noticed_and_foreign_variables_are_not() {
    let found = faults("", &[("REKINDLE_KAFKA_GROUP_ID", "g")], &[]);
    assert!(found[0].contains("two underscores"), "{found:?}");
    let foreign = [("REKINDLE_SERVICE_HOST", "10.0.0.1"), ("REKINDLE_TEST_BROKERS", "a:1"), ("REKINDLE_PORT", "1")];
    assert!(load("", &foreign, &[]).is_ok());
}

#[test]
fn a_namespace_takes_what_it_does_not_list_from_the_default() {
    let file = "[cost.default]\nbytes_per_token = 10\n[cost.\"m.1/fp8\"]\nhot = { ms = 2 }\nwarm.bytes_per_s = 5e9";
    let config = load(file, &[], &[("cost.\"m.1/fp8\".cold.ms", "7.5")]).unwrap();
    let costs = &config.engine().costs[&Name::new("m.1/fp8").unwrap()];
    assert_eq!((costs.bytes_per_token, costs.hot.ms, costs.cold.ms), (10.0, 2.0, 7.5));
    assert_eq!((costs.warm.ms, costs.warm.bytes_per_s), (10.0, Some(5e9)));
    assert_eq!(config.engine().default_cost.bytes_per_token, 10.0);
}

#[test]
fn ticks_are_off_unless_asked_for_and_no_part_of_the_policy() {
    let (without, with) = (load("", &[], &[]).unwrap(), load("[tick]\nafter_ms = 2500", &[], &[]).unwrap());
    assert_eq!(without.runtime.tick_after, None);
    assert_eq!(with.runtime.tick_after, Some(std::time::Duration::from_millis(2500)));
    assert_eq!(with.engine(), without.engine());
}

#[test]
fn declared_spaces_replace_the_default_one() {
    let config = load("[spaces.a]\ndim = 3\n[spaces.b]\ndim = 4\n[output]\nformat = \"json\"", &[], &[]).unwrap();
    let spaces: Vec<_> = config.engine().spaces.iter().map(|(n, d)| (n.as_str(), *d)).collect();
    assert_eq!(spaces, [("a", 3), ("b", 4)]);
    assert_eq!(config.engine().output, OutputFormat::Json);
}

#[test]
fn what_is_printed_reads_back_as_the_same() {
    let first = load("[cost.\"a b\".hot]\nms = 0.125\n[topics]\nprefix = \"t.\"", &[], &[]).unwrap();
    let again = load(&first.to_toml(), &[], &[]).unwrap();
    assert_eq!(first.engine(), again.engine());
    assert_eq!(first.runtime.topics, again.runtime.topics);
    assert_eq!(first.runtime.batch, again.runtime.batch);
}

#[test]
fn a_flags_key_cannot_smuggle_in_more() {
    for key in ["policy.k = 1\npolicy.floor", "a b", "", "policy.k = 3 #"] {
        let found = faults("", &[], &[(key, "1")]);
        assert!(found[0].contains("not a key as in TOML"), "{key}: {found:?}");
    }
}

#[test]
fn a_generation_has_names_of_its_own_and_shares_the_rest() {
    let file = "[application]\ngeneration = 3\n[topics]\nprefix = \"t.\"\n[kafka]\ninstance_id = \"a\"";
    let (third, first) = (load(file, &[], &[]).unwrap().runtime, load("", &[], &[]).unwrap().runtime);
    let (kafka, topics) = (&third.kafka, &third.topics);
    let own = [&kafka.group_id, &kafka.transactional_id, &topics.states, &topics.vectors, &topics.bookkeeping];
    let expected =
        ["rekindle-g3", "rekindle-a-g3", "t.session-states-g3", "t.session-vectors-g3", "t.session-bookkeeping-g3"];
    assert_eq!(own, expected.each_ref());
    assert_eq!((topics.events.as_str(), topics.recovery.as_str()), ("t.session-events", "t.recovery-suggestions"));
    assert_eq!((topics.dead_letters.as_str(), kafka.instance_id.as_str()), ("t.session-events-dlq", "a"));
    assert_eq!(third.engine.policy_digest(), first.engine.policy_digest());
    assert_eq!(third.clone().in_generation(1).kafka.group_id, first.kafka.group_id);
    assert_eq!((first.group_of(2), third.group_of(1)), ("rekindle-g2".to_owned(), "rekindle".to_owned()));
    assert_eq!(third.bookkeeping_of(2), "t.session-bookkeeping-g2");
}
