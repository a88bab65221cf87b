//! Everything that the product wrote and reads back, one record at a time: bodies of the output topics, keys,
//! frames, settings and decisions. What can be read can be written, and reads the same again.

use rekindle::engine::encode::keys::{self, BookKey};
use rekindle::engine::encode::{self, SuggestionKind};
use rekindle::engine::{Annals, EngineSettings};
use rekindle::model::position::{Offset, Position};

use super::script::Script;

/// The first byte chooses the reader.
pub fn run(input: &[u8]) {
    let Some((which, bytes)) = input.split_first() else { return };
    match which % 9 {
        0 => drop(encode::decode_state(bytes)),
        1 => vector(bytes),
        2 => row(bytes),
        3 => suggestion(SuggestionKind::Recovery, bytes),
        4 => suggestion(SuggestionKind::Transfer, bytes),
        5 => any_key(bytes),
        6 => drop(encode::strip_frame(bytes)),
        7 => texts(&String::from_utf8_lossy(bytes)),
        _ => annals(bytes),
    }
}

fn vector(bytes: &[u8]) {
    let Ok((space, covers_turn, vector)) = encode::decode_vector(bytes) else { return };
    let mut written = Vec::new();
    encode::vector(&mut written, &space, covers_turn, &vector);
    let again = encode::decode_vector(&written).expect("what was written can be read");
    assert_eq!(format!("{again:?}"), format!("{:?}", (space, covers_turn, vector)));
}

fn row(bytes: &[u8]) {
    let Ok(row) = encode::decode_row(bytes) else { return };
    let written = encode::row(&row).expect("what was read can be written");
    let again = encode::decode_row(&written).expect("what was written can be read");
    assert_eq!(format!("{again:?}"), format!("{row:?}"));
}

fn suggestion(kind: SuggestionKind, bytes: &[u8]) {
    let Ok((suggestion, publication)) = encode::decode_suggestion(kind, bytes) else { return };
    encode::suggestion_json(&suggestion, &publication);
    encode::headers(&suggestion, &publication, Some(b"00-1"));
    let written = encode::suggestion(&suggestion, &publication).expect("what was read can be written");
    // The revocation of what was erased says too little to be read.
    if let Ok(again) = encode::decode_suggestion(kind, &written) {
        assert_eq!(format!("{again:?}"), format!("{:?}", (suggestion, publication)));
    }
}

fn any_key(bytes: &[u8]) {
    if let Some(key) = BookKey::parse(bytes) {
        assert_eq!(BookKey::parse(&key.to_bytes()), Some(key));
    }
    if let Some((tenant, session)) = keys::parse_session(bytes) {
        assert_eq!(keys::session(&tenant, &session), bytes);
        assert!(keys::is_session(bytes, &tenant, &session));
    }
}

/// Settings as bookkeeping keeps them, and a position as `--skip` takes it.
fn texts(text: &str) {
    if let Ok(settings) = EngineSettings::from_text(text) {
        let written = settings.to_text();
        let again = EngineSettings::from_text(&written).map(|settings| settings.to_text());
        assert_eq!(again.as_deref(), Ok(&*written), "settings");
        settings.policy_digest();
    }
    if let Ok(position) = text.parse::<Position>() {
        assert_eq!(position.to_string().parse(), Ok(position));
    }
}

/// Decisions and history, entered one after the other.
fn annals(bytes: &[u8]) {
    let (mut script, mut annals) = (Script::new(bytes), Annals::default());
    while !script.is_done() {
        let key = script.pick(&[&b"decision/0"[..], b"history/0", b"partition", b"history/"]);
        let len = script.short();
        let _ = annals.read(key, script.take(len));
    }
    for decision in annals.decisions() {
        annals.dead_lettered(decision.offset);
    }
    for entry in annals.history() {
        let _ = annals.settings(entry.offset);
    }
    annals.schema(7, Offset(i64::MAX));
}
