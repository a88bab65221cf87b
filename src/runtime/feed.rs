//! The newest published suggestions, for the live page. Forgets the oldest; keeps nothing else.

use std::collections::VecDeque;
use std::sync::Mutex;

use crate::engine::encode::{self, SuggestionKind};
use crate::engine::{OutRecord, OutValue, Topic};
use crate::http::port::FeedItem;

/// Suggestions kept.
const CAPACITY: usize = 500;

/// A ring of numbered suggestions.
#[derive(Debug, Default)]
pub(super) struct Feed {
    ring: Mutex<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    items: VecDeque<FeedItem>,
    /// Number of the newest item; the first one is 1.
    newest: u64,
}

impl Feed {
    /// Takes note of a published record; only suggestions count.
    pub fn published(&self, record: OutRecord<'_>, latency_ms: Option<f64>) {
        match (erased_suggestion(record), suggestion_json(record)) {
            (Some(id), _) => self.erase(tenant(record), id),
            (None, Some(json)) => self.push(FeedItem { tenant: tenant(record), json, latency_ms }),
            (None, None) => {}
        }
    }

    /// Adds the newest.
    fn push(&self, item: FeedItem) {
        let mut ring = self.ring.lock().unwrap_or_else(|e| e.into_inner());
        if ring.items.len() == CAPACITY {
            ring.items.pop_front();
        }
        ring.items.push_back(item);
        ring.newest += 1;
    }

    /// Takes back what was said of an erased subject: of the suggestion nothing is kept but its id and that it
    /// was revoked, which is added as the newest.
    fn erase(&self, tenant: String, suggestion_id: &str) {
        let stub = serde_json::json!({"suggestion_id": suggestion_id, "status": "revoked", "reason": "erased"});
        let stub = FeedItem { tenant, json: stub.to_string(), latency_ms: None };
        let mut ring = self.ring.lock().unwrap_or_else(|e| e.into_inner());
        for item in ring.items.iter_mut().filter(|item| item.json.contains(suggestion_id)) {
            *item = stub.clone();
        }
        drop(ring);
        self.push(stub);
    }

    /// Those with a number above `after`, oldest first.
    pub fn after(&self, after: u64) -> Vec<(u64, FeedItem)> {
        let ring = self.ring.lock().unwrap_or_else(|e| e.into_inner());
        let first = ring.newest + 1 - ring.items.len() as u64;
        (first..).zip(ring.items.iter().cloned()).skip_while(|(number, _)| *number <= after).collect()
    }
}

/// Whose a record is: keys of suggestions are `tenant/session`.
fn tenant(record: OutRecord<'_>) -> String {
    let key = record.key.and_then(|key| std::str::from_utf8(key).ok()).unwrap_or_default();
    key.split('/').next().unwrap_or_default().to_owned()
}

/// The id of a suggestion that a record revokes because its subject was erased.
fn erased_suggestion<'a>(record: OutRecord<'a>) -> Option<&'a str> {
    let header = |wanted: &str| {
        let (_, value) = record.headers.iter().find(|(name, _)| *name == wanted)?;
        std::str::from_utf8(value).ok()
    };
    let id = header("rekindle-suggestion-id")?;
    let erased = match record.value {
        OutValue::Json(text) => {
            serde_json::from_slice::<serde_json::Value>(text).is_ok_and(|v| v["reason"] == "erased")
        }
        // Its Avro body says too little to be a suggestion again.
        _ => suggestion_json(record).is_none(),
    };
    (erased && header("rekindle-status") == Some("revoked")).then_some(id)
}

/// The JSON form of a published suggestion; `None` for anything else.
fn suggestion_json(record: OutRecord<'_>) -> Option<String> {
    let kind = match record.topic {
        Topic::Recovery => SuggestionKind::Recovery,
        Topic::Transfer => SuggestionKind::Transfer,
        _ => return None,
    };
    match record.value {
        OutValue::Json(text) => String::from_utf8(text.to_vec()).ok(),
        OutValue::Avro(body) => {
            let (suggestion, publication) = encode::decode_suggestion(kind, body).ok()?;
            Some(encode::suggestion_json(&suggestion, &publication).to_string())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_erased_is_taken_back_and_numbers_stay() {
        let feed = Feed::default();
        for json in [r#"{"suggestion_id":"aa","user_id":"u"}"#, r#"{"suggestion_id":"bb","user_id":"v"}"#] {
            feed.push(FeedItem { tenant: "acme".to_owned(), json: json.to_owned(), latency_ms: Some(1.0) });
        }
        feed.erase("acme".to_owned(), "aa");
        let items: Vec<_> = feed.after(0).into_iter().map(|(number, item)| (number, item.json)).collect();
        assert_eq!(items.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(!items[0].1.contains("\"u\"") && items[1].1.contains("\"v\""), "{items:?}");
        assert_eq!(items[0].1, items[2].1);
        assert!(items[2].1.contains("erased"));
        assert!(feed.after(0).iter().all(|(_, item)| item.tenant == "acme"));
    }

    #[test]
    fn numbers_go_on_and_the_oldest_are_forgotten() {
        let feed = Feed::default();
        assert!(feed.after(0).is_empty());
        for n in 0..CAPACITY + 3 {
            feed.push(FeedItem { tenant: "acme".to_owned(), json: n.to_string(), latency_ms: None });
        }
        let all = feed.after(0);
        assert_eq!(all.len(), CAPACITY);
        assert_eq!((all[0].0, all[0].1.json.as_str()), (4, "3"));
        let newest = feed.after(CAPACITY as u64 + 2);
        assert_eq!(newest.len(), 1);
        assert_eq!(newest[0].1.json, (CAPACITY + 2).to_string());
        assert!(feed.after(u64::MAX).is_empty());
    }
}
