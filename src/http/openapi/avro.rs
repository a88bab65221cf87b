//! Schemas of what is published or sent as an event, made of their Avro schemas (`schemas/`), so that each thing is described
//! once. Knows where the JSON form differs: variants, scores, hashes, vectors, metadata.

use serde_json::{Map, Value, json};

use super::parts;
use crate::model::ids::MAX_NAME_BYTES;

/// Records that are told, each with all that it holds.
const PUBLISHED: [&str; 3] = [
    include_str!("../../../schemas/session-state.avsc"),
    include_str!("../../../schemas/recovery-suggestion.avsc"),
    include_str!("../../../schemas/transfer-suggestion.avsc"),
];
const EVENTS: &str = include_str!("../../../schemas/session-event.avsc");

/// What queries take of events.
const TAKEN: [&str; 4] = ["Adapter", "CacheIdentity", "Prefix", "Context"];
/// Fields that the JSON form does not have.
const NOT_TOLD: [(&str, &str); 2] = [("SessionState", "fold"), ("KvCopy", "prefix")];
/// Fields that are left out where others would be null.
const LEFT_OUT: [(&str, &str); 7] = [
    ("RecoverySuggestion", "reason"),
    ("RecoverySuggestion", "outcome"),
    ("RecoverySuggestion", "actual"),
    ("TransferSuggestion", "reason"),
    ("TransferSuggestion", "outcome"),
    ("TransferSuggestion", "actual"),
    ("Trigger", "due_at"),
];
/// What has its own word as its first field.
const KINDS: [(&str, &str); 2] = [("RecoverySuggestion", "recovery"), ("TransferSuggestion", "transfer")];

/// Components by name: what is told, and what is taken (`…Input`).
pub(super) fn records() -> Vec<(String, Value)> {
    let mut told = Making { input: false, made: Vec::new() };
    for text in PUBLISHED {
        told.of_text(text);
    }
    let mut taken = Making { input: true, made: Vec::new() };
    taken.of_text(EVENTS);
    taken.made.retain(|(name, _)| TAKEN.iter().any(|record| name.strip_suffix("Input") == Some(record)));
    told.made.into_iter().chain(taken.made).collect()
}

struct Making {
    /// Of what is sent: what may be null may be absent, what is unknown is refused.
    input: bool,
    made: Vec<(String, Value)>,
}

impl Making {
    fn of_text(&mut self, text: &str) {
        // The same texts are compiled into codecs, which cannot be used otherwise.
        self.kind(&serde_json::from_str(text).unwrap_or_default());
    }

    /// The schema of an Avro type; a record's is made on the way.
    fn kind(&mut self, kind: &Value) -> Value {
        match kind {
            Value::Array(branches) => self.union(branches),
            Value::String(name) => self.named(name),
            Value::Object(fields) => match fields["type"].as_str() {
                Some("record") => self.record(fields),
                Some("array") => json!({"type": "array", "items": self.kind(&fields["items"])}),
                // Values of metadata are JSON.
                Some("map") => json!({"type": "object"}),
                _ => self.kind(&fields["type"]),
            },
            _ => json!({}),
        }
    }

    fn named(&self, name: &str) -> Value {
        match name {
            "null" => json!({"type": "null"}),
            "boolean" => json!({"type": "boolean"}),
            "int" => json!({"type": "integer", "format": "int32"}),
            "long" => json!({"type": "integer", "format": "int64"}),
            "float" | "double" => json!({"type": "number", "format": "double"}),
            "string" if self.input => json!({"type": "string", "minLength": 1, "maxLength": MAX_NAME_BYTES}),
            "string" | "bytes" => json!({"type": "string"}),
            record => json!({"$ref": format!("#/components/schemas/{}", self.component(record))}),
        }
    }

    fn component(&self, record: &str) -> String {
        format!("{record}{}", if self.input { "Input" } else { "" })
    }

    fn union(&mut self, branches: &[Value]) -> Value {
        let null = branches.iter().any(|branch| branch == "null");
        let mut kinds: Vec<Value> = branches.iter().filter(|b| *b != "null").map(|branch| self.kind(branch)).collect();
        let simple = kinds.first().and_then(|kind| kind["type"].as_str()).map(str::to_owned);
        match (simple, null, kinds.len()) {
            (Some(word), true, 1) => {
                kinds[0]["type"] = json!([word, "null"]);
                kinds.remove(0)
            }
            (_, true, _) => {
                kinds.push(json!({"type": "null"}));
                json!({"oneOf": kinds})
            }
            _ => json!({"oneOf": kinds}),
        }
    }

    fn record(&mut self, record: &Map<String, Value>) -> Value {
        let name = record["name"].as_str().unwrap_or_default();
        let fields = record["fields"].as_array().map_or(&[][..], Vec::as_slice);
        let mut schema = match name {
            "Location" | "Quantization" => self.variants(fields),
            "Score" => score(),
            _ => self.fields(name, fields),
        };
        schema["description"] = record.get("doc").cloned().unwrap_or_default();
        let component = self.component(name);
        if self.made.iter().all(|(made, _)| *made != component) {
            self.made.push((component, schema));
        }
        self.named(name)
    }

    fn fields(&mut self, name: &str, fields: &[Value]) -> Value {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for field in fields {
            let key = field["name"].as_str().unwrap_or_default();
            if NOT_TOLD.contains(&(name, key)) {
                continue;
            }
            let mut schema = self.kind(&field["type"]);
            if let Some(doc) = field.get("doc") {
                schema["description"] = doc.clone();
            }
            if self.input {
                limit(name, key, &mut schema);
            }
            if key == "kind"
                && let Some((_, word)) = KINDS.iter().find(|(record, _)| *record == name)
            {
                schema = json!({"const": word});
            }
            let optional = if self.input { field.get("default").is_some() } else { LEFT_OUT.contains(&(name, key)) };
            if !optional {
                required.push(key);
            }
            properties.insert(key.to_owned(), schema);
        }
        let mut schema = json!({"type": "object", "properties": properties, "required": required});
        if self.input {
            schema["additionalProperties"] = false.into();
        }
        schema
    }

    /// An object with the one key that the record's `type` names. A variant without fields has no record.
    fn variants(&mut self, fields: &[Value]) -> Value {
        let one = |key: &str, schema: Value| json!({"type": "object", "properties": {key: schema}, "required": [key], "additionalProperties": false});
        let mut variants: Vec<Value> = Vec::new();
        for field in fields.iter().filter(|field| field["name"] != "type") {
            let kind = field["type"].as_array().and_then(|branches| branches.last()).cloned().unwrap_or_default();
            variants.push(one(field["name"].as_str().unwrap_or_default(), self.kind(&kind)));
        }
        if fields.iter().any(|field| field["name"] == "external") {
            variants.push(one("evicted", json!({"type": "object"})));
        }
        json!({"oneOf": variants})
    }
}

/// A total, and a feature by its name.
fn score() -> Value {
    json!({"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"],
        "additionalProperties": {"type": ["number", "null"]}})
}

/// What is checked of what is sent.
fn limit(record: &str, field: &str, schema: &mut Value) {
    let least = match (record, field) {
        ("Prefix", "block_tokens" | "stride") => 1,
        ("Prefix", "from_block") | ("Context", "covers_turn") => 0,
        ("Prefix", "hashes") => return *schema = parts::hashes(),
        ("Context", "vector") => return *schema = parts::vector(),
        _ => return,
    };
    schema["minimum"] = least.into();
    if field != "from_block" {
        schema["maximum"] = u32::MAX.into();
    }
}
