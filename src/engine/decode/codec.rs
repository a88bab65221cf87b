//! The event schema with its reader, made once. Errors of the Avro crate are never
//! passed on: their texts can hold the schema or the payload.

use std::sync::LazyLock;

use apache_avro::Schema;
use apache_avro::rabin::Rabin;
use apache_avro::reader::datum::GenericDatumReader;
use serde::de::{Deserialize, DeserializeOwned, Deserializer};

pub use crate::engine::positional::{DatumFault, EncodeError};

/// Most bytes that one length within a datum may ask for. Records are at most 1 MiB; ours may be larger
/// than what came in, but never by that much.
const MAX_ALLOCATION_BYTES: usize = 2 * 1024 * 1024;

/// `SessionEvent`
pub(crate) static EVENT: LazyLock<Codec> =
    LazyLock::new(|| Codec::new(include_str!("../../../schemas/session-event.avsc")));

/// A schema and what reads with it.
pub(crate) struct Codec {
    /// The schema's text.
    pub text: &'static str,
    /// The schema.
    pub schema: &'static Schema,
    /// Its Rabin fingerprint, as single-object encoding puts it.
    pub fingerprint: [u8; 8],
    reader: GenericDatumReader<'static>,
}

impl Codec {
    /// Parses an embedded schema. It lives as long as the process.
    pub fn new(text: &'static str) -> Codec {
        cap_allocation();
        let schema: &'static Schema = Box::leak(Box::new(parse_embedded(text)));
        let reader = GenericDatumReader::builder(schema).build().expect("embedded schema");
        Codec { text, schema, fingerprint: fingerprint(schema), reader }
    }

    /// The path at which reading a datum fails, by name. Slow: this is only for the message of a refusal.
    pub fn stopped_at<T: DeserializeOwned>(&self, mut bytes: &[u8]) -> Option<String> {
        match self.reader.read_deser::<Tracked<T>>(&mut bytes) {
            // What follows is a key of metadata: the payload's word, not the schema's.
            Ok(Tracked(Err(path))) => Some(match path.split_once(".metadata.") {
                Some((body, _)) => format!("{body}.metadata"),
                None => path,
            }),
            _ => None,
        }
    }
}

/// Parses a schema that is part of the binary.
pub(crate) fn parse_embedded(text: &str) -> Schema {
    // Embedded texts do not vary, and a test parses each of them.
    Schema::parse_str(text).expect("embedded schema")
}

/// Caps what the Avro crate allocates, for the whole process: the first call wins.
pub(crate) fn cap_allocation() {
    apache_avro::util::max_allocation_bytes(MAX_ALLOCATION_BYTES);
}

/// The Rabin fingerprint of a schema's canonical form, little-endian.
pub(crate) fn fingerprint(schema: &Schema) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&schema.fingerprint::<Rabin>().bytes[..8]);
    bytes
}

/// A value, or the path of the field that could not be read.
struct Tracked<T>(Result<T, String>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Tracked<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Tracked(serde_path_to_error::deserialize(deserializer).map_err(|e| e.path().to_string())))
    }
}
