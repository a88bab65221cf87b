//! The commands: they read arguments and files, call the library, and print. No logic of the product.

mod args;
mod backtest;
mod check;
mod demo;
mod engines;
mod erased;
mod explain;
mod key;
mod lines;
pub mod memory;
mod openapi;
mod produce;
mod progress;
mod replay;
mod run;
mod schemas;
mod signals;
mod topics;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use rekindle::config::Faults;

/// How a command ended, as its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// It failed, or a difference was found.
    Failed = 1,
    /// The arguments, the configuration or the form of the input are wrong.
    Usage = 2,
    /// What is asked for cannot be known any more.
    NotProvable = 3,
}

/// The arguments or the form of the input are wrong: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Folds LLM session events from Kafka into state, and says what to restore and what to reuse.
#[derive(Debug, Parser)]
#[command(name = "rekindle", version, arg_required_else_help = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  rekindle replay events.jsonl             what these events suggest; no Kafka needed
  rekindle backtest events.jsonl           how often its suggestions would have been right
  rekindle explain ID --log events.jsonl   why one of these was suggested
  rekindle run -c rekindle.toml            the service
  rekindle topics create -c rekindle.toml  make the topics
  rekindle produce events.jsonl -c rekindle.toml
  rekindle verify -c rekindle.toml         whether everything published is right
  rekindle verify -c rekindle.toml --erased user:u-1 --tenant acme
                                           whether nothing of a subject is left
  rekindle config check -c rekindle.toml   all faults, or the settings in effect
  rekindle key new                         a key of the HTTP API, and its hash
  rekindle openapi                         the HTTP API, described

Exit codes: 0 ok; 1 failed, or a difference found; 2 usage or configuration;
3 not provable. Every setting can come from the file, the environment
(REKINDLE_KAFKA__BROKERS) or a flag (--set kafka.brokers=...); the later wins.";

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Demo(demo::Args),
    Replay(replay::Args),
    Backtest(backtest::Args),
    Explain(explain::Args),
    Produce(produce::Args),
    Verify(verify::Args),
    Openapi(openapi::Args),
    /// Create Kafka topics
    #[command(subcommand)]
    Topics(TopicsCommand),
    /// Check a configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Make keys of the HTTP API
    #[command(subcommand)]
    Key(KeyCommand),
}

#[derive(Debug, Subcommand)]
enum TopicsCommand {
    Create(topics::Args),
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    New(key::Args),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    Check(check::Args),
}

/// Runs the command of this process.
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(args) => run::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Backtest(args) => backtest::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Produce(args) => produce::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Openapi(args) => openapi::run(&args),
        Command::Topics(TopicsCommand::Create(args)) => topics::run(&args),
        Command::Config(ConfigCommand::Check(args)) => check::run(&args),
        Command::Key(KeyCommand::New(args)) => key::run(&args),
    };
    let exit = result.unwrap_or_else(|error| {
        if is_closed_pipe(&error) {
            return Exit::Ok;
        }
        eprintln!("rekindle: {}", describe(&error));
        exit_of(&error)
    });
    ExitCode::from(exit as u8)
}

/// The error and its causes; one that only repeats what was said is left out.
fn describe(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |text, cause| match text.as_str() {
        "" => cause,
        said if said.contains(&cause) => text,
        said => format!("{said}: {cause}"),
    })
}

fn exit_of(error: &anyhow::Error) -> Exit {
    let usage = error.chain().any(|cause| cause.is::<Faults>() || cause.is::<UsageError>());
    if usage { Exit::Usage } else { Exit::Failed }
}

/// Whoever reads our output has read enough (`rekindle replay … | head`).
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let kind = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
    kind == Some(std::io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
