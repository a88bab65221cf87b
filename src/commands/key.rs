//! `key new`: makes an API key, and what the configuration holds of it.

use rekindle::http::auth::{KeyHash, new_key};

use super::Exit;

/// Make an API key: prints it, and its SHA-256 for the configuration
///
/// The key is shown here only; the configuration holds its hash, from which nobody finds it: it is 256 random bits.
/// Who has it sends it as `Authorization: Bearer KEY`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  rekindle key new
  then in the configuration: [http.auth.keys.gateway] with sha256, tenants = \"*\" and role = \"read\"")]
pub struct Args {}

/// Prints both.
pub fn run(_: &Args) -> anyhow::Result<Exit> {
    let key = new_key()?;
    println!("key     {key}\nsha256  {}", KeyHash::of_key(&key));
    Ok(Exit::Ok)
}
