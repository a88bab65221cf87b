//! A score: its features and their weights. There is one list of names, which everything that reads or writes them
//! goes by.

/// A probability and the named features it was computed from. All rounded to 1e-6.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Score {
    /// Probability that the suggestion is taken up, 0..1.
    pub total: f64,
    /// Its features.
    pub features: Features,
}

/// Declares the features, each with its default weight.
macro_rules! features {
    ($($(#[doc = $doc:literal])+ $name:ident = $weight:literal, $transfer:literal;)+) => {
        /// What a score is computed from. `None`: unknown, or without meaning for this candidate.
        #[derive(Debug, Clone, Copy, PartialEq, Default)]
        pub struct Features {
            $($(#[doc = $doc])+ pub $name: Option<f64>,)+
        }

        impl Features {
            /// Names and values, in a fixed order.
            pub fn list(&self) -> [(&'static str, Option<f64>); FEATURES.len()] {
                [$((stringify!($name), self.$name)),+]
            }

            /// The features with each known value changed.
            pub fn map(&self, change: impl Fn(f64) -> f64) -> Features {
                Features { $($name: self.$name.map(&change),)+ }
            }

            /// Features by name.
            pub fn of(mut feature: impl FnMut(&'static str) -> Option<f64>) -> Features {
                Features { $($name: feature(stringify!($name)),)+ }
            }
        }

        /// Names of the features: the components that are published of a score.
        pub const FEATURES: [&str; [$(stringify!($name)),+].len()] = [$(stringify!($name)),+];

        /// Weights of the logistic score: total = 1 / (1 + e^−(bias + Σ weight · feature)).
        #[derive(Debug, Clone, PartialEq)]
        pub struct Weights {
            /// Added always.
            pub bias: f64,
            /// Added for another session where no cosine to it is known.
            pub no_similarity: f64,
            /// Added for another session where no rival of it is known.
            pub no_margin: f64,
            $(/// Times the feature of this name.
            pub $name: f64,)+
        }

        impl Weights {
            /// Names and values, those of the features last and in their order.
            pub fn list(&self) -> [(&'static str, f64); FEATURES.len() + 3] {
                [
                    ("bias", self.bias),
                    ("no_similarity", self.no_similarity),
                    ("no_margin", self.no_margin),
                    $((stringify!($name), self.$name)),+
                ]
            }

            /// Weights by name.
            pub fn of(mut weight: impl FnMut(&'static str) -> f64) -> Weights {
                Weights {
                    bias: weight("bias"),
                    no_similarity: weight("no_similarity"),
                    no_margin: weight("no_margin"),
                    $($name: weight(stringify!($name)),)+
                }
            }

            /// Those of recoveries: how likely it is that the session takes up the source.
            ///
            /// Similarity, margin, interruption, end and turns are close to a logistic fit (`rekindle backtest --fit`) to
            /// whether a session takes up an earlier one of its user, on real multi-turn dialogues with sentence embeddings
            /// (docs/backtest.md). Their times are invented, so recency has no weight until a log of one's own gives it
            /// one. The others are set so that a session's own broken-off KV comes out near 0.95 and an interrupted
            /// session without any embedding near 0.5.
            pub const RECOVERY: Weights =
                Weights { bias: -6.7, no_similarity: 4.2, no_margin: 0.6, $($name: $weight),+ };

            /// Those of transfers: how likely it is that both sessions are about the same task. Similarity and topic are a
            /// logistic fit to whether two of the same dialogues share an intent.
            pub const TRANSFER: Weights =
                Weights { bias: -4.1, no_similarity: 1.5, no_margin: 0.0, $($name: $transfer),+ };
        }
    };
}

features! {
    /// Cosine to the source.
    similarity = 8.75, 2.9;
    /// The cosine less the largest one among the user's other candidates that did not end: how far it is above its
    /// nearest rival, −2..2.
    margin = 4.3, 0.0;
    /// 2^(−age / half-life) of the source, 0..1.
    recency = 0.0, 0.0;
    /// 1 if the source was interrupted.
    interrupted = 1.9, 0.0;
    /// 1 if the source ended.
    ended = -5.5, 0.0;
    /// ln(1 + turns) of the source.
    turns = 0.15, 0.0;
    /// 1 if the source is the session itself.
    own_session = 7.0, 0.0;
    /// 1 if the session itself said what it takes up.
    declared = 8.0, 0.0;
    /// Share of the context's compute that restoring saves, 0..1.
    kv_value = 1.0, 0.0;
    /// Share of the request's tokens that are an exact prefix of the source, 0..1.
    prefix_match = 6.0, 6.0;
    /// 1 if both use the same adapter, 0 if different ones.
    adapter_match = 0.3, 0.3;
    /// Cosine of the two sessions' topics (transfer only).
    topic = 0.0, 5.0;
    /// Share of votes, 0..1 (transfer only).
    support = 0.0, 2.5;
}
