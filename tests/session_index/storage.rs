//! The file: what is stored comes back, a crash costs the unfinished record alone, damage is never taken for sound.

use std::fs;
use std::path::Path;

use rekindle::SessionIndex;
use rekindle::session_index::{IndexError, SessionState, TornTail};
use tempfile::TempDir;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::support::*;

const LOG: &str = "sessions.log";
/// Bytes before the first record.
const HEADER: usize = 16;

fn open(folder: &TempDir) -> SessionIndex {
    SessionIndex::new(folder.path(), 3).expect("opens")
}

/// A folder whose log holds these states in order, and the byte where each record ends.
fn stored(states: &[SessionState]) -> (TempDir, Vec<usize>) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut index = open(&folder);
    let mut ends = Vec::new();
    for state in states {
        assert!(index.store(state).expect("stores").is_applied());
        index.flush().expect("flushes");
        ends.push(fs::read(folder.path().join(LOG)).expect("the log").len());
    }
    drop(index);
    (folder, ends)
}

fn three() -> [SessionState; 3] {
    [full("s-0", &[1.0, 2.0, 3.0]), state("s-1", &[0.5, 0.0, -1.0]), full("s-2", &[0.0, 1e-40, 3e38])]
}

fn edit(folder: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(folder.join(LOG)).expect("the log");
    change(&mut bytes);
    fs::write(folder.join(LOG), bytes).expect("writes");
}

fn holds(index: &SessionIndex, states: &[SessionState]) {
    assert_eq!(index.len(), states.len());
    for state in states {
        assert_eq!(**index.get(&state.tenant_id, &state.session_id).expect("held"), *state);
    }
}

#[test]
fn a_reopened_index_holds_every_field_and_answers_bit_for_bit_as_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut index = open(&folder);
    let mut numbers = Numbers(1);
    for n in 0..300 {
        let state = with(full(&format!("s-{}", n % 200), &numbers.vector(3)), |s| s.turn_count = n);
        assert!(index.store(&state).expect("stores").is_applied());
        if n % 7 == 0 {
            assert!(index.delete(&tenant("acme"), &session(&format!("s-{}", n % 200))).expect("deletes"));
        }
    }
    let query = numbers.vector(3);
    let before = index.search_by_context(&tenant("acme"), &query, usize::MAX).expect("searches");
    drop(index);
    let after = open(&folder).search_by_context(&tenant("acme"), &query, usize::MAX).expect("searches");
    assert!(before.len() > 150);
    assert_eq!(after, before);
}

#[test]
fn a_tail_cut_anywhere_is_cut_off_reported_and_written_over() {
    let states = three();
    let (folder, ends) = stored(&states);
    let whole = fs::read(folder.path().join(LOG)).expect("the log");
    for cut in ends[1] + 1..ends[2] {
        fs::write(folder.path().join(LOG), &whole[..cut]).expect("writes");
        let mut index = open(&folder);
        let torn = TornTail { offset: ends[1] as u64, bytes: (cut - ends[1]) as u64 };
        assert_eq!(index.torn_tail(), Some(torn), "cut at {cut}");
        holds(&index, &states[..2]);
        assert_eq!(fs::metadata(folder.path().join(LOG)).expect("the log").len(), torn.offset);
        assert!(index.store(&states[2]).expect("stores").is_applied());
        drop(index);
        let index = open(&folder);
        assert_eq!(index.torn_tail(), None);
        holds(&index, &states);
    }
}

#[test]
fn a_tail_of_zeros_or_a_last_record_never_wholly_written_is_torn_too() {
    let states = three();
    for change in [(|bytes, _| bytes.resize(bytes.len() + 5000, 0)) as fn(&mut Vec<u8>, usize), |bytes, last| {
        let from = last + 40;
        bytes[from..].fill(0);
    }] {
        let (folder, ends) = stored(&states);
        edit(folder.path(), |bytes| change(bytes, ends[1]));
        let index = open(&folder);
        let torn = index.torn_tail().expect("a torn tail");
        let kept = if torn.offset == ends[2] as u64 { 3 } else { 2 };
        assert_eq!(torn.offset, ends[kept - 1] as u64);
        holds(&index, &states[..kept]);
    }
}

#[test]
fn one_flipped_byte_anywhere_before_the_last_record_is_an_error_that_names_the_offset() {
    let (folder, ends) = stored(&three());
    let whole = fs::read(folder.path().join(LOG)).expect("the log");
    for at in 8..ends[1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(folder.path().join(LOG), &bytes).expect("writes");
        let begin = if at < HEADER {
            0
        } else if at < ends[0] {
            HEADER
        } else {
            ends[0]
        };
        match SessionIndex::new(folder.path(), 3) {
            Err(IndexError::Damaged { offset, .. }) => assert_eq!(offset, begin as u64, "byte {at}"),
            other => panic!("byte {at}: {other:?}"),
        }
        assert_eq!(fs::read(folder.path().join(LOG)).expect("the log"), bytes, "the file was touched");
    }
}

#[test]
fn metadata_nested_without_end_is_damage() {
    // Reading it went one level deeper for every two bytes, through the end of the stack.
    let mut state = state("s-1", &[0.5, 0.0, -1.0]);
    state.metadata.insert("k".to_owned(), serde_json::json!([[7]]));
    let (folder, _) = stored(&[state]);
    edit(folder.path(), |bytes| {
        let payload = bytes.split_off(HEADER + 16);
        // Two lists of one item, around a number.
        let list = [6, 1];
        let at = payload.windows(4).rposition(|w| w == [list, list].concat()).expect("the lists");
        let deep = [&payload[..at], &list.repeat(200_000), &payload[at + 4..]].concat();
        bytes.truncate(HEADER);
        let (offset, len) = (HEADER as u64, (deep.len() as u32).to_le_bytes());
        bytes.extend(len);
        bytes.extend((xxh3_64_with_seed(&len, offset) as u32).to_le_bytes());
        bytes.extend(xxh3_64_with_seed(&deep, offset).to_le_bytes());
        bytes.extend(deep);
    });
    let fault = SessionIndex::new(folder.path(), 3).expect_err("too deep");
    assert!(matches!(fault, IndexError::Damaged { offset: 16, .. }), "{fault}");
}

#[test]
fn sound_records_in_a_wrong_place_are_damage() {
    let (folder, ends) = stored(&[state("s-0", &[1.0, 0.0, 0.0]), state("s-1", &[1.0, 0.0, 0.0]), three()[0].clone()]);
    edit(folder.path(), |bytes| drop(bytes.drain(HEADER..ends[0])));
    let opened = SessionIndex::new(folder.path(), 3);
    assert!(matches!(opened, Err(IndexError::Damaged { offset: 16, .. })), "{opened:?}");
}

#[test]
fn another_file_an_empty_one_and_another_dimension_are_refused() {
    for bytes in [&b""[..], b"RKSESS", b"something else that is long enough"] {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join(LOG), bytes).expect("writes");
        let opened = SessionIndex::new(folder.path(), 3);
        assert!(matches!(opened, Err(IndexError::Foreign { .. })), "{opened:?}");
    }
    let (folder, _) = stored(&three());
    let opened = SessionIndex::new(folder.path(), 4);
    assert!(matches!(opened, Err(IndexError::Dimension { stored: 3, asked: 4, .. })), "{opened:?}");
    let opened = SessionIndex::new(folder.path().join(LOG), 3);
    assert!(matches!(opened, Err(IndexError::Io { .. })), "{opened:?}");
}

#[test]
fn a_folder_can_be_open_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = open(&folder);
    let second = SessionIndex::new(folder.path(), 3);
    assert!(matches!(second, Err(IndexError::InUse { .. })), "{second:?}");
    drop(first);
    open(&folder);
}

#[test]
fn garbage_is_rewritten_away_and_a_left_over_of_a_broken_rewrite_does_not_matter() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("sessions.log.new"), b"half a file").expect("writes");
    let mut index = SessionIndex::new(folder.path(), 512).expect("opens");
    let mut numbers = Numbers(2);
    let mut last = None;
    // 24 MiB of records, 2 KiB of which count in the end.
    for turn in 0..12_000 {
        let state = with(state("s-1", &numbers.vector(512)), |s| s.turn_count = turn);
        assert!(index.store(&state).expect("stores").is_applied());
        last = Some(state);
    }
    index.flush().expect("flushes");
    let size = fs::metadata(folder.path().join(LOG)).expect("the log").len();
    assert!(size < 8 << 20, "{size}");
    drop(index);
    let index = SessionIndex::new(folder.path(), 512).expect("opens");
    holds(&index, &[last.expect("a state")]);
}

#[test]
fn compacting_removes_the_bytes_of_deleted_sessions() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut index = open(&folder);
    let secret = with(state("s-1", &[1.0, 0.0, 0.0]), |s| drop(s.metadata.insert("k".into(), "secret".into())));
    let kept = state("s-2", &[0.0, 1.0, 0.0]);
    for state in [&secret, &kept] {
        assert!(index.store(state).expect("stores").is_applied());
    }
    index.flush().expect("flushes");
    let on_disk = |word: &[u8]| {
        let bytes = fs::read(folder.path().join(LOG)).expect("the log");
        bytes.windows(word.len()).any(|w| w == word)
    };
    assert!(on_disk(b"secret"));
    assert!(index.delete(&tenant("acme"), &session("s-1")).expect("deletes"));
    index.compact().expect("compacts");
    assert!(!on_disk(b"secret"));
    assert!(index.store(&state("s-3", &[0.0, 0.0, 1.0])).expect("stores").is_applied());
    drop(index);
    holds(&open(&folder), &[kept, state("s-3", &[0.0, 0.0, 1.0])]);
}

#[test]
fn a_rewrite_that_fails_is_reported_and_the_index_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut index = open(&folder);
    assert!(index.store(&state("s-1", &[1.0, 0.0, 0.0])).expect("stores").is_applied());
    // In place of the file the rewrite would make, so that it cannot be made.
    fs::create_dir(folder.path().join("sessions.log.new")).expect("a folder");
    assert!(matches!(index.compact(), Err(IndexError::Io { .. })));
    let later = state("s-2", &[1.0, 0.0, 0.0]);
    assert!(index.store(&later).expect("stores").is_applied());
    drop(index);
    holds(&open(&folder), &[state("s-1", &[1.0, 0.0, 0.0]), later]);
}
