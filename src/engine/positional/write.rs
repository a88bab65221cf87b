//! Structs to Avro bodies, by position.

use std::ops::Range;

use serde::Serialize;
use serde::ser::{self, Impossible, Serializer};

use super::EncodeError;

/// Appends the Avro form of a value.
pub(crate) fn write<T: Serialize>(bytes: &mut Vec<u8>, value: &T) -> Result<(), EncodeError> {
    value.serialize(&mut Writer { bytes })
}

/// Appends values one by one, for what is written too often to pass through structs.
pub(crate) struct Writer<'b> {
    bytes: &'b mut Vec<u8>,
}

impl<'b> Writer<'b> {
    /// Appends to `bytes`.
    pub fn new(bytes: &'b mut Vec<u8>) -> Writer<'b> {
        Writer { bytes }
    }

    /// Bytes written so far, with those that were there.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Repeats what was written before.
    pub fn again(&mut self, written: Range<usize>) {
        self.bytes.extend_from_within(written);
    }

    /// A zigzag varint.
    pub fn long(&mut self, value: i64) {
        let mut rest = ((value << 1) ^ (value >> 63)) as u64;
        if rest < 0x80 {
            return self.bytes.push(rest as u8);
        }
        let (mut varint, mut len) = ([0; 10], 0);
        while rest >= 0x80 {
            varint[len] = rest as u8 | 0x80;
            rest >>= 7;
            len += 1;
        }
        varint[len] = rest as u8;
        self.bytes.extend_from_slice(&varint[..=len]);
    }

    /// Bytes whose number is known before, filled in by `fill`.
    pub fn filled(&mut self, len: usize, fill: impl FnOnce(&mut [u8])) {
        self.long(len as i64);
        let from = self.bytes.len();
        self.bytes.resize(from + len, 0);
        fill(&mut self.bytes[from..]);
    }

    pub fn text(&mut self, text: &str) {
        self.counted(text.as_bytes());
    }

    pub fn bool(&mut self, value: bool) {
        self.bytes.push(value.into());
    }

    pub fn double(&mut self, value: f64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// The absent branch of an optional field.
    pub fn none(&mut self) {
        self.long(0);
    }

    /// The other branch; the value follows.
    pub fn some(&mut self) {
        self.long(1);
    }

    /// An optional field, written by `write` where it is there.
    pub fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        match value {
            Some(value) => {
                self.some();
                write(self, value);
            }
            None => self.none(),
        }
    }

    pub fn optional_text(&mut self, text: Option<&str>) {
        self.optional(text, Self::text);
    }

    pub fn optional_long(&mut self, value: Option<i64>) {
        self.optional(value, Self::long);
    }

    /// Head of the one block of an array or a map; an empty one has none.
    pub fn items(&mut self, len: usize) {
        if len > 0 {
            self.long(len as i64);
        }
    }

    /// End of an array or a map.
    pub fn end(&mut self) {
        self.long(0);
    }

    /// An array of texts.
    pub fn texts<'t>(&mut self, texts: impl ExactSizeIterator<Item = &'t str>) {
        self.items(texts.len());
        texts.for_each(|text| self.text(text));
        self.end();
    }

    /// Bytes with their number before them.
    pub fn counted(&mut self, bytes: &[u8]) {
        self.long(bytes.len() as i64);
        self.bytes.extend_from_slice(bytes);
    }

    fn block(&mut self, len: Option<usize>) -> Result<(), EncodeError> {
        self.items(len.ok_or(UNSUPPORTED)?);
        Ok(())
    }
}

const UNSUPPORTED: EncodeError = EncodeError("of a type without Avro form");

impl ser::Error for EncodeError {
    fn custom<T: std::fmt::Display>(_: T) -> EncodeError {
        UNSUPPORTED
    }
}

/// Forms that no record of ours has.
macro_rules! unsupported {
    ($($method:ident($($arg:ty),*) -> $ok:ty;)+) => {
        $(fn $method(self, $(_: $arg),*) -> Result<$ok, EncodeError> { Err(UNSUPPORTED) })+
    };
}

impl Serializer for &mut Writer<'_> {
    type Ok = ();
    type Error = EncodeError;
    type SerializeSeq = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeTuple = Impossible<(), EncodeError>;
    type SerializeTupleStruct = Impossible<(), EncodeError>;
    type SerializeTupleVariant = Impossible<(), EncodeError>;
    type SerializeStructVariant = Impossible<(), EncodeError>;

    fn serialize_bool(self, v: bool) -> Result<(), EncodeError> {
        self.bytes.push(v.into());
        Ok(())
    }

    fn serialize_i32(self, v: i32) -> Result<(), EncodeError> {
        self.long(v.into());
        Ok(())
    }

    fn serialize_i64(self, v: i64) -> Result<(), EncodeError> {
        self.long(v);
        Ok(())
    }

    fn serialize_f64(self, v: f64) -> Result<(), EncodeError> {
        self.bytes.extend_from_slice(&v.to_le_bytes());
        Ok(())
    }

    fn serialize_str(self, v: &str) -> Result<(), EncodeError> {
        self.counted(v.as_bytes());
        Ok(())
    }

    fn serialize_bytes(self, v: &[u8]) -> Result<(), EncodeError> {
        self.counted(v);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), EncodeError> {
        self.long(0);
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), EncodeError> {
        self.long(1);
        value.serialize(self)
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Self, EncodeError> {
        self.block(len)?;
        Ok(self)
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Self, EncodeError> {
        self.block(len)?;
        Ok(self)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, EncodeError> {
        Ok(self)
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    unsupported! {
        serialize_i8(i8) -> ();
        serialize_i16(i16) -> ();
        serialize_u8(u8) -> ();
        serialize_u16(u16) -> ();
        serialize_u32(u32) -> ();
        serialize_u64(u64) -> ();
        serialize_f32(f32) -> ();
        serialize_char(char) -> ();
        serialize_unit() -> ();
        serialize_unit_struct(&'static str) -> ();
        serialize_unit_variant(&'static str, u32, &'static str) -> ();
        serialize_tuple(usize) -> Self::SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, _: &T) -> Result<(), EncodeError> {
        Err(UNSUPPORTED)
    }

    /// A branch of a union, by its number.
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        branch: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        self.long(branch.into());
        value.serialize(self)
    }
}

impl ser::SerializeSeq for &mut Writer<'_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        value.serialize(&mut **self)
    }

    fn end(self) -> Result<(), EncodeError> {
        self.long(0);
        Ok(())
    }
}

impl ser::SerializeMap for &mut Writer<'_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), EncodeError> {
        key.serialize(&mut **self)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        value.serialize(&mut **self)
    }

    fn end(self) -> Result<(), EncodeError> {
        self.long(0);
        Ok(())
    }
}

impl ser::SerializeStruct for &mut Writer<'_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, _: &'static str, value: &T) -> Result<(), EncodeError> {
        value.serialize(&mut **self)
    }

    fn end(self) -> Result<(), EncodeError> {
        Ok(())
    }
}
