//! From the engine's effects to Kafka records: which topic, which bytes before an Avro body, and what
//! becomes of a dead letter that is too large. Never looks into a body.

use sha2::{Digest, Sha256};

use crate::engine::encode;
use crate::engine::{EngineSettings, OutRecord, OutValue, OutputFormat, Topic};
use crate::kafka::headers;
use crate::kafka::producer::Outgoing;
use crate::kafka::registry::{Registry, RegistryFault};
use crate::kafka::settings::TopicSettings;
use crate::model::position::PartitionId;

/// What is kept of a dead letter that its topic would refuse.
pub const TRUNCATED_BYTES: usize = 64 << 10;
/// What the broker adds to a record, at most.
const OVERHEAD: usize = 512;

/// Names, frames and limits of the outputs.
#[derive(Debug, Clone)]
pub(super) struct Framing {
    topics: TopicSettings,
    frames: Vec<(Topic, Vec<u8>)>,
    dead_letter_bytes: usize,
}

/// Topics whose values are Avro bodies.
const FRAMED: [Topic; 5] = [Topic::States, Topic::Vectors, Topic::Bookkeeping, Topic::Recovery, Topic::Transfer];

impl Framing {
    /// Registers the public schemas where a registry is configured and the output is Avro; elsewhere the
    /// frame is that of single objects. `dead_letter_bytes`: largest record the dead letters take.
    pub fn new(
        topics: &TopicSettings,
        engine: &EngineSettings,
        registry: Option<&Registry>,
        dead_letter_bytes: usize,
    ) -> Result<Framing, RegistryFault> {
        let registry = registry.filter(|_| engine.output == OutputFormat::Avro);
        let mut framing = Framing { topics: topics.clone(), frames: Vec::new(), dead_letter_bytes };
        for topic in FRAMED {
            let public = !matches!(topic, Topic::Vectors | Topic::Bookkeeping);
            let frame = match (registry.filter(|_| public), encode::schema_text(topic)) {
                (Some(registry), Some(schema)) => {
                    let id = registry.register(&format!("{}-value", framing.name(topic)), schema)?;
                    [&[0][..], &id.to_be_bytes()].concat()
                }
                _ => encode::single_object_header(topic).map(Vec::from).unwrap_or_default(),
            };
            framing.frames.push((topic, frame));
        }
        Ok(framing)
    }

    /// The topic's name.
    pub fn name(&self, topic: Topic) -> &str {
        match topic {
            Topic::States => &self.topics.states,
            Topic::Vectors => &self.topics.vectors,
            Topic::Bookkeeping => &self.topics.bookkeeping,
            Topic::Recovery => &self.topics.recovery,
            Topic::Transfer => &self.topics.transfer,
            Topic::DeadLetters => &self.topics.dead_letters,
        }
    }

    /// The record to send; `scratch` holds its value.
    pub fn outgoing<'a>(
        &'a self,
        partition: PartitionId,
        record: OutRecord<'a>,
        scratch: &'a mut Vec<u8>,
    ) -> Outgoing<'a> {
        scratch.clear();
        if record.topic == Topic::DeadLetters && record.size() + OVERHEAD > self.dead_letter_bytes {
            return self.truncated(partition, record);
        }
        let value = match record.value {
            OutValue::Tombstone | OutValue::Raw(None) => None,
            OutValue::Raw(Some(bytes)) | OutValue::Json(bytes) => Some(bytes),
            OutValue::Avro(body) => {
                scratch.extend_from_slice(self.frame(record.topic));
                scratch.extend_from_slice(body);
                Some(&scratch[..])
            }
        };
        let headers = headers::build(record.headers.iter().map(|(name, value)| (*name, &value[..])));
        Outgoing { topic: self.name(record.topic), partition, key: record.key, value, headers }
    }

    fn frame(&self, topic: Topic) -> &[u8] {
        self.frames.iter().find(|(of, _)| *of == topic).map_or(&[], |(_, frame)| frame)
    }

    /// The first 64 KiB, with the whole length and a hash; the position is among the headers already.
    fn truncated<'a>(&'a self, partition: PartitionId, record: OutRecord<'a>) -> Outgoing<'a> {
        let value = match record.value {
            OutValue::Raw(Some(bytes)) => bytes,
            _ => &[],
        };
        let length = value.len().to_string();
        let hash = hex::encode(Sha256::digest(value));
        let extra = [("truncated", length.as_bytes()), ("sha256", hash.as_bytes())];
        let whole: Vec<_> = (record.headers.iter().map(|(name, value)| (*name, &value[..]))).chain(extra).collect();
        let key = record.key.map(|key| &key[..key.len().min(TRUNCATED_BYTES)]);
        Outgoing {
            topic: self.name(record.topic),
            partition,
            key,
            value: Some(&value[..value.len().min(TRUNCATED_BYTES)]),
            headers: headers::build(whole.into_iter()),
        }
    }
}

/// The id of a Confluent-framed value.
pub fn schema_id(value: Option<&[u8]>) -> Option<u32> {
    match value {
        Some([0, a, b, c, d, ..]) => Some(u32::from_be_bytes([*a, *b, *c, *d])),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::message::Headers;

    use super::*;
    use crate::engine::Effects;

    fn framing(dead_letter_bytes: usize) -> Framing {
        let name = |role: &str| format!("p.{role}");
        let topics = TopicSettings {
            events: name("in"),
            states: name("states"),
            vectors: name("vectors"),
            bookkeeping: name("bookkeeping"),
            recovery: name("recovery"),
            transfer: name("transfer"),
            dead_letters: name("dlq"),
            owners: name("owners"),
            partitions: 1,
            replication: None,
            events_retention: Default::default(),
            suggestions_retention: Default::default(),
            dead_letters_retention: Default::default(),
            compaction_lag: Default::default(),
        };
        Framing::new(&topics, &EngineSettings::default(), None, dead_letter_bytes).unwrap()
    }

    fn effects(topic: Topic, value: OutValue<'_>) -> Effects {
        let mut effects = Effects::new();
        effects.push(topic, Some(b"k"), value, vec![("h", b"v".to_vec())]);
        effects
    }

    #[test]
    fn values_are_framed_by_what_they_are() {
        let framing = framing(1 << 20);
        let header = encode::single_object_header(Topic::Recovery).unwrap();
        for (value, expected) in [
            (OutValue::Avro(b"body"), Some([&header[..], b"body"].concat())),
            (OutValue::Json(b"{}"), Some(b"{}".to_vec())),
            (OutValue::Raw(Some(b"raw")), Some(b"raw".to_vec())),
            (OutValue::Raw(None), None),
            (OutValue::Tombstone, None),
        ] {
            let (effects, mut scratch) = (effects(Topic::Recovery, value), Vec::new());
            let record = effects.stream().next().unwrap();
            let sent = framing.outgoing(PartitionId(3), record, &mut scratch);
            assert_eq!(sent.value.map(<[u8]>::to_vec), expected);
            assert_eq!((sent.topic, sent.partition, sent.key), ("p.recovery", PartitionId(3), Some(&b"k"[..])));
        }
    }

    #[test]
    fn a_dead_letter_that_is_too_large_keeps_its_beginning_length_and_hash() {
        let framing = framing(100_000);
        let value = vec![7u8; 99_900];
        let (effects, mut scratch) = (effects(Topic::DeadLetters, OutValue::Raw(Some(&value))), Vec::new());
        let record = effects.stream().next().unwrap();
        let sent = framing.outgoing(PartitionId(0), record, &mut scratch);
        assert_eq!(sent.value, Some(&value[..65_536]));
        let headers = sent.headers.unwrap();
        let all: Vec<_> = headers.iter().map(|h| (h.key, h.value.unwrap().to_vec())).collect();
        let hash = hex::encode(Sha256::digest(&value)).into_bytes();
        assert_eq!(all, [("h", b"v".to_vec()), ("truncated", b"99900".to_vec()), ("sha256", hash)]);
    }

    #[test]
    fn only_a_confluent_frame_has_an_id() {
        for (value, expected) in [
            (&[0, 0, 0, 1, 2, 9][..], Some(258)),
            (&[0, 0, 0, 0, 7], Some(7)),
            (&[0, 0, 0, 1], None),
            (&[0xC3, 1, 0, 0, 0, 0], None),
            (b"{}", None),
        ] {
            assert_eq!(schema_id(Some(value)), expected, "{value:?}");
        }
        assert_eq!(schema_id(None), None);
    }
}
