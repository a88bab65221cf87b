//! The engine: a record and its position go in, effects and a verdict come out.
//!
//! Pure: no async, no I/O, no clock, no randomness, no logging, no metrics, no globals. One instance a
//! partition; instances share nothing. Time is the log's: stream time is the largest
//! `min(occurred_at, record timestamp)` accepted, and everything that depends on time depends on that.

mod adopt;
mod ahead;
pub mod annals;
mod apply;
mod calibration;
mod chains;
mod deadlines;
mod decisions;
pub mod decode;
mod drawn;
pub mod effects;
pub mod encode;
pub mod endings;
mod erase;
mod explain;
mod fanout;
pub mod fold;
mod glance;
mod holdout;
pub mod index;
mod latest;
pub mod ledger;
mod lifecycle;
mod limits;
pub mod listings;
mod lists;
mod named;
mod notice;
mod observer;
mod outcomes;
mod packed;
#[cfg(test)]
mod packed_tests;
mod positional;
pub mod prefix;
pub mod process;
mod queries;
pub mod query;
pub mod record;
mod remains;
pub mod restore;
mod restore_error;
#[cfg(test)]
mod restore_tests;
pub mod settings;
pub mod settings_text;
pub mod store;
pub mod suggest;
pub mod tenants;
mod trials;
mod triggers;
pub mod validate;
pub mod view;
pub mod workers;
mod write;
pub use write::STATE_HEADER;

pub use ahead::AHEAD;
pub use annals::Annals;
pub use effects::{Effects, OutHeaders, OutRecord, OutValue, Span, Topic};
pub use endings::{ChainOf, End, Endings, Told};
pub use explain::{Blocks, Explained};
pub use named::NamedEvent;
pub use notice::{Notice, RateScope, TurnFigures};
pub use observer::{Considered, Weighing};
pub use process::Engine;
pub use query::{
    EngineStats, Found, HistoryPage, HistoryPlace, HistoryQuery, PrefixMatch, PrefixQuery, RecoveryQuery, SearchFilter,
    SearchHit, SearchQuery, Sought, Weighed,
};
pub use record::{Record, WriterSchema};
pub use remains::Remains;
pub use restore::{Restoring, StateTopic};
pub use restore_error::RestoreError;
pub use settings::{EngineSettings, OutputFormat};
pub use tenants::Guests;
