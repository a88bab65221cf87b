//! A progress bar on a terminal, for what takes more than a second. Elsewhere never a bar; a verification, which may
//! take hours, says a line now and then.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rekindle::verify::{self, Stage};

const PATIENCE: Duration = Duration::from_secs(1);
/// Between two lines where there is no terminal.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Shows how far a file has been read.
pub struct Progress {
    bar: ProgressBar,
    begun: Instant,
    hidden: bool,
}

impl Progress {
    /// Begins. `bytes`: size of the input, if known. `quiet`: never show anything (the output itself is on
    /// the terminal).
    pub fn new(bytes: Option<u64>, quiet: bool) -> Progress {
        let bar = ProgressBar::with_draw_target(bytes, ProgressDrawTarget::hidden());
        let style = match bytes {
            Some(_) => "{bar:30} {bytes}/{total_bytes} {msg} {eta} left",
            None => "{spinner} {bytes} {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        Progress { bar, begun: Instant::now(), hidden: quiet || !std::io::stderr().is_terminal() }
    }

    /// Another `bytes` have been read, `lines` in all.
    pub fn advance(&mut self, bytes: usize, lines: u64) {
        if self.hidden {
            return;
        }
        self.bar.inc(bytes as u64);
        if self.bar.is_hidden() {
            if self.begun.elapsed() < PATIENCE {
                return;
            }
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.set_message(format!("{lines} lines"));
    }

    /// Prints a line on stderr without tearing the bar.
    pub fn report(&self, line: std::fmt::Arguments<'_>) {
        self.bar.suspend(|| eprintln!("{line}"));
    }

    /// Ends and clears the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Shows how far something is that is counted in offsets: a bar on a terminal, elsewhere a line now and then.
pub struct OffsetProgress {
    bar: ProgressBar,
    terminal: bool,
    told: Instant,
}

impl OffsetProgress {
    /// Begins.
    pub fn new() -> OffsetProgress {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {msg} {pos}/{len} {elapsed}") {
            bar.set_style(style);
        }
        OffsetProgress { bar, terminal: std::io::stderr().is_terminal(), told: Instant::now() }
    }

    /// Shows how much of it is done.
    pub fn show(&mut self, doing: &str, done: u64, total: u64) {
        if self.terminal {
            if self.bar.is_hidden() && self.told.elapsed() >= PATIENCE {
                self.bar.set_draw_target(ProgressDrawTarget::stderr());
            }
            self.bar.set_length(total);
            self.bar.set_position(done);
            self.bar.set_message(doing.to_owned());
        } else if self.told.elapsed() >= TELL_EVERY {
            self.told = Instant::now();
            eprintln!("{doing} {done}/{total}");
        }
    }

    /// Ends and clears the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// How far a verification is, in words and offsets.
pub fn show_verification(bar: &mut OffsetProgress, at: verify::Progress) {
    let doing = match at.stage {
        Stage::Waiting => "waiting for the group",
        Stage::State => "reading the state",
        Stage::Replay => "replaying",
        Stage::Explaining => "looking again at what differs",
        Stage::Done => "done",
    };
    bar.show(&format!("partition {}: {doing}", at.partition), at.done, at.total);
}
