//! Every machine codes and counts alike.

use proptest::prelude::*;

use super::*;

type Version = fn(&[Words; HEAD], &[[u64; PLANES]; HEAD]) -> Option<[u64; LANES]>;

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq+avx512vpopcntdq"))]
fn by_avx512(words: &[Words; HEAD], query: &[[u64; PLANES]; HEAD]) -> Option<[u64; LANES]> {
    match_target! {
        "x86_64+avx512vpopcntdq" => Some(x86::avx512::differing(words, query)),
        _ => { let _ = (words, query); None },
    }
}

#[multiversion(targets("x86_64+avx2+popcnt"))]
fn by_avx2(words: &[Words; HEAD], query: &[[u64; PLANES]; HEAD]) -> Option<[u64; LANES]> {
    match_target! {
        "x86_64+avx2" => Some(x86::avx2::differing(words, query)),
        _ => { let _ = (words, query); None },
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq+avx512vpopcntdq"))]
fn in_line_by_avx512(line: &Words, planes: &[Words; PLANES]) -> Option<u64> {
    match_target! {
        "x86_64+avx512vpopcntdq" => Some(x86::avx512::differing_in_line(line, planes)),
        _ => { let _ = (line, planes); None },
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

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq"))]
fn ones_by_avx512(bytes: &[u8; 64]) -> Option<u64> {
    match_target! { "x86_64+avx512f" => Some(x86::avx512::ones_as_bits(bytes)), _ => { let _ = bytes; None } }
}

#[multiversion(targets("x86_64+avx2"))]
fn ones_by_avx2(bytes: &[u8; 64]) -> Option<u64> {
    match_target! { "x86_64+avx2" => Some(x86::avx2::ones_as_bits(bytes)), _ => { let _ = bytes; None } }
}

proptest! {
    #[test]
    fn every_machine_counts_the_same(
        head: [[u64; LANES]; HEAD],
        query: [[u64; PLANES]; HEAD],
        line: [u64; LANES],
        planes: [[u64; LANES]; PLANES],
        signs in prop::collection::vec(any::<f32>(), 64..=64),
    ) {
        let words = head.map(Words);
        let versions: [Version; 2] = [by_avx512, by_avx2];
        for counts in versions.into_iter().filter_map(|version| version(&words, &query)) {
            prop_assert_eq!(counts, differing(&words, &query));
        }
        let (line, planes) = (Words(line), planes.map(Words));
        if let Some(weighted) = in_line_by_avx512(&line, &planes) {
            prop_assert_eq!(weighted, differing_in_line(&line, &planes));
        }
        let signs: [f32; 64] = signs.try_into().expect("as many");
        for bits in [signs_by_avx512(&signs), signs_by_avx2(&signs)].into_iter().flatten() {
            prop_assert_eq!(bits, sign_bits(&signs));
        }
        let ones = signs.map(|sign| u8::from(sign < 0.0));
        for bits in [ones_by_avx512(&ones), ones_by_avx2(&ones)].into_iter().flatten() {
            prop_assert_eq!(bits, ones_as_bits(&ones));
        }
    }
}
