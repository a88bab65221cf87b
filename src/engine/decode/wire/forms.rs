//! Values that the two wire formats write differently. JSON forms are told by `is_human_readable`; what
//! comes out is the same for both.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::de::{self, Deserializer, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use super::shared::{Location, Quantization};

/// RFC 4648 standard alphabet, padding optional.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Milliseconds since the Unix epoch; JSON may also write RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Moment(pub i64);

/// Components of an embedding as f32, little-endian.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VectorBytes(pub Vec<u8>);

/// Low 64 bits of block hashes, big-endian, 8 bytes each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hashes(pub Vec<u8>);

/// Metadata by key: compact JSON texts. `null` removes the key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata(pub BTreeMap<String, String>);

impl Serialize for VectorBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl Serialize for Hashes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl Serialize for Metadata {
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

impl<'de> Deserialize<'de> for VectorBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<VectorBytes, D::Error> {
        struct VectorVisitor;
        impl<'de> Visitor<'de> for VectorVisitor {
            type Value = VectorBytes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of numbers or base64 of little-endian f32")
            }
            fn visit_bytes<E: de::Error>(self, v: &[u8]) -> Result<VectorBytes, E> {
                Ok(VectorBytes(v.to_vec()))
            }
            fn visit_byte_buf<E: de::Error>(self, v: Vec<u8>) -> Result<VectorBytes, E> {
                Ok(VectorBytes(v))
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<VectorBytes, E> {
                BASE64.decode(v).map(VectorBytes).map_err(|_| E::custom("is no base64"))
            }
            // No space is reserved by the announced length: it may lie.
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<VectorBytes, A::Error> {
                let mut bytes = Vec::new();
                while let Some(component) = seq.next_element::<f32>()? {
                    bytes.extend_from_slice(&component.to_le_bytes());
                }
                Ok(VectorBytes(bytes))
            }
        }
        deserializer.deserialize_any(VectorVisitor)
    }
}

impl<'de> Deserialize<'de> for Hashes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Hashes, D::Error> {
        struct HashesVisitor;
        impl<'de> Visitor<'de> for HashesVisitor {
            type Value = Hashes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of hexadecimal texts or base64 of big-endian 64-bit hashes")
            }
            fn visit_bytes<E: de::Error>(self, v: &[u8]) -> Result<Hashes, E> {
                Ok(Hashes(v.to_vec()))
            }
            fn visit_byte_buf<E: de::Error>(self, v: Vec<u8>) -> Result<Hashes, E> {
                Ok(Hashes(v))
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Hashes, E> {
                BASE64.decode(v).map(Hashes).map_err(|_| E::custom("is no base64"))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Hashes, A::Error> {
                let mut bytes = Vec::new();
                while let Some(text) = seq.next_element::<String>()? {
                    let digits = text.strip_prefix("0x").unwrap_or(&text);
                    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
                    match u64::from_str_radix(digits, 16) {
                        Ok(hash) if plain && digits.len() <= 16 => bytes.extend_from_slice(&hash.to_be_bytes()),
                        _ => return Err(de::Error::custom("a hash must be 1 to 16 hexadecimal digits")),
                    }
                }
                Ok(Hashes(bytes))
            }
        }
        match deserializer.is_human_readable() {
            true => deserializer.deserialize_any(HashesVisitor),
            false => deserializer.deserialize_byte_buf(HashesVisitor),
        }
    }
}

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Metadata, D::Error> {
        struct MetadataVisitor {
            json: bool,
        }
        impl<'de> Visitor<'de> for MetadataVisitor {
            type Value = Metadata;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Metadata, A::Error> {
                let mut entries = BTreeMap::new();
                while let Some(key) = map.next_key::<String>()? {
                    let value = match self.json {
                        true => map.next_value::<serde_json::Value>()?.to_string(),
                        false => map.next_value::<String>()?,
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

/// A location: in JSON an object whose one key names the variant, or the bare word.
pub(super) fn location<'de, T, D>(deserializer: D) -> Result<Location<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    struct LocationVisitor<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for LocationVisitor<T> {
        type Value = Location<T>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object whose one key names the location")
        }
        fn visit_str<E: de::Error>(self, kind: &str) -> Result<Self::Value, E> {
            let kind = T::deserialize(kind.into_deserializer())?;
            Ok(Location { kind, memory: None, disk: None, external: None })
        }
        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            one_key(map, |kind, map| {
                let mut location = self.visit_str(kind)?;
                match kind {
                    "memory" => location.memory = Some(map.next_value()?),
                    "disk" => location.disk = Some(map.next_value()?),
                    "external" => location.external = Some(map.next_value()?),
                    _ => drop(map.next_value::<IgnoredAny>()?),
                }
                Ok(location)
            })
        }
    }
    match deserializer.is_human_readable() {
        true => deserializer.deserialize_any(LocationVisitor(PhantomData)),
        false => Location::deserialize(deserializer),
    }
}

/// A quantization: in JSON an object whose one key names the variant.
pub(super) fn quantization<'de, T, D>(deserializer: D) -> Result<Quantization<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    struct QuantizationVisitor<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for QuantizationVisitor<T> {
        type Value = Quantization<T>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object whose one key names the quantization")
        }
        fn visit_str<E: de::Error>(self, kind: &str) -> Result<Self::Value, E> {
            let kind = T::deserialize(kind.into_deserializer())?;
            let (high_precision_tail, quantized_store, hybrid, turbo_quant_hybrid) = (None, None, None, None);
            Ok(Quantization { kind, high_precision_tail, quantized_store, hybrid, turbo_quant_hybrid })
        }
        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            one_key(map, |kind, map| {
                let mut quantization = self.visit_str(kind)?;
                match kind {
                    "high_precision_tail" => quantization.high_precision_tail = Some(map.next_value()?),
                    "quantized_store" => quantization.quantized_store = Some(map.next_value()?),
                    "hybrid" => quantization.hybrid = Some(map.next_value()?),
                    "turbo_quant_hybrid" => quantization.turbo_quant_hybrid = Some(map.next_value()?),
                    _ => drop(map.next_value::<IgnoredAny>()?),
                }
                Ok(quantization)
            })
        }
    }
    match deserializer.is_human_readable() {
        true => deserializer.deserialize_any(QuantizationVisitor(PhantomData)),
        false => Quantization::deserialize(deserializer),
    }
}

/// Reads a map that must hold exactly one key.
fn one_key<'de, A: MapAccess<'de>, T>(
    mut map: A,
    read: impl FnOnce(&str, &mut A) -> Result<T, A::Error>,
) -> Result<T, A::Error> {
    const FAULT: &str = "must have exactly one key";
    let Some(key) = map.next_key::<String>()? else { return Err(de::Error::custom(FAULT)) };
    let value = read(&key, &mut map)?;
    match map.next_key::<IgnoredAny>()? {
        None => Ok(value),
        Some(_) => Err(de::Error::custom(FAULT)),
    }
}
