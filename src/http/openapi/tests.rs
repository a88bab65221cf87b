//! The description agrees with the routes and with itself.

use std::collections::BTreeSet;

use serde_json::Value;

use super::document;

/// Parts of the live page, and the page to try the API with: for people.
const PAGES: [&str; 4] = ["/page/{file}", "/docs", "/docs/", "/docs/{file}"];

/// Method and path of each route, as the source of the routes has them.
fn routes() -> BTreeSet<(String, String)> {
    let code = include_str!("../routes.rs").split("#[cfg(test)]").next().unwrap_or_default();
    let calls = code.split(".route(\"").skip(1).map(|rest| rest.split_once('"').expect("a path ends"));
    calls
        .filter(|(path, _)| !PAGES.contains(path))
        .map(|(path, rest)| {
            let call = rest.split(".route(\"").next().unwrap_or_default();
            let is_post = call.contains("post(");
            assert!(!(is_post && call.contains("get(")), "{path}: one method a route, or teach this test more");
            ((if is_post { "post" } else { "get" }).to_owned(), path.to_owned())
        })
        .collect()
}

#[test]
fn every_route_is_described_and_nothing_else() {
    let document = document();
    let paths = document["paths"].as_object().expect("paths");
    let methods = paths.iter().flat_map(|(path, methods)| {
        methods.as_object().into_iter().flat_map(|m| m.keys()).map(move |method| (method.clone(), path.clone()))
    });
    assert_eq!(methods.collect::<BTreeSet<_>>(), routes());
    assert!(routes().len() > 15, "{:?}", routes());
}

/// Calls with each object, and where it stands.
fn each(value: &Value, at: &str, see: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Object(fields) => {
            see(at, value);
            fields.iter().for_each(|(name, field)| each(field, &format!("{at}/{name}"), see));
        }
        Value::Array(items) => items.iter().for_each(|item| each(item, at, see)),
        _ => {}
    }
}

#[test]
fn references_lead_somewhere_and_nothing_lies_idle() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let mut used = BTreeSet::new();
    each(&document, "", &mut |at, object| {
        let Some(target) = object.get("$ref").and_then(Value::as_str) else { return };
        let pointer = target.strip_prefix('#').expect("references stay in the document");
        assert!(document.pointer(pointer).is_some(), "{at}: {target} is missing");
        assert_ne!(at, pointer, "a schema that is itself");
        used.insert(pointer.to_owned());
    });
    for kind in ["schemas", "responses"] {
        for name in document["components"][kind].as_object().expect("components").keys() {
            let pointer = format!("/components/{kind}/{name}");
            assert!(used.contains(&pointer), "nobody refers to {pointer}");
        }
    }
}

#[test]
fn bodies_refuse_what_is_unknown_and_operations_have_names() {
    let document = document();
    let mut names = BTreeSet::new();
    for operation in
        document["paths"].as_object().expect("paths").values().flat_map(|m| m.as_object().expect("methods").values())
    {
        assert!(names.insert(operation["operationId"].as_str().expect("a name")), "{operation}");
        assert!(operation["summary"].is_string() && operation["tags"][0].is_string(), "{operation}");
        let Some(body) = operation.get("requestBody") else { continue };
        let name = body["content"]["application/json"]["schema"]["$ref"].as_str().expect("a named body");
        let schema = document.pointer(&name[1..]).expect("a body");
        assert_eq!(schema["additionalProperties"], false, "{name}");
    }
}

#[test]
fn what_avro_says_twice_is_the_same() {
    let records = super::avro::records();
    let names: BTreeSet<_> = records.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), records.len());
    let state = &records.iter().find(|(name, _)| name == "SessionState").expect("a state").1;
    assert_eq!(state["properties"]["turn_count"]["type"], "integer");
    assert_eq!(state["properties"].get("fold"), None);
    let input = &records.iter().find(|(name, _)| name == "PrefixInput").expect("a prefix").1;
    assert_eq!(input["required"], serde_json::json!(["algorithm", "block_tokens", "hashes"]));
    assert_eq!(input["properties"]["stride"]["minimum"], 1);
}
