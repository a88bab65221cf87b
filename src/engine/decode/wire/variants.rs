//! Records that name one of several variants: in JSON an object whose one key does so, in Avro a record with a
//! field a variant. JSON forms are told by `is_human_readable`; what comes out is the same for both.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, IntoDeserializer, MapAccess, Visitor};

use super::shared::{Location, Quantization};

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
