//! What predicates may ask of a slot, in columns, and the slots that pass as one bit each.

use multiversion::multiversion;

use super::chunked::{CHUNK, Column};
use super::interner::{Interner, NONE};
use crate::model::event::TransferScope;
use crate::model::ids::{Name, SessionId, UserId};
use crate::model::session::Status;
use crate::model::time::EventTime;

/// Bits of a slot's flags that tell its status; those above tell its scope.
const STATUS_BITS: u32 = 3;
const STATUS_MASK: u8 = (1 << STATUS_BITS) - 1;
/// The status of a session whose status is not known.
const UNKNOWN: u8 = STATUS_MASK;
const NEVER: i64 = i64::MAX;

/// What predicates may ask of a session.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Columns<'a> {
    /// User.
    pub user: Option<&'a UserId>,
    /// Status without regard to idle expiry.
    pub status: Option<Status>,
    /// When it expires, unless it lives on; `None`: never.
    pub expires_at: Option<EventTime>,
    /// Adapter in use.
    pub adapter: Option<&'a Name>,
    /// Who may profit from it.
    pub scope: TransferScope,
    /// Latest sign of life.
    pub last_active: Option<EventTime>,
}

/// Which sessions may profit whom.
#[derive(Debug, Clone, Copy, Default)]
pub enum Consent<'a> {
    /// Any scope.
    #[default]
    Any,
    /// A scope at least this wide.
    AtLeast(TransferScope),
    /// One that lets a session of this user profit; `None`: its user is not known.
    For(Option<&'a UserId>),
}

/// Which sessions a search may find. Absent predicates pass everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// Only this user's.
    pub user: Option<&'a UserId>,
    /// Only of these statuses as of an instant (empty: all).
    pub statuses: (&'a [Status], EventTime),
    /// Only with this adapter in use.
    pub adapter: Option<&'a Name>,
    /// Only those active at or after this instant.
    pub active_since: Option<EventTime>,
    /// Only those whose scope allows it.
    pub consent: Consent<'a>,
    /// Not this one.
    pub except: Option<&'a SessionId>,
}

/// The columns of one index.
#[derive(Debug, Default)]
pub struct ColumnStore {
    users: Column<u32>,
    adapters: Column<u32>,
    flags: Column<u8>,
    expires: Column<i64>,
    active: Column<i64>,
    user_names: Interner<UserId>,
    adapter_names: Interner<Name>,
}

/// Predicates by number, as slots are tested.
struct Test {
    user: Option<u32>,
    adapter: Option<u32>,
    /// A bit a status, and the instant at which sessions that expire by then are expired.
    statuses: Option<(u8, i64)>,
    active_since: Option<i64>,
    consent: Option<(TransferScope, u32)>,
}

/// The columns of the slots of one word of bits.
struct Slots<'a> {
    users: &'a [u32],
    adapters: &'a [u32],
    flags: &'a [u8],
    expires: &'a [i64],
    active: &'a [i64],
}

impl ColumnStore {
    /// Adds a slot.
    pub fn push(&mut self, columns: &Columns<'_>) {
        self.users.push(NONE);
        self.adapters.push(NONE);
        self.flags.push(0);
        self.expires.push(0);
        self.active.push(0);
        self.set(self.flags.len() - 1, columns);
    }

    /// Replaces what is known of a slot.
    pub fn set(&mut self, slot: usize, columns: &Columns<'_>) {
        self.user_names.exchange(&mut self.users[slot], columns.user);
        self.adapter_names.exchange(&mut self.adapters[slot], columns.adapter);
        let status = columns.status.map_or(UNKNOWN, |status| status as u8);
        self.flags[slot] = status | (columns.scope as u8) << STATUS_BITS;
        self.expires[slot] = columns.expires_at.map_or(NEVER, |at| at.0);
        self.active[slot] = columns.last_active.map_or(i64::MIN, |at| at.0);
    }

    /// Takes a slot out; the last one moves into its place.
    pub fn swap_remove(&mut self, slot: usize) {
        self.user_names.exchange(&mut self.users[slot], None);
        self.adapter_names.exchange(&mut self.adapters[slot], None);
        self.users.swap_remove(slot);
        self.adapters.swap_remove(slot);
        self.flags.swap_remove(slot);
        self.expires.swap_remove(slot);
        self.active.swap_remove(slot);
    }

    /// Whether a slot passes. The exception is the caller's.
    pub fn passes(&self, slot: usize, wanted: &Wanted<'_>) -> bool {
        let Some(test) = self.test(wanted) else { return false };
        let (chunk, at) = (slot / CHUNK, slot % CHUNK);
        test.passing(&self.slots(chunk, at, at + 1)) == 1
    }

    /// A bit a slot: those that pass. The exception is the caller's. Bits beyond the last slot are 0.
    pub fn passing(&self, wanted: &Wanted<'_>) -> Vec<u64> {
        let words = self.flags.len().div_ceil(64);
        let Some(test) = self.test(wanted) else { return vec![0; words] };
        let mut bits = vec![u64::MAX; words];
        if test.is_none() {
            if let Some(last) = bits.last_mut() {
                *last >>= 64 * words - self.flags.len();
            }
        } else {
            pass(self, &test, &mut bits);
        }
        bits
    }

    #[inline(always)]
    fn slots(&self, chunk: usize, from: usize, to: usize) -> Slots<'_> {
        Slots {
            users: &self.users.chunk(chunk)[from..to],
            adapters: &self.adapters.chunk(chunk)[from..to],
            flags: &self.flags.chunk(chunk)[from..to],
            expires: &self.expires.chunk(chunk)[from..to],
            active: &self.active.chunk(chunk)[from..to],
        }
    }

    /// The predicates by number; `None`: nothing can pass.
    fn test(&self, wanted: &Wanted<'_>) -> Option<Test> {
        let (statuses, now) = wanted.statuses;
        let bit = |status: &Status| 1u8 << *status as u8;
        Some(Test {
            user: wanted.user.map(|user| self.user_names.number(user).ok_or(())).transpose().ok()?,
            adapter: wanted.adapter.map(|adapter| self.adapter_names.number(adapter).ok_or(())).transpose().ok()?,
            statuses: (!statuses.is_empty()).then(|| (statuses.iter().map(bit).fold(0, |all, bit| all | bit), now.0)),
            active_since: wanted.active_since.map(|at| at.0),
            consent: match wanted.consent {
                Consent::Any => None,
                Consent::AtLeast(scope) => Some((scope, NONE)),
                Consent::For(user) => {
                    let number = user.and_then(|user| self.user_names.number(user));
                    Some((TransferScope::Tenant, number.unwrap_or(NONE)))
                }
            },
        })
    }
}

/// Sets the bits of the slots that pass, and no others.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2", "aarch64+neon"))]
fn pass(columns: &ColumnStore, test: &Test, bits: &mut [u64]) {
    for (chunk, bits) in bits.chunks_mut(CHUNK / 64).enumerate() {
        let len = columns.flags.chunk(chunk).len();
        for (bits, from) in bits.iter_mut().zip((0..len).step_by(64)) {
            *bits = test.passing(&columns.slots(chunk, from, len.min(from + 64)));
        }
    }
}

impl Test {
    /// Everything passes.
    fn is_none(&self) -> bool {
        let Test { user, adapter, statuses, active_since, consent } = self;
        user.is_none() && adapter.is_none() && statuses.is_none() && active_since.is_none() && consent.is_none()
    }

    /// A bit a slot, of at most 64.
    #[inline(always)]
    fn passing(&self, slots: &Slots<'_>) -> u64 {
        let mut passes = [0u8; 64];
        passes[..slots.flags.len()].fill(1);
        if let Some(user) = self.user {
            keep(&mut passes, slots.users, |u| u == user);
        }
        if let Some(adapter) = self.adapter {
            keep(&mut passes, slots.adapters, |a| a == adapter);
        }
        if let Some(since) = self.active_since {
            keep(&mut passes, slots.active, |at| at >= since);
        }
        if let Some((statuses, now)) = self.statuses {
            let expired = statuses >> Status::Expired as u8 & 1 == 1;
            for ((pass, flags), expires) in passes.iter_mut().zip(slots.flags).zip(slots.expires) {
                let listed = statuses >> (flags & STATUS_MASK) & 1 == 1;
                *pass &= u8::from(if *expires <= now { expired } else { listed });
            }
        }
        if let Some((scope, user)) = self.consent {
            let wide = (scope as u8) << STATUS_BITS;
            let own = (TransferScope::User as u8) << STATUS_BITS;
            for ((pass, flags), owner) in passes.iter_mut().zip(slots.flags).zip(slots.users) {
                let scope = flags & !STATUS_MASK;
                *pass &= u8::from(scope >= wide)
                    | u8::from(scope == own) & u8::from(user != NONE) & u8::from(*owner == user);
            }
        }
        packed(&passes)
    }
}

#[inline(always)]
fn keep<T: Copy>(passes: &mut [u8; 64], column: &[T], pass: impl Fn(T) -> bool) {
    for (passes, value) in passes.iter_mut().zip(column) {
        *passes &= u8::from(pass(*value));
    }
}

/// Bytes of 0 or 1 as bits.
#[inline(always)]
fn packed(bytes: &[u8; 64]) -> u64 {
    // Multiplied by this, the lowest bits of eight bytes come together in the highest byte, the first lowest.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let (bytes, _) = bytes.as_chunks::<8>();
    bytes.iter().rev().fold(0, |bits, eight| bits << 8 | u64::from_le_bytes(*eight).wrapping_mul(GATHER) >> 56)
}
