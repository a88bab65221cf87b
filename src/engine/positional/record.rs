//! Records that are read field by field and borrow from their bytes. Serde reads the same structs, but from JSON
//! and from resolved values, which are gone once they are read: there a struct must own what it holds.

use std::borrow::Cow;

use super::DatumFault;
use super::bytes::{Malformed, Reader};

/// What can be read by position. It may borrow from the bytes, which live as long as `'b`.
pub(crate) trait Positional<'b>: Sized {
    /// Reads one value.
    fn read(reader: &mut Reader<'b>) -> Result<Self, Malformed>;
}

/// Reads exactly one record.
pub(crate) fn read_record<'b, T: Positional<'b>>(bytes: &'b [u8]) -> Result<T, DatumFault> {
    Reader::whole(bytes, T::read)
}

/// Reads what a record begins with, whatever follows.
pub(crate) fn read_front<'b, T: Positional<'b>>(bytes: &'b [u8]) -> Result<T, Malformed> {
    T::read(&mut Reader::new(bytes))
}

impl Positional<'_> for i64 {
    #[inline]
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        reader.long()
    }
}

impl Positional<'_> for f64 {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        reader.double()
    }
}

impl Positional<'_> for bool {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        reader.boolean()
    }
}

impl<'b> Positional<'b> for &'b str {
    #[inline]
    fn read(reader: &mut Reader<'b>) -> Result<Self, Malformed> {
        reader.text()
    }
}

impl<'b> Positional<'b> for &'b [u8] {
    #[inline]
    fn read(reader: &mut Reader<'b>) -> Result<Self, Malformed> {
        reader.counted()
    }
}

/// A record without names.
macro_rules! tuples {
    ($(($($part:ident),+)),+) => {$(
        impl<'b, $($part: Positional<'b>),+> Positional<'b> for ($($part),+) {
            #[inline]
            fn read(reader: &mut Reader<'b>) -> Result<Self, Malformed> {
                Ok(($($part::read(reader)?),+))
            }
        }
    )+};
}
tuples!((A, B), (A, B, C), (A, B, C, D), (A, B, C, D, E), (A, B, C, D, E, F, G), (A, B, C, D, E, F, G, H));

impl<'b> Positional<'b> for Cow<'b, str> {
    #[inline]
    fn read(reader: &mut Reader<'b>) -> Result<Self, Malformed> {
        reader.text().map(Cow::Borrowed)
    }
}

impl<'b, T: Positional<'b>> Positional<'b> for Option<T> {
    #[inline]
    fn read(reader: &mut Reader<'b>) -> Result<Self, Malformed> {
        match reader.is_some()? {
            true => T::read(reader).map(Some),
            false => Ok(None),
        }
    }
}

impl<'b, T: Positional<'b>> Positional<'b> for Box<T> {
    fn read(reader: &mut Reader<'b>) -> Result<Self, Malformed> {
        T::read(reader).map(Box::new)
    }
}

impl<'b, T: Positional<'b>> Positional<'b> for Vec<T> {
    // No space is reserved by the announced number: it may lie.
    fn read(reader: &mut Reader<'b>) -> Result<Self, Malformed> {
        let mut items = Vec::new();
        reader.items(|reader| {
            items.push(T::read(reader)?);
            Ok(())
        })?;
        Ok(items)
    }
}

/// Declares records of a schema: their fields are the schema's, in its order. Each is read by position, and
/// by serde where a format names its fields. Type parameters are of things that can be read, too.
macro_rules! records {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident $(<$life:lifetime>)? $(<$($param:ident $(= $default:ty)?),+>)? {
            $($(#[$field_meta:meta])* pub $field:ident: $ty:ty),* $(,)?
        }
    )+) => {
        $(
            $(#[$meta])*
            #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
            pub struct $name $(<$life>)? $(<$($param $(= $default)?),+>)? {
                $($(#[$field_meta])* pub $field: $ty),*
            }

            $crate::engine::positional::records!(
                @read $name ($($life)?) ($($($param),+)?) ($($field),*)
            );
        )+
    };
    // Without a lifetime of its own, a record may still hold what borrows: its parameters.
    (@read $name:ident () ($($param:ident),*) ($($field:ident),*)) => {
        impl<'b, $($param: $crate::engine::positional::Positional<'b>),*>
            $crate::engine::positional::Positional<'b> for $name<$($param),*>
        {
            fn read(
                reader: &mut $crate::engine::positional::Reader<'b>,
            ) -> Result<Self, $crate::engine::positional::Malformed> {
                Ok($name { $($field: $crate::engine::positional::Positional::read(reader)?),* })
            }
        }
    };
    (@read $name:ident ($life:lifetime) () ($($field:ident),*)) => {
        impl<$life> $crate::engine::positional::Positional<$life> for $name<$life> {
            fn read(
                reader: &mut $crate::engine::positional::Reader<$life>,
            ) -> Result<Self, $crate::engine::positional::Malformed> {
                Ok($name { $($field: $crate::engine::positional::Positional::read(reader)?),* })
            }
        }
    };
}
pub(crate) use records;
