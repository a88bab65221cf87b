//! Arguments that several commands share: where the configuration is, and single settings above it.

use std::path::{Path, PathBuf};

use anyhow::Context;

use rekindle::config::{Config, Needs, Sources};

use super::UsageError;

/// Where the configuration comes from.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ConfigArgs {
    /// Configuration file (TOML)
    #[arg(id = "config", short = 'c', long = "config", value_name = "CONFIG")]
    pub file: Option<PathBuf>,
    /// One setting, above file and environment; repeatable
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// The same for commands that talk to Kafka.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ClusterArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Kafka brokers, host:port apart by commas (kafka.brokers)
    #[arg(long, value_name = "BROKERS")]
    brokers: Option<String>,
}

impl ClusterArgs {
    /// As [`ConfigArgs::load`], with brokers required; logs are set up too.
    pub fn load(&self, more: &[Flag]) -> anyhow::Result<Config> {
        let brokers = self.brokers.iter().map(|brokers| ("--brokers", "kafka.brokers", brokers.clone()));
        let flags: Vec<Flag> = brokers.chain(more.iter().cloned()).collect();
        let config = self.config.load(&flags, Needs::Cluster)?;
        rekindle::telemetry::logs::init(&config.log)?;
        Ok(config)
    }
}

/// A flag that sets a key: the flag, the key and the value.
pub type Flag = (&'static str, &'static str, String);

/// `--allow-remote-http` as a flag, if it was given.
pub fn allow_remote_http(given: bool) -> Vec<Flag> {
    if given { vec![("--allow-remote-http", "http.allow_remote", "true".to_owned())] } else { vec![] }
}

impl ConfigArgs {
    /// Reads file and environment, lays the flags over them (`more`: the command's own), and checks all of it.
    pub fn load(&self, more: &[Flag], needs: Needs) -> anyhow::Result<Config> {
        let mut flags = Vec::new();
        for setting in &self.set {
            // The key may hold '=' only inside quotes, which no known key needs.
            let Some((key, value)) = setting.split_once('=') else {
                return Err(UsageError(format!("--set {setting}: expected KEY=VALUE")).into());
            };
            flags.push((format!("--set {}", key.trim()), key.trim().to_owned(), value.trim().to_owned()));
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
