//! What comes out: records to publish and notices to count. Collected over a batch, published in one
//! transaction, kept until its commit is known.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::engine::notice::Notice;

/// Output topics, by role. The runtime knows their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// `session-states`
    States,
    /// `session-vectors`
    Vectors,
    /// `session-bookkeeping`
    Bookkeeping,
    /// `recovery-suggestions`
    Recovery,
    /// `transfer-suggestions`
    Transfer,
    /// `session-events-dlq`
    DeadLetters,
}

/// A value before framing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum OutValue<'a> {
    /// Null: the key is gone.
    Tombstone,
    /// An Avro body of the topic's schema. The runtime puts the schema id or fingerprint before it.
    Avro(&'a [u8]),
    /// JSON text. Where the topic is one that is restored from, the record also carries the Avro body in
    /// the header `rekindle-state`.
    Json(&'a [u8]),
    /// The bytes as they are (dead letters); `None` if the input's value was null.
    Raw(Option<&'a [u8]>),
}

/// Headers in order.
pub type OutHeaders = Vec<(&'static str, Vec<u8>)>;

/// One record to publish, to the partition the input came from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OutRecord<'a> {
    /// Where to.
    pub topic: Topic,
    /// Key; `None` only for a dead letter whose original had none.
    pub key: Option<&'a [u8]>,
    /// Value.
    pub value: OutValue<'a>,
    /// Headers in order.
    pub headers: &'a [(&'static str, Vec<u8>)],
}

/// A place in the effects of a batch: see [`Effects::mute`].
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    stream: usize,
    notices: usize,
}

/// The effects of a batch, in the order they must be published. Keys and values lie in one buffer: what is
/// written a thousand times a batch and dropped with it is no work for an allocator.
#[derive(Debug, Default)]
pub struct Effects {
    buffer: Vec<u8>,
    stream: Vec<Held>,
    latest: Vec<Held>,
    /// Places in `latest` by topic and key.
    latest_index: HashTable<usize>,
    hasher: DefaultHashBuilder,
    /// For metrics and logs; they play no part in what is published.
    pub notices: Vec<Notice>,
    bytes: usize,
}

/// Most bytes of the buffer that an idle partition keeps.
const KEPT_BYTES: usize = 4 << 20;

/// Bytes in the buffer of the effects they were written to.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    from: usize,
    to: usize,
}

#[derive(Debug)]
struct Held {
    topic: Topic,
    key: Option<Span>,
    value: HeldValue,
    headers: OutHeaders,
}

#[derive(Debug, Clone, Copy)]
enum HeldValue {
    Tombstone,
    Avro(Span),
    Json(Span),
    Raw(Option<Span>),
}

impl Effects {
    /// No effects.
    pub fn new() -> Effects {
        Effects::default()
    }

    /// Writes bytes that a record will consist of.
    pub fn write(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Span {
        let from = self.buffer.len();
        write(&mut self.buffer);
        Span { from, to: self.buffer.len() }
    }

    /// Bytes written before.
    pub fn written(&self, span: Span) -> &[u8] {
        &self.buffer[span.from..span.to]
    }

    fn copy(&mut self, bytes: &[u8]) -> Span {
        self.write(|buffer| buffer.extend_from_slice(bytes))
    }

    fn hold(&mut self, value: OutValue<'_>) -> HeldValue {
        match value {
            OutValue::Tombstone => HeldValue::Tombstone,
            OutValue::Avro(bytes) => HeldValue::Avro(self.copy(bytes)),
            OutValue::Json(bytes) => HeldValue::Json(self.copy(bytes)),
            OutValue::Raw(bytes) => HeldValue::Raw(bytes.map(|bytes| self.copy(bytes))),
        }
    }

    /// The place reached so far.
    pub fn mark(&self) -> Mark {
        Mark { stream: self.stream.len(), notices: self.notices.len() }
    }

    /// Takes suggestions, dead letters and notices since `mark` back; what is latest of compacted keys stays.
    /// Nothing happens without a mark.
    pub fn mute(&mut self, mark: Option<Mark>) {
        let Some(mark) = mark else { return };
        self.bytes -= self.stream.drain(mark.stream..).map(|held| held.size()).sum::<usize>();
        self.notices.truncate(mark.notices);
    }

    /// Appends a record whose sequence is promised: a suggestion or a dead letter.
    pub fn push(&mut self, topic: Topic, key: Option<&[u8]>, value: OutValue<'_>, headers: OutHeaders) {
        let (key, value) = (key.map(|key| self.copy(key)), self.hold(value));
        let held = Held { topic, key, value, headers };
        self.bytes += held.size();
        self.stream.push(held);
    }

    /// Sets the latest value of a compacted key: within a batch only the last one is published.
    pub fn put(&mut self, topic: Topic, key: &[u8], value: OutValue<'_>, headers: OutHeaders) {
        let (key, value) = (self.copy(key), self.hold(value));
        self.put_held(key, Held { topic, key: Some(key), value, headers });
    }

    /// The same, of a key and an Avro body that were written before.
    pub fn put_written(&mut self, topic: Topic, key: Span, body: Span) {
        self.put_held(key, Held { topic, key: Some(key), value: HeldValue::Avro(body), headers: Vec::new() });
    }

    fn put_held(&mut self, key: Span, held: Held) {
        let Effects { buffer, latest, latest_index, hasher, .. } = self;
        let bytes = |span: Span| &buffer[span.from..span.to];
        let hash = hasher.hash_one((held.topic, bytes(key)));
        let same = |&at: &usize| latest[at].topic == held.topic && latest[at].key.map(bytes) == Some(bytes(key));
        self.bytes += held.size();
        if let Some(&at) = latest_index.find(hash, same) {
            self.bytes -= latest[at].size();
            latest[at] = held;
            return;
        }
        let hash_of = |&at: &usize| hasher.hash_one((latest[at].topic, latest[at].key.map_or(&[][..], bytes)));
        latest_index.insert_unique(hash, latest.len(), hash_of);
        latest.push(held);
    }

    fn record<'a>(&'a self, held: &'a Held) -> OutRecord<'a> {
        let value = match held.value {
            HeldValue::Tombstone => OutValue::Tombstone,
            HeldValue::Avro(span) => OutValue::Avro(self.written(span)),
            HeldValue::Json(span) => OutValue::Json(self.written(span)),
            HeldValue::Raw(span) => OutValue::Raw(span.map(|span| self.written(span))),
        };
        OutRecord { topic: held.topic, key: held.key.map(|key| self.written(key)), value, headers: &held.headers }
    }

    /// All records: suggestions and dead letters in order, then the latest value of each compacted key.
    pub fn records(&self) -> impl Iterator<Item = OutRecord<'_>> {
        self.stream.iter().chain(self.latest.iter()).map(|held| self.record(held))
    }

    /// The suggestions among what is published in sequence: revocations and closings too.
    pub fn suggestions(&self) -> impl Iterator<Item = OutRecord<'_>> {
        self.stream().filter(|record| matches!(record.topic, Topic::Recovery | Topic::Transfer))
    }

    /// The records whose sequence is promised.
    pub fn stream(&self) -> impl ExactSizeIterator<Item = OutRecord<'_>> {
        self.stream.iter().map(|held| self.record(held))
    }

    /// Nothing to publish.
    pub fn is_empty(&self) -> bool {
        self.stream.is_empty() && self.latest.is_empty()
    }

    /// Number of records to publish.
    pub fn len(&self) -> usize {
        self.stream.len() + self.latest.len()
    }

    /// Bytes of keys, values and headers to publish.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets everything, keeping the memory up to a few MiB.
    pub fn clear(&mut self) {
        self.buffer.clear();
        self.buffer.shrink_to(KEPT_BYTES);
        self.stream.clear();
        self.latest.clear();
        self.latest_index.clear();
        self.notices.clear();
        self.bytes = 0;
    }
}

impl Span {
    fn len(self) -> usize {
        self.to - self.from
    }
}

impl Held {
    fn size(&self) -> usize {
        let value = match self.value {
            HeldValue::Tombstone | HeldValue::Raw(None) => 0,
            HeldValue::Avro(span) | HeldValue::Json(span) | HeldValue::Raw(Some(span)) => span.len(),
        };
        self.key.map_or(0, Span::len) + value + size_of_headers(&self.headers)
    }
}

impl OutRecord<'_> {
    /// Bytes of key, value and headers.
    pub fn size(&self) -> usize {
        let value = match self.value {
            OutValue::Tombstone | OutValue::Raw(None) => 0,
            OutValue::Avro(v) | OutValue::Json(v) | OutValue::Raw(Some(v)) => v.len(),
        };
        self.key.map_or(0, <[u8]>::len) + value + size_of_headers(self.headers)
    }
}

fn size_of_headers(headers: &[(&'static str, Vec<u8>)]) -> usize {
    headers.iter().map(|(name, value)| name.len() + value.len()).sum()
}
