//! Pythons with packages that no one here wrote, each in a folder of its own where they are installed once.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// A Python in which `check` runs. If there is none in the folder `name` yet, `packages` are installed there.
pub fn with(name: &str, packages: &[&str], check: &str) -> PathBuf {
    // Of tests that need the same one, one installs it.
    static INSTALLS: Mutex<()> = Mutex::new(());
    let _installs = INSTALLS.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let own = folder.join("bin/python");
    if !runs(&own, check) {
        install(&PathBuf::from("python3"), &["-m", "venv", "--clear", folder.to_str().expect("a UTF-8 path")]);
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        install(&own, &[&pip, packages].concat());
        assert!(runs(&own, check), "{packages:?} is installed, but cannot be used");
    }
    own
}

/// Whether a Python is there and runs a line.
pub fn runs(python: &PathBuf, check: &str) -> bool {
    Command::new(python).args(["-c", check]).output().is_ok_and(|output| output.status.success())
}

fn install(program: &PathBuf, args: &[&str]) {
    let output = Command::new(program).args(args).output();
    let output = output.unwrap_or_else(|e| panic!("this test needs python3 with venv and pip: {e}"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "this test needs python3 with venv and pip: {said}");
}
