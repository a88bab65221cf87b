//! Search and prefix match answer what the engine's own calls do.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use proptest::sample::select;
use rekindle::engine::{SearchFilter, encode};
use rekindle::model::event::TransferScope;
use rekindle::model::ids::{Name, UserId};
use rekindle::model::kv::CacheIdentity;
use rekindle::model::prefix::PrefixFamily;
use rekindle::model::session::Status;
use rekindle::model::time::EventTime;
use rekindle::model::vector::UnitVector;
use serde_json::{Value, json};

use super::living::{BASE, DIM, LAG, Living, acme, event, session_id};
use crate::http_double::{get, post};

/// Few directions, so that there are ties.
fn vector() -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(select(vec![0.0f32, 1.0, -1.0, 0.25]), DIM).prop_map(|mut vector| {
        vector[0] += 2.5;
        vector
    })
}

/// A session with an embedding, and what filters look at.
fn life() -> impl Strategy<Value = (Vec<f32>, Value, bool)> {
    let scope = select(TransferScope::ALL).prop_map(|scope| scope.label());
    (vector(), select(vec!["u-1", "u-2"]), scope, any::<bool>(), any::<bool>()).prop_map(
        |(vector, user, scope, adapter, ends)| {
            let mut started = json!({"type": "session_started", "user_id": user, "transfer_scope": scope});
            if adapter {
                started["adapter"] = json!({"id": "a-1"});
            }
            (vector, started, ends)
        },
    )
}

fn lives(lives: &[(Vec<f32>, Value, bool)]) -> Vec<Value> {
    let mut events = Vec::new();
    for (n, (vector, started, ends)) in lives.iter().enumerate() {
        let (id, at) = (format!("s-{n}"), 10 * n as i64);
        events.push(event("acme", &id, at, started.clone()));
        let context = json!({"space": "default", "vector": vector, "covers_turn": 1});
        let turn =
            json!({"type": "turn_completed", "turn": 1, "input_tokens": 1, "output_tokens": 1, "context": context});
        events.push(event("acme", &id, at + 1, turn));
        if *ends {
            events.push(event("acme", &id, at + 2, json!({"type": "session_ended", "reason": "completed"})));
        }
    }
    events
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_search_finds_what_the_engine_finds(
        sessions in prop::collection::vec(life(), 1..30),
        sought in vector(), by_session in prop::option::of(any::<prop::sample::Index>()), k in 1usize..12,
        user in prop::option::of(select(vec!["u-1", "u-2", "u-3"])), status in prop::option::of(select(Status::ALL)),
        adapter in any::<bool>(), since in prop::option::of(0i64..200),
        scope in prop::option::of(select(TransferScope::ALL)),
    ) {
        let (living, server) = Living::serve(&lives(&sessions));
        let mut filter = SearchFilter {
            user: user.map(|user| UserId::new(user).expect("an id")),
            statuses: status.into_iter().collect(),
            adapter: adapter.then(|| Name::new("a-1").expect("a name")),
            active_since: since.map(|at| EventTime(BASE + at)),
            scope,
            except: None,
        };
        let mut body = json!({"k": k, "filters": {"user_id": user, "status": status.map(Status::label),
            "adapter": adapter.then_some("a-1"), "active_since": since.map(|at| BASE + at),
            "scope": scope.map(TransferScope::label)}});
        let space = Name::new("default").expect("a name");
        let vector = match by_session {
            None => {
                body["vector"] = json!(sought);
                UnitVector::normalised(&sought).expect("a direction")
            }
            Some(index) => {
                let id = session_id(&format!("s-{}", index.index(sessions.len())));
                body["session_id"] = json!(id.as_str());
                let own = living.look(|engine, _| engine.vector(&acme(), &id)).expect("it has one");
                filter.except = Some(id);
                own.1
            }
        };
        let expected = living.look(|engine, _| {
            let hits = engine.search(&acme(), &space, &vector, k, &filter);
            let told = |hit: rekindle::engine::SearchHit| {
                let view = engine.session(&acme(), &hit.session).expect("it is held");
                json!({"session_id": hit.session.as_str(), "similarity": hit.similarity,
                    "status": view.status.map(Status::label), "last_active": view.last_active.map(|at| at.0)})
            };
            hits.into_iter().map(told).collect::<Vec<_>>()
        });
        let reply = post(&server, "/v1/tenants/acme/search", &body.to_string());
        prop_assert_eq!(reply.status, 200, "{}: {}", body, reply.body);
        let answer = reply.json();
        prop_assert_eq!(&answer["hits"], &json!(expected));
        prop_assert_eq!(&answer["lag"], LAG);
        // What is near to a session is near to the vector that it was told to have.
        if let Some(id) = body["session_id"].as_str().map(str::to_owned) {
            let own = get(&server, &format!("/v1/tenants/acme/sessions/{id}?include=vector")).json();
            body["except_session_id"] = json!(id);
            let refused = post(&server, "/v1/tenants/acme/search", &body.to_string());
            prop_assert_eq!((refused.status, &refused.json()["field"]), (400, &json!("except_session_id")));
            body["session_id"].take();
            body["vector"] = own["vector"]["base64"].clone();
            let again = post(&server, "/v1/tenants/acme/search", &body.to_string()).json();
            prop_assert_eq!(&again["hits"], &answer["hits"]);
        }
    }
}

#[test]
fn a_vector_is_told_as_it_is_kept_and_can_be_searched_with() {
    let vector: Vec<f32> = (0..DIM).map(|n| n as f32 - 2.5).collect();
    let started = json!({"type": "session_started", "user_id": "u-1"});
    let mut events = lives(&[(vector, started.clone(), false)]);
    events.push(event("acme", "s-bare", 50, started));
    let (living, server) = Living::serve(&events);
    let body = get(&server, "/v1/tenants/acme/sessions/s-0?include=vector").json();
    assert_eq!(body["session"], get(&server, "/v1/tenants/acme/sessions/s-0").json()["session"]);
    assert_eq!((&body["vector"]["space"], &body["vector"]["dim"]), (&json!("default"), &json!(DIM)));
    let bytes = STANDARD.decode(body["vector"]["base64"].as_str().expect("a text")).expect("base64");
    let told: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|c| f32::from_le_bytes(*c)).collect();
    let kept = living.look(|engine, _| engine.vector(&acme(), &session_id("s-0"))).expect("it has one");
    assert_eq!(told, kept.1.to_f32());
    let again = json!({"vector": body["vector"]["base64"], "space": "default"});
    let hits = post(&server, "/v1/tenants/acme/search", &again.to_string()).json()["hits"].clone();
    assert_eq!((&hits[0]["session_id"], &hits[0]["similarity"]), (&json!("s-0"), &json!(1.0)));
    let bare = get(&server, "/v1/tenants/acme/sessions/s-bare?include=vector").json();
    assert_eq!((&bare["vector"], &bare["session"]["session_id"]), (&json!(null), &json!("s-bare")));
    assert_eq!(get(&server, "/v1/tenants/acme/sessions/s-0").json().get("vector"), None);
    for (session, status) in [("s-bare", 404), ("s-none", 404), ("s-0", 200)] {
        let reply = post(&server, "/v1/tenants/acme/search", &json!({"session_id": session}).to_string());
        assert_eq!(reply.status, status, "{session}: {}", reply.body);
    }
}

#[test]
fn who_holds_a_prefix_is_told_as_the_engine_does() {
    let cache = json!({"namespace": "m/fp8"});
    let mut events = Vec::new();
    for (n, (scope, hashes)) in
        [("tenant", 4u64), ("tenant", 2), ("user", 4), ("none", 4), ("tenant", 3)].into_iter().enumerate()
    {
        let (id, at) = (format!("s-{n}"), 10 * n as i64);
        let hashes: Vec<String> = (1..=hashes).map(|hash| format!("{hash:x}")).collect();
        events.push(event(
            "acme",
            &id,
            at,
            json!({"type": "session_started", "user_id": "u-1",
            "transfer_scope": scope, "cache": cache}),
        ));
        let copy = json!({"tier": "hot", "location": {"memory": {"offset": 0}}, "cached_tokens": 64,
            "created_at": BASE, "quantization": {"quantized_store": {"precision": "Q8", "compression_ratio": 2.0}},
            "worker": "w-1", "worker_epoch": 7, "cache": cache});
        let mut turn = json!({"type": "turn_completed", "turn": 1, "input_tokens": 64, "output_tokens": 1,
            "cache": cache, "prefix": {"algorithm": "a", "block_tokens": 16, "hashes": hashes}});
        if n != 1 {
            turn["kv_cache"] = copy;
        }
        events.push(event("acme", &id, at + 1, turn));
    }
    let (living, server) = Living::serve(&events);
    let family = PrefixFamily { algorithm: Name::new("a").expect("a name"), block_tokens: 16, stride: 1 };
    let identity = CacheIdentity { namespace: Name::new("m/fp8").expect("a name"), adapter: None, salt_id: None };
    let user = UserId::new("u-1").expect("an id");
    let mut counts = Vec::new();
    for (user, except, limit) in
        [(None, None, 10), (Some(&user), None, 10), (Some(&user), Some(session_id("s-0")), 10), (Some(&user), None, 1)]
    {
        let mut body = json!({"cache": cache, "limit": limit,
            "prefix": {"algorithm": "a", "block_tokens": 16, "hashes": ["1", "2", "3", "4", "5"]}});
        user.iter().for_each(|user| body["user_id"] = json!(user.as_str()));
        except.iter().for_each(|except| body["except_session_id"] = json!(except.as_str()));
        let reply = post(&server, "/v1/tenants/acme/prefix-match", &body.to_string());
        assert_eq!(reply.status, 200, "{}", reply.body);
        let expected = living.look(|engine, _| {
            let found =
                engine.prefix_match(&acme(), &identity, &family, &[1, 2, 3, 4, 5], user, except.as_ref(), limit);
            let told = found.into_iter().map(|m| {
                json!({"session_id": m.session.as_str(), "depth": m.depth, "matched_tokens": m.tokens,
                    "kv_cache": m.copy.as_deref().map(encode::copy_json), "last_active": m.at.0})
            });
            told.collect::<Vec<_>>()
        });
        let answer = reply.json();
        assert_eq!(answer["matches"], json!(expected), "{body}");
        assert_eq!(answer["lag"], LAG);
        let copies = expected.iter().filter(|m| m["kv_cache"]["worker_epoch"] == 7).count();
        counts.push((expected.len(), copies));
    }
    assert_eq!(counts, [(3, 2), (4, 3), (3, 2), (1, 1)], "shares, and live copies");
}
