//! States and suggestions to bytes, and state bytes back.
#![allow(missing_docs)]
use crate::engine::Topic;
pub fn schema_text(_: Topic) -> Option<&'static str> {
    Some("\"bytes\"")
}
pub fn single_object_header(_: Topic) -> Option<[u8; 10]> {
    Some([0xC3, 1, 0, 0, 0, 0, 0, 0, 0, 0])
}
pub fn strip_frame(value: &[u8]) -> Option<&[u8]> {
    match value {
        [0xC3, 0x01, rest @ ..] => rest.get(8..),
        [0, rest @ ..] => rest.get(4..),
        _ => None,
    }
}
pub enum SuggestionKind {
    Recovery,
    Transfer,
}
pub fn decode_suggestion(
    _: SuggestionKind,
    _: &[u8],
) -> Result<(crate::model::suggestion::Suggestion, crate::model::suggestion::Publication), String> {
    Err(String::new())
}
pub fn suggestion_json(
    _: &crate::model::suggestion::Suggestion,
    _: &crate::model::suggestion::Publication,
) -> serde_json::Value {
    serde_json::Value::Null
}
