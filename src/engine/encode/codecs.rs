//! The embedded schemas of the output topics, and how values of them are written and read.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::engine::decode::codec::{DatumFault, EncodeError, fingerprint, parse_embedded};
use crate::engine::positional;

/// The schema of an output topic. Structs that are written and read with it have its fields in its order.
pub(super) struct Output {
    /// Its text.
    pub text: &'static str,
    /// Its Rabin fingerprint, as single-object encoding puts it.
    pub fingerprint: [u8; 8],
}

impl Output {
    fn new(text: &'static str) -> Output {
        Output { text, fingerprint: fingerprint(&parse_embedded(text)) }
    }

    /// Writes one datum.
    pub(super) fn write<T: Serialize>(&self, value: &T) -> Result<Vec<u8>, EncodeError> {
        let mut bytes = Vec::with_capacity(1024);
        positional::write(&mut bytes, value)?;
        Ok(bytes)
    }

    /// Reads exactly one datum.
    pub(super) fn read<'de, T: Deserialize<'de>>(&self, bytes: &'de [u8]) -> Result<T, DatumFault> {
        positional::read(bytes)
    }

    /// Reads what a datum begins with; what follows is handed over.
    pub(super) fn read_head<'de, T: Deserialize<'de>>(&self, bytes: &'de [u8]) -> Result<(T, &'de [u8]), DatumFault> {
        positional::read_head(bytes)
    }
}

macro_rules! outputs {
    ($($name:ident = $file:literal),+ $(,)?) => {
        $(pub(super) static $name: LazyLock<Output> =
            LazyLock::new(|| Output::new(include_str!(concat!("../../../schemas/", $file, ".avsc"))));)+
    };
}

outputs! {
    STATE = "session-state",
    VECTOR = "session-vector",
    BOOKKEEPING = "bookkeeping",
    RECOVERY = "recovery-suggestion",
    TRANSFER = "transfer-suggestion",
}
