//! What is told from two sequences, as a table.

use std::collections::VecDeque;
use std::convert::Infallible;

use super::*;
use crate::verify::items::What;

struct Listed(VecDeque<Found>);

impl Source for Listed {
    type Error = Infallible;

    fn next(&mut self) -> Result<Option<Found>, Infallible> {
        Ok(self.0.pop_front())
    }
}

/// `a5`: record a, of input offset 5. In upper case its content differs; `a?` does not say where it follows from,
/// `a>3` ends a suggestion that began at 3.
fn what(text: &str) -> What {
    let name = text.chars().next().unwrap();
    let content = u128::from(u32::from(name));
    What { ident: u128::from(u32::from(name.to_ascii_lowercase())), content, id: name.into(), ..What::default() }
}

fn expected(text: &str) -> VecDeque<Expected> {
    let one = |text: &str| Expected { what: what(text), at: Offset(text[1..].parse().unwrap()), cut_down: None };
    text.split_whitespace().map(one).collect()
}

fn found(text: &str) -> Listed {
    let one = |(n, text): (usize, &str)| {
        let not_before = text[1..].trim_start_matches('>').parse().ok().map(Offset);
        let exact = not_before.is_some() && !text.contains('>');
        Found { what: what(text), offset: Offset(n as i64), not_before, exact }
    };
    Listed(text.split_whitespace().enumerate().map(one).collect())
}

fn compared(rules: Rules, all: VecDeque<Expected>, source: Listed) -> SequenceReport {
    let mut sequence = Sequence::new(Topic::Recovery, "t", source, rules);
    for one in all {
        let Ok(()) = sequence.expect(one);
    }
    let Ok(()) = sequence.finish();
    sequence.into_report().0
}

fn counts(report: &SequenceReport) -> String {
    let r = report;
    let named = [
        ("equal", r.equal),
        ("missing", r.missing),
        ("doubled", r.doubled),
        ("different", r.different),
        ("unexpected", r.unexpected),
        ("out_of_order", r.out_of_order),
        ("expired", r.expired),
        ("beyond", r.beyond_cut),
        ("others", r.other_generation),
        ("doubt", r.unprovable),
    ];
    let said: Vec<_> = named.iter().filter(|(_, n)| *n > 0).map(|(name, n)| format!("{name} {n}")).collect();
    said.join(", ")
}

fn rules() -> Rules {
    Rules { must_below: Offset(100), examples: 3, ..Rules::default() }
}

#[test]
fn what_differs_is_told_from_what_is_missing_and_what_is_too_much() {
    let lost = Rules { begin_lost: true, ..rules() };
    let cut = Rules { must_below: Offset(3), ..rules() };
    let others = Rules { others_below: Offset(3), ..rules() };
    let doubt = Rules { doubt_from: Some(Offset(3)), ..rules() };
    let unknown = Rules { unknown_below: Offset(3), ..rules() };
    let after = Rules { others_after: true, ..rules() };
    for (name, rules, is, must, said) in [
        ("nothing", rules(), "", "", ""),
        ("equal", rules(), "a1 b2 c3", "a1 b2 c3", "equal 3"),
        ("one is missing", rules(), "a1 c3", "a1 b2 c3", "equal 2, missing 1"),
        ("the first is missing", rules(), "b2 c3", "a1 b2 c3", "equal 2, missing 1"),
        ("the last is missing", rules(), "a1 b2", "a1 b2 c3", "equal 2, missing 1"),
        ("all are missing", rules(), "", "a1 b2", "missing 2"),
        ("doubled at once", rules(), "a1 a1 b2", "a1 b2", "equal 2, doubled 1"),
        ("doubled at the end", rules(), "a1 b2 c3 a1", "a1 b2 c3", "equal 3, doubled 1"),
        ("altered", rules(), "a1 B2 c3", "a1 b2 c3", "equal 2, different 1"),
        ("never expected", rules(), "a1 x1 b2", "a1 b2", "equal 2, unexpected 1"),
        ("nothing was expected", rules(), "x?", "", "unexpected 1"),
        ("moved", rules(), "b2 c3 a1", "a1 b2 c3", "equal 2, out_of_order 1"),
        ("another in its place", rules(), "a1 x2 c3", "a1 b2 c3", "equal 2, missing 1, unexpected 1"),
        ("the beginning expired", lost, "c3 d4", "a1 b2 c3 d4", "equal 2, expired 2"),
        ("an end is all that is left of it", lost, "d>1 e5", "a1 b2 d4 e5", "equal 2, expired 2"),
        ("missing behind what expired", lost, "b2 d4", "a1 b2 c3 d4", "equal 2, missing 1, expired 1"),
        ("all expired", lost, "", "a1 b2", "expired 2"),
        ("not yet published", cut, "a1 b2", "a1 b2 c3 d4", "equal 2, beyond 2"),
        ("published, though it need not be", cut, "a1 b2 c3", "a1 b2 c3 d4", "equal 3, beyond 1"),
        ("behind the cut nothing is left out", cut, "a1 b2 d4", "a1 b2 c3 d4", "equal 3, missing 1"),
        ("others judged otherwise", others, "x1 y2 c3", "a1 b2 c3", "equal 1, others 4"),
        ("others end theirs", others, "x1 x>1 c3", "a1 c3", "equal 1, others 3"),
        ("from here on it is ours", others, "a1 x4", "a1 c3", "equal 1, missing 1, unexpected 1"),
        ("nobody knows whose", unknown, "x1 c3", "a1 c3", "equal 1, doubt 2"),
        ("a later one went on", after, "a1 x5 y6", "a1", "equal 1, others 2"),
        ("doubt", doubt, "a1 C3", "a1 b2 c3 d4", "equal 1, missing 1, doubt 2"),
    ] {
        assert_eq!(counts(&compared(rules, expected(must), found(is))), said, "{name}");
    }
}

#[test]
fn the_two_meet_again_after_long_gaps() {
    let item = |n: i64| Expected {
        what: What { ident: n as u128, content: n as u128, ..What::default() },
        at: Offset(n),
        cut_down: None,
    };
    let found = |n: i64| Found { what: item(n).what, offset: Offset(n), not_before: Some(Offset(n)), exact: true };
    let rules = Rules { must_below: Offset(i64::MAX), ..rules() };
    let all = || (0..20_000).map(item).collect::<VecDeque<_>>();
    let gone = Listed((0..20_000).filter(|n| !(3000..9000).contains(n)).map(found).collect());
    assert_eq!(counts(&compared(rules, all(), gone)), "equal 14000, missing 6000");
    let strange = |n: i64| Found { not_before: None, exact: false, ..found(n) };
    let more = (0..5000).map(found).chain((30_000..33_000).map(strange)).chain((5000..20_000).map(found));
    let more = Listed(more.collect());
    let report = compared(rules, all(), more);
    assert_eq!(counts(&report), "equal 20000, unexpected 3000");
    assert_eq!(report.examples.len(), 3);
}

#[test]
fn examples_name_the_record_and_its_places() {
    let report = compared(rules(), expected("a1 b2 c3"), found("a1 x2 c3"));
    let said: Vec<_> = report.examples.iter().map(|e| (e.class, &*e.id, e.input_offset, e.topic_offset)).collect();
    assert_eq!(said, [("missing", "b", Some(2), None), ("unexpected", "x", Some(2), Some(1))]);
}
