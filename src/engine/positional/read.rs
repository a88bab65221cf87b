//! Avro bodies to serde's structs, by position.

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::DatumFault;
use super::bytes::{Malformed, Reader};

/// Reads exactly one value.
pub(crate) fn read<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, DatumFault> {
    Reader::whole(bytes, |reader| T::deserialize(reader))
}

/// Reads a value that more bytes follow, and hands these over.
pub(crate) fn read_head<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<(T, &'de [u8]), DatumFault> {
    let mut reader = Reader::new(bytes);
    match T::deserialize(&mut reader) {
        Ok(value) => Ok((value, reader.rest())),
        Err(Malformed) => Err(reader.fault(bytes)),
    }
}

impl de::Error for Malformed {
    fn custom<T: std::fmt::Display>(_: T) -> Malformed {
        Malformed
    }
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Malformed;

    /// Avro does not tell types apart; every field must ask for one.
    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Malformed> {
        Err(Malformed)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Malformed> {
        visitor.visit_bool(self.boolean()?)
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Malformed> {
        visitor.visit_i32(i32::try_from(self.long()?).map_err(|_| Malformed)?)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Malformed> {
        visitor.visit_i64(self.long()?)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Malformed> {
        visitor.visit_f64(self.double()?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Malformed> {
        visitor.visit_borrowed_str(self.text()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Malformed> {
        visitor.visit_borrowed_str(self.text()?)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Malformed> {
        visitor.visit_borrowed_bytes(self.counted()?)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Malformed> {
        visitor.visit_borrowed_bytes(self.counted()?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Malformed> {
        match self.is_some()? {
            false => visitor.visit_none(),
            true => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Malformed> {
        let left = self.block()?;
        visitor.visit_seq(Blocks { reader: self, left })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Malformed> {
        let left = self.block()?;
        visitor.visit_map(Blocks { reader: self, left })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Malformed> {
        visitor.visit_seq(Fields { reader: self, left: fields.len() })
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    forward_to_deserialize_any! {
        i8 i16 i128 u8 u16 u32 u64 u128 f32 char unit unit_struct newtype_struct tuple tuple_struct enum
        identifier ignored_any
    }
}

/// The fields of a record. Where the datum ends before one, whoever reads it says by what it stands for.
struct Fields<'r, 'b> {
    reader: &'r mut Reader<'b>,
    left: usize,
}

impl<'de> SeqAccess<'de> for Fields<'_, 'de> {
    type Error = Malformed;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Malformed> {
        if self.left == 0 || self.reader.left() == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(&mut *self.reader).map(Some)
    }
}

/// The items of an array or the entries of a map, in blocks; the last block is empty.
struct Blocks<'r, 'b> {
    reader: &'r mut Reader<'b>,
    left: u64,
}

impl Blocks<'_, '_> {
    /// Counts one item off; the next block's head follows the last item of this one.
    fn item_done(&mut self) -> Result<(), Malformed> {
        self.left -= 1;
        if self.left == 0 {
            self.left = self.reader.block()?;
        }
        Ok(())
    }
}

impl<'de> SeqAccess<'de> for Blocks<'_, 'de> {
    type Error = Malformed;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Malformed> {
        if self.left == 0 {
            return Ok(None);
        }
        let before = self.reader.left();
        let item = seed.deserialize(&mut *self.reader)?;
        // Items of no bytes would let a few bytes ask for any number of rounds. No schema of ours has any.
        if self.reader.left() == before {
            return Err(Malformed);
        }
        self.item_done()?;
        Ok(Some(item))
    }

    /// No item of ours takes less than a byte.
    fn size_hint(&self) -> Option<usize> {
        Some(self.reader.left().min(usize::try_from(self.left).unwrap_or(usize::MAX)))
    }
}

impl<'de> MapAccess<'de> for Blocks<'_, 'de> {
    type Error = Malformed;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Malformed> {
        if self.left == 0 {
            return Ok(None);
        }
        seed.deserialize(&mut *self.reader).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Malformed> {
        let value = seed.deserialize(&mut *self.reader)?;
        self.item_done()?;
        Ok(value)
    }
}
