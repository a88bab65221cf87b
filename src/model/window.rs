//! A count within a fixed window of stream time. A later window begins at none; nothing has to happen in between.

use super::time::{EventTime, Millis};

/// How often something happened in one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    /// Which window: stream time divided by the windows' length, rounded down.
    pub number: i64,
    /// How often in it; 0: never yet.
    pub count: u64,
}

impl Window {
    /// The number of the window of this length (> 0) that an instant lies in. Windows are aligned to time 0.
    pub fn number_at(at: EventTime, length: Millis) -> i64 {
        at.0.div_euclid(length.0)
    }

    /// How often in the window of this number.
    pub fn count_in(&self, number: i64) -> u64 {
        if self.number == number { self.count } else { 0 }
    }

    /// The same with once more in the window of this number.
    pub fn and_one_in(&self, number: i64) -> Window {
        Window { number, count: self.count_in(number).saturating_add(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_ends_where_the_next_begins() {
        let number = |at| Window::number_at(EventTime(at), Millis(60_000));
        let cases = [(0, 0), (59_999, 0), (60_000, 1), (-1, -1), (-60_000, -1), (-60_001, -2)];
        for (at, expected) in cases {
            assert_eq!(number(at), expected, "{at}");
        }
        assert_eq!(number(EventTime::MIN.0), i64::MIN.div_euclid(60_000));
        let window = Window::default().and_one_in(7).and_one_in(7);
        assert_eq!((window.count_in(7), window.count_in(8)), (2, 0));
        assert_eq!(window.and_one_in(8), Window { number: 8, count: 1 });
    }
}
