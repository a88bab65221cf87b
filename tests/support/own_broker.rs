//! A broker for faults: it can be killed and comes back with what it held, and has a second listener behind a proxy.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::broker::{JVM, free_ports, libraries, wait_until_it_answers};
use super::proxy::Proxy;
use super::watchdog;

/// A real broker in a process of its own; killed when dropped.
pub struct OwnBroker {
    folder: PathBuf,
    /// Its address, without detours.
    pub addresses: String,
    /// What stands before its second listener.
    pub proxy: Proxy,
    process: Option<Child>,
}

impl OwnBroker {
    /// Starts it and waits until it answers.
    pub fn start() -> Result<OwnBroker, String> {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("faults-broker-{}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        watchdog::folder(&folder);
        let ports: [u16; 3] = free_ports();
        let proxy = Proxy::before(ports[2]).map_err(|e| e.to_string())?;
        let properties = properties(&folder.display().to_string(), ports, proxy.port);
        std::fs::write(folder.join("server.properties"), properties).map_err(|e| e.to_string())?;
        let mut broker = OwnBroker { folder, addresses: format!("127.0.0.1:{}", ports[0]), proxy, process: None };
        // A cluster id is 16 bytes in base64; any will do.
        let format = ["kafka.tools.StorageTool", "format", "-t", "cmVraW5kbGUtdGVzdC1pZA", "-c"];
        let formatted = broker.java(&format)?.output().map_err(|e| format!("java: {e}"))?;
        if !formatted.status.success() {
            return Err(format!("formatting the broker's storage: {}", String::from_utf8_lossy(&formatted.stderr)));
        }
        broker.begin();
        broker.wait();
        Ok(broker)
    }

    fn java(&self, arguments: &[&str]) -> Result<Command, String> {
        let mut java = Command::new("java");
        java.args(JVM.split(' ')).args(["-cp", &format!("{}/*", libraries()?.display())]);
        java.args(arguments).arg(self.folder.join("server.properties")).stdin(Stdio::null());
        Ok(java)
    }

    /// Runs one of Kafka's own tools, and hands over what it says.
    pub fn tool(&self, class: &str, arguments: &[&str]) -> String {
        let libraries = format!("{}/*", libraries().expect("found before").display());
        let mut java = Command::new("java");
        java.args(JVM.split(' ')).args(["-cp", &libraries, class]).args(arguments).stdin(Stdio::null());
        let output = java.output().expect("java");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    /// Starts it (again); see [`Self::wait`].
    pub fn begin(&mut self) {
        let log = std::fs::File::create(self.folder.join("log")).expect("a log");
        let errors = log.try_clone().expect("a handle");
        let mut java = self.java(&["kafka.Kafka"]).expect("found before");
        let child = java.stdout(log).stderr(errors).spawn().expect("java");
        watchdog::started(child.id());
        self.process = Some(child);
    }

    /// Waits until it answers.
    pub fn wait(&mut self) {
        wait_until_it_answers(&self.addresses, self.process.as_mut()).expect("the broker answers");
    }

    /// Sends it a signal, by name.
    pub fn signal(&self, name: &str) {
        let pid = self.process.as_ref().expect("it runs").id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().is_ok_and(|s| s.success()));
    }

    /// Ends it with a signal.
    pub fn end(&mut self, signal: &str) {
        self.signal(signal);
        let mut child = self.process.take().expect("it runs");
        watchdog::reaped(child.id());
        child.wait().expect("its end");
    }

    /// Makes it work again, whatever was done to it.
    pub fn revive(&mut self) {
        match self.process {
            Some(_) => self.signal("CONT"),
            None => self.begin(),
        }
        self.wait();
    }
}

impl Drop for OwnBroker {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.end("KILL");
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// As in the other tests, but for sessions that may be shorter, so that a round need not wait long.
fn properties(folder: &str, [port, controller, inner]: [u16; 3], proxy: u16) -> String {
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},PROXIED://127.0.0.1:{inner},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},PROXIED://127.0.0.1:{proxy}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={folder}/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=5
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=5
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
group.consumer.min.session.timeout.ms=1000
group.consumer.session.timeout.ms=3000
group.consumer.min.heartbeat.interval.ms=100
group.consumer.heartbeat.interval.ms=500
transaction.abort.timed.out.transaction.cleanup.interval.ms=500
log.index.size.max.bytes=65536
auto.create.topics.enable=false
"
    )
}
