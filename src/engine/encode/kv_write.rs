//! KV copies, cache identities and adapters, appended field by field in the schemas' order.

use super::read::long;
use crate::engine::positional::Writer;
use crate::model::ids::Name;
use crate::model::kv::{Adapter, CacheIdentity, KvCopy, Location, Quantization};

impl Writer<'_> {
    pub fn name(&mut self, name: &Name) {
        self.text(name.as_str());
    }

    pub fn optional_name(&mut self, name: &Option<Name>) {
        self.optional_text(name.as_ref().map(Name::as_str));
    }

    pub fn optional_adapter(&mut self, adapter: Option<&Adapter>) {
        self.optional(adapter, |w, adapter| {
            w.name(&adapter.id);
            w.optional_name(&adapter.version);
        });
    }

    pub fn cache(&mut self, cache: &CacheIdentity) {
        self.name(&cache.namespace);
        self.optional_adapter(cache.adapter.as_ref());
        self.optional_name(&cache.salt_id);
    }

    pub fn copy(&mut self, copy: &KvCopy) {
        self.text(copy.tier.label());
        self.optional_name(&copy.medium);
        self.location(&copy.location);
        self.long(long(copy.cached_tokens));
        self.optional_long(copy.kv_bytes.map(long));
        self.quantization(&copy.quantization);
        self.long(copy.created_at.0);
        self.optional_name(&copy.worker);
        self.optional_long(copy.worker_epoch.map(long));
        self.optional_long(copy.dp_rank.map(i64::from));
        self.cache(&copy.cache);
        // The chain: only producers send it.
        self.none();
    }

    /// The variant's name, then an optional record for each variant but the last, which has none.
    fn location(&mut self, location: &Location) {
        let label = match location {
            Location::Memory { .. } => "memory",
            Location::Disk { .. } => "disk",
            Location::External { .. } => "external",
            Location::Evicted => "evicted",
        };
        self.text(label);
        match location {
            Location::Memory { offset } => {
                self.some();
                self.long(long(*offset));
            }
            _ => self.none(),
        }
        match location {
            Location::Disk { path, offset } => {
                self.some();
                self.name(path);
                self.long(long(*offset));
            }
            _ => self.none(),
        }
        match location {
            Location::External { provider, instance, endpoint, handle } => {
                self.some();
                self.name(provider);
                self.name(instance);
                self.optional_name(endpoint);
                self.optional_name(handle);
            }
            _ => self.none(),
        }
    }

    /// The variant's name, then an optional record for each variant.
    fn quantization(&mut self, quantization: &Quantization) {
        let (label, place) = match quantization {
            Quantization::HighPrecisionTail { .. } => ("high_precision_tail", 0),
            Quantization::QuantizedStore { .. } => ("quantized_store", 1),
            Quantization::Hybrid { .. } => ("hybrid", 2),
            Quantization::TurboQuantHybrid { .. } => ("turbo_quant_hybrid", 3),
        };
        self.text(label);
        (0..place).for_each(|_| self.none());
        self.some();
        match quantization {
            Quantization::HighPrecisionTail { tail_length, precision } => {
                self.long(long(*tail_length));
                self.name(precision);
            }
            Quantization::QuantizedStore { precision, compression_ratio } => {
                self.name(precision);
                self.double(*compression_ratio);
            }
            Quantization::Hybrid { tail_length, tail_precision, store_precision } => {
                self.long(long(*tail_length));
                self.name(tail_precision);
                self.name(store_precision);
            }
            Quantization::TurboQuantHybrid { tail_length, tail_precision, turbo_bits } => {
                self.long(long(*tail_length));
                self.name(tail_precision);
                self.double(*turbo_bits);
            }
        }
        (place..3).for_each(|_| self.none());
    }
}
