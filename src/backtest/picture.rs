//! The figures as a picture: precision against recall of every run, and how often a score was right.

use std::fmt::Write as _;

use super::report::{Figures, Report};

const COLOURS: [&str; 5] = ["#d9480f", "#1864ab", "#2b8a3e", "#862e9c", "#495057"];
const SIDE: f64 = 320.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 60.0;
const BETWEEN: f64 = 100.0;
/// Most points of a line: finer than the picture.
const POINTS: usize = 1_000;
const WIDTH: f64 = LEFT + SIDE + BETWEEN + SIDE + 30.0;

/// An SVG image.
pub fn picture(report: &Report) -> String {
    let second = LEFT + SIDE + BETWEEN;
    let mut body = plot(LEFT, "Precision and recall as sessions open", "recall", "precision");
    body.push_str(&plot(second, "Reliability of the best candidate", "score", "share right"));
    let _ = writeln!(body, "{}", line(&[(0.0, 0.0), (1.0, 1.0)], second, "#adb5bd", r#" stroke-dasharray="4 4""#));
    let height = TOP + SIDE + 60.0 + 22.0 * report.runs.len() as f64;
    for (n, (run, colour)) in report.runs.iter().zip(COLOURS.iter().cycle()).enumerate() {
        let y = TOP + SIDE + 62.0 + 22.0 * n as f64;
        body.push_str(&curves(run, second, colour));
        let _ = writeln!(
            body,
            r#"<rect x="{LEFT}" y="{}" width="14" height="4" fill="{colour}"/><text x="{}" y="{y}">{}</text>"#,
            y - 7.0,
            LEFT + 22.0,
            escaped(&legend(run))
        );
    }
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="system-ui, sans-serif" font-size="13">
<rect width="{WIDTH}" height="{height}" fill="white"/>
<g fill="#212529">
{body}</g></svg>
"##
    )
}

/// A run's two lines, with a ring where its floor is.
fn curves(run: &Figures, second: f64, colour: &str) -> String {
    let points: Vec<_> = run.turn1.curve.iter().map(|(_, precision, recall)| (*recall, *precision)).collect();
    let bins: Vec<_> = run.turn1.reliability.iter().map(|bin| (bin.mean_score, bin.right.value)).collect();
    let mut body = format!("{}\n{}\n", line(&points, LEFT, colour, ""), line(&bins, second, colour, ""));
    for bin in &run.turn1.reliability {
        let (x, low) = place((bin.mean_score, bin.right.low), second);
        let (_, high) = place((bin.mean_score, bin.right.high), second);
        let _ = writeln!(
            body,
            r#"<line x1="{x:.1}" y1="{low:.1}" x2="{x:.1}" y2="{high:.1}" stroke="{colour}" stroke-opacity="0.4"/>"#
        );
    }
    if let (Some(precision), Some(recall)) = (run.turn1.at_floor.precision, run.turn1.at_floor.recall) {
        let (x, y) = place((recall.value, precision.value), LEFT);
        let _ = writeln!(
            body,
            r#"<circle cx="{x:.1}" cy="{y:.1}" r="5" fill="white" stroke="{colour}" stroke-width="2"/>"#
        );
    }
    body
}

fn legend(run: &Figures) -> String {
    let value =
        |estimate: Option<super::stats::Estimate>| estimate.map_or("-".to_owned(), |e| format!("{:.3}", e.value));
    let turn = &run.turn1;
    let (top1, f1, ece) = (value(turn.top1), value(turn.f1), value(turn.ece));
    format!("{}: top-1 {top1}, best F1 {f1}, ECE {ece}; the ring is its floor, {}", run.name, run.floor)
}

/// Axes from 0 to 1.
fn plot(left: f64, title: &str, across: &str, up: &str) -> String {
    let mut body = format!(
        r##"<text x="{left}" y="{}" font-size="15" font-weight="600">{title}</text>
<text x="{}" y="{}" text-anchor="middle">{across}</text>
<text x="{}" y="{}" text-anchor="middle" transform="rotate(-90 {} {})">{up}</text>
"##,
        TOP - 24.0,
        left + SIDE / 2.0,
        TOP + SIDE + 36.0,
        left - 40.0,
        TOP + SIDE / 2.0,
        left - 40.0,
        TOP + SIDE / 2.0,
    );
    for tick in 0..=5 {
        let share = f64::from(tick) / 5.0;
        let (x, y) = place((share, share), left);
        let (end, bottom) = (left + SIDE, TOP + SIDE);
        let _ = writeln!(
            body,
            r##"<path d="M{left} {y:.1}H{end}M{x:.1} {TOP}V{bottom}" stroke="#e9ecef"/>
<text x="{}" y="{:.1}" text-anchor="end" font-size="11">{share:.1}</text>
<text x="{x:.1}" y="{}" text-anchor="middle" font-size="11">{share:.1}</text>"##,
            left - 8.0,
            y + 4.0,
            bottom + 16.0,
        );
    }
    body
}

fn line(points: &[(f64, f64)], left: f64, colour: &str, more: &str) -> String {
    let step = points.len().div_ceil(POINTS).max(1);
    // From the end, so that the last point is there.
    let mut shown: Vec<_> = points.iter().rev().step_by(step).collect();
    shown.reverse();
    let places = shown.into_iter().map(|point| place(*point, left)).map(|(x, y)| format!("{x:.1},{y:.1}"));
    let places = places.collect::<Vec<_>>().join(" ");
    format!(r#"<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="1.8"{more}/>"#)
}

fn place((x, y): (f64, f64), left: f64) -> (f64, f64) {
    (left + x * SIDE, TOP + (1.0 - y) * SIDE)
}

/// Names come from outside.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
