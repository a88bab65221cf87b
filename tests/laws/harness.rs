//! Runs an engine over JSON events, with restarts out of what it published.

use std::collections::BTreeMap;
use std::sync::Arc;

use rekindle::engine::OutRecord;
use rekindle::engine::encode::SuggestionKind;
use rekindle::engine::{
    Effects, Engine, EngineSettings, EngineStats, Notice, OutValue, Record, Restoring, StateTopic, Topic, encode,
};
use rekindle::model::ids::{SessionId, TenantId};
use rekindle::model::position::{Offset, PartitionId, Position};
use rekindle::model::suggestion::{Publication, Suggestion};
use rekindle::model::time::EventTime;
use rekindle::model::verdict::{RejectReason, Rejection, Verdict};
use serde_json::{Value, json};

use super::events::settings;

/// Bytes by topic and key, as a fully compacted log would hold them.
pub type Topics = BTreeMap<(Topic, Vec<u8>), Vec<u8>>;

/// Everything a run put out.
pub struct Run {
    /// Suggestions and dead letters in order: topic, key, value, headers as text.
    pub stream: Vec<String>,
    /// What `process` said, in order.
    pub verdicts: Vec<String>,
    /// What was noticed, as text.
    pub notices: Vec<String>,
    /// The state topics at the end.
    pub topics: Topics,
    /// The sessions at the end.
    pub sessions: Vec<Value>,
    /// The gauges at the end.
    pub stats: EngineStats,
}

/// Hands one event to an engine.
pub fn process(engine: &mut Engine, offset: usize, event: &Value, effects: &mut Effects) -> Verdict {
    let bytes = event.to_string().into_bytes();
    let timestamp = event.get("_timestamp").and_then(Value::as_i64).map(EventTime);
    let record = Record {
        position: Position { partition: PartitionId(0), offset: Offset(offset as i64) },
        timestamp,
        key: None,
        value: Some(&bytes),
        traceparent: None,
        writer: None,
    };
    if let Some(id) = event.get("_schema").and_then(Value::as_u64) {
        let text = (id % 3 > 0).then(|| format!("text {}", id % 3));
        engine.resolved(record.position, (id / 3) as u32, text.as_deref(), effects);
    }
    if event.get("_refused").is_some() {
        return engine.refuse(record, Rejection::new(RejectReason::Poison, "it was so decided"), effects);
    }
    engine.process(record, effects)
}

/// What becomes of the engine after a batch.
pub enum After {
    /// It goes on.
    GoesOn,
    /// It is thrown away, and another one restored, under these settings.
    Restored(EngineSettings),
    /// It goes on under these settings.
    Adopts(EngineSettings),
}

/// Processes all events in batches of the given sizes (repeated as needed); after a batch whose flag is set
/// the engine is thrown away and restored.
pub fn run_in_batches(events: &[Value], batches: &[usize], restarts: &[bool]) -> Run {
    run_under(events, batches, |batch| {
        if restarts[batch % restarts.len()] { After::Restored(settings()) } else { After::GoesOn }
    })
}

/// The same with whatever `after` says of each batch.
pub fn run_under(events: &[Value], batches: &[usize], after: impl Fn(usize) -> After) -> Run {
    run_from(settings(), events, batches, after)
}

/// The same, beginning with these settings.
pub fn run_from(begin: EngineSettings, events: &[Value], batches: &[usize], after: impl Fn(usize) -> After) -> Run {
    let mut engine = Engine::new(Arc::new(begin), PartitionId(0), 1);
    let mut run = Run {
        stream: Vec::new(),
        verdicts: Vec::new(),
        notices: Vec::new(),
        topics: Topics::new(),
        sessions: Vec::new(),
        stats: EngineStats::default(),
    };
    let mut effects = Effects::new();
    let mut next = 0;
    for batch in 0.. {
        if next == events.len() {
            break;
        }
        let end = (next + batches[batch % batches.len()]).min(events.len());
        for (offset, event) in events.iter().enumerate().take(end).skip(next) {
            run.verdicts.push(verdict_text(&process(&mut engine, offset, event, &mut effects)));
        }
        next = end;
        engine.seal(Offset(next as i64), &mut effects);
        publish(&mut run, &mut effects);
        match after(batch) {
            After::GoesOn => {}
            After::Adopts(settings) => engine.adopt(Arc::new(settings)),
            After::Restored(settings) => engine = restored(&run.topics, settings, next),
        }
    }
    run.stats = engine.stats();
    run.sessions = engine.sessions().iter().map(|view| encode::state_json(view, true)).collect();
    run
}

fn restored(topics: &Topics, settings: EngineSettings, next: usize) -> Engine {
    let mut restoring = Restoring::new(Arc::new(settings), PartitionId(0), 1);
    for ((topic, key), value) in topics {
        let topic = match topic {
            Topic::States => StateTopic::States,
            Topic::Vectors => StateTopic::Vectors,
            _ => StateTopic::Bookkeeping,
        };
        restoring.apply(topic, key, Some(value));
    }
    restoring.finish(Some(Offset(next as i64))).expect("what was published restores").0
}

/// The suggestions that were published, but for revocations that say too little to be one.
pub fn suggestions(effects: &Effects) -> Vec<(Suggestion, Publication)> {
    let read = |record: OutRecord<'_>| {
        let kind = match record.topic {
            Topic::Recovery => SuggestionKind::Recovery,
            Topic::Transfer => SuggestionKind::Transfer,
            _ => return None,
        };
        let OutValue::Avro(body) = record.value else { panic!("not Avro: {:?}", record.value) };
        encode::decode_suggestion(kind, body).ok()
    };
    effects.stream().filter_map(read).collect()
}

/// Rates of which enough was observed for estimates to go by them.
pub fn learnt_rates(topics: &Topics) -> usize {
    let factor = |body: &Vec<u8>| match encode::decode_row(body) {
        Ok(encode::Row::Calibration(row)) => row.observed.factor(),
        _ => None,
    };
    topics.iter().filter(|((topic, _), body)| *topic == Topic::Bookkeeping && factor(body).is_some()).count()
}

fn publish(run: &mut Run, effects: &mut Effects) {
    for record in effects.records() {
        let compacted = matches!(record.topic, Topic::States | Topic::Vectors | Topic::Bookkeeping);
        if !compacted {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let headers: Vec<_> = record.headers.iter().map(|(name, value)| (name, text(value))).collect();
            let key = record.key.map(text);
            let text = format!("{:?} {key:?} {headers:?} {:?}", record.topic, record.value);
            run.stream.push(text);
            continue;
        }
        let key = (record.topic, record.key.expect("compacted records have keys").to_vec());
        match record.value {
            OutValue::Avro(body) => {
                run.topics.insert(key, body.to_vec());
            }
            OutValue::Tombstone => {
                run.topics.remove(&key);
            }
            other => panic!("not a state record: {other:?}"),
        }
    }
    for notice in &effects.notices {
        run.notices.push(match notice {
            Notice::Suggestion(kind, plan, status) => format!("{kind} {plan} {status}"),
            Notice::Outcome(_, _, outcome) => format!("outcome {}", outcome.label()),
            Notice::Forgotten => "forgotten".to_owned(),
            Notice::Ended(told) => format!("ended {}", told.outcome().map_or("", |outcome| outcome.label())),
            other => format!("{other:?}"),
        });
    }
    effects.clear();
}

fn verdict_text(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Rejected(reason) => format!("rejected: {reason}"),
        other => other.label().to_owned(),
    }
}

/// What the first law speaks of: all facets of all sessions, with prefix chains and embeddings.
pub fn facets_of(events: &[Value]) -> Vec<Value> {
    let mut engine = Engine::new(Arc::new(settings()), PartitionId(0), 1);
    let mut effects = Effects::new();
    for (offset, event) in events.iter().enumerate() {
        let verdict = process(&mut engine, offset, event, &mut effects);
        assert!(!matches!(verdict, Verdict::Rejected(_)), "{verdict:?}: {event}");
        effects.clear();
    }
    engine.sessions().iter().map(|view| with_the_rest(&engine, &view.tenant, &view.session, view)).collect()
}

fn with_the_rest(
    engine: &Engine,
    tenant: &TenantId,
    session: &SessionId,
    view: &rekindle::model::session::SessionView,
) -> Value {
    let mut state = encode::state_json(view, false);
    if let Value::Object(fields) = &mut state {
        fields.remove("gapped");
        fields.insert("vector".into(), json!(engine.vector(tenant, session).map(|v| format!("{v:?}"))));
        fields.insert("prefix".into(), json!(engine.prefix(tenant, session).map(|p| format!("{p:?}"))));
    }
    state
}
