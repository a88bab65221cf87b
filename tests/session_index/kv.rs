//! Known faults in how indexes keep KV references: lost, replaced by a default, or without what a restore needs.

use rekindle::SessionIndex;
use rekindle::model::kv::{Location, Quantization, Tier};

use super::support::*;

#[test]
fn defect_12_every_kind_of_kv_copy_comes_back_as_it_was_stored() {
    let external = Location::External {
        provider: name("mooncake"),
        instance: name("i-1"),
        endpoint: None,
        handle: Some(name("h-1")),
    };
    let disk = Location::Disk { path: name("kv/9"), offset: u64::MAX };
    let quantizations = [
        Quantization::HighPrecisionTail { tail_length: 64, precision: name("FP16") },
        Quantization::QuantizedStore { precision: name("Q8"), compression_ratio: 3.7 },
        Quantization::Hybrid { tail_length: 1, tail_precision: name("FP16"), store_precision: name("Q4") },
        Quantization::TurboQuantHybrid { tail_length: 0, tail_precision: name("BF16"), turbo_bits: 3.5 },
    ];
    let folder = tempfile::tempdir().expect("a folder");
    let locations = [Location::Memory { offset: 77 }, disk, external, Location::Evicted];
    let mut stored = Vec::new();
    for (n, (location, quantization)) in locations.into_iter().zip(quantizations).enumerate() {
        let tier = [Tier::Hot, Tier::Warm, Tier::Cold][n % 3];
        let mut copy = kv(tier, location);
        copy.quantization = quantization;
        stored.push(with(state(&format!("s-{n}"), &[1.0, 0.0, 0.0]), |s| s.kv_cache_ref = Some(copy)));
    }
    let mut index = SessionIndex::new(folder.path(), 3).expect("opens");
    stored.iter().for_each(|s| assert!(index.store(s).expect("stores").is_applied()));
    drop(index);
    let index = SessionIndex::new(folder.path(), 3).expect("opens");
    let found = index.search_by_context(&tenant("acme"), &[1.0, 0.0, 0.0], 10).expect("searches");
    assert_eq!(found.iter().map(|m| (*m.state).clone()).collect::<Vec<_>>(), stored);
}

#[test]
fn defect_13_an_impossible_kv_copy_is_refused_not_mended() {
    let mut index = SessionIndex::in_memory(3).expect("opens");
    for bad in [f64::NAN, f64::INFINITY, 0.0, -1.0] {
        let quantizations = [
            Quantization::QuantizedStore { precision: name("Q8"), compression_ratio: bad },
            Quantization::TurboQuantHybrid { tail_length: 0, tail_precision: name("FP16"), turbo_bits: bad },
        ];
        for quantization in quantizations {
            let mut copy = kv(Tier::Hot, Location::Memory { offset: 0 });
            copy.quantization = quantization;
            let state = with(state("s-1", &[1.0, 0.0, 0.0]), |s| s.kv_cache_ref = Some(copy));
            assert_eq!(field(index.store(&state)), "kv_cache_ref.quantization");
        }
    }
    assert!(index.is_empty());
}

#[test]
fn defect_16_the_reference_holds_what_a_restore_needs() {
    let mut index = SessionIndex::in_memory(3).expect("opens");
    assert!(index.store(&full("s-1", &[1.0, 0.0, 0.0])).expect("stores").is_applied());
    let found = index.search_by_context(&tenant("acme"), &[1.0, 0.0, 0.0], 1).expect("searches");
    let copy = found[0].state.kv_cache_ref.clone().expect("a copy");
    assert_eq!((copy.worker, copy.worker_epoch, copy.dp_rank), (Some(name("w-2")), Some(5), Some(1)));
    assert_eq!((copy.cached_tokens, copy.kv_bytes), (2304, Some(1 << 40)));
    assert_eq!(copy.cache.namespace, name("llama-3-70b/fp8"));
    assert_eq!(copy.cache.adapter, Some(adapter("lora-7")));
}
