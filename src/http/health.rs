//! Liveness, readiness, metrics.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::openapi;
use super::port::{PartitionPhase, PartitionStatus};
use super::problem::Problem;
use super::server::App;
use crate::telemetry::PartitionGauges;
use crate::telemetry::metrics::CONTENT_TYPE;

/// The process answers.
#[utoipa::path(get, path = "/livez", operation_id = "isAlive", tag = "service",
    summary = "The process answers",
    responses((status = 200, description = "It does", body = openapi::HealthAnswer)))]
pub(super) async fn livez() -> Json<Value> {
    Json(json!({"status": "alive"}))
}

/// Every worker has joined, and no owned partition is restoring or failed.
#[utoipa::path(get, path = "/readyz", operation_id = "isReady", tag = "service",
    summary = "Every partition that is owned is running",
    responses((status = 200, description = "So it is", body = openapi::HealthAnswer)))]
pub(super) async fn readyz(State(app): State<App>) -> Result<Json<Value>, Problem> {
    match app.port.ready() {
        Ok(()) => Ok(Json(json!({"status": "ready"}))),
        Err(cause) => Err(Problem::unavailable(cause)),
    }
}

/// The metrics. Gauges are read when asked for, so they are never older than the scrape.
#[utoipa::path(get, path = "/metrics", operation_id = "getMetrics", tag = "service",
    summary = "Metrics for Prometheus",
    responses((status = 200, description = "The metrics", body = String, content_type = "text/plain")))]
pub(super) async fn metrics(State(app): State<App>) -> impl IntoResponse {
    let partitions: Vec<PartitionGauges> = app.port.partitions().into_iter().map(gauges).collect();
    app.metrics.set_gauges(app.port.ready().is_ok(), &partitions);
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], app.metrics.render())
}

fn gauges(status: PartitionStatus) -> PartitionGauges {
    let restored = restored(&status.phase);
    PartitionGauges { partition: status.partition, lag: status.lag, restored, stats: status.stats }
}

/// Share of the restore that is done, 0..=1.
pub(super) fn restored(phase: &PartitionPhase) -> f64 {
    match phase {
        PartitionPhase::Restoring(share) => share.clamp(0.0, 1.0),
        PartitionPhase::Running => 1.0,
        PartitionPhase::Failed(_) => 0.0,
    }
}
