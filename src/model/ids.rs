//! Identifiers and names as types that cannot hold an invalid value. Cheap to clone: one shared string each.

use std::fmt;
use std::sync::Arc;

use super::shared::shared;

/// Longest identifier in bytes, inclusive.
pub const MAX_ID_BYTES: usize = 256;
/// Longest name (adapter, model, worker, namespace, path) in bytes, inclusive.
pub const MAX_NAME_BYTES: usize = 1024;

/// Why a text cannot be an identifier or a name. The message states the limit, never the text itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// The text has no bytes.
    #[error("must not be empty")]
    Empty,
    /// The text is longer than the limit it names.
    #[error("must be at most {0} bytes")]
    TooLong(usize),
    /// The text holds a byte that is not visible ASCII, or `/` or `#`.
    #[error("must be visible ASCII without '/' and '#'")]
    Character,
    /// The text is one of the reserved words.
    #[error("must not be '*', '.' or '..'")]
    Reserved,
}

fn check_id(text: &str) -> Result<(), InvalidId> {
    if text.is_empty() {
        return Err(InvalidId::Empty);
    }
    if text.len() > MAX_ID_BYTES {
        return Err(InvalidId::TooLong(MAX_ID_BYTES));
    }
    // All bytes are looked at, without a branch a byte: an id is checked with every event, and is rarely wrong.
    if !text.bytes().fold(true, |all, b| all & b.is_ascii_graphic() & (b != b'/') & (b != b'#')) {
        return Err(InvalidId::Character);
    }
    if matches!(text, "*" | "." | "..") {
        return Err(InvalidId::Reserved);
    }
    Ok(())
}

fn check_name(text: &str) -> Result<(), InvalidId> {
    match text.len() {
        0 => Err(InvalidId::Empty),
        1..=MAX_NAME_BYTES => Ok(()),
        _ => Err(InvalidId::TooLong(MAX_NAME_BYTES)),
    }
}

macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $check:path, $share:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the text and takes it over. Errors: [`InvalidId`].
            pub fn new(text: &str) -> Result<Self, InvalidId> {
                $check(text)?;
                Ok(Self($share(text)))
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

text_type!(
    /// A tenant: 1–256 bytes of visible ASCII without `/` and `#`.
    TenantId, check_id, shared
);
text_type!(
    /// A session within a tenant.
    SessionId, check_id, Arc::from
);
text_type!(
    /// A user within a tenant.
    UserId, check_id, Arc::from
);
text_type!(
    /// An event, unique per producer's intent: the same id means the same event sent again.
    EventId, check_id, Arc::from
);
text_type!(
    /// Any other name: adapter, model, worker, namespace, path. 1–1,024 bytes of UTF-8.
    Name, check_name, shared
);
text_type!(
    /// Identity of a suggestion: 32 lower-case hexadecimal digits.
    SuggestionId, check_id, Arc::from
);
