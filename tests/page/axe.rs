//! axe-core, which finds what keeps people from using a page. It is fetched by npm, once, and pinned.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::browser::Browser;

const PACKAGE: &str = "axe-core@4.10.3";
const SHA_256: &str = "880970c081707360e64f34cea25ff91892f5bc95675b0776925b9709dd8a68bb";

static AXE: LazyLock<String> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("axe");
    let file = folder.join("node_modules/axe-core/axe.min.js");
    let known = || std::fs::read_to_string(&file).ok().filter(|text| hex::encode(Sha256::digest(text)) == SHA_256);
    known().unwrap_or_else(|| {
        std::fs::create_dir_all(&folder).expect("a folder below target");
        let npm = Command::new("npm")
            .args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-save", "--prefix"])
            .args([folder.as_os_str(), PACKAGE.as_ref()])
            .stdin(Stdio::null())
            .output();
        let npm =
            npm.unwrap_or_else(|e| panic!("npm does not start ({e}): the tests of the page fetch {PACKAGE} by it"));
        let said = String::from_utf8_lossy(&npm.stderr);
        known().unwrap_or_else(|| panic!("npm did not bring {PACKAGE} as it is known: {said}"))
    })
});

/// Asserts that axe has nothing to say against what is shown.
pub fn finds_nothing(browser: &Browser, what: &str) {
    if browser.js("return typeof axe") == "undefined" {
        browser.js(&AXE);
    }
    let run = "const done = arguments[arguments.length - 1];
        axe.run(document, {resultTypes: ['violations', 'incomplete']}).then(
            ({violations, passes}) => done({passes: passes.length, violations: violations.map((v) => `${v.id}: ${v.help}\\n`
                + v.nodes.map((n) => `  ${n.html.slice(0, 200)}\\n  ${n.failureSummary}`).join('\\n'))}),
            (error) => done(String(error)));";
    let result = browser.js_later(run);
    assert!(result["passes"].as_u64().is_some_and(|n| n > 15), "axe did not run at {what}: {result}");
    let violations: Vec<&str> =
        result["violations"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    assert!(violations.is_empty(), "{what}:\n{}", violations.join("\n"));
}
