//! States and suggestions to bytes, and state bytes back.

/// Stand-in.
pub struct OutSchema {
    /// Text.
    pub text: &'static str,
    /// Fingerprint.
    pub fingerprint: [u8; 8],
}
/// Stand-in.
pub fn schema(_: crate::engine::Topic) -> OutSchema {
    OutSchema { text: "\"bytes\"", fingerprint: [0; 8] }
}
/// Stand-in.
pub fn strip_frame(value: &[u8]) -> Option<&[u8]> {
    match value {
        [0xC3, 0x01, rest @ ..] => rest.get(8..),
        [0, rest @ ..] => rest.get(4..),
        _ => None,
    }
}
/// Stand-in.
pub fn suggestion_json(_: &crate::engine::OutRecord) -> Option<String> {
    None
}
