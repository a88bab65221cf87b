//! The embedded schemas of the output topics.

use std::sync::LazyLock;

use crate::engine::decode::codec::Codec;

macro_rules! codecs {
    ($($name:ident = $file:literal),+ $(,)?) => {
        $(pub(super) static $name: LazyLock<Codec> =
            LazyLock::new(|| Codec::new(include_str!(concat!("../../../schemas/", $file, ".avsc"))));)+
    };
}

codecs! {
    STATE = "session-state",
    VECTOR = "session-vector",
    BOOKKEEPING = "bookkeeping",
    RECOVERY = "recovery-suggestion",
    TRANSFER = "transfer-suggestion",
}
