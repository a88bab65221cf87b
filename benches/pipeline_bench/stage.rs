//! The topics and the service's process.
#![allow(dead_code)]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseRecord, Producer};
use rekindle::engine::EngineSettings;
use rekindle::kafka::admin::Admin;
use rekindle::runtime::settings::RuntimeSettings;

use super::instance::Instance;
use super::load::{self, PARTITIONS, Writer};
use super::support::{broker, clients, events, watchdog};
use super::watch::{PATIENCE, Usage, usage};

/// Worker threads of the service and of the copy loop.
pub const WORKERS: usize = 2;
/// After a restore, buffers empty and free memory goes back.
const SETTLING: Duration = Duration::from_secs(3);

/// Settings over topics of their own, and these created. `input`: the input topic, if it is another's.
pub fn settings(brokers: &str, name: &str, input: Option<&str>) -> RuntimeSettings {
    let mut settings = clients::settings(brokers, &clients::unique(name), PARTITIONS);
    if let Some(input) = input {
        settings.topics.events = input.to_owned();
    }
    settings.engine = Arc::new(EngineSettings { input_topic: settings.topics.events.clone(), ..Default::default() });
    settings.workers = WORKERS;
    let admin = Admin::new(&settings.kafka).expect("admin client");
    admin.create_topics(&settings.topics).expect("create topics");
    settings
}

/// Writes events to a topic: sessions, each with the number of its turn; 0 is its start, which says who may profit.
pub fn produce(brokers: &str, topic: &str, scope: &str, turns: impl Iterator<Item = (usize, usize)>) {
    let producer = clients::producer(brokers);
    let (mut started, mut turn) = (Writer::started(scope), Writer::turn());
    for (session, number) in turns {
        let event = match number {
            0 => started.write(session, number, events::now_ms(), std::iter::empty()),
            _ => turn.write(session, number, events::now_ms(), load::context(session, number)),
        };
        clients::send(&producer, BaseRecord::to(topic).key(load::tenant(session)).payload(&event[..]));
    }
    producer.flush(PATIENCE).expect("acknowledged");
}

/// Deletes the topics of these settings but the input, and all that was written to them.
pub fn drop_outputs(brokers: &str, settings: &RuntimeSettings) {
    let admin: AdminClient<_> = ClientConfig::new().set("bootstrap.servers", brokers).create().expect("admin");
    let topics = &settings.topics;
    let outputs =
        [&topics.states, &topics.vectors, &topics.bookkeeping, &topics.recovery, &topics.transfer].map(String::as_str);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(admin.delete_topics(&outputs, &AdminOptions::new())).expect("an answer");
}

/// Bytes of keys and values of all that was published, and the suggestions among it.
pub fn published(brokers: &str, settings: &RuntimeSettings) -> (usize, usize) {
    let topics = &settings.topics;
    let outputs = [&topics.states, &topics.vectors, &topics.bookkeeping, &topics.recovery, &topics.transfer];
    let (mut bytes, mut suggestions) = (0, 0);
    for (n, topic) in outputs.into_iter().enumerate() {
        let consumer = clients::reader(brokers, topic, 0..PARTITIONS);
        let mut ended = 0;
        while ended < PARTITIONS {
            match consumer.poll(PATIENCE) {
                Some(Ok(message)) => {
                    bytes += message.key_len() + message.payload_len();
                    suggestions += usize::from(n >= 3);
                }
                Some(Err(KafkaError::PartitionEOF(_))) => ended += 1,
                other => panic!("reading {topic}: {:?}", other.map(|r| r.err())),
            }
        }
    }
    (bytes, suggestions)
}

/// The service's process, and where it answers.
pub struct Service {
    pub instance: Instance,
    port: u16,
    started: Instant,
}

impl Service {
    pub fn start(settings: &RuntimeSettings) -> Service {
        let [port] = broker::free_ports();
        let started = Instant::now();
        let listen = format!("http.listen=127.0.0.1:{port}");
        let instance = Instance::start_with(settings, &["--set", &listen]);
        watchdog::started(instance.pid());
        Service { instance, port, started }
    }

    /// The same, and waits until it is ready; seconds until then.
    pub fn start_ready(settings: &RuntimeSettings) -> (Service, f64) {
        let mut service = Service::start(settings);
        let ready = service.ready();
        (service, ready)
    }

    /// Waits until it says it is ready; seconds since its start.
    fn ready(&mut self) -> f64 {
        loop {
            if self.says_ready() {
                return self.started.elapsed().as_secs_f64();
            }
            assert!(self.instance.ended().is_none(), "the service ended");
            assert!(self.started.elapsed() < PATIENCE, "not ready");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until it is ready and what it uses has settled, then stops it: seconds until then, and what it used.
    pub fn ready_and_stop(mut self) -> (f64, Usage) {
        let ready = self.ready();
        std::thread::sleep(SETTLING);
        let used = usage(self.instance.pid());
        self.stop();
        (ready, used)
    }

    fn says_ready(&self) -> bool {
        self.get("/readyz").lines().next().is_some_and(|status| status.contains(" 200 "))
    }

    /// What it answers; nothing if it does not yet.
    pub fn get(&self, path: &str) -> String {
        let mut answer = String::new();
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
            let asked = write!(stream, "GET {path} HTTP/1.0\r\n\r\n");
            let _ = asked.and_then(|()| stream.read_to_string(&mut answer));
        }
        answer
    }

    /// Where it answers.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Asks it to stop, and waits for the end.
    pub fn stop(self) {
        watchdog::reaped(self.instance.pid());
        self.instance.stop();
    }
}
