//! The nouns of the product: ids, times, events, session state, KV copies, suggestions.
//! Plain data with its own invariants; never I/O, clocks, randomness or serialisation.

/// A closed list of contract words: enum, `ALL`, `label`, `parse`.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $label:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs)]
        pub enum $name { $($variant),+ }

        impl $name {
            /// Every word, in the contract's order.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The contract's word.
            pub fn label(self) -> &'static str {
                match self { $($name::$variant => $label),+ }
            }

            /// The value of a contract word; `None` for any other text.
            pub fn parse(text: &str) -> Option<$name> {
                match text { $($label => Some($name::$variant),)+ _ => None }
            }
        }
    };
}

pub mod bookkeeping;
mod broadcast;
pub mod calibration;
pub mod event;
pub mod ids;
pub mod kv;
mod plans;
pub mod position;
pub mod prefix;
pub mod published;
mod reasons;
pub mod score;
pub mod session;
pub mod shared;
pub mod stamp;
pub mod suggestion;
pub mod time;
pub mod topic;
pub mod trial;
mod trigger;
pub mod vector;
pub mod verdict;
pub mod window;
