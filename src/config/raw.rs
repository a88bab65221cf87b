//! Raw settings: file, environment and flags laid over each other as dotted keys, each with its origin.
//! Knows the forms of the three sources; never what a key means or which values it may have.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::fault::{Fault, Origin};

/// A key as its segments.
pub type Key = Vec<String>;

/// What a value was written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A string of the file.
    Text,
    /// A number of the file.
    Number,
    /// A boolean of the file.
    Bool,
    /// Text of a variable or a flag: read as whatever the key wants.
    Untyped,
    /// Something no setting is: an array, a date.
    Other,
    /// A table without keys.
    EmptyTable,
}

/// A value as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its text, unquoted.
    pub text: String,
    /// What it was written as.
    pub kind: Kind,
    /// Where it was found.
    pub origin: Origin,
}

/// Settings by key; a later layer replaces an earlier one's value.
#[derive(Debug, Default)]
pub struct Raw {
    settings: BTreeMap<Key, Setting>,
    lookalikes: Vec<(String, Key)>,
}

/// Environment variables that are settings begin with this.
pub const ENV_PREFIX: &str = "REKINDLE_";
const ENV_LEVEL: &str = "__";
const ENV_FILE: &str = "_FILE";
const PROPERTIES: [&str; 2] = ["kafka", "properties"];

impl Raw {
    /// The value of a key.
    pub fn get(&self, key: &[String]) -> Option<&Setting> {
        self.settings.get(key)
    }

    /// All keys with their values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Setting)> {
        self.settings.iter()
    }

    /// Drops the keys that do not `pass`.
    pub fn keep(&mut self, pass: impl Fn(&Key) -> bool) {
        self.settings.retain(|key, _| pass(key));
    }

    /// Variables that would be these keys, were their first underscore two.
    pub fn lookalikes(&self) -> &[(String, Key)] {
        &self.lookalikes
    }

    /// Lays a TOML text over what is there. Errors with every syntax fault of it.
    pub fn overlay_file(&mut self, name: &str, text: &str) -> Result<(), Vec<Fault>> {
        let (table, errors) = DeTable::parse_recoverable(text);
        let line = |at: usize| 1 + text[..at.min(text.len())].bytes().filter(|&b| b == b'\n').count();
        if !errors.is_empty() {
            let fault = |e: &toml::de::Error| Fault {
                key: "TOML".to_owned(),
                message: e.message().to_owned(),
                origin: Origin::File { name: name.to_owned(), line: line(e.span().map_or(0, |s| s.start)) },
            };
            return Err(errors.iter().map(fault).collect());
        }
        let at = |offset: usize| Origin::File { name: name.to_owned(), line: line(offset) };
        self.flatten(&mut Vec::new(), table.get_ref(), &at);
        Ok(())
    }

    fn flatten(&mut self, path: &mut Key, table: &DeTable<'_>, at: &dyn Fn(usize) -> Origin) {
        for (name, value) in table {
            path.push(name.get_ref().to_string());
            let (kind, text) = match value.get_ref() {
                DeValue::Table(inner) if !inner.is_empty() => {
                    self.flatten(path, inner, at);
                    path.pop();
                    continue;
                }
                DeValue::Table(_) => (Kind::EmptyTable, String::new()),
                DeValue::String(s) => (Kind::Text, s.to_string()),
                DeValue::Integer(i) => (Kind::Number, decimal(i.as_str(), i.radix())),
                DeValue::Float(x) => (Kind::Number, x.to_string()),
                DeValue::Boolean(b) => (Kind::Bool, b.to_string()),
                DeValue::Datetime(_) | DeValue::Array(_) => (Kind::Other, String::new()),
            };
            self.set(path.clone(), Setting { text, kind, origin: at(name.span().start) });
            path.pop();
        }
    }

    /// Lays environment variables over what is there. `read` reads the file a `…_FILE` variable names.
    pub fn overlay_env(
        &mut self,
        vars: impl IntoIterator<Item = (String, String)>,
        read: &dyn Fn(&str) -> std::io::Result<String>,
        faults: &mut Vec<Fault>,
    ) {
        let mut given: BTreeMap<Key, String> = BTreeMap::new();
        for (variable, value) in vars {
            let Some(name) = variable.strip_prefix(ENV_PREFIX) else { continue };
            if !name.contains(ENV_LEVEL) {
                self.lookalikes.push((variable.clone(), env_key(&name.replacen('_', ENV_LEVEL, 1))));
                continue;
            }
            let mut fault = |key: &str, message: String, origin| {
                faults.push(Fault { key: key.to_owned(), message, origin });
            };
            let (name, from_file) = match name.strip_suffix(ENV_FILE) {
                Some(stem) => (stem, true),
                None => (name, false),
            };
            let key = env_key(name);
            let shown = dotted(&key);
            if let Some(other) = given.insert(key.clone(), variable.clone()) {
                fault(&shown, format!("is also given by {other}: set one of the two"), Origin::Env(variable));
                continue;
            }
            let (text, origin) = if from_file {
                match read(&value) {
                    Ok(text) => (text.trim_end_matches(['\r', '\n']).to_owned(), Origin::EnvFile(variable)),
                    Err(e) => {
                        fault(&shown, format!("the file {value:?} cannot be read: {e}"), Origin::Env(variable));
                        continue;
                    }
                }
            } else {
                (value, Origin::Env(variable))
            };
            self.set(key, Setting { text, kind: Kind::Untyped, origin });
        }
    }

    /// Lays one flag over what is there. `key` is written as in TOML: dotted, quoted where needed.
    pub fn overlay_flag(&mut self, flag: &str, key: &str, value: &str) -> Result<(), Fault> {
        let origin = Origin::Flag(flag.to_owned());
        let mut path = Vec::new();
        let assigned = format!("{key} = 0");
        let parsed = if key.contains(['=', '\n']) { None } else { DeTable::parse(&assigned).ok() };
        let Some(table) = parsed else {
            let message = "is not a key as in TOML: section.name".to_owned();
            return Err(Fault { key: key.to_owned(), message, origin });
        };
        let mut level = table.get_ref();
        while let Some((name, value)) = level.iter().next() {
            path.push(name.get_ref().to_string());
            match value.get_ref() {
                DeValue::Table(inner) => level = inner,
                _ => break,
            }
        }
        self.set(path, Setting { text: value.to_owned(), kind: Kind::Untyped, origin });
        Ok(())
    }

    fn set(&mut self, key: Key, setting: Setting) {
        self.settings.insert(normal(key), setting);
    }
}

/// librdkafka's property names hold dots: below `kafka.properties` the segments are one name.
fn normal(mut key: Key) -> Key {
    if key.len() > 3 && key[..2] == PROPERTIES {
        let name = key.split_off(2).join(".");
        key.push(name);
    }
    key
}

/// `KAFKA__PROPERTIES__SASL_PASSWORD` → kafka, properties, sasl.password: no property name holds an
/// underscore, and many shells allow no dot in a variable.
fn env_key(name: &str) -> Key {
    let mut key: Key = name.to_ascii_lowercase().split(ENV_LEVEL).map(str::to_owned).collect();
    if key.len() > 2 && key[..2] == PROPERTIES {
        key[2..].iter_mut().for_each(|part| *part = part.replace('_', "."));
    }
    key
}

fn decimal(digits: &str, radix: u32) -> String {
    match radix {
        10 => digits.to_owned(),
        _ => i128::from_str_radix(digits, radix).map_or_else(|_| digits.to_owned(), |n| n.to_string()),
    }
}

/// A key as it is written in TOML.
pub fn dotted(key: &[String]) -> String {
    key.iter().map(|part| segment(part)).collect::<Vec<_>>().join(".")
}

fn segment(part: &str) -> String {
    let bare = !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if bare { part.to_owned() } else { quoted(part) }
}

/// A text as a TOML basic string.
pub fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
