//! The command line from outside: exit codes, faults, help, and that example and manual name every setting.

use std::path::Path;
use std::process::{Command, Output};

fn rekindle(args: &[&str], env: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rekindle"));
    command.args(args).env_clear().envs(env.iter().copied()).current_dir(env!("CARGO_MANIFEST_DIR"));
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

const CHECK: [&str; 4] = ["config", "check", "-c", "examples/rekindle.toml"];

#[test]
fn the_example_is_a_valid_configuration() {
    let (code, out, err) = rekindle(&CHECK, &[]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.contains("brokers = \"localhost:9092\""), "{out}");
}

#[test]
fn example_and_manual_name_every_setting_and_its_default() {
    let (_, out, _) = rekindle(&["config", "check", "--brokers", "localhost:9092"], &[]);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let example = std::fs::read_to_string(root.join("examples/rekindle.toml")).unwrap();
    let manual = std::fs::read_to_string(root.join("docs/operations.md")).unwrap();
    let printed: toml::Table = out.parse().unwrap();
    let given: toml::Table = example.parse().unwrap();
    let mut section = String::new();
    for line in out.lines().filter(|l| !l.is_empty()) {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
            continue;
        }
        let unset = line.strip_prefix("# ").and_then(|l| l.strip_suffix(" is not set"));
        let name = unset.unwrap_or_else(|| line.split(" = ").next().unwrap());
        let (top, rest) = section.split_once('.').unwrap_or((&section, ""));
        let row = format!("| `{}`", [top, rest, name].join(".").replace("..", "."));
        let free = row.replace("spaces.default", "spaces.\"NAME\"").replace("cost.default", "cost.\"NAME\"");
        let documented = manual.lines().find(|l| l.starts_with(&row) || l.starts_with(&free));
        let documented = documented.unwrap_or_else(|| panic!("docs/operations.md has no row {free}"));
        let depends_on_machine = ["instance_id", "transactional_id", "count"].contains(&name);
        let value = |table: &toml::Table| {
            let mut path = section.split('.').chain([name]);
            let first = table.get(path.next()?)?.clone();
            path.try_fold(first, |level, part| level.get(part).cloned())
        };
        let named = if depends_on_machine || unset.is_some() { None } else { value(&printed) };
        let number = named.as_ref().and_then(|v| v.as_float().or(v.as_integer().map(|n| n as f64)));
        if let (Some(number), Ok(cell)) = (number, documented.split('|').nth(2).unwrap().trim().parse::<f64>()) {
            assert_eq!(cell, number, "{section}.{name} in docs/operations.md");
        }
        let size = named.as_ref().and_then(toml::Value::as_integer) == Some(4 << 20);
        if let (Some(expected), false) = (named, size) {
            assert_eq!(value(&given), Some(expected), "{section}.{name} in examples/rekindle.toml");
        } else {
            assert!(example.contains(name), "{section}.{name} in examples/rekindle.toml");
        }
    }
}

#[test]
fn all_faults_are_printed_and_the_exit_code_is_2() {
    let faulty = [("REKINDLE_POLICY__FLOOR", "2"), ("REKINDLE_WROKER__COUNT", "1")];
    let (code, out, err) = rekindle(&[&CHECK[..], &["--set", "batch.max_bytes=1"]].concat(), &faulty);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    for part in
        ["3 faults", "environment REKINDLE_POLICY__FLOOR", "did you mean worker.count?", "--set batch.max_bytes"]
    {
        assert!(err.contains(part), "{part} in\n{err}");
    }
}

#[test]
fn wrong_usage_exits_with_2() {
    let cases: [(&[&str], &str); 10] = [
        (&["no-such-command"], "unrecognized subcommand"),
        (&["config", "check", "-c", "no-such-file.toml"], "cannot be read"),
        (&["config", "check"], "kafka.brokers: is required"),
        (&["replay", "no-such-file.jsonl"], "cannot be read"),
        (&["config", "check", "--set", "policy.k"], "KEY=VALUE"),
        (&["demo", "--listen", "0.0.0.0:80"], "loopback"),
        (&["demo", "--rate", "0"], "between 1 and 200"),
        (&["demo", "--log", "rekindle=loud"], "--log"),
        (&["run"], "kafka.brokers: is required"),
        (&["produce", "-"], "kafka.brokers: is required"),
    ];
    for (args, part) in cases {
        let (code, _, err) = rekindle(args, &[]);
        assert_eq!(code, Some(2), "{args:?}: {err}");
        assert!(err.contains(part), "{args:?}: {err}");
    }
}

#[test]
fn a_remote_http_address_needs_its_flag() {
    let remote = [("REKINDLE_HTTP__LISTEN", "0.0.0.0:8080")];
    let (code, _, err) = rekindle(&CHECK, &remote);
    assert!(code == Some(2) && err.contains("--allow-remote-http"), "{err}");
    let allowed = [&CHECK[..], &["--allow-remote-http"]].concat();
    assert_eq!(rekindle(&allowed, &remote).0, Some(0));
    // The service, too, is refused before it looks for its cluster.
    let (code, _, err) = rekindle(&["run", "--brokers", "127.0.0.1:1"], &remote);
    assert!(code == Some(2) && err.contains("http.listen: must be a loopback address, since there is no"), "{err}");
}

#[test]
fn files_of_access_are_looked_at_before_the_cluster() {
    for (set, part) in [
        (
            &["http.tls.certificate=none.pem", "http.tls.key=none.key"][..],
            "http.tls.certificate: none.pem cannot be used",
        ),
        (
            &["http.auth.jwt.jwks=none.json", "http.auth.jwt.issuer=i", "http.auth.jwt.audience=a"][..],
            "http.auth.jwt.jwks: the key set from none.json cannot be used",
        ),
    ] {
        let flags: Vec<&str> = set.iter().flat_map(|setting| ["--set", setting]).collect();
        let (code, _, err) = rekindle(&[&["run", "--brokers", "127.0.0.1:1"], &flags[..]].concat(), &[]);
        assert!(code == Some(2) && err.contains(part), "{err}");
    }
}

#[test]
fn a_new_key_opens_a_remote_address_and_is_printed_nowhere_else() {
    let (code, out, _) = rekindle(&["key", "new"], &[]);
    assert_eq!(code, Some(0));
    let value = |name: &str| out.lines().find_map(|l| l.strip_prefix(name)).expect(name).trim().to_owned();
    let (key, hash) = (value("key"), value("sha256"));
    assert!(key.starts_with("rk_") && rekindle(&["key", "new"], &[]).1 != out, "{out}");
    let with = |hash: &str| {
        let id = "REKINDLE_HTTP__AUTH__KEYS__GATEWAY__";
        let (sha256, tenants) = (format!("{id}SHA256"), format!("{id}TENANTS"));
        let env = [("REKINDLE_HTTP__LISTEN", "0.0.0.0:8080"), (sha256.as_str(), hash), (tenants.as_str(), "*")];
        rekindle(&CHECK, &env)
    };
    let (code, out, err) = with(&hash);
    assert!(code == Some(0) && out.contains("sha256 = \"<redacted>\"") && !out.contains(&hash), "{out}{err}");
    // The key where its hash belongs: refused, and not repeated.
    let (code, out, err) = with(&key);
    assert!(code == Some(2) && err.contains("http.auth.keys.gateway.sha256: must be"), "{err}");
    assert!(!out.contains(&key) && !err.contains(&key), "{err}");
}

#[test]
fn every_command_explains_itself_with_examples() {
    let commands: [&[&str]; 9] = [
        &[],
        &["run"],
        &["demo"],
        &["replay"],
        &["explain"],
        &["produce"],
        &["topics", "create"],
        &["config", "check"],
        &["key", "new"],
    ];
    for args in commands {
        let (code, out, _) = rekindle(&[args, &["--help"]].concat(), &[]);
        assert_eq!(code, Some(0), "{args:?}");
        assert!(out.contains("Example"), "{args:?}:\n{out}");
    }
}

#[test]
fn a_rebuild_needs_a_generation_to_build() {
    let (code, _, err) = rekindle(&["run", "--brokers", "127.0.0.1:1", "--rebuild"], &[]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("set application.generation to the next number first"), "{err}");
    for (position, code) in [("3", 2), ("-1:5", 2), ("3:x", 2)] {
        let (found, _, err) = rekindle(&["run", "--brokers", "127.0.0.1:1", &format!("--skip={position}")], &[]);
        assert_eq!(found, Some(code), "{err}");
        assert!(err.contains("PARTITION:OFFSET"), "{err}");
    }
}
