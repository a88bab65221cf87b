//! `replay`: the engine itself over a file. Prints what it suggests, and decides nothing.

use std::collections::BTreeMap;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::PathBuf;

use rekindle::config::Needs;
use rekindle::engine::encode::state_json;
use rekindle::engine::{Effects, Engine, Topic};
use rekindle::model::session::SessionView;
use rekindle::model::verdict::Verdict;

use super::Exit;
use super::args::ConfigArgs;
use super::engines::{Engines, Fed, suggestions};
use super::progress::Progress;

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
    let mut engines = Engines::new(&config, args.partitions);
    let mut replay = Replay {
        out: BufWriter::with_capacity(1 << 16, std::io::stdout().lock()),
        tally: BTreeMap::new(),
        suggestions: 0,
        print: !args.states,
    };
    let quiet = std::io::stdout().is_terminal() && !args.states;
    let lines =
        engines.feed_file(&args.file, quiet, &mut |progress, number, fed| replay.take(progress, number, &fed))?;
    if args.states {
        replay.states(engines.all())?;
    }
    replay.out.flush()?;
    let rejected = replay.summary(lines);
    Ok(if args.strict && rejected > 0 { Exit::Failed } else { Exit::Ok })
}

struct Replay<W: Write> {
    out: W,
    tally: BTreeMap<&'static str, u64>,
    suggestions: u64,
    print: bool,
}

impl<W: Write> Replay<W> {
    /// Counts what became of a line, and prints what came of it.
    fn take(&mut self, progress: &Progress, number: u64, fed: &Fed<'_>) -> anyhow::Result<()> {
        let (verdict, effects) = match fed {
            Fed::Refused(why) => {
                self.reject(progress, number, why);
                return Ok(());
            }
            Fed::Record { verdict, effects, .. } => (*verdict, *effects),
        };
        if let Verdict::Rejected(reason) = verdict {
            let message = dead_letter_message(effects).unwrap_or_default();
            self.reject(progress, number, &format!("{reason}: {message}"));
        } else {
            *self.tally.entry(verdict.label()).or_default() += 1;
        }
        for (json, _) in suggestions(effects) {
            self.suggestions += 1;
            if self.print {
                self.out.write_all(json)?;
                self.out.write_all(b"\n")?;
            }
        }
        Ok(())
    }

    /// Prints the states of all partitions.
    fn states(&mut self, engines: &[Engine]) -> anyhow::Result<()> {
        let mut sessions: Vec<SessionView> = engines.iter().flat_map(Engine::sessions).collect();
        sessions.sort_by(|a, b| (&a.tenant, &a.session).cmp(&(&b.tenant, &b.session)));
        for session in &sessions {
            serde_json::to_writer(&mut self.out, &state_json(session, false))?;
            self.out.write_all(b"\n")?;
        }
        Ok(())
    }

    fn reject(&mut self, progress: &Progress, number: u64, why: &str) {
        *self.tally.entry("rejected").or_default() += 1;
        progress.report(format_args!("line {number}: {why}"));
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
