//! The feed on the terminal: one line a suggestion, and now and then a line on the whole. Identifiers are
//! visible ASCII by contract, so nothing here can steer a terminal.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::http::port::QueryPort;
use crate::telemetry::Totals;

/// After this many lines the column heads come again.
const LINES_A_HEAD: usize = 40;
/// How long nothing may be said.
const SILENCE: Duration = Duration::from_secs(10);

/// Writes the feed.
pub(super) struct TerminalFeed<'a> {
    out: &'a mut dyn Write,
    after: u64,
    lines: usize,
    opened: u64,
    offered_ms: f64,
    last_line: Instant,
}

impl TerminalFeed<'_> {
    /// A feed that has said nothing.
    pub fn new(out: &mut dyn Write) -> TerminalFeed<'_> {
        TerminalFeed { out, after: 0, lines: 0, opened: 0, offered_ms: 0.0, last_line: Instant::now() }
    }

    /// Says what this is and what it is not.
    pub fn greet(&mut self, page: SocketAddr) -> io::Result<()> {
        writeln!(
            self.out,
            "rekindle demo: generated sessions on an embedded broker, folded by the real service.\n\
             The embedded broker gives no guarantees: no durability, no fencing, no exactly-once. For those:\n\
             \x20   an Apache Kafka, then `rekindle topics create -c rekindle.toml` and `rekindle run -c rekindle.toml`\n\n\
             \x20   live page   http://{page}/\n\
             \x20   metrics     http://{page}/metrics\n\
             \x20   end         Ctrl-C\n"
        )?;
        self.out.flush()
    }

    /// Writes what was published since the last call.
    pub fn show(&mut self, port: &dyn QueryPort) -> io::Result<()> {
        for (number, item) in port.feed(self.after) {
            self.after = number;
            let Ok(suggestion) = serde_json::from_str::<Value>(&item.json) else { continue };
            if suggestion["status"] != "open" {
                continue;
            }
            if self.lines.is_multiple_of(LINES_A_HEAD) {
                writeln!(
                    self.out,
                    "{:<8}  {:<16}  {:<20}  {:<40}  {:>8}  score",
                    "time", "plan", "for", "from", "saves"
                )?;
            }
            self.opened += 1;
            self.offered_ms += suggestion["estimate"]["saved_ms"].as_f64().unwrap_or(0.0);
            writeln!(self.out, "{}", line(&suggestion))?;
            self.lines += 1;
            self.last_line = Instant::now();
        }
        if self.last_line.elapsed() > SILENCE {
            writeln!(self.out, "(no suggestion in the last {} s; sessions go on)", SILENCE.as_secs())?;
            self.last_line = Instant::now();
        }
        self.out.flush()
    }

    /// Sums up.
    pub fn farewell(&mut self, totals: &Totals) -> io::Result<()> {
        writeln!(
            self.out,
            "\n{} events in {} transactions, {} rejected; {} suggestions, {:.1} s of prefill avoidable.",
            totals.records,
            totals.transactions,
            totals.rejected,
            self.opened,
            self.offered_ms / 1000.0
        )?;
        self.out.flush()
    }
}

/// One open suggestion on one line.
fn line(s: &Value) -> String {
    let text = |v: &Value| v.as_str().unwrap_or("-").to_owned();
    let trigger = &s["trigger"];
    let at = trigger["occurred_at"].as_i64().or(trigger["due_at"].as_i64());
    let at = at.and_then(chrono::DateTime::from_timestamp_millis);
    let time = at.map_or("-".to_owned(), |t| t.with_timezone(&chrono::Local).format("%H:%M:%S").to_string());
    let saved = s["estimate"]["saved_ms"].as_f64().map_or("-".to_owned(), |ms| format!("{ms:.0} ms"));
    let score = s["score"]["total"].as_f64().unwrap_or(0.0);
    let who = format!("{}/{}", text(&s["tenant_id"]), text(&s["session_id"]));
    format!("{time:<8}  {:<16}  {who:<20}  {:<40}  {saved:>8}  {score:.2}", text(&s["plan"]), origin(s))
}

/// Where it restores from or what it reuses.
fn origin(s: &Value) -> String {
    let source = s["source"]["session_id"].as_str().unwrap_or("-");
    let own = s["session_id"].as_str() == Some(source);
    let mut text = if own { "its own".to_owned() } else { source.to_owned() };
    // Writing to a string cannot fail.
    let _ = match (&s["source"]["kv_cache"], &s["adapter"]["id"]) {
        (Value::Object(copy), _) => {
            let place = copy.get("worker").and_then(Value::as_str).unwrap_or("the store");
            let tier = copy.get("tier").and_then(Value::as_str).unwrap_or("");
            write!(text, " {tier} copy on {place}")
        }
        (_, Value::String(adapter)) => write!(text, " with {adapter}"),
        _ => write!(text, " context"),
    };
    text
}
