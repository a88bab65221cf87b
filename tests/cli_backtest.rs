//! `backtest` from outside: the figures of a log small enough to work them out by hand, every line that is no event named,
//! policies that cannot be refused, and weights that are fitted and read back.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rekindle::demo::generator::{Generator, GeneratorOptions};
use serde_json::{Value, json};
use tempfile::TempDir;

const START: i64 = 1_762_340_000_000;

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    fn json(&self) -> Value {
        assert_eq!(self.code, Some(0), "{}", self.err);
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}", self.out))
    }
}

fn rekindle(args: &[&str]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_rekindle")).args(args).env_clear().output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn backtest(log: &Path, args: &[&str]) -> Ran {
    rekindle(&[&["backtest", log.to_str().unwrap()], args].concat())
}

fn file(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// A policy with these weights, and 0 for every other one that the configuration knows.
fn policy(floor: f64, weights: &[(&str, f64)]) -> String {
    let all = rekindle(&["config", "check", "--set", "kafka.brokers=localhost:1"]).out;
    let (_, section) = all.split_once("[policy.weights]\n").expect("weights");
    let names = section.lines().map_while(|line| Some(line.split_once(" = ")?.0));
    let mut text = format!("[policy]\nfloor = {floor}\n[policy.weights]\n");
    for name in names {
        let weight = weights.iter().find(|(given, _)| *given == name).map_or(0.0, |(_, weight)| *weight);
        let _ = writeln!(text, "{name} = {weight:?}");
    }
    text
}

/// Events of three users, a minute apart.
#[derive(Default)]
struct Script {
    text: String,
    minute: i64,
}

impl Script {
    fn event(&mut self, user: &str, session: &str, body: Value) {
        let mut event = json!({
            "event_id": format!("e-{}", self.minute), "tenant_id": "acme", "session_id": session, "user_id": user,
            "occurred_at": START + self.minute * 60_000,
        });
        event.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        let _ = writeln!(self.text, "{event}");
        self.minute += 1;
    }

    fn session(&mut self, user: &str, session: &str, more: Value, embedding: [f64; 2]) {
        let mut start = json!({"type": "session_started"});
        start.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.event(user, session, start);
        for turn in 1..=2 {
            let context = json!({"space": "default", "vector": embedding, "covers_turn": turn});
            let turn = json!({"type": "turn_completed", "turn": turn, "input_tokens": 9, "output_tokens": 9, "context": context});
            self.event(user, session, turn);
        }
    }
}

/// c takes up a although b is nearer, e takes up d, g takes up nothing; h takes up what the log does not show, and e
/// spawned nothing it could be mistaken for.
fn script() -> String {
    let mut script = Script::default();
    let none = json!({});
    script.session("u-1", "a", none.clone(), [1.0, 0.0]);
    script.session("u-1", "b", none.clone(), [0.6, 0.8]);
    script.session("u-1", "c", json!({"continues_session_id": "a"}), [0.8, 0.6]);
    script.session("u-2", "d", none.clone(), [0.0, 1.0]);
    script.session("u-2", "e", none.clone(), [0.0, 1.0]);
    script.event("u-2", "e", json!({"type": "session_resumed", "from_session_id": "d", "outcome": "restored"}));
    script.session("u-3", "f", none, [1.0, 0.0]);
    script.session("u-3", "g", json!({"parent_session_id": "d"}), [0.5, 0.75_f64.sqrt()]);
    script.session("u-3", "h", json!({"continues_session_id": "long-gone"}), [1.0, 0.0]);
    script.text
}

const BIAS: f64 = -4.0;
const SIMILARITY: f64 = 8.0;

fn scored(cosine: f64) -> f64 {
    1.0 / (1.0 + (-(BIAS + SIMILARITY * cosine)).exp())
}

fn near(found: &Value, expected: f64) {
    let value = found.as_f64().unwrap_or_else(|| panic!("{found} for {expected}"));
    assert!((value - expected).abs() < 1e-3, "{value} for {expected}");
}

const SMALL: [&str; 2] = ["--set", "spaces.default.dim=2"];

fn small(log: &Path, args: &[&str]) -> Value {
    backtest(log, &[&SMALL[..], &["--json"], args].concat()).json()
}

#[test]
fn the_figures_are_those_worked_out_by_hand() {
    let folder = TempDir::new().unwrap();
    let log = file(&folder, "log.jsonl", &script());
    let policy = file(&folder, "a.toml", &policy(0.35, &[("bias", BIAS), ("similarity", SIMILARITY)]));
    let found = small(&log, &["--policy", policy.to_str().unwrap()]);
    // The best candidates: b (.96) for c, wrongly, with a (.8) behind it; d (1) for e; a (.6) for b and f (.5) for g, which
    // take up nothing. h counts nowhere.
    near(&found["top1"], 0.5);
    near(&found["mrr"], 0.75);
    near(&found["threshold"], scored(1.0));
    near(&found["f1"], 2.0 / 3.0);
    near(&found["precision"], 1.0);
    near(&found["recall"], 0.5);
    // Three bins: .5 holds g, .6 holds b, .9 holds c and e.
    let error = scored(0.5) + scored(0.6) + (scored(0.96) + scored(1.0) - 1.0);
    near(&found["ece"], error / 4.0);
    assert_eq!((&found["transfer_p5"], &found["prefix_blocks_exact"]), (&Value::Null, &Value::Null));
    let turn = &found["runs"][0]["turn1"];
    assert_eq!([&turn["sessions"], &turn["continuing"], &turn["origin_unseen"]], [&json!(8), &json!(2), &json!(1)]);
    let floor = &turn["at_floor"];
    assert_eq!([&floor["suggested"], &floor["right"]], [&json!(4), &json!(1)]);
    near(&floor["precision"]["value"], 0.25);
    near(&floor["false_suggestions"]["value"], 2.0 / 5.0);
    assert_eq!(turn["by"][1]["trigger"], "first_context");
    // What was really published: with the first embedding for b, c, e, g and h, whose second turns came before a word of it.
    let published = found["runs"][0]["published"].as_array().unwrap();
    let first = published.iter().find(|p| p["trigger"] == "first_context" && p["kind"] == "recovery").unwrap();
    assert_eq!((&first["plan"], &first["opened"]), (&json!("context_only"), &json!(5)));
    near(&first["right"]["value"], 0.2);
    near(&first["lead_ms"]["value"], 60_000.0);
    near(&first["per_1000_events"]["value"], 5.0 * 1000.0 / 25.0);
    assert_eq!(first["outcomes"], json!({"ignored": 5}));
}

#[test]
fn the_truth_is_hidden_until_it_no_longer_helps() {
    let folder = TempDir::new().unwrap();
    // Whatever is declared scores 1; nothing may be.
    let declared = file(&folder, "a.toml", &policy(0.35, &[("bias", -9.0), ("declared", 40.0)]));
    let early =
        script().replace(r#""type":"session_started""#, r#""continues_session_id":"a","type":"session_started""#);
    let log = file(&folder, "log.jsonl", &early);
    let found = small(&log, &["--policy", declared.to_str().unwrap()]);
    for turn in ["turn1", "turn2"] {
        assert_eq!(found["runs"][0][turn]["at_floor"]["suggested"], 0, "{turn}");
    }
    assert!(found["runs"][0]["turn1"]["continuing"].as_u64() > Some(0));
}

#[test]
fn without_embeddings_sessions_are_scored_as_they_start() {
    let folder = TempDir::new().unwrap();
    let log = file(&folder, "log.jsonl", &script());
    let found = small(&log, &["--without-vectors"]);
    let [with, without] = &found["runs"].as_array().unwrap()[..] else { panic!("two runs") };
    assert_eq!(with["turn1"]["by"][1]["trigger"], "first_context");
    assert_eq!(without["name"], "configured, without vectors");
    let triggers: Vec<_> = without["turn1"]["by"].as_array().unwrap().iter().map(|part| &part["trigger"]).collect();
    assert!(triggers.iter().all(|trigger| **trigger == "session_started"), "{triggers:?}");
    assert_eq!(without["turn1"]["sessions"], 8);
}

#[test]
fn intents_beside_the_first_event_judge_transfers() {
    let folder = TempDir::new().unwrap();
    let mut script = Script::default();
    for n in 0..6 {
        let about = if n < 3 { "Fly" } else { "Eat" };
        let more = json!({"_truth": {"intents": [about]}, "transfer_scope": "tenant"});
        script.session(&format!("u-{n}"), &format!("s-{n}"), more, [1.0, f64::from(n) / 10.0]);
    }
    let log = file(&folder, "log.jsonl", &script.text);
    // Only the last one has five others, and two of them are about eating.
    let found = small(&log, &[]);
    near(&found["transfer_p5"], 0.4);
    assert_eq!(found["runs"][0]["transfer_p5"]["of"], 1);
}

#[test]
fn lines_that_are_no_events_are_named_once_and_counted() {
    let folder = TempDir::new().unwrap();
    let text = format!("no json\n{}{{\"_offset\":\"x\"}}\n{{\"type\":\"nonsense\"}}\n", script());
    let log = file(&folder, "log.jsonl", &text);
    let ran = backtest(&log, &[&SMALL[..], &["--without-vectors"]].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    for part in ["line 1: malformed", "line 27: malformed: _offset must be", "line 28: "] {
        assert_eq!(ran.err.matches(part).count(), 1, "{part} in {}", ran.err);
    }
    assert!(
        ran.out.starts_with("28 lines (3 rejected), 25 events, 1 tenants, 8 sessions, 3 continue another"),
        "{}",
        ran.out
    );
}

#[test]
fn a_policy_that_cannot_be_is_refused_with_all_its_faults() {
    let folder = TempDir::new().unwrap();
    let log = file(&folder, "log.jsonl", &script());
    let bad = format!("{}flavour = 1\n", policy(1.5, &[("bias", 1.0)]));
    let (bad, worse) =
        (file(&folder, "bad.toml", &bad), file(&folder, "worse.toml", "[policy]\nk = 0\n[http]\nx = 1\n"));
    let ran = backtest(&log, &["--policy", bad.to_str().unwrap(), "--policy", worse.to_str().unwrap()]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""));
    for part in [
        "5 faults",
        "policy.floor: ",
        "policy.weights: must not all be 0",
        "flavour: is not a setting",
        "policy.k: ",
        "http.x: ",
    ] {
        assert!(ran.err.contains(part), "{part} in {}", ran.err);
    }
    let usage: [(&[&str], &str); 4] = [
        (&["backtest", "-"], "standard input cannot be"),
        (&["backtest", "/nowhere.jsonl"], "cannot be read"),
        (&["backtest", "/dev/null"], "is no file"),
        (&["backtest", log.to_str().unwrap(), "--half", "2"], "2"),
    ];
    for (args, part) in usage {
        let ran = rekindle(args);
        assert!(ran.code == Some(2) && ran.err.contains(part), "{args:?}: {}", ran.err);
    }
}

/// A log of the demo's generator, whose sessions often say what they continue.
fn generated(folder: &TempDir) -> PathBuf {
    let options = GeneratorOptions { dim: 16, sessions: 40, ..GeneratorOptions::default() };
    let lines: String = Generator::new(&options).take(3_000).map(|event| event.line() + "\n").collect();
    file(folder, "log.jsonl", &lines)
}

const GENERATED: [&str; 2] = ["--set", "spaces.default.dim=16"];

#[test]
fn fitted_weights_are_read_back_and_no_worse() {
    let folder = TempDir::new().unwrap();
    let log = generated(&folder);
    let (fitted, picture) = (folder.path().join("fitted.toml"), folder.path().join("curves.svg"));
    let [fitted, picture] = [&fitted, &picture].map(|path| path.to_str().unwrap());
    let ran = backtest(&log, &[&GENERATED[..], &["--fit", fitted, "--picture", picture, "--json"]].concat()).json();
    let [before, after] = [0, 1].map(|n| ran["fit"]["log_loss"][n].as_f64().unwrap());
    assert!(after <= before, "{after} after {before}");
    assert!(!ran["fit"]["fitted"].as_array().unwrap().is_empty());
    let text = std::fs::read_to_string(fitted).unwrap();
    assert!(text.starts_with("# Weights fitted by rekindle backtest "), "{text}");
    let again = backtest(&log, &[&GENERATED[..], &["--policy", fitted, "--json"]].concat()).json();
    assert_eq!(again["runs"][0]["turn1"], ran["runs"][1]["turn1"], "what was written is what was scored");
    let drawn = std::fs::read_to_string(picture).unwrap();
    assert!(drawn.starts_with("<svg ") && drawn.trim_end().ends_with("</svg>"));
    assert!(drawn.matches("<polyline").count() == 5 && drawn.contains("fitted.toml"), "{drawn}");
}

#[test]
fn two_policies_stand_side_by_side_and_halves_make_the_whole() {
    let folder = TempDir::new().unwrap();
    let log = generated(&folder);
    let never = file(&folder, "never.toml", "[policy]\nfloor = 1.0\n");
    let often = file(&folder, "often.toml", "[policy]\nfloor = 0.1\n");
    let both = ["--policy", never.to_str().unwrap(), "--policy", often.to_str().unwrap()];
    let ran = backtest(&log, &[&GENERATED[..], &both].concat());
    let heading = ran.out.lines().nth(2).unwrap_or_default();
    assert!(heading.contains("never.toml") && heading.contains("often.toml"), "{}", ran.out);
    let found = backtest(&log, &[&GENERATED[..], &both, &["--json"]].concat()).json();
    let keys = ["top1", "mrr", "f1", "threshold", "precision", "recall", "ece", "transfer_p5", "prefix_blocks_exact"];
    for key in keys {
        assert!(found.get(key).is_some(), "{key}");
    }
    let suggested = |n: usize| found["runs"][n]["turn1"]["at_floor"]["suggested"].as_u64().unwrap();
    assert!(suggested(0) == 0 && suggested(1) > 0);
    let sessions = |half: &[&str]| {
        let found = backtest(&log, &[&GENERATED[..], half, &["--json"]].concat()).json();
        found["runs"][0]["turn1"]["sessions"].as_u64().unwrap()
    };
    let [one, other] = ["0", "1"].map(|half| sessions(&["--half", half]));
    assert_eq!(one + other, sessions(&[]));
    assert!(one > 0 && other > 0, "{one} and {other}");
}
