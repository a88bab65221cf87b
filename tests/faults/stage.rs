//! What a round has at hand: the broker, topics of its own, load, dice, and the check at the end.

use std::path::PathBuf;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::OwnedMessage;
use rekindle::runtime::settings::RuntimeSettings;

use crate::load::Load;
use crate::protocol::Protocol;
use crate::run::Run;
use crate::support::clients::{committed, create_topics, eventually, set_offsets, settings, unique};
use crate::support::cluster::{Cluster, SIZE};
use crate::support::events::Dice;
use crate::support::oracle::{assert_same, assert_verified, published, replayed_after};
use crate::support::own_broker::OwnBroker;

const PARTITIONS: i32 = 3;

/// One round's surroundings.
pub struct Stage<'a> {
    /// The broker.
    pub broker: &'a mut OwnBroker,
    /// Of every instance but for its ids. Tests reach the broker without detours.
    pub settings: RuntimeSettings,
    /// Of the group.
    pub protocol: Protocol,
    /// Whether the service's clients go through the proxy.
    pub proxied: bool,
    /// Every choice of the round.
    pub dice: Dice,
    /// What is being sent.
    pub load: Load,
    /// Whether state may be refused: the round damages it. See [`Self::refused`].
    pub may_refuse: bool,
    /// Records of the input that the round deleted, by partition.
    pub deleted: Vec<Vec<OwnedMessage>>,
    cluster: Option<Cluster>,
    seed: u64,
    folder: PathBuf,
    runs: usize,
}

/// Where the logs of a round are while it runs, and afterwards if it failed.
pub fn folder(kind: &str, seed: u64) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("faults").join(format!("{kind}-{seed}"))
}

impl<'a> Stage<'a> {
    /// Creates topics and begins to send.
    pub fn new(broker: &'a mut OwnBroker, kind: &str, seed: u64, protocol: Protocol) -> Stage<'a> {
        let folder = folder(kind, seed);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder for logs");
        let mut dice = Dice::new(seed);
        let mut settings = settings(&broker.addresses, &unique(kind), PARTITIONS);
        settings.workers = 1 + dice.below(2) as usize;
        let properties = protocol.properties().iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        settings.kafka.properties = properties.collect();
        create_topics(&settings);
        let load = Load::start(&broker.addresses, &settings.topics.events, seed);
        Stage {
            broker,
            settings,
            protocol,
            proxied: false,
            dice,
            load,
            may_refuse: false,
            deleted: Vec::new(),
            cluster: None,
            seed,
            folder,
            runs: 0,
        }
    }

    /// Goes on with other brokers from the beginning: nothing was started yet.
    pub fn move_to(&mut self, cluster: Cluster) -> &mut Cluster {
        self.load.stop();
        self.drop_topics();
        self.settings.kafka.brokers.clone_from(&cluster.addresses);
        self.settings.topics.replication = Some(SIZE as i32);
        create_topics(&self.settings);
        self.load = Load::start(&self.settings.kafka.brokers, &self.settings.topics.events, self.seed);
        self.cluster.insert(cluster)
    }

    /// The brokers it moved to.
    pub fn cluster(&mut self) -> &mut Cluster {
        self.cluster.as_mut().expect("moved")
    }

    /// The settings of the instance `name`.
    pub fn settings_of(&self, name: &str) -> RuntimeSettings {
        let mut settings = self.settings.clone();
        settings.kafka.instance_id = format!("{}-{name}", settings.kafka.group_id);
        settings.kafka.transactional_id = settings.kafka.instance_id.clone();
        if self.proxied {
            settings.kafka.brokers = format!("127.0.0.1:{}", self.broker.proxy.port);
        }
        settings
    }

    /// Starts the instance `name`.
    pub fn start(&mut self, name: &str) -> Run {
        self.start_with(&self.settings_of(name), &[], None)
    }

    /// Starts the instance `name` with a fail point.
    pub fn start_failing(&mut self, name: &str, point: &str) -> Run {
        self.start_with(&self.settings_of(name), &[], Some(point))
    }

    /// Starts an instance that holds at a pass of `point`, with further fail points by that pass, and the file to remove
    /// to let it go on.
    pub fn start_holding(
        &mut self,
        settings: &RuntimeSettings,
        point: &str,
        then: impl FnOnce(u64) -> String,
    ) -> (Run, PathBuf) {
        let mark = self.path("holds");
        let pass = 5 + self.dice.below(30);
        let points = format!("{point} {pass} hold {}{}", mark.display(), then(pass));
        let run = self.start_with(settings, &[], Some(&points));
        eventually("it holds", || mark.exists(), |holds| *holds);
        (run, mark)
    }

    /// Starts an instance.
    pub fn start_with(&mut self, settings: &RuntimeSettings, arguments: &[&str], point: Option<&str>) -> Run {
        let name = settings.kafka.instance_id.rsplit('-').next().unwrap_or_default();
        self.runs += 1;
        let log = self.folder.join(format!("{}-{name}.log", self.runs));
        Run::start(settings, log, arguments, point)
    }

    /// A file of the round's own that does not exist yet.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The group's offsets.
    pub fn offsets(&self) -> Vec<i64> {
        let (kafka, topics) = (&self.settings.kafka, &self.settings.topics);
        let found = committed(&kafka.brokers, &kafka.group_id, &topics.events, topics.partitions);
        found.into_iter().map(|offset| offset.unwrap_or(0)).collect()
    }

    /// One of the topics that hold state, by the dice.
    pub fn any_state_topic(&mut self) -> String {
        let state = self.settings.topics.state();
        state[self.dice.below(state.len() as u64) as usize].1.to_owned()
    }

    /// Sets them, while nobody works.
    pub fn set_offsets(&self, offsets: &[i64]) {
        let (kafka, topics) = (&self.settings.kafka, &self.settings.topics);
        set_offsets(&kafka.brokers, &kafka.group_id, &topics.events, offsets);
    }

    /// Records of the input that are committed.
    pub fn consumed(&self) -> i64 {
        self.offsets().iter().sum()
    }

    /// Waits until so many more are.
    pub fn until_more(&self, records: i64) {
        let before = self.consumed();
        self.until("more is committed", || self.consumed(), |now| *now >= before + records);
    }

    /// Waits until so many more events are sent.
    pub fn until_sent_more(&self, events: i64) {
        let before = self.load.sent();
        eventually("more is sent", || self.load.sent(), |now| *now >= before + events);
    }

    /// Waits until everything is committed that was sent before this call.
    pub fn until_caught_up(&self) {
        let ends = self.ends();
        let there = |now: &Vec<i64>| now.iter().zip(&ends).all(|(offset, end)| offset >= end);
        self.until(&format!("committed up to {ends:?}"), || self.offsets(), there);
    }

    /// Waits until something is so, in vain if state is refused meanwhile.
    pub fn until<T: std::fmt::Debug>(&self, what: &str, state: impl Fn() -> T, so: impl Fn(&T) -> bool) {
        let refused_or = |seen: &(T, Option<String>)| seen.1.is_some() || so(&seen.0);
        let (_, refused) = eventually(what, || (state(), self.refused()), refused_or);
        assert_eq!(refused, None, "nothing was done to the state");
    }

    /// What an instance said when it refused the state that it restored. A fault may delay a restore, but what was
    /// committed fits together at every moment: to ask the operator for a rebuild is wrong even if the next attempt
    /// succeeds. Only a round that damages the state, or has it rebuilt, may see this.
    pub fn refused(&self) -> Option<String> {
        if self.may_refuse || self.settings.generation.number > 1 {
            return None;
        }
        let passing = ["cannot publish to", "the group dropped this member"];
        let refused = |line: &&str| line.contains("partition stopped") && !passing.iter().any(|p| line.contains(p));
        let logs = std::fs::read_dir(&self.folder).expect("its folder").map(|entry| entry.expect("an entry").path());
        logs.filter(|path| path.extension().is_some_and(|extension| extension == "log")).find_map(|log| {
            let text = std::fs::read(&log).expect("a log");
            String::from_utf8_lossy(&text).lines().find(refused).map(str::to_owned)
        })
    }

    /// Where each partition of the input ends.
    pub fn ends(&self) -> Vec<i64> {
        let consumer: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", &self.settings.kafka.brokers).create().expect("consumer");
        let end = |partition| {
            let ask = || consumer.fetch_watermarks(&self.settings.topics.events, partition, Duration::from_secs(5));
            eventually("the input's end", ask, Result::is_ok).expect("just seen").1
        };
        (0..self.settings.topics.partitions).map(end).collect()
    }

    /// A random moment of so many milliseconds. Not to wait for anything: the moment is the test.
    pub fn moment(&mut self, below_ms: u64) {
        std::thread::sleep(Duration::from_millis(self.dice.below(below_ms)));
    }

    /// Lets the service finish, and checks everything it ever published. Once in two also after a cold start.
    pub fn finish(mut self, mut runs: Vec<Run>) -> String {
        if runs.is_empty() {
            runs.push(self.start("a"));
        }
        let sent = self.load.stop();
        self.until_caught_up();
        runs.into_iter().for_each(Run::stop);
        assert_eq!(self.refused(), None, "nothing was done to the state");
        self.verify();
        if self.dice.below(2) == 0 {
            let again = self.start("a");
            let seed = self.dice.below(1 << 20);
            self.load = Load::start(&self.settings.kafka.brokers, &self.settings.topics.events, seed);
            self.until_more(20);
            self.load.stop();
            self.until_caught_up();
            again.stop();
            self.verify();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
        self.drop_topics();
        format!("{sent} events")
    }

    /// States, vectors, bookkeeping, suggestions and dead letters are those of a pure replay, and the group stands at
    /// the end of the input. There are two judges, who share the engine but neither clients nor comparison: the second
    /// is the one that users have, and whatever the first finds wrong it may not call right.
    pub fn verify(&self) {
        assert_eq!(self.offsets(), self.ends(), "the group stands at the end");
        assert_same(&published(&self.settings), &replayed_after(&self.settings, &self.deleted));
        if self.deleted.is_empty() {
            assert_verified(&self.settings);
            return;
        }
        let (code, text) = crate::instance::verify(&self.settings, &[]);
        assert!(code == Some(3) && text.contains("not provable before offset"), "{code:?}: {text}");
    }

    /// So that a long run does not fill the disk.
    fn drop_topics(&self) {
        let t = &self.settings.topics;
        let names = [&t.events, &t.states, &t.vectors, &t.bookkeeping, &t.recovery, &t.transfer, &t.dead_letters];
        let admin: AdminClient<_> =
            ClientConfig::new().set("bootstrap.servers", &self.settings.kafka.brokers).create().expect("admin");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let names = names.map(String::as_str);
        // What is left is gone with the broker.
        let _ = runtime.block_on(admin.delete_topics(&names, &AdminOptions::new()));
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        self.broker.proxy.set(crate::support::proxy::Way::Open);
        self.broker.revive();
        self.load.stop_quietly();
    }
}
