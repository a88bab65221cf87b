//! Three instances of one group on the embedded broker, asked without a pause while one leaves, another comes, and one
//! more leaves: every answer is the right one, or leads to where it is, or says that there is none now.

mod support;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rdkafka::mocking::MockCluster;
use rekindle::engine::validate::murmur2;
use rekindle::http::settings::Forward;
use rekindle::kafka::appender::Appender;
use rekindle::model::position::PartitionId;
use rekindle::runtime::settings::RuntimeSettings;
use serde_json::{Value, json};
use support::broker::free_ports;
use support::clients::{eventually, settings};
use support::edged::{Edged, Over};

const PARTITIONS: i32 = 4;
const TENANTS: usize = 8;
/// Who asks at the same time.
const CLIENTS: usize = 3;

/// One session of each tenant, to which turn after turn is written.
struct Load {
    appender: Appender,
    topic: String,
    tenants: Vec<Tenant>,
    /// Ports that are asked.
    asked: Mutex<BTreeSet<u16>>,
    done: AtomicBool,
    counts: [AtomicUsize; 3],
    agent: ureq::Agent,
    forward: Forward,
}

struct Tenant {
    name: String,
    partition: PartitionId,
    /// Turns that are begun; those that are in the input, and the offset of the last.
    begun: AtomicUsize,
    written: Mutex<(usize, i64)>,
    /// The furthest offset that an answer covered.
    told: AtomicI64,
}

/// What came back.
#[derive(Debug, PartialEq)]
enum Came {
    /// The turns of the session.
    Turns(usize),
    Unavailable,
    /// The instance is gone, as it was meant to.
    Gone,
}

impl Load {
    fn new(group: &RuntimeSettings, forward: Forward) -> Load {
        let tenant = |n: usize| {
            let name = format!("tenant-{n}");
            let partition = PartitionId(((murmur2(name.as_bytes()) & 0x7fff_ffff) % PARTITIONS as u32) as i32);
            Tenant { name, partition, begun: AtomicUsize::new(0), written: Mutex::default(), told: AtomicI64::new(-1) }
        };
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(20)))
            .max_redirects(0)
            .http_status_as_error(false)
            .proxy(None)
            .build();
        Load {
            appender: Appender::new(&group.kafka).expect("a producer"),
            topic: group.topics.events.clone(),
            tenants: (0..TENANTS).map(tenant).collect(),
            asked: Mutex::default(),
            done: AtomicBool::new(false),
            counts: Default::default(),
            agent: agent.into(),
            forward,
        }
    }

    /// Writes another turn of every tenant, and waits until it is there.
    fn write(&self) {
        for tenant in &self.tenants {
            let turn = tenant.begun.fetch_add(1, Ordering::SeqCst) + 1;
            let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_millis() as u64;
            let event = json!({"event_id": format!("e-{turn}"), "tenant_id": tenant.name, "session_id": "s-1",
                "user_id": "u-1", "occurred_at": now, "type": "turn_completed", "turn": turn, "input_tokens": 10,
                "output_tokens": 1})
            .to_string();
            let key = tenant.name.as_bytes();
            self.appender.append(&self.topic, tenant.partition, key, event.as_bytes()).expect("queued");
            let appended = loop {
                if let Some(appended) = self.appender.appended_within(Duration::from_millis(10)).pop() {
                    break appended;
                }
            };
            assert_eq!(appended.fault, None);
            *tenant.written.lock().expect("no panic") = (turn, appended.offset.0);
        }
    }

    /// Asks an instance for a tenant's session, and goes where it is sent. `own_writes`: what is known to be in the input
    /// is waited for, for less than a session.
    fn ask(&self, port: u16, tenant: &Tenant, own_writes: bool) -> Came {
        let told = tenant.told.load(Ordering::SeqCst);
        let (turns, offset) = *tenant.written.lock().expect("no panic");
        let turns = if own_writes { turns } else { 0 };
        let mut path = format!("/v1/tenants/{}/sessions/s-1", tenant.name);
        if own_writes {
            path += &format!("?at_least={}:{offset}&wait_ms=5000", tenant.partition);
        }
        let mut url = format!("http://127.0.0.1:{port}{path}");
        // Sent to and fro while a partition moves: a client gives up at some time.
        for _ in 0..5 {
            let mut answer = match self.agent.get(&url).call() {
                Ok(answer) => answer,
                Err(_) if !self.is_asked(&url) => return Came::Gone,
                Err(error) => panic!("{url}: {error}"),
            };
            let header = |name: &str| Some(answer.headers().get(name)?.to_str().expect("text").to_owned());
            match answer.status().as_u16() {
                200 => {
                    let json: Value = answer.body_mut().read_json().expect("JSON");
                    let found = json["session"]["turn_count"].as_u64().expect("turns") as usize;
                    let most = tenant.begun.load(Ordering::SeqCst);
                    assert!((turns..=most).contains(&found), "{turns} to {most} turns are there, not {found}: {json}");
                    assert_eq!(json["as_of"]["partition"], tenant.partition.0);
                    // Whoever gives a partition up commits what it told, and tells nothing afterwards.
                    let covered = json["as_of"]["offset"].as_i64().expect("an offset");
                    assert!(covered >= told, "{url}: told up to {told} before, now {covered}");
                    tenant.told.fetch_max(covered, Ordering::SeqCst);
                    return Came::Turns(found);
                }
                307 => {
                    assert_eq!(self.forward, Forward::Redirect);
                    self.counts[1].fetch_add(1, Ordering::Relaxed);
                    let location = header("location").expect("where to");
                    assert!(location.ends_with(&path) && location.starts_with("http://127.0.0.1:"), "{location}");
                    url = location;
                }
                503 => {
                    assert!(header("retry-after").is_some());
                    let json: Value = answer.body_mut().read_json().expect("JSON");
                    assert!(json["partition"] == tenant.partition.0 || !json["detail"].is_null(), "{json}");
                    return Came::Unavailable;
                }
                other => panic!("{url}: {other} {}", answer.body_mut().read_to_string().expect("text")),
            }
        }
        Came::Unavailable
    }

    fn is_asked(&self, url: &str) -> bool {
        let asked = self.asked.lock().expect("no panic");
        asked.iter().any(|port| url.starts_with(&format!("http://127.0.0.1:{port}/")))
    }

    /// Asks one instance after the other for one tenant after the other.
    fn client(&self, first: usize) {
        for n in first.. {
            if self.done.load(Ordering::Relaxed) {
                return;
            }
            let port = {
                let asked = self.asked.lock().expect("no panic");
                *asked.iter().nth(n % asked.len()).expect("somebody is asked")
            };
            match self.ask(port, &self.tenants[n / 3 % TENANTS], n % 2 == 0) {
                Came::Turns(_) => drop(self.counts[0].fetch_add(1, Ordering::Relaxed)),
                Came::Unavailable => {
                    self.counts[2].fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(20));
                }
                Came::Gone => {}
            }
        }
    }

    /// Waits until every instance that is asked has an answer about every tenant.
    fn until_all_answer(&self, when: &str) {
        let ports = self.asked.lock().expect("no panic").clone();
        for port in ports {
            for tenant in &self.tenants {
                eventually(when, || self.ask(port, tenant, true), |came| matches!(came, Came::Turns(_)));
            }
        }
    }

    /// An instance goes, as one that is told to does. It is asked until its edge closes.
    fn stop(&self, instance: Edged) {
        instance.service.shutdown().expect("clean");
        self.asked.lock().expect("no panic").remove(&instance.port);
        instance.server.stop();
    }
}

fn moves_under_load(name: &str, forward: Forward) {
    let cluster = MockCluster::new(1).expect("embedded broker");
    let mut group = settings(&cluster.bootstrap_servers(), name, PARTITIONS);
    group.kafka.properties.insert("fetch.wait.max.ms".to_owned(), "10".to_owned());
    group.kafka.properties.insert("heartbeat.interval.ms".to_owned(), "500".to_owned());
    for topic in group.topics.names() {
        cluster.create_topic(topic, PARTITIONS, 1).expect("topic");
    }
    cluster.create_topic(&group.topics.owners, 1, 1).expect("topic");
    let load = Load::new(&group, forward);
    let ports: [u16; 4] = free_ports();
    let begin = |port| {
        let instance = Edged::start(&group, port, forward);
        load.asked.lock().expect("no panic").insert(port);
        instance
    };
    load.write();
    let [one, two, three] = [0, 1, 2].map(|n| begin(ports[n]));
    load.until_all_answer("three answer");
    std::thread::scope(|scope| {
        // Ends the others, however this ends.
        let over = Over(&load.done);
        scope.spawn(|| {
            while !load.done.load(Ordering::Relaxed) {
                load.write();
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        (0..CLIENTS).for_each(|n| {
            drop(scope.spawn({
                let load = &load;
                move || load.client(n)
            }))
        });
        load.stop(one);
        load.until_all_answer("two answer");
        let four = begin(ports[3]);
        load.until_all_answer("three answer again");
        load.stop(three);
        load.until_all_answer("the last two answer");
        drop(over);
        load.stop(two);
        load.stop(four);
    });
    let [right, led, unavailable] = load.counts.each_ref().map(|count| count.load(Ordering::Relaxed));
    eprintln!("{right} right, {led} led on, {unavailable} unavailable");
    assert!(right > 200 && (led > 0) == (forward == Forward::Redirect), "{right} {led} {unavailable}");
}

#[test]
fn partitions_move_while_clients_are_sent_to_their_owners() {
    moves_under_load("redirecting", Forward::Redirect);
}

#[test]
fn partitions_move_while_instances_ask_each_other() {
    moves_under_load("proxying", Forward::Proxy);
}
