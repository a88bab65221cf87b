//! Every machine codes and counts alike, and what is counted estimates the cosine.

use proptest::prelude::*;

use super::*;

type Version = fn(&[Words], &[[u64; PLANES]]) -> Option<[u64; LANES]>;

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq+avx512vpopcntdq"))]
fn by_avx512(words: &[Words], query: &[[u64; PLANES]]) -> Option<[u64; LANES]> {
    match_target! {
        "x86_64+avx512vpopcntdq" => Some(x86::avx512::differing(words, query)),
        _ => { let _ = (words, query); None },
    }
}

#[multiversion(targets("x86_64+avx2+popcnt"))]
fn by_avx2(words: &[Words], query: &[[u64; PLANES]]) -> Option<[u64; LANES]> {
    match_target! {
        "x86_64+avx2" => Some(x86::avx2::differing(words, query)),
        _ => { let _ = (words, query); None },
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq"))]
fn signs_by_avx512(x: &[f32; 64]) -> Option<u64> {
    match_target! { "x86_64+avx512f" => Some(x86::avx512::sign_bits(x)), _ => { let _ = x; None } }
}

#[multiversion(targets("x86_64+avx2"))]
fn signs_by_avx2(x: &[f32; 64]) -> Option<u64> {
    match_target! { "x86_64+avx2" => Some(x86::avx2::sign_bits(x)), _ => { let _ = x; None } }
}

proptest! {
    #[test]
    fn every_machine_counts_the_same(
        codes in prop::collection::vec(any::<([u64; LANES], [u64; PLANES])>(), 1..40),
        signs in prop::collection::vec(any::<f32>(), 64..=64),
    ) {
        let words: Vec<Words> = codes.iter().map(|(words, _)| Words(*words)).collect();
        let query: Vec<[u64; PLANES]> = codes.iter().map(|(_, planes)| *planes).collect();
        let versions: [Version; 2] = [by_avx512, by_avx2];
        for counts in versions.into_iter().filter_map(|version| version(&words, &query)) {
            prop_assert_eq!(counts, differing(&words, &query));
        }
        let signs: [f32; 64] = signs.try_into().expect("as many");
        for bits in [signs_by_avx512(&signs), signs_by_avx2(&signs)].into_iter().flatten() {
            prop_assert_eq!(bits, sign_bits(&signs));
        }
    }
}

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
    let mut scores = [[0.0; LANES]; CHUNK / LANES];
    codes.score(0, &asked, &[u64::MAX; CHUNK / 64], &mut scores);
    let (mut squares, mut most) = (0.0, 0.0f64);
    for (slot, unit) in units.iter().enumerate() {
        let truth = crate::model::vector::cosine(&wide, query.inverse_norm(), unit.as_slice(), unit.inverse_norm());
        let off = (f64::from(scores[slot / LANES][slot % LANES]) * asked.unit - truth) / asked.deviation;
        squares += off * off / units.len() as f64;
        most = most.max(off.abs());
    }
    assert!((0.3..1.2).contains(&squares.sqrt()) && most < 4.0, "{} and {most} deviations", squares.sqrt());
    assert!(scores[25..].iter().flatten().all(|score| *score == f32::NEG_INFINITY));
}
