//! The figures of a backtest, as they are printed, drawn and given as JSON.

use serde::Serialize;

use super::calibration::{Reliability, of_the_best};
use super::curve::{AtThreshold, Curve, Origin, Scored};
use super::fit::Fitted;
use super::prefixes::Compared;
use super::published::PublishedFigures;
use super::run::{PointRow, Tally};
use super::stats::{Estimate, bootstrap, share};
use crate::model::session::TriggerKind;
use crate::model::suggestion::RecoveryPlan;

/// Thresholds that are always listed.
const LISTED: usize = 20;

/// A whole backtest. The first fields are the first run's, so that a script finds them.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    #[allow(missing_docs)]
    pub top1: Option<f64>,
    #[allow(missing_docs)]
    pub mrr: Option<f64>,
    #[allow(missing_docs)]
    pub f1: Option<f64>,
    /// Of the best F1.
    pub threshold: Option<f64>,
    /// At the operating point.
    pub precision: Option<f64>,
    /// At the operating point.
    pub recall: Option<f64>,
    #[allow(missing_docs)]
    pub ece: Option<f64>,
    #[allow(missing_docs)]
    pub transfer_p5: Option<f64>,
    #[allow(missing_docs)]
    pub prefix_blocks_exact: Option<f64>,
    /// The log.
    pub log: LogFigures,
    /// One entry a policy.
    pub runs: Vec<Figures>,
    /// The fit, if one was asked for.
    pub fit: Option<Fitted>,
}

/// What the log holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct LogFigures {
    /// Lines.
    pub lines: u64,
    /// Lines that are no event, or that the engine refused.
    pub rejected: u64,
    /// Events of sessions.
    pub events: u64,
    /// Tenants.
    pub tenants: u64,
    /// Sessions.
    pub sessions: u64,
    /// Of these, those that continue another one.
    pub continuing: u64,
    /// The half of the tenants that is scored, if not all are.
    pub half: Option<u32>,
}

/// The figures of one policy.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    /// Its name.
    pub name: String,
    /// Probability below which it suggests nothing.
    pub floor: f64,
    /// As sessions open.
    pub turn1: TurnFigures,
    /// Behind their second turn.
    pub turn2: TurnFigures,
    /// Calibration error over all candidates of the openings.
    pub candidates_ece: Option<f64>,
    /// The same as a curve.
    pub candidates_reliability: Vec<Reliability>,
    /// Share of common intents among the five sessions most worth transferring from, behind the second turn.
    pub transfer_p5: Option<Estimate>,
    /// Requests with a prefix.
    pub prefixes: Compared,
    /// Share of them where the engine finds exactly what is held.
    pub prefix_blocks_exact: Option<f64>,
    /// Events of the scored tenants.
    pub events: u64,
    /// What was published, by kind, trigger and plan.
    pub published: Vec<PublishedFigures>,
}

/// The figures of one of the points.
#[derive(Debug, Clone, Serialize)]
pub struct TurnFigures {
    /// Sessions scored.
    pub sessions: u64,
    /// Of these, those that continue a session which the log shows before.
    pub continuing: u64,
    /// Those that continue a session which the log does not show before: in no figure below.
    pub origin_unseen: u64,
    /// Share of the continuing ones whose best candidate is their origin.
    pub top1: Option<Estimate>,
    /// Mean of 1 / rank of the origin over the continuing ones; 0 where it is no candidate.
    pub mrr: Option<Estimate>,
    /// Best F1 of all thresholds.
    pub f1: Option<Estimate>,
    /// There.
    pub best_f1: Option<AtThreshold>,
    /// Where precision is highest with a recall of at least 0.45.
    pub operating: Option<AtThreshold>,
    /// At the policy's own floor.
    pub at_floor: AtThreshold,
    /// Every twentieth.
    pub thresholds: Vec<AtThreshold>,
    /// Calibration error of the best candidates.
    pub ece: Option<Estimate>,
    /// The same as a curve.
    pub reliability: Vec<Reliability>,
    /// By what would set off the suggestion, and what it would say.
    pub by: Vec<Part>,
    /// Threshold, precision, recall.
    #[serde(skip)]
    pub curve: Vec<(f64, f64, f64)>,
}

/// Sessions of one trigger whose best candidate has one plan.
#[derive(Debug, Clone, Serialize)]
pub struct Part {
    /// The trigger.
    pub trigger: &'static str,
    /// Plan of the best candidate; `None`: there is no candidate.
    pub plan: Option<&'static str>,
    /// Sessions.
    pub sessions: u64,
    /// As above.
    pub top1: Option<Estimate>,
    /// As above.
    pub mrr: Option<Estimate>,
    /// At the policy's own floor.
    pub at_floor: AtThreshold,
    /// At the operating point of all.
    pub operating: Option<AtThreshold>,
}

impl Report {
    /// Of at least one run.
    pub fn of(log: LogFigures, runs: Vec<Figures>, fit: Option<Fitted>) -> Report {
        let first = runs.first();
        let turn = first.map(|run| &run.turn1);
        let operating = turn.and_then(|turn| turn.operating.as_ref());
        let value = |estimate: Option<Estimate>| estimate.map(|e| e.value);
        Report {
            top1: value(turn.and_then(|turn| turn.top1)),
            mrr: value(turn.and_then(|turn| turn.mrr)),
            f1: value(turn.and_then(|turn| turn.f1)),
            threshold: turn.and_then(|turn| Some(turn.best_f1?.threshold)),
            precision: value(operating.and_then(|at| at.precision)),
            recall: value(operating.and_then(|at| at.recall)),
            ece: value(turn.and_then(|turn| turn.ece)),
            transfer_p5: value(first.and_then(|run| run.transfer_p5)),
            prefix_blocks_exact: first.and_then(|run| run.prefix_blocks_exact),
            log,
            fit,
            runs,
        }
    }
}

impl Figures {
    /// Of what a run found.
    pub fn of(name: &str, floor: f64, tally: Tally) -> Figures {
        Figures {
            name: name.to_owned(),
            floor,
            turn1: TurnFigures::of(&tally.first, floor),
            turn2: TurnFigures::of(&tally.second, floor),
            candidates_ece: tally.candidates.error(),
            candidates_reliability: tally.candidates.curve(),
            transfer_p5: tally.transfers.precision(),
            prefix_blocks_exact: tally.prefixes.share(),
            prefixes: tally.prefixes,
            events: tally.events,
            published: tally.published.figures(tally.events),
        }
    }
}

impl TurnFigures {
    fn of(rows: &[PointRow], floor: f64) -> TurnFigures {
        let scored: Vec<Scored> = rows.iter().map(|(scored, ..)| *scored).collect();
        let curve = Curve::of(&scored);
        let of = |origin| scored.iter().filter(|s| s.origin == origin).count() as u64;
        let operating = curve.operating().map(|threshold| curve.at(threshold));
        let (calibration, ece) = of_the_best(&scored);
        TurnFigures {
            sessions: scored.len() as u64,
            continuing: of(Origin::Known),
            origin_unseen: of(Origin::Unseen),
            top1: top1(&scored),
            mrr: mrr(&scored),
            f1: curve.f1(),
            best_f1: curve.best_f1().map(|threshold| curve.at(threshold)),
            at_floor: curve.at(floor),
            thresholds: (1..LISTED).map(|n| curve.at(n as f64 / LISTED as f64)).collect(),
            ece,
            reliability: calibration.curve(),
            by: parts(rows, floor, operating.map(|at| at.threshold)),
            operating,
            curve: curve.points(),
        }
    }
}

fn top1(scored: &[Scored]) -> Option<Estimate> {
    let known = || scored.iter().filter(|s| s.origin == Origin::Known);
    share(known().count() as u64, known().filter(|s| s.is_right()).count() as u64)
}

fn mrr(scored: &[Scored]) -> Option<Estimate> {
    let known = scored.iter().filter(|s| s.origin == Origin::Known);
    let found: Vec<f64> = known.map(|s| s.rank.map_or(0.0, |rank| 1.0 / f64::from(rank))).collect();
    bootstrap(found.len(), |weights| {
        let sum: f64 = found.iter().zip(weights).map(|(x, times)| x * f64::from(*times)).sum();
        (!found.is_empty()).then(|| sum / found.len() as f64)
    })
}

fn parts(rows: &[PointRow], floor: f64, operating: Option<f64>) -> Vec<Part> {
    let mut kinds: Vec<(TriggerKind, Option<RecoveryPlan>)> =
        rows.iter().map(|(_, kind, plan)| (*kind, *plan)).collect();
    kinds.sort();
    kinds.dedup();
    let part = |(trigger, plan): (TriggerKind, Option<RecoveryPlan>)| {
        let of = rows.iter().filter(|row| (row.1, row.2) == (trigger, plan)).map(|(scored, ..)| *scored);
        let scored: Vec<Scored> = of.collect();
        let curve = Curve::of(&scored);
        Part {
            trigger: trigger.label(),
            plan: plan.map(RecoveryPlan::label),
            sessions: scored.len() as u64,
            top1: top1(&scored),
            mrr: mrr(&scored),
            at_floor: curve.at(floor),
            operating: operating.map(|threshold| curve.at(threshold)),
        }
    };
    kinds.into_iter().map(part).collect()
}
