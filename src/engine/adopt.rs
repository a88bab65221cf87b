//! Changes the settings of an engine at work: what a restart under other settings does, without one.

use std::sync::Arc;

use crate::engine::deadlines::withdraw_deadlines;
use crate::engine::process::Engine;
use crate::engine::settings::EngineSettings;
use crate::engine::store::Store;

impl Engine {
    /// Goes on under these settings, as an engine that is restored with them from what this one wrote. The next
    /// record begins a new history entry if they differ.
    pub fn adopt(&mut self, settings: Arc<EngineSettings>) {
        self.policy = settings.policy_digest();
        self.history_noted = false;
        let Store { tenants, spanning, .. } = &mut self.store;
        for (tenant_id, tenant) in tenants.iter_mut() {
            let open = tenant.sessions.iter_mut().map(|(id, session)| (id, &mut session.kept));
            let packed = tenant.packed.iter_mut().map(|(id, packed)| (id, &mut packed.kept));
            for (id, kept) in open.chain(packed) {
                withdraw_deadlines(&mut spanning.deadlines, tenant_id, id, kept);
            }
        }
        self.store.list_all(&settings, self.stream_time, |_, _, packed| Some(packed.read()));
        if self.settings.max_prefix_blocks != settings.max_prefix_blocks {
            self.store.list_chains(&settings);
        }
        self.settings = settings;
    }
}
