//! One test for each attempt to get out of a sandbox, by what is attacked.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]
#![allow(clippy::disallowed_methods, reason = "has processes of the host to attack")]

mod exhaustion;
mod kernel;
mod network;
mod processes;
mod system_calls;
mod volumes;
