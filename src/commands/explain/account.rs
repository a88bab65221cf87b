//! Everything there is to say of a suggestion, before it is written down.

use rekindle::engine::settings::Policy;
use rekindle::engine::suggest::score::pays;
use rekindle::engine::suggest::terms::Parts;
use rekindle::engine::{Considered, Engine, EngineSettings, SearchHit};
use rekindle::model::score::{Score, Weights};
use rekindle::model::suggestion::RejectedCandidate;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::{Found, Published};

/// How a suggestion stands at the end of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Something was published of it later.
    Told,
    /// It ran out, of which nothing is published: readers know the instant.
    RanOut,
    /// It still holds.
    Open,
}

impl Standing {
    /// By what was published of it, and by the stream time of its partition.
    pub fn at_the_end(record: &Published, life: &[Published], engines: &[Engine]) -> Standing {
        if !life.is_empty() {
            return Standing::Told;
        }
        let now = engines.get(record.at.partition.0 as usize).map(|engine| engine.stream_time().0);
        let until = record.value["valid_until"].as_i64();
        if now.zip(until).is_some_and(|(now, until)| until <= now) { Standing::RanOut } else { Standing::Open }
    }

    /// A word for it.
    pub fn label(self) -> &'static str {
        match self {
            Standing::Told => "told",
            Standing::RanOut => "expired",
            Standing::Open => "open",
        }
    }
}

/// A candidate, what became of it, and why.
#[derive(Debug, Serialize)]
pub struct Candidate {
    /// Where from.
    pub session_id: String,
    /// What could be done with it.
    pub plan: &'static str,
    /// On what ground.
    pub basis: &'static str,
    /// What became of it.
    pub fate: &'static str,
    /// Its score.
    pub score: Parts,
}

/// A suggestion explained.
pub struct Account {
    /// The suggestion.
    pub record: Published,
    /// Whether it is known what was weighed.
    pub observed: bool,
    /// In the order in which one is preferred to the next.
    pub candidates: Vec<Candidate>,
    /// Not scored at all, and why.
    pub rejected: Vec<RejectedCandidate>,
    /// Asked for a transfer, best first.
    pub asked: Vec<(SearchHit, Score)>,
    /// The policy's.
    pub weights: Weights,
    /// The policy's.
    pub floor: f64,
    /// What was published of it later.
    pub life: Vec<Published>,
    /// How it stands at the end.
    pub standing: Standing,
}

impl Account {
    /// Puts together what was found.
    pub fn new(found: Found, life: Vec<Published>, standing: Standing, settings: &EngineSettings) -> Account {
        let policy = &settings.policy;
        let Found { record, weighing } = found;
        let transfer = record.value["kind"] == "transfer";
        let weights = if transfer { &policy.transfer_weights } else { &policy.weights }.clone();
        let observed = weighing.is_some();
        let (candidates, rejected, asked) =
            weighing.map_or_else(Default::default, |w| (w.candidates, w.rejected, w.asked));
        let told = |considered: Considered| Candidate {
            fate: fate(&considered, &record.value, policy),
            session_id: considered.session.as_str().to_owned(),
            plan: considered.plan,
            basis: considered.basis.label(),
            score: Parts::of(&considered.score, &weights),
        };
        let candidates = candidates.into_iter().map(told).collect();
        Account { record, observed, candidates, rejected, asked, weights, floor: policy.floor, life, standing }
    }

    /// The account as one object. The suggestion in it has the bytes that were published.
    pub fn json(&self) -> anyhow::Result<Document<'_>> {
        let rejected = self.rejected.iter();
        let asked = self.asked.iter();
        let life = self.life.iter().map(|record| {
            let Published { line, at, json, .. } = record;
            let record = RawValue::from_string(json.clone())?;
            Ok(Later { line: *line, partition: at.partition.0, offset: at.offset.0, record })
        });
        Ok(Document {
            suggestion: RawValue::from_string(self.record.json.clone())?,
            trigger: self.trigger(),
            candidates: &self.candidates,
            rejected: rejected.map(|r| json!({"session_id": r.session.as_str(), "reason": r.reason.label()})).collect(),
            asked: asked.map(|(hit, score)| asked_json(hit, score)).collect(),
            floor: self.floor,
            weights: self.weights.list().into_iter().map(|(name, weight)| (name.to_owned(), json!(weight))).collect(),
            life: life.collect::<anyhow::Result<_>>()?,
            standing: self.standing.label(),
        })
    }

    /// What set it off, with the input record at which it was decided.
    fn trigger(&self) -> Value {
        let Published { line, at, value, .. } = &self.record;
        let mut trigger = value["trigger"].clone();
        trigger["partition"] = at.partition.0.into();
        trigger["offset"] = at.offset.0.into();
        trigger["line"] = (*line).into();
        trigger
    }
}

fn asked_json(hit: &SearchHit, score: &Score) -> Value {
    json!({"session_id": hit.session.as_str(), "similarity": hit.similarity, "score": score.total})
}

fn fate(candidate: &Considered, suggestion: &Value, policy: &Policy) -> &'static str {
    let session = candidate.session.as_str();
    let chosen = suggestion["source"]["session_id"] == session && suggestion["plan"] == candidate.plan;
    let named = |list: &Value| list.as_array().is_some_and(|all| all.iter().any(|one| one["session_id"] == session));
    match () {
        () if chosen => "chosen",
        () if candidate.score.total < policy.floor => "below_floor",
        () if !pays(policy, &candidate.score, candidate.estimate.as_ref()) => "does_not_pay",
        () if suggestion["kind"] == "transfer" => "other_plan",
        () if named(&suggestion["alternatives"]) => "alternative",
        () => "unlisted",
    }
}

/// What is printed as JSON.
#[derive(Serialize)]
pub struct Document<'a> {
    suggestion: Box<RawValue>,
    trigger: Value,
    candidates: &'a [Candidate],
    rejected: Vec<Value>,
    asked: Vec<Value>,
    floor: f64,
    weights: Map<String, Value>,
    life: Vec<Later>,
    standing: &'static str,
}

#[derive(Serialize)]
struct Later {
    line: u64,
    partition: i32,
    offset: i64,
    record: Box<RawValue>,
}
