//! What a chain leads to, case by case: which session a query means, how much of a copy fits, and who is never named.

use std::sync::Arc;

use rekindle::engine::{Effects, Engine, EngineSettings, Record, RecoveryQuery};
use rekindle::model::event::ResumeRequested;
use rekindle::model::ids::{Name, SessionId, TenantId, UserId};
use rekindle::model::kv::CacheIdentity;
use rekindle::model::position::{Offset, PartitionId, Position};
use rekindle::model::prefix::{PrefixFamily, PrefixUpdate};
use rekindle::model::suggestion::{Advice, Recovery};
use rekindle::model::verdict::Verdict;
use serde_json::{Value, json};

const AT: i64 = 1_762_340_000_000;

fn cache() -> Value {
    json!({"namespace": "m/fp8"})
}

/// A session of one turn with a chain of blocks of 256 tokens, and a hot copy of so many tokens if there is one.
fn session(id: &str, user: &str, scope: &str, chain: &[u64], copy: Option<u64>) -> [Value; 2] {
    let hashes: Vec<String> = chain.iter().map(|hash| format!("{hash:x}")).collect();
    let copy = copy.map(|tokens| {
        json!({
            "tier": "hot", "location": {"memory": {"offset": 0}}, "cached_tokens": tokens, "created_at": AT,
            "quantization": {"quantized_store": {"precision": "Q8", "compression_ratio": 2.0}}, "cache": cache(),
        })
    });
    [
        json!({"type": "session_started", "session_id": id, "user_id": user, "transfer_scope": scope, "cache": cache()}),
        json!({"type": "turn_completed", "session_id": id, "user_id": user, "turn": 1, "kv_cache": copy,
            "input_tokens": chain.len() * 256, "output_tokens": 10,
            "prefix": {"algorithm": "sha", "block_tokens": 256, "hashes": hashes}}),
    ]
}

fn engine(sessions: &[[Value; 2]]) -> Engine {
    let mut engine = Engine::new(Arc::new(EngineSettings::default()), PartitionId(0), 1);
    let mut effects = Effects::new();
    for (n, event) in sessions.iter().flatten().enumerate() {
        let mut event = event.clone();
        event["event_id"] = json!(format!("e-{n}"));
        event["tenant_id"] = json!("acme");
        event["occurred_at"] = json!(AT + n as i64 * 1000);
        let bytes = event.to_string().into_bytes();
        let position = Position { partition: PartitionId(0), offset: Offset(n as i64) };
        let record =
            Record { position, timestamp: None, key: None, value: Some(&bytes), traceparent: None, writer: None };
        assert_eq!(engine.process(record, &mut effects), Verdict::Applied, "{event}");
    }
    engine
}

fn query(session: Option<&str>, user: Option<&str>, identity: bool, from: u64, chain: &[u64]) -> RecoveryQuery {
    let name = |text: &str| Name::new(text).unwrap();
    let family = PrefixFamily { algorithm: name("sha"), block_tokens: 256, stride: 1 };
    let cache = CacheIdentity { namespace: name("m/fp8"), adapter: None, salt_id: None };
    let prefix = PrefixUpdate { family, from_block: from, hashes: chain.to_vec() };
    RecoveryQuery {
        tenant: TenantId::new("acme").unwrap(),
        session: session.map(|id| SessionId::new(id).unwrap()),
        user: user.map(|id| UserId::new(id).unwrap()),
        request: ResumeRequested { cache: identity.then_some(cache), prefix: Some(prefix), context: None },
        candidate_workers: None,
    }
}

/// Whom an answer is for, by what, from whom, tokens matched and missing; the sessions named beside.
fn told(engine: &Engine, query: &RecoveryQuery) -> Option<(String, Vec<String>)> {
    let answer = engine.recovery(query)?;
    let Advice::Recovery(r) = answer.advice else { panic!("a recovery") };
    let Recovery { plan, basis, matched_tokens: matched, missing_tokens: missing, source, .. } = *r;
    let tokens = matched.zip(missing).map_or("-".to_owned(), |(matched, missing)| format!("{matched}+{missing}"));
    let text = format!("{}: {} {} of {}, {tokens}", answer.session, plan.label(), basis.label(), source.session);
    let others = r.alternatives.iter().map(|a| &a.session).chain(r.rejected.iter().map(|r| &r.session));
    Some((text, others.map(ToString::to_string).collect()))
}

fn check(engine: &Engine, query: RecoveryQuery, expected: Option<(&str, &[&str])>) {
    let found = told(engine, &query);
    let found = found.as_ref().map(|(text, others)| (&text[..], others.iter().map(|id| &id[..]).collect::<Vec<_>>()));
    assert_eq!(found, expected.map(|(text, others)| (text, others.to_vec())), "{query:?}");
}

#[test]
fn a_chain_names_the_session_it_goes_on_with() {
    let engine = engine(&[
        session("long", "u-1", "tenant", &[1, 2, 3, 4], Some(1024)),
        session("short", "u-1", "user", &[1, 2], Some(512)),
        session("else", "u-2", "tenant", &[1, 2, 3, 9], Some(1024)),
        session("secret", "u-1", "none", &[1, 2, 3, 4, 5, 6], Some(1536)),
    ]);
    let by = |user, chain: &[u64]| query(None, user, true, 0, chain);
    // It goes on with the whole chain of one.
    check(&engine, by(None, &[1, 2, 3, 4, 5]), Some(("long: resume_in_place own_kv of long, 1024+256", &["else"])));
    // It goes back in one: of the copy only what is asked for.
    check(
        &engine,
        by(Some("u-1"), &[1, 2, 3]),
        Some(("long: resume_in_place own_kv of long, 768+0", &["else", "short"])),
    );
    // Another user's session lets it profit, and is not meant.
    check(&engine, by(Some("u-2"), &[1, 2, 3, 4]), Some(("long: resume_in_place prefix of long, 1024+0", &["else"])));
    // It parts from all: nothing is meant, and the deepest serves.
    check(&engine, by(None, &[1, 2, 3, 8]), Some(("else: resume_in_place prefix of else, 768+256", &[])));
    // Nothing begins alike; an identity is not said; the beginning is missing.
    check(&engine, by(None, &[7, 8]), None);
    check(&engine, query(None, None, false, 0, &[1, 2]), None);
    check(&engine, query(None, None, true, 2, &[3, 4]), None);
}

#[test]
fn what_saves_more_goes_first_and_the_own_copy_on_ties() {
    let engine = engine(&[
        session("more", "u-1", "tenant", &[1, 2, 3, 4, 5], Some(1280)),
        session("less", "u-2", "user", &[1, 2, 3, 4, 5], Some(512)),
        session("same", "u-3", "user", &[1, 2, 3, 4, 5], Some(1280)),
    ]);
    let by = |id| query(Some(id), None, true, 0, &[1, 2, 3, 4, 5]);
    check(&engine, by("less"), Some(("less: resume_in_place prefix of more, 1280+0", &["less"])));
    check(&engine, by("same"), Some(("same: resume_in_place own_kv of same, 1280+10", &["more"])));
}

#[test]
fn of_a_session_s_own_copy_only_what_fits_the_request_is_told() {
    let engine = engine(&[session("own", "u-1", "user", &[1, 2, 3, 4], Some(1034))]);
    let by = |from, chain: &[u64]| query(Some("own"), None, true, from, chain);
    check(&engine, by(0, &[1, 2, 3, 4, 5, 6]), Some(("own: resume_in_place own_kv of own, 1034+502", &[])));
    check(&engine, by(4, &[5, 6]), Some(("own: resume_in_place own_kv of own, 1034+502", &[])));
    check(&engine, by(0, &[1, 2, 9]), Some(("own: resume_in_place own_kv of own, 512+256", &[])));
    check(&engine, by(2, &[9]), Some(("own: resume_in_place own_kv of own, 512+256", &[])));
    check(&engine, by(0, &[9, 9]), Some(("own: context_only own_session of own, -", &["own"])));
}

#[test]
fn what_a_session_only_asked_for_is_not_there_yet() {
    let asked = |id: &str, from: u64, hash: &str| {
        let prefix = json!({"algorithm": "sha", "block_tokens": 256, "from_block": from, "hashes": [hash]});
        json!({"type": "resume_requested", "session_id": id, "prefix": prefix})
    };
    let tick = json!({"type": "metadata_changed", "session_id": "whole", "metadata": {"k": 1}});
    let engine = engine(&[
        session("whole", "u-1", "tenant", &[1, 2, 3], Some(1024)),
        session("part", "u-2", "tenant", &[1, 2, 3], Some(1024)),
        [asked("whole", 0, "1"), tick],
        [asked("part", 2, "4"), asked("part", 3, "5")],
    ]);
    let tenant = TenantId::new("acme").unwrap();
    let backed = |id: &str| engine.backed_prefix(&tenant, &SessionId::new(id).unwrap());
    assert_eq!((backed("whole"), backed("part")), (0, 2));
    let request = query(Some("new"), None, true, 0, &[1, 2, 4, 5]);
    check(&engine, request, Some(("new: resume_in_place prefix of part, 512+512", &[])));
}
