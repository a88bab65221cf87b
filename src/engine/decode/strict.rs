//! JSON text to a tree, stricter than serde_json: no key twice, and no nesting deeper than the contract's.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::MAX_JSON_DEPTH;

/// Why a text is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JsonFault {
    /// Not JSON; where.
    #[error("no JSON at line {0}, column {1}")]
    Syntax(usize, usize),
    /// An object names a key twice.
    #[error("an object names a key twice, line {0}")]
    DuplicateKey(usize),
    /// Nested too deeply.
    #[error("nested deeper than 16")]
    TooDeep,
    /// More follows.
    #[error("bytes follow the JSON value")]
    Trailing,
}

/// Parses one JSON value with nothing but white space around it.
pub(crate) fn parse(text: &[u8]) -> Result<Value, JsonFault> {
    let refused = Cell::new(Refused::No);
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let seed = Strict { depth_left: MAX_JSON_DEPTH, refused: &refused };
    let value = seed.deserialize(&mut deserializer).map_err(|e| match refused.get() {
        Refused::No => JsonFault::Syntax(e.line(), e.column()),
        Refused::DuplicateKey => JsonFault::DuplicateKey(e.line()),
        Refused::TooDeep => JsonFault::TooDeep,
    })?;
    deserializer.end().map_err(|_| JsonFault::Trailing)?;
    Ok(value)
}

#[derive(Clone, Copy)]
enum Refused {
    No,
    DuplicateKey,
    TooDeep,
}

#[derive(Clone, Copy)]
struct Strict<'r> {
    depth_left: usize,
    refused: &'r Cell<Refused>,
}

impl Strict<'_> {
    fn refuse<E: Error>(self, why: Refused) -> E {
        self.refused.set(why);
        E::custom("refused")
    }

    fn deeper<E: Error>(self) -> Result<Self, E> {
        match self.depth_left.checked_sub(1) {
            Some(depth_left) => Ok(Strict { depth_left, ..self }),
            None => Err(self.refuse(Refused::TooDeep)),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_i64<E: Error>(self, v: i64) -> Result<Value, E> {
        Ok(Value::from(v))
    }

    fn visit_u64<E: Error>(self, v: u64) -> Result<Value, E> {
        Ok(Value::from(v))
    }

    fn visit_f64<E: Error>(self, v: f64) -> Result<Value, E> {
        Ok(Number::from_f64(v).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, v: &str) -> Result<Value, E> {
        Ok(Value::from(v))
    }

    fn visit_string<E: Error>(self, v: String) -> Result<Value, E> {
        Ok(Value::String(v))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(inner)?;
            if object.insert(key, value).is_some() {
                return Err(self.refuse(Refused::DuplicateKey));
            }
        }
        Ok(Value::Object(object))
    }
}
