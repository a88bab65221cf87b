//! The examples that make logs of data sets, on folders small enough to read.

#[path = "../examples/mooncake_events.rs"]
#[allow(dead_code)]
mod mooncake_events;
#[path = "../examples/sgd_events.rs"]
#[allow(dead_code)]
mod sgd_events;

use base64::Engine as _;
use half::f16;
use serde_json::{Value, json};
use std::process::Command;

fn lines(bytes: &[u8]) -> Vec<Value> {
    bytes.split(|b| *b == b'\n').filter(|l| !l.is_empty()).map(|l| serde_json::from_slice(l).unwrap()).collect()
}

/// A float16 array as NumPy writes it.
fn npy(rows: &[[f32; 2]]) -> Vec<u8> {
    let header = format!("{{'descr': '<f2', 'fortran_order': False, 'shape': ({}, 2), }}", rows.len());
    let header = format!("{header:117}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(rows.iter().flatten().flat_map(|x| f16::from_f32(*x).to_le_bytes()));
    bytes
}

fn session(id: &str, continues: Option<&str>, ended: &str, at: i64, texts: &[(&str, Option<&str>, u64)]) -> String {
    let turns: Vec<Value> = (texts.iter().enumerate())
        .map(|(n, (user, system, row))| {
            json!({"turn": n + 1, "at_ms": at + n as i64 * 1000, "user_text": user, "system_text": system,
                "intent": "Fly", "embedding_row": row})
        })
        .collect();
    let opening = continues.map(|_| "the reply that never came");
    json!({"session_id": id, "tenant_id": "t", "user_id": "u", "continues": continues, "ended": ended,
        "services": ["Flights"], "intents": ["Fly"], "started_at": at, "ended_at": at + 9_000,
        "opening_system_text": opening, "user_only_row": 0, "source": "train/1", "turns": turns})
    .to_string()
        + "\n"
}

#[test]
fn dialogues_become_events_in_the_order_of_time_without_the_truth() {
    let folder = tempfile::TempDir::new().unwrap();
    // b begins while a is under way.
    let a = session("a", None, "interrupted", 10_000, &[("12345", Some("1234"), 0), ("1", None, 1)]);
    let b = session("b", Some("a"), "completed", 11_000, &[("1", Some("1"), 2), ("1", Some("1"), 2)]);
    std::fs::write(folder.path().join("sessions.jsonl"), a + &b).unwrap();
    std::fs::write(folder.path().join("embeddings.npy"), npy(&[[1.0, 0.0], [0.0, 0.5], [0.25, -2.0]])).unwrap();
    let mut out = Vec::new();
    sgd_events::convert(folder.path(), &mut out).unwrap();
    let events = lines(&out);
    let shown: Vec<_> = events.iter().map(|e| format!("{} {}", e["session_id"], e["type"]).replace('"', "")).collect();
    let expected = [
        "a session_started",
        "a turn_completed",
        "a turn_completed",
        "b session_started",
        "b turn_completed",
        "b turn_completed",
        "b session_resumed",
        "a session_interrupted",
        "b session_ended",
    ];
    assert_eq!(shown, expected);
    assert_eq!(events[0]["_truth"], json!({"intents": ["Fly"]}));
    assert_eq!((&events[2]["input_tokens"], &events[2]["output_tokens"]), (&json!(3), &json!(0)), "(5 + 4 + 1) / 4");
    assert_eq!(events[6]["from_session_id"], "a");
    let vector = events[4]["context"]["vector"].as_str().unwrap();
    let bytes = base64::engine::general_purpose::STANDARD.decode(vector).unwrap();
    assert_eq!(bytes, [0.25_f32.to_le_bytes(), (-2.0_f32).to_le_bytes()].concat());
    let told = String::from_utf8(out).unwrap();
    for word in ["continues", "train/1", "opening", "never came", "Flights"] {
        assert!(!told.contains(word), "{word}");
    }
    let ids: std::collections::BTreeSet<_> = events.iter().map(|e| e["event_id"].to_string()).collect();
    assert_eq!(ids.len(), events.len());
}

#[test]
fn what_is_no_data_set_is_refused_by_name() {
    let folder = tempfile::TempDir::new().unwrap();
    let refused = |part: &str| {
        let error = format!("{:#}", sgd_events::convert(folder.path(), &mut Vec::new()).unwrap_err());
        assert!(error.contains(part), "{part} in {error}");
    };
    refused("sessions.jsonl");
    std::fs::write(folder.path().join("sessions.jsonl"), "{}\n").unwrap();
    refused("sessions.jsonl line 1: no session");
    std::fs::write(folder.path().join("sessions.jsonl"), session("a", None, "lost", 0, &[])).unwrap();
    refused("neither completed nor interrupted");
    std::fs::write(folder.path().join("sessions.jsonl"), session("a", None, "completed", 0, &[("1", None, 7)]))
        .unwrap();
    refused("embeddings.npy");
    std::fs::write(folder.path().join("embeddings.npy"), npy(&[[0.0, 1.0]])).unwrap();
    refused("a: embedding_row 7, of 1 rows");
    let mut short = npy(&[[0.0, 1.0]]);
    short.pop();
    std::fs::write(folder.path().join("embeddings.npy"), short).unwrap();
    refused("shorter than");
}

#[test]
fn requests_that_go_on_from_a_sessions_full_blocks_are_its_turns() {
    let request = |timestamp: i64, tokens: u64, ids: &[u64]| {
        json!({"timestamp": timestamp, "input_length": tokens, "output_length": 7, "hash_ids": ids}).to_string() + "\n"
    };
    let trace = [
        request(0, 1_100, &[0, 1, 2]),
        // Another conversation under the same prompt.
        request(0, 1_100, &[0, 9, 8]),
        // The first one, its third block filled, and one more.
        request(5, 1_600, &[0, 1, 3, 4]),
        // From its first two blocks another way: the session has gone on.
        request(6, 1_100, &[0, 1, 5]),
    ];
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("trace.jsonl");
    std::fs::write(&path, trace.concat()).unwrap();
    let mut out = Vec::new();
    mooncake_events::convert(&path, &mut out).unwrap();
    let turns: Vec<Value> = lines(&out).into_iter().filter(|e| e["type"] == "turn_completed").collect();
    let of = |turn: &Value| {
        let prefix = &turn["prefix"];
        let sent = prefix["hashes"].as_array().unwrap().len();
        (turn["session_id"].as_str().unwrap().to_owned(), turn["turn"].clone(), prefix["from_block"].clone(), sent)
    };
    let expected = [("s-000001", 1, 0, 3), ("s-000002", 1, 0, 3), ("s-000001", 2, 2, 2), ("s-000003", 1, 0, 3)];
    let expected = expected.map(|(id, turn, from, sent)| (id.to_owned(), json!(turn), json!(from), sent));
    assert_eq!(turns.iter().map(of).collect::<Vec<_>>(), expected);
    assert_eq!(turns[0]["prefix"]["hashes"][1], turns[3]["prefix"]["hashes"][1], "equal ids are equal hashes");
    // The second request finds the block of the prompt, the third its session's two, the last one the same two.
    let log = folder.path().join("log.jsonl");
    std::fs::write(&log, out).unwrap();
    let ran = Command::new(env!("CARGO_BIN_EXE_rekindle")).arg("backtest").arg(&log).arg("--json").output().unwrap();
    let found: Value = serde_json::from_slice(&ran.stdout).unwrap();
    let prefixes = &found["runs"][0]["prefixes"];
    assert_eq!((&prefixes["requests"], &prefixes["held_blocks"]), (&json!(4), &json!(1 + 2 + 2)), "{prefixes}");
    std::fs::write(&path, request(0, 1_100, &[0])).unwrap();
    let error = format!("{:#}", mooncake_events::convert(&path, &mut Vec::new()).unwrap_err());
    assert!(error.contains("line 1: 1 ids for 1100 tokens"), "{error}");
}
