//! Reads typed values out of the raw settings, remembers what was asked for, and collects every fault
//! instead of stopping at the first. Never knows which keys exist: that is what it is asked.

use std::ops::RangeInclusive;

use super::fault::{Fault, Faults, Origin, nearest};
use super::raw::{Kind, Raw, Setting, dotted, quoted};

/// A setting as it is in effect, for printing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// Its key.
    pub key: Vec<String>,
    /// Its value as a TOML literal; redacted if it may be secret, `None` if not set.
    pub shown: Option<String>,
    /// Where it came from.
    pub origin: Origin,
}

/// A pass over the raw settings.
pub struct Reader<'a> {
    raw: &'a Raw,
    asked: Vec<Effective>,
    faults: Vec<Fault>,
}

/// What stands for a value that may be secret.
pub const REDACTED: &str = "\"<redacted>\"";

impl<'a> Reader<'a> {
    /// Begins a pass. `faults`: those of the sources themselves.
    pub fn new(raw: &'a Raw, faults: Vec<Fault>) -> Reader<'a> {
        Reader { raw, asked: Vec::new(), faults }
    }

    /// Ends the pass: every setting in effect, or every fault, unknown keys included.
    pub fn finish(mut self) -> Result<Vec<Effective>, Faults> {
        let known: Vec<String> = self.asked.iter().map(|e| dotted(&e.key)).collect();
        for (key, setting) in self.raw.iter() {
            let name = dotted(key);
            let table = || known.iter().any(|k| k.starts_with(&format!("{name}."))) || name == "kafka.properties";
            if known.contains(&name) || (setting.kind == Kind::EmptyTable && table()) {
                continue;
            }
            let message = match nearest(&name, known.iter().map(String::as_str)) {
                Some(meant) => format!("is not a setting; did you mean {meant}?"),
                None => "is not a setting".to_owned(),
            };
            self.faults.push(Fault { key: name, message, origin: setting.origin.clone() });
        }
        // Other variables of this prefix are not ours (orchestrators set some), unless a known key is meant.
        for (variable, key) in self.raw.lookalikes().iter().filter(|(_, key)| known.contains(&dotted(key))) {
            let message = "is not set by this variable: two underscores stand between the levels".to_owned();
            self.faults.push(Fault { key: dotted(key), message, origin: Origin::Env(variable.clone()) });
        }
        if self.faults.is_empty() { Ok(self.asked) } else { Err(Faults(self.faults)) }
    }

    /// Adds a fault of a key that was asked for: two values that do not fit each other, for example.
    pub fn fault(&mut self, key: &[&str], message: impl Into<String>) {
        let key: Vec<String> = key.iter().map(|&s| s.to_owned()).collect();
        let origin = self.raw.get(&key).map_or(Origin::Default, |s| s.origin.clone());
        self.faults.push(Fault { key: dotted(&key), message: message.into(), origin });
    }

    /// Whether no fault of this key was found so far.
    pub fn faultless(&self, key: &[&str]) -> bool {
        let name = dotted(&key.iter().map(|&s| s.to_owned()).collect::<Vec<_>>());
        self.faults.iter().all(|f| f.key != name)
    }

    /// The names given below a section whose keys are free: spaces, namespaces, properties.
    pub fn names(&self, section: &[&str]) -> Vec<String> {
        let depth = section.len();
        let below = self.raw.iter().filter(|(k, _)| k.len() > depth && k.iter().zip(section).all(|(a, b)| a == b));
        let mut names: Vec<String> = below.map(|(k, _)| k[depth].clone()).collect();
        names.dedup();
        names
    }

    /// The core of all the others. `read` gives the value or what is wrong with it; a faulty or absent value
    /// becomes `default`. `show` makes the TOML literal of the value in effect.
    pub fn value<T>(
        &mut self,
        key: &[&str],
        default: T,
        read: impl FnOnce(&Setting) -> Result<T, String>,
        show: impl FnOnce(&T) -> Option<String>,
    ) -> T {
        let key: Vec<String> = key.iter().map(|&s| s.to_owned()).collect();
        let (value, origin) = match self.raw.get(&key) {
            None => (default, Origin::Default),
            Some(setting) => match read(setting) {
                Ok(value) => (value, setting.origin.clone()),
                Err(message) => {
                    self.faults.push(Fault { key: dotted(&key), message, origin: setting.origin.clone() });
                    (default, Origin::Default)
                }
            },
        };
        self.asked.push(Effective { key, shown: show(&value), origin });
        value
    }

    /// A whole number within `limits`.
    pub fn int(&mut self, key: &[&str], default: i64, limits: RangeInclusive<i64>) -> i64 {
        let limit = format!("must be a whole number from {} to {}", limits.start(), limits.end());
        self.value(key, default, |s| within(number(s), &limits, &limit, s), |v| Some(v.to_string()))
    }

    /// A whole number within `limits`, or absent.
    pub fn int_opt(&mut self, key: &[&str], limits: RangeInclusive<i64>) -> Option<i64> {
        let limit = format!("must be a whole number from {} to {}", limits.start(), limits.end());
        self.value(key, None, |s| within(number(s), &limits, &limit, s).map(Some), |v| v.map(|v| v.to_string()))
    }

    /// A number within `limits`; `default` `None`: may be absent.
    pub fn float_opt(&mut self, key: &[&str], default: Option<f64>, limits: RangeInclusive<f64>) -> Option<f64> {
        let limit = format!("must be a number from {} to {}", limits.start(), limits.end());
        self.value(
            key,
            default,
            |s| within(number(s), &limits, &limit, s).map(Some),
            |v| v.map(|v| toml::Value::Float(v).to_string()),
        )
    }

    /// A number within `limits`.
    pub fn float(&mut self, key: &[&str], default: f64, limits: RangeInclusive<f64>) -> f64 {
        self.float_opt(key, Some(default), limits).unwrap_or(default)
    }

    /// True or false.
    pub fn flag(&mut self, key: &[&str], default: bool) -> bool {
        let read = |s: &Setting| match (s.kind, s.text.as_str()) {
            (Kind::Bool | Kind::Untyped, "true") => Ok(true),
            (Kind::Bool | Kind::Untyped, "false") => Ok(false),
            _ => Err(wrong("must be true or false", s)),
        };
        self.value(key, default, read, |v| Some(v.to_string()))
    }

    /// A size in bytes: a whole number, or one with a unit (`"4MiB"`), within `limits`.
    pub fn size(&mut self, key: &[&str], default: i64, limits: RangeInclusive<i64>) -> i64 {
        let limit = format!("must be a size from {} to {} bytes, as 65536 or \"4MiB\"", limits.start(), limits.end());
        let read = |s: &Setting| {
            let bytes = match s.kind {
                Kind::Text | Kind::Untyped => size(&s.text),
                _ => number(s),
            };
            within(bytes, &limits, &limit, s)
        };
        self.value(key, default, read, |v| Some(v.to_string()))
    }

    /// A text that `check` accepts; its error says the limit.
    pub fn text(
        &mut self,
        key: &[&str],
        default: String,
        check: impl FnOnce(&str) -> Result<(), &'static str>,
    ) -> String {
        let read = |s: &Setting| match s.kind {
            Kind::Text | Kind::Untyped => check(&s.text).map(|()| s.text.clone()).map_err(|limit| wrong(limit, s)),
            _ => Err(wrong("must be a string", s)),
        };
        self.value(key, default, read, |v| if v.is_empty() { None } else { Some(quoted(v)) })
    }

    /// One of a closed list of words.
    pub fn word<T: Copy + PartialEq>(&mut self, key: &[&str], default: T, words: &[(&str, T)]) -> T {
        let list = words.iter().map(|(w, _)| quoted(w)).collect::<Vec<_>>().join(", ");
        let read = |s: &Setting| {
            let found = words.iter().find(|(w, _)| matches!(s.kind, Kind::Text | Kind::Untyped) && *w == s.text);
            found.map(|&(_, value)| value).ok_or_else(|| wrong(&format!("must be one of {list}"), s))
        };
        self.value(key, default, read, |v| words.iter().find(|(_, w)| w == v).map(|(w, _)| quoted(w)))
    }
}

/// The limit and the value that breaks it.
pub fn wrong(limit: &str, setting: &Setting) -> String {
    match setting.kind {
        Kind::Text | Kind::Untyped => format!("{limit}, is {}", quoted(&setting.text)),
        Kind::Number | Kind::Bool => format!("{limit}, is {}", setting.text),
        Kind::Other => format!("{limit}, is an array or a date"),
        Kind::EmptyTable => format!("{limit}, is a table"),
    }
}

fn within<T: PartialOrd>(
    value: Option<T>,
    limits: &RangeInclusive<T>,
    limit: &str,
    setting: &Setting,
) -> Result<T, String> {
    value.filter(|v| limits.contains(v)).ok_or_else(|| wrong(limit, setting))
}

fn number<T: std::str::FromStr>(setting: &Setting) -> Option<T> {
    match setting.kind {
        Kind::Number | Kind::Untyped => setting.text.parse().ok(),
        _ => None,
    }
}

fn size(text: &str) -> Option<i64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = text.split_at(digits);
    let unit = match unit.trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "KB" | "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return None,
    };
    count.parse::<i64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_take_a_unit() {
        let cases = [
            ("4MiB", Some(4 << 20)),
            ("4 MiB", Some(4 << 20)),
            ("65536", Some(65_536)),
            ("1kB", Some(1_000)),
            ("MiB", None),
            ("4.5MiB", None),
            ("-1", None),
            ("4 miles", None),
            ("9223372036854775807GiB", None),
        ];
        for (text, bytes) in cases {
            assert_eq!(size(text), bytes, "{text}");
        }
    }
}
