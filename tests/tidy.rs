//! Holds the layout: layers, calls the pure part may not make, lengths, first comments, metric names. Each rule
//! is a function of a path and a text, and is shown to fail on a bad one.

use std::fs;
use std::path::{Path, PathBuf};

const MAX_FILE_LINES: usize = 300;
const MAX_FUNCTION_LINES: usize = 70;

/// Modules below `src/` from the bottom up. A module may use its own layer's module and lower layers only.
const LAYERS: [&[&str]; 9] = [
    &["allocator", "model"],
    &["engine"],
    &["telemetry", "session_index"],
    &["kafka", "http"],
    &["runtime"],
    &["verify"],
    &["config", "demo"],
    &["backtest"],
    &["main", "commands"],
];

/// What makes a result depend on more than the input, or shows it elsewhere than in the output.
const IMPURE: [&str; 20] = [
    "async fn",
    "async move",
    ".await",
    "rdkafka",
    "tokio",
    "Instant",
    "SystemTime",
    "Utc::now",
    "Local::now",
    "rand::",
    "tracing",
    "prometheus",
    "std::fs",
    "std::net",
    "std::env",
    "std::thread",
    "println!",
    "eprintln!",
    "dbg!",
    "static mut",
];

const UNFINISHED: [&str; 3] = ["todo!(", "unimplemented!(", "dbg!("];

/// One rule: the path from the repository's root, the text as it is, the text without comments and literals.
type Rule = fn(&str, &str, &str) -> Vec<String>;

const RULES: [Rule; 7] =
    [first_comment, file_length, function_length, layers, purity, metric_names_in_one_place, nothing_unfinished];

#[test]
fn the_repository_is_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "tests", "benches", "examples", "fuzz/src", "fuzz/fuzz_targets"] {
        collect(&root.join(folder), &mut files);
    }
    assert!(files.len() > 20, "only {} files found", files.len());
    let mut faults = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let path = file.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
        let code = code_only(&text);
        faults.extend(RULES.iter().flat_map(|rule| rule(&path, &text, &code)).map(|fault| format!("{path}: {fault}")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}

fn first_comment(_: &str, text: &str, _: &str) -> Vec<String> {
    if text.starts_with("//! ") { vec![] } else { vec!["does not begin with a //! comment".to_owned()] }
}

fn file_length(_: &str, text: &str, _: &str) -> Vec<String> {
    let lines = text.lines().count();
    if lines <= MAX_FILE_LINES { vec![] } else { vec![format!("{lines} lines, limit {MAX_FILE_LINES}")] }
}

fn function_length(path: &str, _: &str, code: &str) -> Vec<String> {
    if !path.starts_with("src/") {
        return vec![];
    }
    let mut faults = Vec::new();
    for (at, _) in
        code.match_indices("fn ").filter(|&(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
    {
        let rest = &code[at..];
        let Some(open) = rest.find(['{', ';']).filter(|&i| rest.as_bytes()[i] == b'{') else { continue };
        let mut depth = 0;
        let end = rest[open..].char_indices().find_map(|(i, c)| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            (depth == 0).then_some(open + i)
        });
        let lines = rest[..end.unwrap_or(rest.len())].lines().count();
        if lines > MAX_FUNCTION_LINES {
            let name: String = rest[3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            faults.push(format!("function {name} has {lines} lines, limit {MAX_FUNCTION_LINES}"));
        }
    }
    faults
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

fn layers(path: &str, _: &str, code: &str) -> Vec<String> {
    let Some(inner) = path.strip_prefix("src/").filter(|p| *p != "lib.rs") else { return vec![] };
    let module = inner.split(['/', '.']).next().unwrap_or_default();
    let Some(own) = layer_of(module) else { return vec![format!("module {module} is in no layer of tests/tidy.rs")] };
    let parents = inner.trim_end_matches("/mod.rs").matches('/').count() + 1;
    let climb = "super::".repeat(parents);
    let mut faults = Vec::new();
    for root in ["crate::", "rekindle::", climb.as_str()] {
        for (at, _) in code.match_indices(root) {
            for used in first_segments(&code[at + root.len()..]) {
                let Some(layer) = layer_of(used) else { continue };
                if used != module && layer >= own && own != LAYERS.len() - 1 {
                    faults.push(format!("{module} uses {used}, which is not below it"));
                }
            }
        }
    }
    faults
}

/// `a::b` → a; `{a::b, c}` → a, c.
fn first_segments(path: &str) -> Vec<&str> {
    let name = |s: &str| s.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(s.len());
    let Some(group) = path.strip_prefix('{') else { return vec![&path[..name(path)]] };
    let mut depth = 1;
    let mut segments = Vec::new();
    let mut start = true;
    for (i, c) in group.char_indices() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if depth == 0 {
            break;
        }
        if start && !c.is_whitespace() {
            segments.push(&group[i..i + name(&group[i..])]);
        }
        start = depth == 1 && (c == ',' || (start && c.is_whitespace()));
    }
    segments
}

fn purity(path: &str, _: &str, code: &str) -> Vec<String> {
    if !path.starts_with("src/engine/") && !path.starts_with("src/model/") {
        return vec![];
    }
    let found = IMPURE.iter().filter(|word| contains_word(code, word));
    found.map(|word| format!("{word} has no place in the pure part")).collect()
}

/// Whether `code` has `word` standing alone.
fn contains_word(code: &str, word: &str) -> bool {
    let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let edge = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let before = word.starts_with(edge) && part(code[..at].chars().next_back());
        let after = word.ends_with(edge) && part(code[at + word.len()..].chars().next());
        !before && !after
    })
}

fn metric_names_in_one_place(path: &str, text: &str, code: &str) -> Vec<String> {
    if !path.starts_with("src/") || path.starts_with("src/telemetry/") || path.ends_with("tests.rs") {
        return vec![];
    }
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    let name = |at: usize| text[at + "\"rekindle_".len()..].starts_with(|c: char| c.is_ascii_lowercase());
    let mut faults = Vec::new();
    if text.match_indices("\"rekindle_").any(|(at, _)| name(at)) {
        faults.push("names a metric; they live in src/telemetry/metrics.rs".to_owned());
    }
    if contains_word(code, "prometheus::") {
        faults.push("uses prometheus; only src/telemetry does".to_owned());
    }
    faults
}

fn nothing_unfinished(path: &str, _: &str, code: &str) -> Vec<String> {
    let found = UNFINISHED.iter().filter(|word| path.starts_with("src/") && code.contains(**word));
    found.map(|word| format!("holds {word}…)")).collect()
}

/// The text with comments, strings and character literals blanked; line ends stay.
fn code_only(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let Some(end) = literal_end(text, at) else {
            at += 1;
            continue;
        };
        code[at..end].iter_mut().filter(|b| **b != b'\n').for_each(|b| *b = b' ');
        at = end;
    }
    String::from_utf8_lossy(&code).into_owned()
}

/// Where the comment or literal that begins at `at` ends, if one begins there.
fn literal_end(text: &str, at: usize) -> Option<usize> {
    let rest = text.get(at..)?;
    let all = text.len();
    let after = |from: usize, end: &str| rest[from..].find(end).map_or(all, |i| at + from + i + end.len());
    if rest.starts_with("//") {
        return Some(rest.find('\n').map_or(all, |i| at + i));
    }
    if rest.starts_with("/*") {
        return Some(after(2, "*/"));
    }
    if rest.starts_with("r\"") || rest.starts_with("r#") {
        let hashes = rest[1..].bytes().take_while(|b| *b == b'#').count();
        let word = text[..at].ends_with(|c: char| c.is_alphanumeric() && c != 'b');
        if !word && rest[1 + hashes..].starts_with('"') {
            return Some(after(2 + hashes, &format!("\"{}", "#".repeat(hashes))));
        }
    }
    let quote = rest.chars().next().filter(|c| *c == '"' || *c == '\'')?;
    if quote == '\'' && !rest[1..].starts_with('\\') {
        // A lifetime has no closing quote after its first character.
        let inner = rest[1..].chars().next()?;
        return rest[1 + inner.len_utf8()..].starts_with('\'').then_some(at + 2 + inner.len_utf8());
    }
    let mut escaped = false;
    let close = rest.char_indices().skip(1).find(|&(_, c)| {
        let ends = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    Some(close.map_or(all, |(i, c)| at + i + c.len_utf8()))
}

#[test]
fn every_rule_can_fail() {
    let long = |n: usize| "    let x = 1;\n".repeat(n);
    let cases: Vec<(Rule, &str, String, usize)> = vec![
        (first_comment, "src/a.rs", "// just code\n".into(), 1),
        (first_comment, "src/a.rs", "//! What it is for.\n".into(), 0),
        (file_length, "src/a.rs", "\n".repeat(301), 1),
        (file_length, "src/a.rs", "\n".repeat(300), 0),
        (function_length, "src/a.rs", format!("fn long() {{\n{}}}\n", long(70)), 1),
        (function_length, "src/a.rs", format!("fn fits() {{\n{}}}\n", long(67)), 0),
        (function_length, "src/a.rs", format!("fn brace() {{ let c = \"}}\"; let d = '}}';\n{}}}\n", long(70)), 1),
        (function_length, "src/a.rs", format!("trait T {{ fn declared(&self);\n{}}}\n", long(90)), 0),
        (layers, "src/engine/fold.rs", "use crate::runtime::Worker;".into(), 1),
        (layers, "src/engine/fold.rs", "use crate::{model::ids::Name, kafka::admin, engine::x};".into(), 1),
        (layers, "src/engine/fold.rs", "use super::super::kafka::admin;".into(), 1),
        (layers, "src/kafka/settings.rs", "use crate::runtime::settings::BatchSettings;".into(), 1),
        (layers, "src/config/mod.rs", "use crate::runtime::settings::RuntimeSettings;".into(), 0),
        (layers, "src/model/mod.rs", "let x = crate::engine::Engine::new();".into(), 1),
        (layers, "src/runtime/mod.rs", "use crate::verify::verify;".into(), 1),
        (layers, "src/http/mod.rs", "use crate::kafka::admin;".into(), 1),
        (layers, "src/config/mod.rs", "use crate::backtest::Report;".into(), 1),
        (layers, "src/commands/run.rs", "use rekindle::{config, demo, runtime};".into(), 0),
        (layers, "src/model/mod.rs", "// see crate::engine::Engine\nlet s = \"crate::engine\";".into(), 0),
        (layers, "src/stray.rs", String::new(), 1),
        (purity, "src/engine/fold.rs", "let t = std::time::Instant::now();".into(), 1),
        (purity, "src/engine/fold.rs", "async fn f() { g().await }".into(), 2),
        (purity, "src/model/time.rs", "/// No tokio, no `Utc::now` here.\nlet operand::X = instant;".into(), 0),
        (purity, "src/model/time.rs", "let n = rand::random();".into(), 1),
        (purity, "src/runtime/worker.rs", "let t = std::time::Instant::now();".into(), 0),
        (metric_names_in_one_place, "src/runtime/worker.rs", "count(\"rekindle_records_total\")".into(), 1),
        (metric_names_in_one_place, "src/http/mod.rs", "use prometheus::Registry;".into(), 1),
        (metric_names_in_one_place, "src/telemetry/metrics.rs", "use prometheus::Registry;".into(), 0),
        (nothing_unfinished, "src/a.rs", "fn f() { todo!() }".into(), 1),
        (nothing_unfinished, "src/a.rs", "// todo!() is refused".into(), 0),
    ];
    for (rule, path, text, expected) in cases {
        let faults = rule(path, &text, &code_only(&text));
        assert_eq!(faults.len(), expected, "{path}: {text:.80} → {faults:?}");
    }
}

#[test]
fn literals_and_comments_are_not_code() {
    let text = "let a = r#\"tokio \" }\"#; /* { */ let b = '\\''; let c: &'static str = \"\\\"tokio\"; // tokio\nlet d = b\"tokio\";";
    let code = code_only(text);
    assert_eq!(code.len(), text.len());
    assert!(!code.contains("tokio") && !code.contains(['{', '}']), "{code}");
    assert!(code.contains("&'static str") && code.contains("\nlet d"), "{code}");
}
