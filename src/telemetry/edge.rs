//! What the HTTP edge counts. Labels are routes as they are written in the program, methods and statuses that are
//! known, and reasons: whatever is sent, there are no more of them.

use prometheus::{IntCounterVec, IntGauge, Registry};

use super::Metrics;
use super::metrics::{counters, gauge};
use super::results::{Forwarded, Refusal};

/// Methods by name; any other is one of the rest.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Requests and refusals.
pub(super) struct Edge {
    requests: IntCounterVec,
    refused: IntCounterVec,
    forwarded: IntCounterVec,
    connections: IntGauge,
}

impl Edge {
    pub fn new(r: &Registry) -> Edge {
        let edge = Edge {
            requests: counters(r, "http_requests_total", "Answered HTTP requests.", &["route", "method", "status"]),
            refused: counters(
                r,
                "http_refused_total",
                "HTTP requests and connections refused, by reason.",
                &["reason"],
            ),
            forwarded: counters(
                r,
                "http_forwarded_total",
                "HTTP requests for what another instance holds, by what became of them.",
                &["result"],
            ),
            connections: gauge(r, "http_connections", "Open HTTP connections."),
        };
        for refusal in Refusal::ALL {
            edge.refused.with_label_values(&[refusal.label()]);
        }
        for forwarded in Forwarded::ALL {
            edge.forwarded.with_label_values(&[forwarded.label()]);
        }
        edge
    }
}

impl Metrics {
    /// Counts an answered request. `route`: its template; `None` where there is none.
    pub fn http_request(&self, route: Option<&str>, method: &str, status: u16) {
        let method = METHODS.into_iter().find(|known| *known == method).unwrap_or("other");
        self.edge.requests.with_label_values(&[route.unwrap_or("other"), method, &status.to_string()]).inc();
    }

    /// Counts a refused request or connection.
    pub fn http_refused(&self, refusal: Refusal) {
        self.edge.refused.with_label_values(&[refusal.label()]).inc();
    }

    /// Counts a request for what another instance holds.
    pub fn http_forwarded(&self, forwarded: Forwarded) {
        self.edge.forwarded.with_label_values(&[forwarded.label()]).inc();
    }

    /// Sets how many connections are open.
    pub fn http_connections(&self, open: usize) {
        self.edge.connections.set(i64::try_from(open).unwrap_or(i64::MAX));
    }
}
