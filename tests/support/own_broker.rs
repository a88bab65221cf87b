//! A broker for faults: it can be killed and comes back with what it held, and has a second listener behind a proxy.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use super::broker::{free_ports, wait_until_it_answers};
use super::node::Node;
use super::proxy::Proxy;
use super::watchdog;

/// A real broker in a process of its own; killed when dropped.
pub struct OwnBroker {
    node: Node,
    /// Its address, without detours.
    pub addresses: String,
    /// What stands before its second listener.
    pub proxy: Proxy,
}

impl OwnBroker {
    /// Starts it and waits until it answers.
    pub fn start() -> Result<OwnBroker, String> {
        OwnBroker::start_with("-Xmx512m", "")
    }

    /// The same with these flags of its virtual machine, and properties beside the usual ones or in place of them.
    pub fn start_with(flags: &'static str, more: &str) -> Result<OwnBroker, String> {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("faults-broker-{}", std::process::id()));
        watchdog::folder(&folder);
        let ports: [u16; 3] = free_ports();
        let proxy = Proxy::before(ports[2]).map_err(|e| e.to_string())?;
        let node = Node::new(&folder, flags, &format!("{}{more}", properties(ports, proxy.port)))?;
        let mut broker = OwnBroker { node, addresses: format!("127.0.0.1:{}", ports[0]), proxy };
        broker.begin();
        broker.wait();
        Ok(broker)
    }

    /// Runs one of Kafka's own tools, and hands over what it says.
    pub fn tool(&self, class: &str, arguments: &[&str]) -> String {
        self.node.tool(class, arguments)
    }

    /// Starts it (again); see [`Self::wait`].
    pub fn begin(&mut self) {
        self.node.begin();
    }

    /// Waits until it answers.
    pub fn wait(&mut self) {
        wait_until_it_answers(&self.addresses, self.node.process()).expect("the broker answers");
    }

    /// A folder that goes with it; `data` has its topics.
    pub fn folder(&self) -> &Path {
        self.node.folder()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.node.pid()
    }

    /// Sends it a signal, by name.
    pub fn signal(&self, name: &str) {
        self.node.signal(name);
    }

    /// Ends it with a signal.
    pub fn end(&mut self, signal: &str) {
        self.node.end(signal);
    }

    /// Waits until it ends by itself.
    pub fn until_ended(&mut self) -> ExitStatus {
        self.node.until_ended()
    }

    /// Makes it work again, whatever was done to it.
    pub fn revive(&mut self) {
        match self.node.process() {
            Some(_) => self.signal("CONT"),
            None => self.begin(),
        }
        self.wait();
    }
}

/// As in the other tests, but for sessions that may be shorter, so that a round need not wait long.
fn properties([port, controller, inner]: [u16; 3], proxy: u16) -> String {
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},PROXIED://127.0.0.1:{inner},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},PROXIED://127.0.0.1:{proxy}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
{COMMON}"
    )
}

/// What brokers for faults have in common.
pub(super) const COMMON: &str = "controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
offsets.topic.num.partitions=5
transaction.state.log.num.partitions=5
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
group.consumer.min.session.timeout.ms=1000
group.consumer.session.timeout.ms=3000
group.consumer.min.heartbeat.interval.ms=100
group.consumer.heartbeat.interval.ms=500
log.index.size.max.bytes=65536
auto.create.topics.enable=false
";
