//! One process of the service, with its log and what has to be known of its end.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;

use rekindle::runtime::settings::RuntimeSettings;

use crate::instance::Instance;
use crate::support::clients::eventually;
use crate::support::watchdog;

/// A process; killed when dropped.
pub struct Run {
    instance: Instance,
    ended: Option<ExitStatus>,
    /// What it logs.
    pub log: PathBuf,
}

impl Run {
    /// Starts it. `fail_point` as `REKINDLE_FAIL_POINT` takes it.
    pub fn start(settings: &RuntimeSettings, log: PathBuf, arguments: &[&str], fail_point: Option<&str>) -> Run {
        let level = std::env::var("REKINDLE_TEST_LOG").unwrap_or_else(|_| "rekindle=info".to_owned());
        let level = ["--set", &format!("log.level={level}")];
        let instance = Instance::launch(settings, &[&level[..], arguments].concat(), |command| {
            command.stderr(std::fs::File::create(&log).expect("a log"));
            if let Some(point) = fail_point {
                command.env("REKINDLE_FAIL_POINT", point);
            }
        });
        watchdog::started(instance.pid());
        Run { instance, ended: None, log }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.instance.pid()
    }

    /// Sends a signal, by name.
    pub fn signal(&self, name: &str) {
        self.instance.signal(name);
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.instance.ended();
            if self.ended.is_some() {
                watchdog::reaped(self.instance.pid());
            }
        }
        self.ended
    }

    /// Waits for its end.
    pub fn until_ended(&mut self) -> ExitStatus {
        let what = format!("the end of {}", self.log.display());
        eventually(&what, || self.ended(), Option::is_some).expect("just seen")
    }

    /// Ends it as a crash does.
    pub fn kill(mut self) {
        if self.ended().is_none() {
            self.signal("KILL");
            self.until_ended();
        }
    }

    /// Asks it to stop and waits for its clean end.
    pub fn stop(mut self) {
        let status = self.terminate();
        assert!(status.success(), "{}: {status}\n{}", self.log.display(), self.text());
    }

    /// The same; `false` if it could not commit its last batch in time, and said so.
    pub fn stop_or_give_up(mut self) -> bool {
        let status = self.terminate();
        let gave_up = self.text().contains("shutdown: the last batch could not be committed in time");
        assert!(status.success() || gave_up, "{}: {status}\n{}", self.log.display(), self.text());
        status.success()
    }

    fn terminate(&mut self) -> ExitStatus {
        assert_eq!(self.ended(), None, "{} ended by itself:\n{}", self.log.display(), self.text());
        self.signal("TERM");
        self.until_ended()
    }

    /// Whether a signal stopped it, and nothing continued it yet.
    pub fn is_stopped(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.instance.pid())).unwrap_or_default();
        stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
    }

    /// Waits until a signal stopped it.
    pub fn until_stopped(&mut self) {
        eventually("stopped", || (self.is_stopped(), self.ended()), |(stopped, ended)| *stopped || ended.is_some());
        assert!(self.is_stopped(), "{} ended instead", self.log.display());
    }

    /// The most memory it ever had resident, in KiB.
    pub fn peak_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.instance.pid())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Its log so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).expect("its log")).into_owned()
    }

    /// How many lines of its log hold this.
    pub fn said(&self, words: &str) -> usize {
        self.text().lines().filter(|line| line.contains(words)).count()
    }

    /// Waits until as many lines hold this.
    pub fn until_said(&self, words: &str, times: usize) {
        let what = format!("{:?} in {}", words, self.log.display());
        eventually(&what, || self.said(words), |n| *n >= times);
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if self.ended().is_none() {
            watchdog::reaped(self.instance.pid());
        }
    }
}

/// Whether `kill -9` ended it.
pub fn was_killed(status: ExitStatus) -> bool {
    status.signal() == Some(9)
}
