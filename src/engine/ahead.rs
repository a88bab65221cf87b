//! Memory of the sessions whose records come next. Among many sessions, nearly all that one holds is far from the
//! processor when its event comes; what is asked for together, for several sessions, is waited for once.

use std::hint::black_box;

use crate::engine::decode::{Front, glimpse};
use crate::engine::process::Engine;
use crate::engine::store::{Session, Tenant};

/// Records worth looking at together: a core has only so many reads under way at a time.
pub const AHEAD: usize = 16;
/// Bytes that a processor reads at a time, or more.
const CACHE_LINE: usize = 64;

impl Engine {
    /// Reads the next records, at most [`AHEAD`] of them, and memory of the sessions that they are of, so that
    /// [`Engine::process`] need not wait for it. Changes nothing, and any bytes will do.
    pub fn look_ahead<'a>(&self, mut values: impl Iterator<Item = &'a [u8]>) {
        let fronts: [Option<Front<'_>>; AHEAD] = std::array::from_fn(|_| {
            let value = values.next()?;
            value.chunks(CACHE_LINE).for_each(|line| _ = black_box(line[0]));
            glimpse(value)
        });
        let mut found: [Option<(&Tenant, &str, &Session)>; AHEAD] = [None; AHEAD];
        for (place, front) in found.iter_mut().zip(&fronts) {
            let Some(Front { tenant_id, session_id: Some(id), .. }) = front else { continue };
            *place = self.store.tenants.get(&**tenant_id).and_then(|tenant| match tenant.sessions.get(&**id) {
                Some(session) => Some((tenant, &**id, &**session)),
                None => {
                    tenant.packed.get(&**id)?.warm();
                    None
                }
            });
        }
        // In two passes, for what the first one reads tells the second where to look.
        for (_, _, session) in found.iter().flatten() {
            session.warm();
        }
        for (tenant, id, session) in found.iter().flatten() {
            session.warm_behind();
            tenant.warm(session, id);
        }
    }
}
