//! The file behind a session index: any bytes, and records with checks that hold around any payloads. What opens
//! can be used, rewritten and opened again, and holds the same.

use std::fs;

use rekindle::SessionIndex;
use rekindle::model::ids::{SessionId, TenantId};
use rekindle::model::time::EventTime;
use rekindle::session_index::SessionState;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::script::Script;

const DIM: usize = 3;

/// The first byte chooses: a file as it is, or payloads, each after its length.
pub fn run(input: &[u8]) {
    let mut script = Script::new(input);
    let file = match script.byte() % 2 {
        0 => script.rest().to_vec(),
        _ => framed(&mut script),
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("sessions.log"), file).expect("a file is written");
    let Ok(mut index) = SessionIndex::new(folder.path(), DIM) else { return };
    let held = index.len();
    let (tenant, session) = (TenantId::new("acme").expect("an id"), SessionId::new("s-new").expect("an id"));
    let known = index.get(&tenant, &session).is_some();
    let _ = index.search_by_context(&tenant, &[1.0, 0.0, 0.5], 5);
    let _ = index.store(&SessionState::new(tenant.clone(), session.clone(), EventTime(1))).expect("a state is stored");
    index.delete(&tenant, &session).expect("a state is deleted");
    index.compact().expect("a log is rewritten");
    drop(index);
    let again = SessionIndex::new(folder.path(), DIM).expect("what was written opens");
    assert_eq!(again.len(), held - usize::from(known));
}

fn framed(script: &mut Script<'_>) -> Vec<u8> {
    let mut file = b"RKSESS\0\x01".to_vec();
    file.extend((DIM as u32).to_le_bytes());
    file.extend((xxh3_64(&file) as u32).to_le_bytes());
    while !script.is_done() {
        let len = script.short();
        let payload = script.take(len);
        let (offset, len) = (file.len() as u64, (payload.len() as u32).to_le_bytes());
        file.extend(len);
        file.extend((xxh3_64_with_seed(&len, offset) as u32).to_le_bytes());
        file.extend(xxh3_64_with_seed(payload, offset).to_le_bytes());
        file.extend(payload);
    }
    file
}
