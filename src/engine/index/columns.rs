//! What predicates may ask of a slot, in columns, and the slots that pass as one bit each.

use multiversion::multiversion;
use multiversion::target::match_target;

use super::ahead::fetch;
use super::chunked::{CHUNK, Column};
use super::interner::{Interner, NONE};
use super::signs::ones_as_bits;
#[cfg(target_arch = "x86_64")]
use super::x86;
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
    active_since: Option<i64>,
    statuses: Option<Statuses>,
    consent: Option<Allowed>,
}

/// A bit a status, and the instant at which sessions that expire by then are expired.
#[derive(Clone, Copy)]
struct Statuses(u8, i64);

/// The least scope that anyone may profit from, and who may from his own.
#[derive(Clone, Copy)]
struct Allowed(TransferScope, u32);

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
        let Some(Test { user, adapter, active_since, statuses, consent }) = self.test(wanted) else { return false };
        user.is_none_or(|user| self.users[slot] == user)
            && adapter.is_none_or(|adapter| self.adapters[slot] == adapter)
            && active_since.is_none_or(|since| self.active[slot] >= since)
            && statuses.is_none_or(|statuses| statuses.pass(self.flags[slot], self.expires[slot]))
            && consent.is_none_or(|allowed| allowed.passes(self.flags[slot], self.users[slot]))
    }

    /// A bit a slot: those that pass. The exception is the caller's. Bits beyond the last slot are 0.
    pub fn passing(&self, wanted: &Wanted<'_>) -> Vec<u64> {
        let words = self.flags.len().div_ceil(64);
        let Some(test) = self.test(wanted) else { return vec![0; words] };
        let mut bits = vec![u64::MAX; words];
        if let Some(last) = bits.last_mut() {
            *last >>= 64 * words - self.flags.len();
        }
        pass(self, &test, &mut bits);
        bits
    }

    /// The predicates by number; `None`: nothing can pass.
    fn test(&self, wanted: &Wanted<'_>) -> Option<Test> {
        let (statuses, now) = wanted.statuses;
        let bit = |status: &Status| 1u8 << *status as u8;
        Some(Test {
            user: wanted.user.map(|user| self.user_names.number(user).ok_or(())).transpose().ok()?,
            adapter: wanted.adapter.map(|adapter| self.adapter_names.number(adapter).ok_or(())).transpose().ok()?,
            statuses: (!statuses.is_empty())
                .then(|| Statuses(statuses.iter().map(bit).fold(0, |all, bit| all | bit), now.0)),
            active_since: wanted.active_since.map(|at| at.0),
            consent: match wanted.consent {
                Consent::Any => None,
                Consent::AtLeast(scope) => Some(Allowed(scope, NONE)),
                Consent::For(user) => {
                    let number = user.and_then(|user| self.user_names.number(user));
                    Some(Allowed(TransferScope::Tenant, number.unwrap_or(NONE)))
                }
            },
        })
    }
}

impl Statuses {
    #[inline(always)]
    fn pass(self, flags: u8, expires: i64) -> bool {
        let Statuses(statuses, now) = self;
        let expired = statuses >> Status::Expired as u8 & 1 == 1;
        let listed = statuses >> (flags & STATUS_MASK) & 1 == 1;
        if expires <= now { expired } else { listed }
    }
}

impl Allowed {
    #[inline(always)]
    fn passes(self, flags: u8, owner: u32) -> bool {
        let Allowed(least, user) = self;
        let scope = flags >> STATUS_BITS;
        (scope >= least as u8) | (scope == TransferScope::User as u8) & (user != NONE) & (owner == user)
    }
}

/// Takes the bits of the slots that do not pass.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2", "aarch64+neon"))]
fn pass(columns: &ColumnStore, test: &Test, bits: &mut [u64]) {
    let ColumnStore { users, adapters, flags, expires, active, .. } = columns;
    let packed = |bytes: &[u8; 64]| {
        match_target! {
            "x86_64+avx512f" => x86::avx512::ones_as_bits(bytes),
            "x86_64+avx2" => x86::avx2::ones_as_bits(bytes),
            _ => ones_as_bits(bytes),
        }
    };
    if let Some(user) = test.user {
        keep((users, users), bits, |owner, _| owner == user, packed);
    }
    if let Some(adapter) = test.adapter {
        keep((adapters, adapters), bits, |used, _| used == adapter, packed);
    }
    if let Some(since) = test.active_since {
        keep((active, active), bits, |at, _| at >= since, packed);
    }
    if let Some(statuses) = test.statuses {
        keep((flags, expires), bits, |flags, expires| statuses.pass(flags, expires), packed);
    }
    if let Some(allowed) = test.consent {
        keep((flags, users), bits, |flags, owner| allowed.passes(flags, owner), packed);
    }
}

#[inline(always)]
fn keep<A: Copy + Default, B: Copy + Default>(
    columns: (&Column<A>, &Column<B>),
    bits: &mut [u64],
    passes: impl Fn(A, B) -> bool,
    packed: impl Fn(&[u8; 64]) -> u64,
) {
    let word = |one: &[A; 64], other: &[B; 64]| {
        let mut bytes = [0u8; 64];
        for ((byte, one), other) in bytes.iter_mut().zip(one).zip(other) {
            *byte = u8::from(passes(*one, *other));
        }
        packed(&bytes)
    };
    for (chunk, bits) in bits.chunks_mut(CHUNK / 64).enumerate() {
        let (ones, last) = columns.0.chunk(chunk).as_chunks();
        let (others, other_last) = columns.1.chunk(chunk).as_chunks();
        let mut next = columns.0.chunk(chunk + 1).chunks(64).zip(columns.1.chunk(chunk + 1).chunks(64));
        for ((bits, one), other) in bits.iter_mut().zip(ones).zip(others) {
            if let Some((one, other)) = next.next() {
                fetch(one);
                fetch(other);
            }
            *bits &= word(one, other);
        }
        if !last.is_empty() {
            let mut filled = ([A::default(); 64], [B::default(); 64]);
            filled.0[..last.len()].copy_from_slice(last);
            filled.1[..last.len()].copy_from_slice(other_last);
            bits[ones.len()] &= word(&filled.0, &filled.1);
        }
    }
}

#[cfg(test)]
#[path = "columns_tests.rs"]
mod tests;
