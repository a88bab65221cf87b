//! Settings of the edges: Kafka, topics, registry, workers, batches, logs. Limits only; opens nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use super::raw::{Kind, Setting, quoted};
use super::reader::{REDACTED, Reader};
use crate::kafka::settings::{KafkaSettings, RegistrySettings, TopicSettings};
use crate::runtime::settings::{BatchSettings, Generation};
use crate::telemetry::logs::{LogFormat, LogSettings, check_filter};

const DAY_MS: i64 = 86_400_000;
const MAX_RETENTION_MS: i64 = 3_650 * DAY_MS;

/// librdkafka properties that hold the delivery promises together: they are set by the program alone.
const RESERVED: [&str; 17] = [
    "acks",
    "auto.offset.reset",
    "bootstrap.servers",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "group.instance.id",
    "isolation.level",
    "metadata.broker.list",
    "partition.assignment.strategy",
    "partitioner",
    "request.required.acks",
    "transaction.timeout.ms",
    "transactional.id",
];

/// The cluster. `required`: whether brokers must be given.
pub fn kafka(r: &mut Reader<'_>, required: bool) -> KafkaSettings {
    let brokers = r.text(&["kafka", "brokers"], String::new(), |t| {
        let parts = || t.split(',').map(str::trim);
        let port = |part: &str| part.rsplit_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_ok());
        let fits = |part: &str| !part.is_empty() && !part.contains(char::is_whitespace) && port(part);
        if parts().all(fits) { Ok(()) } else { Err("must be host:port, several apart by commas") }
    });
    if required && brokers.is_empty() && r.faultless(&["kafka", "brokers"]) {
        r.fault(&["kafka", "brokers"], "is required: host:port, several apart by commas");
    }
    let group_id = r.text(&["kafka", "group_id"], "rekindle".to_owned(), id);
    let host = gethostname::gethostname().to_string_lossy().into_owned();
    let host = if id(&host).is_ok() { host } else { "rekindle".to_owned() };
    let instance_id = r.text(&["kafka", "instance_id"], host, id);
    let transactional_id = r.text(&["kafka", "transactional_id"], format!("{group_id}-{instance_id}"), id);
    KafkaSettings { brokers, group_id, instance_id, transactional_id, properties: properties(r) }
}

fn properties(r: &mut Reader<'_>) -> BTreeMap<String, String> {
    let mut properties = BTreeMap::new();
    for name in r.names(&["kafka", "properties"]) {
        let read = |s: &Setting| match s.kind {
            _ if RESERVED.contains(&name.as_str()) => {
                Err("is set by rekindle itself: its promises depend on it".to_owned())
            }
            Kind::Other | Kind::EmptyTable => Err("must be a string, a number, true or false".to_owned()),
            _ => Ok(s.text.clone()),
        };
        let value = r.value(&["kafka", "properties", &name], String::new(), read, |_| Some(REDACTED.to_owned()));
        properties.insert(name, value);
    }
    properties
}

fn id(text: &str) -> Result<(), &'static str> {
    let fits = (1..=200).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    if fits { Ok(()) } else { Err("must be 1 to 200 bytes of visible ASCII") }
}

/// Names and creation settings of the topics. A topic's name is the prefix followed by the key's value.
pub fn topics(r: &mut Reader<'_>) -> TopicSettings {
    let legal = |t: &str| t.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    let prefix = r.text(&["topics", "prefix"], String::new(), |t| {
        if t.len() <= 100 && legal(t) { Ok(()) } else { Err("must be at most 100 of A-Z a-z 0-9 . _ -") }
    });
    let mut taken: BTreeMap<String, &str> = BTreeMap::new();
    let mut name = |r: &mut Reader<'_>, key: &'static str, default: &str| {
        let name = r.text(&["topics", key], default.to_owned(), |t| {
            let fits = (1..=144).contains(&t.len()) && legal(t) && t != "." && t != "..";
            if fits { Ok(()) } else { Err("must be 1 to 144 of A-Z a-z 0-9 . _ -") }
        });
        if let Some(other) = taken.insert(name.clone(), key) {
            r.fault(&["topics", key], format!("must differ from topics.{other}, both are {}", quoted(&name)));
        }
        format!("{prefix}{name}")
    };
    TopicSettings {
        events: name(r, "events", "session-events"),
        states: name(r, "states", "session-states"),
        vectors: name(r, "vectors", "session-vectors"),
        bookkeeping: name(r, "bookkeeping", "session-bookkeeping"),
        recovery: name(r, "recovery", "recovery-suggestions"),
        transfer: name(r, "transfer", "transfer-suggestions"),
        dead_letters: name(r, "dead_letters", "session-events-dlq"),
        owners: name(r, "owners", "rekindle-owners"),
        partitions: r.int(&["topics", "partitions"], 8, 1..=100_000) as i32,
        replication: r.int_opt(&["topics", "replication"], 1..=100).map(|n| n as i32),
        events_retention: retention(r, "events_retention_ms", 7 * DAY_MS),
        suggestions_retention: retention(r, "suggestions_retention_ms", 7 * DAY_MS),
        dead_letters_retention: retention(r, "dead_letters_retention_ms", 14 * DAY_MS),
        compaction_lag: retention(r, "compaction_lag_ms", DAY_MS),
    }
}

fn retention(r: &mut Reader<'_>, key: &str, default: i64) -> Duration {
    millis(r.int(&["topics", key], default, 60_000..=MAX_RETENTION_MS))
}

/// A number of milliseconds that is not below zero.
pub fn millis(ms: i64) -> Duration {
    Duration::from_millis(ms.unsigned_abs())
}

/// Which generation of the application runs.
pub fn generation(r: &mut Reader<'_>) -> u32 {
    r.int(&["application", "generation"], 1, 1..=i64::from(Generation::MAX)) as u32
}

/// The schema registry. Its URL may hold a password: it is shown without.
pub fn registry(r: &mut Reader<'_>) -> RegistrySettings {
    let limit = "must be an http:// or https:// URL without spaces";
    let read = |s: &Setting| {
        let rest = s.text.strip_prefix("http://").or_else(|| s.text.strip_prefix("https://"));
        let fits = s.text.is_empty() || rest.is_some_and(|t| !t.is_empty() && !t.contains(char::is_whitespace));
        let typed = matches!(s.kind, Kind::Text | Kind::Untyped);
        if typed && fits { Ok(s.text.trim_end_matches('/').to_owned()) } else { Err(limit.to_owned()) }
    };
    let url = r.value(&["registry", "url"], String::new(), read, |url| without_password(url));
    RegistrySettings { url: Some(url).filter(|u| !u.is_empty()) }
}

/// A URL as it may be shown: without what stands before its host.
pub fn without_password(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit_once('@').map_or(host.to_owned(), |(_, host)| format!("<redacted>@{host}"));
    Some(quoted(&format!("{scheme}://{host}{path}")))
}

/// Worker threads.
pub fn workers(r: &mut Reader<'_>) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as i64);
    r.int(&["worker", "count"], cores.min(1024), 1..=1024) as usize
}

/// Bounds of a batch.
pub fn batch(r: &mut Reader<'_>) -> BatchSettings {
    BatchSettings {
        max_records: r.int(&["batch", "max_records"], 1000, 1..=1_000_000) as usize,
        max_bytes: r.size(&["batch", "max_bytes"], 4 << 20, 1 << 10..=1 << 30) as usize,
        max_age: millis(r.int(&["batch", "max_age_ms"], 50, 1..=10_000)),
        min_interval: millis(r.int(&["batch", "min_interval_ms"], 10, 0..=10_000)),
    }
}

/// How long a partition without records waits until it is given a tick; `None`: none is given.
pub fn tick_after(r: &mut Reader<'_>) -> Option<Duration> {
    r.int_opt(&["tick", "after_ms"], 1_000..=DAY_MS).map(millis)
}

/// Logs.
pub fn log(r: &mut Reader<'_>) -> LogSettings {
    let format = r.word(&["log", "format"], LogFormat::Text, &[("text", LogFormat::Text), ("json", LogFormat::Json)]);
    let filter = r.text(&["log", "level"], "info".to_owned(), |t| {
        let fits = !t.is_empty() && check_filter(t).is_ok();
        if fits { Ok(()) } else { Err("must be error, warn, info, debug or trace, or a list as info,rekindle=debug") }
    });
    LogSettings { format, filter }
}
