//! The agent as a process of its own, without a plan and without privileges, spoken to by the real client.
//!
//! What it is trusted with inside a sandbox (other users, being pid 1) is tested with the backends.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod commands;
mod connection;
mod endings;
mod files;
mod harness;
mod raw_host;
mod refusals;
mod signals;
mod streams;
mod terminals;
mod watches;
