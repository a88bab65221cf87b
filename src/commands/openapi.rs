//! `openapi`: prints the description of the HTTP API.

use std::io::Write;

use rekindle::http;

use super::Exit;

/// Print the description of the HTTP API (OpenAPI 3.1)
///
/// The same that a running service serves as `/openapi.json`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  rekindle openapi > rekindle-openapi.json")]
pub struct Args {}

/// Prints it.
pub fn run(_: &Args) -> anyhow::Result<Exit> {
    writeln!(std::io::stdout().lock(), "{}", http::description())?;
    Ok(Exit::Ok)
}
