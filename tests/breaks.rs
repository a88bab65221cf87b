//! The deliberate breaks of `tests/faults/breaks` fit the code as it is: what each replaces stands there, word for word.
//! That the suite notices them takes minutes, and is shown by `tests/faults/breaks/check.sh`.

use std::path::Path;

#[test]
fn every_break_fits_the_code() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let entries = std::fs::read_dir(root.join("tests/faults/breaks")).expect("the breaks");
    let patches = entries.map(|entry| entry.expect("an entry").path());
    let mut hunks = 0;
    for patch in patches.filter(|path| path.extension().is_some_and(|extension| extension == "patch")) {
        let text = std::fs::read_to_string(&patch).expect("a patch");
        for (file, old) in replaced(&text) {
            let source = std::fs::read_to_string(root.join(&file)).expect("the file it changes");
            assert!(source.contains(&old), "{}: not in {file}:\n{old}", patch.display());
            hunks += 1;
        }
    }
    assert!(hunks >= 7, "{hunks}");
}

/// What each hunk of a patch finds: its file, and its lines but for those it adds.
fn replaced(patch: &str) -> Vec<(String, String)> {
    let (mut file, mut hunks) = (String::new(), Vec::new());
    let mut left = 0usize;
    for line in patch.lines() {
        if left > 0 {
            if let Some(old) = line.strip_prefix([' ', '-']) {
                let (_, hunk): &mut (String, String) = hunks.last_mut().expect("begun");
                hunk.push_str(old);
                hunk.push('\n');
                left -= 1;
            }
        } else if let Some(path) = line.strip_prefix("--- a/") {
            file = path.to_owned();
        } else if let Some(place) = line.strip_prefix("@@ -") {
            let lines = place.split(' ').next().and_then(|old| old.split(',').nth(1)).map_or("1", |count| count);
            left = lines.parse().expect("a number of lines");
            hunks.push((file.clone(), String::new()));
        }
    }
    hunks
}
