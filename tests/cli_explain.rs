//! `explain` from outside: for every suggestion of a generated log the bytes that `replay` prints, what it was chosen
//! from, and what became of it.

use std::io::Write;
use std::process::Command;

use rekindle::demo::generator::{Generator, GeneratorOptions};
use serde_json::{Value, json};

/// Small embeddings: every suggestion is a replay of its own.
const LOG: [&str; 4] = ["--partitions", "2", "--set", "spaces.default.dim=16"];
/// Alternatives and rejected candidates that are published.
const PUBLISHED: (usize, usize) = (3, 8);

fn rekindle(args: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_rekindle")).args(args).env_clear().output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn file(lines: impl Iterator<Item = String>) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    lines.for_each(|line| writeln!(file, "{line}").unwrap());
    file
}

fn explain(id: &str, path: &str, more: &[&str]) -> String {
    let (code, out, err) = rekindle(&[&["explain", id, "--log", path][..], &LOG, more].concat());
    assert_eq!((code, err.as_str()), (Some(0), ""), "{id}");
    out
}

/// What the account has to say, by the lines that `replay` prints.
fn check(id: &str, account: &str, lines: &[(&str, Value)]) {
    let (at, (line, open)) =
        lines.iter().enumerate().find(|(_, (_, v))| v["suggestion_id"] == id && v["status"] == "open").unwrap();
    assert!(account.starts_with(&format!("{{\"suggestion\":{line},")), "{account:.300}");
    let account: Value = serde_json::from_str(account).unwrap();
    assert_eq!(
        open["as_of"],
        json!({"partition": account["trigger"]["partition"], "offset": account["trigger"]["offset"]})
    );
    assert_eq!(account["trigger"]["line"].as_i64(), Some(open["as_of"]["offset"].as_i64().unwrap() + 1));
    assert_eq!(account["trigger"]["event_id"], open["trigger"]["event_id"]);
    let candidates = account["candidates"].as_array().unwrap();
    let of = |fate: &'static str| candidates.iter().filter(move |c| c["fate"] == fate);
    let chosen: Vec<_> = of("chosen").collect();
    assert_eq!(chosen.len(), 1, "{account:#}");
    assert_eq!(chosen[0]["score"]["total"], open["score"]["total"]);
    for candidate in candidates {
        let (score, floor) = (&candidate["score"], account["floor"].as_f64().unwrap());
        let total = score["total"].as_f64().unwrap();
        let weak = ["below_floor", "does_not_pay"].iter().any(|fate| candidate["fate"] == *fate);
        let shares: f64 = score["terms"].as_array().unwrap().iter().map(|t| t["share"].as_f64().unwrap()).sum();
        assert_eq!(((1.0 / (1.0 + (-shares).exp())) * 1e6).round() / 1e6, total, "{candidate:#}");
        assert!(weak || total >= floor, "{candidate:#}");
    }
    if open["kind"] == "recovery" {
        let alternative =
            |c: &Value| json!({"session_id": c["session_id"], "plan": c["plan"], "score": c["score"]["total"]});
        let alternatives: Vec<_> = of("alternative").map(alternative).collect();
        assert_eq!(open["alternatives"], Value::from(alternatives.clone()));
        assert!(of("unlisted").count() == 0 || alternatives.len() == PUBLISHED.0, "{account:#}");
        let below = candidates.iter().filter(|c| c["fate"] == "below_floor" || c["fate"] == "does_not_pay");
        let below = below.map(|c| json!({"session_id": c["session_id"], "reason": "below_floor"}));
        let rejected = account["rejected"].as_array().unwrap().iter().cloned().chain(below).take(PUBLISHED.1);
        assert_eq!(open["rejected"], rejected.collect::<Value>());
    } else {
        assert_eq!(
            account["asked"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|a| a["session_id"] == open["source"]["session_id"])
                .count(),
            1
        );
    }
    let about = |v: &Value| v["suggestion_id"] == id || v["supersedes"] == id && v["status"] == "open";
    let later: Vec<_> = lines[at + 1..].iter().filter(|(_, v)| about(v)).map(|(_, v)| v.clone()).collect();
    let life: Vec<_> = account["life"].as_array().unwrap().iter().map(|l| l["record"].clone()).collect();
    assert_eq!(life, later);
    assert_eq!(account["standing"] == "told", !life.is_empty());
}

#[test]
fn every_suggestion_of_a_log_is_explained() {
    let options = GeneratorOptions { seed: 11, dim: 16, sessions: 12, ..GeneratorOptions::default() };
    let file = file(Generator::new(&options).take(260).map(|event| event.line()));
    let path = file.path().to_str().unwrap();
    let (code, out, err) = rekindle(&[&["replay", path][..], &LOG].concat());
    assert_eq!(code, Some(0), "{err}");
    let lines: Vec<(&str, Value)> = out.lines().map(|l| (l, serde_json::from_str(l).unwrap())).collect();
    let opened: Vec<_> = lines.iter().filter(|(_, v)| v["status"] == "open").collect();
    for kind in ["recovery", "transfer"] {
        let count = opened.iter().filter(|(_, v)| v["kind"] == kind).count();
        assert!(count >= 5, "{count} {kind} of {}", opened.len());
    }
    assert!(lines.len() > opened.len(), "some end");
    for (line, suggestion) in opened {
        let id = suggestion["suggestion_id"].as_str().unwrap();
        check(id, &explain(id, path, &["--json"]), &lines);
        let text = explain(id, path, &[]);
        assert_eq!(text.lines().next(), Some(*line));
        assert!(!text.contains("not known"), "{text}");
    }
}

/// A session that is interrupted, interrupted again, and taken up; beside it one that is forgotten by all.
fn story() -> Vec<String> {
    let event = |session: &str, second: i64, body: Value| {
        let mut event = json!({
            "event_id": format!("{session}-{second}"), "tenant_id": "acme", "session_id": session, "user_id": session,
            "occurred_at": 1_762_340_000_000_i64 + second * 1000,
        });
        event.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        event.to_string()
    };
    let turn = |n: i64| json!({"type": "turn_completed", "turn": n, "input_tokens": 900, "output_tokens": 80});
    let interrupted = json!({"type": "session_interrupted", "reason": "timeout"});
    let resumed = json!({"type": "session_resumed", "outcome": "partial", "restored_tokens": 700});
    vec![
        event("a", 0, turn(1)),
        event("b", 0, turn(1)),
        event("a", 1, interrupted.clone()),
        event("b", 1, interrupted.clone()),
        event("a", 2, json!({"type": "resume_requested"})),
        event("a", 3, resumed),
        event("a", 700, turn(2)),
        event("a", 701, interrupted),
    ]
}

#[test]
fn the_text_tells_a_whole_life() {
    let file = file(story().into_iter());
    let path = file.path().to_str().unwrap();
    let (_, out, _) = rekindle(&["replay", path]);
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let opened: Vec<_> = lines.iter().filter(|v| v["status"] == "open").collect();
    let told: Vec<String> =
        opened.iter().map(|v| rekindle(&["explain", v["suggestion_id"].as_str().unwrap(), "--log", path]).1).collect();
    assert_eq!(told.len(), 4, "{out}");
    let next = opened[2]["suggestion_id"].as_str().unwrap();
    let expected: [&[&str]; 4] = [
        &[
            "trigger     session_interrupted, event a-1 of 1762340001000 (2025-11-05T10:53:21.000Z)",
            "decided at  partition 0, offset 2, line 3",
            "1. a, context_only (own_session): chosen",
            "own_session             1          7     7.000000",
            "later: revoked, superseded at partition 0, offset 4, line 5",
            &format!("later: superseded by {next} at partition 0, offset 4, line 5"),
        ],
        &["later: nothing; it ran out at 1762340601000 (2025-11-05T11:03:21.000Z)"],
        &["later: closed, partial (basis reported, restored_tokens 700) at partition 0, offset 5, line 6"],
        &["later: nothing; it still holds at the end of the log"],
    ];
    for (text, parts) in told.iter().zip(expected) {
        for part in parts {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }
}

#[test]
fn what_cannot_be_explained_is_said() {
    let file = file(story().into_iter());
    let path = file.path().to_str().unwrap();
    let (code, out, err) = rekindle(&["explain", &"0".repeat(32), "--log", path]);
    assert_eq!((code, out.as_str()), (Some(1), ""), "{err}");
    assert!(err.contains("no suggestion with the id 0000") && err.contains("4 other suggestions"), "{err}");
    for id in ["", "abc", "0123456789ABCDEF0123456789abcdef", &"0".repeat(33), "../../../../../../../etc/passwd.."] {
        let (code, out, err) = rekindle(&["explain", id, "--log", path]);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{id}: {err}");
        assert!(err.contains("32 hexadecimal digits"), "{id}: {err}");
    }
    let (code, _, err) = rekindle(&["explain", &"0".repeat(32), "--log", "no-such-file.jsonl"]);
    assert!(code == Some(2) && err.contains("cannot be read"), "{err}");
    let (code, _, err) = rekindle(&["explain", &"0".repeat(32)]);
    assert!(code == Some(2) && err.contains("--log"), "{err}");
}
