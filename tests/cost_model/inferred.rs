//! What a session's next turn says of what was suggested to it.

use rekindle::engine::{EngineSettings, Notice};
use rekindle::model::verdict::Verdict;
use serde_json::{Value, json};

use super::bench::{BASE, Bench, copy, interrupted, turn};

/// A session with a copy of 2,000 tokens that was broken off.
fn broken_off(tier: &str) -> Bench {
    let mut bench = Bench::new(EngineSettings::default());
    bench.send("s", json!({"type": "session_started", "cache": {"namespace": "m"}}));
    bench.send("s", turn(1, json!({"kv_cache": copy(tier), "worker": "w-1"})));
    bench.send("s", interrupted());
    let opened = bench.published();
    assert_eq!(opened.len(), 1, "{opened:?}");
    bench
}

/// What became of the suggestion that `events` follow: status, and outcome or reason.
fn fate(published: &[Value]) -> Vec<String> {
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let ended = published.iter().filter(|s| s["status"] != "open");
    ended.map(|s| format!("{} {}", word(&s["status"]), word(s.get("outcome").unwrap_or(&s["reason"])))).collect()
}

#[test]
fn the_next_turn_says_how_much_of_a_copy_was_used() {
    for (tier, more, expected) in [
        ("warm", json!({"cached_tokens": 2000}), "closed restored"),
        ("warm", json!({"cached_tokens": 1800}), "closed restored"),
        ("warm", json!({"cached_tokens": 1799}), "closed partial"),
        ("warm", json!({"cached_tokens": 201}), "closed partial"),
        ("warm", json!({"cached_tokens": 200}), "closed ignored"),
        ("warm", json!({"cached_tokens": 0, "worker": "w-1"}), "closed ignored"),
        // Of a context that was cut down only that much can be used.
        ("warm", json!({"input_tokens": 100, "cached_tokens": 90}), "closed restored"),
        ("warm", json!({"input_tokens": 100, "cached_tokens": 89}), "closed partial"),
        ("warm", json!({"input_tokens": 0, "cached_tokens": 0}), "revoked resumed"),
        // Elsewhere the tokens may be cached too.
        ("hot", json!({"cached_tokens": 1900, "worker": "w-1"}), "closed restored"),
        ("hot", json!({"cached_tokens": 1900, "worker": "w-2"}), "closed restored"),
        ("hot", json!({"cached_tokens": 0, "worker": "w-2"}), "closed ignored"),
        // Without tokens the worker says whether a session went where its copy lies.
        ("hot", json!({"worker": "w-1"}), "closed restored"),
        ("hot", json!({"worker": "w-2"}), "closed ignored"),
        ("hot", json!({}), "revoked resumed"),
        ("warm", json!({"worker": "w-1"}), "revoked resumed"),
    ] {
        let mut bench = broken_off(tier);
        bench.send("s", turn(2, more.clone()));
        assert_eq!(fate(&bench.published()), [expected], "{tier} {more}");
    }
}

#[test]
fn what_the_turn_tells_is_published_beside_the_estimate() {
    let mut bench = broken_off("warm");
    bench.send("s", turn(2, json!({"input_tokens": 2400, "cached_tokens": 1900, "ttft_ms": 95.5})));
    let closed = &bench.published()[0];
    // 2,400 tokens at 8,000 a second take 300 ms.
    assert_eq!(
        closed["actual"],
        json!({"restored_tokens": 1900, "recomputed_tokens": 500, "restore_ms": null, "ttft_ms": 95.5,
               "saved_ms": 204.5, "basis": "inferred"})
    );
    // 2,000 tokens of 128 KiB at 10 GB/s, and 10 ms.
    assert_eq!(
        closed["estimate"],
        json!({"restore_ms": 36.2144, "recompute_ms": 250.0, "saved_ms": 213.7856, "basis": "configured"})
    );
    let numbers = bench.notices.iter().filter(|n| matches!(n, Notice::Predicted(..) | Notice::Saved(..)));
    let expected = [Notice::Predicted(213.7856, "inferred"), Notice::Saved(204.5, "inferred")];
    assert!(numbers.eq(&expected), "{:?}", bench.notices);
}

#[test]
fn what_was_not_used_saves_nothing() {
    for (event, saved) in [
        (turn(2, json!({"cached_tokens": 0, "ttft_ms": 95.5})), Value::Null),
        (json!({"type": "session_resumed", "outcome": "failed", "restore_ms": 30.0}), json!(-30.0)),
        (json!({"type": "session_resumed", "outcome": "partial", "restore_ms": 30.0}), Value::Null),
        (
            json!({"type": "session_resumed", "outcome": "partial", "restored_tokens": 1000, "restore_ms": 30.0}),
            json!(95.0),
        ),
        (json!({"type": "session_resumed", "outcome": "restored", "restore_ms": 30.0}), json!(220.0)),
    ] {
        let mut bench = broken_off("warm");
        bench.send("s", event.clone());
        assert_eq!(bench.published()[0]["actual"]["saved_ms"], saved, "{event}");
    }
}

#[test]
fn a_session_that_goes_on_took_up_its_own_context_and_another_one_only_if_it_says_so() {
    let started = |more: Value| {
        let mut event = json!({"type": "session_started", "user_id": "u"});
        event.as_object_mut().expect("an object").extend(more.as_object().cloned().expect("an object"));
        event
    };
    let next = || json!({"type": "turn_completed", "turn": 1, "input_tokens": 5, "output_tokens": 1, "user_id": "u"});
    // Its own.
    let mut bench = Bench::new(EngineSettings::default());
    bench.send("s", started(json!({})));
    bench.send("s", next());
    bench.send("s", interrupted());
    bench.send("s", next());
    assert_eq!(fate(&bench.published()), ["closed restored"]);
    // An earlier one's: the user broke it off, and starts anew. What is suggested to the earlier one ends as it is taken up.
    let resumed = json!({"type": "session_resumed", "user_id": "u", "from_session_id": "s", "outcome": "partial"});
    for (more, expected, later) in [
        (json!({}), &[][..], &["closed partial", "revoked resumed"][..]),
        (json!({"continues_session_id": "s"}), &["closed restored"], &[]),
    ] {
        let mut bench = Bench::new(EngineSettings::default());
        bench.send("s", started(json!({})));
        bench.send("s", next());
        bench.send("s", interrupted());
        bench.published();
        bench.send("t", started(more.clone()));
        let opened: Vec<_> = bench.published().into_iter().filter(|s| s["session_id"] == "t").collect();
        assert_eq!((opened.len(), &opened[0]["source"]["session_id"]), (1, &json!("s")), "{opened:?}");
        bench.send("t", next());
        assert_eq!(fate(&bench.published()), expected, "{more}");
        bench.send("t", resumed.clone());
        assert_eq!(fate(&bench.published()), later, "{more}");
    }
    // Or the turn names what it acted on.
    let mut bench = Bench::new(EngineSettings::default());
    bench.send("s", started(json!({})));
    bench.send("s", next());
    bench.send("s", interrupted());
    bench.published();
    bench.send("t", started(json!({})));
    let opened = bench.published();
    let mut named = next();
    named["suggestion_id"] = opened[0]["suggestion_id"].clone();
    bench.send("t", named);
    assert_eq!(fate(&bench.published()), ["closed restored"]);
}

#[test]
fn an_adapter_counts_if_it_is_in_use() {
    for (adapter, expected) in [
        (json!({"id": "lora", "version": "3"}), "closed restored"),
        (json!({"id": "lora", "version": "4"}), "closed ignored"),
        (Value::Null, "closed ignored"),
    ] {
        let mut bench = Bench::new(EngineSettings::default());
        let started = json!({"type": "session_started", "user_id": "u"});
        bench.send("s", started.clone());
        bench.send("s", json!({"type": "adapter_activated", "adapter_id": "lora", "version": "3", "user_id": "u"}));
        bench.send("s", interrupted());
        bench.published();
        bench.send("t", json!({"type": "session_started", "user_id": "u", "continues_session_id": "s"}));
        let opened = bench.published();
        assert!(opened.iter().any(|s| s["plan"] == "adapter_only" && s["session_id"] == "t"), "{opened:?}");
        let mut next = turn(1, json!({}));
        if !adapter.is_null() {
            next["adapter"] = adapter.clone();
        }
        bench.send("t", next);
        assert_eq!(fate(&bench.published()), [expected], "{adapter}");
    }
}

#[test]
fn only_a_later_turn_tells_and_only_once() {
    let mut bench = broken_off("warm");
    let mut late = turn(2, json!({"cached_tokens": 2000}));
    for (field, value) in [("event_id", "late"), ("tenant_id", "acme"), ("session_id", "s")] {
        late[field] = json!(value);
    }
    late["occurred_at"] = json!(BASE + 2500);
    bench.process(&late);
    assert_eq!(fate(&bench.published()), [""; 0], "the turn was over before the interruption");
    late["occurred_at"] = json!(BASE + 3500);
    late["event_id"] = json!("next");
    bench.process(&late);
    assert_eq!(fate(&bench.published()), ["closed restored"]);
    bench.send("s", interrupted());
    assert_eq!(bench.published().len(), 1, "broken off again");
    let outcomes = |bench: &Bench| bench.notices.iter().filter(|n| matches!(n, Notice::Outcome(..))).count();
    let before = outcomes(&bench);
    assert_eq!(bench.process(&late), Verdict::Duplicate);
    assert_eq!((fate(&bench.published()), outcomes(&bench)), (Vec::new(), before), "it came again");
    // What is reported comes too late for what a turn closed, and is of the next one.
    bench.send("s", turn(3, json!({"cached_tokens": 0})));
    bench.send("s", json!({"type": "session_resumed", "outcome": "restored"}));
    assert_eq!(fate(&bench.published()), ["closed ignored"]);
}
