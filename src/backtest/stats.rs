//! Shares and means with their 95 % confidence intervals. Deterministic: what is drawn is drawn from a fixed seed.

use serde::Serialize;

use crate::demo::generator::rng::Rng;

/// 97.5 % quantile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;
const SEED: u64 = 20_260_302;
/// Most and least resamples of a bootstrap, and how many draws all of them may take.
const RESAMPLES: (usize, usize) = (100, 1_000);
const DRAWS: usize = 200_000_000;

/// A figure with its 95 % confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The figure.
    pub value: f64,
    /// Lower end of the interval, inclusive.
    pub low: f64,
    /// Upper end, inclusive.
    pub high: f64,
    /// On how many observations it rests.
    pub of: u64,
}

/// A share of `of` observations, with Wilson's interval; `None` of none.
///
/// E. B. Wilson: "Probable inference, the law of succession, and statistical inference" (1927).
pub fn share(of: u64, hits: u64) -> Option<Estimate> {
    if of == 0 {
        return None;
    }
    let (n, p) = (of as f64, hits as f64 / of as f64);
    let (scale, middle) = (1.0 + Z * Z / n, p + Z * Z / (2.0 * n));
    let reach = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let end = |x: f64| (x / scale).clamp(0.0, 1.0);
    Some(Estimate { value: p, low: end(middle - reach).min(p), high: end(middle + reach).max(p), of })
}

/// A rate of `count` in `of`, times `scale`, with Anscombe's interval for a Poisson count; `None` of none.
///
/// F. J. Anscombe: "The transformation of Poisson, binomial and negative-binomial data" (1948).
pub fn rate(count: u64, of: u64, scale: f64) -> Option<Estimate> {
    if of == 0 {
        return None;
    }
    let root = (count as f64 + 0.375).sqrt();
    let end = |x: f64| (x.max(0.0).powi(2) - 0.375).max(0.0) * scale / of as f64;
    let value = count as f64 * scale / of as f64;
    Some(Estimate { value, low: end(root - Z / 2.0).min(value), high: end(root + Z / 2.0).max(value), of })
}

/// A mean, with the interval of the normal approximation; `None` of nothing.
pub fn mean(values: &[f64]) -> Option<Estimate> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let spread = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    let reach = Z * (spread / n).sqrt();
    let estimate = Estimate { value: mean, low: mean - reach, high: mean + reach, of: values.len() as u64 };
    (!values.is_empty()).then_some(estimate)
}

/// A median, with the interval between the order statistics that the binomial distribution puts around it; `None` of
/// nothing. Sorts the values.
pub fn median(values: &mut [f64]) -> Option<Estimate> {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    let last = n.checked_sub(1)?;
    let reach = Z * (n as f64).sqrt() / 2.0;
    let at = |place: f64| values[(place.max(0.0) as usize).min(last)];
    let middle = (values[last / 2] + values[n / 2]) / 2.0;
    let (low, high) = (at((n as f64 / 2.0 - reach).floor()), at((n as f64 / 2.0 + reach).ceil()));
    Some(Estimate { value: middle, low: low.min(middle), high: high.max(middle), of: n as u64 })
}

/// A figure of `n` observations with the percentile interval of a bootstrap over them. `figure` is told how often
/// each observation counts; `None` if it has no value of all of them once.
///
/// B. Efron: "Bootstrap methods: another look at the jackknife" (1979).
pub fn bootstrap(n: usize, figure: impl Fn(&[u32]) -> Option<f64>) -> Option<Estimate> {
    let mut weights = vec![1; n];
    let value = figure(&weights)?;
    let mut rng = Rng::new(SEED);
    let mut figures = Vec::new();
    for _ in 0..(DRAWS / n.max(1)).clamp(RESAMPLES.0, RESAMPLES.1) {
        weights.fill(0);
        (0..n).for_each(|_| weights[rng.index(n)] += 1);
        figures.extend(figure(&weights));
    }
    figures.sort_by(f64::total_cmp);
    let at = |share: f64| figures.get((share * figures.len() as f64) as usize).copied().unwrap_or(value);
    Some(Estimate { value, low: at(0.025).min(value), high: at(0.975).max(value), of: n as u64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(estimate: Option<Estimate>, expected: [f64; 3]) {
        let found = estimate.expect("a value");
        for (found, expected) in [found.value, found.low, found.high].into_iter().zip(expected) {
            assert!((found - expected).abs() < 5e-4, "{found} for {expected}");
        }
    }

    #[test]
    fn shares_have_wilsons_interval() {
        // Newcombe (1998), table I, method 3.
        check(share(263, 81), [0.308, 0.2553, 0.3662]);
        check(share(148, 15), [0.1014, 0.0624, 0.1605]);
        check(share(20, 0), [0.0, 0.0, 0.1611]);
        check(share(29, 1), [0.0345, 0.0061, 0.1718]);
        assert_eq!(share(0, 0), None);
    }

    #[test]
    fn rates_means_and_medians_are_those_of_known_samples() {
        // Exact Poisson limits of 10: 4.795 to 18.39; the approximation is within a tenth.
        let found = rate(10, 1_000, 1_000.0).unwrap();
        assert!((found.low - 4.795).abs() < 0.3 && (found.high - 18.39).abs() < 1.2, "{found:?}");
        assert_eq!(rate(0, 10, 1.0).unwrap().low, 0.0);
        check(mean(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]), [5.0, 3.5184, 6.4816]);
        assert_eq!(mean(&[]), None);
        check(median(&mut [5.0, 1.0, 3.0]), [3.0, 1.0, 5.0]);
        check(median(&mut [4.0, 1.0, 3.0, 2.0]), [2.5, 1.0, 4.0]);
        assert_eq!(median(&mut []), None);
    }

    #[test]
    fn a_bootstrap_comes_near_the_known_error_of_a_mean_and_is_the_same_each_time() {
        let values: Vec<f64> = (0..400).map(|i| f64::from(i % 2)).collect();
        let average = |weights: &[u32]| {
            Some(values.iter().zip(weights).map(|(x, w)| x * f64::from(*w)).sum::<f64>() / values.len() as f64)
        };
        let found = bootstrap(values.len(), average).unwrap();
        // The standard error is √(¼ / 400) = 0.025.
        assert!((found.low - 0.451).abs() < 0.01 && (found.high - 0.549).abs() < 0.01, "{found:?}");
        assert_eq!(bootstrap(values.len(), average), Some(found));
        assert_eq!(bootstrap(3, |_| None), None);
    }
}
