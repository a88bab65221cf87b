//! `explain`: replays a log until a suggestion is published, and on to the log's end for what became of it. Decides
//! nothing: the engine is asked what it weighed.

mod account;
mod print;

use std::io::Write;
use std::path::PathBuf;

use anyhow::bail;

use rekindle::config::Needs;
use rekindle::engine::{Effects, Engine, Weighing};
use rekindle::model::ids::SuggestionId;
use rekindle::model::position::Position;
use serde_json::Value;

use super::Exit;
use super::args::ConfigArgs;
use super::engines::{Engines, Fed, Headers, suggestions};
use account::{Account, Standing};

/// Explain why a suggestion was published
///
/// Replays a log until the suggestion with this id is published, and prints it as `replay` does, on the first line.
/// Then what set it off, every session that was considered with each part of its score, why the others lost, and what
/// became of the suggestion up to the log's end.
///
/// The log is a file as `replay` reads it. Replay it with the configuration that the service had: under another one the
/// same suggestion has another id.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rekindle explain 3f6d0c1be2a94785b0d1c2e3f4a59687 --log events.jsonl
  rekindle explain 3f6d0c1be2a94785b0d1c2e3f4a59687 --log events.jsonl -c rekindle.toml --partitions 8
  rekindle explain 3f6d0c1be2a94785b0d1c2e3f4a59687 --log events.jsonl --json | jq .candidates[0].score")]
pub struct Args {
    /// Id of the suggestion: 32 hexadecimal digits
    #[arg(value_name = "SUGGESTION_ID", value_parser = suggestion_id)]
    id: SuggestionId,
    /// File of JSON lines; - for standard input
    #[arg(long, value_name = "FILE")]
    log: PathBuf,
    #[command(flatten)]
    config: ConfigArgs,
    /// Number of partitions the input topic has
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=100_000))]
    partitions: i32,
    /// Print one JSON object instead
    #[arg(long)]
    json: bool,
}

fn suggestion_id(text: &str) -> Result<SuggestionId, String> {
    let hexadecimal = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let fault = || "must be 32 hexadecimal digits, in lower case".to_owned();
    if hexadecimal { SuggestionId::new(text).map_err(|_| fault()) } else { Err(fault()) }
}

/// Explains.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let config = args.config.load(&[], Needs::Nothing)?;
    let mut engines = Engines::new(&config, args.partitions);
    engines.all_mut().iter_mut().for_each(|engine| engine.observe(true));
    let mut search = Search { id: args.id.clone(), seen: 0, found: None, life: Vec::new() };
    engines.feed_file(&args.log, false, &mut |_, line, fed| search.take(line, fed))?;
    let Some(found) = search.found else {
        let log = args.log.display();
        bail!(
            "{log} gives no suggestion with the id {}: {} other suggestions were published; under another configuration \
             or number of partitions the same suggestion has another id",
            search.id,
            search.seen
        );
    };
    let standing = Standing::at_the_end(&found.record, &search.life, engines.all());
    let account = Account::new(found, search.life, standing, config.engine());
    let mut out = std::io::stdout().lock();
    if args.json {
        serde_json::to_writer(&mut out, &account.json()?).map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else {
        print::print(&mut out, &account)?;
    }
    Ok(Exit::Ok)
}

/// A suggestion's record, and where in the log it came about.
struct Published {
    /// 1-based physical line of the file.
    line: u64,
    /// The input record.
    at: Position,
    /// The bytes as published.
    json: String,
    /// The same, read.
    value: Value,
}

impl Published {
    fn new(line: u64, at: Position, json: &[u8]) -> anyhow::Result<Published> {
        let json = std::str::from_utf8(json)?.to_owned();
        Ok(Published { line, at, value: serde_json::from_str(&json)?, json })
    }
}

/// The suggestion itself.
struct Found {
    record: Published,
    /// What it was chosen from.
    weighing: Option<Weighing>,
}

struct Search {
    id: SuggestionId,
    /// Suggestions published, before and after, of another id.
    seen: u64,
    found: Option<Found>,
    /// What was published of it later, and what superseded it.
    life: Vec<Published>,
}

impl Search {
    fn take(&mut self, line: u64, fed: Fed<'_>) -> anyhow::Result<()> {
        let Fed::Record { at, effects, engine, .. } = fed else { return Ok(()) };
        self.look(line, at, effects, engine)?;
        match &self.found {
            None => drop(engine.take_weighings()),
            Some(_) => engine.observe(false),
        }
        Ok(())
    }

    fn look(&mut self, line: u64, at: Position, effects: &Effects, engine: &mut Engine) -> anyhow::Result<()> {
        for (json, headers) in suggestions(effects) {
            let opens = header(headers, "rekindle-status") == Some(b"open");
            let is_it = header(headers, "rekindle-suggestion-id") == Some(self.id.as_str().as_bytes());
            self.seen += u64::from(opens && !is_it);
            if is_it && opens && self.found.is_none() {
                let record = Published::new(line, at, json)?;
                let weighing = weighing(engine.take_weighings(), &record.value);
                self.found = Some(Found { record, weighing });
            } else if self.found.is_some() && (is_it || opens && mentions(json, &self.id)) {
                let record = Published::new(line, at, json)?;
                if is_it || record.value["supersedes"] == self.id.as_str() {
                    self.life.push(record);
                }
            }
        }
        Ok(())
    }
}

fn header<'a>(headers: Headers<'a>, wanted: &str) -> Option<&'a [u8]> {
    headers.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.as_slice())
}

fn mentions(json: &[u8], id: &SuggestionId) -> bool {
    std::str::from_utf8(json).is_ok_and(|text| text.contains(id.as_str()))
}

/// What this suggestion was chosen from: one record may set off decisions for many sessions.
fn weighing(weighings: Vec<Weighing>, suggestion: &Value) -> Option<Weighing> {
    let plan = |w: &Weighing| {
        let mut same = w.candidates.iter().filter(|c| suggestion["plan"] == c.plan);
        same.any(|c| suggestion["source"]["session_id"] == c.session.as_str())
    };
    let about = |w: &Weighing| {
        suggestion["kind"] == w.kind
            && suggestion["tenant_id"] == w.tenant.as_str()
            && suggestion["session_id"] == w.session.as_str()
    };
    weighings.into_iter().rev().find(|w| about(w) && plan(w))
}
