//! Recovery with as many sessions as one instance may well hold. Named only: it takes minutes, and its figures are those
//! of an optimised build (`cargo test --release --test faults -- --kind kill-100k`).

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rekindle::engine::EngineSettings;
use rekindle::model::ids::Name;
use serde_json::json;

use super::Outcome;
use crate::protocol::Protocol;
use crate::run::was_killed;
use crate::stage::Stage;
use crate::support::clients::{eventually, produce};
use crate::support::events::{Dice, Event, now_ms};

const TENANTS: u64 = 100;
const SESSIONS_EACH: u64 = 1000;
/// As large as embeddings are: most of what a restore reads are vectors.
const DIM: usize = 768;

/// From the start after `kill -9` until the first commit, beside the time the group waits for the dead member.
const LIMIT: Duration = Duration::from_secs(5);

/// `kill -9` with 100,000 sessions; measures how long nothing is committed.
pub fn kill(stage: &mut Stage<'_>) -> Outcome {
    let spaces = [(Name::new("default").expect("a name"), DIM)].into();
    stage.settings.engine = EngineSettings { spaces, ..(*stage.settings.engine).clone() }.into();
    let mut dice = Dice::new(stage.dice.below(1 << 20));
    for tenant in 0..TENANTS {
        let events = sessions(&mut dice, tenant);
        let records = events.iter().map(|(key, value)| (key.as_str(), value.as_slice()));
        produce(&stage.settings.kafka.brokers, &stage.settings.topics.events, records);
    }
    let held = stage.ends().iter().sum::<i64>();
    let mut run = stage.start("a");
    while stage.consumed() < held {
        stage.until_more(1);
    }
    run.signal("KILL");
    if !was_killed(run.until_ended()) {
        return Outcome::Missed("it ended by itself".to_owned());
    }
    let before = stage.offsets();
    let begun = Instant::now();
    let again = stage.start("a");
    // A commit needs a restore; what is committed without one was prepared before the end.
    let committed = |enough: fn(&[bool]) -> bool| {
        let further = || stage.offsets().iter().zip(&before).map(|(now, before)| now > before).collect::<Vec<_>>();
        eventually("a commit", || again.said("restored") > 0 && enough(&further()), |so| *so);
        begun.elapsed()
    };
    let first = committed(|further| further.iter().any(|so| *so));
    let each = committed(|further| further.iter().all(|so| *so));
    let group = stage.protocol.session_timeout();
    let said = format!(
        "{} sessions, {} workers: first commit {first:.1?} after the start, every partition's {each:.1?}; \
         partitions were restored in {} ms; the group waited at most {group:?}",
        TENANTS * SESSIONS_EACH,
        stage.settings.workers,
        took(&again.text()).join(", "),
    );
    // Under the classic protocol a static member is let in again at once.
    let waits = if stage.protocol == Protocol::Consumer { group } else { Duration::ZERO };
    assert!(cfg!(debug_assertions) || first <= LIMIT + waits, "{said}");
    Outcome::Struck(said, vec![again])
}

/// Milliseconds of each restore, by its log.
fn took(log: &str) -> Vec<String> {
    let ms = |line: &str| Some(line.split_once("took_ms=")?.1.split(' ').next()?.to_owned());
    log.lines().filter(|line| line.contains("restored partition=")).filter_map(ms).collect()
}

/// A start and a turn of each of a tenant's sessions.
fn sessions(dice: &mut Dice, tenant: u64) -> Vec<Event> {
    let (tenant, at) = (format!("many-{tenant}"), now_ms() - 3_600_000);
    let event = |session: u64, kind: &str, mut body: serde_json::Value| {
        for (name, value) in [("event_id", format!("{kind}-{session}")), ("type", kind.to_owned())] {
            body[name] = value.into();
        }
        body["tenant_id"] = tenant.as_str().into();
        body["session_id"] = format!("m-{session}").into();
        body["occurred_at"] = at.into();
        (tenant.clone(), body.to_string().into_bytes())
    };
    let mut events = Vec::new();
    for session in 0..SESSIONS_EACH {
        let mut bytes = Vec::with_capacity(4 * DIM);
        (0..DIM).for_each(|_| bytes.extend((dice.below(2001) as f32 / 1000.0 - 1.0).to_le_bytes()));
        let started = json!({ "user_id": format!("u-{}", session % 100), "cache": { "namespace": "m/fp8" } });
        let turn = json!({ "turn": 1, "input_tokens": 2000, "output_tokens": 300, "worker": "w-1", "worker_epoch": 1,
            "cache": { "namespace": "m/fp8" },
            "context": { "space": "default", "vector": STANDARD.encode(bytes), "covers_turn": 1 } });
        events.push(event(session, "session_started", started));
        events.push(event(session, "turn_completed", turn));
    }
    events
}
