//! End to end, on a real Apache Kafka. All in one binary, so that one broker serves every test.

#[path = "e2e/decisions.rs"]
mod decisions;
#[path = "e2e/edge.rs"]
mod edge;
#[path = "e2e/erased.rs"]
mod erased;
#[path = "e2e/exactly_once.rs"]
mod exactly_once;
#[path = "e2e/inputs.rs"]
mod inputs;
#[path = "support/instance.rs"]
mod instance;
#[path = "e2e/owners.rs"]
mod owners;
#[path = "e2e/python.rs"]
mod python;
#[path = "e2e/rebuild.rs"]
mod rebuild;
#[path = "e2e/service.rs"]
mod service;
mod support;
#[path = "e2e/ticks.rs"]
mod ticks;
#[path = "e2e/verify.rs"]
mod verify;
#[path = "e2e/verify_doubt.rs"]
mod verify_doubt;
#[path = "e2e/verify_live.rs"]
mod verify_live;
