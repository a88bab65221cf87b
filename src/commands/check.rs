//! `config check`: every fault at once, or the settings in effect. Opens no connection.

use super::Exit;
use super::args::{ClusterArgs, allow_remote_http};

/// Check a configuration: print every fault, or the settings in effect
///
/// The same checks as `run`. What is printed can be used as a file again, but for values that may be secret
/// (kafka.properties, a password in registry.url): those are left out.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  REKINDLE_KAFKA__PROPERTIES__SASL_PASSWORD_FILE=/run/secrets/kafka rekindle config check -c rekindle.toml")]
pub struct Args {
    #[command(flatten)]
    config: ClusterArgs,
    /// Allow http.listen to be another than a loopback address without access control
    #[arg(long)]
    allow_remote_http: bool,
}

/// Prints the effective configuration.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    print!("{}", args.config.load(&allow_remote_http(args.allow_remote_http))?.to_toml());
    Ok(Exit::Ok)
}
