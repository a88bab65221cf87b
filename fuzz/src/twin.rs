//! Two engines over the same records: one goes on, the other is thrown away after every batch and restored from
//! what was published. Nobody may notice a difference. What is published can be read back.

use std::collections::BTreeMap;
use std::sync::Arc;

use rekindle::engine::encode::{self, SuggestionKind};
use rekindle::engine::{
    Effects, Engine, EngineSettings, OutRecord, OutValue, OutputFormat, Record, Restoring, StateTopic, Topic,
};
use rekindle::model::ids::Name;
use rekindle::model::position::{Offset, PartitionId};
use rekindle::model::time::Millis;
use rekindle::model::verdict::Verdict;

use super::history::DIM;

/// Where the twins work.
pub const PARTITION: PartitionId = PartitionId(0);
/// Partitions of their input.
pub const PARTITIONS: i32 = 1;

/// Small spaces and short spans, so that deadlines come up.
pub fn settings(output: OutputFormat) -> Arc<EngineSettings> {
    let spaces = [("default", DIM), ("other", DIM + 1)].map(|(name, dim)| (Name::new(name).expect("a name"), dim));
    let mut settings = EngineSettings {
        spaces: spaces.into(),
        retention: Millis(8 * 3_600_000),
        log_retention: Millis(3_600_000),
        output,
        ..EngineSettings::default()
    };
    settings.policy.adapter_vote = 1;
    settings.policy.floor = 0.05;
    settings.policy.holdout = 0.3;
    settings.policy.session_per_hour = 4;
    settings.policy.tenant_per_minute = 3;
    Arc::new(settings)
}

/// The twins, and the compacted log that they agree on.
pub struct Twins {
    settings: Arc<EngineSettings>,
    goes_on: Engine,
    restored: Engine,
    effects: [Effects; 2],
    log: BTreeMap<(StateTopic, Vec<u8>), Vec<u8>>,
}

impl Twins {
    pub fn new(output: OutputFormat) -> Twins {
        let settings = settings(output);
        let engine = || Engine::new(settings.clone(), PARTITION, PARTITIONS);
        let (goes_on, restored) = (engine(), engine());
        Twins { settings, goes_on, restored, effects: [Effects::new(), Effects::new()], log: BTreeMap::new() }
    }

    /// The engine that goes on.
    pub fn engine(&self) -> &Engine {
        &self.goes_on
    }

    /// The state topics as of the last batch, compacted.
    pub fn log(&self) -> &BTreeMap<(StateTopic, Vec<u8>), Vec<u8>> {
        &self.log
    }

    pub fn process(&mut self, record: Record<'_>) -> Verdict {
        let [one, other] = &mut self.effects;
        let verdict = self.goes_on.process(record, one);
        assert_eq!(self.restored.process(record, other), verdict, "verdicts");
        verdict
    }

    /// Ends a batch at this offset: publishes, and restores one of the two.
    pub fn seal(&mut self, next: Offset) {
        let [one, other] = &mut self.effects;
        self.goes_on.seal(next, one);
        self.restored.seal(next, other);
        let shown = |record: OutRecord<'_>| format!("{record:?}");
        assert!(one.records().map(shown).eq(other.records().map(shown)), "{:?}\n{:?}", sorted(one), sorted(other));
        for record in one.records() {
            read_back(&record, &self.settings);
            keep(&mut self.log, &record);
        }
        self.effects.iter_mut().for_each(Effects::clear);
        let mut restoring = Restoring::new(self.settings.clone(), PARTITION, PARTITIONS);
        for ((topic, key), body) in &self.log {
            restoring.apply(*topic, key, Some(body));
        }
        let (engine, _) = restoring.finish(Some(next)).expect("what was published restores");
        let states = |engine: &Engine| engine.sessions().iter().map(|view| format!("{view:?}")).collect::<Vec<_>>();
        assert_eq!(states(&self.goes_on), states(&engine), "states");
        assert_eq!(self.goes_on.stats(), engine.stats(), "gauges");
        self.restored = engine;
    }
}

fn sorted(effects: &Effects) -> Vec<String> {
    effects.records().map(|record| format!("{record:?}")).collect()
}

fn keep(log: &mut BTreeMap<(StateTopic, Vec<u8>), Vec<u8>>, record: &OutRecord<'_>) {
    let topic = match record.topic {
        Topic::States => StateTopic::States,
        Topic::Vectors => StateTopic::Vectors,
        Topic::Bookkeeping => StateTopic::Bookkeeping,
        Topic::Recovery | Topic::Transfer | Topic::DeadLetters => return,
    };
    let key = (topic, record.key.expect("compacted records have keys").to_vec());
    let state = record.headers.iter().find(|(name, _)| *name == rekindle::engine::STATE_HEADER);
    match (record.value, state) {
        (OutValue::Tombstone, _) => drop(log.remove(&key)),
        (OutValue::Avro(body), _) => drop(log.insert(key, body.to_vec())),
        (OutValue::Json(_), Some((_, body))) => drop(log.insert(key, body.clone())),
        (other, _) => panic!("not a state record: {other:?}"),
    }
}

/// What an Avro suggestion says can be read; only of what was erased it says too little.
fn read_back(record: &OutRecord<'_>, settings: &EngineSettings) {
    let kind = match record.topic {
        Topic::Recovery => SuggestionKind::Recovery,
        Topic::Transfer => SuggestionKind::Transfer,
        _ => return,
    };
    match record.value {
        OutValue::Avro(body) => match encode::decode_suggestion(kind, body) {
            Ok((suggestion, publication)) => {
                assert_eq!(encode::suggestion(&suggestion, &publication).as_deref(), Ok(body));
                encode::suggestion_json(&suggestion, &publication);
            }
            Err(fault) => assert!(matches!(fault, encode::DecodeError::Field(_)), "{fault}"),
        },
        OutValue::Json(text) => {
            assert_eq!(settings.output, OutputFormat::Json);
            serde_json::from_slice::<serde_json::Value>(text).expect("published JSON is JSON");
        }
        other => panic!("not a suggestion: {other:?}"),
    }
}
