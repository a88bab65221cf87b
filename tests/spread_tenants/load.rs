//! Clients that ask all the time.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::given::{Client, SESSIONS, id, vector};

/// Asks all the time, for everything and for single sessions.
#[derive(Default)]
pub struct Load {
    pub done: AtomicBool,
    pub counts: [AtomicUsize; 2],
}

impl Load {
    pub fn ask(&self, ports: &[u16], first: usize) {
        let client = Client::new();
        for n in first.. {
            if self.done.load(Ordering::Relaxed) {
                return;
            }
            let session = id(n as i64 % SESSIONS);
            let (path, body) = match n % 3 {
                0 => ("/search".to_owned(), Some(json!({"vector": vector(0), "k": 100}))),
                1 => ("/search".to_owned(), Some(json!({"session_id": session, "k": 100}))),
                _ => (format!("/sessions/{session}"), None),
            };
            let (status, answer) = client.ask(ports[n % ports.len()], &path, body.as_ref());
            match status {
                200 => {
                    let hits = answer["hits"].as_array().map(|hits| hits.len() as i64);
                    let expected = [Some(SESSIONS), Some(SESSIONS - 1), None][n % 3];
                    assert_eq!(hits, expected, "{path} {body:?}: {answer}");
                    self.counts[0].fetch_add(1, Ordering::Relaxed);
                }
                503 => {
                    self.counts[1].fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(5));
                }
                // Told where it was last known to be as a whole, which is never for this tenant.
                other => panic!("{other} {path} {body:?}: {answer}"),
            }
        }
    }
}
