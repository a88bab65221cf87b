//! How many suggestions may be opened: to a session in an hour, to a tenant in a minute, of stream time. What is over a limit
//! is not opened; what is open stays, and whatever ends is published at any rate.

use std::collections::BTreeMap;

use crate::engine::encode::Row;
use crate::engine::encode::keys::BookKey;
use crate::engine::process::{Engine, Step};
use crate::engine::{Notice, RateScope};
use crate::model::ids::{SessionId, TenantId};
use crate::model::time::Millis;
use crate::model::window::Window;

const HOUR: Millis = Millis(3_600_000);
const MINUTE: Millis = Millis(60_000);

/// What was opened to each tenant in the window of the latest opening.
#[derive(Debug, Default)]
pub(super) struct Limits {
    opened: BTreeMap<TenantId, Window>,
    /// The window that all of them are of; `None`: not known to be one.
    window: Option<i64>,
}

impl Limits {
    /// Takes a row that was restored.
    pub fn enter(&mut self, tenant: TenantId, opened: Window) {
        let alone = self.opened.is_empty() || self.window == Some(opened.number);
        self.window = alone.then_some(opened.number);
        self.opened.insert(tenant, opened);
    }
}

impl Engine {
    /// Whether one more suggestion may be opened to a session; if so it is counted.
    pub(super) fn admit(&mut self, step: &mut Step<'_>, tenant: &TenantId, id: &SessionId) -> bool {
        let policy = &self.settings.policy;
        let (of_session, of_tenant) = (policy.session_per_hour, policy.tenant_per_minute);
        let (hour, minute) = (Window::number_at(self.stream_time, HOUR), Window::number_at(self.stream_time, MINUTE));
        self.drop_windows(step, minute);
        let session = self.store.session(tenant, id).map_or(Window::default(), |session| session.book.opened);
        let tenants = self.limits.opened.get(tenant).copied().unwrap_or_default();
        let is_over = |limit: u64, count: u64| limit > 0 && count >= limit;
        let limited = if is_over(of_session, session.count_in(hour)) {
            RateScope::Session
        } else if is_over(of_tenant, tenants.count_in(minute)) {
            RateScope::Tenant
        } else {
            if let Some(session) = self.store.session_mut(tenant, id).filter(|_| of_session > 0) {
                session.book.opened = session.book.opened.and_one_in(hour);
            }
            if of_tenant > 0 {
                let next = tenants.and_one_in(minute);
                self.limits.opened.insert(tenant.clone(), next);
                self.write_row(step, &BookKey::Rate(tenant.clone()), &Row::Opened(next));
            }
            return true;
        };
        step.effects.notices.push(Notice::Limited(limited));
        false
    }

    /// Drops what was counted in other windows than this: no more is kept than tenants that something was opened to in
    /// one window.
    fn drop_windows(&mut self, step: &mut Step<'_>, window: i64) {
        if self.limits.window == Some(window) {
            return;
        }
        self.limits.window = Some(window);
        let (kept, past): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut self.limits.opened).into_iter().partition(|(_, opened)| opened.number == window);
        self.limits.opened = kept;
        for tenant in past.into_keys() {
            self.drop_row(step, &BookKey::Rate(tenant));
        }
    }

    /// Forgets what was counted of an erased tenant.
    pub(super) fn forget_rate(&mut self, step: &mut Step<'_>, tenant: &TenantId) {
        if self.limits.opened.remove(tenant).is_some() {
            self.drop_row(step, &BookKey::Rate(tenant.clone()));
        }
    }
}
