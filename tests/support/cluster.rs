//! Three brokers that hold every partition together, two of which are enough: any of them can be killed.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::broker::free_ports;
use super::clients::eventually;
use super::node::Node;
use super::own_broker::COMMON;

/// Brokers.
pub const SIZE: usize = 3;

/// Partitions of the two topics in which the coordinators keep what they know.
const COORDINATOR_PARTITIONS: i32 = 5;

/// The brokers `1` to `3`, each a controller as well.
pub struct Cluster {
    nodes: Vec<Node>,
    /// The addresses of all.
    pub addresses: String,
}

impl Cluster {
    /// Starts all of them and waits until they have found each other.
    pub fn start(folder: &Path) -> Result<Cluster, String> {
        let ports: [u16; 2 * SIZE] = free_ports();
        let made = std::thread::scope(|scope| {
            let make = |number: usize| {
                let folder = folder.join(format!("of-three-{number}"));
                // All of them have to fit beside each other.
                scope.spawn(move || Node::new(&folder, "-Xmx256m", &properties(number, &ports)))
            };
            let made: Vec<_> = (1..=SIZE).map(make).collect();
            made.into_iter().map(|made| made.join().expect("no panic")).collect::<Result<Vec<_>, _>>()
        });
        let addresses: Vec<_> = ports[..SIZE].iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let mut cluster = Cluster { nodes: made?, addresses: addresses.join(",") };
        cluster.nodes.iter_mut().for_each(Node::begin);
        cluster.until_whole();
        Ok(cluster)
    }

    /// Broker `number`, from 1.
    pub fn node(&mut self, number: i32) -> &mut Node {
        &mut self.nodes[number as usize - 1]
    }

    fn client(&self) -> BaseConsumer {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.addresses).set("log_level", "0").create().expect("a client")
    }

    /// Who leads a partition now.
    pub fn leader(&self, topic: &str, partition: i32) -> i32 {
        let client = self.client();
        let leader = || {
            let metadata = client.fetch_metadata(Some(topic), Duration::from_secs(5)).ok()?;
            let partitions = metadata.topics().first()?.partitions();
            partitions.iter().find(|one| one.id() == partition).map(|one| one.leader()).filter(|id| *id > 0)
        };
        eventually(&format!("a leader of {topic} {partition}"), leader, Option::is_some).expect("just seen")
    }

    /// Who coordinates a group.
    pub fn group_coordinator(&self, group: &str) -> i32 {
        self.leader("__consumer_offsets", coordinator_partition(group))
    }

    /// Who coordinates the transactions of an id.
    pub fn transaction_coordinator(&self, transactional_id: &str) -> i32 {
        self.leader("__transaction_state", coordinator_partition(transactional_id))
    }

    /// Waits until every broker is there and no partition lacks a replica.
    pub fn until_whole(&self) {
        let client = self.client();
        let lacking = || -> Result<BTreeSet<String>, String> {
            let metadata = client.fetch_metadata(None, Duration::from_secs(5)).map_err(|e| e.to_string())?;
            let mut lacking: BTreeSet<String> =
                (metadata.topics().iter().filter(|t| t.partitions().iter().any(|p| p.isr().len() < SIZE)))
                    .map(|topic| topic.name().to_owned())
                    .collect();
            if metadata.brokers().len() < SIZE {
                lacking.insert("brokers".to_owned());
            }
            Ok(lacking)
        };
        let none = |lacking: &Result<BTreeSet<String>, String>| lacking.as_ref().is_ok_and(BTreeSet::is_empty);
        eventually("every replica is there", lacking, none).expect("just seen");
    }
}

/// Where brokers put a group or a transactional id: by Java's hash of the text.
pub(super) fn coordinator_partition(name: &str) -> i32 {
    let hash = name.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    hash.checked_abs().unwrap_or(0) % COORDINATOR_PARTITIONS
}

fn properties(number: usize, ports: &[u16; 2 * SIZE]) -> String {
    let (port, controller) = (ports[number - 1], ports[SIZE + number - 1]);
    let voters: Vec<_> = (1..=SIZE).map(|n| format!("{n}@127.0.0.1:{}", ports[SIZE + n - 1])).collect();
    // How soon a dead broker is missed: nine seconds otherwise. What the log cleaner takes: half the heap otherwise.
    format!(
        "process.roles=broker,controller
node.id={number}
controller.quorum.voters={}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
default.replication.factor={SIZE}
log.cleaner.dedupe.buffer.size=4194304
min.insync.replicas=2
offsets.topic.replication.factor={SIZE}
transaction.state.log.replication.factor={SIZE}
transaction.state.log.min.isr=2
{COMMON}",
        voters.join(",")
    )
}
