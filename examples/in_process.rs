//! The session index without Kafka: store sessions, search, recover, look at a history, reopen.
//!
//! `cargo run --example in_process [FOLDER]` (default: a folder in the system's temporary directory, removed
//! afterwards).

use std::path::Path;

use rekindle::SessionIndex;
use rekindle::model::event::TransferScope;
use rekindle::model::ids::{Name, SessionId, TenantId, UserId};
use rekindle::model::kv::Adapter;
use rekindle::model::session::Status;
use rekindle::model::time::EventTime;
use rekindle::session_index::SessionState;

const DIM: usize = 8;

fn main() -> anyhow::Result<()> {
    match std::env::args_os().nth(1) {
        Some(folder) => run(Path::new(&folder)),
        None => {
            let folder = std::env::temp_dir().join(format!("rekindle-example-{}", std::process::id()));
            let result = run(&folder);
            std::fs::remove_dir_all(&folder)?;
            result
        }
    }
}

fn run(folder: &Path) -> anyhow::Result<()> {
    let acme = TenantId::new("acme")?;
    let mut index = SessionIndex::new(folder, DIM)?;
    let sessions = [
        ("billing", "ann", Status::Ended),
        ("billing", "bob", Status::Ended),
        ("travel", "ann", Status::Interrupted),
        ("billing", "ann", Status::Active),
    ];
    for (number, (topic, user, status)) in sessions.into_iter().enumerate() {
        let at = EventTime(1_762_340_000_000 + 60_000 * number as i64);
        let mut state = SessionState::new(acme.clone(), SessionId::new(&format!("s-{number}"))?, at);
        state.user_id = Some(UserId::new(user)?);
        state.context_embedding = Some(embed(topic, number));
        state.active_adapter = Some(Adapter { id: Name::new(&format!("lora-{topic}"))?, version: None });
        state.transfer_scope = TransferScope::Tenant;
        (state.status, state.turn_count) = (status, 4);
        assert!(index.store(&state)?.is_applied());
    }
    index.flush()?;
    drop(index);

    let index = SessionIndex::new(folder, DIM)?;
    println!("search: nearest to a billing question");
    for found in index.search_by_context(&acme, &embed("billing", 9), 3)? {
        println!("  {:.3}  {}  {}", found.similarity, found.state.session_id, found.state.status.label());
    }
    let ann = UserId::new("ann")?;
    println!("recover: what ann could take up again, back with a travel question");
    for found in index.recover(&acme, &ann, &embed("travel", 9), 1)? {
        println!("  {:.3}  {}  {}", found.similarity, found.state.session_id, found.state.status.label());
    }
    if let Some(vote) = index.transfer(&acme, &SessionId::new("s-3")?, 2)?.adapter {
        println!(
            "transfer: similar sessions used {} ({} of {})",
            vote.adapter.id, vote.support.for_it, vote.support.sessions
        );
    }
    println!("history of ann, newest first");
    for state in index.user_history(&acme, &ann, 10) {
        println!("  {}  {}  {} turns", state.session_id, state.status.label(), state.turn_count);
    }
    Ok(())
}

/// Stands in for an embedding model: sessions of one topic point roughly the same way.
fn embed(topic: &str, variation: usize) -> Vec<f32> {
    let axis = if topic == "billing" { 0 } else { 3 };
    (0..DIM).map(|i| if i == axis { 1.0 } else { 0.05 * ((i * 7 + variation * 3) % 5) as f32 }).collect()
}
