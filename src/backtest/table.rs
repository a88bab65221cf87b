//! The figures as text: a column a run, then what was published.

use std::fmt::Write as _;

use super::curve::AtThreshold;
use super::fit::Fitted;
use super::report::{Figures, LogFigures, Report, TurnFigures};
use super::stats::Estimate;

/// Widest a column's heading gets; longer names lose their beginning.
const NAME: usize = 28;

/// The whole report as text.
pub fn table(report: &Report) -> String {
    let mut text = log(&report.log);
    let heading = report.runs.iter().map(|run| shortened(&run.name)).collect();
    let mut rows = vec![(String::new(), heading)];
    let mut row = |name: &str, cell: &dyn Fn(&Figures) -> String| {
        rows.push((name.to_owned(), report.runs.iter().map(cell).collect()));
    };
    row("floor", &|run| number(run.floor));
    type Turn = fn(&Figures) -> &TurnFigures;
    let turns: [(&str, Turn); 2] = [("opening", |run| &run.turn1), ("second turn", |run| &run.turn2)];
    for (name, turn) in turns {
        row(&format!("AT THE {}", name.to_uppercase()), &|_| String::new());
        row("sessions / continuing", &|run| format!("{} / {}", turn(run).sessions, turn(run).continuing));
        row("top-1", &|run| estimate(turn(run).top1));
        row("MRR", &|run| estimate(turn(run).mrr));
        row("best F1", &|run| estimate(turn(run).f1));
        at_threshold(&mut row, "  at the best F1", &|run| turn(run).best_f1);
        at_threshold(&mut row, "  at recall >= 0.45", &|run| turn(run).operating);
        at_threshold(&mut row, "  at the floor", &|run| Some(turn(run).at_floor));
        row("ECE", &|run| estimate(turn(run).ece));
    }
    row("ALL", &|_| String::new());
    row("ECE, all candidates", &|run| optional(run.candidates_ece));
    row("transfer precision@5", &|run| estimate(run.transfer_p5));
    row("requests with a prefix", &|run| run.prefixes.requests.to_string());
    row("  mean blocks held", &|run| {
        optional((run.prefixes.requests > 0).then(|| run.prefixes.held_blocks as f64 / run.prefixes.requests as f64))
    });
    row("  found exactly", &|run| optional(run.prefix_blocks_exact));
    text.push_str(&aligned(&rows));
    for run in &report.runs {
        let _ = write!(text, "\nOPENINGS, {}\n{}", run.name, parts(&run.turn1));
        let _ = write!(text, "\nPUBLISHED, {}\n{}", run.name, published(run));
        let _ = write!(text, "\nRELIABILITY, {}\n{}", run.name, reliability(&run.turn1));
    }
    if let Some(fit) = &report.fit {
        let _ = write!(text, "\n{}", fitted(fit));
    }
    text
}

fn log(log: &LogFigures) -> String {
    let half = log.half.map_or(String::new(), |half| format!("; half {half} of the tenants is scored"));
    format!(
        "{} lines ({} rejected), {} events, {} tenants, {} sessions, {} continue another{half}\n\n",
        log.lines, log.rejected, log.events, log.tenants, log.sessions, log.continuing
    )
}

fn at_threshold(
    row: &mut impl FnMut(&str, &dyn Fn(&Figures) -> String),
    name: &str,
    at: &dyn Fn(&Figures) -> Option<AtThreshold>,
) {
    let of = |what: fn(AtThreshold) -> Option<Estimate>| move |run: &Figures| estimate(at(run).and_then(what));
    row(&format!("{name}: threshold"), &|run| optional(at(run).map(|at| at.threshold)));
    row("    precision", &of(|at| at.precision));
    row("    recall", &of(|at| at.recall));
    row("    false suggestions", &of(|at| at.false_suggestions));
}

fn parts(turn: &TurnFigures) -> String {
    let heading = ["plan", "sessions", "top-1", "MRR", "precision at floor", "recall at floor"];
    let mut rows = vec![("trigger".to_owned(), heading.map(str::to_owned).to_vec())];
    for part in &turn.by {
        let cells = [
            part.plan.unwrap_or("-").to_owned(),
            part.sessions.to_string(),
            estimate(part.top1),
            estimate(part.mrr),
            estimate(part.at_floor.precision),
            estimate(part.at_floor.recall),
        ];
        rows.push((part.trigger.to_owned(), cells.to_vec()));
    }
    aligned(&rows)
}

fn published(run: &Figures) -> String {
    let heading =
        ["plan", "opened", "per 1,000 events", "revoked", "right", "wrong rate", "saved ms", "really", "lead ms"];
    let mut rows = vec![("trigger".to_owned(), heading.map(str::to_owned).to_vec())];
    for p in &run.published {
        let cells = [
            p.kind.clone(),
            p.plan.clone(),
            p.opened.to_string(),
            estimate(p.per_1000_events),
            p.revoked.to_string(),
            estimate(p.right),
            estimate(p.wrong_rate),
            estimate(p.predicted_saved_ms),
            estimate(p.actual_saved_ms),
            estimate(p.lead_ms),
        ];
        rows.push((p.trigger.clone(), cells.to_vec()));
    }
    aligned(&rows)
}

fn reliability(turn: &TurnFigures) -> String {
    let mut rows = vec![("score from".to_owned(), ["mean", "right", "of"].map(str::to_owned).to_vec())];
    for bin in &turn.reliability {
        let cells = vec![number(bin.mean_score), estimate(Some(bin.right)), bin.right.of.to_string()];
        rows.push((number(bin.from), cells));
    }
    aligned(&rows)
}

fn fitted(fit: &Fitted) -> String {
    let [candidates, origins] = fit.candidates;
    let [before, after] = fit.log_loss;
    let mut text = format!(
        "FITTED to {candidates} candidates, {origins} of them origins: log-loss {before:.4}, then {after:.4}\n"
    );
    for (name, weight) in fit.weights.iter().filter(|(name, _)| fit.fitted.contains(name)) {
        let _ = writeln!(text, "  {name} = {weight}");
    }
    text
}

/// Rows with their first column to the left and the others to the right.
fn aligned(rows: &[(String, Vec<String>)]) -> String {
    let columns = rows.iter().map(|(_, cells)| cells.len()).max().unwrap_or(0);
    let width =
        |n: usize| rows.iter().filter_map(|(_, cells)| cells.get(n)).map(|c| c.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let first = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, cells) in rows {
        let mut line = format!("{name:first$}");
        for (cell, width) in cells.iter().zip(&widths) {
            let _ = write!(line, "  {cell:>width$}");
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

fn shortened(name: &str) -> String {
    let all = name.chars().count();
    if all <= NAME { name.to_owned() } else { format!("…{}", name.chars().skip(all + 1 - NAME).collect::<String>()) }
}

fn estimate(estimate: Option<Estimate>) -> String {
    estimate.map_or("-".to_owned(), |e| format!("{} [{}, {}]", number(e.value), number(e.low), number(e.high)))
}

fn optional(x: Option<f64>) -> String {
    x.map_or("-".to_owned(), number)
}

/// Three decimals, fewer where the number is large.
fn number(x: f64) -> String {
    match x.abs() {
        x_abs if x_abs >= 1_000.0 => format!("{x:.0}"),
        x_abs if x_abs >= 10.0 => format!("{x:.1}"),
        _ => format!("{x:.3}"),
    }
}
