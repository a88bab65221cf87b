//! What is passed over: read as far as it has to be to find its end, and dropped.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};

use crate::engine::positional::{Malformed, Positional, Reader};

/// Items that are read and dropped.
pub(super) struct Passed<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Passed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Passed<T>, D::Error> {
        deserializer.deserialize_seq(Passed(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Passed<T> {
    type Value = Passed<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("items")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Passed<T>, A::Error> {
        while seq.next_element::<T>()?.is_some() {}
        Ok(self)
    }
}

impl<'b, T: Positional<'b>> Positional<'b> for Passed<T> {
    fn read(reader: &mut Reader<'b>) -> Result<Passed<T>, Malformed> {
        reader.items(|reader| T::read(reader).map(drop))?;
        Ok(Passed(PhantomData))
    }
}

/// A text that is passed over: not even looked at.
pub(super) struct Unread;

impl<'de> Deserialize<'de> for Unread {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Unread, D::Error> {
        deserializer.deserialize_bytes(Unread)
    }
}

impl Visitor<'_> for Unread {
    type Value = Unread;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Unread, E> {
        Ok(self)
    }
}

impl Positional<'_> for Unread {
    #[inline]
    fn read(reader: &mut Reader<'_>) -> Result<Unread, Malformed> {
        reader.counted().map(|_| Unread)
    }
}
