//! What is counted estimates the cosine.

use super::*;

#[test]
fn a_score_is_an_estimate_of_the_cosine() {
    let dim = 768;
    let vector = |seed: f32| (0..dim).map(move |n| ((n as f32 + 1.0) * seed).sin()).collect::<Vec<f32>>();
    let mut codes = Codes::new(dim);
    let units: Vec<_> = (0..200)
        .map(|n| {
            let (near, far) = (vector(0.71), vector(1.3 + n as f32));
            let mixed: Vec<f32> = near.iter().zip(far).map(|(a, b)| a * n as f32 / 100.0 + b).collect();
            crate::model::vector::UnitVector::normalised(&mixed).expect("a direction")
        })
        .collect();
    for (slot, unit) in units.iter().enumerate() {
        codes.put(slot, unit.as_slice(), unit.inverse_norm());
    }
    let query = crate::model::vector::UnitVector::normalised(&vector(0.71)).expect("a direction");
    let wide = query.to_f32();
    let asked = codes.query(&wide, query.inverse_norm());
    let mut scores = Scores::NONE;
    codes.score(0, &asked, &[u64::MAX; CHUNK / 64], &mut scores);
    let slots = scores.slots.as_flattened().as_flattened();
    let by_head: Vec<(f32, u32)> = slots.iter().copied().zip(0..).take(units.len()).collect();
    let mut one_by_one: Vec<(f32, u32)> = (0..units.len() as u32).map(|slot| (0.0, slot)).collect();
    codes.score_each(&asked, &mut one_by_one);
    assert_eq!(by_head, one_by_one);
    for (word, peak) in scores.slots.iter().zip(scores.peaks) {
        assert_eq!(word.as_flattened().iter().copied().fold(f32::NEG_INFINITY, f32::max), peak);
    }
    let mut by_all = by_head.clone();
    codes.refine(&asked, &mut by_all);
    for (scores, deviation) in [by_head, by_all].iter().zip([asked.head_deviation, asked.deviation]) {
        let (mut squares, mut most) = (0.0, 0.0f64);
        for ((score, _), unit) in scores.iter().zip(&units) {
            let truth = crate::model::vector::cosine(&wide, query.inverse_norm(), unit.as_slice(), unit.inverse_norm());
            let off = (f64::from(*score) * asked.unit - truth) / deviation;
            squares += off * off / units.len() as f64;
            most = most.max(off.abs());
        }
        assert!((0.3..1.2).contains(&squares.sqrt()) && most < 4.0, "{} and {most} deviations", squares.sqrt());
    }
    assert!(asked.head_deviation > 2.0 * asked.deviation);
    assert!(slots[200..].iter().all(|score| *score == f32::NEG_INFINITY));
}
