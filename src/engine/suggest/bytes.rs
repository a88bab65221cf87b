//! How many bytes a copy has to be moved for, by the precision it is stored in.

use crate::model::kv::{KvCopy, Quantization};

/// Bits of a value at full precision.
const FULL: f64 = 16.0;
/// What stands before the number of bits in the name of a precision.
const FORMS: [&str; 13] = ["FP", "F", "FLOAT", "BF", "BFLOAT", "TF", "MXFP", "NF", "INT", "I", "UINT", "Q", "IQ"];

/// Bits of a value by the name of its precision: the number after the form (`FP16`, `bf16`, `INT8`, `Q4_K_M`), 1 to 64.
/// Names of another kind are taken for full precision.
pub fn bits(precision: &str) -> f64 {
    let digits = precision.find(|c: char| c.is_ascii_digit()).unwrap_or(precision.len());
    let (form, rest) = precision.split_at(digits);
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let known = FORMS.iter().any(|known| known.eq_ignore_ascii_case(form));
    match rest[..end].parse::<u32>() {
        Ok(bits @ 1..=64) if known => f64::from(bits),
        _ => FULL,
    }
}

/// Bytes of the first `tokens` tokens of a copy. Given bytes are shared out evenly; else a token takes `bytes_per_token` at
/// full precision, and what its precision leaves of that.
pub fn of(copy: &KvCopy, tokens: u64, bytes_per_token: f64) -> f64 {
    let held = copy.cached_tokens;
    let tokens = tokens.min(held);
    if tokens == 0 {
        return 0.0;
    }
    if let Some(bytes) = copy.kv_bytes {
        return bytes as f64 * (tokens as f64 / held as f64);
    }
    // The tail is the end of the copy: what is left out is left out of it.
    let split = |tail: u64| {
        let before = tokens.min(held - tail.min(held));
        (before as f64, (tokens - before) as f64)
    };
    let full = |tokens: f64, bits: f64| tokens * bytes_per_token * bits / FULL;
    match &copy.quantization {
        Quantization::HighPrecisionTail { tail_length, precision } => {
            full(tokens.min(*tail_length) as f64, bits(precision.as_str()))
        }
        Quantization::QuantizedStore { compression_ratio, .. } => full(tokens as f64, FULL) / compression_ratio,
        Quantization::Hybrid { tail_length, tail_precision, store_precision } => {
            let (store, tail) = split(*tail_length);
            full(store, bits(store_precision.as_str())) + full(tail, bits(tail_precision.as_str()))
        }
        Quantization::TurboQuantHybrid { tail_length, tail_precision, turbo_bits } => {
            let (store, tail) = split(*tail_length);
            full(store, *turbo_bits) + full(tail, bits(tail_precision.as_str()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::Name;
    use crate::model::kv::{CacheIdentity, Location, Tier};
    use crate::model::time::EventTime;

    #[test]
    fn names_of_precisions_say_their_bits() {
        for (precision, expected) in [
            ("FP32", 32.0),
            ("float32", 32.0),
            ("FP16", 16.0),
            ("bf16", 16.0),
            ("BFloat16", 16.0),
            ("fp8", 8.0),
            ("FP8_E4M3", 8.0),
            ("int8", 8.0),
            ("Q8", 8.0),
            ("Q6", 6.0),
            ("q5_1", 5.0),
            ("Q4_K_M", 4.0),
            ("INT4", 4.0),
            ("nf4", 4.0),
            ("Q3", 3.0),
            ("Q2", 2.0),
            ("E4M3", 16.0),
            ("half", 16.0),
            ("Q", 16.0),
            ("Q0", 16.0),
            ("Q65", 16.0),
            ("Q99999999999", 16.0),
            ("", 16.0),
            ("✓8", 16.0),
        ] {
            assert_eq!(bits(precision), expected, "{precision}");
        }
    }

    fn copy(cached_tokens: u64, kv_bytes: Option<u64>, quantization: Quantization) -> KvCopy {
        let namespace = Name::new("m").expect("a name");
        KvCopy {
            tier: Tier::Warm,
            medium: None,
            location: Location::Memory { offset: 0 },
            cached_tokens,
            kv_bytes,
            quantization,
            created_at: EventTime(0),
            worker: None,
            worker_epoch: None,
            dp_rank: None,
            cache: CacheIdentity { namespace, adapter: None, salt_id: None },
        }
    }

    #[test]
    fn each_layout_takes_what_its_precisions_leave() {
        let name = |text| Name::new(text).expect("a name");
        let tail = Quantization::HighPrecisionTail { tail_length: 256, precision: name("FP32") };
        let store = Quantization::QuantizedStore { precision: name("Q4"), compression_ratio: 3.2 };
        let hybrid =
            Quantization::Hybrid { tail_length: 256, tail_precision: name("FP16"), store_precision: name("Q4") };
        let turbo = Quantization::TurboQuantHybrid { tail_length: 100, tail_precision: name("FP8"), turbo_bits: 3.5 };
        let all = Quantization::Hybrid { tail_length: 9999, tail_precision: name("Q8"), store_precision: name("Q2") };
        // 1,000 bytes a token at 16 bits, 1,024 tokens held.
        for (quantization, tokens, expected) in [
            (&tail, 1024, 256.0 * 2000.0),
            (&tail, 100, 100.0 * 2000.0),
            (&store, 1024, 1_024_000.0 / 3.2),
            (&hybrid, 1024, 768.0 * 250.0 + 256.0 * 1000.0),
            (&hybrid, 700, 700.0 * 250.0),
            (&hybrid, 800, 768.0 * 250.0 + 32.0 * 1000.0),
            (&hybrid, 5000, 768.0 * 250.0 + 256.0 * 1000.0),
            (&turbo, 1024, 924.0 * 218.75 + 100.0 * 500.0),
            (&all, 1024, 1024.0 * 500.0),
            (&hybrid, 0, 0.0),
        ] {
            assert_eq!(
                of(&copy(1024, None, quantization.clone()), tokens, 1000.0),
                expected,
                "{quantization:?} {tokens}"
            );
        }
        assert_eq!(of(&copy(1024, Some(4096), hybrid.clone()), 256, 1000.0), 1024.0);
        assert_eq!(of(&copy(0, Some(4096), hybrid), 256, 1000.0), 0.0);
    }
}
