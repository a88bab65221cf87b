//! The suite's arguments. Those of other test binaries are passed over, since `cargo test -- …` hands them to all.

use crate::kinds::Kind;
use crate::protocol::Protocol;

/// What to run.
#[derive(Debug, Default)]
pub struct Args {
    /// Only print the kinds.
    pub list: bool,
    /// One long run instead of rounds, of `minutes`.
    pub soak: bool,
    kinds: Vec<String>,
    filters: Vec<String>,
    /// Rounds in all; without it and `minutes`: one of each kind.
    pub rounds: Option<u64>,
    /// No round begins after so many minutes.
    pub minutes: Option<u64>,
    /// Of the first round; each further one has the next.
    pub seed: u64,
    /// Of every round; without it the two alternate.
    pub protocol: Option<Protocol>,
    long: bool,
}

impl Args {
    /// Reads the command line.
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Args, String> {
        let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let mut args = Args { seed: clock.map_or(0, |d| d.as_secs() % 1_000_000), ..Args::default() };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value"));
            let number = |text: String| text.parse().map_err(|_| format!("{text:?} is no number"));
            match word.as_str() {
                "--list" => args.list = true,
                "--soak" => args.soak = true,
                "--kind" => args.kinds.push(value()?),
                "--rounds" => args.rounds = Some(number(value()?)?),
                "--minutes" => args.minutes = Some(number(value()?)?),
                "--seed" => args.seed = number(value()?)?,
                "--protocol" => {
                    let name = value()?;
                    let unknown = || format!("{name:?} is no group protocol: classic or consumer");
                    args.protocol = Some(Protocol::named(&name).ok_or_else(unknown)?);
                }
                "--test-threads" | "--skip" => drop(value()?),
                flag if flag.starts_with('-') => {}
                filter => args.filters.push(filter.to_owned()),
            }
        }
        args.long = args.rounds.is_some() || args.minutes.is_some();
        Ok(args)
    }

    /// Whether a kind is to be run: those named; else all in a long run, and in a short one those that are quick.
    pub fn wants(&self, kind: &Kind) -> bool {
        if !self.kinds.is_empty() {
            return self.kinds.iter().any(|name| name == kind.name);
        }
        !kind.named
            && (self.long || kind.quick)
            && (self.filters.is_empty() || self.filters.iter().any(|f| "faults".contains(f)))
    }
}
