//! Faults under load: each round starts the service on a real broker, sends events, injects one fault at a moment that
//! the seed decides, shows that it struck, lets the service finish, and compares everything that was published with a
//! pure replay. A round whose fault did not strike is invalid: it is repeated, and never counts as passed.
//!
//!     cargo test --locked --test faults                          # a short part, as in every test run
//!     cargo test --locked --test faults -- --list                # the kinds
//!     cargo test --locked --test faults -- --minutes 30          # all kinds in turn
//!     cargo test --locked --test faults -- --soak --minutes 15   # two instances in one long run; what they hold is level
//!     cargo test --locked --test faults -- --kind kill --rounds 50 --seed 7
//!     cargo test --locked --test faults -- --kind zombie --rounds 8 --protocol consumer    # else both in turn

mod args;
#[path = "../support/instance.rs"]
mod instance;
mod kinds;
mod load;
mod odd;
mod protocol;
mod run;
mod soak;
mod stage;
#[path = "../support/mod.rs"]
mod support;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use args::Args;
use kinds::{Kind, Outcome};
use protocol::Protocol;
use stage::Stage;
use support::own_broker::OwnBroker;

/// How often a round is repeated whose fault did not strike.
const REPEATS: u64 = 2;

/// Rounds of one kind under one group protocol.
#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
    invalid: usize,
}

fn main() -> ExitCode {
    let args = match Args::parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(fault) => {
            eprintln!("{fault}");
            return ExitCode::from(2);
        }
    };
    if args.list {
        kinds::ALL.iter().for_each(|kind| println!("{:22} {}", kind.name, kind.says));
        return ExitCode::SUCCESS;
    }
    let chosen: Vec<&Kind> = kinds::ALL.iter().filter(|kind| args.wants(kind)).collect();
    if chosen.is_empty() {
        // As with any other test that a filter leaves out.
        println!("faults: no kind is chosen");
        return ExitCode::SUCCESS;
    }
    let mut broker = match OwnBroker::start() {
        Ok(broker) => broker,
        Err(fault) => {
            eprintln!("the fault suite needs `java` (17 or later) and `mvn` on the PATH: {fault}");
            return ExitCode::FAILURE;
        }
    };
    if args.soak {
        return soak(&args, &mut broker);
    }
    let tallies = rounds(&args, &chosen, &mut broker);
    let mut good = true;
    for ((kind, protocol), Tally { passed, failed, invalid }) in &tallies {
        println!("{kind:22} {:9} {passed} passed, {failed} failed, {invalid} invalid", protocol.name());
        good &= *failed == 0 && *passed > 0;
    }
    let total = |of: fn(&Tally) -> usize| tallies.values().map(of).sum::<usize>();
    println!(
        "{} kinds: {} passed, {} failed, {} invalid",
        tallies.keys().map(|(kind, _)| kind).collect::<BTreeSet<_>>().len(),
        total(|tally| tally.passed),
        total(|tally| tally.failed),
        total(|tally| tally.invalid)
    );
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Fifteen minutes, unless told otherwise.
fn soak(args: &Args, broker: &mut OwnBroker) -> ExitCode {
    watch::self_check();
    let protocol = args.protocol.unwrap_or(Protocol::of_round(args.seed, 1));
    println!("soak --seed {} --protocol {}", args.seed, protocol.name());
    let stage = Stage::new(broker, "soak", args.seed, protocol);
    match soak::soak(stage, args.minutes.unwrap_or(15)) {
        Ok(facts) => println!("passed: {facts}"),
        Err(fault) => {
            println!("FAILED, not level: {fault}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

type Tallies = BTreeMap<(&'static str, Protocol), Tally>;

fn rounds(args: &Args, chosen: &[&Kind], broker: &mut OwnBroker) -> Tallies {
    let deadline = args.minutes.map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
    let mut tallies = Tallies::new();
    for number in 0..args.rounds.unwrap_or(if deadline.is_some() { u64::MAX } else { chosen.len() as u64 }) {
        if deadline.is_some_and(|deadline| Instant::now() > deadline) {
            break;
        }
        let kind = chosen[number as usize % chosen.len()];
        let protocol = args.protocol.unwrap_or(Protocol::of_round(number, chosen.len() as u64));
        let tally = tallies.entry((kind.name, protocol)).or_default();
        for repeat in 0..=REPEATS {
            // A seed of its own, so that a round can be repeated alone.
            let seed = args.seed + number + repeat * 1_000_003;
            let begun = Instant::now();
            print!("round {number} {} --seed {seed} --protocol {}: ", kind.name, protocol.name());
            let _ = std::io::Write::flush(&mut std::io::stdout());
            let outcome = catch_unwind(AssertUnwindSafe(|| round(kind, seed, protocol, broker)));
            let took = begun.elapsed().as_secs_f32();
            match outcome {
                Ok(Ok(facts)) => {
                    println!("passed in {took:.1} s: {facts}");
                    tally.passed += 1;
                    break;
                }
                Ok(Err(missed)) => {
                    println!("INVALID after {took:.1} s, the fault did not strike: {missed}");
                    tally.invalid += 1;
                }
                Err(_) => {
                    println!("FAILED after {took:.1} s; logs are in {}", stage::folder(kind.name, seed).display());
                    tally.failed += 1;
                    break;
                }
            }
        }
    }
    tallies
}

/// What was shown, or why the round says nothing.
fn round(kind: &Kind, seed: u64, protocol: Protocol, broker: &mut OwnBroker) -> Result<String, String> {
    let mut stage = Stage::new(broker, kind.name, seed, protocol);
    match (kind.strike)(&mut stage) {
        Outcome::Missed(cause) => Err(cause),
        Outcome::Struck(how, runs) => {
            let facts = stage.finish(runs);
            Ok(format!("{how}; {facts}"))
        }
    }
}
