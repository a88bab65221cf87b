//! `verify`: the arguments of a verification and its report. What is compared is in the library.

use std::cell::RefCell;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

use rekindle::model::position::PartitionId;
use rekindle::verify::{self, Outcome, PartitionReport, Report, Request, VerifyError};

use super::args::ClusterArgs;
use super::progress::{OffsetProgress, show_verification};
use super::{Exit, UsageError, erased};

/// Verify that everything published is what the input gives
///
/// Reads the committed input from its beginning, runs the engine over it, and compares every output with what that
/// gives: suggestions and dead letters one by one in their order, states, vectors and bookkeeping by key, the group's
/// offset with the last readable record. Settings that changed and records that were skipped are followed from
/// bookkeeping. Writes nothing to Kafka, and may run beside the service: what is published meanwhile is passed over.
///
/// Exit code 0: all is equal. 1: something differs; the lines (and the report) say which id, key and field. 3: nothing
/// differs as far as can be known, but part of it cannot be: the input's beginning was deleted, say.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rekindle verify -c rekindle.toml
  rekindle verify -c rekindle.toml --report report.json
  rekindle verify -c rekindle.toml --partition 3 --partition 5 --report - | jq .partitions[].states
  rekindle verify -c rekindle.toml --set application.generation=2
  rekindle verify -c rekindle.toml --erased user:u-1 --tenant acme")]
pub struct Args {
    #[command(flatten)]
    config: ClusterArgs,
    /// Write the report as JSON to this file; - for standard output
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Verify this partition only; repeatable
    #[arg(long, value_name = "P", value_parser = clap::value_parser!(i32).range(0..))]
    partition: Vec<i32>,
    /// Examples given of each kind of difference
    #[arg(long, value_name = "N", default_value_t = Request::default().examples)]
    examples: usize,
    /// Seconds that a running service may take to consume what the input holds now
    #[arg(long, value_name = "SECONDS", default_value_t = Request::default().patience.as_secs())]
    patience: u64,
    /// Instead, look through all bytes of all topics for what this erasure was to take: its erasure_id, or user:ID,
    /// session:ID or tenant. Exit code 0: nothing is readable; 1: something is; 2: it could not be checked
    #[arg(long, value_name = "SUBJECT", requires = "tenant", conflicts_with_all = ["report", "partition"])]
    erased: Option<String>,
    /// The tenant of what was erased
    #[arg(long, value_name = "TENANT", requires = "erased")]
    tenant: Option<String>,
    /// Print what was found of what was erased as JSON
    #[arg(long, requires = "erased")]
    json: bool,
}

/// Verifies and prints.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    if let Some((subject, tenant)) = args.erased.as_ref().zip(args.tenant.as_ref()) {
        let erased = erased::erased(subject, tenant)?;
        return erased::run(&args.config.load(&[])?, erased, args.json);
    }
    let config = args.config.load(&[])?;
    let bar = RefCell::new(OffsetProgress::new());
    let request = Request {
        partitions: args.partition.iter().copied().map(PartitionId).collect(),
        examples: args.examples,
        patience: Duration::from_secs(args.patience),
        progress: &|progress| show_verification(&mut bar.borrow_mut(), progress),
    };
    let verified = verify::verify(&config.runtime, &request);
    bar.borrow().finish();
    let report = match verified {
        Err(fault @ VerifyError::NoSuchPartition { .. }) => return Err(UsageError(fault.to_string()).into()),
        other => other?,
    };
    let out = std::io::stdout();
    match &args.report {
        Some(path) if path.as_os_str() == "-" => {
            serde_json::to_writer_pretty(out.lock(), &report).map_err(std::io::Error::from)?;
            writeln!(out.lock())?;
        }
        path => {
            if let Some(path) = path {
                let text = serde_json::to_string_pretty(&report)?;
                std::fs::write(path, text + "\n").with_context(|| format!("writing {}", path.display()))?;
            }
            print(&mut out.lock(), &report)?;
        }
    }
    Ok(match report.outcome {
        Outcome::Equal => Exit::Ok,
        Outcome::Different => Exit::Failed,
        Outcome::NotProvable => Exit::NotProvable,
    })
}

fn print(out: &mut impl Write, report: &Report) -> std::io::Result<()> {
    for partition in &report.partitions {
        print_partition(out, partition)?;
    }
    let of = |outcome| report.partitions.iter().filter(|p| p.outcome == outcome).count();
    writeln!(
        out,
        "{} of {} partitions equal, {} different, {} not provable",
        of(Outcome::Equal),
        report.partitions.len(),
        of(Outcome::Different),
        of(Outcome::NotProvable)
    )
}

fn print_partition(out: &mut impl Write, partition: &PartitionReport) -> std::io::Result<()> {
    let verdict = match partition.outcome {
        Outcome::Equal => "equal",
        Outcome::Different => "DIFFERENT",
        Outcome::NotProvable => "not provable",
    };
    let (p, input) = (partition, &partition.input);
    let published: u64 = p.sequences().iter().map(|(_, s)| s.equal).sum();
    let keys: u64 = p.tables().iter().map(|(_, t)| t.equal).sum();
    writeln!(
        out,
        "partition {}: {verdict} ({} records up to offset {}, {published} published and {keys} keys equal)",
        p.partition, input.replayed, p.cut.from
    )?;
    for why in &p.not_provable {
        let place = match (why.before_offset, why.from_offset) {
            (Some(offset), _) => format!("not provable before offset {offset}: "),
            (None, Some(offset)) => format!("not provable from offset {offset} on: "),
            (None, None) => String::new(),
        };
        writeln!(out, "  {place}{}", why.reason)?;
    }
    if let Some(first) = input.first_behind {
        let why = if p.superseded { " (a later generation took over)" } else { "" };
        writeln!(out, "  the group is {} records behind the input, the first at offset {first}{why}", input.behind)?;
    }
    for fault in &p.checkpoint {
        writeln!(out, "  {fault}")?;
    }
    print_sequences(out, p)?;
    print_tables(out, p)
}

/// The counts that are not zero, as words.
fn counted(counts: &[(&str, u64)]) -> String {
    let said: Vec<_> = counts.iter().filter(|(_, n)| *n > 0).map(|(what, n)| format!("{n} {what}")).collect();
    said.join(", ")
}

/// The fields that differ, after what they differ in.
fn listed(fields: &[String]) -> String {
    if fields.is_empty() { String::new() } else { format!(": {}", fields.join(", ")) }
}

fn print_sequences(out: &mut impl Write, partition: &PartitionReport) -> std::io::Result<()> {
    for (_, s) in partition.sequences() {
        let counts = counted(&[
            ("missing", s.missing),
            ("doubled", s.doubled),
            ("different", s.different),
            ("unexpected", s.unexpected),
            ("out of order", s.out_of_order),
            ("expired", s.expired),
            ("published by another generation", s.other_generation),
            ("that prove nothing", s.unprovable),
        ]);
        if !counts.is_empty() {
            writeln!(out, "  {}: {counts}", s.topic)?;
        }
        for e in &s.examples {
            let place = |name, at: Option<i64>| at.map_or(String::new(), |at| format!(", {name} {at}"));
            let places = place("of input", e.input_offset) + &place("at", e.topic_offset);
            writeln!(out, "    {} {} {} of {}{places}{}", e.class, e.id, e.status, e.key, listed(&e.fields))?;
        }
    }
    Ok(())
}

fn print_tables(out: &mut impl Write, partition: &PartitionReport) -> std::io::Result<()> {
    for (_, t) in partition.tables() {
        let counts = counted(&[
            ("missing", t.missing),
            ("different", t.different),
            ("unexpected", t.unexpected),
            ("that prove nothing", t.unprovable),
        ]);
        if !counts.is_empty() {
            writeln!(out, "  {}: {counts}", t.topic)?;
        }
        for e in &t.examples {
            writeln!(out, "    {} {}{}", e.class, e.key, listed(&e.fields))?;
        }
    }
    Ok(())
}
