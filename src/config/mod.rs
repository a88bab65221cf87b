//! Configuration: a TOML file, under environment variables `REKINDLE_SECTION__KEY`, under flags, read once into
//! each layer's own checked settings. The rest of the program never sees a raw value; nothing is opened here
//! but the configuration's own files.

mod edges;
mod engine;
mod fault;
mod http;
mod policy;
mod raw;
mod reader;
mod render;

use std::collections::BTreeSet;
use std::sync::Arc;

pub use fault::{Fault, Faults, Origin};
pub use policy::PolicyFile;
pub use reader::Effective;

use crate::engine::EngineSettings;
use crate::http::settings::HttpSettings;
use crate::runtime::settings::{Generation, RuntimeSettings};
use crate::telemetry::logs::LogSettings;
use raw::Raw;
use reader::Reader;

/// Where the settings come from, weakest first.
#[derive(Debug, Default)]
pub struct Sources {
    /// Name and text of the file.
    pub file: Option<(String, String)>,
    /// Environment variables; those without the prefix are passed over.
    pub env: Vec<(String, String)>,
    /// Flags: the flag as shown in a fault, the key as in TOML, the value.
    pub flags: Vec<(String, String, String)>,
}

/// What a command needs to be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// A cluster to talk to.
    Cluster,
    /// Nothing beyond the defaults.
    Nothing,
}

/// The checked configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The running service.
    pub runtime: RuntimeSettings,
    /// The HTTP edge.
    pub http: HttpSettings,
    /// Logs.
    pub log: LogSettings,
    effective: Vec<Effective>,
}

impl Config {
    /// Lays the sources over each other and checks everything. Errors with all faults at once.
    pub fn load(sources: Sources, needs: Needs) -> Result<Config, Faults> {
        let mut raw = Raw::default();
        let mut faults = Vec::new();
        if let Some((name, text)) = &sources.file {
            // A file that is no TOML says nothing about keys: further faults would only mislead.
            raw.overlay_file(name, text).map_err(Faults)?;
        }
        raw.overlay_env(sources.env, &|path| std::fs::read_to_string(path), &mut faults);
        for (flag, key, value) in &sources.flags {
            if let Err(fault) = raw.overlay_flag(flag, key, value) {
                faults.push(fault);
            }
        }
        let mut reader = Reader::new(&raw, faults);
        let r = &mut reader;
        let kafka = edges::kafka(r, needs == Needs::Cluster);
        let topics = edges::topics(r);
        let engine = Arc::new(engine::engine(r, &topics));
        let number = edges::generation(r);
        let runtime = RuntimeSettings {
            kafka,
            topics,
            generation: Generation::FIRST,
            registry: edges::registry(r),
            workers: edges::workers(r),
            batch: edges::batch(r),
            tick_after: edges::tick_after(r),
            keep_membership: r.flag(&["shutdown", "keep_membership"], false),
            skip: BTreeSet::new(),
            advertised_url: None,
            engine,
        };
        let mut runtime = runtime.in_generation(number);
        let (http, advertised_url) = http::http(r, &runtime.kafka);
        runtime.advertised_url = advertised_url;
        let log = edges::log(r);
        Ok(Config { runtime, http, log, effective: reader.finish()? })
    }

    /// The engine's settings.
    pub fn engine(&self) -> &Arc<EngineSettings> {
        &self.runtime.engine
    }

    /// Every setting in effect, in the order it was read.
    pub fn effective(&self) -> &[Effective] {
        &self.effective
    }

    /// The effective configuration as TOML, each value with its origin; nothing secret is in it.
    pub fn to_toml(&self) -> String {
        render::render(&self.effective)
    }
}

#[cfg(test)]
mod http_tests;
#[cfg(test)]
mod tests;
