//! The fields of a body or a query string, taken one by one. What is unknown, of the wrong kind or beyond a limit is
//! refused by name; a message never repeats a value that was sent.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::ops::RangeInclusive;

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::problem::Problem;
use crate::engine::decode::wire::Moment;
use crate::model::ids::Name;
use crate::model::session::Status;
use crate::model::time::EventTime;

/// Named values that are not taken yet.
#[derive(Debug, Default)]
pub(super) struct Fields {
    /// What their names follow in a path: empty, or ends with a dot.
    within: String,
    values: Map<String, Value>,
}

impl Fields {
    /// Those of a JSON object.
    pub fn of_body(body: &[u8]) -> Result<Fields, Problem> {
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        let mut track = serde_path_to_error::Track::new();
        let value = Value::deserialize(serde_path_to_error::Deserializer::new(&mut deserializer, &mut track));
        let value = value.and_then(|value| deserializer.end().map(|()| value)).map_err(|e| {
            // Only the place of the fault: the parser's message can repeat what was sent.
            let detail = format!("the body is not JSON: line {}, column {}", e.line(), e.column());
            match track.path().to_string() {
                root if root.starts_with(['.', '?']) => Problem::new(StatusCode::BAD_REQUEST, detail),
                path => Problem::field(path, detail),
            }
        })?;
        match value {
            Value::Object(values) => Ok(Fields { within: String::new(), values }),
            _ => Err(Problem::new(StatusCode::BAD_REQUEST, "the body must be a JSON object")),
        }
    }

    /// Those of an object that stands in this field.
    pub fn within(name: &str, values: Map<String, Value>) -> Fields {
        Fields { within: format!("{name}."), values }
    }

    /// Those of a query string. What is a whole number becomes one, anything else is a text.
    pub fn of_query(pairs: Vec<(String, String)>) -> Result<Fields, Problem> {
        let mut values = Map::new();
        for (name, text) in pairs {
            let value = text.parse::<i64>().map_or_else(|_| Value::from(text), Value::from);
            if values.insert(name.clone(), value).is_some() {
                return Err(Problem::field(name, "is given twice"));
            }
        }
        Ok(Fields { within: String::new(), values })
    }

    /// The same; others than `known` are refused.
    pub fn only(self, known: &[&str]) -> Result<Fields, Problem> {
        match self.values.keys().find(|name| !known.contains(&name.as_str())) {
            Some(unknown) => Err(self.fault(unknown, format!("unknown field; known are {}", known.join(", ")))),
            None => Ok(self),
        }
    }

    /// A problem with a field.
    pub fn fault(&self, name: &str, fault: impl Display) -> Problem {
        Problem::field(format!("{}{name}", self.within), fault)
    }

    /// A value as it was sent; null is as good as none.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.values.remove(name).filter(|value| !value.is_null())
    }

    /// A text.
    pub fn text(&mut self, name: &str) -> Result<Option<String>, Problem> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.fault(name, "must be a string")),
        }
    }

    /// A text that is checked.
    pub fn checked<T, E: Display>(
        &mut self,
        name: &str,
        check: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Problem> {
        let text = self.text(name)?;
        text.map(|text| check(&text)).transpose().map_err(|fault| self.fault(name, fault))
    }

    /// A word of a closed list.
    pub fn word<T: Copy>(
        &mut self,
        name: &str,
        all: &[T],
        label: impl Fn(T) -> &'static str,
    ) -> Result<Option<T>, Problem> {
        self.checked(name, |text| one_of(text, all, label))
    }

    /// A whole number from 1 to `most`, or `otherwise`.
    pub fn count(&mut self, name: &str, most: usize, otherwise: usize) -> Result<usize, Problem> {
        Ok(self.whole(name, 1..=most as u64)?.map_or(otherwise, |count| count as usize))
    }

    /// A whole number of a range.
    pub fn whole(&mut self, name: &str, range: RangeInclusive<u64>) -> Result<Option<u64>, Problem> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let number = value.as_u64().filter(|number| range.contains(number));
        let fault = || self.fault(name, format!("must be a whole number in {}..={}", range.start(), range.end()));
        number.map(Some).ok_or_else(fault)
    }

    /// From 1 to `most` names, each checked.
    pub fn names(&mut self, name: &str, most: usize) -> Result<Option<BTreeSet<Name>>, Problem> {
        let listed = match self.take(name) {
            None => return Ok(None),
            Some(Value::Array(listed)) if (1..=most).contains(&listed.len()) => listed,
            Some(_) => return Err(self.fault(name, format!("must be a list of 1 to {most} names"))),
        };
        let checked = listed.iter().enumerate().map(|(n, value)| {
            let text = value.as_str().ok_or_else(|| self.fault(&format!("{name}[{n}]"), "must be a string"))?;
            Name::new(text).map_err(|fault| self.fault(&format!("{name}[{n}]"), fault))
        });
        checked.collect::<Result<_, _>>().map(Some)
    }

    /// An instant: ms since the epoch, or RFC 3339.
    pub fn instant(&mut self, name: &str) -> Result<Option<EventTime>, Problem> {
        let instant = self.take(name).map(Moment::deserialize).transpose();
        let instant = instant.map_err(|_| self.fault(name, "must be ms since the epoch or an RFC 3339 time"))?;
        Ok(instant.map(|Moment(at)| EventTime(at)))
    }

    /// Statuses: a text of words with commas between, or a list of words. Empty if none is given.
    pub fn statuses(&mut self, name: &str) -> Result<Vec<Status>, Problem> {
        let text = match self.take(name) {
            None => return Ok(Vec::new()),
            Some(Value::String(text)) => text,
            Some(Value::Array(words)) if words.iter().all(Value::is_string) => {
                words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")
            }
            Some(_) => return Err(self.fault(name, "must be words")),
        };
        let statuses: Result<_, String> =
            text.split(',').map(|word| one_of(word, Status::ALL, Status::label)).collect();
        statuses.map_err(|fault| self.fault(name, fault))
    }

    /// The fields of an object, others than `known` refused; none if there is no object.
    pub fn object(&mut self, name: &str, known: &[&str]) -> Result<Fields, Problem> {
        let within = format!("{}{name}.", self.within);
        match self.take(name) {
            None => Ok(Fields { within, values: Map::new() }),
            Some(Value::Object(values)) => Fields { within, values }.only(known),
            Some(_) => Err(self.fault(name, "must be an object")),
        }
    }

    /// What is not taken.
    pub fn rest(self) -> Map<String, Value> {
        self.values
    }
}

fn one_of<T: Copy>(text: &str, all: &[T], label: impl Fn(T) -> &'static str) -> Result<T, String> {
    let found = all.iter().copied().find(|word| label(*word) == text);
    found.ok_or_else(|| {
        let words: Vec<&str> = all.iter().map(|word| label(*word)).collect();
        format!("must be one of {}", words.join(", "))
    })
}
