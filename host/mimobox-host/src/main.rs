//! Placeholder.
mod audit_sink;
mod config;
mod exit;
mod quantity;
mod state;
mod telemetry;
fn main() {}
