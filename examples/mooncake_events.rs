//! A trace of requests with prefix hashes, in the form of the Mooncake traces, as a log of session events.
//!
//! `cargo run --release --example mooncake_events -- TRACE.jsonl > log.jsonl`
//!
//! A line of the trace is a request: `timestamp` (ms from the start), `input_length`, `output_length` (tokens) and
//! `hash_ids`, one for each block of 512 input tokens; an id stands for its block and all before it. The trace names no
//! sessions. A request whose ids go on from all of a session's full blocks (its last block is mostly a part of one, and
//! another once it is filled) is that session's next turn; any other begins a session. Sessions are of one tenant and of
//! no user, and nothing is known of workers.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, bail};
use rekindle::demo::generator::rng::mix;
use serde::Deserialize;
use serde_json::{Value, json};

const TENANT: &str = "mooncake";
const BLOCK_TOKENS: u64 = 512;
/// When the trace begins: 2025-01-01 UTC.
const START_MS: i64 = 1_735_689_600_000;
/// Full blocks from which on a chain is taken to be one conversation's: shorter ones are prompts that all begin with.
const MIN_BLOCKS: usize = 2;

#[derive(Deserialize)]
struct Request {
    timestamp: i64,
    input_length: u64,
    output_length: u64,
    hash_ids: Vec<u64>,
}

/// A session that may go on.
struct Session {
    number: usize,
    turns: u32,
    chain: Vec<u64>,
}

fn main() -> anyhow::Result<()> {
    let Some(path) = std::env::args_os().nth(1) else { bail!("usage: mooncake_events TRACE.jsonl > log.jsonl") };
    let mut out = BufWriter::new(std::io::stdout().lock());
    convert(Path::new(&path), &mut out)?;
    Ok(out.flush()?)
}

/// Writes the log of a trace.
pub fn convert(path: &Path, out: &mut impl Write) -> anyhow::Result<()> {
    let shown = path.display().to_string();
    let trace = BufReader::new(File::open(path).with_context(|| shown.clone())?);
    let mut sessions = Sessions::default();
    for (number, line) in trace.lines().enumerate() {
        let request: Request =
            serde_json::from_str(&line?).with_context(|| format!("{shown} line {}: no request", number + 1))?;
        if request.hash_ids.len() as u64 != request.input_length.div_ceil(BLOCK_TOKENS) {
            bail!("{shown} line {}: {} ids for {} tokens", number + 1, request.hash_ids.len(), request.input_length);
        }
        for event in sessions.events(request) {
            writeln!(out, "{event}")?;
        }
    }
    Ok(())
}

/// The sessions by the last of their full blocks.
#[derive(Default)]
struct Sessions {
    by_last_block: HashMap<u64, Session>,
    begun: usize,
}

impl Sessions {
    /// The events that a request stands for.
    fn events(&mut self, request: Request) -> Vec<Value> {
        let Request { timestamp, input_length, output_length, hash_ids } = request;
        let at = START_MS + timestamp;
        let mut events = Vec::new();
        // The longest first. An id tells all blocks before it, so that one look-up compares whole chains.
        let held = hash_ids.iter().rev().find_map(|id| self.by_last_block.remove(id));
        let mut session = held.unwrap_or_else(|| {
            self.begun += 1;
            let session = Session { number: self.begun, turns: 0, chain: Vec::new() };
            events.push(event(
                &session,
                "start",
                at,
                json!({"type": "session_started", "transfer_scope": "tenant", "cache": {"namespace": "mooncake"}}),
            ));
            session
        });
        let shared = session.chain.iter().zip(&hash_ids).take_while(|(held, id)| held == id).count();
        let hashes: Vec<String> = hash_ids[shared..].iter().map(|id| format!("{:016x}", mix(*id))).collect();
        session.turns += 1;
        let body = json!({
            "type": "turn_completed", "turn": session.turns, "input_tokens": input_length,
            "output_tokens": output_length, "cache": {"namespace": "mooncake"},
            "prefix": {"algorithm": "mooncake", "block_tokens": BLOCK_TOKENS, "from_block": shared, "hashes": hashes},
        });
        events.push(event(&session, &format!("turn-{}", session.turns), at, body));
        let full = (input_length / BLOCK_TOKENS) as usize;
        session.chain = hash_ids;
        if full >= MIN_BLOCKS {
            self.by_last_block.insert(session.chain[full - 1], session);
        }
        events
    }
}

fn event(session: &Session, what: &str, at: i64, body: Value) -> Value {
    let id = format!("s-{:06}", session.number);
    let mut event = json!({
        "event_id": format!("{id}-{what}"), "tenant_id": TENANT, "session_id": id, "occurred_at": at,
        "producer": {"id": "trace", "epoch": 1, "seq": session.turns + 1},
    });
    if let (Value::Object(event), Value::Object(body)) = (&mut event, body) {
        event.extend(body);
    }
    event
}
