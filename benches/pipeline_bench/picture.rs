//! The figures as a picture: events a second of the copy loop and of the service, and what an event costs each.

use std::fmt::Write as _;

/// A group of bars: what is measured, its unit, and a value for each of [`NAMES`].
pub struct Group {
    pub title: &'static str,
    pub unit: &'static str,
    pub values: [f64; 2],
}

/// What is compared.
pub const NAMES: [&str; 2] = ["copy loop", "rekindle run"];
const COLOURS: [&str; 2] = ["#9aa5b1", "#d9480f"];
const WIDTH: f64 = 720.0;
const LABEL: f64 = 130.0;
const BAR: f64 = 26.0;

/// An SVG image of groups of bars, each to its own scale.
pub fn svg(title: &str, groups: &[Group]) -> String {
    let mut body = String::new();
    let mut y = 56.0;
    for group in groups {
        let most = group.values.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        let _ = writeln!(body, r#"<text x="20" y="{y}" class="group">{}</text>"#, group.title);
        y += 10.0;
        for ((name, colour), value) in NAMES.iter().zip(COLOURS).zip(group.values) {
            let (length, middle) = (value / most * (WIDTH - LABEL - 150.0), y + BAR * 0.68);
            let end = LABEL + length + 8.0;
            let _ = writeln!(
                body,
                r#"<text x="{}" y="{middle}" class="name">{name}</text>
<rect x="{LABEL}" y="{y}" width="{length:.1}" height="{BAR}" rx="3" fill="{colour}"/>
<text x="{end:.1}" y="{middle}">{} {}</text>"#,
                LABEL - 10.0,
                figure(value),
                group.unit,
            );
            y += BAR + 6.0;
        }
        y += 24.0;
    }
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" font-family="system-ui, sans-serif" font-size="14" fill="currentColor">
<style>.group {{ font-weight: 600 }} .name {{ text-anchor: end }}</style>
<rect width="{WIDTH}" height="{y}" fill="white"/>
<g fill="#212529"><text x="20" y="26" font-size="16" font-weight="700">{title}</text>
{body}</g></svg>
"##
    )
}

/// Three digits, thousands separated.
fn figure(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut separated = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n) % 3 == 0 {
            separated.push(',');
        }
        separated.push(digit);
    }
    separated
}
