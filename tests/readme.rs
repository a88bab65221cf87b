//! The README's promises that a machine can check: its files exist, its commands are commands, its programs short.

use std::path::Path;
use std::process::Command;

const MAX_LINES: usize = 20;

fn readme() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

/// The text of the code block after a marker.
fn program(name: &str) -> String {
    let text = readme();
    let (_, after) = text.split_once(&format!("<!-- test: {name} -->\n```python\n")).expect(name);
    after.split_once("```").expect("an end").0.to_owned()
}

#[test]
fn the_programs_are_short_and_compile() {
    for name in ["producer", "consumer"] {
        let program = program(name);
        assert!(program.lines().count() <= MAX_LINES, "{name} has {} lines", program.lines().count());
        let compile = "import sys; compile(sys.argv[1], 'README.md', 'exec')";
        let output = Command::new("python3").args(["-c", compile, &program]).output().expect("python3");
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn linked_files_exist() {
    let text = readme();
    let links: Vec<&str> = text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0)).collect();
    assert!(links.len() >= 4, "{links:?}");
    for link in links.into_iter().filter(|l| !l.contains("://")) {
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(link).exists(), "README.md links to {link}");
    }
}

#[test]
fn named_commands_exist() {
    let text = readme();
    let help = |args: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_rekindle")).args(args).arg("--help").output().unwrap().status.success()
    };
    let mut found = 0;
    let shell = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).flat_map(str::lines);
    for line in shell.filter_map(|l| l.strip_prefix("rekindle ")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let nested = matches!(words[0], "config" | "topics");
        assert!(help(&words[..1 + usize::from(nested)]), "rekindle {line}");
        found += 1;
    }
    assert!(found >= 5, "only {found} commands");
}

#[test]
fn what_shows_a_guarantee_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let sources = sources(&root);
    let readme = readme();
    let section =
        readme.split("## Guarantees").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("the section");
    let mut found = 0;
    for row in section.lines().filter(|line| line.starts_with("| **")) {
        let shown = row.rsplit(" | ").next().expect("a second column");
        let names = shown.split('`').skip(1).step_by(2);
        for name in names {
            let (test, kind) = (format!("fn {name}("), format!("{name:?}"));
            assert!(sources.contains(&test) || sources.contains(&kind), "{name}");
            found += 1;
        }
        assert!(shown.contains('`'), "{row}");
    }
    assert!(found >= 20, "only {found}");
}

/// The text of every source file below a folder.
fn sources(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let texts = entries.map(|path| match path.is_dir() {
        true => sources(&path),
        false if path.extension().is_some_and(|e| e == "rs") => std::fs::read_to_string(&path).unwrap(),
        false => String::new(),
    });
    texts.collect()
}
