//! What processes hold, seen from outside and over time: memory, open files, threads. By `/proc`, so on Linux only.

use std::collections::BTreeMap;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

const EVERY: Duration = Duration::from_secs(2);

/// What is measured, and how much it may rise beside the tenth that anything may: less than a leak of one a fault comes
/// to, more than connections that are being made anew, or a buffer that is just filled.
const MEASURES: [(&str, u64); 3] = [("memory, KiB", 8 << 10), ("open files", 6), ("threads", 4)];

/// One look at a process: the values of [`MEASURES`].
pub type Sample = [u64; 3];

type Followed = BTreeMap<String, u32>;
/// By name, in the order of time.
type Samples = BTreeMap<String, Vec<Sample>>;

/// A thread that looks.
pub struct Watch {
    followed: Arc<Mutex<Followed>>,
    stop: Sender<()>,
    thread: JoinHandle<Samples>,
}

impl Watch {
    /// Begins, with nobody to follow.
    pub fn start() -> Watch {
        let followed = Arc::new(Mutex::new(Followed::new()));
        let (stop, stopped) = channel();
        let names = Arc::clone(&followed);
        let look = move || {
            let mut samples = Samples::new();
            while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                for (name, pid) in names.lock().expect("no panic under the lock").iter() {
                    // None while it is being replaced.
                    samples.entry(name.clone()).or_default().extend(sample(*pid));
                }
            }
            samples
        };
        Watch { followed, stop, thread: std::thread::spawn(look) }
    }

    /// From now on this process has the name.
    pub fn follow(&self, name: &str, pid: u32) {
        self.followed.lock().expect("no panic under the lock").insert(name.to_owned(), pid);
    }

    /// Everything seen.
    pub fn stop(self) -> Samples {
        drop(self.stop);
        self.thread.join().expect("no panic")
    }
}

fn sample(pid: u32) -> Option<Sample> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() as u64;
    Some([value("VmRSS:")?, files, value("Threads:")?])
}

/// A line for each measure, and those that rose: the median of the last third lies above that of the middle third by
/// more than a tenth and its allowance. The first third is for caches and pools to fill.
pub fn judge(samples: &[Sample]) -> (Vec<String>, Vec<String>) {
    let third = samples.len() / 3;
    if third < 10 {
        return (Vec::new(), vec![format!("only {} samples", samples.len())]);
    }
    let (mut figures, mut risen) = (Vec::new(), Vec::new());
    for (at, (name, allowance)) in MEASURES.into_iter().enumerate() {
        let of = |part: &[Sample]| median(part.iter().map(|sample| sample[at]).collect());
        let [first, middle, last] =
            [of(&samples[..third]), of(&samples[third..2 * third]), of(&samples[samples.len() - third..])];
        let most = samples.iter().map(|sample| sample[at]).max().unwrap_or_default();
        let line = format!("{name}: {first}, {middle}, {last} in the median of the thirds, at most {most}");
        if last > middle + middle / 10 + allowance {
            risen.push(line.clone());
        }
        figures.push(line);
    }
    (figures, risen)
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values[values.len() / 2]
}

/// What rises is seen, in each measure; what only moves is not.
pub fn self_check() {
    let steady = |n: u64| [100_000 + n % 7 * 1000, 40 + n % 3, 20 + n % 2];
    let judged = |of: &dyn Fn(u64) -> Sample| judge(&(0..300).map(of).collect::<Vec<_>>()).1.len();
    assert_eq!(judged(&steady), 0);
    for at in 0..3 {
        let rate = [400, 1, 1][at];
        let rising = |n: u64| {
            let mut sample = steady(n);
            sample[at] += n * rate;
            sample
        };
        assert_eq!(judged(&rising), 1, "measure {at}");
    }
    assert_eq!(judge(&[[1, 1, 1]; 20]).1.len(), 1, "too few samples say nothing");
}
