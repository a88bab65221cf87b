//! Makes the seeds out of what the contract's tests know: bodies of every kind, stored records, a short history.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rekindle::SessionIndex;
use rekindle::engine::{OutputFormat, Record, StateTopic, encode};
use rekindle::model::ids::{SessionId, TenantId};
use rekindle::model::position::{Offset, Position};
use rekindle::model::time::EventTime;
use rekindle::session_index::SessionState;
use serde_json::json;

use super::contract_support::{BODIES, decode_bytes, event_json};
use super::targets::history::BASE;
use super::targets::twin::{PARTITION, Twins};

/// Target, name, bytes.
type Seed = (&'static str, String, Vec<u8>);

/// Every seed.
pub fn seeds() -> Vec<Seed> {
    [events(), schemas(), engines(), replays(), records(), restores(), requests(), configs(), logs()].concat()
}

fn seed(target: &'static str, name: &str, bytes: impl Into<Vec<u8>>) -> Seed {
    (target, name.to_owned(), bytes.into())
}

fn avro(body: &str) -> Vec<u8> {
    encode::event(decode_bytes(event_json(body).as_bytes()).unwrap()).unwrap()
}

fn short(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_le_bytes()[..], bytes].concat()
}

fn events() -> Vec<Seed> {
    let both = |(n, body): (usize, &&str)| seed("event", &format!("avro-{n:02}"), [&[2][..], &avro(body)].concat());
    let mut seeds: Vec<Seed> = BODIES.iter().enumerate().map(both).collect();
    for n in [0, 2, 5, 6, 14, 17] {
        seeds.push(seed("event", &format!("json-{n:02}"), [&[0][..], event_json(BODIES[n]).as_bytes()].concat()));
    }
    seeds.push(seed("event", "single-object", [&[1][..], &avro(BODIES[4])].concat()));
    seeds
}

fn schemas() -> Vec<Seed> {
    let answer = |n: u8, text: String| [&[0, n][..], text.as_bytes()].concat();
    let ours = encode::event_schema_text();
    let first = r#"{"name": "event_id", "type": "string"}"#;
    let at = (ours.find(first).unwrap() as u16).to_le_bytes();
    let added = |field: &str, body: &[u8]| {
        let insert = [&[2, 1][..], &at, &[0, field.len() as u8], field.as_bytes()].concat();
        [insert, body.to_vec(), avro(BODIES[4])].concat()
    };
    let foreign = r#"{"type":"record","name":"SessionEvent","namespace":"rekindle","fields":[{"name":"event_id","type":"string"}]}"#;
    vec![
        seed("schema", "answer", answer(0, json!({"schema": "\"string\"", "schemaType": "AVRO"}).to_string())),
        seed("schema", "answer-absent", answer(1, json!({"error_code": 40403, "message": "m"}).to_string())),
        seed("schema", "whole", [&[1][..], &short(foreign.as_bytes()), b"\x02e"].concat()),
        seed("schema", "ours", [&[2, 0][..], &avro(BODIES[0])].concat()),
        seed("schema", "field-added", added(r#"{"name":"x","type":"int","default":1},"#, &[0x08])),
        seed("schema", "array-added", added(r#"{"name":"x","type":{"type":"array","items":"null"}},"#, &[0x04, 0])),
        seed("schema", "union-added", added(r#"{"name":"x","type":["null",{"type":"map","values":"long"}]},"#, &[0])),
    ]
}

fn engines() -> Vec<Seed> {
    (0..6_u64).map(|n| seed("engine", &format!("noise-{n}"), noise(n + 1, 240 + 40 * n as usize))).collect()
}

/// Bytes that look random and never vary.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 56) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// A session's life, as lines.
fn life() -> Vec<String> {
    let bodies =
        [BODIES[0], BODIES[2], BODIES[5], BODIES[13], BODIES[14], BODIES[15], BODIES[8], BODIES[22], BODIES[23]];
    let line = |(n, body): (usize, &str)| {
        let mut event: serde_json::Value = serde_json::from_str(&event_json(body)).unwrap();
        (event["event_id"], event["occurred_at"]) = (json!(format!("e-{n}")), json!(BASE + 1_000 * n as i64));
        event.to_string()
    };
    bodies.into_iter().enumerate().map(line).collect()
}

fn replays() -> Vec<Seed> {
    let value = [&encode::event_single_object_header()[..], &avro(BODIES[4])].concat();
    let raw = json!({"_value": STANDARD.encode(value), "_key": "acme", "_offset": 7, "_timestamp": BASE,
        "_headers": {"traceparent": "00-1"}, "_partition": 0});
    let framed = json!({"_value": STANDARD.encode([&[0, 0, 0, 0, 7][..], &avro(BODIES[1])].concat())});
    vec![
        seed("replay", "life", life().join("\n")),
        seed("replay", "raw-values", format!("{raw}\n{framed}\n{{\"_value\":null}}\nnot JSON")),
    ]
}

fn stored(text: &str) -> Vec<u8> {
    hex::decode(text.split_whitespace().collect::<String>()).unwrap()
}

fn records() -> Vec<Seed> {
    let state = stored(include_str!("../data/state.hex"));
    let decision = stored(include_str!("../data/decision.hex"));
    let row = |text| stored(text);
    let of = |name, which: u8, bytes: &[u8]| seed("records", name, [&[which][..], bytes].concat());
    vec![
        of("state", 0, &state),
        of("vector", 1, &stored(include_str!("../data/vector.hex"))),
        of("row-partition", 2, &row(include_str!("../data/partition.hex"))),
        of("row-history", 2, &row(include_str!("../data/history.hex"))),
        of("row-decision", 2, &decision),
        of("recovery", 3, &stored(include_str!("../data/recovery.hex"))),
        of("transfer", 4, &stored(include_str!("../data/transfer.hex"))),
        of("key-open", 5, b"open/acme/s-1/00ff"),
        of("key-worker", 5, b"worker/*/w/1"),
        of("key-prefix", 5, b"prefix/acme/s-1/00000000000000ff/12"),
        of("key-work", 5, b"work/00000000000000000012/00000001"),
        of("frame", 6, &[0, 0, 0, 0, 7, 1]),
        of("settings", 7, include_bytes!("../data/settings.json")),
        of("position", 7, b"3:81220"),
        of("annals", 8, &[&[0][..], &short(&decision)].concat()),
    ]
}

/// What an engine published for a session's life, and a history to go on with.
fn restores() -> Vec<Seed> {
    let mut twins = Twins::new(OutputFormat::Avro);
    for (offset, line) in life().iter().enumerate() {
        let position = Position { partition: PARTITION, offset: Offset(offset as i64) };
        let value = Some(line.as_bytes());
        twins.process(Record { position, timestamp: None, key: None, value, traceparent: None, writer: None });
    }
    twins.seal(Offset(life().len() as i64));
    let mut bytes = Vec::new();
    for ((topic, key), value) in twins.log() {
        let topic = match topic {
            StateTopic::States => 0,
            StateTopic::Vectors => 1,
            StateTopic::Bookkeeping => 2,
        };
        bytes.extend([topic, key.len() as u8]);
        bytes.extend(key);
        bytes.extend(short(value));
    }
    bytes.push(3);
    bytes.extend(noise(9, 120));
    vec![seed("restore", "life", bytes)]
}

fn requests() -> Vec<Seed> {
    let query = json!({"session_id": "s-1", "user_id": "u-1", "cache": {"namespace": "n"},
        "prefix": {"algorithm": "a", "block_tokens": 16, "hashes": ["1"]},
        "context": {"space": "default", "vector": [1, 0.5, -0.25], "covers_turn": 0},
        "candidate_workers": ["w-1"], "at_least": {"partition": 0, "offset": 7}, "wait_ms": 5});
    let search = json!({"vector": [1, 0.5, -0.25], "space": "default", "k": 3, "filters": {"user_id": "u-1",
        "status": ["active", "ended"], "adapter": "a", "active_since": 0, "scope": "user"}});
    let prefix = json!({"cache": {"namespace": "n"}, "user_id": "u-1", "except_session_id": "s-1", "limit": 2,
        "prefix": {"algorithm": "a", "block_tokens": 16, "hashes": ["1"]}});
    vec![
        seed("http", "session", "GET /v1/tenants/t-1/sessions/s-1\nlocalhost\n"),
        seed("http", "session-encoded", "GET /v1/tenants/t-1/sessions/s%2D1%20\n[::1]:8080\n"),
        seed("http", "recovery", format!("POST /v1/tenants/t-1/recovery\nlocalhost\n{query}")),
        seed("http", "vector", "GET /v1/tenants/t-1/sessions/s-1?include=vector\nlocalhost\n"),
        seed("http", "suggestions", "GET /v1/tenants/t-1/sessions/s-1/suggestions\nlocalhost\n"),
        seed("http", "events", "GET /v1/tenants/t-1/sessions/s-1/events?at_least=0:7&wait_ms=0\nlocalhost\n"),
        seed("http", "suggestion", "GET /v1/tenants/t-1/suggestions/00?at_least=0:7&wait_ms=0\nlocalhost\n"),
        seed("http", "blocks", "GET /v1/tenants/t-1/sessions/s-1/blocks?limit=1&cursor=AA\nlocalhost\n"),
        seed(
            "http",
            "history",
            "GET /v1/tenants/t-1/users/u-1/sessions?limit=1&status=active,ended&active_since=0&cursor=AA\nlocalhost\n",
        ),
        seed("http", "search", format!("POST /v1/tenants/t-1/search\nlocalhost\n{search}")),
        seed("http", "prefix-match", format!("POST /v1/tenants/t-1/prefix-match\nlocalhost\n{prefix}")),
        seed("http", "feed", "GET /feed?after=1\n127.0.0.1\n"),
        seed("http", "status", "GET /v1/status\n\n"),
        seed("http", "metrics", "GET /metrics\nexample.com\n"),
        seed("http", "page", "GET /\nlocalhost\n"),
    ]
}

fn configs() -> Vec<Seed> {
    let file = "[kafka]\nbrokers = \"k:9092\"\ngroup_id = 'g'\nproperties.\"queue.buffering.max.ms\" = 5\n\
        [output]\nformat = \"json\"\n[batch]\nmax_bytes = \"4MiB\"\n[spaces.default]\ndim = 0x300\n\
        [policy]\nfloor = 0.4\n[policy.weights]\nbias = -7.0\n[session]\nretention_ms = 1_000_000\n\
        [cost.\"m/fp8\"]\nwarm = { ms = 1, bytes_per_s = 1e9 }\n";
    let over =
        "\0KAFKA__PROPERTIES__SASL_MECHANISM=PLAIN\0LOG__LEVEL=debug\0-http.listen=127.0.0.1:0\0-topics.prefix=p.";
    vec![
        seed("config", "file", file),
        seed("config", "layers", [file, over].concat()),
        seed("config", "flags", "\0-registry.url=http://u:p@r:1/b\0-spaces.\"a b\".dim=8\0-application.generation=2"),
        seed("config", "example", include_str!("../../examples/rekindle.toml")),
    ]
}

fn logs() -> Vec<Seed> {
    let folder = tempfile::tempdir().unwrap();
    let mut index = SessionIndex::new(folder.path(), 3).unwrap();
    let mut state = SessionState::new(TenantId::new("acme").unwrap(), SessionId::new("s").unwrap(), EventTime(BASE));
    state.context_embedding = Some(vec![1.0, 2.0, 2.0]);
    state.metadata.insert("k".to_owned(), json!({"a": [1, -1, 0.5, null, true, "t"]}));
    assert!(index.store(&state).unwrap().is_applied());
    assert!(index.delete(&state.tenant_id, &state.session_id).unwrap());
    index.flush().unwrap();
    let file = std::fs::read(folder.path().join("sessions.log")).unwrap();
    let (mut payloads, mut rest) = (vec![1], &file[16..]);
    while !rest.is_empty() {
        let len = u32::from_le_bytes(rest[..4].try_into().unwrap()) as usize;
        payloads.extend(short(&rest[16..16 + len]));
        rest = &rest[16 + len..];
    }
    vec![seed("log", "file", [&[0][..], &file].concat()), seed("log", "payloads", payloads)]
}
