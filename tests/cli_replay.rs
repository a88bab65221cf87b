//! `replay` from outside: the same bytes every time, every rejected line named, states sorted, partitions told
//! apart, raw values taken.

#[path = "support/registry.rs"]
#[allow(dead_code)]
mod registry;

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

struct Run {
    code: Option<i32>,
    lines: Vec<Value>,
    out: String,
    err: String,
}

fn replay(args: &[&str], input: &str) -> Run {
    let mut child = Command::new(env!("CARGO_BIN_EXE_rekindle"))
        .args(["replay", "-"])
        .args(args)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        // Written beside the reading: neither pipe holds everything. A refused input may close it early.
        scope.spawn(move || drop(stdin.write_all(input.as_bytes())));
        child.wait_with_output().unwrap()
    });
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    let lines = out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    Run { code: output.status.code(), lines, out, err }
}

const START: i64 = 1_762_340_000_000;

fn event(tenant: &str, session: &str, second: i64, body: Value) -> String {
    let mut event = json!({
        "event_id": format!("{session}-{second}"), "tenant_id": tenant, "session_id": session, "user_id": "u-1",
        "occurred_at": START + second * 1000,
    });
    event.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    event.to_string()
}

/// A session that starts, takes a turn and is interrupted; nothing is known of vectors or caches.
fn interrupted(tenant: &str, session: &str) -> String {
    [
        event(tenant, session, 0, json!({"type": "session_started"})),
        event(
            tenant,
            session,
            1,
            json!({"type": "turn_completed", "turn": 1, "input_tokens": 900, "output_tokens": 80}),
        ),
        event(tenant, session, 2, json!({"type": "session_interrupted", "reason": "timeout"})),
    ]
    .join("\n")
        + "\n"
}

#[test]
fn an_interruption_is_suggested_even_without_vectors_and_caches() {
    let run = replay(&[], &interrupted("acme", "s-1"));
    assert_eq!((run.code, run.lines.len()), (Some(0), 1), "{}", run.err);
    let found = &run.lines[0];
    assert_eq!((&found["kind"], &found["status"]), (&json!("recovery"), &json!("open")));
    assert_eq!((&found["plan"], &found["source"]["session_id"]), (&json!("context_only"), &json!("s-1")));
    assert_eq!(found["as_of"], json!({"partition": 0, "offset": 2}), "the 0-based line");
    assert!(run.err.contains("3 lines: 3 applied; 1 suggestions"), "{}", run.err);
}

#[test]
fn the_same_file_gives_the_same_bytes() {
    let input: String = (0..30).map(|n| interrupted(&format!("t-{}", n % 5), &format!("s-{n}"))).collect();
    let first = replay(&["--partitions", "3"], &input);
    assert!(first.lines.len() >= 30, "{}", first.err);
    assert_eq!(first.out, replay(&["--partitions", "3"], &input).out);
}

#[test]
fn rejected_lines_are_named_by_their_physical_number_and_counted() {
    let good = event("acme", "s-1", 0, json!({"type": "session_started"}));
    let unknown = event("acme", "s-1", 1, json!({"type": "nonsense"}));
    let misrouted = good.replacen('{', "{\"_key\":\"other\",", 1);
    let input = format!("{good}\n\n{unknown}\nno json\n{{\"_offset\":\"x\"}}\n{misrouted}\n{{\"_value\":null}}\n");
    let run = replay(&[], &input);
    for part in [
        "line 3: unknown_type: ",
        "line 4: malformed: ",
        "line 5: malformed: _offset must be a whole number",
        "line 6: misrouted: ",
        "line 7: malformed: ",
        "7 lines: 1 applied, 5 rejected",
    ] {
        assert!(run.err.contains(part), "{part} in\n{}", run.err);
    }
    assert_eq!(run.code, Some(0));
    assert_eq!(replay(&["--strict"], &input).code, Some(1));
    assert_eq!(replay(&["--strict"], &good).code, Some(0));
}

#[test]
fn states_are_sorted_and_independent_of_the_partitions() {
    let input: String =
        [("b", "s-2"), ("a", "s-9"), ("b", "s-1"), ("a", "s-10")].map(|(t, s)| interrupted(t, s)).concat();
    let run = replay(&["--states"], &input);
    let keys: Vec<_> = run.lines.iter().map(|s| (s["tenant_id"].as_str(), s["session_id"].as_str())).collect();
    let expected = [("a", "s-10"), ("a", "s-9"), ("b", "s-1"), ("b", "s-2")].map(|(t, s)| (Some(t), Some(s)));
    assert_eq!(keys, expected);
    for state in &run.lines {
        assert_eq!((&state["status"], &state["turn_count"]), (&json!("interrupted"), &json!(1)));
        assert!(state.get("as_of").is_none() && state.get("open_suggestions").is_none(), "{state}");
    }
    assert_eq!(run.out, replay(&["--states", "--partitions", "7"], &input).out);
}

#[test]
fn a_raw_value_is_the_same_record_as_the_event_itself() {
    use base64::Engine as _;
    let plain = interrupted("acme", "s-1");
    let raw: String = plain
        .lines()
        .enumerate()
        .map(|(n, line)| {
            let value = base64::engine::general_purpose::STANDARD.encode(line);
            json!({"_value": value, "_key": "acme", "_partition": 2, "_offset": 40 + n}).to_string() + "\n"
        })
        .collect();
    // Any one of the tenant's partitions: which is the right one is found by asking without it.
    let home = (0..4).find(|p| {
        let moved = raw.replace("\"_partition\":2", &format!("\"_partition\":{p}"));
        replay(&["--partitions", "4", "--strict"], &moved).code == Some(0)
    });
    let moved = raw.replace("\"_partition\":2", &format!("\"_partition\":{}", home.expect("a home")));
    let run = replay(&["--partitions", "4"], &moved);
    assert_eq!(run.lines[0]["as_of"], json!({"partition": home, "offset": 42}));
    let states = |input: &str| replay(&["--states", "--partitions", "4"], input).out;
    assert_eq!(states(&moved), states(&plain));
}

#[test]
fn a_partition_beyond_the_count_is_a_usage_fault() {
    let run = replay(&[], "{\"_partition\":5}\n");
    assert!(run.code == Some(2) && run.err.contains("line 1: _partition 5, but --partitions is 1"), "{}", run.err);
}

#[test]
fn a_line_beyond_every_limit_is_refused_without_being_kept() {
    let mut input = format!("{{\"x\":\"{}", "y".repeat(6 << 20));
    input.push_str(&format!("\"}}\n{}", interrupted("acme", "s-1")));
    let run = replay(&[], &input);
    assert!(run.err.contains("line 1: too_large: "), "{}", &run.err[..run.err.len().min(300)]);
    assert_eq!(run.lines.len(), 1);
}

#[test]
fn a_reader_that_stops_reading_is_no_fault() {
    let input: String = (0..2000).map(|n| interrupted("acme", &format!("s-{n}"))).collect();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(input.as_bytes()).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_rekindle"))
        .arg("replay")
        .arg(file.path())
        .env_clear()
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 100]).unwrap();
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn framed_values_are_read_by_the_registrys_schema() {
    use apache_avro::{Schema, types::Value as Avro, writer::datum::GenericDatumWriter};
    use base64::Engine as _;
    const SCHEMA: &str = include_str!("../schemas/session-event.avsc");
    let schema = Schema::parse_str(SCHEMA).unwrap();
    let text = |text: &str| Avro::String(text.to_owned());
    let reason = Avro::Record(vec![("reason".to_owned(), text("timeout"))]);
    let fields = [
        ("event_id", text("e-1")),
        ("tenant_id", text("acme")),
        ("session_id", text("s-1")),
        ("occurred_at", Avro::Long(START)),
        ("type", text("session_interrupted")),
        ("session_interrupted", reason),
    ];
    let event = Avro::Record(fields.map(|(name, value)| (name.to_owned(), value)).to_vec());
    let mut body = Vec::new();
    let writer = GenericDatumWriter::builder(&schema).build().unwrap();
    writer.write_value(&mut body, event.resolve(&schema).unwrap()).unwrap();
    let framed = [&[0, 0, 0, 0, 7], &body[..]].concat();
    let line = json!({"_value": base64::engine::general_purpose::STANDARD.encode(framed)}).to_string();
    let registry = registry::RegistryDouble::start();
    registry.put(7, SCHEMA);
    let url = format!("registry.url={}", registry.url);
    let run = replay(&["--states", "--set", &url], &line);
    assert_eq!(run.lines[0]["status"], "interrupted", "{}", run.err);
    let unknown = replay(&["--strict", "--states"], &line);
    assert!(unknown.code == Some(1) && unknown.err.contains("line 1: unknown_schema"), "{}", unknown.err);
    registry.set_down(true);
    let down = replay(&["--states", "--set", &url], &line);
    assert!(down.code == Some(1) && down.err.contains("line 1: the schema registry does not answer"), "{}", down.err);
}
