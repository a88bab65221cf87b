//! Files of JSON lines: reads them with bounded memory and takes the fields that describe the record
//! (`_timestamp`, `_key`, …) apart from the event. Never judges the event itself: that is the engine's.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use rekindle::engine::{Record, WriterSchema};
use rekindle::model::position::Position;
use rekindle::model::time::EventTime;

/// Bytes kept of a line. Longer ones are cut: they are beyond every limit of a record, even in base64.
pub const MAX_LINE_BYTES: usize = 4 << 20;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// One line as a record.
#[derive(Debug, Default, PartialEq)]
pub struct Line<'a> {
    /// The record's value; `None`: null.
    pub value: Option<Cow<'a, [u8]>>,
    /// `_key`.
    pub key: Option<String>,
    /// `_partition`.
    pub partition: Option<i32>,
    /// `_offset`.
    pub offset: Option<i64>,
    /// `_timestamp`, ms since the epoch.
    pub timestamp: Option<i64>,
    /// `_headers`.
    pub headers: BTreeMap<String, String>,
    /// `_truth`: what a backtest compares with, and nothing else looks at.
    pub truth: Option<Truth>,
    /// The event's `tenant_id`, where the event is JSON and has one.
    pub tenant: Option<String>,
}

/// What is true of a session, beside its first event.
#[derive(Debug, PartialEq, serde::Deserialize)]
pub struct Truth {
    /// What the whole session is about.
    #[serde(default)]
    pub intents: Option<Vec<String>>,
}

/// The fields that describe the record are not as they must be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed: {field} must be {expected}")]
pub struct LineFault {
    field: &'static str,
    expected: &'static str,
}

impl<'a> Line<'a> {
    /// Takes a line apart. A line that is no JSON object is a value as it is.
    pub fn parse(line: &'a [u8]) -> Result<Line<'a>, LineFault> {
        let Ok(Fields(fields)) = serde_json::from_slice::<Fields<'a>>(line) else {
            return Ok(Line { value: Some(Cow::Borrowed(line)), ..Line::default() });
        };
        let mut parsed = Line::default();
        let mut event = String::from("{");
        let (mut described, mut raw_value) = (false, None);
        for (name, raw) in &fields {
            described |= name.starts_with('_');
            match name.as_str() {
                "_key" => parsed.key = read(raw, "_key", "a string")?,
                "_partition" => parsed.partition = Some(read(raw, "_partition", "a whole number")?),
                "_offset" => parsed.offset = Some(offset(raw)?),
                "_timestamp" => parsed.timestamp = Some(read(raw, "_timestamp", "milliseconds since the epoch")?),
                "_headers" => parsed.headers = read(raw, "_headers", "an object of strings")?,
                "_truth" => parsed.truth = Some(read(raw, "_truth", "an object, its intents a list of strings")?),
                "_value" => raw_value = Some(read::<Option<String>>(raw, "_value", "base64 or null")?),
                "tenant_id" => parsed.tenant = serde_json::from_str(raw.get()).ok(),
                _ => {}
            }
            if !name.starts_with('_') {
                let comma = if event.len() > 1 { "," } else { "" };
                event.push_str(&format!("{comma}{}:{}", serde_json::Value::from(name.as_str()), raw.get()));
            }
        }
        event.push('}');
        parsed.value = match raw_value {
            Some(None) => None,
            Some(Some(text)) => {
                let fault = LineFault { field: "_value", expected: "base64 or null" };
                Some(Cow::Owned(BASE64.decode(text).map_err(|_| fault)?))
            }
            None if described => Some(Cow::Owned(event.into_bytes())),
            None => Some(Cow::Borrowed(line)),
        };
        Ok(parsed)
    }
}

impl Line<'_> {
    /// The record that the line is of, at a position.
    pub fn record<'r>(&'r self, position: Position, writer: Option<&'r WriterSchema>) -> Record<'r> {
        Record {
            position,
            timestamp: self.timestamp.map(EventTime),
            key: self.key.as_deref().map(str::as_bytes),
            value: self.value.as_deref(),
            traceparent: self.headers.get("traceparent").map(String::as_bytes),
            writer,
        }
    }
}

fn offset(raw: &RawValue) -> Result<i64, LineFault> {
    let (field, expected) = ("_offset", "a whole number from 0 to 9223372036854775806");
    // There must be an offset behind it: that is where the log goes on.
    read(raw, field, expected).ok().filter(|at| (0..i64::MAX).contains(at)).ok_or(LineFault { field, expected })
}

fn read<'a, T: serde::Deserialize<'a>>(
    raw: &'a RawValue,
    field: &'static str,
    expected: &'static str,
) -> Result<T, LineFault> {
    serde_json::from_str(raw.get()).map_err(|_| LineFault { field, expected })
}

/// The fields of an object in order, duplicates included, their values untouched.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de> serde::Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// Reads a file, or standard input for `-`, line by line.
pub struct Lines {
    input: Box<dyn BufRead>,
    buffer: Vec<u8>,
    /// Size of the input, if known.
    pub size: Option<u64>,
    /// Physical lines read so far: the 1-based number of the current one.
    pub number: u64,
    /// Bytes of the current line, its end included.
    pub length: usize,
}

impl Lines {
    /// Opens the input.
    pub fn open(path: &Path) -> io::Result<Lines> {
        if path == Path::new("-") {
            return Ok(Lines::new(Box::new(io::stdin().lock()), None));
        }
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        Ok(Lines::new(Box::new(BufReader::with_capacity(1 << 16, file)), Some(size)))
    }

    fn new(input: Box<dyn BufRead>, size: Option<u64>) -> Lines {
        Lines { input, buffer: Vec::new(), size, number: 0, length: 0 }
    }

    /// Goes to the next line; empty ones are counted and skipped. `false`: there is none.
    pub fn advance(&mut self) -> io::Result<bool> {
        loop {
            self.buffer.clear();
            let limit = MAX_LINE_BYTES as u64 + 2;
            self.length = (&mut self.input).take(limit).read_until(b'\n', &mut self.buffer)?;
            if self.length == 0 {
                return Ok(false);
            }
            if self.buffer.last() != Some(&b'\n') {
                self.length += self.input.skip_until(b'\n')?;
            }
            self.number += 1;
            self.buffer.truncate(self.buffer.trim_ascii_end().len().min(MAX_LINE_BYTES));
            if !self.buffer.is_empty() {
                return Ok(true);
            }
        }
    }

    /// The current line without its end, at most [`MAX_LINE_BYTES`] of it.
    pub fn current(&self) -> &[u8] {
        &self.buffer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value<'a>(line: &'a Line<'_>) -> &'a str {
        std::str::from_utf8(line.value.as_deref().unwrap()).unwrap()
    }

    #[test]
    fn the_record_is_taken_apart_from_the_event() {
        let text = br#"{"_key":"acme#1","tenant_id":"acme","_partition":3,"n":1.50,"n":{"a" : 2},"_offset":9,"_timestamp":-5,"_headers":{"traceparent":"00-1"}}"#;
        let line = Line::parse(text).unwrap();
        assert_eq!(value(&line), r#"{"tenant_id":"acme","n":1.50,"n":{"a" : 2}}"#);
        assert_eq!((line.key.as_deref(), line.tenant.as_deref()), (Some("acme#1"), Some("acme")));
        assert_eq!((line.partition, line.offset, line.timestamp), (Some(3), Some(9), Some(-5)));
        assert_eq!(line.headers["traceparent"], "00-1");
        let told = Line::parse(br#"{"a":1,"_truth":{"intents":["Buy"]}}"#).unwrap();
        assert_eq!((value(&told), &told.truth), (r#"{"a":1}"#, &Some(Truth { intents: Some(vec!["Buy".to_owned()]) })));
    }

    #[test]
    fn whatever_else_stays_as_it_is() {
        for text in [r#"{ "tenant_id" : "a","x":[1, 2] }"#, r#"{"a":1} x"#, "[1]", "not json", r#"{"a":"#] {
            assert_eq!(value(&Line::parse(text.as_bytes()).unwrap()), text);
        }
    }

    #[test]
    fn raw_values_are_base64_with_or_without_padding() {
        for text in [r#"{"_value":"AAEC/w=="}"#, r#"{"_value":"AAEC/w"}"#] {
            assert_eq!(Line::parse(text.as_bytes()).unwrap().value.unwrap().as_ref(), [0, 1, 2, 255]);
        }
        assert_eq!(Line::parse(br#"{"_value":null,"x":1}"#).unwrap().value, None);
    }

    #[test]
    fn wrong_record_fields_are_named() {
        for (text, field) in [
            (r#"{"_partition":"0"}"#, "_partition"),
            (r#"{"_offset":1.5}"#, "_offset"),
            (r#"{"_offset":-1}"#, "_offset"),
            // The offset after it was computed, past the end of the range.
            (r#"{"_offset":9223372036854775807}"#, "_offset"),
            (r#"{"_timestamp":"now"}"#, "_timestamp"),
            (r#"{"_headers":{"a":1}}"#, "_headers"),
            (r#"{"_value":"?"}"#, "_value"),
            (r#"{"_key":7}"#, "_key"),
            (r#"{"_truth":{"intents":"Buy"}}"#, "_truth"),
        ] {
            assert_eq!(Line::parse(text.as_bytes()).unwrap_err().field, field);
        }
    }

    #[test]
    fn lines_are_counted_physically_and_long_ones_cut() {
        let mut text = b"one\r\n\n  \ntwo\n".to_vec();
        text.extend(vec![b'x'; MAX_LINE_BYTES + 100]);
        text.extend(b"\nlast");
        let total = text.len();
        let mut lines = Lines::new(Box::new(io::Cursor::new(text)), None);
        let mut seen = Vec::new();
        while lines.advance().unwrap() {
            seen.push((lines.number, (lines.current().len(), lines.current()[0])));
        }
        assert_eq!(seen, [(1, (3, b'o')), (4, (3, b't')), (5, (MAX_LINE_BYTES, b'x')), (6, (4, b'l'))]);
        assert!(total > MAX_LINE_BYTES);
    }
}
