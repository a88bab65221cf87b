//! What is wrong with a configuration: every fault names the key, the limit and where the value came from.
//! Never holds a secret: values of keys that may be secret are left out by whoever makes the fault.

use std::fmt;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A line of the configuration file.
    File {
        /// The file's name as given.
        name: String,
        /// 1-based line.
        line: usize,
    },
    /// An environment variable.
    Env(String),
    /// The file an environment variable `…_FILE` names.
    EnvFile(String),
    /// A command-line flag.
    Flag(String),
    /// Nowhere: the default.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File { name, line } => write!(f, "{name} line {line}"),
            Origin::Env(name) => write!(f, "environment {name}"),
            Origin::EnvFile(name) => write!(f, "file named by environment {name}"),
            Origin::Flag(flag) => write!(f, "flag {flag}"),
            Origin::Default => f.write_str("not set"),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {message} ({origin})")]
pub struct Fault {
    /// The key as written in the file, dotted.
    pub key: String,
    /// What is wrong, with the limit.
    pub message: String,
    /// Where the value came from.
    pub origin: Origin,
}

/// All faults of a configuration, never none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = if self.0.len() == 1 { "fault" } else { "faults" };
        write!(f, "{} {noun} in the configuration:", self.0.len())?;
        self.0.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

impl std::error::Error for Faults {}

/// The known name closest to `name`, if it is close enough to have been meant.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |candidate: &str| strsim::osa_distance(name, candidate);
    known.map(|k| (distance(k), k)).filter(|(d, k)| *d <= 1 + k.len() / 5).min().map(|(_, k)| k)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_nearest_name_is_found_only_when_close() {
        let known = ["policy.floor", "policy.k", "kafka.brokers"];
        let cases = [
            ("polciy.floor", Some("policy.floor")),
            ("kafka.broker", Some("kafka.brokers")),
            ("policy.flor", Some("policy.floor")),
            ("something.else", None),
        ];
        for (name, expected) in cases {
            assert_eq!(nearest(name, known.into_iter()), expected, "{name}");
        }
    }
}
