//! A long run of two instances under steady load, with one fault after the other, each of which ends by itself: whether
//! what the processes hold stays level. Then everything published is verified, as in any round.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rekindle::engine::EngineSettings;
use rekindle::model::time::Millis;

use crate::load::Load;
use crate::run::Run;
use crate::stage::Stage;
use crate::support::clients::alter_topic;
use crate::support::proxy::Way;
use crate::watch::{Watch, judge};

/// A session is forgotten after so long, so that as many come as go.
const RETENTION: Millis = Millis(60_000);
/// How long a suggestion holds: for as long it is kept.
const VALID: Millis = Millis(30_000);
/// Being fenced twice in a minute is taken for another process with the same id, so no instance is a zombie that often.
const BETWEEN_ZOMBIES: Duration = Duration::from_secs(75);

/// By then an instance has ended what a killed broker forgot, and said so if it was asked to stop meanwhile.
const FORGOTTEN: Duration = Duration::from_secs(75);

/// A state topic that is compacted within the minute.
const COMPACTED_SOON: [(&str, &str); 5] = [
    ("cleanup.policy", "compact"),
    ("max.compaction.lag.ms", "15000"),
    ("min.cleanable.dirty.ratio", "0.01"),
    ("segment.bytes", "1048576"),
    ("segment.ms", "15000"),
];

struct Soak<'s, 'b> {
    stage: &'s mut Stage<'b>,
    watch: &'s Watch,
    runs: BTreeMap<&'static str, Run>,
    zombies: BTreeMap<&'static str, Instant>,
    /// When the broker was bounced last.
    bounced: Option<Instant>,
}

type Fault = fn(&mut Soak<'_, '_>) -> String;

const FAULTS: [(&str, Fault); 6] = [
    ("kill", |soak| soak.replace(Run::kill)),
    ("term", |soak| soak.term()),
    ("zombie", |soak| soak.zombie()),
    ("bounce", |soak| soak.bounce()),
    ("black-hole", |soak| soak.way(Way::BlackHole)),
    ("slow-broker", |soak| {
        let delay = 10 + soak.stage.dice.below(100);
        soak.way(Way::Slow(Duration::from_millis(delay)))
    }),
];

/// Says what was seen, or what is not level.
pub fn soak(mut stage: Stage<'_>, minutes: u64) -> Result<String, String> {
    stage.load.stop();
    let mut policy = stage.settings.engine.policy.clone();
    policy.valid_for = VALID;
    let engine = EngineSettings {
        idle_timeout: RETENTION,
        retention: RETENTION,
        erasure_marker: RETENTION,
        policy,
        ..(*stage.settings.engine).clone()
    };
    stage.settings.engine = engine.into();
    stage.settings.kafka.properties.insert("socket.timeout.ms".to_owned(), "3000".to_owned());
    stage.proxied = true;
    // What is restored is to stay level too: else a restore reads ahead of ever more.
    for (_, topic) in stage.settings.topics.state() {
        alter_topic(&stage.settings.kafka.brokers, topic, &COMPACTED_SOON);
    }
    let topic = stage.settings.topics.events.clone();
    stage.load = Load::of_new_sessions(&stage.settings.kafka.brokers, &topic, stage.dice.below(1 << 20));
    let watch = Watch::start();
    let begun = Instant::now();
    let (until, runs) = (begun + Duration::from_secs(60 * minutes), ["a", "b"].map(|name| (name, stage.start(name))));
    runs.iter().for_each(|(name, run)| watch.follow(name, run.pid()));
    let mut soak =
        Soak { stage: &mut stage, watch: &watch, runs: runs.into(), zombies: BTreeMap::new(), bounced: None };
    let mut counts = BTreeMap::<_, usize>::new();
    soak.stage.until_more(1000);
    while Instant::now() < until {
        let (name, fault) = FAULTS[soak.stage.dice.below(FAULTS.len() as u64) as usize];
        let said = fault(&mut soak);
        println!("{:5} s {name}: {said}", begun.elapsed().as_secs());
        *counts.entry(name).or_default() += 1;
        soak.stage.until_more(300);
        for (name, run) in &mut soak.runs {
            assert_eq!(run.ended(), None, "{name} ended by itself:\n{}", run.text());
        }
        soak.stage.moment(6000);
    }
    let runs: Vec<Run> = soak.runs.into_values().collect();
    let mut faults = Vec::new();
    for (name, samples) in watch.stop() {
        let (figures, risen) = judge(&samples);
        figures.iter().for_each(|line| println!("{name}: {line}"));
        faults.extend(risen.iter().map(|fault| format!("{name}: {fault}")));
    }
    let facts = stage.finish(runs);
    match faults.is_empty() {
        true => Ok(format!("{facts}; faults: {counts:?}; level, and verified")),
        false => Err(faults.join("; ")),
    }
}

impl Soak<'_, '_> {
    /// Stops `b` as an operator does. Soon after a broker was killed it may be waiting for what that forgot.
    fn term(&mut self) -> String {
        let mut ended = true;
        let said = self.replace(|run| ended = run.stop_or_give_up());
        let bounced = self.bounced.is_some_and(|at| at.elapsed() < FORGOTTEN);
        assert!(ended || bounced, "it gave the last batch up, and no broker was killed lately");
        if ended { said } else { format!("{said}, which gave the last batch up") }
    }

    /// Ends `b`, and starts it again after a moment; `a` lives from the beginning to the end.
    fn replace(&mut self, end: impl FnOnce(Run)) -> String {
        self.runs.remove("b").map(end);
        self.stage.moment(4000);
        let run = self.stage.start("b");
        self.watch.follow("b", run.pid());
        self.runs.insert("b", run);
        "b".to_owned()
    }

    /// Stops one until the other has what it owned, then continues it.
    fn zombie(&mut self) -> String {
        let name = ["a", "b"][self.stage.dice.below(2) as usize];
        if self.zombies.get(name).is_some_and(|at| at.elapsed() < BETWEEN_ZOMBIES) {
            return format!("not so soon again: {name}");
        }
        let run = self.runs.get_mut(name).expect("it runs");
        let revoked = run.said("revoked");
        if run.said("assigned") == revoked {
            return format!("{name} owned nothing");
        }
        run.signal("STOP");
        run.until_stopped();
        self.stage.until_sent_more(300);
        self.stage.until_caught_up();
        run.signal("CONT");
        run.until_said("revoked", revoked + 1);
        self.zombies.insert(name, Instant::now());
        name.to_owned()
    }

    fn bounce(&mut self) -> String {
        let signal = ["KILL", "TERM"][self.stage.dice.below(2) as usize];
        self.stage.broker.end(signal);
        self.stage.moment(4000);
        self.stage.broker.begin();
        self.stage.broker.wait();
        self.bounced = Some(Instant::now());
        format!("SIG{signal}")
    }

    fn way(&mut self, way: Way) -> String {
        self.stage.broker.proxy.set(way);
        self.stage.moment(6000);
        let struck = self.stage.broker.proxy.set(Way::Open);
        format!("{way:?} met {struck} times")
    }
}
