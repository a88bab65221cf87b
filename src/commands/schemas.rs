//! Schemas of the records of a dump, for the commands that read one.

use std::sync::Arc;

use anyhow::bail;

use rekindle::config::Config;
use rekindle::kafka::registry::{KnownSchema, Registry, Resolution};

/// The registry, if one is configured.
pub struct Schemas(Option<Registry>);

impl Schemas {
    /// As configured.
    pub fn new(config: &Config) -> Schemas {
        Schemas(config.runtime.registry.url.as_deref().map(Registry::new))
    }

    /// The schema of a Confluent-framed value, from the registry if one is configured. A registry that does not
    /// answer is an error: a record judged without its schema would be judged differently than it was.
    pub fn writer(&self, number: u64, value: Option<&[u8]>) -> anyhow::Result<Option<Arc<KnownSchema>>> {
        let (Some([0, a, b, c, d, ..]), Some(registry)) = (value, &self.0) else { return Ok(None) };
        match registry.resolve(u32::from_be_bytes([*a, *b, *c, *d])) {
            Resolution::Known(schema) => Ok(Some(schema)),
            Resolution::Absent => Ok(None),
            Resolution::Unavailable(cause) => bail!("line {number}: the schema registry does not answer: {cause}"),
        }
    }
}
