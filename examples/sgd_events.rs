//! A folder of dialogues with embeddings as a log of session events, to show how a log of one's own is made.
//!
//! `cargo run --release --example sgd_events -- DIR > log.jsonl`
//!
//! DIR holds `sessions.jsonl` (a session a line, with its turns) and `embeddings.npy` (float16, a row each). What the
//! engine must not know is left out; what tells right from wrong goes where `rekindle backtest` looks for it: the session
//! that a session takes up into a `session_resumed` behind its third turn, and the intents of the whole session into
//! `_truth` beside its first event, which is taken off before the engine sees it.
//!
//! Tokens are not known. A token is taken to be four bytes of text, rounded up; a turn's input is all that was said in
//! the session up to the user's text, its output the reply.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::{Context, bail, ensure};
use base64::Engine as _;
use half::f16;
use serde::Deserialize;
use serde_json::{Value, json};

/// Behind this turn the log tells which session was taken up, or behind the last one if there are fewer.
const TOLD_AFTER_TURN: usize = 3;

#[derive(Deserialize)]
struct Session {
    session_id: String,
    tenant_id: String,
    user_id: String,
    continues: Option<String>,
    ended: String,
    intents: Vec<String>,
    started_at: i64,
    ended_at: i64,
    turns: Vec<Turn>,
}

#[derive(Deserialize)]
struct Turn {
    at_ms: i64,
    user_text: Length,
    system_text: Option<Length>,
    embedding_row: u64,
}

/// A text of which only its length is kept.
#[derive(Deserialize)]
#[serde(from = "String")]
struct Length(usize);

impl From<String> for Length {
    fn from(text: String) -> Length {
        Length(text.len())
    }
}

/// What happens in a session, in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Start,
    Turn(usize),
    Resumed,
    End,
}

fn main() -> anyhow::Result<()> {
    let Some(folder) = std::env::args_os().nth(1) else { bail!("usage: sgd_events DIR > log.jsonl") };
    let mut out = BufWriter::new(std::io::stdout().lock());
    convert(Path::new(&folder), &mut out)?;
    Ok(out.flush()?)
}

/// Writes the log of a folder.
pub fn convert(folder: &Path, out: &mut impl Write) -> anyhow::Result<()> {
    let sessions = read_sessions(&folder.join("sessions.jsonl"))?;
    let mut rows = Rows::open(&folder.join("embeddings.npy"))?;
    let mut steps: Vec<(i64, usize, usize, Step)> = Vec::new();
    for (number, session) in sessions.iter().enumerate() {
        let timed = session.steps().into_iter().enumerate();
        steps.extend(timed.map(|(order, (at, step))| (at, number, order, step)));
    }
    // Of one instant: sessions as in the file, and within one as it went.
    steps.sort_unstable();
    for (at, number, order, step) in steps {
        let session = &sessions[number];
        let event = session.event(at, order, step, &mut rows).with_context(|| session.session_id.clone())?;
        writeln!(out, "{event}")?;
    }
    Ok(())
}

fn read_sessions(path: &Path) -> anyhow::Result<Vec<Session>> {
    let shown = path.display();
    let file = BufReader::new(File::open(path).with_context(|| shown.to_string())?);
    let mut sessions = Vec::new();
    for (number, line) in file.lines().enumerate() {
        let session: Session =
            serde_json::from_str(&line?).with_context(|| format!("{shown} line {}: no session", number + 1))?;
        ensure!(
            matches!(session.ended.as_str(), "completed" | "interrupted"),
            "{shown} line {}: ended is {:?}, neither completed nor interrupted",
            number + 1,
            session.ended
        );
        sessions.push(session);
    }
    Ok(sessions)
}

impl Session {
    /// What happened when.
    fn steps(&self) -> Vec<(i64, Step)> {
        let mut steps = vec![(self.started_at, Step::Start)];
        let told_after = self.turns.len().min(TOLD_AFTER_TURN);
        for (n, turn) in self.turns.iter().enumerate() {
            steps.push((turn.at_ms, Step::Turn(n)));
            if n + 1 == told_after && self.continues.is_some() {
                steps.push((turn.at_ms, Step::Resumed));
            }
        }
        steps.push((self.ended_at, Step::End));
        steps
    }

    fn event(&self, at: i64, order: usize, step: Step, rows: &mut Rows) -> anyhow::Result<Value> {
        let body = match step {
            Step::Start => json!({
                "type": "session_started", "transfer_scope": "tenant", "_truth": {"intents": self.intents},
            }),
            Step::Turn(n) => self.turn(n, rows)?,
            Step::Resumed => {
                json!({"type": "session_resumed", "from_session_id": self.continues, "outcome": "restored"})
            }
            Step::End if self.ended == "interrupted" => {
                json!({"type": "session_interrupted", "reason": "client_disconnect"})
            }
            Step::End => json!({"type": "session_ended", "reason": "completed"}),
        };
        let seq = order + 1;
        let mut event = json!({
            "event_id": format!("{}-{seq}", self.session_id), "tenant_id": self.tenant_id,
            "session_id": self.session_id, "user_id": self.user_id, "occurred_at": at,
            "producer": {"id": "sgd", "epoch": 1, "seq": seq},
        });
        if let (Value::Object(event), Value::Object(body)) = (&mut event, body) {
            event.extend(body);
        }
        Ok(event)
    }

    fn turn(&self, n: usize, rows: &mut Rows) -> anyhow::Result<Value> {
        let turn = &self.turns[n];
        let reply = |turn: &Turn| turn.system_text.as_ref().map_or(0, |text| text.0);
        let before: usize = self.turns[..n].iter().map(|turn| turn.user_text.0 + reply(turn)).sum();
        Ok(json!({
            "type": "turn_completed", "turn": n + 1,
            "input_tokens": (before + turn.user_text.0).div_ceil(4), "output_tokens": reply(turn).div_ceil(4),
            "context": {"space": "default", "vector": rows.base64(turn.embedding_row)?, "covers_turn": n + 1},
        }))
    }
}

/// The rows of a two-dimensional float16 array in NumPy's file format, read when they are wanted.
struct Rows {
    file: File,
    begin: u64,
    rows: u64,
    width: usize,
}

impl Rows {
    fn open(path: &Path) -> anyhow::Result<Rows> {
        let shown = path.display().to_string();
        let mut file = File::open(path).with_context(|| shown.clone())?;
        let mut magic = [0; 8];
        file.read_exact(&mut magic).with_context(|| shown.clone())?;
        ensure!(magic.starts_with(b"\x93NUMPY"), "{shown}: no NumPy file");
        // Version 1 gives the header's length in two bytes, later ones in four.
        let mut length = [0; 4];
        let wide = if magic[6] == 1 { 2 } else { 4 };
        file.read_exact(&mut length[..wide])?;
        let mut header = vec![0; u32::from_le_bytes(length) as usize];
        file.read_exact(&mut header).with_context(|| format!("{shown}: the header is cut short"))?;
        let header = String::from_utf8_lossy(&header).into_owned();
        let is_f16 = header.contains("'descr': '<f2'") && header.contains("'fortran_order': False");
        ensure!(is_f16, "{shown}: not float16, little-endian, row by row: {header}");
        let shape = header.split_once("'shape': (").and_then(|(_, rest)| rest.split_once(')'));
        let shape: Vec<u64> =
            shape.map_or(vec![], |(s, _)| s.split(',').filter_map(|n| n.trim().parse().ok()).collect());
        let [rows, width] = shape[..] else { bail!("{shown}: not two-dimensional: {header}") };
        let begin = file.stream_position()?;
        let wanted = begin + rows * width * 2;
        ensure!(file.metadata()?.len() >= wanted, "{shown}: shorter than the {wanted} bytes its header tells");
        Ok(Rows { file, begin, rows, width: width as usize })
    }

    /// A row as events carry it: base64 of float32, little-endian.
    fn base64(&mut self, row: u64) -> anyhow::Result<String> {
        ensure!(row < self.rows, "embedding_row {row}, of {} rows", self.rows);
        let mut halves = vec![0; self.width * 2];
        self.file.seek(SeekFrom::Start(self.begin + row * halves.len() as u64))?;
        self.file.read_exact(&mut halves)?;
        let (pairs, _) = halves.as_chunks::<2>();
        let bytes: Vec<u8> = pairs.iter().flat_map(|pair| f16::from_le_bytes(*pair).to_f32().to_le_bytes()).collect();
        Ok(base64::engine::general_purpose::STANDARD.encode(bytes))
    }
}
