//! Names the fields in which two records of one schema differ. Names only: what they hold is not for a report.

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use serde_json::Value;

use super::items::What;
use crate::engine::encode::{self, SuggestionKind};
use crate::engine::{StateTopic, Topic};

/// How deep a name goes: `source.kv_cache.tier`.
const DEPTH: usize = 3;
/// Names given at most.
const NAMES: usize = 16;

/// The fields in which two suggestions differ; `record` where it is something beside the body (key or headers).
pub(super) fn of_suggestions(topic: Topic, expected: &What, found: &What) -> Vec<String> {
    let (Some(a), Some(b)) = (&expected.body, &found.body) else { return vec!["record".to_owned()] };
    if a == b {
        return vec!["key or headers".to_owned()];
    }
    let kind = if topic == Topic::Recovery { SuggestionKind::Recovery } else { SuggestionKind::Transfer };
    let read = |body: &[u8]| match body.first() {
        Some(b'{') => serde_json::from_slice(body).ok(),
        _ => {
            let (suggestion, publication) = encode::decode_suggestion(kind, body).ok()?;
            Some(encode::suggestion_json(&suggestion, &publication))
        }
    };
    compare(read(a), read(b))
}

/// The fields in which two Avro bodies of a compacted topic differ.
pub(super) fn of_rows(topic: StateTopic, expected: &[u8], found: &[u8]) -> Vec<String> {
    let (role, reads): (_, fn(&[u8]) -> bool) = match topic {
        StateTopic::States => (Topic::States, |body| encode::decode_state(body).is_ok()),
        StateTopic::Vectors => (Topic::Vectors, |body| encode::decode_vector(body).is_ok()),
        StateTopic::Bookkeeping => (Topic::Bookkeeping, |body| encode::decode_row(body).is_ok()),
    };
    let schema = encode::schema_text(role).and_then(|text| Schema::parse_str(text).ok());
    let read = |mut body: &[u8]| {
        // By the strict reader first: the general one takes lengths in damaged bytes at their word.
        let schema = schema.as_ref().filter(|_| reads(body))?;
        let reader = GenericDatumReader::builder(schema).build().ok()?;
        Value::try_from(reader.read_value(&mut body).ok()?).ok()
    };
    compare(read(expected), read(found))
}

fn compare(expected: Option<Value>, found: Option<Value>) -> Vec<String> {
    let (Some(expected), Some(found)) = (expected, found) else { return vec!["unreadable".to_owned()] };
    let mut names = Vec::new();
    differ("", &expected, &found, DEPTH, &mut names);
    names.truncate(NAMES);
    names
}

fn differ(path: &str, a: &Value, b: &Value, depth: usize, names: &mut Vec<String>) {
    match (a, b) {
        _ if a == b => {}
        // The names in there are the sender's.
        (Value::Object(a), Value::Object(b)) if depth > 0 && path != "metadata" => {
            let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                differ(&path, a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null), depth - 1, names);
            }
        }
        _ => names.push(if path.is_empty() { "value".to_owned() } else { path.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_named_by_their_path_and_never_quoted() {
        for (a, b, expected) in [
            (json!({"a": 1, "b": {"c": 2}}), json!({"a": 1, "b": {"c": 2}}), vec![]),
            (json!({"a": 1, "b": {"c": 2, "d": 3}}), json!({"a": 2, "b": {"c": 3, "d": 3}}), vec!["a", "b.c"]),
            (json!({"a": 1}), json!({"a": 1, "x": [1]}), vec!["x"]),
            (json!({"a": {"b": {"c": {"d": 1}}}}), json!({"a": {"b": {"c": {"d": 2}}}}), vec!["a.b.c"]),
            (json!({"metadata": {"secret": 1}}), json!({"metadata": {"secret": 2}}), vec!["metadata"]),
            (json!([1]), json!([2]), vec!["value"]),
        ] {
            assert_eq!(compare(Some(a), Some(b)), expected);
        }
        assert_eq!(compare(None, Some(json!({}))), ["unreadable"]);
        assert_eq!(of_rows(StateTopic::States, b"\x02", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), ["unreadable"]);
    }
}
