//! Compares what had to be published with what was, in step, for a topic whose sequence is promised. Holds a
//! bounded part of either side: when the two part, it looks that far ahead to tell what is missing from what is
//! too much. Pure; where records come from is the caller's.

use std::collections::VecDeque;

use super::fields;
use super::items::{Expected, Found, Rules, Source, What};
use super::report::{SequenceExample, SequenceReport};
use crate::engine::Topic;
use crate::model::position::Offset;

/// Records of either side that are looked at to find where the two meet again.
const AHEAD: usize = 1024;
/// Records that were matched, or missed, and are remembered.
const REMEMBERED: usize = 4096;
/// Records too many whose like is looked for in all that had to be published.
const UNEXPLAINED: usize = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Proof,
    Others,
    Doubt,
}

/// One topic's partition being compared.
pub(super) struct Sequence<S> {
    topic: Topic,
    source: S,
    rules: Rules,
    expected: VecDeque<Expected>,
    found: VecDeque<Found>,
    exhausted: bool,
    /// The input offset up to which the two were aligned last.
    reached: Option<Offset>,
    matched: VecDeque<u128>,
    missed: VecDeque<u128>,
    /// Records too many of which no equal was seen lately.
    pub unexplained: Vec<u128>,
    report: SequenceReport,
}

enum Step {
    Missing,
    Extra,
}

impl<S: Source> Sequence<S> {
    pub fn new(topic: Topic, name: &str, source: S, rules: Rules) -> Sequence<S> {
        Sequence {
            topic,
            source,
            rules,
            expected: VecDeque::new(),
            found: VecDeque::new(),
            exhausted: false,
            reached: None,
            matched: VecDeque::new(),
            missed: VecDeque::new(),
            unexplained: Vec::new(),
            report: SequenceReport { topic: name.to_owned(), ..SequenceReport::default() },
        }
    }

    /// The next record that had to be published.
    pub fn expect(&mut self, expected: Expected) -> Result<(), S::Error> {
        if expected.at < self.rules.must_below {
            self.report.expected += 1;
        }
        self.expected.push_back(expected);
        self.settle(AHEAD)
    }

    /// Nothing else had to be published.
    pub fn finish(&mut self) -> Result<(), S::Error> {
        self.settle(0)?;
        loop {
            self.fill(1)?;
            let Some(found) = self.found.pop_front() else { return Ok(()) };
            if self.rules.others_after {
                self.report.other_generation += 1;
            } else {
                self.extra(found);
            }
        }
    }

    /// What came of it, and which records too many no equal was seen of.
    pub fn into_report(self) -> (SequenceReport, Vec<u128>) {
        (self.report, self.unexplained)
    }

    fn fill(&mut self, count: usize) -> Result<(), S::Error> {
        while !self.exhausted && self.found.len() < count {
            match self.source.next()? {
                Some(found) => self.found.push_back(found),
                None => self.exhausted = true,
            }
        }
        Ok(())
    }

    /// Compares as long as the two agree, or `ahead` records that are expected are known.
    fn settle(&mut self, ahead: usize) -> Result<(), S::Error> {
        while let Some(ident) = self.expected.front().map(|expected| expected.what.ident) {
            self.fill(1)?;
            let agree = self.found.front().map(|found| found.what.ident == ident);
            match agree {
                Some(false) if self.expected.len() < ahead => return Ok(()),
                Some(false) => {
                    self.fill(AHEAD)?;
                    match self.decide() {
                        Step::Missing => self.miss(),
                        Step::Extra => self.surplus(),
                    }
                }
                Some(true) => self.compare(),
                None => self.miss(),
            }
        }
        Ok(())
    }

    /// The first of both differ: which of them has no counterpart?
    fn decide(&self) -> Step {
        let (Some(expected), Some(found)) = (self.expected.front(), self.found.front()) else { return Step::Extra };
        let later_expected = self.expected.iter().position(|e| e.what.ident == found.what.ident);
        let later_found = self.found.iter().position(|f| f.what.ident == expected.what.ident);
        match (later_expected, later_found) {
            (Some(e), Some(f)) if e <= f => Step::Missing,
            (Some(_), None) => Step::Missing,
            (_, Some(_)) => Step::Extra,
            (None, None) => self.decide_by_offset(expected.at, found),
        }
    }

    /// Neither is to be seen in what is known of the other side.
    fn decide_by_offset(&self, expected: Offset, found: &Found) -> Step {
        // Its counterpart would have come before this one.
        let passed = |found: &Found| found.exact && found.not_before.is_some_and(|at| at > expected);
        let lost = self.rules.begin_lost && self.reached.is_none();
        if found.not_before.is_some_and(|at| at > expected) || self.found.iter().any(passed) || lost {
            Step::Missing
        } else {
            Step::Extra
        }
    }

    fn standing(&self, at: Offset) -> Standing {
        if at < self.rules.others_below {
            Standing::Others
        } else if at < self.rules.unknown_below || self.rules.doubt_from.is_some_and(|from| at >= from) {
            Standing::Doubt
        } else {
            Standing::Proof
        }
    }

    fn compare(&mut self) {
        let (Some(expected), Some(found)) = (self.expected.pop_front(), self.found.pop_front()) else { return };
        self.reached = Some(expected.at);
        remember(&mut self.matched, found.what.ident);
        if found.what.content == expected.what.content || Some(found.what.content) == expected.cut_down {
            self.report.equal += 1;
            return;
        }
        match self.standing(expected.at) {
            Standing::Others => self.report.other_generation += 1,
            Standing::Doubt => self.report.unprovable += 1,
            Standing::Proof => {
                self.report.different += 1;
                if let Some(room) = self.room("different") {
                    let fields = fields::of_suggestions(self.topic, &expected.what, &found.what);
                    self.report.examples.push(SequenceExample { fields, ..example(&found.what, room) });
                    self.place(Some(expected.at), Some(found.offset));
                }
            }
        }
    }

    /// The first that is expected was not published.
    fn miss(&mut self) {
        let Some(expected) = self.expected.pop_front() else { return };
        if expected.at >= self.rules.must_below && self.found.is_empty() {
            self.report.beyond_cut += 1;
            return;
        }
        if self.rules.begin_lost && self.reached.is_none() {
            self.report.expired += 1;
            return;
        }
        match self.standing(expected.at) {
            Standing::Others => self.report.other_generation += 1,
            Standing::Doubt => self.report.unprovable += 1,
            Standing::Proof => {
                self.report.missing += 1;
                remember(&mut self.missed, expected.what.ident);
                if let Some(room) = self.room("missing") {
                    self.report.examples.push(example(&expected.what, room));
                    self.place(Some(expected.at), None);
                }
            }
        }
    }

    fn surplus(&mut self) {
        if let Some(found) = self.found.pop_front() {
            self.extra(found);
        }
    }

    /// A record was published that is not expected here.
    fn extra(&mut self, found: Found) {
        let at = found.not_before.max(self.reached).unwrap_or_default();
        match self.standing(at) {
            Standing::Others => self.report.other_generation += 1,
            Standing::Doubt => self.report.unprovable += 1,
            Standing::Proof => {
                let class = if let Some(at) = self.missed.iter().position(|ident| *ident == found.what.ident) {
                    self.missed.remove(at);
                    self.report.missing -= 1;
                    let ident = found.what.ident;
                    self.report.examples.retain(|e| e.class != "missing" || e.ident != ident);
                    self.report.out_of_order += 1;
                    "out_of_order"
                } else if self.matched.contains(&found.what.ident) {
                    self.report.doubled += 1;
                    "doubled"
                } else {
                    self.report.unexpected += 1;
                    if self.unexplained.len() < UNEXPLAINED {
                        self.unexplained.push(found.what.ident);
                    }
                    "unexpected"
                };
                if let Some(room) = self.room(class) {
                    self.report.examples.push(example(&found.what, room));
                    self.place(found.not_before, Some(found.offset));
                }
            }
        }
    }

    /// The class, if there is room for another example of it.
    fn room(&self, class: &'static str) -> Option<&'static str> {
        let held = self.report.examples.iter().filter(|example| example.class == class).count();
        (held < self.rules.examples).then_some(class)
    }

    fn place(&mut self, input: Option<Offset>, topic: Option<Offset>) {
        if let Some(example) = self.report.examples.last_mut() {
            example.input_offset = input.map(|offset| offset.0);
            example.topic_offset = topic.map(|offset| offset.0);
        }
    }
}

fn remember(idents: &mut VecDeque<u128>, ident: u128) {
    if idents.len() == REMEMBERED {
        idents.pop_front();
    }
    idents.push_back(ident);
}

fn example(what: &What, class: &'static str) -> SequenceExample {
    SequenceExample {
        class,
        id: what.id.clone(),
        status: what.status.clone(),
        key: what.key.clone(),
        input_offset: None,
        topic_offset: None,
        fields: Vec::new(),
        ident: what.ident,
    }
}

#[cfg(test)]
mod tests;
