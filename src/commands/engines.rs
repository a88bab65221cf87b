//! The engine itself over a file of lines: one engine a partition, each line fed to the one it belongs to. What becomes
//! of a record is for the command to look at. Touches no Kafka (but may ask the schema registry) and prints nothing.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;

use rekindle::config::Config;
use rekindle::engine::validate::home_partition;
use rekindle::engine::{Effects, Engine, EngineSettings, OutValue, OutputFormat, WriterSchema};
use rekindle::model::position::{Offset, PartitionId, Position};
use rekindle::model::verdict::Verdict;

use super::UsageError;
use super::lines::{Line, Lines};
use super::progress::Progress;
use super::schemas::Schemas;

/// The engines of a topic's partitions.
pub struct Engines {
    engines: Vec<Engine>,
    effects: Effects,
    schemas: Schemas,
}

/// What became of a line; of a broadcast there is one in each partition.
pub enum Fed<'a> {
    /// It is no record.
    Refused(&'a str),
    /// An engine took it.
    Record {
        /// Where it is in the log.
        at: Position,
        /// What became of it.
        verdict: &'a Verdict,
        /// What came of it.
        effects: &'a Effects,
        /// The engine, after it.
        engine: &'a mut Engine,
    },
}

/// Told of each line: where to report something, the line's number, and what became of it.
pub type See<'a> = dyn FnMut(&Progress, u64, Fed<'_>) -> anyhow::Result<()> + 'a;

impl Engines {
    /// Engines without history, under the settings of a configuration; their suggestions are JSON.
    pub fn new(config: &Config, partitions: i32) -> Engines {
        let settings = Arc::new(EngineSettings { output: OutputFormat::Json, ..(**config.engine()).clone() });
        Engines {
            engines: (0..partitions).map(|p| Engine::new(settings.clone(), PartitionId(p), partitions)).collect(),
            effects: Effects::new(),
            schemas: Schemas::new(config),
        }
    }

    /// Every engine, by partition.
    pub fn all(&self) -> &[Engine] {
        &self.engines
    }

    /// The same, to change.
    pub fn all_mut(&mut self) -> &mut [Engine] {
        &mut self.engines
    }

    /// Feeds a whole file, with a progress bar unless `quiet`; returns how many lines it has.
    pub fn feed_file(&mut self, file: &Path, quiet: bool, see: &mut See<'_>) -> anyhow::Result<u64> {
        let mut lines =
            Lines::open(file).map_err(|e| UsageError(format!("the file {} cannot be read: {e}", file.display())))?;
        let mut progress = Progress::new(lines.size, quiet);
        let mut number = 0;
        while lines.advance().with_context(|| format!("reading {}", file.display()))? {
            number = lines.number;
            self.line(number, lines.current(), &mut |fed| see(&progress, number, fed))?;
            progress.advance(lines.length, number);
        }
        progress.finish();
        Ok(number)
    }

    /// Feeds one line to the engine of its partition; a broadcast to all of them.
    fn line(
        &mut self,
        number: u64,
        text: &[u8],
        see: &mut dyn FnMut(Fed<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let line = match Line::parse(text) {
            Ok(line) => line,
            Err(fault) => return see(Fed::Refused(&fault.to_string())),
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
                let p = home_partition(key.as_bytes(), count).0;
                p..p + 1
            }
            (None, None) => {
                let why = "missing_field: neither _partition, _key nor tenant_id says where it belongs";
                return see(Fed::Refused(why));
            }
        };
        let writer = self.schemas.writer(number, line.value.as_deref())?;
        let writer = writer.as_ref().map(|known| &known.writer);
        partitions.into_iter().try_for_each(|p| self.record(number, p, &line, writer, see))
    }

    fn record(
        &mut self,
        number: u64,
        partition: i32,
        line: &Line<'_>,
        writer: Option<&WriterSchema>,
        see: &mut dyn FnMut(Fed<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let offset = Offset(line.offset.unwrap_or(number as i64 - 1));
        let at = Position { partition: PartitionId(partition), offset };
        let record = line.record(at, writer);
        let Engines { engines, effects, .. } = self;
        let engine = &mut engines[partition as usize];
        let verdict = engine.process(record, effects);
        see(Fed::Record { at, verdict: &verdict, effects, engine })?;
        effects.clear();
        Ok(())
    }
}

/// Headers of a record, in order.
pub type Headers<'a> = &'a [(&'static str, Vec<u8>)];

/// The suggestions among the effects, as they would be published, with their headers.
pub fn suggestions(effects: &Effects) -> impl Iterator<Item = (&[u8], Headers<'_>)> {
    effects.suggestions().filter_map(|record| match record.value {
        OutValue::Json(json) => Some((json, record.headers)),
        _ => None,
    })
}
