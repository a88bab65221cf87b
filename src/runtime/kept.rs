//! How long topics keep erased bytes, as the brokers describe them.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::http::port::KeptBy;
use crate::kafka::admin::Admin;
use crate::kafka::settings::{KafkaSettings, TopicSettings};
use crate::model::time::Millis;

/// Timeout of asking.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long an answer is good for.
const GOOD_FOR: Duration = Duration::from_secs(60);

/// What the topics say, asked for now and then.
pub(super) struct Kept {
    kafka: KafkaSettings,
    topics: TopicSettings,
    known: Mutex<Option<(Instant, Vec<KeptBy>)>>,
}

impl Kept {
    /// No broker is asked yet.
    pub fn new(kafka: KafkaSettings, topics: TopicSettings) -> Kept {
        Kept { kafka, topics, known: Mutex::default() }
    }

    /// Every topic that can hold a subject's bytes.
    pub fn topics(&self) -> Result<Vec<KeptBy>, String> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, topics)) = known.as_ref().filter(|(at, _)| at.elapsed() < GOOD_FOR) {
            return Ok(topics.clone());
        }
        let t = &self.topics;
        let names = [&t.events, &t.states, &t.vectors, &t.bookkeeping, &t.recovery, &t.transfer, &t.dead_letters];
        let names = names.map(String::as_str);
        let admin = Admin::new(&self.kafka).map_err(|fault| fault.to_string())?;
        let found = admin.configurations(names, PATIENCE).map_err(|fault| fault.to_string())?;
        let topics = names.iter().zip(&found).map(|(topic, found)| KeptBy {
            topic: (*topic).to_owned(),
            policy: found.get("cleanup.policy").unwrap_or_default().to_owned(),
            gone_within: gone_within(|name| found.get(name)),
        });
        let topics: Vec<KeptBy> = topics.collect();
        *known = Some((Instant::now(), topics.clone()));
        Ok(topics)
    }
}

/// From the last write on. By deletion: the segment that holds the last copy may grow for as long as segments do, and goes
/// when its latest record is as old as is kept. By compaction: what a tombstone or a newer value covers goes when that has
/// to be compacted. With both, what comes first.
pub(crate) fn gone_within<'c>(get: impl Fn(&str) -> Option<&'c str>) -> Result<Millis, String> {
    let policies = get("cleanup.policy").unwrap_or_default();
    let has = |policy: &str| policies.split(',').any(|listed| listed.trim() == policy);
    let bounded = |name: &str| match get(name).and_then(|value| value.parse::<i64>().ok()) {
        Some(ms) if (0..i64::MAX).contains(&ms) => Ok(ms),
        _ => Err(format!("{name} is {}", get(name).unwrap_or("not known"))),
    };
    let compacted = has("compact").then(|| bounded("max.compaction.lag.ms"));
    let deleted =
        has("delete").then(|| bounded("retention.ms").and_then(|ms| Ok(ms.saturating_add(bounded("segment.ms")?))));
    match (compacted, deleted) {
        (Some(Ok(one)), Some(Ok(other))) => Ok(Millis(one.min(other))),
        (Some(Ok(ms)), _) | (_, Some(Ok(ms))) => Ok(Millis(ms)),
        (Some(Err(why)), _) | (None, Some(Err(why))) => Err(why),
        (None, None) => Err(format!("cleanup.policy is {policies}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_for_ever_says_why() {
        let never = i64::MAX.to_string();
        let check = |policy: &str, retention: &str, lag: &str, expected: Result<i64, &str>| {
            let found = gone_within(|name| match name {
                "cleanup.policy" => Some(policy),
                "retention.ms" => Some(retention),
                "segment.ms" => Some("10"),
                "max.compaction.lag.ms" => Some(lag),
                _ => None,
            });
            assert_eq!(found, expected.map(Millis).map_err(str::to_owned), "{policy} {retention} {lag}");
        };
        check("delete", "500", &never, Ok(510));
        check("delete", "-1", "60", Err("retention.ms is -1"));
        check("compact", "500", "60", Ok(60));
        check("compact", "500", &never, Err("max.compaction.lag.ms is 9223372036854775807"));
        check("compact,delete", "500", "600", Ok(510));
        check("compact, delete", "-1", "60", Ok(60));
        check("delete", &never, "60", Err("retention.ms is 9223372036854775807"));
        check("", "500", "60", Err("cleanup.policy is "));
        assert!(gone_within(|_| None).is_err());
    }
}
