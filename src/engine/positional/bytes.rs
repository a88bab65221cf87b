//! The bytes of a datum, taken from the front as Avro's primitive types. Nothing is allocated by an announced
//! length that the bytes left could not hold, and no announced number of items is gone through without bytes.

use std::borrow::Cow;

use super::DatumFault;

/// What is left of a datum.
pub(crate) struct Reader<'b> {
    rest: &'b [u8],
}

/// The bytes are not what is asked for; where is known to the caller.
#[derive(Debug, thiserror::Error)]
#[error("malformed")]
pub(crate) struct Malformed;

impl<'b> Reader<'b> {
    /// Reads from the front.
    pub(super) fn new(bytes: &'b [u8]) -> Reader<'b> {
        Reader { rest: bytes }
    }

    /// Reads exactly one value.
    pub fn whole<T>(
        bytes: &'b [u8],
        read: impl FnOnce(&mut Reader<'b>) -> Result<T, Malformed>,
    ) -> Result<T, DatumFault> {
        let mut reader = Reader::new(bytes);
        match (read(&mut reader), reader.rest.len()) {
            (Ok(value), 0) => Ok(value),
            (Ok(_), left) => Err(DatumFault::Trailing(left)),
            (Err(Malformed), _) => Err(reader.fault(bytes)),
        }
    }

    /// Why `bytes`, of which this is left, cannot be read.
    pub fn fault(&self, bytes: &[u8]) -> DatumFault {
        DatumFault::Malformed(format!("byte {}", bytes.len() - self.left()))
    }

    /// What is left.
    pub fn rest(&self) -> &'b [u8] {
        self.rest
    }

    /// Number of bytes left.
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    /// A zigzag varint of at most ten bytes.
    #[inline]
    pub fn long(&mut self) -> Result<i64, Malformed> {
        match self.rest {
            [byte @ ..0x80, rest @ ..] => {
                self.rest = rest;
                Ok(unzigzag((*byte).into()))
            }
            _ => self.wide_long(),
        }
    }

    fn wide_long(&mut self) -> Result<i64, Malformed> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.rest.split_first().ok_or(Malformed)?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if *byte < 0x80 {
                return Ok(unzigzag(value));
            }
        }
        Err(Malformed)
    }

    /// A boolean.
    pub fn boolean(&mut self) -> Result<bool, Malformed> {
        match self.take(1)? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(Malformed),
        }
    }

    /// A double.
    pub fn double(&mut self) -> Result<f64, Malformed> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(Malformed)?;
        self.rest = rest;
        Ok(f64::from_le_bytes(*bytes))
    }

    /// Bytes with their number before them.
    #[inline]
    pub fn counted(&mut self) -> Result<&'b [u8], Malformed> {
        let len = usize::try_from(self.long()?).map_err(|_| Malformed)?;
        self.take(len)
    }

    /// A string.
    #[inline]
    pub fn text(&mut self) -> Result<&'b str, Malformed> {
        std::str::from_utf8(self.counted()?).map_err(|_| Malformed)
    }

    /// The branch of a union of null and something: whether it is something.
    #[inline]
    pub fn is_some(&mut self) -> Result<bool, Malformed> {
        match self.long()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed),
        }
    }

    /// Items of the next block. Where the count is negative, the block's size in bytes follows.
    pub fn block(&mut self) -> Result<u64, Malformed> {
        let count = self.long()?;
        if count < 0 {
            self.long()?;
        }
        Ok(count.unsigned_abs())
    }

    /// Every item of an array or entry of a map, in blocks; the last block is empty.
    pub fn items(&mut self, mut item: impl FnMut(&mut Self) -> Result<(), Malformed>) -> Result<(), Malformed> {
        loop {
            let count = self.block()?;
            if count == 0 {
                return Ok(());
            }
            for _ in 0..count {
                let before = self.rest.len();
                item(self)?;
                // Items of no bytes would let a few bytes ask for any number of rounds. No schema of ours has any.
                if self.rest.len() == before {
                    return Err(Malformed);
                }
            }
        }
    }

    /// An array of floats, as the bytes they are of: those in one block, as writers send them, are borrowed.
    pub fn floats(&mut self) -> Result<Cow<'b, [u8]>, Malformed> {
        let mut floats = Cow::Borrowed(&[][..]);
        loop {
            let count = self.block()?;
            if count == 0 {
                return Ok(floats);
            }
            let len = usize::try_from(count).ok().and_then(|count| count.checked_mul(size_of::<f32>()));
            let block = self.take(len.ok_or(Malformed)?)?;
            match floats.is_empty() {
                true => floats = Cow::Borrowed(block),
                false => floats.to_mut().extend_from_slice(block),
            }
        }
    }

    /// So many bytes.
    #[inline]
    pub fn take(&mut self, len: usize) -> Result<&'b [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}
