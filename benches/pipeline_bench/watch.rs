//! Watches a process work through a topic: how fast its group's offsets move, and what it costs.
#![allow(dead_code)]

use std::time::{Duration, Instant};

use super::support::clients::Committed;

/// The longest anything may take here.
pub const PATIENCE: Duration = Duration::from_secs(600);
const PAUSE: Duration = Duration::from_millis(5);
/// Ticks a second in which Linux tells processor time.
const TICKS: f64 = 100.0;

/// What a process has used.
#[derive(Clone, Copy)]
pub struct Usage {
    /// Processor time, s.
    pub cpu_s: f64,
    /// The most memory it had, MiB.
    pub peak_mib: f64,
    /// The memory it has now, MiB.
    pub now_mib: f64,
}

/// What a process has used so far, by `/proc`.
pub fn usage(pid: u32) -> Usage {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).expect("a running process");
    let (stat, status) = (read("stat"), read("status"));
    let after_name = stat.rsplit(')').next().expect("a line");
    let ticks: f64 = after_name.split_whitespace().skip(11).take(2).map(|n| n.parse::<f64>().expect("ticks")).sum();
    let mib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
        line.split_whitespace().next().expect("KiB").parse::<f64>().expect("KiB") / 1024.0
    };
    Usage { cpu_s: ticks / TICKS, peak_mib: mib("VmHWM:"), now_mib: mib("VmRSS:") }
}

/// Processor time of this machine that others were given while it was wanted here, of all there is, in ticks since the
/// start: on a shared machine nothing else says why something took long.
#[derive(Clone, Copy)]
pub struct Stolen {
    stolen: u64,
    all: u64,
}

impl Stolen {
    pub fn now() -> Stolen {
        let text = std::fs::read_to_string("/proc/stat").expect("readable");
        let line = text.lines().next().expect("a line");
        let ticks: Vec<u64> = line.split_whitespace().skip(1).map(|n| n.parse().expect("ticks")).collect();
        Stolen { stolen: ticks[7], all: ticks[..8].iter().sum() }
    }

    /// The share since then, in percent.
    pub fn percent_since(self) -> f64 {
        let now = Stolen::now();
        100.0 * (now.stolen - self.stolen) as f64 / (now.all - self.all).max(1) as f64
    }
}

/// How fast a process works, and what it costs.
#[derive(Clone, Copy)]
pub struct Pace {
    pub events_per_s: f64,
    pub cpu_us_an_event: f64,
    /// The most memory it had so far.
    pub peak_mib: f64,
    /// Processor time that other machines took meanwhile, percent.
    pub stolen: f64,
}

/// How far a group has come.
pub struct Progress(Committed);

impl Progress {
    pub fn of(brokers: &str, group: &str, topic: &str, partitions: i32) -> Progress {
        Progress(Committed::of(brokers, group, topic, partitions))
    }

    fn committed(&self) -> i64 {
        self.0.now().map_or(0, |offsets| offsets.into_iter().flatten().sum())
    }

    /// Waits until all from `from` to `total` is committed by a process, and measures the middle half of it.
    pub fn pace(&self, pid: u32, from: i64, total: i64) -> Pace {
        let started = Instant::now();
        let wait_for = |least: i64| loop {
            let committed = self.committed();
            if committed >= least {
                return (committed, Instant::now(), usage(pid));
            }
            assert!(started.elapsed() < PATIENCE, "committed up to {committed} of {total}");
            // It panics if the process has ended.
            usage(pid);
            std::thread::sleep(PAUSE);
        };
        let quarter = (total - from) / 4;
        let (first, begun, before) = wait_for(from + quarter);
        let stolen = Stolen::now();
        let (last, ended, after) = wait_for(total - quarter);
        let stolen = stolen.percent_since();
        wait_for(total);
        let events = (last - first) as f64;
        Pace {
            events_per_s: events / (ended - begun).as_secs_f64(),
            cpu_us_an_event: (after.cpu_s - before.cpu_s) * 1e6 / events,
            peak_mib: usage(pid).peak_mib,
            stolen,
        }
    }
}
