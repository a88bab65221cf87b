//! Random datums of the event schema, made by walking it, in any of the forms that Avro allows for one value.
//! Test support only.

use std::sync::LazyLock;

use apache_avro::Schema;
use apache_avro::schema::ResolvedSchema;
use proptest::prelude::*;

use super::codec::EVENT;
use super::wire::Body;

static NAMED: LazyLock<ResolvedSchema<'static>> = LazyLock::new(|| ResolvedSchema::new(EVENT.schema).unwrap());

/// A datum of any `type`, with its body and sometimes others.
pub fn datum() -> impl Strategy<Value = Vec<u8>> {
    (prop::sample::select(Body::LABELS), any::<u64>()).prop_map(|(label, random)| {
        let mut writer = Writer { random, bytes: Vec::new() };
        writer.event(label);
        writer.bytes
    })
}

struct Writer {
    random: u64,
    bytes: Vec<u8>,
}

impl Writer {
    fn event(&mut self, label: &str) {
        let Schema::Record(record) = EVENT.schema else { panic!("an event is a record") };
        for field in &record.fields {
            match &field.schema {
                _ if field.name == "type" => self.text(label),
                Schema::Union(body) if Body::LABELS.contains(&field.name.as_str()) => {
                    let set = field.name == label || self.below(40) == 0;
                    self.long(set.into());
                    self.value(&body.variants()[usize::from(set)]);
                }
                schema => self.value(schema),
            }
        }
    }

    fn value(&mut self, schema: &Schema) {
        match schema {
            Schema::Null => {}
            Schema::Long => {
                let (value, shift) = (self.below(1 << 30) as i64 - (1 << 29), self.below(35));
                self.long(value << shift);
            }
            Schema::Float => self.noise(4),
            Schema::Double => self.noise(8),
            Schema::String => {
                let all = ["", "a", "é✓", "disk", "null", "{\"a\":[1]}", "a text that is longer than sixteen bytes"];
                let chosen = self.below(all.len());
                self.text(all[chosen]);
            }
            Schema::Bytes => {
                let len = self.below(200);
                self.long(len as i64);
                self.noise(len);
            }
            Schema::Array(array) => self.blocks(|writer| writer.value(&array.items)),
            Schema::Map(map) => {
                let mut keys = 0;
                self.blocks(|writer| {
                    keys += 1;
                    writer.text(&format!("key-{keys:02}"));
                    writer.value(&map.types);
                });
            }
            Schema::Union(union) => {
                let branch = self.below(union.variants().len());
                self.long(branch as i64);
                self.value(&union.variants()[branch]);
            }
            Schema::Record(record) => record.fields.iter().for_each(|field| self.value(&field.schema)),
            Schema::Ref { name } => self.value(NAMED.get_names()[name]),
            other => panic!("no event has {other:?}"),
        }
    }

    /// Some items in blocks of any size, of which some are preceded by a length in bytes that nobody reads.
    fn blocks(&mut self, mut item: impl FnMut(&mut Writer)) {
        let mut left = self.below(6);
        while left > 0 {
            let count = 1 + self.below(left);
            left -= count;
            if self.below(2) == 0 {
                self.long(count as i64);
            } else {
                self.long(-(count as i64));
                self.long(7);
            }
            (0..count).for_each(|_| item(self));
        }
        self.long(0);
    }

    /// A varint, sometimes of more bytes than it needs.
    fn long(&mut self, value: i64) {
        let mut rest = ((value << 1) ^ (value >> 63)) as u64;
        // Ten bytes are the most that a varint may have.
        let mut pad = if self.below(30) == 0 && rest < 1 << 49 { 1 + self.below(2) } else { 0 };
        while rest >= 0x80 {
            self.bytes.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        while pad > 0 {
            self.bytes.push(rest as u8 | 0x80);
            rest = 0;
            pad -= 1;
        }
        self.bytes.push(rest as u8);
    }

    fn text(&mut self, text: &str) {
        self.long(text.len() as i64);
        self.bytes.extend(text.as_bytes());
    }

    fn noise(&mut self, len: usize) {
        for _ in 0..len {
            let byte = self.below(256);
            self.bytes.push(byte as u8);
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) as usize % bound
    }
}
