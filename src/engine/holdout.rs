//! Which sessions are held out: their suggestions are decided, kept and closed like any other, and not published.
//! Decided when a suggestion is opened, and kept with it: a change of the settings changes nothing that is open.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::engine::settings::{Mode, Policy};
use crate::model::ids::{SessionId, TenantId};

/// Seed of the hash. Another one would hold out other sessions.
const SEED: u64 = 0x686f_6c64_6f75_7421;
/// One more than the largest hash.
const HASHES: f64 = 18_446_744_073_709_551_616.0;

impl Policy {
    /// Whether suggestions to this session are not published.
    pub fn withholds(&self, tenant: &TenantId, session: &SessionId) -> bool {
        self.mode == Mode::Shadow || is_held_out(tenant, session, self.holdout)
    }
}

/// Whether a session is among the share (0..1) that is held out: whether the XXH3 hash (64 bits, [`SEED`]) of its ids, each
/// after its length in 8 bytes (big-endian), is below the share of 2⁶⁴. So of two shares the larger one holds out
/// all that the smaller one does.
fn is_held_out(tenant: &TenantId, session: &SessionId, share: f64) -> bool {
    let mut bytes = Vec::with_capacity(16 + tenant.as_str().len() + session.as_str().len());
    for part in [tenant.as_str(), session.as_str()] {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    u128::from(xxh3_64_with_seed(&bytes, SEED)) < (share * HASHES) as u128
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held_out(n: usize, share: f64) -> bool {
        is_held_out(&TenantId::new("acme").unwrap(), &SessionId::new(&format!("s-{n}")).unwrap(), share)
    }

    #[test]
    fn about_the_share_is_held_out_and_stays_so_as_it_grows() {
        let mut before = vec![false; 20_000];
        for share in [0.0, 0.01, 0.1, 0.5, 0.9, 1.0] {
            let now: Vec<bool> = (0..before.len()).map(|n| held_out(n, share)).collect();
            assert!(before.iter().zip(&now).all(|(before, now)| *now || !before), "one came back at {share}");
            let found = now.iter().filter(|held| **held).count() as f64 / now.len() as f64;
            // Four standard deviations of so many draws.
            assert!((found - share).abs() <= 4.0 * (share * (1.0 - share) / 20_000.0).sqrt(), "{found} of {share}");
            before = now;
        }
    }

    /// Who is held out in one release must be in the next.
    #[test]
    fn the_hash_stays_the_same() {
        let at = |tenant: &str, session: &str| {
            let (tenant, session) = (TenantId::new(tenant).unwrap(), SessionId::new(session).unwrap());
            (0..=100).find(|share| is_held_out(&tenant, &session, f64::from(*share) / 100.0))
        };
        assert_eq!(
            [at("acme", "s-1"), at("acme", "s-2"), at("acm", "es-1"), at("acmes", "-1")],
            [Some(43), Some(9), Some(46), Some(73)]
        );
    }
}
