//! What comes out: records to publish and notices to count. Collected over a batch, published in one
//! transaction, kept until its commit is known.

use hashbrown::HashMap;

use crate::model::suggestion::Outcome;

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
#[derive(Debug, Clone, PartialEq)]
pub enum OutValue {
    /// Null: the key is gone.
    Tombstone,
    /// An Avro body of the topic's schema. The runtime puts the schema id or fingerprint before it.
    Avro(Vec<u8>),
    /// JSON text. Where the topic is one that is restored from, the record also carries the Avro body in
    /// the header `rekindle-state`.
    Json(Vec<u8>),
    /// The bytes as they are (dead letters); `None` if the input's value was null.
    Raw(Option<Vec<u8>>),
}

/// One record to publish, to the partition the input came from.
#[derive(Debug, Clone, PartialEq)]
pub struct OutRecord {
    /// Where to.
    pub topic: Topic,
    /// Key; `None` only for a dead letter whose original had none.
    pub key: Option<Vec<u8>>,
    /// Value.
    pub value: OutValue,
    /// Headers in order.
    pub headers: Vec<(&'static str, Vec<u8>)>,
}

/// What happened besides the records, for metrics and logs.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// A suggestion was published: kind, plan, status.
    Suggestion(&'static str, &'static str, &'static str),
    /// A suggestion's life ended: plan, outcome.
    Outcome(&'static str, Outcome),
    /// Time saved, as reported or estimated, in ms; with its basis (`reported` or `estimated`).
    Saved(f64, &'static str),
    /// An event named another user than the session's.
    UserConflict,
    /// Old prefix segments were dropped for room.
    PrefixOverflow,
    /// A session was forgotten after the retention.
    Forgotten,
}

/// A place in the effects of a batch: see [`Effects::mute`].
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    stream: usize,
    notices: usize,
}

/// The effects of a batch, in the order they must be published.
#[derive(Debug, Default)]
pub struct Effects {
    stream: Vec<OutRecord>,
    latest: Vec<OutRecord>,
    latest_index: HashMap<(Topic, Vec<u8>), usize>,
    /// For metrics and logs; they play no part in what is published.
    pub notices: Vec<Notice>,
    bytes: usize,
}

impl Effects {
    /// No effects.
    pub fn new() -> Effects {
        Effects::default()
    }

    /// Appends a record whose sequence is promised: a suggestion or a dead letter.
    pub fn push(&mut self, record: OutRecord) {
        self.bytes += record.size();
        self.stream.push(record);
    }

    /// Sets the latest value of a compacted key: within a batch only the last one is published.
    pub fn put(&mut self, topic: Topic, key: Vec<u8>, value: OutValue, headers: Vec<(&'static str, Vec<u8>)>) {
        let record = OutRecord { topic, key: Some(key.clone()), value, headers };
        self.bytes += record.size();
        match self.latest_index.get(&(topic, key.clone())) {
            Some(&at) => {
                self.bytes -= self.latest[at].size();
                self.latest[at] = record;
            }
            None => {
                self.latest_index.insert((topic, key), self.latest.len());
                self.latest.push(record);
            }
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
        self.bytes -= self.stream.drain(mark.stream..).map(|record| record.size()).sum::<usize>();
        self.notices.truncate(mark.notices);
    }

    /// All records: suggestions and dead letters in order, then the latest value of each compacted key.
    pub fn records(&self) -> impl Iterator<Item = &OutRecord> {
        self.stream.iter().chain(self.latest.iter())
    }

    /// The records whose sequence is promised.
    pub fn stream(&self) -> &[OutRecord] {
        &self.stream
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

    /// Forgets everything, keeping the memory.
    pub fn clear(&mut self) {
        self.stream.clear();
        self.latest.clear();
        self.latest_index.clear();
        self.notices.clear();
        self.bytes = 0;
    }
}

impl OutRecord {
    /// Bytes of key, value and headers.
    pub fn size(&self) -> usize {
        let value = match &self.value {
            OutValue::Tombstone | OutValue::Raw(None) => 0,
            OutValue::Avro(v) | OutValue::Json(v) | OutValue::Raw(Some(v)) => v.len(),
        };
        let headers: usize = self.headers.iter().map(|(name, v)| name.len() + v.len()).sum();
        self.key.as_ref().map_or(0, Vec::len) + value + headers
    }
}
