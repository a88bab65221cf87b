//! An instance that stood still while others took over what it owned: it answers nothing of it when it goes on.

use std::time::{Duration, Instant};

use rekindle::engine::validate::murmur2;
use serde_json::{Value, json};

use crate::instance::Instance;
use crate::support::broker::{brokers, free_ports};
use crate::support::clients::{create_topics, eventually, produce, read_all, settings, unique};
use crate::support::events::now_ms;

const PARTITIONS: i32 = 2;
/// Requests that come while an instance stands still.
const WAITING: usize = 8;

/// A status, where it leads, and the body if it is JSON.
type Reply = (u16, Option<String>, Value);

fn get(url: &str) -> Option<Reply> {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(30)))
        .max_redirects(0)
        .http_status_as_error(false)
        .proxy(None)
        .build();
    let mut answer = ureq::Agent::from(config).get(url).call().ok()?;
    let location = answer.headers().get("location").map(|l| l.to_str().expect("text").to_owned());
    Some((answer.status().as_u16(), location, answer.body_mut().read_json().unwrap_or_default()))
}

#[test]
fn an_instance_that_stood_still_answers_nothing_that_others_own_by_now() {
    let group = settings(brokers(), &unique("owners"), PARTITIONS);
    create_topics(&group);
    // One tenant in each partition, so that whoever stands still owns one.
    let partition = |name: &str| (murmur2(name.as_bytes()) & 0x7fff_ffff) as i32 % PARTITIONS;
    let tenants: Vec<String> = (0..PARTITIONS)
        .map(|p| (0..).map(|n| format!("t-{n}")).find(|name| partition(name) == p).expect("some key belongs there"))
        .collect();
    let turn = |tenant: &str, turn: i64| {
        let event = json!({"event_id": format!("e-{turn}"), "tenant_id": tenant, "session_id": "s", "user_id": "u",
            "occurred_at": now_ms(), "type": "turn_completed", "turn": turn, "input_tokens": 1, "output_tokens": 1});
        produce(brokers(), &group.topics.events, [(tenant, event.to_string().as_bytes())]);
    };
    tenants.iter().for_each(|tenant| turn(tenant, 1));
    let ports: [u16; 2] = free_ports();
    let instance = |port: u16| {
        let mut own = group.clone();
        own.kafka.instance_id = format!("{}-{port}", group.kafka.group_id);
        own.kafka.transactional_id = own.kafka.instance_id.clone();
        let (listen, url) =
            (format!("http.listen=127.0.0.1:{port}"), format!("http.advertised_url=http://127.0.0.1:{port}"));
        Instance::start_with(&own, &["--set", &listen, "--set", &url])
    };
    let session = |port: u16, tenant: &str| get(&format!("http://127.0.0.1:{port}/v1/tenants/{tenant}/sessions/s"));
    let turns = |reply: &Option<Reply>| match reply {
        Some((200, _, body)) => body["session"]["turn_count"].as_i64(),
        _ => None,
    };
    let instances = ports.map(instance);
    let owns = |port: u16| tenants.iter().find(|tenant| turns(&session(port, tenant)).is_some());
    let still = eventually("each owns one", || ports.map(owns), |owned| owned.iter().all(Option::is_some))[0];
    let still = still.expect("just seen");
    let led = eventually(
        "the other leads there",
        || session(ports[1], still),
        |reply| reply.as_ref().is_some_and(|(status, ..)| *status == 307),
    );
    let target = format!("http://127.0.0.1:{}/v1/tenants/{still}/sessions/s", ports[0]);
    assert_eq!(led.expect("just seen").1, Some(target));

    instances[0].signal("STOP");
    turn(still, 2);
    eventually("the other takes over", || turns(&session(ports[1], still)), |turns| *turns == Some(2));
    // What waits for it is asked before it can have learned of anything.
    let replies = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..WAITING).map(|_| scope.spawn(|| session(ports[0], still))).collect();
        std::thread::sleep(Duration::from_millis(300));
        instances[0].signal("CONT");
        asked.into_iter().map(|reply| reply.join().expect("no panic")).collect::<Vec<_>>()
    });
    for reply in replies {
        let (status, ..) = reply.clone().expect("it goes on");
        assert!(matches!(status, 307 | 503), "{reply:?}");
    }
    let until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until {
        let reply = session(ports[0], still);
        let (status, ..) = reply.clone().expect("it goes on");
        assert!(matches!(status, 307 | 503) || turns(&reply) == Some(2), "{reply:?}");
    }
    let [one, two] = instances;
    one.stop();
    two.stop();
    // Whoever left said so.
    let mut last = std::collections::BTreeMap::new();
    for record in read_all(brokers(), &group.topics.owners, 1) {
        let value: Value = serde_json::from_slice(&record.value.expect("no tombstone")).expect("JSON");
        let greatest = last.entry(record.key).or_insert(Value::Null);
        if greatest["generation"].as_i64() <= value["generation"].as_i64() {
            *greatest = value;
        }
    }
    assert_eq!(last.len(), PARTITIONS as usize);
    assert!(last.values().all(|claim| claim["url"].is_null()), "{last:?}");
}
