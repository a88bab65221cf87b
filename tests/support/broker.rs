//! Finds a real Apache Kafka for the tests, or starts one that dies with the test process. One broker serves
//! the whole test binary. Never skips: without a broker the tests fail and say what would help.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

const KAFKA_VERSION: &str = "4.3.1";
/// Quick to start and light: a test's broker does not live long enough to be worth optimising.
pub(super) const JVM: &str = "-Xmx512m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC";
const THREE_WAYS: &str = "the end to end tests need a real Apache Kafka, found in one of three ways:
  1. REKINDLE_TEST_BROKERS=host:port names one that is running
  2. a Docker engine answers (image apache/kafka)
  3. `java` (17 or later) and `mvn` are on the PATH (the broker is downloaded once)";

/// Addresses of the broker.
pub fn brokers() -> &'static str {
    static BROKER: OnceLock<Result<Broker, String>> = OnceLock::new();
    match BROKER.get_or_init(find) {
        Ok(broker) => &broker.addresses,
        Err(fault) => panic!("{THREE_WAYS}\n{fault}"),
    }
}

struct Broker {
    addresses: String,
    /// Holds the watchdog's standard input open: it ends the broker when this process is gone, however.
    _watchdog: Option<Child>,
}

fn find() -> Result<Broker, String> {
    if let Ok(addresses) = std::env::var("REKINDLE_TEST_BROKERS") {
        wait_until_it_answers(&addresses, None)?;
        return Ok(Broker { addresses, _watchdog: None });
    }
    if succeeds(Command::new("docker").arg("info")) {
        return start_docker();
    }
    if !succeeds(Command::new("java").arg("-version")) || !succeeds(Command::new("mvn").arg("-version")) {
        return Err("none of the three was found".to_owned());
    }
    start_java()
}

fn succeeds(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}

fn start_docker() -> Result<Broker, String> {
    let [port, _] = free_ports();
    let name = format!("rekindle-test-{}", std::process::id());
    let run = format!(
        "docker run -d --rm --name {name} -p 127.0.0.1:{port}:{port} \
         -e KAFKA_NODE_ID=1 -e KAFKA_PROCESS_ROLES=broker,controller \
         -e KAFKA_LISTENERS=PLAINTEXT://:{port},CONTROLLER://:9093 \
         -e KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://127.0.0.1:{port} \
         -e KAFKA_CONTROLLER_LISTENER_NAMES=CONTROLLER \
         -e KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT \
         -e KAFKA_CONTROLLER_QUORUM_VOTERS=1@localhost:9093 \
         -e KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR=1 -e KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS=5 \
         -e KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR=1 -e KAFKA_TRANSACTION_STATE_LOG_MIN_ISR=1 \
         -e KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS=5 -e KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS=0 \
         -e KAFKA_LOG_RETENTION_CHECK_INTERVAL_MS=1000 -e KAFKA_LOG_CLEANER_BACKOFF_MS=500 \
         apache/kafka:{KAFKA_VERSION} >/dev/null"
    );
    watched(&format!("{run} || exit 1; cat >/dev/null; docker rm -f {name} >/dev/null"), port)
}

fn start_java() -> Result<Broker, String> {
    let libs = libraries()?;
    let [port, controller_port] = free_ports();
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("broker-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let properties = folder.join("server.properties");
    std::fs::write(&properties, server_properties(&folder, port, controller_port)).map_err(|e| e.to_string())?;
    let classes = format!("{}/*", libs.display());
    // A cluster id is 16 bytes in base64; any will do.
    let format = Command::new("java")
        .args(JVM.split(' '))
        .args(["-cp", &classes, "kafka.tools.StorageTool", "format", "-t", "cmVraW5kbGUtdGVzdC1pZA", "-c"])
        .arg(&properties)
        .output();
    let format = format.map_err(|e| format!("java: {e}"))?;
    if !format.status.success() {
        return Err(format!("formatting the broker's storage: {}", String::from_utf8_lossy(&format.stderr)));
    }
    let folder = folder.display();
    // The shell ignores signals so that it outlives this process and cleans up after it.
    let script = format!(
        "trap '' INT TERM HUP; java {JVM} -cp '{classes}' kafka.Kafka '{}' </dev/null >'{folder}/log' 2>&1 & broker=$!
         cat >/dev/null; kill -9 $broker; wait $broker 2>/dev/null; rm -rf '{folder}'",
        properties.display()
    );
    watched(&script, port)
}

/// Runs a script that ends what it started once its standard input is closed, which the end of this process
/// does in every case.
fn watched(script: &str, port: u16) -> Result<Broker, String> {
    let mut watchdog = Command::new("sh")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|e| format!("sh: {e}"))?;
    let addresses = format!("127.0.0.1:{port}");
    wait_until_it_answers(&addresses, Some(&mut watchdog))?;
    Ok(Broker { addresses, _watchdog: Some(watchdog) })
}

/// The broker's jars, downloaded once into the target folder.
pub(super) fn libraries() -> Result<PathBuf, String> {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("kafka-{KAFKA_VERSION}"));
    let libs = cache.join("libs");
    if libs.is_dir() {
        return Ok(libs);
    }
    let build = cache.join(format!("download-{}", std::process::id()));
    std::fs::create_dir_all(&build).map_err(|e| format!("{}: {e}", build.display()))?;
    std::fs::File::create(build.join("pom.xml"))
        .and_then(|mut pom| pom.write_all(pom_text().as_bytes()))
        .map_err(|e| e.to_string())?;
    let goals = ["-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=libs"];
    let done = Command::new("mvn").args(goals).current_dir(&build).output().map_err(|e| format!("mvn: {e}"))?;
    if !done.status.success() {
        return Err(format!("mvn could not download the broker: {}", String::from_utf8_lossy(&done.stdout)));
    }
    // Renamed when whole, so that an interrupted download is never used; losing a race is fine.
    let _ = std::fs::rename(build.join("libs"), &libs);
    let _ = std::fs::remove_dir_all(&build);
    if libs.is_dir() { Ok(libs) } else { Err(format!("{} is missing after the download", libs.display())) }
}

fn pom_text() -> String {
    let dependency = |group: &str, artifact: &str, version: &str| {
        format!(
            "<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version></dependency>"
        )
    };
    format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><modelVersion>4.0.0</modelVersion>\
         <groupId>rekindle.test</groupId><artifactId>broker</artifactId><version>1</version>\
         <dependencies>{}{}{}</dependencies></project>",
        dependency("org.apache.kafka", "kafka_2.13", KAFKA_VERSION),
        dependency("org.apache.kafka", "kafka-tools", KAFKA_VERSION),
        dependency("org.slf4j", "slf4j-nop", "1.7.36"),
    )
}

fn server_properties(folder: &Path, port: u16, controller_port: u16) -> String {
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={}/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=5
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=5
group.initial.rebalance.delay.ms=0
log.retention.check.interval.ms=1000
log.cleaner.backoff.ms=500
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
auto.create.topics.enable=false
",
        folder.display()
    )
}

/// Ports that are free now.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let listeners: [TcpListener; N] =
        std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").expect("a free loopback port"));
    listeners.map(|l| l.local_addr().expect("a bound address").port())
}

pub(super) fn wait_until_it_answers(addresses: &str, mut process: Option<&mut Child>) -> Result<(), String> {
    let probe: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", addresses)
        .set("log_level", "0")
        .create()
        .map_err(|e| e.to_string())?;
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match probe.fetch_metadata(None, Duration::from_secs(2)) {
            Ok(metadata) if !metadata.brokers().is_empty() => return Ok(()),
            answer if Instant::now() > deadline => {
                return Err(format!("no answer from {addresses}: {:?}", answer.err()));
            }
            _ => {}
        }
        if let Some(process) = process.as_deref_mut()
            && let Ok(Some(status)) = process.try_wait()
        {
            return Err(format!("the broker ended with {status}"));
        }
    }
}
