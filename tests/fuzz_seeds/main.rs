//! The seeds of the fuzz targets, through the same code as the fuzzer: so that the targets go on to compile, and
//! what they promise holds of the inputs that reach deep. `UPDATE_EXPECT=1` writes the seeds anew.

use std::fs;
use std::path::{Path, PathBuf};

#[path = "../contract_support/mod.rs"]
mod contract_support;
mod make;
#[path = "../../fuzz/src/lib.rs"]
mod targets;

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target)
}

#[test]
fn every_seed_passes_its_target() {
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        for (target, name, bytes) in make::seeds() {
            fs::create_dir_all(folder(target)).unwrap();
            fs::write(folder(target).join(name), bytes).unwrap();
        }
    }
    for (target, _) in targets::TARGETS {
        let entries = fs::read_dir(folder(target)).unwrap_or_else(|e| panic!("seeds of {target}: {e}"));
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        names.sort();
        assert!(!names.is_empty(), "{target} has no seeds");
        for name in names {
            let input = fs::read(&name).unwrap();
            let run = std::panic::catch_unwind(|| targets::run(target, &input));
            assert!(run.is_ok(), "{target}: {}", name.display());
        }
    }
}

#[test]
fn every_target_has_its_entry_for_the_fuzzer() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    let readme = fs::read_to_string(fuzz.join("README.md")).unwrap();
    for (target, _) in targets::TARGETS {
        let entry = fs::read_to_string(fuzz.join("fuzz_targets").join(format!("{target}.rs"))).unwrap();
        assert!(entry.contains(&format!("rekindle_fuzz::run(\"{target}\"")), "{entry}");
        assert!(manifest.contains(&format!("name = \"{target}\"")), "{target} is not in fuzz/Cargo.toml");
        assert!(readme.contains(&format!("`{target}`")), "{target} is not in fuzz/README.md");
    }
    assert_eq!(fs::read_dir(fuzz.join("fuzz_targets")).unwrap().count(), targets::TARGETS.len());
}
