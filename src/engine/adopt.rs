//! Changes the settings of an engine at work: what a restart under other settings does, without one.

use std::sync::Arc;

use crate::engine::deadlines::withdraw_deadlines;
use crate::engine::process::Engine;
use crate::engine::settings::EngineSettings;
use crate::engine::store::{Store, columns};

impl Engine {
    /// Goes on under these settings, as an engine that is restored with them from what this one wrote. The next
    /// record begins a new history entry if they differ.
    pub fn adopt(&mut self, settings: Arc<EngineSettings>) {
        self.policy = settings.policy_digest();
        self.history_noted = false;
        let Store { tenants, spanning } = &mut self.store;
        for (tenant_id, tenant) in tenants {
            for (id, session) in &mut tenant.sessions {
                withdraw_deadlines(&mut spanning.deadlines, tenant_id, id, session);
                if let Some(space) = session.facets.context.as_ref().map(|context| &context.space)
                    && let Some(index) = tenant.spaces.get_mut(space)
                {
                    index.set_columns(id, session.slot, &columns(&session.facets, &settings));
                }
            }
        }
        self.store.list_all(&settings, self.stream_time);
        self.settings = settings;
    }
}
