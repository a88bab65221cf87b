//! Every body in every wire format: equal content gives equal events, whatever the bytes looked like.

mod contract_support;

use contract_support::{BODIES, decode_bytes, decode_with, event_json, framed};
use rekindle::engine::decode::wire::Body;
use rekindle::engine::{WriterSchema, encode};
use rekindle::model::verdict::RejectReason;
use serde_json::{Value, json};

#[test]
fn every_body_is_sent_in_these_tests() {
    let mut sent: Vec<String> = BODIES
        .iter()
        .map(|text| serde_json::from_str::<Value>(text).unwrap()["type"].as_str().unwrap().into())
        .collect();
    sent.sort();
    sent.dedup();
    let mut all = Body::LABELS.to_vec();
    all.sort_unstable();
    assert_eq!(sent, all);
}

#[test]
fn formats_agree() {
    BODIES.iter().for_each(|body| agree(&event_json(body)));
    // A number is read to the nearest one there is, so that the shortest text of what was read reads as the same.
    let zero = event_json(r#"{"type":"metadata_changed","metadata":{"n":0}}"#);
    agree(&zero.replace("\"n\":0", "\"n\":1.005928711492781677682"));
}

fn agree(json: &str) {
    let writer = WriterSchema::parse(encode::event_schema_text()).unwrap();
    let from_json = decode_bytes(json.as_bytes()).unwrap_or_else(|e| panic!("{json}: {e}"));
    let avro = encode::event(from_json.clone()).unwrap();
    let single = [&encode::event_single_object_header()[..], &avro[..]].concat();
    let padded = format!("\n\t {json}\r\n");
    let readings = [
        decode_with(&framed(&avro), Some(&writer)).unwrap(),
        decode_bytes(&single).unwrap(),
        decode_bytes(padded.as_bytes()).unwrap(),
    ];
    for reading in readings {
        assert_eq!(reading, from_json, "{json}");
        assert_eq!(reading.body.digest(), from_json.body.digest(), "{json}");
    }
}

#[test]
fn json_forms_of_one_value_agree() {
    let cases = [
        // A time in ms, and as RFC 3339 in two zones.
        (json!({"occurred_at": 1762340000000i64}), json!({"occurred_at": "2025-11-05T10:53:20Z"})),
        (json!({"occurred_at": 1762340000123i64}), json!({"occurred_at": "2025-11-05T12:53:20.123+02:00"})),
        // A vector as numbers, and as base64 of f32 LE with and without padding.
        (context(json!([1, -0.5, 2.0, 0])), context(json!("AACAPwAAAL8AAABAAAAAAA=="))),
        (context(json!([1, -0.5, 2.0, 0])), context(json!("AACAPwAAAL8AAABAAAAAAA"))),
        // Hashes as hexadecimal texts, and as base64 of big-endian u64.
        (prefix(json!(["ff", "0x0A"])), prefix(json!("AAAAAAAAAP8AAAAAAAAACg=="))),
        // A location as an object, and as a bare word.
        (location(json!({"evicted": {}})), location(json!("evicted"))),
        // Absent, and null.
        (
            json!({"type": "resume_requested"}),
            json!({"type": "resume_requested", "prefix": null, "unknown": {"deep": [1]}}),
        ),
        // Metadata values are compared as compact JSON.
        (metadata("{\"a\": [1, {\"b\":2, \"a\":1}]}"), metadata("{\"a\":[1,{\"a\":1,\"b\":2}]}")),
    ];
    for (left, right) in cases {
        let read = |patch: &Value| {
            let mut event: Value = serde_json::from_str(&event_json(BODIES[0])).unwrap();
            event.as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
            decode_bytes(event.to_string().as_bytes()).unwrap_or_else(|e| panic!("{patch}: {e}"))
        };
        assert_eq!(read(&left), read(&right), "{left} against {right}");
    }
}

fn context(vector: Value) -> Value {
    json!({"type": "context_embedded", "space": "default", "covers_turn": 1, "vector": vector})
}

fn prefix(hashes: Value) -> Value {
    json!({"type": "resume_requested", "prefix": {"algorithm": "a", "block_tokens": 16, "hashes": hashes}})
}

fn location(location: Value) -> Value {
    json!({"type": "kv_cache_placed", "tier": "hot", "location": location, "cached_tokens": 0, "created_at": 1,
        "quantization": {"quantized_store": {"precision": "Q4", "compression_ratio": 4}}, "cache": {"namespace": "n"}})
}

fn metadata(text: &str) -> Value {
    json!({"type": "metadata_changed", "metadata": serde_json::from_str::<Value>(text).unwrap()})
}

#[test]
fn avro_vector_may_be_an_array_of_floats() {
    // The union's second branch, which our own encoder never writes.
    let event = decode_bytes(event_json(&context(json!([0.25, -1])).to_string()).as_bytes()).unwrap();
    let bytes = encode::event(event.clone()).unwrap();
    let sent = [0.25f32.to_le_bytes(), (-1.0f32).to_le_bytes()].concat();
    let as_bytes = [&[0x00, 0x10][..], &sent].concat();
    let as_array = [&[0x02, 0x04][..], &sent, &[0x00]].concat();
    let as_sized_blocks = [&[0x02, 0x01, 0x08][..], &sent[..4], &[0x01, 0x08], &sent[4..], &[0x00]].concat();
    for replacement in [as_array, as_sized_blocks] {
        let at = bytes.windows(as_bytes.len()).position(|w| w == as_bytes).unwrap();
        let other = [&bytes[..at], &replacement, &bytes[at + as_bytes.len()..]].concat();
        let framed = [&encode::event_single_object_header()[..], &other].concat();
        assert_eq!(decode_bytes(&framed).unwrap(), event);
    }
}

#[test]
fn other_versions_of_the_schema_are_resolved() {
    let text = encode::event_schema_text();
    let event = decode_bytes(event_json(BODIES[0]).as_bytes()).unwrap();
    // A later writer: one field more.
    let newer = text.replacen(
        "{\"name\": \"event_id\", \"type\": \"string\"}",
        "{\"name\": \"event_id\", \"type\": \"string\"}, {\"name\": \"later\", \"type\": [\"null\", \
         {\"type\": \"record\", \"name\": \"Later\", \"fields\": [{\"name\": \"x\", \"type\": \"int\"}]}], \"default\": null}",
        1,
    );
    let writer = WriterSchema::parse(&newer).unwrap();
    let ours = encode::event(event.clone()).unwrap();
    let id_len = 1 + event.envelope.event_id.len();
    for later in [&[0x00][..], &[0x02, 0x08]] {
        let body = [&ours[..id_len], later, &ours[id_len..]].concat();
        assert_eq!(decode_with(&framed(&body), Some(&writer)).unwrap(), event);
        let mut trailing = framed(&body);
        trailing.push(0);
        assert_eq!(decode_with(&trailing, Some(&writer)).unwrap_err().reason, RejectReason::TrailingBytes);
    }
    // An earlier writer: without a body we know.
    let mut older: Value = serde_json::from_str(text).unwrap();
    older["fields"].as_array_mut().unwrap().retain(|field| field["name"] != "tick");
    let writer = WriterSchema::parse(&older.to_string()).unwrap();
    let body = &ours[..ours.len() - 1];
    assert_eq!(decode_with(&framed(body), Some(&writer)).unwrap(), event);
}

#[test]
fn foreign_schemas_are_refused_without_being_quoted() {
    let recursive = encode::event_schema_text().replacen(
        "{\"name\": \"event_id\", \"type\": \"string\"}",
        "{\"name\": \"event_id\", \"type\": \"string\"}, {\"name\": \"n\", \"type\": [\"null\", {\"type\": \"record\", \
         \"name\": \"Node\", \"fields\": [{\"name\": \"next\", \"type\": [\"null\", \"Node\"]}]}]}",
        1,
    );
    let missing = r#"{"type":"record","name":"SessionEvent","namespace":"rekindle","fields":[{"name":"secret","type":"string"}]}"#;
    for text in ["", "secret", r#""string""#, r#"{"type":"record","name":"secret","fields":[]}"#, missing, &recursive] {
        let fault = WriterSchema::parse(text).unwrap_err();
        assert!(fault.len() < 100 && !fault.contains("secret"), "{fault}");
    }
}

#[test]
fn old_events_still_decode() {
    let bytes = hex::decode(include_str!("data/event.hex").split_whitespace().collect::<String>()).unwrap();
    let event = decode_bytes(&bytes).unwrap();
    assert_eq!(event, decode_bytes(event_json(contract_support::STORED).as_bytes()).unwrap());
    // Stamps of stored states hold this digest: it may not change either.
    assert_eq!(event.body.digest(), contract_support::STORED_DIGEST);
    // Long fields have a hash of their own in it.
    let vector: Vec<f32> = (0..768).map(|n| n as f32).collect();
    let long = decode_bytes(event_json(&context(json!(vector)).to_string()).as_bytes()).unwrap();
    assert_eq!(long.body.digest(), contract_support::LONG_DIGEST);
}

#[test]
fn schemas_can_read_themselves() {
    use rekindle::engine::Topic;
    let topics = [Topic::States, Topic::Vectors, Topic::Bookkeeping, Topic::Recovery, Topic::Transfer];
    let texts = topics.into_iter().filter_map(encode::schema_text).chain([encode::event_schema_text()]);
    for text in texts {
        let schema = apache_avro::Schema::parse_str(text).unwrap();
        apache_avro::schema_compatibility::SchemaCompatibility::mutual_read(&schema, &schema).unwrap();
        let value: Value = serde_json::from_str(text).unwrap();
        check_optional_fields(&value);
    }
}

/// Optional fields are unions with null first and default null: only so may fields be added and left out.
fn check_optional_fields(schema: &Value) {
    if let Some(fields) = schema["fields"].as_array() {
        for field in fields {
            let optional = field["type"].as_array().is_some_and(|u| u.contains(&json!("null")));
            assert_eq!(optional, field.get("default").is_some(), "{}", field["name"]);
            assert!(!optional || (field["type"][0] == "null" && field["default"].is_null()), "{}", field["name"]);
        }
    }
    match schema {
        Value::Object(map) => map.values().for_each(check_optional_fields),
        Value::Array(items) => items.iter().for_each(check_optional_fields),
        _ => {}
    }
}
