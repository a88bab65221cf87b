//! Arguments that several commands share: where the configuration is, and single settings above it.

use std::path::{Path, PathBuf};

use anyhow::Context;

use rekindle::config::{Config, Needs, Sources};

use super::UsageError;

/// Where the configuration comes from.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ConfigArgs {
    /// Configuration file (TOML)
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// One setting, above file and environment; repeatable
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Kafka brokers, host:port apart by commas (kafka.brokers)
    #[arg(long, value_name = "BROKERS")]
    pub brokers: Option<String>,
}

impl ConfigArgs {
    /// Reads file and environment, lays the flags over them (`more`: flags of the command itself as flag, key
    /// and value), and checks all of it.
    pub fn load(&self, more: &[(&str, &str, String)], needs: Needs) -> anyhow::Result<Config> {
        let mut flags = Vec::new();
        for setting in &self.set {
            // The key may hold '=' only inside quotes, which no known key needs.
            let Some((key, value)) = setting.split_once('=') else {
                return Err(UsageError(format!("--set {setting}: expected KEY=VALUE")).into());
            };
            flags.push((format!("--set {}", key.trim()), key.trim().to_owned(), value.trim().to_owned()));
        }
        if let Some(brokers) = &self.brokers {
            flags.push(("--brokers".to_owned(), "kafka.brokers".to_owned(), brokers.clone()));
        }
        flags.extend(more.iter().map(|(flag, key, value)| ((*flag).to_owned(), (*key).to_owned(), value.clone())));
        let file = self.file.as_deref().map(read).transpose()?;
        Ok(Config::load(Sources { file, env: environment(), flags }, needs)?)
    }
}

fn read(path: &Path) -> anyhow::Result<(String, String)> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|e| UsageError(format!("the configuration file {name} cannot be read: {e}")))
        .context("-c")?;
    Ok((name, text))
}

/// Variables that are text; others cannot be settings.
fn environment() -> Vec<(String, String)> {
    std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect()
}
