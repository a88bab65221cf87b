//! Answers of several instances become one, by the rules by which partitions of one instance do. Works on answers as they
//! are told.

use std::cmp::Reverse;

use serde_json::{Map, Value, json};

use crate::model::kv::Tier;
use crate::model::position::PartitionId;
use crate::model::time::EventTime;

/// A list whose parts can be put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    /// The nearest sessions.
    Hits,
    /// Sessions that hold the beginning of a chain.
    Matches,
}

impl List {
    fn name(self) -> &'static str {
        match self {
            List::Hits => "hits",
            List::Matches => "matches",
        }
    }

    fn sort(self, entries: &mut [Value]) {
        match self {
            List::Hits => entries.sort_by(|one, other| {
                let by_similarity = number(&other["similarity"]).total_cmp(&number(&one["similarity"]));
                by_similarity.then_with(|| one["session_id"].as_str().cmp(&other["session_id"].as_str()))
            }),
            List::Matches => entries.sort_by_cached_key(|entry| {
                let word = entry["kv_cache"]["tier"].as_str();
                let tier = word.and_then(|word| Tier::ALL.iter().copied().find(|tier| tier.label() == word));
                let live = entry["kv_cache"].is_object();
                let session = entry["session_id"].as_str().map(str::to_owned);
                Reverse((entry["depth"].as_u64(), live, Reverse(tier), entry["last_active"].as_i64(), session))
            }),
        }
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NEG_INFINITY)
}

/// One list of those of several instances, at most this long.
pub(super) fn lists(list: List, answers: Vec<Value>, most: usize) -> Value {
    let (mut entries, mut shards) = (Vec::new(), Vec::new());
    for mut answer in answers {
        let own = (answer["as_of"].take(), answer["lag"].take());
        match answer["shards"].take() {
            Value::Array(of_answer) => shards.extend(of_answer),
            _ => {
                let (as_of, lag) = own;
                let of = |name: &str| (name.to_owned(), as_of[name].clone());
                let mut shard: Map<String, Value> =
                    ["partition", "offset", "stream_time"].map(of).into_iter().collect();
                shard.insert("lag".to_owned(), lag);
                shards.push(shard.into());
            }
        }
        if let Value::Array(of_answer) = answer[list.name()].take() {
            entries.extend(of_answer);
        }
    }
    list.sort(&mut entries);
    entries.truncate(most);
    let mut merged = json!({list.name(): entries});
    place(&mut merged, shards);
    merged
}

/// Says which part of the log is covered: what the least far partition has folded, and each of them.
fn place(merged: &mut Value, mut shards: Vec<Value>) {
    shards.sort_by_key(|shard| shard["partition"].as_i64());
    let reached = |shard: &&Value| shard["stream_time"].as_i64().unwrap_or(EventTime::MIN.0);
    if let Some(least) = shards.iter().min_by_key(reached) {
        let of = |name: &str| (name.to_owned(), least[name].clone());
        merged["as_of"] = ["partition", "offset", "stream_time"].map(of).into_iter().collect::<Map<_, _>>().into();
    }
    let lags: Option<Vec<i64>> = shards.iter().map(|shard| shard["lag"].as_i64()).collect();
    merged["lag"] = lags.and_then(|lags| lags.into_iter().max()).into();
    merged["shards"] = shards.into();
}

/// What an instance says of an erasure in its partitions, or why it says nothing.
pub(super) type Told = (Vec<PartitionId>, Result<Value, String>);

/// The states of an erasure, of which the last that occurs counts.
const STATES: [&str; 4] = ["done", "unknown", "pending", "refused"];
/// Said of a topic while the erasure is not done.
pub(super) const NOT_DONE: &str = "the erasure is not done";

/// How far an erasure has come in all partitions: what is told here, with what others tell of theirs. `now`: ms.
pub(super) fn erasure(mut here: Value, others: Vec<Told>, now: i64) -> Value {
    for (partitions, told) in others {
        for partition in partitions {
            let is_it = |one: &&mut Value| one["partition"] == partition.0;
            let Some(one) = here["partitions"].as_array_mut().and_then(|all| all.iter_mut().find(is_it)) else {
                continue;
            };
            match &told {
                Ok(told) => {
                    let theirs = told["partitions"].as_array().into_iter().flatten();
                    if let Some(theirs) = theirs.into_iter().find(|one| one["partition"] == partition.0) {
                        *one = theirs.clone();
                    }
                }
                Err(cause) => one["detail"] = cause.as_str().into(),
            }
        }
    }
    let of = |one: &Value| STATES.iter().position(|state| one["state"] == *state);
    let overall = here["partitions"].as_array().into_iter().flatten().filter_map(of).max().unwrap_or_default();
    here["state"] = STATES[overall].into();
    for topic in here["topics"].as_array_mut().into_iter().flatten().filter(|_| overall == 0) {
        if let Some(within) = topic["gone_within_ms"].as_i64().filter(|_| topic["reason"] == NOT_DONE) {
            topic["gone_by"] = now.saturating_add(within).into();
            topic["reason"] = Value::Null;
        }
    }
    here
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(partition: i32, stream_time: Option<i64>, lag: Option<i64>, list: Value) -> Value {
        let mut answer =
            json!({"as_of": {"partition": partition, "offset": 7, "stream_time": stream_time}, "lag": lag});
        answer.as_object_mut().expect("one").extend(list.as_object().expect("one").clone());
        answer
    }

    fn ids(answer: &Value, list: &str) -> Vec<String> {
        let entries = answer[list].as_array().expect("a list").iter();
        entries.map(|entry| entry["session_id"].as_str().expect("an id").to_owned()).collect()
    }

    #[test]
    fn the_nearest_come_first_and_ties_go_by_session() {
        let hits = |hits: &[(&str, f64)]| {
            let hits: Vec<_> = hits.iter().map(|(id, s)| json!({"session_id": id, "similarity": s})).collect();
            json!({"hits": hits})
        };
        let one = || answer(1, Some(50), Some(2), hits(&[("b", 0.5), ("d", 0.25)]));
        let other = || answer(0, Some(60), Some(9), hits(&[("e", 0.75), ("a", 0.5), ("c", -0.5)]));
        let merged = lists(List::Hits, vec![one(), other()], 4);
        assert_eq!(ids(&merged, "hits"), ["e", "a", "b", "d"]);
        assert_eq!(ids(&lists(List::Hits, vec![other(), one()], 9), "hits"), ["e", "a", "b", "d", "c"]);
        assert_eq!(merged["as_of"], json!({"partition": 1, "offset": 7, "stream_time": 50}));
        assert_eq!(merged["lag"], 9);
        let shard = |p, t, lag| json!({"partition": p, "offset": 7, "stream_time": t, "lag": lag});
        assert_eq!(merged["shards"], json!([shard(0, 60, 9), shard(1, 50, 2)]));
        // What was merged already is merged with more.
        let third = answer(2, None, None, hits(&[]));
        let all = lists(List::Hits, vec![merged, third], 4);
        assert_eq!(
            (&all["as_of"]["partition"], &all["lag"], all["shards"].as_array().map(Vec::len)),
            (&json!(2), &Value::Null, Some(3))
        );
    }

    #[test]
    fn matches_are_in_the_order_that_is_promised() {
        let matches = |entries: &[(&str, u64, Option<&str>, Option<i64>)]| {
            let told = |(id, depth, tier, at): &(&str, u64, Option<&str>, Option<i64>)| {
                let copy = tier.map(|tier| json!({"tier": tier}));
                json!({"session_id": id, "depth": depth, "kv_cache": copy, "last_active": at})
            };
            json!({"matches": entries.iter().map(told).collect::<Vec<_>>()})
        };
        let one = matches(&[("f", 2, Some("cold"), Some(9)), ("c", 2, None, Some(9)), ("x", 1, Some("hot"), Some(9))]);
        let other = matches(&[
            ("a", 3, None, None),
            ("d", 2, Some("hot"), Some(5)),
            ("g", 2, Some("hot"), Some(5)),
            ("e", 2, Some("hot"), Some(6)),
        ]);
        let merged = lists(List::Matches, vec![answer(0, Some(1), None, one), answer(1, Some(1), None, other)], 6);
        assert_eq!(ids(&merged, "matches"), ["a", "e", "g", "d", "f", "c"]);
    }

    #[test]
    fn an_erasure_is_done_where_it_is_everywhere() {
        let told = |states: [&str; 3]| {
            let one = |(p, state): (usize, &&str)| json!({"partition": p, "state": state});
            let topics = json!([{"gone_within_ms": 5, "gone_by": null, "reason": NOT_DONE},
                {"gone_within_ms": null, "gone_by": null, "reason": "never"}]);
            json!({"state": "unknown", "partitions": states.iter().enumerate().map(one).collect::<Vec<_>>(),
                "topics": topics})
        };
        let here = || told(["done", "unknown", "unknown"]);
        let others = |state| vec![(vec![PartitionId(1), PartitionId(2)], Ok(told(["pending", "done", state])))];
        let done = erasure(here(), others("done"), 100);
        assert_eq!((&done["state"], &done["topics"][0]["gone_by"]), (&json!("done"), &json!(105)));
        assert_eq!(done["topics"][1]["reason"], "never");
        let refused = erasure(here(), others("refused"), 100);
        assert_eq!((&refused["state"], &refused["topics"][0]["gone_by"]), (&json!("refused"), &Value::Null));
        let silent = erasure(here(), vec![(vec![PartitionId(2)], Err("it is silent".to_owned()))], 100);
        assert_eq!((&silent["state"], &silent["partitions"][2]["detail"]), (&json!("unknown"), &json!("it is silent")));
    }
}
