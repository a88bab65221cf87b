//! What the HTTP edge counts. Labels are routes as they are written in the program, methods and statuses that are
//! known, and reasons: whatever is sent, there are no more of them.

use std::time::Duration;

use prometheus::{HistogramVec, IntCounterVec, IntGauge, Registry};

use super::Metrics;
use super::metrics::{counters, gauge, histograms};
use super::results::{Forwarded, Refusal};

/// Methods by name; any other is one of the rest.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Seconds; most answers come from memory.
const ANSWER_BUCKETS: [f64; 11] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5, 10.0];

/// What can become of new TLS files.
const RELOADS: [&str; 2] = ["reloaded", "failed"];

/// Requests and refusals.
pub(super) struct Edge {
    requests: IntCounterVec,
    seconds: HistogramVec,
    reloads: IntCounterVec,
    refused: IntCounterVec,
    forwarded: IntCounterVec,
    connections: IntGauge,
}

impl Edge {
    pub fn new(r: &Registry) -> Edge {
        let edge = Edge {
            requests: counters(r, "http_requests_total", "Answered HTTP requests.", &["route", "method", "status"]),
            seconds: histograms(
                r,
                "http_request_seconds",
                "From the head of an HTTP request to that of its answer.",
                &["route"],
                &ANSWER_BUCKETS,
            ),
            reloads: counters(
                r,
                "http_tls_reloads_total",
                "Changed TLS files that were read anew, by whether they could be used.",
                &["result"],
            ),
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
        for result in RELOADS {
            edge.reloads.with_label_values(&[result]);
        }
        for forwarded in Forwarded::ALL {
            edge.forwarded.with_label_values(&[forwarded.label()]);
        }
        edge
    }
}

impl Metrics {
    /// Counts an answered request. `route`: its template; `None` where there is none. `took`: until its answer began.
    pub fn http_request(&self, route: Option<&str>, method: &str, status: u16, took: Duration) {
        let (method, route) =
            (METHODS.into_iter().find(|known| *known == method).unwrap_or("other"), route.unwrap_or("other"));
        self.edge.requests.with_label_values(&[route, method, &status.to_string()]).inc();
        self.edge.seconds.with_label_values(&[route]).observe(took.as_secs_f64());
    }

    /// Counts TLS files that changed.
    pub fn http_tls_reloaded(&self, usable: bool) {
        self.edge.reloads.with_label_values(&[RELOADS[usize::from(!usable)]]).inc();
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
