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
    let asked = CodeQuery::new(&wide, query.inverse_norm());
    let mut scores = [[0.0; 64]; CHUNK / 64];
    let floor = asked.head_score_of(0.2, 0.0);
    let passing = [u64::MAX, u64::MAX >> 8, 0x5555_0000_5555_0000, 0xFF];
    let reached = codes.score(0, &asked, &passing, &mut scores, floor);
    for (slot, score) in scores.as_flattened().iter().enumerate() {
        let expected = *score >= floor && passing[slot / 64] >> (slot % 64) & 1 == 1;
        assert_eq!(reached[slot / 64] >> (slot % 64) & 1 == 1, expected, "{score} in slot {slot}");
    }
    codes.score(0, &asked, &[u64::MAX; CHUNK / 64], &mut scores, floor);
    let by_head: Vec<(f32, u32)> = scores.as_flattened().iter().copied().zip(0..).take(units.len()).collect();
    let mut one_by_one: Vec<(f32, u32)> = (0..units.len() as u32).map(|slot| (0.0, slot)).collect();
    codes.score_each(&asked, &mut one_by_one);
    assert_eq!(by_head, one_by_one);
    let mut by_all = by_head.clone();
    codes.refine(&asked, &mut by_all);
    for (scores, expected) in [by_head, by_all].iter().zip([&asked.head_off, &asked.off]) {
        let (mut squares, mut most) = (0.0, 0.0f64);
        for ((score, _), unit) in scores.iter().zip(&units) {
            let truth = crate::model::vector::cosine(&wide, query.inverse_norm(), unit.as_slice(), unit.inverse_norm());
            let off = (f64::from(*score) * asked.unit - truth) / expected.at(truth);
            squares += off * off / units.len() as f64;
            most = most.max(off.abs());
        }
        assert!((0.8..1.2).contains(&f64::sqrt(squares)) && most < 4.0, "{squares} and {most} deviations");
    }
    let (head_off, off) = (&asked.head_off, &asked.off);
    assert!(head_off.at(0.0) > 2.0 * off.at(0.0) && off.at(0.0) > 2.0 * off.at(0.9) && off.at(1.0) > 0.0);
}
