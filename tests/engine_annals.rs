//! What the engine remembers of how the log was judged: decisions and history, over restarts, until the records
//! they speak of must have left the log.

use std::collections::BTreeMap;
use std::sync::Arc;

use rekindle::engine::{Annals, Effects, Engine, EngineSettings, OutValue, Record, Restoring, StateTopic, Topic};
use rekindle::model::bookkeeping::Ruling;
use rekindle::model::position::{Offset, PartitionId, Position};
use rekindle::model::time::Millis;
use rekindle::model::verdict::{RejectReason, Rejection, Verdict};

const BASE: i64 = 1_762_340_000_000;
const DAY: i64 = 86_400_000;

/// An engine with what it published, restored now and then.
struct Partition {
    settings: Arc<EngineSettings>,
    engine: Engine,
    topics: BTreeMap<(Topic, Vec<u8>), Vec<u8>>,
    letters: Vec<(String, String)>,
    suggestions: usize,
    next: i64,
}

impl Partition {
    fn new(settings: EngineSettings) -> Partition {
        let settings = Arc::new(settings);
        let engine = Engine::new(Arc::clone(&settings), PartitionId(0), 1);
        Partition { settings, engine, topics: BTreeMap::new(), letters: Vec::new(), suggestions: 0, next: 0 }
    }

    fn at(&self) -> Position {
        Position { partition: PartitionId(0), offset: Offset(self.next) }
    }

    fn step<T>(&mut self, value: &[u8], act: impl FnOnce(&mut Engine, Record<'_>, &mut Effects) -> T) -> T {
        let position = self.at();
        self.next += 1;
        let record =
            Record { position, timestamp: None, key: None, value: Some(value), traceparent: None, writer: None };
        let mut effects = Effects::new();
        let said = act(&mut self.engine, record, &mut effects);
        self.commit(effects);
        said
    }

    fn commit(&mut self, mut effects: Effects) {
        self.engine.seal(Offset(self.next), &mut effects);
        for record in effects.records() {
            let key = record.key.unwrap_or_default().to_vec();
            match (&record.topic, &record.value) {
                (Topic::DeadLetters, _) => {
                    let header = |n: usize| String::from_utf8(record.headers[n].1.clone()).unwrap();
                    self.letters.push((header(2), header(3)));
                }
                (Topic::Recovery | Topic::Transfer, _) => self.suggestions += 1,
                (topic, OutValue::Avro(body)) => drop(self.topics.insert((*topic, key), body.to_vec())),
                (topic, _) => drop(self.topics.remove(&(*topic, key))),
            }
        }
    }

    fn event(&mut self, at: i64, session: &str, body: &str) -> Verdict {
        let n = self.next;
        let text = format!(
            r#"{{"event_id":"e-{n}","tenant_id":"acme","session_id":"{session}","user_id":"u","occurred_at":{at},{body}}}"#
        );
        self.step(text.as_bytes(), |engine, record, effects| engine.process(record, effects))
    }

    fn started(&mut self, at: i64) -> Verdict {
        self.event(at, "s", r#""type":"session_started""#)
    }

    fn refuse(&mut self, reason: RejectReason) -> Verdict {
        let rejection = Rejection::new(reason, "because");
        self.step(b"?", |engine, record, effects| engine.refuse(record, rejection, effects))
    }

    fn resolved(&mut self, id: u32, text: Option<&str>) {
        let at = self.at();
        self.step(b"framed", |engine, record, effects| {
            engine.resolved(at, id, text, effects);
            engine.process(record, effects);
        });
    }

    fn restart(&mut self) {
        self.restart_with((*self.settings).clone());
    }

    fn restart_with(&mut self, settings: EngineSettings) {
        self.settings = Arc::new(settings);
        let mut restoring = Restoring::new(Arc::clone(&self.settings), PartitionId(0), 1);
        for ((topic, key), body) in &self.topics {
            let topic = match topic {
                Topic::States => StateTopic::States,
                Topic::Vectors => StateTopic::Vectors,
                _ => StateTopic::Bookkeeping,
            };
            restoring.apply(topic, key, Some(body));
        }
        self.engine = restoring.finish(Some(Offset(self.next))).expect("what was published restores").0;
    }

    /// What a stranger reads in the topic.
    fn annals(&self) -> Annals {
        let mut annals = Annals::default();
        for ((topic, key), body) in &self.topics {
            if *topic == Topic::Bookkeeping {
                annals.read(key, body).expect("readable");
            }
        }
        annals
    }

    fn rows(&self, kind: &str) -> Vec<String> {
        let keys = self.topics.keys().map(|(_, key)| String::from_utf8_lossy(key).into_owned());
        let of_kind = keys.filter_map(|key| Some(key.strip_prefix(kind)?.trim_start_matches('0').to_owned()));
        of_kind.map(|n| if n.is_empty() { "0".to_owned() } else { n }).collect()
    }
}

fn settings() -> EngineSettings {
    EngineSettings {
        retention: Millis(2 * DAY),
        erasure_marker: Millis(2 * DAY),
        log_retention: Millis(4 * DAY),
        ..EngineSettings::default()
    }
}

#[test]
fn a_record_that_was_refused_is_remembered_over_restarts() {
    let mut partition = Partition::new(settings());
    partition.started(BASE);
    assert_eq!(partition.refuse(RejectReason::Poison), Verdict::Rejected(RejectReason::Poison));
    partition.restart();
    assert_eq!(partition.refuse(RejectReason::Skipped), Verdict::Rejected(RejectReason::Skipped));
    partition.restart();
    partition.started(BASE + 1);
    assert_eq!(partition.letters, [("1".into(), "poison".into()), ("2".into(), "skipped".into())]);
    for annals in [partition.annals(), partition.engine.annals().clone()] {
        let said = |n| annals.dead_lettered(Offset(n)).map(|r| (r.reason, r.message.as_str()));
        let expected = [None, Some((RejectReason::Poison, "because")), Some((RejectReason::Skipped, "because")), None];
        assert_eq!([said(0), said(1), said(2), said(3)], expected);
    }
}

#[test]
fn what_a_schema_id_stood_for_is_remembered_where_it_changed() {
    let mut partition = Partition::new(settings());
    partition.resolved(7, None);
    partition.started(BASE);
    partition.resolved(7, None);
    partition.resolved(8, Some("eight"));
    partition.restart();
    partition.resolved(7, Some("seven"));
    partition.resolved(8, Some("eight"));
    partition.resolved(7, Some("seven"));
    partition.resolved(7, None);
    assert_eq!(partition.rows("decision/"), ["0", "3", "4", "7"]);
    let annals = partition.annals();
    let said = |id, n| annals.schema(id, Offset(n)).map(|text| text.map(|text| text.to_string()));
    let (seven, eight) = (Some(Some("seven".to_owned())), Some(Some("eight".to_owned())));
    let cases = [(7, 0, Some(None)), (7, 3, Some(None)), (7, 4, seven.clone()), (7, 6, seven), (7, 9, Some(None))];
    for (id, n, expected) in
        cases.into_iter().chain([(8, 2, None), (8, 3, eight.clone()), (8, 99, eight), (9, 9, None)])
    {
        assert_eq!(said(id, n), expected, "id {id} at {n}");
    }
}

#[test]
fn garbage_that_names_ever_new_ids_fills_nothing() {
    let mut partition = Partition::new(settings());
    (0..1500).for_each(|id| partition.resolved(id, None));
    assert_eq!(partition.rows("decision/").len(), 1000);
    partition.resolved(2000, Some("good"));
    assert_eq!(partition.rows("decision/").len(), 1001);
}

#[test]
fn decisions_go_when_their_records_must_be_gone_and_not_while_they_are_used() {
    let mut partition = Partition::new(settings());
    // Made before there is any stream time, and dated with the first.
    partition.refuse(RejectReason::Skipped);
    partition.started(BASE);
    partition.resolved(7, Some("seven"));
    partition.resolved(8, Some("eight"));
    for day in 1..=7 {
        partition.started(BASE + day * DAY);
        partition.resolved(7, Some("seven"));
        partition.restart();
    }
    assert_eq!(partition.rows("decision/"), ["0", "2", "3"]);
    partition.started(BASE + 8 * DAY - 1);
    assert_eq!(partition.rows("decision/"), ["0", "2", "3"], "twice the log's retention is not over");
    partition.started(BASE + 8 * DAY);
    assert_eq!(partition.rows("decision/"), ["2"], "what was used yesterday stays");
    partition.started(BASE + 15 * DAY);
    assert_eq!(partition.rows("decision/"), [""; 0]);
    partition.restart();
}

#[test]
fn new_settings_are_written_down_with_their_first_offset() {
    let first = settings();
    let mut second = settings();
    second.policy.floor = 0.1 + 0.2;
    let mut third = second.clone();
    third.output = rekindle::engine::OutputFormat::Json;
    let mut partition = Partition::new(first.clone());
    partition.started(BASE);
    partition.restart();
    partition.started(BASE + 1);
    partition.restart_with(second.clone());
    partition.restart_with(second.clone());
    partition.started(BASE + 2);
    partition.started(BASE + 3);
    partition.restart_with(third.clone());
    partition.refuse(RejectReason::Poison);
    assert_eq!(partition.rows("history/"), ["0", "2", "4"]);
    let annals = partition.annals();
    let at = |n| annals.settings(Offset(n)).expect("known").expect("readable");
    assert_eq!(
        [at(0), at(1), at(2), at(3), at(4), at(99)],
        [first.clone(), first, second.clone(), second, third.clone(), third.clone(),]
    );
    let policies: Vec<_> = annals.history().map(|entry| entry.policy.clone()).collect();
    assert!(policies[0] != policies[1] && policies[1] == policies[2], "the form of outputs is no policy");
    assert_eq!(annals.settings(Offset(-1)), None);

    // What was superseded goes with the records it speaks of; what holds stays.
    partition.started(BASE + 9 * DAY);
    assert_eq!(partition.rows("history/"), ["4"]);
    partition.started(BASE + 99 * DAY);
    assert_eq!(partition.rows("history/"), ["4"]);
}

#[test]
fn a_rebuilt_partition_is_silent_until_what_was_published_and_repeats_decisions() {
    let records = |partition: &mut Partition, numbers: std::ops::Range<i64>| {
        for n in numbers {
            let (at, session) = (BASE + n, format!("s-{}", n / 4));
            let turn = r#""type":"turn_completed","turn":1,"input_tokens":100,"output_tokens":20"#;
            let verdict = match n % 4 {
                0 => partition.event(at, &session, r#""type":"session_started""#),
                1 => partition.event(at, &session, turn),
                2 => partition.event(at, &session, r#""type":"session_interrupted","reason":"timeout""#),
                _ => partition.refuse(RejectReason::Poison),
            };
            assert!(matches!(verdict, Verdict::Applied | Verdict::Rejected(RejectReason::Poison)), "{verdict:?}");
        }
    };
    let mut old = Partition::new(settings());
    records(&mut old, 0..6);
    let below = (old.suggestions, old.letters.len());
    records(&mut old, 6..16);
    assert!(below.0 > 0 && below.1 > 0 && old.suggestions > below.0);

    let mut new = Partition::new(settings());
    let mut effects = Effects::new();
    let decisions: Vec<_> = old.annals().decisions().cloned().collect();
    assert!(decisions.iter().all(|d| matches!(d.ruling, Ruling::DeadLettered(_))) && decisions.len() == 4);
    new.engine.rebuild(Offset(6), decisions, &mut effects);
    new.commit(effects);
    new.restart();
    assert_eq!(new.rows("rebuild"), ["0"]);
    assert!(new.engine.annals().dead_lettered(Offset(15)).is_some(), "decisions are there beforehand");
    records(&mut new, 0..6);
    assert_eq!((new.suggestions, new.letters.len()), (0, 0));
    new.restart();
    records(&mut new, 6..16);
    assert_eq!(new.rows("rebuild"), [""; 0], "over when it publishes again");
    assert_eq!(new.suggestions + below.0, old.suggestions);
    assert_eq!(new.letters[..], old.letters[below.1..]);
    assert_eq!(new.topics, old.topics, "and the state is the same, byte for byte");
}
