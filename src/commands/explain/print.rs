//! The account as text for people. The first line is the suggestion as it was published.

use std::io::{self, Write};

use chrono::{DateTime, SecondsFormat};
use serde_json::Value;

use super::Published;
use super::account::{Account, Candidate, Standing};

/// Writes it.
pub fn print(out: &mut impl Write, account: &Account) -> io::Result<()> {
    let s = &account.record.value;
    writeln!(out, "{}\n", account.record.json)?;
    head(out, account)?;
    writeln!(out)?;
    if !account.observed {
        writeln!(out, "what it was chosen from is not known: the engine weighed nothing for it at this record")?;
    }
    for (rank, candidate) in account.candidates.iter().enumerate() {
        candidate_text(out, rank + 1, candidate)?;
    }
    for rejected in &account.rejected {
        writeln!(out, "not scored: {} ({})", rejected.session, rejected.reason.label())?;
    }
    if s["kind"] == "transfer" {
        writeln!(out, "sessions asked, best first:")?;
        for (hit, score) in &account.asked {
            writeln!(out, "  {}: score {}, similarity {}", hit.session, score.total, hit.similarity)?;
        }
    }
    writeln!(out)?;
    for record in &account.life {
        writeln!(out, "{}", later(record, &s["suggestion_id"]))?;
    }
    match account.standing {
        Standing::Told => Ok(()),
        Standing::RanOut => writeln!(out, "later: nothing; it ran out at {}", instant(&s["valid_until"])),
        Standing::Open => writeln!(out, "later: nothing; it still holds at the end of the log"),
    }
}

/// What it says, what set it off, and under what terms.
fn head(out: &mut impl Write, account: &Account) -> io::Result<()> {
    let Published { line, at, value: s, .. } = &account.record;
    let (session, source) = (plain(&s["session_id"]), plain(&s["source"]["session_id"]));
    let (kind, plan, consumer) = (plain(&s["kind"]), plain(&s["plan"]), plain(&s["consumer"]));
    writeln!(out, "{kind} for {}/{session}: {plan} from {source}, for the {consumer}", plain(&s["tenant_id"]))?;
    let trigger = &s["trigger"];
    let cause = match (trigger["event_id"].as_str(), &trigger["due_at"]) {
        (Some(event), _) => format!("event {event} of {}", instant(&trigger["occurred_at"])),
        (None, due) => format!("due at {}", instant(due)),
    };
    let mut row = |name: &str, text: String| writeln!(out, "  {name:<11} {text}");
    row("trigger", format!("{}, {cause}", plain(&trigger["kind"])))?;
    row("decided at", format!("partition {}, offset {}, line {line}", at.partition, at.offset))?;
    if let Value::Object(found) = &s["match"] {
        let tokens = match found["matched_tokens"].as_u64() {
            Some(tokens) => format!(", {tokens} tokens held, {} missing", plain(&found["missing_tokens"])),
            None => String::new(),
        };
        row("match", format!("{}{tokens}", plain(&found["basis"])))?;
    }
    if let Value::Object(support) = &s["support"] {
        let of = |name: &str| plain(&support[name]);
        row("support", format!("{} for it, {} against, of {} asked", of("for"), of("against"), of("sessions")))?;
    }
    if let Value::Object(estimate) = &s["estimate"] {
        let of = |name: &str| plain(&estimate[name]);
        let (restore, recompute, saved) = (of("restore_ms"), of("recompute_ms"), of("saved_ms"));
        let text = format!("restore {restore} ms, recompute {recompute} ms, saves {saved} ms ({})", of("basis"));
        row("estimate", text)?;
    }
    row("score", format!("{}, the floor is {}", plain(&s["score"]["total"]), account.floor))?;
    row("valid until", instant(&s["valid_until"]))?;
    if s["supersedes"].is_string() {
        row("supersedes", plain(&s["supersedes"]))?;
    }
    row("policy", plain(&s["policy"]))
}

fn candidate_text(out: &mut impl Write, rank: usize, candidate: &Candidate) -> io::Result<()> {
    let Candidate { session_id, plan, basis, fate, score } = candidate;
    let fate = match *fate {
        "below_floor" => "below the floor",
        "does_not_pay" => "what it saves is not worth the risk",
        "other_plan" => "the other plan, good enough by itself",
        "unlisted" => "good enough, beyond the alternatives that are published",
        other => other,
    };
    writeln!(out, "{rank}. {session_id}, {plan} ({basis}): {fate}")?;
    writeln!(out, "     {:<14} {:>10} {:>10} {:>12}", "", "value", "weight", "share")?;
    for term in &score.terms {
        let value = term.value.map_or("-".to_owned(), |value| value.to_string());
        writeln!(out, "     {:<14} {value:>10} {:>10} {:>12.6}", term.name, term.weight, term.share)?;
    }
    writeln!(out, "     {:<14} {:>10} {:>10} {:>12.6}", "sum", "", "", score.sum)?;
    writeln!(out, "     {:<14} {:>10}  = 1 / (1 + e^-sum)", "total", score.total)?;
    writeln!(out)
}

/// One record of its later life.
fn later(record: &Published, id: &Value) -> String {
    let Published { line, at, value, .. } = record;
    let what = match value["status"].as_str() {
        Some("open") if value["suggestion_id"] != *id => format!("superseded by {}", plain(&value["suggestion_id"])),
        Some("open") => "published anew".to_owned(),
        Some("revoked") => format!("revoked, {}", plain(&value["reason"])),
        Some("closed") => format!("closed, {}{}", plain(&value["outcome"]), actual(&value["actual"])),
        _ => plain(&value["status"]),
    };
    format!("later: {what} at partition {}, offset {}, line {line}", at.partition, at.offset)
}

/// What really happened, as far as it is known.
fn actual(actual: &Value) -> String {
    let Value::Object(fields) = actual else { return String::new() };
    let known = fields.iter().filter(|(_, value)| !value.is_null());
    let texts: Vec<_> = known.map(|(name, value)| format!("{name} {}", plain(value))).collect();
    if texts.is_empty() { String::new() } else { format!(" ({})", texts.join(", ")) }
}

/// A scalar without quotes; unknown is a dash.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}

/// Milliseconds since the epoch, with the instant in UTC.
fn instant(value: &Value) -> String {
    match value.as_i64().and_then(DateTime::from_timestamp_millis) {
        Some(at) => format!("{value} ({})", at.to_rfc3339_opts(SecondsFormat::Millis, true)),
        None => plain(value),
    }
}
