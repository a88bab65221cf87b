//! `backtest`: reads a log several times, has the library score it, and prints. Decides nothing.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;

use rekindle::backtest::{self, Figures, Fitted, Half, LogFigures, Report, Run, RunOptions, Tally, Truth};
use rekindle::config::{Config, Faults, Needs, PolicyFile};
use rekindle::engine::{EngineSettings, Record, decode};
use rekindle::model::position::{Offset, PartitionId, Position};
use rekindle::model::verdict::Verdict;

use super::args::ConfigArgs;
use super::lines::{Line, Lines};
use super::progress::Progress;
use super::replay::dead_letter_message;
use super::schemas::Schemas;
use super::{Exit, UsageError};

/// Score the suggestions for a log against what then happened in it
///
/// Which session takes up which is told by the log itself: `continues_session_id`, and `from_session_id` of
/// `session_resumed`. Both are hidden from the engine until a session was scored: as it opens, and behind its second
/// turn. Printed are top-1, MRR, precision and recall over thresholds, false suggestions, calibration, and what was
/// published with lead time and time saved, each with its 95 % confidence interval. docs/backtest.md says how.
///
/// The log is JSON lines as `rekindle replay` reads them. Rejected lines are named on stderr and counted.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rekindle backtest log.jsonl
  rekindle backtest log.jsonl --policy now.toml --policy next.toml --picture curves.svg
  rekindle backtest log.jsonl --fit fitted.toml --half 0
  rekindle backtest log.jsonl --policy fitted.toml --half 1 --json | jq .top1")]
pub struct Args {
    /// File of JSON lines
    #[arg(value_name = "LOG")]
    log: PathBuf,
    #[command(flatten)]
    config: ConfigArgs,
    /// Policy to score (TOML, [policy] alone) instead of the configured one; up to two, side by side
    #[arg(long, value_name = "FILE")]
    policy: Vec<PathBuf>,
    /// Score the first policy without embeddings, too
    #[arg(long)]
    without_vectors: bool,
    /// Fit the first policy's weights to the log, write the policy to this file, and score it, too
    #[arg(long, value_name = "FILE")]
    fit: Option<PathBuf>,
    /// Weights that the fit leaves as they are, separated by commas: recency, where a log's times say nothing
    #[arg(long, value_name = "NAMES", value_delimiter = ',', requires = "fit")]
    keep: Vec<String>,
    /// Score only the tenants of one half, by a hash of their names: fit on one, report on the other
    #[arg(long, value_name = "0|1", value_parser = clap::value_parser!(u32).range(0..=1))]
    half: Option<u32>,
    /// Print one JSON object instead of tables
    #[arg(long)]
    json: bool,
    /// Draw precision, recall and reliability into this file (SVG)
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
}

/// Runs the backtest.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let config = args.config.load(&[], Needs::Nothing)?;
    let policies = policies(args, &config)?;
    let known = policies[0].1.weights();
    if let Some(unknown) = args.keep.iter().find(|keep| known.iter().all(|(name, _)| name != *keep)) {
        let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
        return Err(UsageError(format!("--keep: {unknown} is no weight; there are {}", names.join(", "))).into());
    }
    let runs = 1 + policies.len() + usize::from(args.without_vectors) + usize::from(args.fit.is_some());
    let mut log = Log::open(args, &config, runs)?;
    let truth = log.truth()?;
    let half = args.half.map(Half);
    let options = RunOptions { half, ..RunOptions::default() };
    let mut figures = Vec::new();
    let mut samples = None;
    for (n, (name, policy)) in policies.iter().enumerate() {
        let sample = n == 0 && args.fit.is_some();
        let mut tally = log.tally(&settings(&config, policy), RunOptions { sample, ..options.clone() }, &truth)?;
        samples = samples.or(tally.samples.take());
        figures.push(Figures::of(name, policy.policy.floor, tally));
    }
    let (first_name, first) = &policies[0];
    let mut fit = None;
    if let (Some(path), Some(samples)) = (&args.fit, &samples) {
        let found = backtest::fit(samples, &first.weights(), &args.keep)?;
        let fitted = first.with_weights(&found.weights)?;
        let tally = log.tally(&settings(&config, &fitted), options.clone(), &truth)?;
        figures.push(Figures::of(&path.display().to_string(), fitted.policy.floor, tally));
        fit = Some(found);
    }
    if args.without_vectors {
        let options = RunOptions { without_vectors: true, ..options };
        let tally = log.tally(&settings(&config, first), options, &truth)?;
        figures.push(Figures::of(&format!("{first_name}, without vectors"), first.policy.floor, tally));
    }
    let report = Report::of(log.figures(&truth, args.half), figures, fit);
    if let (Some(path), Some(fit)) = (&args.fit, &report.fit) {
        let text = first.written(&fit.weights, &comment(args, &report, fit, policies.len()));
        std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    if let Some(path) = &args.picture {
        std::fs::write(path, backtest::picture(&report)).with_context(|| format!("writing {}", path.display()))?;
    }
    print(args, &report)?;
    Ok(Exit::Ok)
}

fn print(args: &Args, report: &Report) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, report).map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else {
        out.write_all(backtest::table(report).as_bytes())?;
    }
    Ok(out.flush()?)
}

/// The policies to score with their names, the configured one if none is given. All faults of all files at once.
fn policies(args: &Args, config: &Config) -> anyhow::Result<Vec<(String, PolicyFile)>> {
    if args.policy.is_empty() {
        return Ok(vec![("configured".to_owned(), PolicyFile::of(config))]);
    }
    if args.policy.len() > 2 {
        return Err(UsageError(format!("--policy: at most two, {} are given", args.policy.len())).into());
    }
    let (mut policies, mut faults) = (Vec::new(), Vec::new());
    for path in &args.policy {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|e| UsageError(format!("the policy file {name} cannot be read: {e}")))?;
        match PolicyFile::parse(&name, &text) {
            Ok(policy) => policies.push((name, policy)),
            Err(Faults(more)) => faults.extend(more),
        }
    }
    if faults.is_empty() { Ok(policies) } else { Err(Faults(faults).into()) }
}

fn settings(config: &Config, policy: &PolicyFile) -> EngineSettings {
    EngineSettings { policy: policy.policy.clone(), ..(**config.engine()).clone() }
}

/// What stands above fitted weights.
fn comment(args: &Args, report: &Report, fit: &Fitted, policies: usize) -> String {
    let [candidates, origins] = fit.candidates;
    let half = args.half.map_or(String::new(), |half| format!(", half {half} of the tenants"));
    let figures = |run: &Figures| {
        let value = |estimate: Option<f64>| estimate.map_or("-".to_owned(), |x| format!("{x:.4}"));
        let turn = &run.turn1;
        let (top1, mrr) = (value(turn.top1.map(|e| e.value)), value(turn.mrr.map(|e| e.value)));
        let (f1, ece) = (value(turn.f1.map(|e| e.value)), value(turn.ece.map(|e| e.value)));
        let threshold = value(turn.best_f1.map(|at| at.threshold));
        format!("top-1 {top1}, MRR {mrr}, best F1 {f1} at {threshold}, ECE {ece}")
    };
    format!(
        "Weights fitted by rekindle backtest {}{half}:\n\
         {candidates} candidates, {origins} of them what the session took up; log-loss {:.4} before, {:.4} after.\n\
         before: {}\nafter:  {}\nThese figures are of the log that was fitted to; score another one.",
        args.log.display(),
        fit.log_loss[0],
        fit.log_loss[1],
        figures(&report.runs[0]),
        figures(&report.runs[policies]),
    )
}

/// The log, read once for each pass.
struct Log<'a> {
    path: &'a Path,
    schemas: Schemas,
    progress: Progress,
    lines: u64,
    rejected: u64,
    /// Lines are refused in every run for the same reasons, and named in the first.
    named: bool,
}

impl<'a> Log<'a> {
    fn open(args: &'a Args, config: &Config, passes: usize) -> anyhow::Result<Log<'a>> {
        let path = args.log.as_path();
        let shown = path.display();
        let unreadable = |e| UsageError(format!("the log {shown} cannot be read: {e}"));
        if path == Path::new("-") {
            let message = "the log is read more than once: standard input cannot be, give a file";
            return Err(UsageError(message.to_owned()).into());
        }
        let metadata = std::fs::metadata(path).map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(UsageError(format!("the log {shown} is no file, and it is read more than once")).into());
        }
        let progress = Progress::new(Some(metadata.len() * passes as u64), false);
        Ok(Log { path, schemas: Schemas::new(config), progress, lines: 0, rejected: 0, named: false })
    }

    /// Hands every line over: its number, the record it is, and what the log says its session is about.
    fn each(&mut self, mut each: impl FnMut(&mut Self, u64, Record<'_>, Option<Vec<String>>)) -> anyhow::Result<()> {
        let mut lines = Lines::open(self.path).with_context(|| format!("reading {}", self.path.display()))?;
        while lines.advance().with_context(|| format!("reading {}", self.path.display()))? {
            let number = lines.number;
            match Line::parse(lines.current()) {
                Err(fault) => self.reject(number, &fault.to_string()),
                Ok(mut line) => {
                    let writer = self.schemas.writer(number, line.value.as_deref())?;
                    let intents = line.truth.take().and_then(|truth| truth.intents);
                    let position = Position { partition: PartitionId(0), offset: Offset(number as i64 - 1) };
                    let record = line.record(position, writer.as_ref().map(|known| &known.writer));
                    each(self, number, record, intents);
                }
            }
            self.progress.advance(lines.length, number);
            self.lines = number;
        }
        Ok(())
    }

    /// The first pass.
    fn truth(&mut self) -> anyhow::Result<Truth> {
        let mut truth = Truth::default();
        self.named = true;
        self.each(|_, _, record, _| {
            if let Ok(event) = decode::decode(&record) {
                truth.note(&event);
            }
        })?;
        self.named = false;
        Ok(truth)
    }

    /// One pass of the engine.
    fn tally(&mut self, settings: &EngineSettings, options: RunOptions, truth: &Truth) -> anyhow::Result<Tally> {
        let mut run = Run::new(settings, options, truth);
        self.each(|log, number, record, intents| {
            if let Some(Verdict::Rejected(reason)) = run.record(record, intents) {
                let message = dead_letter_message(run.effects()).unwrap_or_default();
                log.reject(number, &format!("{reason}: {message}"));
            }
        })?;
        self.named = true;
        Ok(run.finish())
    }

    fn reject(&mut self, number: u64, why: &str) {
        if !self.named {
            self.rejected += 1;
            self.progress.report(format_args!("line {number}: {why}"));
        }
    }

    fn figures(&self, truth: &Truth, half: Option<u32>) -> LogFigures {
        self.progress.finish();
        let [tenants, sessions, continuing] = truth.counts();
        LogFigures {
            lines: self.lines,
            rejected: self.rejected,
            events: truth.events,
            tenants,
            sessions,
            continuing,
            half,
        }
    }
}
