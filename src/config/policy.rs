//! A policy file: the `[policy]` table alone, for a backtest of one policy beside another.

use super::fault::{Fault, Faults, Origin};
use super::raw::{Raw, dotted};
use super::reader::{Effective, Reader};
use super::{Config, edges, engine};
use crate::engine::settings::Policy;

const SECTION: &str = "policy";
const WEIGHTS: &str = "weights";

/// A checked policy and its settings as they are written.
#[derive(Debug, Clone)]
pub struct PolicyFile {
    /// The policy.
    pub policy: Policy,
    effective: Vec<Effective>,
}

impl PolicyFile {
    /// Reads the text of a policy file; what it leaves out has its default. Errors with all faults at once: unknown keys,
    /// keys of other tables, values beyond their limits, weights that cannot tell one candidate from another.
    pub fn parse(name: &str, text: &str) -> Result<PolicyFile, Faults> {
        let mut raw = Raw::default();
        raw.overlay_file(name, text).map_err(Faults)?;
        let mut faults = Vec::new();
        for (key, setting) in raw.iter().filter(|(key, _)| key[0] != SECTION) {
            let message = "is no setting of a policy file, which holds [policy] alone".to_owned();
            faults.push(Fault { key: dotted(key), message, origin: setting.origin.clone() });
        }
        raw.keep(|key| key[0] == SECTION);
        let mut reader = Reader::new(&raw, faults);
        let topics = edges::topics(&mut reader);
        let policy = engine::engine(&mut reader, &topics).policy;
        let effective = reader.finish()?;
        Ok(PolicyFile { policy, effective: effective.into_iter().filter(|e| e.key[0] == SECTION).collect() })
    }

    /// The policy that a configuration gives.
    pub fn of(config: &Config) -> PolicyFile {
        let effective = config.effective().iter().filter(|e| e.key[0] == SECTION).cloned().collect();
        PolicyFile { policy: config.engine().policy.clone(), effective }
    }

    /// The weights of the score by name, in the order of the configuration.
    pub fn weights(&self) -> Vec<(String, f64)> {
        weights(&self.effective).map(|(name, weight)| (name.to_owned(), weight)).collect()
    }

    /// The same policy with other weights. Names that are no weights are passed over.
    pub fn with_weights(&self, weights: &[(String, f64)]) -> Result<PolicyFile, Faults> {
        PolicyFile::parse("the policy", &self.written(weights, ""))
    }

    /// The policy as TOML that can be read back, with other weights, under a comment of as many lines as `comment` has.
    pub fn written(&self, weights: &[(String, f64)], comment: &str) -> String {
        let mut settings = self.effective.clone();
        for setting in &mut settings {
            let given = weight_name(&setting.key).and_then(|name| weights.iter().find(|(n, _)| n == name));
            if let Some((_, weight)) = given {
                setting.shown = Some(toml::Value::Float(*weight).to_string());
            }
            setting.origin = Origin::Default;
        }
        let comment: String = comment.lines().map(|line| format!("# {line}\n")).collect();
        comment + &super::render::render(&settings)
    }
}

fn weights(effective: &[Effective]) -> impl Iterator<Item = (&str, f64)> {
    effective.iter().filter_map(|e| Some((weight_name(&e.key)?, e.shown.as_ref()?.parse().ok()?)))
}

fn weight_name(key: &[String]) -> Option<&str> {
    match key {
        [section, weights, name] if section == SECTION && weights == WEIGHTS => Some(name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        let Err(Faults(faults)) = PolicyFile::parse("a.toml", text) else { panic!("no fault: {text}") };
        faults.iter().map(Fault::to_string).collect()
    }

    #[test]
    fn what_a_policy_cannot_be_is_said_at_once() {
        let defaults = PolicyFile::parse("a.toml", "").unwrap();
        let zeros: String = defaults.weights().iter().map(|(name, _)| format!("{name} = 0\n")).collect();
        let found = faults(&format!("[policy]\nfloor = 1.5\nflor = 1\n[session]\nx = 1\n[policy.weights]\n{zeros}"));
        for part in
            ["policy.floor: must be", "did you mean policy.floor", "session.x: is no setting", "policy.weights: "]
        {
            assert!(found.iter().any(|fault| fault.contains(part)), "{part} in {found:?}");
        }
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(faults("[policy").iter().all(|fault| fault.starts_with("TOML")));
    }

    #[test]
    fn a_policy_comes_back_as_it_was_written() {
        let policy = PolicyFile::parse("a.toml", "[policy]\nfloor = 0.25\n[policy.weights]\nbias = 1.5").unwrap();
        let text = policy.written(&[("similarity".to_owned(), 0.1 + 0.2)], "a\nb");
        assert!(text.starts_with("# a\n# b\n[policy]\n"), "{text}");
        let back = PolicyFile::parse("b.toml", &text).unwrap();
        assert_eq!((back.policy.floor, back.policy.weights.bias), (0.25, 1.5));
        assert_eq!(back.policy.weights.similarity, 0.1 + 0.2);
        assert_eq!(PolicyFile::parse("c.toml", "").unwrap().policy, Policy::default());
    }
}
