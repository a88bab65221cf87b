//! Says in the topic of owners what this instance owns, and reads there what others do. On a thread of its own, with
//! clients of its own: no worker waits for it, and no transaction knows of it.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::board::{Board, Phase, read, write};
use super::owners::{Claim, Held, Table, key, partition_of};
use super::shard::Shared;
use super::shards::GuestLists;
use crate::http::settings::BaseUrl;
use crate::kafka::appender::Appender;
use crate::kafka::follower::{Followed, Follower, ONLY};
use crate::kafka::settings::KafkaSettings;
use crate::model::position::PartitionId;
use crate::telemetry::wall_clock;

/// Between two looks at what is owned, while nothing is read.
const LOOK: Duration = Duration::from_millis(100);
/// How long a record may take until it is read back; then it is said again.
const READ_BACK: Duration = Duration::from_secs(5);
/// How long the last words may take.
const LAST_WORDS: Duration = Duration::from_millis(1500);
/// Pause before clients are made again that could not be.
const AGAIN: Duration = Duration::from_secs(1);

/// What is known of owners, shared with whoever asks.
pub(super) type Owners = Arc<RwLock<Table>>;

/// A table for an instance that is reached there.
pub(super) fn owners(kafka: &KafkaSettings, url: &BaseUrl) -> Owners {
    Arc::new(RwLock::new(Table::new(kafka.instance_id.clone(), url.clone())))
}

/// Begins; ends when the service stops, after the last words.
pub(super) fn start(shared: &Arc<Shared>, owners: Owners) -> std::io::Result<JoinHandle<()>> {
    let shared = Arc::clone(shared);
    let run = move || {
        let herald = Herald {
            shared,
            owners,
            appender: None,
            on_its_way: BTreeMap::new(),
            lists: GuestLists::default(),
            at_end: false,
        };
        herald.run();
    };
    std::thread::Builder::new().name("owners".to_owned()).spawn(run)
}

struct Herald {
    shared: Arc<Shared>,
    owners: Owners,
    /// Made with the first word, and given up with one that fails.
    appender: Option<Appender>,
    /// Written, and not read back yet.
    on_its_way: BTreeMap<PartitionId, (Claim, Instant)>,
    lists: GuestLists,
    /// Whether everything was read that was there at the start.
    at_end: bool,
}

impl Herald {
    fn run(mut self) {
        let (kafka, topic) = (&self.shared.settings.kafka, &self.shared.settings.topics.owners);
        let Some(follower) = until_stopped(&self.shared, || Follower::open(kafka, topic)) else { return };
        while !self.shared.stop.requested() {
            self.hear(&follower);
            self.look_after_words();
            if self.at_end {
                // Read first, then looked: what is owned after a later owner was heard is owned by us.
                self.lists.look(&self.shared.board);
                let held = held(&self.shared.board, &self.lists);
                let unsaid = read(&self.owners).unsaid(&held, wall_clock().0);
                self.say(unsaid);
            }
        }
        self.take_leave();
    }

    /// Reads what there is, waiting a little.
    fn hear(&mut self, follower: &Follower) {
        let mut wait = LOOK;
        while !self.shared.stop.requested() {
            match follower.next(std::mem::take(&mut wait)) {
                Ok(Some(Followed::Record(key, value))) => self.note(&key, value.as_deref()),
                Ok(Some(Followed::End)) => {
                    self.at_end = true;
                    write(&self.owners).whole = true;
                }
                Ok(None) => return,
                Err(error) => {
                    tracing::debug!(%error, "following the owners");
                    return;
                }
            }
        }
    }

    fn note(&mut self, key: &[u8], value: Option<&[u8]>) {
        let Some(partition) = partition_of(&self.shared.settings.kafka.group_id, key) else { return };
        let said = Claim::read(value);
        if self.on_its_way.get(&partition).is_some_and(|(claim, _)| said.as_ref() == Some(claim)) {
            self.on_its_way.remove(&partition);
        }
        write(&self.owners).see(partition, said);
    }

    /// What could not be written is said again.
    fn look_after_words(&mut self) {
        let appended = self.appender.iter().flat_map(Appender::appended);
        if let Some(cause) = appended.filter_map(|appended| appended.fault).next() {
            tracing::warn!(%cause, "who owns a partition could not be written");
            self.appender = None;
            self.on_its_way.clear();
        }
        self.on_its_way.retain(|_, (_, since)| since.elapsed() < READ_BACK);
    }

    fn say(&mut self, unsaid: Vec<(PartitionId, Claim)>) {
        for (partition, claim) in unsaid {
            if self.on_its_way.contains_key(&partition) {
                continue;
            }
            match self.append(partition, &claim) {
                Ok(()) => {
                    tracing::debug!(partition = partition.0, ?claim, "says who owns a partition");
                }
                Err(error) => tracing::warn!(partition = partition.0, %error, "who owns it could not be written"),
            }
            // After a fault, too: it is not tried without a pause.
            self.on_its_way.insert(partition, (claim, Instant::now()));
        }
    }

    fn append(&mut self, partition: PartitionId, claim: &Claim) -> Result<(), rdkafka::error::KafkaError> {
        let settings = &self.shared.settings;
        let appender = match &mut self.appender {
            Some(appender) => appender,
            none => none.insert(Appender::new(&settings.kafka)?),
        };
        let key = key(&settings.kafka.group_id, partition);
        appender.append(&settings.topics.owners, ONLY, key.as_bytes(), &claim.to_json())
    }

    /// Says that nothing is owned any more, so that nobody is sent here.
    fn take_leave(&mut self) {
        let mut table = write(&self.owners);
        for (partition, (claim, _)) in std::mem::take(&mut self.on_its_way) {
            table.see(partition, Some(claim));
        }
        let withdrawn = table.withdrawn(wall_clock().0, |_| true);
        drop(table);
        let mut left = withdrawn.len();
        self.say(withdrawn);
        let until = Instant::now() + LAST_WORDS;
        while let Some(appender) = self.appender.as_ref().filter(|_| left > 0 && Instant::now() < until) {
            left = left.saturating_sub(appender.appended_within(LOOK / 10).len());
        }
    }
}

/// Tries until it works; `None` if the service stops before.
fn until_stopped<T>(shared: &Shared, make: impl Fn() -> Result<T, rdkafka::error::KafkaError>) -> Option<T> {
    loop {
        match make() {
            Ok(made) => return Some(made),
            Err(error) => tracing::warn!(%error, "following the owners"),
        }
        let until = Instant::now() + AGAIN;
        while Instant::now() < until {
            if shared.stop.requested() {
                return None;
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// What this process holds, and what of it answers.
fn held(board: &Board, lists: &GuestLists) -> Vec<Held> {
    let held = board.slots().into_iter().map(|(partition, slot)| {
        let answers = matches!(slot.phase(), Phase::Running(_)) && slot.lease.holds(Instant::now());
        Held { partition, generation: slot.generation, answers, guests: lists.of(partition, &slot) }
    });
    held.collect()
}
