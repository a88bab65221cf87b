//! A tenant whose sessions lie in most partitions of three instances, by keys `tenant#n`: whichever instance is asked, the
//! answer is that of all of them, and where a part is missing it is said which.

mod given;
mod load;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use given::{Client, PARTITIONS, SESSIONS, SPREAD, id, questions, vector, write};
use load::Load;
use rdkafka::mocking::MockCluster;
use rekindle::http::settings::Forward;
use serde_json::{Value, json};
use support::broker::free_ports;
use support::clients::{eventually, settings};
use support::edged::{Edged, Over};

/// Whether all of it is in an answer; lists have to be as long.
fn holds(answer: &Value, expected: &Value) -> bool {
    match (answer, expected) {
        (Value::Object(answer), Value::Object(expected)) => {
            expected.iter().all(|(name, value)| answer.get(name).is_some_and(|told| holds(told, value)))
        }
        (Value::Array(answer), Value::Array(expected)) => {
            answer.len() == expected.len() && answer.iter().zip(expected).all(|(told, value)| holds(told, value))
        }
        _ => answer == expected,
    }
}

/// What does not depend on when it is asked.
fn timeless(mut answer: Value) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for name in ["as_of", "lag", "shards", "suggestion_id", "generated_at", "expires_at", "next_cursor"] {
                    fields.remove(name);
                }
                fields.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    strip(&mut answer);
    answer
}

fn every_instance_answers_alike(client: &Client, ports: &[u16], ends: &BTreeMap<i32, i64>) {
    for (path, body, expected) in questions(ends) {
        let answers: Vec<Value> = ports
            .iter()
            .map(|port| {
                let (status, answer) = client.answer(*port, &path, body.as_ref());
                assert_eq!(status, 200, "{port}{path} {body:?}: {answer}");
                assert!(holds(&answer, &expected), "{port}{path} {body:?}: {expected} is not all in {answer}");
                timeless(answer)
            })
            .collect();
        assert!(answers.windows(2).all(|two| two[0] == two[1]), "{path} {body:?}: {answers:?}");
    }
    for port in ports {
        let (_, answer) = client.answer(*port, "/search", Some(&json!({"vector": vector(0)})));
        let shards = answer["shards"].as_array().expect("it is put together").iter();
        let shards: Vec<i64> = shards.filter_map(|shard| shard["partition"].as_i64()).collect();
        assert_eq!(shards, (0..i64::from(SPREAD)).collect::<Vec<_>>());
        for (path, body) in [
            ("/sessions/s-none", None),
            ("/search", Some(json!({"session_id": "s-none"}))),
            ("/recovery", Some(json!({"user_id": "u-none"}))),
        ] {
            assert_eq!(client.answer(*port, path, body.as_ref()).0, 404, "{port}{path}");
        }
        assert_eq!(client.answer(*port, "/search", Some(&json!({"vector": [1]}))).0, 400);
        let (_, answer) = client.answer(*port, "/sessions/s-00?at_least=3:99999&wait_ms=0", None);
        assert_eq!((&answer["status"], &answer["as_of"]["partition"]), (&json!(409), &json!(3)), "{answer}");
    }
}

/// Of the erasure of a session every partition tells, wherever it is.
fn an_erasure_is_followed_anywhere(client: &Client, ports: &[u16]) {
    let (status, erasure) =
        client.ask(ports[0], "/erasures", Some(&json!({"scope": "session", "id": id(SESSIONS - 1)})));
    assert_eq!(status, 202, "{erasure}");
    let path = format!("/erasures/{}", erasure["erasure_id"].as_str().expect("an id"));
    for port in ports {
        let done =
            eventually("erased everywhere", || client.ask(*port, &path, None).1, |answer| answer["state"] == "done");
        assert_eq!(done["partitions"].as_array().map(Vec::len), Some(PARTITIONS as usize));
    }
    for port in ports {
        assert_eq!(client.answer(*port, &format!("/sessions/{}", id(SESSIONS - 1)), None).0, 404);
    }
}

#[test]
fn whoever_is_asked_answers_for_all_partitions_of_a_tenant() {
    let cluster = MockCluster::new(1).expect("embedded broker");
    let mut group = settings(&cluster.bootstrap_servers(), "spread", PARTITIONS);
    group.kafka.properties.insert("fetch.wait.max.ms".to_owned(), "10".to_owned());
    group.kafka.properties.insert("heartbeat.interval.ms".to_owned(), "500".to_owned());
    for topic in group.topics.names() {
        cluster.create_topic(topic, PARTITIONS, 1).expect("topic");
    }
    cluster.create_topic(&group.topics.owners, 1, 1).expect("topic");
    let ends = write(&group);
    let client = Client::new();
    let ports: [u16; 3] = free_ports();
    let forwards = [Forward::Redirect, Forward::Proxy, Forward::Redirect];
    let mut instances: Vec<Edged> =
        ports.iter().zip(forwards).map(|(port, forward)| Edged::start(&group, *port, forward)).collect();
    let owns = |instance: &Edged| instance.service.port().partitions().len();
    let all_known = |client: &Client, ports: &[u16]| {
        let search = json!({"vector": vector(0), "k": 100});
        ports.iter().all(|port| {
            let (status, answer) = client.ask(*port, "/search", Some(&search));
            status == 200 && answer["hits"].as_array().is_some_and(|hits| hits.len() as i64 == SESSIONS)
        })
    };
    eventually(
        "each has its share and knows the others'",
        || (instances.iter().map(owns).collect::<Vec<_>>(), all_known(&client, &ports)),
        |(owned, known)| owned.iter().all(|owned| *owned == 2) && *known,
    );
    every_instance_answers_alike(&client, &ports, &ends);

    // One that does not answer is missed by name, but not by what is known elsewhere.
    let gone = instances.remove(2);
    let missed: Vec<i32> = gone.service.port().partitions().iter().map(|status| status.partition.0).collect();
    gone.server.stop();
    for port in &ports[..2] {
        let (status, problem) = client.ask(*port, "/search", Some(&json!({"vector": vector(0)})));
        assert_eq!(status, 503, "{problem}");
        let partition = problem["partition"].as_i64().expect("its number") as i32;
        assert!(missed.contains(&partition), "{problem}");
        for n in 0..SPREAD {
            let path = format!("/sessions/{}", id(n.into()));
            match missed.contains(&n) {
                true => assert_eq!(client.ask(*port, &path, None).0, 503, "partition {n}"),
                false => assert_eq!(client.answer(*port, &path, None).0, 200, "partition {n}"),
            }
        }
    }
    // While partitions move, whatever is told is all of it.
    let three = vec![ports[0], ports[1], free_ports::<1>()[0]];
    let load = Load::default();
    std::thread::scope(|scope| {
        // Ends the others, however this ends.
        let over = Over(&load.done);
        let asked = &ports[..2];
        (0..2).for_each(|n| {
            drop(scope.spawn({
                let load = &load;
                move || load.ask(asked, n)
            }))
        });
        gone.service.shutdown().expect("clean");
        eventually("two have all of it", || all_known(&client, asked), |known| *known);
        every_instance_answers_alike(&client, asked, &ends);
        instances.push(Edged::start(&group, three[2], Forward::Redirect));
        eventually(
            "three have it",
            || (instances.iter().map(owns).collect::<Vec<_>>(), all_known(&client, &three)),
            |(owned, known)| owned.iter().all(|owned| *owned == 2) && *known,
        );
        drop(over);
        let [whole, unavailable] = load.counts.each_ref().map(|count| count.load(Ordering::Relaxed));
        eprintln!("{whole} whole, {unavailable} unavailable");
        assert!(whole > 100, "{whole} {unavailable}");
    });
    every_instance_answers_alike(&client, &three, &ends);
    an_erasure_is_followed_anywhere(&client, &three);
    for instance in instances {
        instance.service.shutdown().expect("clean");
        instance.server.stop();
    }
}
