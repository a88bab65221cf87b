//! The set-up of logs: text for people, JSON for machines, on stderr. Standard output belongs to commands.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// One readable line an entry.
    #[default]
    Text,
    /// One JSON object an entry.
    Json,
}

/// How to log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// Form of a line.
    pub format: LogFormat,
    /// A filter such as `info` or `rekindle=debug,warn`.
    pub filter: String,
}

impl Default for LogSettings {
    fn default() -> Self {
        LogSettings { format: LogFormat::Text, filter: "info".to_owned() }
    }
}

/// Why logs could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter cannot be read.
    #[error("log filter: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Something else in this process has set logs up before.
    #[error("logs are already set up")]
    AlreadySet,
}

/// Whether a filter can be used; the message says why not.
pub fn check_filter(filter: &str) -> Result<(), LogError> {
    EnvFilter::try_new(filter)?;
    Ok(())
}

/// Sends everything the filter lets through to stderr, from now until the process ends.
pub fn init(settings: &LogSettings) -> Result<(), LogError> {
    let filter = EnvFilter::try_new(&settings.filter)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let result = match settings.format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    result.map_err(|_| LogError::AlreadySet)
}
