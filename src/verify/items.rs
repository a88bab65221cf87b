//! Records of the topics whose sequence is promised, in the form in which they are compared. Of a dead letter only
//! hashes are held, and of a suggestion its body for as long as it waits to be compared.

use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Headers};
use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::engine::encode::{self, SuggestionKind};
use crate::engine::{OutRecord, OutValue, Topic};
use crate::model::position::Offset;
use crate::runtime::TRUNCATED_BYTES;

/// What a record is and says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct What {
    /// Which one: of a suggestion its id and status, of a dead letter the position of the original.
    pub ident: u128,
    /// Hash of key, body and headers.
    pub content: u128,
    pub id: String,
    pub status: String,
    pub key: String,
    /// Body of a suggestion, to name the fields in which it differs.
    pub body: Option<Box<[u8]>>,
}

/// A record that had to be published.
#[derive(Debug, Clone, Default)]
pub(super) struct Expected {
    pub what: What,
    /// The input record that it follows from.
    pub at: Offset,
    /// Its content were it cut down to fit into its topic.
    pub cut_down: Option<u128>,
}

/// A record that was published.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    pub what: What,
    /// Its place in its topic.
    pub offset: Offset,
    /// It follows from this input record or a later one; `None`: it does not tell.
    pub not_before: Option<Offset>,
    /// Whether it follows from just that one.
    pub exact: bool,
}

/// Hands out what was published, in order.
pub(super) trait Source {
    type Error;

    fn next(&mut self) -> Result<Option<Found>, Self::Error>;
}

/// What a difference proves, by the input offset it lies at.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rules {
    /// What follows from records below has to be there; from here on it may be.
    pub must_below: Offset,
    /// What follows from records below was published by another generation that judged otherwise.
    pub others_below: Offset,
    /// The generation that published what follows from records below cannot be told.
    pub unknown_below: Offset,
    /// From here on the replay is not what was in force.
    pub doubt_from: Option<Offset>,
    /// Whether the topic has lost records at its beginning.
    pub begin_lost: bool,
    /// Whether a later generation may have published behind everything expected.
    pub others_after: bool,
    /// Examples kept of each class.
    pub examples: usize,
}

type Headed<'a> = Vec<(&'a str, &'a [u8])>;

/// A record that the engine gives, as it has to be found; `at`: the input record it follows from.
pub(super) fn expected(record: OutRecord<'_>, at: Offset) -> Expected {
    let headers: Headed<'_> = record.headers.iter().map(|(name, value)| (*name, &value[..])).collect();
    let value = match record.value {
        OutValue::Avro(bytes) | OutValue::Json(bytes) | OutValue::Raw(Some(bytes)) => Some(bytes),
        OutValue::Tombstone | OutValue::Raw(None) => None,
    };
    let cut_down = (record.topic == Topic::DeadLetters && record.size() > TRUNCATED_BYTES)
        .then(|| cut_down(record.key, value.unwrap_or_default(), &headers));
    Expected { what: what(record.topic, record.key, value, &headers), at, cut_down }
}

/// A record that was published; `None`: it is blank, as the end of a forgotten transaction leaves them.
pub(super) fn found(topic: Topic, message: &BorrowedMessage<'_>) -> Option<Found> {
    if message.payload().is_none() && message.headers().is_none() {
        return None;
    }
    let headers: Headed<'_> =
        message.headers().into_iter().flat_map(|h| h.iter()).map(|h| (h.key, h.value.unwrap_or_default())).collect();
    let value = match (topic, message.payload()) {
        (Topic::DeadLetters, value) => value,
        (_, value) => value.map(|value| encode::strip_frame(value).unwrap_or(value)),
    };
    let what = what(topic, message.key(), value, &headers);
    let not_before = match topic {
        Topic::DeadLetters => headed(&headers, encode::ORIGIN_OFFSET).and_then(|text| text.parse().ok()).map(Offset),
        _ => value.and_then(|body| as_of(topic, body)),
    };
    // What ends a suggestion repeats where it began.
    let exact = topic == Topic::DeadLetters || what.status == "open";
    Some(Found { what, offset: Offset(message.offset()), not_before, exact: exact && not_before.is_some() })
}

const PARTITION: &str = "__connect.errors.partition";
const REASON: &str = "__connect.errors.exception.class.name";

fn what(topic: Topic, key: Option<&[u8]>, value: Option<&[u8]>, headers: &Headed<'_>) -> What {
    let named = |name| headed(headers, name).unwrap_or_default();
    let (id, status) = match topic {
        Topic::DeadLetters => (format!("{}:{}", named(PARTITION), named(encode::ORIGIN_OFFSET)), named(REASON)),
        _ => (named("rekindle-suggestion-id").to_owned(), named("rekindle-status")),
    };
    let ident = match topic {
        Topic::DeadLetters => xxh3_128(id.as_bytes()),
        _ => xxh3_128(format!("{status}/{id}").as_bytes()),
    };
    let body = value.filter(|_| topic != Topic::DeadLetters).map(Box::from);
    let content = content(key, value, headers);
    What { ident, content, id, status: status.to_owned(), key: printable(key.unwrap_or_default()), body }
}

fn headed<'a>(headers: &Headed<'a>, name: &str) -> Option<&'a str> {
    let (_, value) = headers.iter().rev().find(|(held, _)| *held == name)?;
    std::str::from_utf8(value).ok()
}

/// Hash of everything in a record, each part with its length.
fn content(key: Option<&[u8]>, value: Option<&[u8]>, headers: &[(&str, &[u8])]) -> u128 {
    let mut hash = Xxh3::new();
    let mut put = |part: Option<&[u8]>| {
        hash.update(&part.map_or(u64::MAX, |part| part.len() as u64).to_le_bytes());
        hash.update(part.unwrap_or_default());
    };
    put(key);
    put(value);
    for (name, value) in headers {
        put(Some(name.as_bytes()));
        put(Some(value));
    }
    hash.digest128()
}

/// The content of a dead letter that its topic would refuse as it is.
fn cut_down(key: Option<&[u8]>, value: &[u8], headers: &Headed<'_>) -> u128 {
    let cut = |bytes: &'_ [u8]| bytes.len().min(TRUNCATED_BYTES);
    let (length, hash) = (value.len().to_string(), hex::encode(Sha256::digest(value)));
    let mut all = headers.clone();
    all.extend([("truncated", length.as_bytes()), ("sha256", hash.as_bytes())]);
    content(key.map(|key| &key[..cut(key)]), Some(&value[..cut(value)]), &all)
}

fn as_of(topic: Topic, body: &[u8]) -> Option<Offset> {
    if body.first() == Some(&b'{') {
        let json: serde_json::Value = serde_json::from_slice(body).ok()?;
        return json["as_of"]["offset"].as_i64().map(Offset);
    }
    let kind = if topic == Topic::Recovery { SuggestionKind::Recovery } else { SuggestionKind::Transfer };
    encode::decode_suggestion(kind, body).ok().map(|(suggestion, _)| suggestion.as_of.offset)
}

/// A key as text, for people.
pub(super) fn printable(key: &[u8]) -> String {
    String::from_utf8_lossy(key).chars().filter(|c| !c.is_control()).take(600).collect()
}
