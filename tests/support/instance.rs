//! The service as operators run it: `rekindle run` in a process of its own, that can be killed.
#![allow(dead_code)]

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use rekindle::runtime::settings::RuntimeSettings;

/// A running process; killed when dropped.
pub struct Instance {
    child: Child,
    _config: tempfile::NamedTempFile,
}

impl Instance {
    /// Starts the service with these settings.
    pub fn start(settings: &RuntimeSettings) -> Instance {
        Instance::start_with(settings, &[])
    }

    /// The same with more arguments.
    pub fn start_with(settings: &RuntimeSettings, arguments: &[&str]) -> Instance {
        Instance::launch(settings, arguments, |_| ())
    }

    /// The same, with a last word on how the process is run.
    pub fn launch(settings: &RuntimeSettings, arguments: &[&str], adjust: impl FnOnce(&mut Command)) -> Instance {
        let mut config = tempfile::NamedTempFile::new().expect("a temporary file");
        config.write_all(toml(settings).as_bytes()).expect("write the configuration");
        let mut command = command(config.path(), arguments);
        adjust(&mut command);
        Instance { child: command.spawn().expect("start rekindle run"), _config: config }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child's status")
    }

    /// Sends it a signal, by name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.expect("kill").success(), "kill -{name}");
    }

    /// Ends it as a crash would.
    pub fn kill(mut self) {
        self.child.kill().expect("kill -9");
        self.child.wait().expect("its end");
    }

    /// Asks it to stop as an operator does, and waits for the end.
    pub fn stop(mut self) {
        self.signal("TERM");
        let status = self.child.wait().expect("its end");
        assert!(status.success(), "a clean end: {status}");
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // Both fail if it has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs `rekindle verify` with these settings: exit code and what it printed.
pub fn verify(settings: &RuntimeSettings, arguments: &[&str]) -> (Option<i32>, String) {
    let mut config = tempfile::NamedTempFile::new().expect("a temporary file");
    config.write_all(toml(settings).as_bytes()).expect("write the configuration");
    let output = Command::new(env!("CARGO_BIN_EXE_rekindle"))
        .args(["verify", "--set", "log.level=error", "-c"])
        .arg(config.path())
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("run rekindle verify");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).expect("text"))
}

fn command(config: &Path, arguments: &[&str]) -> Command {
    let level = std::env::var("REKINDLE_TEST_LOG").unwrap_or_else(|_| "rekindle=error".to_owned());
    let mut command = Command::new(env!("CARGO_BIN_EXE_rekindle"));
    command
        .args(["run", "-c"])
        .arg(config)
        .args(["--set", &format!("log.level={level}")])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

fn toml(settings: &RuntimeSettings) -> String {
    let generation = settings.generation.number;
    let first = settings.clone().in_generation(1);
    let (kafka, topics) = (&first.kafka, &first.topics);
    let dim = settings.engine.spaces.values().next().expect("the space `default`");
    let properties: String = kafka.properties.iter().map(|(name, value)| format!("{name:?} = {value:?}\n")).collect();
    let registry = settings.registry.url.iter().map(|url| format!("[registry]\nurl = {url:?}\n")).collect::<String>();
    let tick: String =
        settings.tick_after.iter().map(|after| format!("[tick]\nafter_ms = {}\n", after.as_millis())).collect();
    format!(
        "[application]
generation = {generation}
[kafka]
brokers = {:?}
group_id = {:?}
instance_id = {:?}
transactional_id = {:?}
[kafka.properties]
{properties}
[topics]
events = {:?}
states = {:?}
vectors = {:?}
bookkeeping = {:?}
recovery = {:?}
transfer = {:?}
dead_letters = {:?}
owners = {:?}
partitions = {}
[worker]
count = {}
[http]
listen = \"127.0.0.1:0\"
[spaces.default]
dim = {dim}
[session]
idle_timeout_ms = {}
retention_ms = {}
[policy]
valid_ms = {}
{registry}{tick}",
        kafka.brokers,
        kafka.group_id,
        kafka.instance_id,
        kafka.transactional_id,
        topics.events,
        topics.states,
        topics.vectors,
        topics.bookkeeping,
        topics.recovery,
        topics.transfer,
        topics.dead_letters,
        topics.owners,
        topics.partitions,
        settings.workers,
        settings.engine.idle_timeout.0,
        settings.engine.retention.0,
        settings.engine.policy.valid_for.0,
    )
}
