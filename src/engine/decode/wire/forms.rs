//! Values that the two wire formats write differently. JSON forms are told by `is_human_readable`; what
//! comes out is the same for both.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use serde_bytes::Bytes;

use crate::engine::positional::{Malformed, Positional, Reader};

/// RFC 4648 standard alphabet, padding optional.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A text of an event.
pub type Text<'a> = Cow<'a, str>;

/// Milliseconds since the Unix epoch; JSON may also write RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Moment(pub i64);

/// Components of an embedding as f32, little-endian.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VectorBytes<'a>(pub Cow<'a, [u8]>);

/// Low 64 bits of block hashes, big-endian, 8 bytes each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hashes<'a>(pub Cow<'a, [u8]>);

/// Metadata by key: compact JSON texts. `null` removes the key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata<'a>(pub BTreeMap<Text<'a>, Text<'a>>);

/// The first branch of a union: bytes, not an array of floats.
impl Serialize for VectorBytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_variant("vector", 0, "bytes", Bytes::new(&self.0))
    }
}

impl Serialize for Hashes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl Serialize for Metadata<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(&self.0)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Moment, D::Error> {
        struct MomentVisitor;
        impl Visitor<'_> for MomentVisitor {
            type Value = Moment;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("milliseconds since the epoch or an RFC 3339 time")
            }
            fn visit_i64<E: de::Error>(self, v: i64) -> Result<Moment, E> {
                Ok(Moment(v))
            }
            fn visit_u64<E: de::Error>(self, v: u64) -> Result<Moment, E> {
                i64::try_from(v).map(Moment).map_err(|_| E::custom("is out of range"))
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Moment, E> {
                match chrono::DateTime::parse_from_rfc3339(v) {
                    Ok(time) => Ok(Moment(time.timestamp_millis())),
                    Err(_) => Err(E::custom("is no RFC 3339 time")),
                }
            }
        }
        match deserializer.is_human_readable() {
            true => deserializer.deserialize_any(MomentVisitor),
            false => deserializer.deserialize_i64(MomentVisitor),
        }
    }
}

impl<'de> Deserialize<'de> for VectorBytes<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct VectorVisitor;
        impl<'de> Visitor<'de> for VectorVisitor {
            type Value = VectorBytes<'static>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of numbers or base64 of little-endian f32")
            }
            fn visit_bytes<E: de::Error>(self, v: &[u8]) -> Result<Self::Value, E> {
                Ok(VectorBytes(v.to_vec().into()))
            }
            fn visit_byte_buf<E: de::Error>(self, v: Vec<u8>) -> Result<Self::Value, E> {
                Ok(VectorBytes(v.into()))
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Self::Value, E> {
                BASE64.decode(v).map(|v| VectorBytes(v.into())).map_err(|_| E::custom("is no base64"))
            }
            // No space is reserved by the announced length: it may lie.
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut bytes = Vec::new();
                while let Some(component) = seq.next_element::<f32>()? {
                    bytes.extend_from_slice(&component.to_le_bytes());
                }
                Ok(VectorBytes(bytes.into()))
            }
        }
        deserializer.deserialize_any(VectorVisitor)
    }
}

impl<'de> Deserialize<'de> for Hashes<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HashesVisitor;
        impl<'de> Visitor<'de> for HashesVisitor {
            type Value = Hashes<'static>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of hexadecimal texts or base64 of big-endian 64-bit hashes")
            }
            fn visit_bytes<E: de::Error>(self, v: &[u8]) -> Result<Self::Value, E> {
                Ok(Hashes(v.to_vec().into()))
            }
            fn visit_byte_buf<E: de::Error>(self, v: Vec<u8>) -> Result<Self::Value, E> {
                Ok(Hashes(v.into()))
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Self::Value, E> {
                BASE64.decode(v).map(|v| Hashes(v.into())).map_err(|_| E::custom("is no base64"))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut bytes = Vec::new();
                while let Some(text) = seq.next_element::<String>()? {
                    let digits = text.strip_prefix("0x").unwrap_or(&text);
                    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
                    match u64::from_str_radix(digits, 16) {
                        Ok(hash) if plain && digits.len() <= 16 => bytes.extend_from_slice(&hash.to_be_bytes()),
                        _ => return Err(de::Error::custom("a hash must be 1 to 16 hexadecimal digits")),
                    }
                }
                Ok(Hashes(bytes.into()))
            }
        }
        match deserializer.is_human_readable() {
            true => deserializer.deserialize_any(HashesVisitor),
            false => deserializer.deserialize_byte_buf(HashesVisitor),
        }
    }
}

impl<'de> Deserialize<'de> for Metadata<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MetadataVisitor {
            json: bool,
        }
        impl<'de> Visitor<'de> for MetadataVisitor {
            type Value = Metadata<'static>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = BTreeMap::new();
                while let Some(key) = map.next_key()? {
                    let value = match self.json {
                        true => map.next_value::<serde_json::Value>()?.to_string().into(),
                        false => map.next_value()?,
                    };
                    if entries.insert(key, value).is_some() {
                        return Err(de::Error::custom("holds a key twice"));
                    }
                }
                Ok(Metadata(entries))
            }
        }
        let json = deserializer.is_human_readable();
        deserializer.deserialize_map(MetadataVisitor { json })
    }
}

impl Positional<'_> for Moment {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        reader.long().map(Moment)
    }
}

impl<'b> Positional<'b> for VectorBytes<'b> {
    fn read(reader: &mut Reader<'b>) -> Result<Self, Malformed> {
        match reader.long()? {
            0 => reader.counted().map(|bytes| VectorBytes(bytes.into())),
            1 => reader.floats().map(VectorBytes),
            _ => Err(Malformed),
        }
    }
}

impl<'b> Positional<'b> for Hashes<'b> {
    fn read(reader: &mut Reader<'b>) -> Result<Self, Malformed> {
        reader.counted().map(|bytes| Hashes(bytes.into()))
    }
}

impl<'b> Positional<'b> for Metadata<'b> {
    fn read(reader: &mut Reader<'b>) -> Result<Self, Malformed> {
        let mut entries = BTreeMap::new();
        reader.items(|reader| match entries.insert(Text::read(reader)?, Text::read(reader)?) {
            None => Ok(()),
            Some(_) => Err(Malformed),
        })?;
        Ok(Metadata(entries))
    }
}
