//! Avro bodies to structs, by position. Nothing is allocated by an announced length that the bytes left
//! could not hold.

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use crate::engine::decode::codec::DatumFault;

/// Reads exactly one value.
pub(in crate::engine::encode) fn read<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, DatumFault> {
    let mut reader = Reader { rest: bytes };
    let value = T::deserialize(&mut reader);
    match (value, reader.rest.len()) {
        (Ok(value), 0) => Ok(value),
        (Ok(_), left) => Err(DatumFault::Trailing(left)),
        (Err(_), left) => Err(DatumFault::Malformed(format!("byte {}", bytes.len() - left))),
    }
}

struct Reader<'b> {
    rest: &'b [u8],
}

/// The bytes are not what the struct asks for; where is known to the caller.
#[derive(Debug, thiserror::Error)]
#[error("malformed")]
struct Malformed;

impl de::Error for Malformed {
    fn custom<T: std::fmt::Display>(_: T) -> Malformed {
        Malformed
    }
}

impl<'b> Reader<'b> {
    fn byte(&mut self) -> Result<u8, Malformed> {
        let (first, rest) = self.rest.split_first().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*first)
    }

    fn take(&mut self, len: usize) -> Result<&'b [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    /// A zigzag varint of at most ten bytes.
    fn long(&mut self) -> Result<i64, Malformed> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        Err(Malformed)
    }

    fn counted(&mut self) -> Result<&'b [u8], Malformed> {
        let len = usize::try_from(self.long()?).map_err(|_| Malformed)?;
        self.take(len)
    }

    fn text(&mut self) -> Result<&'b str, Malformed> {
        std::str::from_utf8(self.counted()?).map_err(|_| Malformed)
    }

    /// Items of the next block. Where the count is negative, the block's size in bytes follows.
    fn block(&mut self) -> Result<u64, Malformed> {
        let count = self.long()?;
        if count < 0 {
            self.long()?;
        }
        Ok(count.unsigned_abs())
    }
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Malformed;

    /// Avro does not tell types apart; every field must ask for one.
    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Malformed> {
        Err(Malformed)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Malformed> {
        match self.byte()? {
            0 => visitor.visit_bool(false),
            1 => visitor.visit_bool(true),
            _ => Err(Malformed),
        }
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Malformed> {
        visitor.visit_i32(i32::try_from(self.long()?).map_err(|_| Malformed)?)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Malformed> {
        visitor.visit_i64(self.long()?)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Malformed> {
        let bytes = self.take(8)?.try_into().map_err(|_| Malformed)?;
        visitor.visit_f64(f64::from_le_bytes(bytes))
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
        match self.long()? {
            0 => visitor.visit_none(),
            1 => visitor.visit_some(self),
            _ => Err(Malformed),
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

/// The fields of a record.
struct Fields<'r, 'b> {
    reader: &'r mut Reader<'b>,
    left: usize,
}

impl<'de> SeqAccess<'de> for Fields<'_, 'de> {
    type Error = Malformed;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Malformed> {
        if self.left == 0 {
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
        let item = seed.deserialize(&mut *self.reader)?;
        self.item_done()?;
        Ok(Some(item))
    }

    /// No item of ours takes less than a byte.
    fn size_hint(&self) -> Option<usize> {
        Some(self.reader.rest.len().min(usize::try_from(self.left).unwrap_or(usize::MAX)))
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
