//! The agent behind the relay of a microVM, in which no descriptor passes: what holds without the relay must hold with it.
//!
//! [`vmm`] stands in for the machine's vsock device, and unix(7) sockets for vsock(7).

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../serve/commands.rs"]
mod commands;
#[path = "../serve/endings.rs"]
mod endings;
#[path = "../serve/files.rs"]
mod files;
mod fuzzed;
mod harness;
#[allow(dead_code, reason = "the tests without a relay say more")]
#[path = "../serve/raw_host.rs"]
mod raw_host;
mod relayed;
#[path = "../serve/signals.rs"]
mod signals;
#[path = "../serve/streams.rs"]
mod streams;
#[path = "../serve/terminals.rs"]
mod terminals;
mod vmm;
#[path = "../serve/watches.rs"]
mod watches;
