//! The session index as its users call it: the faults of earlier indexes it must not have, the index against a
//! plain model under any calls, and its file under crashes and damage.

#[path = "session_index/defects.rs"]
mod defects;
#[path = "session_index/kv.rs"]
mod kv;
#[path = "session_index/model.rs"]
mod model;
#[path = "session_index/promises.rs"]
mod promises;
#[path = "session_index/storage.rs"]
mod storage;
#[path = "session_index/support.rs"]
mod support;
