//! Metadata patches.

use std::sync::Arc;

use super::field::{At, Checked};
use crate::engine::decode::wire;
use crate::model::event::MetadataPatch;
use crate::model::session::MAX_METADATA_KEYS;
use crate::model::shared::shared;

/// Longest key in bytes, inclusive.
const MAX_KEY_BYTES: usize = 64;
/// Longest value in bytes of compact JSON, inclusive.
const MAX_VALUE_BYTES: usize = 256;
/// Most bytes of all keys and values together, inclusive.
const MAX_TOTAL_BYTES: usize = 8 * 1024;

pub(super) fn check(metadata: &wire::Metadata<'_>) -> Checked<MetadataPatch> {
    let at = At::field("metadata");
    if metadata.0.len() > MAX_METADATA_KEYS {
        return Err(at.invalid(format_args!("must have at most {MAX_METADATA_KEYS} keys")));
    }
    let mut total = 0;
    for (key, value) in &metadata.0 {
        if key.is_empty() || key.len() > MAX_KEY_BYTES {
            return Err(at.invalid(format_args!("keys must have 1 to {MAX_KEY_BYTES} bytes")));
        }
        if value.len() > MAX_VALUE_BYTES {
            return Err(at.invalid(format_args!("values must have at most {MAX_VALUE_BYTES} bytes as compact JSON")));
        }
        total += key.len() + value.len();
    }
    if total > MAX_TOTAL_BYTES {
        return Err(at.invalid("must have at most 8 KiB"));
    }
    let patch = |(key, value): (&wire::Text<'_>, &wire::Text<'_>)| {
        let value = (value != "null").then(|| Arc::from(&**value));
        (shared(key), value)
    };
    Ok(metadata.0.iter().map(patch).collect())
}

pub(super) fn optional(metadata: &Option<wire::Metadata<'_>>) -> Checked<MetadataPatch> {
    metadata.as_ref().map_or(Ok(MetadataPatch::new()), check)
}
