//! How often a token may ask: a bucket each, which fills by a rate and holds a burst.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Buckets kept. Of more bearers, those without one share the last.
const MAX_BUCKETS: usize = 10_000;
/// Whose bucket is shared: no bearer's name is empty.
const SHARED: &str = "";

/// Buckets by bearer.
#[derive(Debug)]
pub(super) struct Rates {
    rate: f64,
    burst: f64,
    buckets: Mutex<HashMap<String, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Rates {
    /// `rate`: requests a second, 0: any number; `burst`: at once.
    pub fn new(rate: u32, burst: u32) -> Rates {
        Rates { rate: f64::from(rate), burst: f64::from(burst), buckets: Mutex::default() }
    }

    /// Takes one request of `who` from its bucket. Errors with how long to wait where it is empty.
    pub fn take(&self, who: &str, now: Instant) -> Result<(), Duration> {
        if self.rate == 0.0 {
            return Ok(());
        }
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let who = if buckets.contains_key(who) || self.room(&mut buckets, now) { who } else { SHARED };
        let full = Bucket { left: self.burst, at: now };
        let bucket = buckets.entry(who.to_owned()).or_insert(full);
        *bucket = Bucket { left: self.left(bucket, now), at: now };
        if bucket.left >= 1.0 {
            bucket.left -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - bucket.left) / self.rate))
    }

    fn left(&self, bucket: &Bucket, now: Instant) -> f64 {
        (bucket.left + now.saturating_duration_since(bucket.at).as_secs_f64() * self.rate).min(self.burst)
    }

    /// Makes room for a bucket, if need be: a full one is as good as none.
    fn room(&self, buckets: &mut HashMap<String, Bucket>, now: Instant) -> bool {
        if buckets.len() >= MAX_BUCKETS {
            buckets.retain(|_, bucket| self.left(bucket, now) < self.burst);
        }
        buckets.len() < MAX_BUCKETS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let (rates, begin) = (Rates::new(10, 3), Instant::now());
        let taken = |who: &str, ms: u64| rates.take(who, begin + Duration::from_millis(ms));
        assert_eq!([0, 0, 0].map(|ms| taken("a", ms)), [Ok(()); 3]);
        assert_eq!(taken("a", 0), Err(Duration::from_millis(100)));
        assert_eq!(taken("b", 0), Ok(()), "each has a bucket of its own");
        assert_eq!(taken("a", 99).map_err(|wait| wait.as_millis()), Err(1));
        assert_eq!(taken("a", 101), Ok(()));
        assert!(taken("a", 102).is_err());
        assert_eq!([10_000; 3].map(|ms| taken("a", ms)), [Ok(()); 3]);
        assert!(taken("a", 10_000).is_err(), "no more than the burst is saved up");
    }

    #[test]
    fn no_rate_is_no_limit_and_buckets_are_bounded() {
        let now = Instant::now();
        let free = Rates::new(0, 1);
        assert!((0..100).all(|_| free.take("a", now).is_ok()));
        let rates = Rates::new(1, 1);
        for n in 0..MAX_BUCKETS {
            assert_eq!(rates.take(&n.to_string(), now), Ok(()));
        }
        assert_eq!(rates.take("one more", now), Ok(()));
        assert!(rates.take("another", now).is_err(), "shares a bucket with the one before");
        assert!(rates.buckets.lock().unwrap().len() <= MAX_BUCKETS + 1);
        let later = now + Duration::from_secs(5);
        assert_eq!((rates.take("x", later), rates.take("y", later)), (Ok(()), Ok(())), "full ones were dropped");
    }
}
