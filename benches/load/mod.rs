//! The load of the benchmarks: sessions of a few tenants, each event a whole turn as producers send it, about 3.3 KB
//! of Avro with the vector as bytes.
#![allow(dead_code)]

use std::sync::LazyLock;

use rekindle::engine::decode::wire::{Body, Event, VectorBytes};
use rekindle::engine::validate::murmur2;
use rekindle::engine::{Record, decode, encode};
use rekindle::model::position::{Offset, PartitionId, Position};
use serde_json::{Value, json};

/// Components of a vector.
pub const DIM: usize = 768;
/// Tenants.
pub const TENANTS: usize = 40;
/// Partitions of a topic, of which each has as many of the tenants.
pub const PARTITIONS: i32 = 8;
/// Subjects that contexts are about.
const SUBJECTS: u64 = 256;

/// Names that producers place evenly.
static TENANT_NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut room = [TENANTS / PARTITIONS as usize; PARTITIONS as usize];
    let names = (0..).map(|n| format!("tenant-{n}"));
    let fits = names.filter(|name| {
        let room = &mut room[((murmur2(name.as_bytes()) & 0x7FFF_FFFF) % PARTITIONS as u32) as usize];
        let fits = *room > 0;
        *room -= usize::from(fits);
        fits
    });
    fits.take(TENANTS).collect()
});

/// The tenant of a session: the key of its events.
pub fn tenant(session: usize) -> &'static str {
    &TENANT_NAMES[session % TENANTS]
}

/// Writes events of one kind, which differ in little.
pub struct Writer(Event<'static>);

impl Writer {
    /// Of sessions that start and let as much be transferred.
    pub fn started(scope: &str) -> Writer {
        Writer::of(json!({
            "type": "session_started", "transfer_scope": scope,
            "metadata": {"app": "chat", "plan": "pro", "locale": "en-GB"},
        }))
    }

    /// Of sessions that are interrupted, which a suggestion answers.
    pub fn interrupted() -> Writer {
        Writer::of(json!({"type": "session_interrupted", "reason": "client_disconnect"}))
    }

    /// Of turns.
    pub fn turn() -> Writer {
        let cache = json!({"namespace": "llama-3-70b/fp8"});
        Writer::of(json!({
            "type": "turn_completed", "turn": 1, "input_tokens": 2100, "output_tokens": 310, "cached_tokens": 1800,
            "worker": "worker-17", "worker_epoch": 5, "model": "llama-3-70b", "cache": cache,
            "adapter": {"id": "lora-7", "version": "3"},
            "context": {"space": "default", "vector": "", "covers_turn": 1},
            "kv_cache": {
                "tier": "warm", "location": {"disk": {"path": "kv/9", "offset": 0}}, "cached_tokens": 2304,
                "created_at": 0, "worker": "worker-17", "worker_epoch": 5, "cache": cache,
                "quantization": {"hybrid": {"tail_length": 256, "tail_precision": "FP16", "store_precision": "Q4"}},
            },
        }))
    }

    fn of(mut event: Value) -> Writer {
        event["event_id"] = json!("");
        event["tenant_id"] = json!("");
        event["session_id"] = json!("");
        event["user_id"] = json!("");
        event["occurred_at"] = json!(0);
        event["producer"] = json!({"id": "gateway-1", "epoch": 1, "seq": 1});
        let text: &'static str = event.to_string().leak();
        Writer(decode::decode(&record(text.as_bytes(), 0)).expect("an event"))
    }

    /// The `number`-th event of a session at an instant, with a vector if it is a turn: Avro single-object encoding,
    /// as producers send it.
    pub fn write(&mut self, session: usize, number: usize, at: i64, vector: impl Iterator<Item = f32>) -> Vec<u8> {
        let Event { envelope, body } = &mut self.0;
        envelope.event_id = format!("0b9c2f6e-5d1a-4c37-9a86-{session:06x}{number:06x}").into();
        envelope.tenant_id = tenant(session).into();
        envelope.session_id = Some(format!("session-{session:08}").into());
        envelope.user_id = Some(format!("user-{:06}", session / (4 * TENANTS)).into());
        envelope.occurred_at.0 = at;
        if let Some(producer) = &mut envelope.producer {
            producer.seq = number as i64 + 1;
        }
        if let Body::TurnCompleted(turn) = body {
            turn.turn = number as i64;
            if let Some(context) = &mut turn.context {
                context.vector = VectorBytes(vector.flat_map(f32::to_le_bytes).collect::<Vec<u8>>().into());
                context.covers_turn = number as i64;
            }
            if let Some(copy) = &mut turn.kv_cache {
                copy.created_at.0 = at - 1000;
            }
        }
        let mut bytes = encode::event_single_object_header().to_vec();
        bytes.extend(encode::event(self.0.clone()).expect("an event"));
        bytes
    }
}

/// The context of a session's turn: near one of a few hundred subjects, much nearer to its own earlier ones. It moves,
/// but in ten turns not far enough to be looked for anew.
pub fn context(session: usize, number: usize) -> impl Iterator<Item = f32> {
    let mut subject = SplitMix(session as u64 % SUBJECTS);
    let mut own = SplitMix(SUBJECTS + session as u64);
    let mut now = SplitMix((session as u64) << 32 | number as u64);
    (0..DIM).map(move |_| subject.around_zero() + 0.9 * own.around_zero() + 0.05 * now.around_zero())
}

/// A record of the first partition.
pub fn record(value: &[u8], offset: usize) -> Record<'_> {
    let position = Position { partition: PartitionId(0), offset: Offset(offset as i64) };
    Record { position, timestamp: None, key: None, value: Some(value), traceparent: None, writer: None }
}

/// Numbers that look random (SplitMix64).
pub struct SplitMix(pub u64);

impl SplitMix {
    /// Any number.
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB)
    }

    /// From 0 to 1.
    pub fn unit(&mut self) -> f32 {
        (self.word() >> 40) as f32 / (1u64 << 24) as f32
    }

    fn around_zero(&mut self) -> f32 {
        2.0 * self.unit() - 1.0
    }
}

/// A number after an argument's name.
pub fn argument(name: &str, default: usize) -> usize {
    let mut arguments = std::env::args().skip_while(|a| a != name);
    arguments.nth(1).map_or(default, |n| n.parse().unwrap_or_else(|_| panic!("{name}: not a number")))
}
