//! Record headers, both ways.

use rdkafka::message::{Header, Headers, OwnedHeaders};

/// Builds headers in order; `None` where there are none.
pub fn build<'a>(list: impl ExactSizeIterator<Item = (&'a str, &'a [u8])>) -> Option<OwnedHeaders> {
    if list.len() == 0 {
        return None;
    }
    let empty = OwnedHeaders::new_with_capacity(list.len());
    Some(list.fold(empty, |headers, (key, value)| headers.insert(Header { key, value: Some(value) })))
}

/// The last value of a header, as Kafka's own clients read repeated ones; `None` if absent or null.
pub fn last<'a, H: Headers>(headers: Option<&'a H>, name: &str) -> Option<&'a [u8]> {
    headers?.iter().filter(|h| h.key == name).last().and_then(|h| h.value)
}
