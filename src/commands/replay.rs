//! `replay`: the engine itself over a file. Reads lines, feeds one engine a partition, prints what it suggests.
//! Touches no Kafka (but may ask the schema registry) and decides nothing.

use std::collections::BTreeMap;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;

use rekindle::config::Needs;
use rekindle::engine::encode::state_json;
use rekindle::engine::validate::murmur2;
use rekindle::engine::{Effects, Engine, EngineSettings, OutValue, OutputFormat, Record, Topic, WriterSchema};
use rekindle::model::position::{Offset, PartitionId, Position};
use rekindle::model::session::SessionView;
use rekindle::model::time::EventTime;
use rekindle::model::verdict::Verdict;

use super::args::ConfigArgs;
use super::lines::{Line, Lines};
use super::progress::Progress;
use super::schemas::Schemas;
use super::{Exit, UsageError};

/// Print what would be suggested for the events of a file
///
/// Runs the engine over JSON lines and prints each suggestion as it would be published, revocations included:
/// the same bytes for the same file, always. Rejected lines are reported on stderr.
///
/// A line is an event. Beside its fields it may hold `_timestamp` (ms), `_key`, `_partition`, `_offset`,
/// `_headers`, and instead of them `_value` (base64 of a record's bytes: a topic dump of any wire format).
/// Without `_key` the key is not checked; `_offset` defaults to the 0-based line.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rekindle replay events.jsonl
  rekindle replay events.jsonl -c rekindle.toml --states | jq .status
  generate-events | rekindle replay - --strict")]
pub struct Args {
    /// File of JSON lines; - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    config: ConfigArgs,
    /// Number of partitions the input topic has
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=100_000))]
    partitions: i32,
    /// Print the final states instead, sorted by tenant and session
    #[arg(long)]
    states: bool,
    /// Exit with 1 if any line was rejected
    #[arg(long)]
    strict: bool,
}

/// Replays the file.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let config = args.config.load(&[], Needs::Nothing)?;
    let settings = Arc::new(EngineSettings { output: OutputFormat::Json, ..(**config.engine()).clone() });
    let mut lines = Lines::open(&args.file)
        .map_err(|e| UsageError(format!("the file {} cannot be read: {e}", args.file.display())))?;
    let engine = |p| Engine::new(settings.clone(), PartitionId(p), args.partitions);
    let mut replay = Replay {
        engines: (0..args.partitions).map(engine).collect(),
        effects: Effects::new(),
        out: BufWriter::with_capacity(1 << 16, std::io::stdout().lock()),
        tally: BTreeMap::new(),
        suggestions: 0,
        print: !args.states,
        schemas: Schemas::new(&config),
        progress: Progress::new(lines.size, std::io::stdout().is_terminal() && !args.states),
    };
    let mut number = 0;
    while lines.advance().with_context(|| format!("reading {}", args.file.display()))? {
        number = lines.number;
        replay.line(number, lines.current())?;
        replay.progress.advance(lines.length, number);
    }
    replay.progress.finish();
    if args.states {
        replay.states()?;
    }
    replay.out.flush()?;
    let rejected = replay.summary(number);
    Ok(if args.strict && rejected > 0 { Exit::Failed } else { Exit::Ok })
}

struct Replay<W: Write> {
    engines: Vec<Engine>,
    effects: Effects,
    out: W,
    tally: BTreeMap<&'static str, u64>,
    suggestions: u64,
    print: bool,
    schemas: Schemas,
    progress: Progress,
}

impl<W: Write> Replay<W> {
    /// Feeds one line to the engine of its partition; a broadcast to all of them.
    fn line(&mut self, number: u64, text: &[u8]) -> anyhow::Result<()> {
        let line = match Line::parse(text) {
            Ok(line) => line,
            Err(fault) => {
                self.reject(number, &fault.to_string());
                return Ok(());
            }
        };
        let count = self.engines.len() as i32;
        let key = line.key.as_deref().or(line.tenant.as_deref());
        let partitions = match (line.partition, key) {
            (Some(p), _) if (0..count).contains(&p) => p..p + 1,
            (Some(p), _) => {
                let message = format!("line {number}: _partition {p}, but --partitions is {count}");
                return Err(UsageError(message).into());
            }
            (None, _) if count == 1 => 0..1,
            (None, Some("*")) => 0..count,
            (None, Some(key)) => {
                let p = partition_of(key.as_bytes(), count);
                p..p + 1
            }
            (None, None) => {
                self.reject(number, "missing_field: neither _partition, _key nor tenant_id says where it belongs");
                return Ok(());
            }
        };
        let writer = self.schemas.writer(number, line.value.as_deref())?;
        partitions
            .into_iter()
            .try_for_each(|p| self.record(number, p, &line, writer.as_ref().map(|known| &known.writer)))
    }

    fn record(
        &mut self,
        number: u64,
        partition: i32,
        line: &Line<'_>,
        writer: Option<&WriterSchema>,
    ) -> anyhow::Result<()> {
        let offset = Offset(line.offset.unwrap_or(number as i64 - 1));
        let record = Record {
            position: Position { partition: PartitionId(partition), offset },
            timestamp: line.timestamp.map(EventTime),
            key: line.key.as_deref().map(str::as_bytes),
            value: line.value.as_deref(),
            traceparent: line.headers.get("traceparent").map(String::as_bytes),
            writer,
        };
        let verdict = self.engines[partition as usize].process(record, &mut self.effects);
        if let Verdict::Rejected(reason) = verdict {
            let message = dead_letter_message(&self.effects).unwrap_or_default();
            self.reject(number, &format!("{reason}: {message}"));
        } else {
            *self.tally.entry(verdict.label()).or_default() += 1;
        }
        for record in self.effects.stream().filter(|r| matches!(r.topic, Topic::Recovery | Topic::Transfer)) {
            self.suggestions += 1;
            if let (true, OutValue::Json(json)) = (self.print, record.value) {
                self.out.write_all(json)?;
                self.out.write_all(b"\n")?;
            }
        }
        self.effects.clear();
        Ok(())
    }

    /// Prints the states of all partitions.
    fn states(&mut self) -> anyhow::Result<()> {
        let mut sessions: Vec<SessionView> = self.engines.iter().flat_map(Engine::sessions).collect();
        sessions.sort_by(|a, b| (&a.tenant, &a.session).cmp(&(&b.tenant, &b.session)));
        for session in &sessions {
            serde_json::to_writer(&mut self.out, &state_json(session, false))?;
            self.out.write_all(b"\n")?;
        }
        Ok(())
    }

    fn reject(&mut self, number: u64, why: &str) {
        *self.tally.entry("rejected").or_default() += 1;
        self.progress.report(format_args!("line {number}: {why}"));
    }

    /// Says what became of the records; returns how many were rejected.
    fn summary(&self, lines: u64) -> u64 {
        let verdicts: Vec<String> = self.tally.iter().map(|(verdict, n)| format!("{n} {verdict}")).collect();
        let verdicts = if verdicts.is_empty() { "no records".to_owned() } else { verdicts.join(", ") };
        eprintln!("{lines} lines: {verdicts}; {} suggestions, revocations and closings included", self.suggestions);
        self.tally.get("rejected").copied().unwrap_or(0)
    }
}

/// Why the engine refused: the dead letter says it.
pub(super) fn dead_letter_message(effects: &Effects) -> Option<String> {
    let letter = effects.stream().filter(|r| r.topic == Topic::DeadLetters).last()?;
    let (_, message) = letter.headers.iter().find(|(name, _)| *name == "__connect.errors.exception.message")?;
    Some(String::from_utf8_lossy(message).into_owned())
}

/// Where a key belongs, as Java clients decide it.
fn partition_of(key: &[u8], partitions: i32) -> i32 {
    ((murmur2(key) & 0x7fff_ffff) as i32) % partitions
}
