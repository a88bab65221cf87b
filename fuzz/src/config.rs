//! A configuration from a file, variables and flags. What is taken is shown, and what is shown is taken again.

use rekindle::config::{Config, Needs, Sources};

/// Apart by zero bytes: the file (none if empty), then variables `NAME=VALUE` and flags `-KEY=VALUE`.
pub fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let mut parts = text.split('\0');
    let file = parts.next().filter(|text| !text.is_empty());
    let mut sources = Sources { file: file.map(|text| ("f.toml".to_owned(), text.to_owned())), ..Sources::default() };
    for part in parts {
        let Some((key, value)) = part.split_once('=') else { continue };
        match key.strip_prefix('-') {
            Some(key) => sources.flags.push((format!("--set {key}"), key.trim().to_owned(), value.trim().to_owned())),
            // It names a file, which is not for this test to open.
            None if key.ends_with("_FILE") => {}
            None => sources.env.push((format!("REKINDLE_{key}"), value.to_owned())),
        }
    }
    match Config::load(sources, Needs::Nothing) {
        Ok(config) => shown_and_taken(&config),
        Err(faults) => assert!(!faults.to_string().is_empty()),
    }
}

fn shown_and_taken(config: &Config) {
    let shown = config.to_toml();
    // A secret is not shown, and cannot be read back.
    if shown.contains("<redacted>") {
        return;
    }
    let sources = Sources { file: Some(("f.toml".to_owned(), shown.clone())), ..Sources::default() };
    let again = Config::load(sources, Needs::Nothing).unwrap_or_else(|faults| panic!("{faults}\n{shown}"));
    assert_eq!(format!("{:?}", again.runtime), format!("{:?}", config.runtime), "{shown}");
}
