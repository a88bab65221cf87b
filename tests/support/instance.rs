//! The service in a process of its own, so that it can be killed.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rekindle::runtime::settings::RuntimeSettings;
use rekindle::runtime::start;
use rekindle::telemetry::Metrics;
use rekindle::telemetry::logs::{LogSettings, init};

use super::clients;

const NAME: &str = "REKINDLE_TEST_INSTANCE_NAME";

/// A running process; killed when dropped.
pub struct Instance {
    child: Child,
}

impl Instance {
    /// Starts the service over the topics of `settings`.
    pub fn start(settings: &RuntimeSettings) -> Instance {
        let child = Command::new(std::env::current_exe().expect("this test binary"))
            .args(["--ignored", "--exact", "support::instance::process", "--nocapture"])
            .env(NAME, &settings.kafka.group_id)
            .env("BROKERS", &settings.kafka.brokers)
            .env("PARTITIONS", settings.topics.partitions.to_string())
            .env("INSTANCE", &settings.kafka.instance_id)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("start a process");
        Instance { child }
    }

    /// Ends it as a crash would.
    pub fn kill(mut self) {
        self.child.kill().expect("kill -9");
        self.child.wait().expect("its end");
    }

    /// Asks it to stop and waits for the end.
    pub fn stop(mut self) {
        drop(self.child.stdin.take());
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

/// The process itself: serves until its standard input is closed.
#[test]
#[ignore = "started by the tests that need a process to kill"]
fn process() {
    let get = |name: &str| std::env::var(name).expect("set by the test that starts this");
    let mut settings = clients::settings(&get("BROKERS"), &get(NAME), get("PARTITIONS").parse().expect("a number"));
    settings.kafka.instance_id = get("INSTANCE");
    settings.kafka.transactional_id = get("INSTANCE");
    let filter = std::env::var("REKINDLE_TEST_LOG").unwrap_or_else(|_| "error".to_owned());
    init(&LogSettings { filter, ..LogSettings::default() }).expect("logs");
    let mut service = start(settings, Arc::new(Metrics::new())).expect("start");
    let (closed, stdin) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        let _ = closed.send(());
    });
    while stdin.recv_timeout(Duration::from_millis(50)).is_err() {
        if let Some(fault) = service.wait(Duration::ZERO) {
            panic!("{fault}");
        }
    }
    service.shutdown().expect("clean");
}
