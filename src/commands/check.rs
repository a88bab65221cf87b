//! `config check`: every fault at once, or the settings in effect. Opens no connection.

use rekindle::config::Needs;

use super::Exit;
use super::args::ConfigArgs;

/// Check a configuration: print every fault, or the settings in effect
///
/// The same checks as `run`. What is printed can be used as a file again, but for values that may be secret
/// (kafka.properties, a password in registry.url): those are left out.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  REKINDLE_KAFKA__PROPERTIES__SASL_PASSWORD_FILE=/run/secrets/kafka rekindle config check -c rekindle.toml")]
pub struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// Allow http.listen to be another than a loopback address
    #[arg(long)]
    allow_remote_http: bool,
}

/// Prints the effective configuration.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let allow = ("--allow-remote-http", "http.allow_remote", "true".to_owned());
    let more: &[_] = if args.allow_remote_http { &[allow] } else { &[] };
    print!("{}", args.config.load(more, Needs::Cluster)?.to_toml());
    Ok(Exit::Ok)
}
