//! An engine that is told events one by one, with what it publishes and what it can be restored from.

use std::collections::BTreeMap;
use std::sync::Arc;

use rekindle::engine::encode::{self, Row, SuggestionKind};
use rekindle::engine::{Effects, Engine, EngineSettings, Notice, OutValue, Record, Restoring, StateTopic, Topic};
use rekindle::model::calibration::{CalibrationRow, Rate};
use rekindle::model::position::{Offset, PartitionId, Position};
use rekindle::model::verdict::Verdict;
use serde_json::{Value, json};

pub const BASE: i64 = 1_762_340_000_000;

pub struct Bench {
    engine: Engine,
    settings: Arc<EngineSettings>,
    /// Live records of the state topics.
    pub topics: BTreeMap<(Topic, Vec<u8>), Vec<u8>>,
    /// Suggestions as they were published, since they were last taken.
    published: Vec<Value>,
    /// Their bytes, all of them.
    pub stream: Vec<Vec<u8>>,
    pub notices: Vec<Notice>,
    offset: i64,
    clock: i64,
}

impl Bench {
    pub fn new(settings: EngineSettings) -> Bench {
        let settings = Arc::new(settings);
        Bench {
            engine: Engine::new(Arc::clone(&settings), PartitionId(0), 1),
            settings,
            topics: BTreeMap::new(),
            published: Vec::new(),
            stream: Vec::new(),
            notices: Vec::new(),
            offset: 0,
            clock: BASE,
        }
    }

    /// A second later, an event of a session.
    pub fn send(&mut self, session: &str, event: Value) -> Verdict {
        self.clock += 1000;
        let mut event = event;
        event["event_id"] = json!(format!("e-{}", self.offset));
        event["occurred_at"] = json!(self.clock);
        event["tenant_id"] = json!("acme");
        event["session_id"] = json!(session);
        self.process(&event)
    }

    /// An event as it is.
    pub fn process(&mut self, event: &Value) -> Verdict {
        let bytes = event.to_string().into_bytes();
        let position = Position { partition: PartitionId(0), offset: Offset(self.offset) };
        let record =
            Record { position, timestamp: None, key: None, value: Some(&bytes), traceparent: None, writer: None };
        let mut effects = Effects::new();
        let verdict = self.engine.process(record, &mut effects);
        self.offset += 1;
        self.engine.seal(Offset(self.offset), &mut effects);
        for record in effects.records() {
            let kind = match record.topic {
                Topic::Recovery => SuggestionKind::Recovery,
                Topic::Transfer => SuggestionKind::Transfer,
                topic => {
                    let key = (topic, record.key.expect("a key").to_vec());
                    match record.value {
                        OutValue::Avro(body) => drop(self.topics.insert(key, body.to_vec())),
                        _ => drop(self.topics.remove(&key)),
                    }
                    continue;
                }
            };
            let OutValue::Avro(body) = record.value else { panic!("Avro is the default") };
            self.stream.push(body.to_vec());
            if let Ok((suggestion, publication)) = encode::decode_suggestion(kind, body) {
                self.published.push(encode::suggestion_json(&suggestion, &publication));
            }
        }
        self.notices.append(&mut effects.notices);
        verdict
    }

    /// The suggestions published since the last call.
    pub fn published(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.published)
    }

    /// The engine is thrown away, and another one restored from what it published, under these settings if any.
    pub fn restart(&mut self, settings: Option<EngineSettings>) {
        if let Some(settings) = settings {
            self.settings = Arc::new(settings);
        }
        let mut restoring = Restoring::new(Arc::clone(&self.settings), PartitionId(0), 1);
        for ((topic, key), value) in &self.topics {
            let topic = match topic {
                Topic::States => StateTopic::States,
                Topic::Vectors => StateTopic::Vectors,
                _ => StateTopic::Bookkeeping,
            };
            restoring.apply(topic, key, Some(value));
        }
        self.engine = restoring.finish(Some(Offset(self.offset))).expect("what was published restores").0;
    }

    /// What bookkeeping holds of rates.
    pub fn calibrations(&self) -> BTreeMap<Rate, CalibrationRow> {
        let rows = self.topics.iter().filter(|((_, key), _)| key.starts_with(b"calibration/"));
        let read = |body: &Vec<u8>| match encode::decode_row(body).expect("a row") {
            Row::Calibration(row) => (row.rate, row),
            other => panic!("{other:?}"),
        };
        rows.map(|(_, body)| read(body)).collect()
    }
}

/// A copy of 2,000 tokens on worker `w-1`; a cold one takes half the room.
pub fn copy(tier: &str) -> Value {
    let precision = if tier == "cold" { "FP8" } else { "FP16" };
    json!({
        "tier": tier, "location": {"memory": {"offset": 0}}, "cached_tokens": 2000, "created_at": BASE,
        "quantization": {"high_precision_tail": {"tail_length": 2000, "precision": precision}}, "worker": "w-1",
        "cache": {"namespace": "m"},
    })
}

/// A turn, with more fields.
pub fn turn(number: u32, more: Value) -> Value {
    let mut turn = json!({
        "type": "turn_completed", "turn": number, "input_tokens": 2000, "output_tokens": 10,
        "cache": {"namespace": "m"},
    });
    for (field, value) in more.as_object().expect("an object") {
        turn[field] = value.clone();
    }
    turn
}

pub fn interrupted() -> Value {
    json!({"type": "session_interrupted", "reason": "client_disconnect"})
}
