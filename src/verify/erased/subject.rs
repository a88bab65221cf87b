//! Whom an erasure took, and where a record names it: by key, by what it says, or by bytes of it anywhere.

use std::collections::BTreeSet;

use aho_corasick::AhoCorasick;

use super::facts::Facts;
use crate::model::event::ErasureScope;
use crate::model::ids::{SessionId, TenantId};

/// A subject, with the sessions that are known to be a user's.
pub(super) struct Subject {
    pub tenant: TenantId,
    pub scope: ErasureScope,
    pub sessions: BTreeSet<SessionId>,
    of_tenant: Words,
    of_subject: Words,
}

impl Subject {
    /// A subject of which no sessions are known yet.
    pub fn new(tenant: TenantId, scope: ErasureScope) -> Subject {
        let own = match &scope {
            ErasureScope::Session(id) => Some(id.clone()),
            _ => None,
        };
        let of_tenant = Words::new([tenant.as_str()]);
        let mut subject =
            Subject { tenant, scope, sessions: BTreeSet::new(), of_tenant, of_subject: Words::new::<&str>([]) };
        subject.add(own);
        subject
    }

    /// Adds sessions that are the user's.
    pub fn add(&mut self, sessions: impl IntoIterator<Item = SessionId>) {
        self.sessions.extend(sessions);
        let named = match &self.scope {
            ErasureScope::User(user) => Some(user.as_str()),
            ErasureScope::Session(_) => None,
            ErasureScope::Tenant => Some(self.tenant.as_str()),
        };
        self.of_subject = Words::new(self.sessions.iter().map(SessionId::as_str).chain(named));
    }

    /// Whether a record is the tenant's: its key says so, or the tenant is named in it.
    pub fn may_name(&self, facts: &Facts, texts: &[&[u8]]) -> bool {
        match &facts.tenant {
            Some(tenant) if *tenant == self.tenant => true,
            Some(_) if facts.read => false,
            _ => texts.iter().any(|text| self.of_tenant.are_in(text)),
        }
    }

    /// Whether a record that is the tenant's names the subject, by what it says.
    pub fn is_told(&self, facts: &Facts) -> bool {
        match &self.scope {
            ErasureScope::Tenant => facts.tenant.as_ref() == Some(&self.tenant),
            ErasureScope::Session(_) => facts.sessions.iter().any(|id| self.sessions.contains(id)),
            ErasureScope::User(user) => {
                facts.user.as_ref() == Some(user) || facts.sessions.iter().any(|id| self.sessions.contains(id))
            }
        }
    }

    /// Whether these bytes hold an id of the subject.
    pub fn is_in(&self, text: &[u8]) -> bool {
        self.of_subject.are_in(text)
    }
}

/// Ids looked for in bytes. One counts as a whole word: neither end runs into more of an id; or as a whole string of
/// Avro, whose length precedes it.
struct Words(Option<AhoCorasick>);

impl Words {
    fn new<W: AsRef<[u8]>>(words: impl IntoIterator<Item = W>) -> Words {
        let mut words = words.into_iter().peekable();
        let some = words.peek().is_some();
        // Ids are short; no set of them is too large for it.
        Words(some.then(|| AhoCorasick::new(words).ok()).flatten())
    }

    fn are_in(&self, text: &[u8]) -> bool {
        let Words(Some(words)) = self else { return false };
        words.find_overlapping_iter(text).any(|found| {
            let (before, after) = (&text[..found.start()], text.get(found.end()));
            let apart = !before.last().is_some_and(is_of_id) && !after.is_some_and(is_of_id);
            apart || before.ends_with(&avro_length(found.len()))
        })
    }
}

/// What ids usually are made of.
fn is_of_id(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.@".contains(byte)
}

/// The length of a string as Avro writes it: twice it, in groups of seven bits.
fn avro_length(length: usize) -> Vec<u8> {
    let mut rest = length * 2;
    let mut bytes = Vec::with_capacity(2);
    while rest >= 0x80 {
        bytes.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_found_as_a_whole_word_or_as_a_string_of_avro() {
        let long = "s".repeat(100);
        let words = Words::new(["u-1", "u-1-2", &long]);
        let check = |text: &[u8], expected| assert_eq!(words.are_in(text), expected, "{}", text.escape_ascii());
        check(b"", false);
        check(b"u-1", true);
        check(b"{\"user\":\"u-1\"}", true);
        check(b"conversations/u-1/7", true);
        for other in [&b"u-10"[..], b"mu-1", b"u-1-", b"u-1.x", b"u-1@x", b"u-2"] {
            check(other, false);
        }
        check(b"\"u-1-2\"", true);
        check(b"ab\x06u-1cd", true);
        check(b"ab\x08u-1cd", false);
        let mut text = b"ab".to_vec();
        text.extend([0xC8, 0x01]);
        text.extend_from_slice(long.as_bytes());
        text.push(b's');
        check(&text, true);
        text[3] = 0x02;
        check(&text, false);
        assert!(!Words::new::<&str>([]).are_in(b"u-1"));
    }
}
