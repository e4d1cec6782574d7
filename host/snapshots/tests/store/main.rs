//! What the store promises, on folders of their own.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

mod bad_input;
mod crash;
mod golden;
mod keeping;
mod stand;
