//! The client against an agent that says whatever a test likes.
//!
//! The real agent on the other end is tested in the agent's own crate.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod answers;
mod fake_agent;
mod files;
mod fuzzed;
mod greeting;
mod machines;
mod sending;
mod streams;
