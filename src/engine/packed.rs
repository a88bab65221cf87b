//! Sessions at rest. Of very many sessions few are busy: one that was left alone for a while is packed into the bytes
//! of its fold, as its state record has them, and opened again when something is to change in it.

use std::hint::black_box;
use std::ops::Deref;

use crate::engine::deadlines::DueAt;
use crate::engine::encode::{self, DecodeError, Resting};
use crate::engine::fold::prefix::Chains;
use crate::engine::glance::Glance;
use crate::engine::index::SlotHint;
use crate::engine::ledger::WrittenHash;
use crate::engine::listings::Listings;
use crate::engine::store::{Session, Store, Tenant};
use crate::model::ids::{Name, SessionId, TenantId};
use crate::model::session::{Book, Facets};
use crate::model::time::{EventTime, Millis};

/// A session is packed when the stream went on for so long without it.
const REST_AFTER: Millis = Millis(60_000);
/// Sessions that are held open, however busy: the one left alone longest is packed then.
const MOST_OPEN: usize = 32_768;
/// Sessions looked at, to be packed, in one go.
const AT_ONCE: usize = 2048;

/// What a session has beside its facets and its book, open or packed.
#[derive(Debug, Default)]
pub struct Kept {
    /// Hash of its last state record.
    pub state_hash: WrittenHash,
    /// Hash of its last vector record.
    pub vector_hash: WrittenHash,
    /// Where its vector lay last.
    pub(super) slot: SlotHint,
    pub(super) listings: Listings,
    /// Instant at which the earliest of its own deadlines is entered.
    pub(super) entered: DueAt,
}

/// A session at rest.
#[derive(Debug, Default)]
pub struct Packed {
    fold: Resting,
    /// Prefix chains: they have records of their own.
    pub(super) prefix: Option<Box<Chains>>,
    /// Space of its embedding.
    pub(super) space: Option<Name>,
    pub(super) kept: Kept,
}

/// There are as many as sessions, and the allocator rounds up from here to the next quarter of a power of two.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Packed>() <= 256);

/// A session as it is held.
#[derive(Clone, Copy)]
pub(super) enum Held<'s> {
    /// Open.
    Open(&'s Session),
    /// Packed.
    AtRest(&'s Packed),
}

/// A session as it is seen, open or packed.
pub enum Seen<'s> {
    /// As it is held.
    Open(&'s Session),
    /// Unpacked for this look, without what is kept beside.
    Unpacked(Box<Session>),
}

impl Deref for Seen<'_> {
    type Target = Session;

    fn deref(&self) -> &Session {
        match self {
            Seen::Open(session) => session,
            Seen::Unpacked(session) => session,
        }
    }
}

impl Packed {
    /// Packs a session, by way of `scratch`.
    fn new(session: Session, scratch: &mut Vec<u8>) -> Packed {
        let Session { facets, book, kept } = session;
        scratch.clear();
        encode::fold(scratch, &facets, &book);
        let space = facets.context.as_ref().map(|context| context.space.clone());
        let prefix = (!facets.prefix.is_empty()).then(|| Box::new(facets.prefix));
        let fold = Resting::new(scratch).unwrap_or_else(|fault| unreachable!("what was written is read: {fault}"));
        Packed { fold, prefix, space, kept }
    }

    /// Holds a fold, which [`Packed::try_read`] has to find readable before the session is looked at.
    pub(super) fn hold(&mut self, fold: Resting) {
        self.fold = fold;
    }

    /// Its prefix chains.
    pub(super) fn chains(&self) -> &Chains {
        static NONE: Chains = Chains::new();
        self.prefix.as_deref().unwrap_or(&NONE)
    }

    /// Its facets without their prefix chains, and its book, from bytes that are not known to be readable.
    pub(super) fn try_read(&self) -> Result<(Facets, Book), DecodeError> {
        self.fold.read()
    }

    /// The same, of a session that was packed or looked at before.
    pub(super) fn read(&self) -> (Facets, Book) {
        self.try_read().unwrap_or_else(|fault| unreachable!("what was packed unpacks: {fault}"))
    }

    /// What it is judged by as a neighbour.
    pub(super) fn glance(&self) -> Glance<'_> {
        self.fold.glance().unwrap_or_else(|fault| unreachable!("what was packed is read: {fault}"))
    }

    pub(super) fn open(self) -> Box<Session> {
        let (mut facets, book) = self.read();
        facets.prefix = self.prefix.map_or_else(Chains::new, |chains| *chains);
        Box::new(Session { facets, book, kept: self.kept })
    }

    fn view(&self) -> Box<Session> {
        let (mut facets, book) = self.read();
        facets.prefix = self.prefix.as_deref().cloned().unwrap_or_default();
        Box::new(Session { facets, book, kept: Kept::default() })
    }

    /// Reads where it is that will be looked at.
    pub(super) fn warm_front(&self) {
        self.fold.warm_front();
    }

    /// Reads what will be looked at.
    pub(super) fn warm_card(&self) {
        self.fold.warm_card();
    }

    /// Reads what will be unpacked.
    pub(super) fn warm(&self) {
        self.fold.warm();
        black_box((self.kept.state_hash, self.kept.listings.forget_at));
    }
}

impl Tenant {
    /// One session, to look at.
    pub fn session(&self, id: &SessionId) -> Option<Seen<'_>> {
        self.held(id).map(|held| match held {
            Held::Open(session) => Seen::Open(session),
            Held::AtRest(packed) => Seen::Unpacked(packed.view()),
        })
    }

    /// One session as it is held.
    pub(super) fn held(&self, id: &SessionId) -> Option<Held<'_>> {
        match self.sessions.get(id) {
            Some(session) => Some(Held::Open(session)),
            None => self.packed.get(id).map(|packed| Held::AtRest(packed)),
        }
    }

    /// A session's prefix chains.
    pub fn chains(&self, id: &SessionId) -> Option<&Chains> {
        self.held(id).map(|held| match held {
            Held::Open(session) => &session.facets.prefix,
            Held::AtRest(packed) => packed.chains(),
        })
    }

    /// Whether there is such a session.
    pub fn holds(&self, id: &SessionId) -> bool {
        self.sessions.contains_key(id) || self.packed.contains_key(id)
    }

    /// The ids of all sessions, in no order.
    pub fn ids(&self) -> impl Iterator<Item = &SessionId> {
        self.sessions.keys().chain(self.packed.keys())
    }

    /// No session is held.
    pub fn is_deserted(&self) -> bool {
        self.sessions.is_empty() && self.packed.is_empty()
    }

    /// Nothing is held of it.
    pub(super) fn is_empty(&self) -> bool {
        self.is_deserted() && self.open.is_empty()
    }

    /// What is kept of a session beside its facets and its book.
    pub(super) fn kept_mut(&mut self, id: &SessionId) -> Option<&mut Kept> {
        match self.sessions.get_mut(id) {
            Some(session) => Some(&mut session.kept),
            None => self.packed.get_mut(id).map(|packed| &mut packed.kept),
        }
    }

    /// Takes a session out, opened.
    pub(super) fn take(&mut self, id: &SessionId) -> Option<Box<Session>> {
        self.sessions.remove(id).or_else(|| self.packed.remove(id).map(|packed| packed.open()))
    }
}

impl Store {
    /// Opens a session if it is packed.
    pub(super) fn wake(&mut self, tenant_id: &TenantId, id: &SessionId) {
        let Some(tenant) = self.tenants.get_mut(tenant_id) else { return };
        // Mostly it is open, and was looked at just now: sooner found than not found among those at rest.
        if tenant.packed.is_empty() || tenant.sessions.contains_key(id) {
            return;
        }
        if let Some((id, packed)) = tenant.packed.remove_entry(id) {
            let session = packed.open();
            self.open.push_back((session.book.as_of_time, tenant_id.clone(), id.clone()));
            tenant.sessions.insert(id, session);
        }
    }

    /// Packs sessions that were left alone, and some that were not if too many are open. `now`: stream time.
    pub(super) fn pack_idle(&mut self, now: EventTime) {
        let Store { tenants, open, .. } = self;
        let mut scratch = Vec::new();
        for _ in 0..AT_ONCE {
            let crowded = open.len() > MOST_OPEN;
            let Some((_, tenant_id, id)) = open.pop_front_if(|(at, ..)| crowded || at.plus(REST_AFTER) <= now) else {
                return;
            };
            let Some(tenant) = tenants.get_mut(&tenant_id) else { continue };
            let Some(session) = tenant.sessions.get(&id) else { continue };
            let changed_at = session.book.as_of_time;
            if !crowded && changed_at.plus(REST_AFTER) > now {
                open.push_back((changed_at, tenant_id, id));
                continue;
            }
            let Some((id, session)) = tenant.sessions.remove_entry(&id) else { continue };
            tenant.packed.insert(id, Box::new(Packed::new(*session, &mut scratch)));
        }
    }
}
