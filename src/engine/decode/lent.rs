//! Reads structs out of a parsed JSON value, keeping track of the path: serde_json's own reader quotes the
//! payload in its errors and knows no paths.

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::Value;

use super::fault::Fault;

/// A borrowed JSON value to read from.
#[derive(Clone, Copy)]
pub(super) struct Lent<'a>(pub &'a Value);

impl<'de> Deserializer<'de> for Lent<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(v) => visitor.visit_bool(*v),
            Value::Number(v) => match (v.as_i64(), v.as_u64(), v.as_f64()) {
                (Some(v), _, _) => visitor.visit_i64(v),
                (_, Some(v), _) => visitor.visit_u64(v),
                (_, _, v) => visitor.visit_f64(v.unwrap_or(f64::NAN)),
            },
            Value::String(v) => visitor.visit_borrowed_str(v),
            Value::Array(items) => visitor.visit_seq(Items { items: items.iter(), index: 0 }),
            Value::Object(fields) => {
                visitor.visit_map(Fields { fields: fields.iter(), current: None, skip_null: false })
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    /// A field that is null is as good as absent, required or not.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.0 {
            Value::Object(fields) => {
                visitor.visit_map(Fields { fields: fields.iter(), current: None, skip_null: true })
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct Items<'a> {
    items: std::slice::Iter<'a, Value>,
    index: usize,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        let Some(item) = self.items.next() else { return Ok(None) };
        let index = self.index;
        self.index += 1;
        seed.deserialize(Lent(item)).map(Some).map_err(|fault| fault.within(&format!("[{index}]")))
    }
}

struct Fields<'a> {
    fields: serde_json::map::Iter<'a>,
    current: Option<(&'a str, &'a Value)>,
    skip_null: bool,
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let skip_null = self.skip_null;
        let Some((key, value)) = self.fields.find(|(_, value)| !(skip_null && value.is_null())) else {
            return Ok(None);
        };
        self.current = Some((key, value));
        seed.deserialize(serde::de::value::BorrowedStrDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Fault> {
        // Serde asks for a value only after its key; null stands in if it ever did not.
        let (key, value) = self.current.take().unwrap_or(("", &Value::Null));
        seed.deserialize(Lent(value)).map_err(|fault| fault.within(key))
    }
}
