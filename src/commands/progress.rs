//! A progress bar on a terminal, for what takes more than a second. Never on a pipe or in a log.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

const PATIENCE: Duration = Duration::from_secs(1);

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
