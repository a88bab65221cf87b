//! Scores the suggestions against what then happened in the log itself: which session takes up which. A first pass
//! collects that truth; then the engine is run over the log without it, once for each policy, and asked at each
//! session's opening and behind its second turn what it would suggest.
//!
//! Works on records, not on files; nothing here reads a clock or draws unseeded. docs/backtest.md gives the formulas.

mod calibration;
mod curve;
mod fit;
mod hide;
mod picture;
mod points;
mod prefixes;
mod published;
mod report;
mod run;
mod samples;
mod stats;
mod table;
mod transfer;
mod truth;

pub use fit::{FitError, Fitted, fit};
pub use picture::picture;
pub use report::{Figures, LogFigures, Report};
pub use run::{Half, Run, RunOptions, Tally};
pub use table::table;
pub use truth::Truth;
