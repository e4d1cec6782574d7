//! The WIT adapter from outside: real components on the domain's fake backend.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

mod bad_input;
mod cache;
mod files;
mod handmade;
mod hostile;
mod logging;
mod operations;
mod policies;
mod stand;
mod terminals;
