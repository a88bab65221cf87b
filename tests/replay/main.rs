//! Golden replays: each `cases/*.jsonl` goes through the engine, and what comes out (suggestions and
//! refusals in order, then the final states) must equal `cases/*.expected`. `UPDATE_EXPECT=1` rewrites them.
//! A line that begins with `//` is a comment.

use std::path::Path;
use std::sync::Arc;

use rekindle::engine::{Effects, Engine, EngineSettings, OutValue, OutputFormat, Topic, encode};
use rekindle::model::ids::Name;
use rekindle::model::position::PartitionId;
use rekindle::model::verdict::Verdict;

#[path = "../records/mod.rs"]
mod records;

use records::record;
use serde_json::Value;

fn settings() -> EngineSettings {
    let space = Name::new("default").expect("a name");
    EngineSettings { spaces: [(space, 4)].into(), output: OutputFormat::Json, ..EngineSettings::default() }
}

fn replay(log: &str) -> String {
    let mut engine = Engine::new(Arc::new(settings()), PartitionId(0), 1);
    let mut effects = Effects::new();
    let mut out = String::new();
    let lines = log.lines().filter(|line| !line.is_empty() && !line.starts_with("//"));
    for (offset, line) in lines.enumerate() {
        let record = record(offset as i64, line);
        let verdict = engine.process(record, &mut effects);
        if verdict != Verdict::Applied {
            let rejected = matches!(verdict, Verdict::Rejected(_));
            let why = if rejected { format!(" {}", refusal(&effects)) } else { String::new() };
            out.push_str(&format!("# {offset}: {}{why}\n", verdict.label()));
        }
        for record in effects.stream().filter(|r| matches!(r.topic, Topic::Recovery | Topic::Transfer)) {
            let OutValue::Json(text) = record.value else { panic!("suggestions are JSON here") };
            out.push_str(&format!("# {offset} {}\n", headers(record.headers)));
            let value: Value = serde_json::from_slice(text).expect("JSON");
            out.push_str(&format!("{value:#}\n"));
        }
        effects.clear();
    }
    out.push_str("# states\n");
    for view in engine.sessions() {
        out.push_str(&format!("{}\n", encode::state_json(&view, false)));
    }
    out
}

fn headers(headers: &[(&'static str, Vec<u8>)]) -> String {
    let texts = headers.iter().map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value)));
    texts.collect::<Vec<_>>().join(" ")
}

fn refusal(effects: &Effects) -> String {
    let headers = effects.stream().flat_map(|record| record.headers);
    let wanted = ["__connect.errors.exception.class.name", "__connect.errors.exception.message"];
    let texts = headers.filter(|(name, _)| wanted.contains(name)).map(|(_, v)| String::from_utf8_lossy(v).into_owned());
    texts.collect::<Vec<_>>().join(": ")
}

#[test]
fn replays_give_what_they_gave() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/replay/cases");
    let mut logs: Vec<_> = std::fs::read_dir(&folder)
        .expect("the folder of cases")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "jsonl"))
        .collect();
    logs.sort();
    assert!(logs.len() >= 8, "cases are missing: {logs:?}");
    for log in logs {
        let text = std::fs::read_to_string(&log).expect("a readable case");
        let expected = log.with_extension("expected");
        expect_test::expect_file![expected].assert_eq(&replay(&text));
    }
}
